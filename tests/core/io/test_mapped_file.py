"""Tensors of mapped files: their values, before and after their pages are given back, and damaged files."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.mapped_file import Layout, MappedFile

TENSORS = {
    "half": torch.arange(6000).reshape(1000, 6).half(),
    "whole": torch.arange(10, dtype=torch.int64) - 5,
    "small": torch.arange(7, dtype=torch.int32),
    "bytes": torch.arange(200, dtype=torch.uint8),
    "none": torch.empty(0, 4),
}
LAYOUT: Layout = {name: (tuple(one.shape), one.dtype) for name, one in TENSORS.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "a.safetensors", {"key": "value"})
    return tmp_path / "a.safetensors"


def assert_right(mapped: MappedFile) -> None:
    assert mapped.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(mapped.tensors[name], one) for name, one in TENSORS.items())


def test_tensors_are_those_of_the_file_also_after_pages_are_given_back(path: Path) -> None:
    mapped = MappedFile(path, LAYOUT)
    assert_right(mapped)
    mapped.release(*TENSORS, "unknown")
    assert_right(mapped)


def test_file_may_be_replaced_and_deleted_while_it_is_mapped(path: Path) -> None:
    mapped = MappedFile(path, LAYOUT)
    path.rename(path.with_name("moved"))
    save_file({name: one + 1 for name, one in TENSORS.items()}, path)
    path.unlink()
    path.with_name("moved").unlink()
    mapped.release("half")
    assert_right(mapped)
    with pytest.raises(DataError, match="No such file"):
        MappedFile(path, LAYOUT)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_given_back(tmp_path: Path) -> None:
    size = 1 << 26
    save_file({"large": torch.ones(size, dtype=torch.uint8)}, tmp_path / "a")
    mapped = MappedFile(tmp_path / "a", {"large": ((size,), torch.uint8)})

    def of_files() -> int:
        (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("RssFile"))
        return int(line.split()[1]) * 1024

    before = of_files()
    assert int(mapped.tensors["large"].sum()) == size
    used = of_files()
    mapped.release("large")
    assert used - before > 0.9 * size
    assert of_files() - before < 0.1 * size


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"shape": [1000, 7]}, "differ"),
        ({"shape": None}, "differ"),
        ({"dtype": "F32"}, "differ"),
        ({"dtype": []}, "differ"),
        ({"data_offsets": [0]}, "differ"),
        ({"data_offsets": [0, 11999]}, "differ"),
        ({"data_offsets": [-12000, 0]}, "differ"),
        ({"data_offsets": [2**62, 2**62 + 12000]}, "place of half"),
        ({"data_offsets": [20000, 32000]}, "place of half"),
        ({"data_offsets": [1, 12001]}, "place of half"),
        ({"data_offsets": ["a", "b"]}, "differ"),
    ],
)
def test_other_entries_of_the_header_are_refused(path: Path, entry: dict[str, Any], message: str) -> None:
    rewrite(path, lambda header: header["half"].update(entry))
    with pytest.raises(ArtifactError, match=rf"{path.name}: damaged \(.*{message}"):
        MappedFile(path, LAYOUT)


@pytest.mark.parametrize("change", [lambda header: header.pop("half"), lambda header: header.update(more={})])
def test_missing_and_further_tensors_are_refused(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    rewrite(path, change)
    with pytest.raises(ArtifactError, match="differ"):
        MappedFile(path, LAYOUT)


@pytest.mark.parametrize(
    "content",
    [b"", b"\1", b"\2" + bytes(7) + b"[]", b"\x10" + bytes(7) + b"{}", b"\xff" * 8 + b"{}", b"\4" + bytes(7) + b"null"],
)
def test_files_without_a_header_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged"):
        MappedFile(path, LAYOUT)
    with pytest.raises(ArtifactError):
        MappedFile(path.parent, LAYOUT)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
