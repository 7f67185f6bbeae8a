"""The device that computes, and the number of CPU threads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vsa_cli.core.errors import ConfigError, MissingError
from vsa_cli.core.machine import available_cores

_NAME = re.compile(r"(?P<kind>cpu|mps)|cuda(?::(?P<index>[0-9]{1,4}))?")


def resolve_device(name: str) -> torch.device:
    """The device of a name: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    Raises:
        ConfigError: the name is not the name of a device.
        MissingError: the machine does not have the device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
    return torch.device(name)


_DEFAULT_THREADS = torch.get_num_threads()


def set_threads(threads: int) -> None:
    """Set the CPU threads of torch's operations; 0 is torch's default, or the cores that the process may use."""
    torch.set_num_threads(threads or min(_DEFAULT_THREADS, available_cores()))
    # oneDNN caches a compiled matrix product for each shape, 1,024 by default. Batches of sentences have new shapes at
    # every step, and the cache grows to 8 GB. With half as many it stays at 5 GB, and training the alignment model is a
    # sixth slower. A value that the user has set is kept.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "512")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products on this device are faster in bfloat16 than in float32, to justify the lower precision."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@contextmanager
def one_thread_each(device: torch.device) -> Iterator[None]:
    """One CPU thread per operation inside the block: faster while several Python threads process a photograph each."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
