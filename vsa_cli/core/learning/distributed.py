"""Communication between the processes that `torchrun` starts: the only module that uses `torch.distributed`.

Each process computes the gradients of its share of every batch, and their sum over all processes is the gradient of the
whole batch. `DistributedDataParallel` is not used: it averages, it needs a forward pass through the model's own
`forward`, and its sums run at the same time as those of `gathered`, which must have the same order in all processes.

Without `torchrun` no function here does anything. This module does not depend on models or data.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vsa_cli.core.errors import ArtifactError, EndedError, ExitCode, MissingError, reason
from vsa_cli.core.ranks import Ranks

_PATIENCE = timedelta(days=1)
"""How long a process waits for the others. The first validates while they wait; a process that ends is noticed at once,
because its connections close."""

_LOOK = 0.2
"""Seconds between two looks at what other processes have done meanwhile."""

_SETTLE = 1.0
"""Seconds after a lost connection in which Ctrl-C may still arrive here, if it is what ended the other process."""

_GRACE = 5.0
"""Seconds after a signal in which a process may end by itself; one that waits for a GPU cannot."""

_STORE, _CLAIM = ("MASTER_ADDR", "MASTER_PORT"), timedelta(seconds=5)
"""Variables that name the address of torchrun's store, and how long it may take to answer."""


@contextmanager
def joined(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Within the block, this process is connected with the others of its run.

    Args:
        ranks: this process; nothing happens if it is alone.
        device: where it computes: processes on CPUs communicate by gloo, those on GPUs by NCCL.

    Raises:
        MissingError: the processes cannot be connected.
        EndedError: another process has ended within the block, or `torchrun` has sent SIGTERM.
    """
    if ranks.alone:
        yield
        return
    with _ended_by_signals():
        if not dist.is_available():
            raise MissingError("this build of PyTorch cannot connect processes; start one alone")
        try:
            if device.type == "cuda":
                torch.cuda.set_device(device)
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise MissingError(f"the {ranks.size} processes cannot be connected: {reason(error)[:300]}") from error
        yield
        dist.destroy_process_group()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Within the block, SIGTERM raises `EndedError`; it and Ctrl-C also end a process that is stuck in a system call.

    Python runs the handler of a signal only between two instructions of the main thread, which may wait for a GPU
    forever. The number of a signal is therefore also written to a pipe, and a thread that reads it ends the process
    after a while.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise EndedError

    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    usual, usual_wakeup = signal.signal(signal.SIGTERM, end), signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    watch = threading.Thread(target=_end_when_told, args=(readable,), daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(usual_wakeup)
        signal.signal(signal.SIGTERM, usual)
        os.close(writable)  # ends the thread, unless a signal has arrived


def _end_when_told(readable: int) -> None:
    codes = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.FAILED}
    while number := os.read(readable, 1):
        if number[0] in codes:
            time.sleep(_GRACE)
            if number[0] == signal.SIGTERM and is_first_report():
                print(f"vsa: {EndedError()}", file=sys.__stderr__, flush=True)
            os._exit(codes[signal.Signals(number[0])])
    os.close(readable)


def is_first_report() -> bool:
    """Whether no process of this run has asked before: the one that gets True reports the error that ends the run.

    `torchrun` keeps the answer, so it does not matter which processes still live.
    """
    key = f"vsa/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/reported"
    try:
        address, port = (os.environ[name] for name in _STORE)
        store = dist.TCPStore(address, int(port), timeout=_CLAIM, wait_for_workers=False)  # type: ignore[attr-defined]
        return bool(store.add(key, 1) == 1)
    except (KeyError, ValueError, RuntimeError):  # torchrun itself has ended
        return True


@contextmanager
def _with_the_others() -> Iterator[None]:
    """Around everything that waits for other processes.

    Raises:
        EndedError: one of them has ended.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):  # gloo has no class of its own
            raise  # out of memory, for instance
        time.sleep(_SETTLE)
        raise EndedError from error


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, counts: tuple[int, ...], rank: int, summed: bool) -> Tensor:
        ctx.rows = slice(sum(counts[:rank]), sum(counts[: rank + 1]))
        ctx.summed = summed
        most = max(counts)
        padded = own.new_zeros(most, *own.shape[1:])
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in counts]
        with _with_the_others():
            dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        grad = grads[0]
        if ctx.summed:
            grad = grad.clone(memory_format=torch.contiguous_format)
            with _with_the_others():
                dist.all_reduce(grad)
        return grad[ctx.rows], None, None, None


