"""Tensors of a safetensors file, mapped into memory and given back to the operating system when they are not needed.

A page of a mapped file counts as memory of the process from its first use until the system needs it for something else.
So a process that reads here and there in large files seems to need as much memory as they have bytes, and is judged by
it, for example by the limit of a container. The safetensors library maps files as well, but does not say whether a
tensor is in a mapped file, and only pages of a mapped file may be given back without losing what they hold.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import struct
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.io.files import check_regular_file
from vsa_cli.core.io.json import parse_json

Layout = Mapping[str, tuple[tuple[int, ...], torch.dtype]]
"""The shape and the type of each tensor of a file."""

_TYPES = {"F32": torch.float32, "F16": torch.float16, "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8}
_LENGTH = struct.Struct("<Q")
_MAX_HEADER = 1 << 20


class MappedFile:
    """A safetensors file, mapped into memory; it may be deleted or replaced while it is mapped.

    Attributes:
        path: the file.
        tensors: its tensors, on the CPU, which must not be written to.

    Args:
        path: the file.
        expected: the tensors that it must have, and no others.

    Raises:
        DataError: the file is missing.
        ArtifactError: it cannot be read, is damaged, or has other tensors.
    """

    def __init__(self, path: Path, expected: Layout) -> None:
        self.path = path
        try:
            check_regular_file(path)
            with path.open("rb") as file:
                (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
                header = file.read(min(length, _MAX_HEADER + 1))
            size = path.stat().st_size
            self._bytes = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
        except FileNotFoundError as error:
            raise DataError(f"{path}: {reason(error)}") from error
        except (OSError, struct.error, RuntimeError, UnicodeError) as error:
            raise self._damage(reason(error)) from error
        if len(header) != length:
            raise self._damage("its header")
        self.tensors = self._cut(header, _LENGTH.size + length, expected)

    def _cut(self, header: bytes, start: int, expected: Layout) -> dict[str, Tensor]:
        try:
            entries = parse_json(header, str(self.path))
        except DataError as error:
            raise self._damage("its header") from error
        if not isinstance(entries, dict) or entries.keys() - {"__metadata__"} != expected.keys():
            raise self._damage("its contents differ from the manifest")
        tensors = {}
        for name, (shape, dtype) in expected.items():
            first, last = self._range(entries[name], shape, dtype)
            try:
                tensors[name] = self._bytes[start + first : start + last].view(dtype).view(shape)
            except RuntimeError as error:  # cut off, or not aligned
                raise self._damage(f"the place of {name}") from error
        return tensors

    def _range(self, entry: object, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[int, int]:
        """The bytes of a tensor behind the header, if it has a shape and a type."""
        if (
            not isinstance(entry, dict)
            or entry.get("shape") != list(shape)
            or _TYPES.get(str(entry.get("dtype"))) != dtype
        ):
            raise self._damage("its contents differ from the manifest")
        match entry.get("data_offsets"):
            case [int(first), int(last)] if first >= 0 and last - first == math.prod(shape) * dtype.itemsize:
                return first, last
        raise self._damage("its contents differ from the manifest")

    def _damage(self, what: str) -> ArtifactError:
        return ArtifactError(f"{self.path}: damaged ({what[:160]})")

    def release(self, *names: str) -> None:
        """Give back the pages of some tensors; one that is used again is loaded again.

        Nothing is done on systems without such a call.
        """
        advise = _advise()
        for tensor in (self.tensors[name] for name in names if name in self.tensors):
            start, size = tensor.data_ptr(), tensor.numel() * tensor.element_size()
            first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE  # pages at the ends may have a part of other tensors
            last = (start + size) // mmap.PAGESIZE * mmap.PAGESIZE
            if advise is not None and first < last:
                advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_DONTNEED)


@cache
def _advise() -> Callable[..., int] | None:
    """The system's `madvise`, found in Python itself; that of Python's `mmap` is for files that it mapped itself."""
    if not hasattr(mmap, "MADV_DONTNEED"):
        return None
    found: Callable[..., int] = ctypes.pythonapi["madvise"]
    return found
