"""Which processor does the arithmetic, how many threads, and where randomness starts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vsa_cli.core.errors import ConfigError, MissingError

_NAME = re.compile(r"(?P<kind>cpu|mps)|cuda(?::(?P<index>[0-9]{1,4}))?")


def resolve_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda`, `cuda:1` or `mps` into a device that is there.

    Raises:
        UsageError: not a device's name.
        MissingError: the device is not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    named = _NAME.fullmatch(name)
    if named is None:
        raise ConfigError(f"--device {name}: not a device (auto, cpu, cuda, cuda:N, mps)")
    kind, index = named["kind"] or "cuda", named["index"]
    if kind == "cuda" and not torch.cuda.is_available():
        raise MissingError(f"--device {name}: no CUDA device here; use --device cpu")
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise MissingError(f"--device {name}: only {torch.cuda.device_count()} CUDA device(s) here")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise MissingError(f"--device {name}: no Apple GPU here; use --device cpu")
    return torch.device(name)


_OWN_CHOICE = torch.get_num_threads()


def set_threads(threads: int) -> None:
    """Bound the threads of one operation; 0 takes torch's own choice, whatever an earlier command here has set."""
    torch.set_num_threads(threads or _OWN_CHOICE)
    # oneDNN keeps a compiled product for each shape, 1,024 of them by default, and batches of real words bring new
    # shapes with every step: 8 GB in the end. Half as many cost the alignment model a sixth of its speed and keep it at
    # 5 GB; who has set a number keeps it.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "512")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are faster than in float32 here, for they are also coarser."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@contextmanager
def one_thread_each(device: torch.device) -> Iterator[None]:
    """While several Python threads work: on a CPU, one photograph a core beats all cores on one photograph."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
