"""The device that computes, and the CPU cores and the memory that this process may use.

Containers and batch systems limit a process by affinity (which cores it may run on), and by quotas of processor time
and of memory (Linux control groups). Threads beyond their limit only take turns, and each costs memory.
"""

from __future__ import annotations

import gc
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vsa_cli.core.errors import ConfigError, MissingError
from vsa_cli.core.openvino import require_openvino
from vsa_cli.core.ranks import ALONE, Ranks

if TYPE_CHECKING:  # importing it takes seconds, and counting cores does not need it
    import torch

Precision = Literal["float32", "bf16"]
"""The precision of matrix products and convolutions; bf16 has the range of float32 and a third of its digits."""

Runtime = Literal["torch", "openvino"]
"""What computes the CNN: PyTorch on any device, or OpenVINO on the CPU."""

_NAME = re.compile(r"(?P<kind>cpu|mps)|cuda(?::(?P<index>[0-9]{1,4}))?")


def resolve_device(name: str, ranks: Ranks = ALONE, runtime: Runtime = "torch") -> torch.device:
    """The device of a name: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    Args:
        name: the name.
        ranks: this process; of several processes on a machine, each has a GPU of its own.
        runtime: what computes the CNN; for OpenVINO, `auto` is the CPU.

    Raises:
        ConfigError: the name is not the name of a device, or several processes or the runtime cannot use it.
        MissingError: the machine does not have the device, or the runtime is not installed.
    """
    import torch

    if runtime == "openvino":
        if name not in ("auto", "cpu"):
            raise ConfigError(f"`device` {name}: `runtime` openvino computes on the CPU; use cpu")
        require_openvino()
        name = "cpu"
    if not ranks.alone:
        name = _of_rank(name, ranks, torch.cuda.device_count())
    if name == "auto":
        return _set_up(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    named = _NAME.fullmatch(name)
    if named is None:
        raise ConfigError(f"`device` {name}: not a device (auto, cpu, cuda, cuda:N, mps)")
    kind, index = named["kind"] or "cuda", named["index"]
    if kind == "cuda" and not torch.cuda.is_available():
        raise MissingError(f"`device` {name}: no CUDA device found; use cpu")
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise MissingError(f"`device` {name}: only {torch.cuda.device_count()} CUDA device(s) found")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise MissingError(f"`device` {name}: no Apple GPU found; use cpu")
    return _set_up(torch.device(name))


def _set_up(device: torch.device) -> torch.device:
    """The same device; a GPU is from now on the one that this thread uses, and computes in float32 with all digits."""
    import torch

    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # by default, convolutions drop more than half of the digits
    if device.index is not None:
        torch.cuda.set_device(device)  # page-locked memory would otherwise belong to the first GPU, and take some of it
    return device


def _of_rank(name: str, ranks: Ranks, gpus: int) -> str:
    """The name of the device of one of several processes, on a machine with some GPUs."""
    if name == "mps" or name.startswith("cuda:"):
        raise ConfigError(f"`device` {name}: several processes cannot share it; cuda gives each a GPU of its own")
    if name == "auto" and not gpus:
        return "cpu"
    if name not in ("auto", "cuda") or not gpus:
        return name
    if ranks.local >= gpus:
        raise MissingError(f"`device` {name}: only {gpus} CUDA device(s) found for more processes; start one for each")
    return f"cuda:{ranks.local}"


@cache
def _default_threads() -> int:
    """Torch's own number of threads, as it is before the first change."""
    import torch

    return torch.get_num_threads()


@contextmanager
def quick_imports() -> Iterator[None]:
    """Suspend the garbage collector while PyTorch is imported in the block, and exempt what exists at its end from it.

    Its collections find nothing, take a tenth of the time of the import, and as long again when the process ends. A
    process that has PyTorch already is left as it is.
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def set_threads(threads: int) -> None:
    """Set the CPU threads of torch's operations; 0 is torch's default, or the cores that the process may use."""
    import torch

    default = min(_default_threads(), available_cores())
    torch.set_num_threads(threads or default)
    # oneDNN caches a compiled matrix product for each shape, 1,024 by default. Batches of sentences have new shapes at
    # every step, and the cache grows to 8 GB. With half as many it stays at 5 GB, and training the alignment model is a
    # sixth slower. A value that the user has set is kept.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "512")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products on this device are faster in bfloat16 than in float32, to justify the lower precision."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def resolve_precision(precision: Precision | None, device: torch.device) -> Precision:
    """The requested precision of matrix products, or else the default: bf16 on devices where it is faster.

    Raises:
        MissingError: the device cannot multiply in bf16.
    """
    import torch

    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise MissingError(f"`precision` bf16: not supported by the device {device}; use float32")
    return precision or ("bf16" if has_fast_bfloat16(device) else "float32")


def products_in(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Within the block, matrix products and convolutions on a device have this precision; weights stay float32."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the CPU on a device.

    To a GPU it is copied from page-locked memory, so that the CPU goes on while the copy, and the work that needs it,
    wait for their turn.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@contextmanager
def one_thread_each(device: torch.device) -> Iterator[None]:
    """One CPU thread per operation inside the block.

    It is faster while several Python threads process a photograph each. And results are the same in processes with
    different numbers of threads: on some processors, two threads add the terms of a product in another order than one.
    """
    import torch

    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Processor cores that this process may use, at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, cgroup_quota())))


def own_cores(ranks: Ranks) -> int:
    """The share of one of several processes in the cores of its machine, at least 1."""
    return max(1, available_cores() // ranks.neighbours)


def available_memory(ranks: Ranks = ALONE) -> float:
    """Bytes of memory that this process may use; infinity if that is unknown.

    Args:
        ranks: this process; several processes on a machine share its memory equally.
    """
    try:
        installed = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # Windows
        installed = math.inf
    return min(installed, _cgroup_limit("memory", _memory_v1, _memory_v2)) / ranks.neighbours


def cgroup_quota() -> float:
    """Processor time that control groups (version 1 or 2) grant, in cores; infinity without a limit."""
    return _cgroup_limit("cpu", _quota_v1, _quota_v2)


def _cgroup_limit(controller: str, read_v1: Callable[[Path], float], read_v2: Callable[[Path], float]) -> float:
    """The least limit of the control groups of this process and of those around them; infinity without one."""
    limits = [math.inf]
    try:
        lines = MEMBERSHIP.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return math.inf  # not Linux
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        root = CGROUPS / controllers if controllers else CGROUPS
        folder = root / group.lstrip("/")
        # inside a container the group's own path may not be visible: then its root holds the limit
        for place in (folder, *folder.parents):
            if place == CGROUPS.parent:
                break
            limits.append(read_v1(place) if controllers else read_v2(place))
    return min(limits)


def _quota_v2(folder: Path) -> float:
    """`cpu.max` holds "QUOTA PERIOD" in microseconds, or "max PERIOD"."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else math.inf


def _quota_v1(folder: Path) -> float:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")  # -1 is no limit
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else math.inf


def _memory_v2(folder: Path) -> float:
    """`memory.max` holds bytes, or "max"."""
    limit = _read(folder / "memory.max")
    return int(limit) if limit.isdigit() else math.inf


def _memory_v1(folder: Path) -> float:
    limit = _read(folder / "memory.limit_in_bytes")  # without a limit, about 2^63
    return int(limit) if limit.isdigit() else math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
