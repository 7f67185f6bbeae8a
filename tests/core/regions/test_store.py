"""`regions.h5`: what is written is read, and hostile files are refused."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import signal
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.foreign_files import are_same, image_regions
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.envelope import REGIONS, Envelope
from vsa_cli.core.io.guarded_file import Sink
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.regions.image_regions import ImageRegions, Label
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions

D = 6


def write(path: Path, images: list[ImageRegions], part: int = 2) -> None:
    parts = (images[i : i + part] for i in range(0, len(images), part))
    write_regions(path, Envelope(REGIONS, 1, {"cnn": "x"}), parts, D)


@settings(max_examples=25, deadline=None)
@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=12), part=st.integers(1, 5))
def test_regions_are_read_as_written(tmp_path_factory: pytest.TempPathFactory, counts: list[int], part: int) -> None:
    path = tmp_path_factory.mktemp("store") / "regions.h5"
    images = [image_regions(f"é{i}.jpg", count, i) for i, count in enumerate(counts)]
    write(path, images, part)
    store = RegionStore(path)
    assert store.ids == [one.image_id for one in images]
    assert all(are_same(store[one.image_id], one) for one in images)
    asked = [one.image_id for one in images][::-1]
    expected = np.stack([one.descriptors[0] for one in images[::-1]])
    assert np.array_equal(store.whole_images(asked), expected)
    store.close()


def test_the_hash_depends_on_the_contents_and_not_on_the_parts(tmp_path: Path) -> None:
    images = [image_regions(f"{i}", 3, i) for i in range(5)]
    hashes = []
    for n, (chosen, part) in enumerate([(images, 2), (images, 5), (images[:4], 2)]):
        write(tmp_path / f"{n}.h5", chosen, part)
        hashes.append(RegionStore(tmp_path / f"{n}.h5").sha256)
    assert hashes[0] == hashes[1] != hashes[2]


def labelled(name: str, count: int, *labels: Label) -> ImageRegions:
    return dataclasses.replace(image_regions(name, count), labels=labels)


LABELLED = [
    labelled("a", 2),
    labelled("b", 3, Label(0, "zebra", 0.25), Label(2, "grass", 1.0), Label(2, "zebra", 0.5)),
    labelled("c", 1, Label(0, "ünï çödé", 0.0)),
    labelled("d", 4, Label(3, "grass", 0.125)),
]


@pytest.mark.parametrize("part", [1, 3])
def test_labels_are_read_as_written(tmp_path: Path, part: int) -> None:
    write(tmp_path / "r.h5", LABELLED, part)
    store = RegionStore(tmp_path / "r.h5")
    assert store.label_names == ("zebra", "grass", "ünï çödé")
    for one in LABELLED:
        assert are_same(store[one.image_id], one)
        assert store.labels_of(one.image_id) == one.labels
    with pytest.raises(ArtifactError, match="has no image e"):
        store.labels_of("e")


def test_labels_are_ordered_by_region(tmp_path: Path) -> None:
    write(tmp_path / "r.h5", [labelled("a", 3, Label(2, "x", 0.5), Label(0, "y", 0.5), Label(2, "a", 1.0))])
    assert RegionStore(tmp_path / "r.h5").labels_of("a") == (Label(0, "y", 0.5), Label(2, "x", 0.5), Label(2, "a", 1.0))


def test_a_file_without_labels_is_as_it_was_before_there_were_labels(tmp_path: Path) -> None:
    images = [labelled("a", 2), labelled("b", 3)]
    write(tmp_path / "r.h5", images)
    envelope = Envelope(REGIONS, 1, {"cnn": "x"})
    contents = [image.image_id.encode() + image.boxes.tobytes() + image.descriptors.tobytes() for image in images]
    store = RegionStore(tmp_path / "r.h5")
    assert store.sha256 == hashlib.sha256(b"".join([dump_json(envelope.to_dict()).encode(), *contents])).hexdigest()
    assert (store.label_names, store.labels_of("b"), store["b"].labels) == ((), (), ())
    store.close()
    with h5py.File(tmp_path / "r.h5") as file:
        assert not [name for name in file if "label" in name]


def test_the_hash_depends_on_the_labels(tmp_path: Path) -> None:
    changes = [
        (),
        (Label(0, "zebra", 0.5),),
        (Label(1, "zebra", 0.5),),
        (Label(0, "horse", 0.5),),
        (Label(0, "zebra", 0.75),),
        (Label(0, "zebra", 0.5), Label(0, "horse", 0.5)),
    ]
    for number, labels in enumerate(changes):
        write(tmp_path / f"{number}.h5", [labelled("a", 2, *labels), labelled("b", 2)])
    assert len({RegionStore(tmp_path / f"{number}.h5").sha256 for number in range(len(changes))}) == len(changes)


@pytest.mark.parametrize(
    "label", [Label(2, "x", 0.5), Label(-1, "x", 0.5), Label(0, "\ud800", 0.5), Label(0, "x", 2.0)]
)
def test_a_wrong_label_is_not_written(tmp_path: Path, label: Label) -> None:
    with pytest.raises(DataError, match=r"^b: .*label"):
        write(tmp_path / "r.h5", [labelled("a", 4), labelled("b", 2, label)])
    assert not list(tmp_path.iterdir())


def test_the_first_numbers_of_descriptors_are_read(tmp_path: Path) -> None:
    write(tmp_path / "r.h5", [image_regions("a", 2), image_regions("b", 3)])
    whole = RegionStore(tmp_path / "r.h5")
    part = RegionStore(tmp_path / "r.h5", size=2)
    assert part.descriptor_size == 2 < whole.descriptor_size
    np.testing.assert_array_equal(part["b"].descriptors, whole["b"].descriptors[:, :2])
    np.testing.assert_array_equal(part.padded(["a", "b"]), whole.padded(["a", "b"])[..., :2])
    np.testing.assert_array_equal(part.whole_images(["b", "a"]), whole.whole_images(["b", "a"])[:, :2])
    with pytest.raises(ArtifactError, match="inconsistent"):
        RegionStore(tmp_path / "r.h5", size=whole.descriptor_size + 1)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    write(tmp_path / "r.h5", [image_regions("a", 2)])
    store = RegionStore(tmp_path / "r.h5")
    assert "a" in store
    assert "b" not in store
    for ask in (lambda: store["b"], lambda: store.whole_images(["a", "b"]), lambda: store.hash_of("b")):
        with pytest.raises(ArtifactError, match="has no image b"):
            ask()


def edit(path: Path, change: Callable[[h5py.File], None]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def replace(name: str, **new: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **new)

    return change


def external(file: h5py.File) -> None:
    del file["boxes"]
    file["boxes"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft(file: h5py.File) -> None:
    del file["scores"]
    file["scores"] = h5py.SoftLink("/boxes")


def outside(file: h5py.File) -> None:
    del file["scores"]
    file.create_dataset("scores", (5,), "f4", external=[("/etc/passwd", 0, 20)])


@pytest.mark.parametrize(
    "change",
    [
        replace("descriptors", shape=(2**40, 2**20), dtype="f2", chunks=(1, 1024)),
        replace("boxes", shape=(2**50, 4), dtype="f4", chunks=(512, 4)),
        replace("offsets", data=[0, 9, 5]),
        replace("offsets", data=[0.0, 2.0, 5.0]),
        replace("sizes", data=np.zeros((2, 3), "i4")),
        replace("ids", data=["same", "same"]),
        replace("ids", data=[1, 2]),
        replace("boxes", data=np.full((5, 4), np.nan, "f4")),
        external,
        soft,
        outside,
        lambda file: file.__delitem__("sizes"),
        lambda file: file.attrs.__setitem__("envelope", "{"),
        lambda file: file.attrs.__setitem__("envelope", "[" * 100_000),
        lambda file: file.attrs.__setitem__("envelope", '{"format": "vsa-corpus", "version": 1}'),
        lambda file: file.attrs.__delitem__("envelope"),
        lambda file: file.attrs.__delitem__("sha256"),
    ],
)
def test_an_inconsistent_file_is_refused_in_one_line(tmp_path: Path, change: Callable[[h5py.File], None]) -> None:
    path = tmp_path / "r.h5"
    write(path, [image_regions("a", 2), image_regions("b", 3)])
    edit(path, change)
    with pytest.raises(ArtifactError, match=r"r\.h5") as caught:
        RegionStore(path)
    assert "\n" not in str(caught.value)


def soft_labels(file: h5py.File) -> None:
    del file["labels"]
    file["labels"] = h5py.SoftLink("/label_rows")


def dangling(file: h5py.File) -> None:
    for name in ("label_names", "labels", "label_rows", "label_scores"):
        del file[name]
    file["labels"] = h5py.SoftLink("/gone")


def names(*some: bytes | str) -> Callable[[h5py.File], None]:
    return replace("label_names", data=list(some), dtype=h5py.string_dtype("utf-8"))


LISTS = np.array([np.array([1, 2]), np.array([3]), np.array([4])], object)


@pytest.mark.parametrize(
    "change",
    [
        *(lambda file, name=name: file.__delitem__(name) for name in ("label_names", "labels", "label_rows")),
        lambda file: file.__delitem__("label_scores"),
        soft_labels,
        dangling,
        names("zebra", "grass"),
        names("zebra", "zebra", "grass"),
        names("zebra", "", "grass"),
        names("zebra", "x" * 101, "grass"),
        names("zebra", b"\xed\xa0\x80", "grass"),
        names("zebra", b"\xff", "grass"),
        replace("label_names", data=np.array([b"a", b"b", b"c"])),
        replace("label_names", data=[1, 2, 3]),
        replace("label_names", data=LISTS, dtype=h5py.vlen_dtype(np.int32)),
        replace("label_names", shape=(3,), dtype=h5py.ref_dtype),
        replace("ids", data=np.append(LISTS, LISTS[:1]), dtype=h5py.vlen_dtype(np.int32)),
        replace("labels", data=[0, 1, 0, -1, 1]),
        replace("labels", data=[0, 1, 0, 3, 1]),
        replace("labels", data=[0, 1, 0]),
        replace("labels", data=np.zeros(5, "u4")),
        replace("labels", data=np.zeros(5, "f4")),
        replace("labels", shape=(2**40,), dtype="i4", chunks=(512,)),
        replace("label_rows", data=[2, 4, 4, 5, 10]),
        replace("label_rows", data=[-1, 4, 4, 5, 9]),
        replace("label_rows", data=[4, 2, 4, 5, 9]),
        replace("label_rows", data=np.zeros((5, 1), "i8")),
        *(replace("label_scores", data=[0.5, 1, 0, 0, wrong]) for wrong in (np.nan, np.inf, -np.inf, -0.1, 1.5)),
        replace("label_scores", data=[1, 1, 1, 1, 1]),
    ],
)
def test_inconsistent_labels_are_refused_in_one_line(tmp_path: Path, change: Callable[[h5py.File], None]) -> None:
    path = tmp_path / "r.h5"
    write(path, LABELLED)
    RegionStore(path).close()
    edit(path, change)
    with pytest.raises(ArtifactError, match=r"r\.h5: damaged regions file") as caught:
        RegionStore(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_descriptors_that_are_not_finite_are_damage(tmp_path: Path, value: float) -> None:
    write(tmp_path / "r.h5", [image_regions("a", 2), image_regions("b", 3)])
    with h5py.File(tmp_path / "r.h5", "a") as file:
        file["descriptors"][2, 1] = value  # of b's whole image
    store = RegionStore(tmp_path / "r.h5")
    assert len(store["a"].boxes) == 2
    for read in (lambda: store["b"], lambda: store.padded(["a", "b"]), lambda: store.whole_images(["b"])):
        with pytest.raises(ArtifactError, match="not all are finite numbers"):
            read()


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + b"\x00" * 100])
def test_a_file_that_is_not_hdf5_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.h5"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as HDF5"):
        RegionStore(path)


@pytest.mark.parametrize("write_number", [0, 1, 2, 5, 10, 20])
def test_an_interrupt_at_any_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_number: int
) -> None:
    usual, writes = Sink.write, itertools.count()

    def strike(sink: Sink, data: bytes) -> int:
        if next(writes) == write_number:
            signal.raise_signal(signal.SIGINT)
        return usual(sink, data)

    with monkeypatch.context() as patch:
        patch.setattr(Sink, "write", strike)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "r.h5", [image_regions(str(number), 3) for number in range(20)])
    assert next(writes) > write_number
    assert not list(tmp_path.iterdir())
    write(tmp_path / "r.h5", [image_regions("a", 3)])
    assert RegionStore(tmp_path / "r.h5").ids == ["a"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / ".regions.h5.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match="cannot write: No space left on device"):
        write(tmp_path / "regions.h5", [image_regions(str(i), 3, i) for i in range(9)])
    assert not list(tmp_path.iterdir())