def gathered(own: Tensor, counts: Sequence[int], ranks: Ranks, *, summed: bool) -> Tensor:
    """The rows of all processes, those of process 0 first; gradients flow back to their processes.

    Args:
        own: (counts[rank], ...) the rows of this process.
        counts: the number of rows of each process.
        ranks: this process.
        summed: whether the processes do different things with the rows, so that a row's gradient is the sum of theirs.
            Otherwise all compute the same from them, and each has the whole gradient already.
    """
    found: Tensor = _Gathered.apply(own, tuple(counts), ranks.rank, summed)
    return found


def total(value: float, ranks: Ranks, device: torch.device) -> float:
    """The sum of a number over all processes."""
    if ranks.alone:
        return value
    found = torch.tensor(value, dtype=torch.float64, device=device)
    with _with_the_others():
        dist.all_reduce(found)
    return found.item()


class GradientSum:
    """Sums the gradients of a model, and its loss, over all processes.

    All travel in one array, which is kept from step to step: every sum makes the processes wait for each other, and new
    memory costs more than copying.

    Args:
        model: the model on its device.
        ranks: this process.
    """

    def __init__(self, model: nn.Module, ranks: Ranks) -> None:
        self._ranks = ranks
        if ranks.alone:
            return
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        sizes = [1, len(self._parameters), *(parameter.numel() for parameter in self._parameters)]
        self._all = torch.empty(sum(sizes), device=self._parameters[0].device)
        self._loss, self._used, *parts = torch.split(self._all, sizes)
        self._sums = [part.view_as(parameter) for part, parameter in zip(parts, self._parameters, strict=True)]

    def __call__(self, loss: float) -> float:
        """Replace the gradient of every parameter by its sum, and return the sum of the loss, as float32 has it.

        A parameter that no process has used keeps no gradient, so that the optimiser passes it over.
        """
        if self._ranks.alone:
            return loss
        grads = [parameter.grad for parameter in self._parameters]
        self._loss.fill_(loss)
        self._used.copy_(torch.tensor([float(grad is not None) for grad in grads]))
        for whole, grad in zip(self._sums, grads, strict=True):
            if grad is None:
                whole.zero_()
            else:
                whole.copy_(grad)
        with _with_the_others():
            dist.all_reduce(self._all)
        for parameter, whole, uses in zip(self._parameters, self._sums, self._used.tolist(), strict=True):
            parameter.grad = whole if uses else None
        return self._loss.item()


def start_together(model: nn.Module, facts: Mapping[str, Any], ranks: Ranks) -> None:
    """Check that all processes train the same, and give them the weights of the first.

    They may be on machines of different kinds, which round initial weights differently, or with other files.

    Args:
        model: the model on its device, initialised or resumed.
        facts: what must be the same in all processes, as JSON.
        ranks: this process.

    Raises:
        ArtifactError: it is not.
    """
    if ranks.alone:
        return
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()[:6]
    least = torch.tensor(int.from_bytes(digest, "big"), device=next(model.parameters()).device)
    most = least.clone()
    with _with_the_others():
        dist.all_reduce(least, dist.ReduceOp.MIN)
        dist.all_reduce(most, dist.ReduceOp.MAX)
    if int(least) != int(most):
        raise ArtifactError(
            "the processes found different inputs, settings or saved runs: all machines must see the same files"
        )
    with _with_the_others(), torch.no_grad():
        for value in model.state_dict().values():
            whole = value.contiguous()
            dist.broadcast(whole, 0)
            value.copy_(whole)


def from_first(compute: Callable[[], dict[str, float]], ranks: Ranks, device: torch.device) -> dict[str, float]:
    """What the first process computes, in all processes; the others only wait."""
    if ranks.alone:
        return compute()
    text = json.dumps(compute()).encode() if ranks.first else b""
    with _with_the_others():
        size = torch.tensor(len(text), device=device)
        dist.broadcast(size, 0)
        content = torch.frombuffer(bytearray(text or bytes(int(size))), dtype=torch.uint8).to(device)
        dist.broadcast(content, 0)
    return {name: float(value) for name, value in json.loads(bytes(content.tolist())).items()}


def arrivals() -> Iterator[bool]:
    """Several times a second, whether all processes of the run have called this; ends only when it is closed.

    Raises:
        EndedError: one of them has ended before it called this.
    """
    with _with_the_others():
        arrived = dist.barrier(async_op=True)
        while not arrived.is_completed():
            yield False
            time.sleep(_LOOK)
        arrived.wait()
    while True:
        yield True
        time.sleep(_LOOK)
