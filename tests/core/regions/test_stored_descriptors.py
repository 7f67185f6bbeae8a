"""Descriptors left in their regions file: the same bits as in memory; damaged files are refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from tests.foreign_files import image_regions
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.envelope import REGIONS, Envelope
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions
from vsa_cli.core.regions.stored_descriptors import StoredDescriptors, descriptors_of, first_regions

D, COUNTS = 6, (3, 1, 5, 2, 4, 4, 1, 5, 3, 2)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten images in chunks of seven rows, so that some images are in two chunks."""
    monkeypatch.setattr("vsa_cli.core.regions.store_writer.CHUNK_ROWS", 7)
    images = [image_regions(f"{i}", count, i, D) for i, count in enumerate(COUNTS)]
    write_regions(tmp_path / "regions.h5", Envelope(REGIONS, 1, {"cnn": "x"}), [images[:4], images[4:]], D)
    return tmp_path / "regions.h5"


@pytest.fixture
def store(path: Path) -> Iterator[RegionStore]:
    opened = RegionStore(path)
    yield opened
    opened.close()


def rewrite(path: Path, **options: object) -> None:
    """Store the descriptors in another way."""
    with h5py.File(path, "r+") as file:
        data = file["descriptors"][:]
        del file["descriptors"]
        file.create_dataset("descriptors", **{"data": data, **options})


@pytest.mark.parametrize("keys", [range(10), range(9, -1, -1), (8, 2, 5)])
@pytest.mark.parametrize("whole_only", [False, True])
def test_stored_descriptors_are_those_in_memory(store: RegionStore, keys: range, whole_only: bool) -> None:
    ids = [str(key) for key in keys]
    expected = descriptors_of(store, ids, stream=False, whole_only=whole_only)
    stored = descriptors_of(store, ids, stream=True, whole_only=whole_only)
    assert isinstance(expected, torch.Tensor)
    assert isinstance(stored, StoredDescriptors)
    assert len(stored) == len(expected)
    assert store.padded_bytes(ids, whole_only=whole_only) == expected.nbytes
    for some in (slice(None), slice(1, 3), slice(None, None, 2), slice(0), torch.tensor([2, 0, 2, 1])):
        assert torch.equal(stored[some], expected[some])
    assert torch.equal(first_regions(stored)[:], expected[:, None] if whole_only else first_regions(expected)[:])


@pytest.mark.parametrize("options", [{"chunks": None}, {"chunks": (3, D)}, {"dtype": "f4"}, {"dtype": ">f2"}])
def test_any_plain_layout_is_read(path: Path, options: dict[str, object]) -> None:
    rewrite(path, **options)
    store = RegionStore(path)
    assert torch.equal(descriptors_of(store, store.ids, stream=True)[:], torch.from_numpy(store.padded(store.ids)))


@pytest.mark.parametrize("options", [{"chunks": (7, D), "compression": "gzip"}, {"chunks": (7, D // 2)}])
def test_other_layouts_are_refused(path: Path, options: dict[str, object]) -> None:
    rewrite(path, **options)
    store = RegionStore(path)
    with pytest.raises(ArtifactError, match="must fit in memory"):
        descriptors_of(store, store.ids, stream=True)


def test_damage_is_reported(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["descriptors"][4, 2] = np.nan
    stored = descriptors_of(RegionStore(path), ["9", "2"], stream=True)
    assert len(stored[:1]) == 1
    with pytest.raises(ArtifactError, match=r"regions\.h5: damaged descriptors \(not all are finite"):
        stored[:]
    path.write_bytes(path.read_bytes()[:600])  # in place, as a failing disk would
    with pytest.raises(ArtifactError, match="cut short"):
        stored[:1]


def test_several_threads_read_a_file_that_is_replaced_and_whose_store_is_closed(path: Path) -> None:
    store = RegionStore(path)
    expected = torch.from_numpy(store.padded(store.ids))
    stored = descriptors_of(store, store.ids, stream=True)
    store.close()
    path.with_suffix(".new").write_bytes(b"another")
    path.with_suffix(".new").replace(path)
    with ThreadPoolExecutor(4) as pool:
        asked = [torch.tensor([n % 10, (3 * n) % 10]) for n in range(40)]
        for images, found in zip(asked, pool.map(stored.__getitem__, asked), strict=True):
            assert torch.equal(found, expected[images])
