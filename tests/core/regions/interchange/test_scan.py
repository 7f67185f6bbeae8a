"""SCAN's precomputed splits: rows are matched to photographs, or refused with a reason."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.foreign_files import WIDTH, boxes, corpus, descriptors, image
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import Envelope
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.interchange.imported import Converted, ImportedRegions
from vsa_cli.core.regions.interchange.scan import find_precomputed, read_precomputed, write_precomputed
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions

CORPUS = corpus(
    image("a", "A dog.", "Two dogs!", split="val"),
    image("b", "A cat."),
    image("c", "A cat.", "Fish, frogs", "x", split="val"),
)
IMS = np.stack([descriptors(3, seed=1), descriptors(3, seed=2)])


def save(folder: Path, split: str = "dev", **files: Any) -> Path:
    for name, content in files.items():
        if isinstance(content, np.ndarray):
            np.save(folder / f"{split}_{name}.npy", content)
        else:
            (folder / f"{split}_{name}.txt").write_text("".join(f"{entry}\n" for entry in content))
    return folder


def read(folder: Path, images: Corpus = CORPUS) -> list[ImportedRegions]:
    return list(read_precomputed(find_precomputed(folder), images))


def names(folder: Path, images: Corpus = CORPUS) -> list[str]:
    return [found.name for found in read(folder, images)]


def test_rows_without_ids_follow_the_corpus_and_dev_is_val(tmp_path: Path) -> None:
    found = read(save(tmp_path, ims=IMS))
    assert [(one.name, one.size, one.boxes) for one in found] == [("a", None, None), ("c", None, None)]
    assert np.array_equal(found[1].descriptors, IMS[1])


def test_ids_name_the_photographs_of_rows_whatever_the_split_is_called(tmp_path: Path) -> None:
    assert names(save(tmp_path, "testall", ims=IMS, ids=["c.jpg", "b"])) == ["c.jpg", "b"]


@pytest.mark.parametrize(
    "known", [{"ids": ["a", "a", "c", "c", "c"]}, {"caps": ["a dog", "two dogs", "a cat", "fish frogs", "x"]}]
)
def test_rows_repeated_for_each_sentence_are_one_photograph(tmp_path: Path, known: dict[str, Any]) -> None:
    ims = IMS[[0, 0, 1, 1, 1]]
    found = read(save(tmp_path, ims=ims, **known))
    assert [one.name for one in found] == ["a", "c"]
    assert np.array_equal(found[1].descriptors, IMS[1])


def test_equal_numbers_of_sentences_match_the_corpus(tmp_path: Path) -> None:
    assert names(save(tmp_path, ims=IMS, caps=["Two dogs .", "A dog .", "Fish , frogs", "X"])) == ["a", "c"]


def test_photographs_without_sentences_have_no_row_among_repeated_ones(tmp_path: Path) -> None:
    images = corpus(image("a"), image("b", "one", "two"), image("c", "three", "four"))
    caps = ["one", "two", "three", "four"]
    assert names(save(tmp_path, "train", ims=IMS[[0, 0, 1, 1]], caps=caps), images) == ["b", "c"]


def test_whole_images_have_one_descriptor(tmp_path: Path) -> None:
    found = read(save(tmp_path, ims=IMS[:, 0]))
    assert [one.descriptors.shape for one in found] == [(1, 6), (1, 6)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"ims": IMS[:1]}, "1 rows, but the corpus has 2 images with 5 sentences in val; list the photographs of"),
        ({"ims": IMS[[0, 0, 1, 1]]}, "4 rows, but"),
        ({"ims": IMS, "ids": ["a"]}, "1 lines for 2 rows"),
        ({"ims": IMS, "caps": ["a dog", "two dogs", "a cat", "fish frogs", "y"]}, "line 5: not a sentence of c"),
        ({"ims": IMS[::-1], "caps": ["a cat", "fish frogs", "x", "a dog", "two dogs"]}, "line 1: not a sentence of a"),
        ({"ims": IMS, "caps": ["a dog"] * 3}, "3 lines do not fit"),
        ({"ims": IMS, "boxes": np.zeros((2, 2, 4))}, "does not fit"),
        ({"ims": IMS.astype(int)}, "is needed"),
        ({"ims": IMS[:, :0]}, "is needed"),
        ({"ims": IMS[0, 0]}, "is needed"),
        ({"ims": np.zeros((1, 1, 70_000), "f2")}, "is more than"),
        ({"ims": np.array([{}, []], object)}, "is needed"),
        ({"ims": np.zeros(2, [("a", "f4")])}, "cannot be read"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_the_corpus_are_refused(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(save(tmp_path, **files))
    assert "\n" not in str(caught.value)


def with_header(header: str) -> bytes:
    body = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize(
    "content",
    [
        b"", b"PK\x03\x04 an archive", b"\x80\x04}. a pickle", b"\x93NUMPY", b"\x93NUMPY\x09\x00" + b"x" * 200,
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1099511627776, 64)}"),
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3, 6)}"),
        with_header("{'descr': '|O', 'fortran_order': False, 'shape': (2, 3, 6)}"),
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 60 + ", 3)}"),
        with_header("[" * 110), with_header("__import__('os')"), with_header("{}"),
    ],
)  # fmt: skip
def test_a_hostile_array_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dev_ims.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"dev_ims\.npy") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_arrays_of_python_2_and_in_fortran_order_are_read_without_a_warning(tmp_path: Path) -> None:
    header = with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L, 6L)}")
    (tmp_path / "dev_ims.npy").write_bytes(header + IMS.tobytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(tmp_path)
    assert np.array_equal(found[1].descriptors, IMS[1])
    save(tmp_path, ims=np.asfortranarray(IMS.astype(">f8")))
    assert np.array_equal(read(tmp_path)[1].descriptors, IMS[1])


def test_numbers_beyond_float32_become_infinite(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(save(tmp_path, ims=np.full((2, 1, 3), 1e300)))
    assert np.isinf(found[0].descriptors).all()


def test_a_folder_without_arrays_and_other_names_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "features.npy"):
        with pytest.raises(DataError, match=r"no file called SPLIT_ims\.npy"):
            find_precomputed(path)


def test_images_with_fewer_regions_are_padded_and_read_back(tmp_path: Path) -> None:
    whole = np.array([[0, 0, WIDTH, 80]], np.float32)
    counts = {"a": 2, "c": 5}
    regions = [
        ImageRegions(key, "0" * 64, WIDTH, 80, np.concatenate([whole, boxes(count - 1)]), np.ones(count, np.float32),
                     descriptors(count, seed=count).astype(np.float16))
        for key, count in counts.items()
    ]  # fmt: skip
    write_regions(tmp_path / "r.h5", Envelope("vsa-regions", 1), [regions], 6)
    (split,) = find_precomputed(save(tmp_path, ims=IMS))
    made = Converted()
    write_precomputed(split, CORPUS.split("val"), RegionStore(tmp_path / "r.h5"), made)
    assert (made.images, made.regions) == (2, 7)
    ims: NDArray[np.float32] = np.load(split.path("_ims.npy"))
    assert (ims.shape, ims.dtype) == ((2, 5, 6), np.float32)
    assert np.array_equal(ims[0, 2:], ims[0, :1].repeat(3, 0))
    assert split.path("_caps.txt").read_text().splitlines() == ["A dog.", "Two dogs!", "A cat.", "Fish, frogs", "x"]
    for found, one in zip(read(tmp_path), regions, strict=True):
        assert found.boxes is not None
        assert np.array_equal(found.boxes[: len(one.boxes)], one.boxes)
        assert not found.boxes[len(one.boxes) :].any()
        assert np.array_equal(found.descriptors[: len(one.boxes)], one.descriptors)


def test_an_id_of_two_lines_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_regions(tmp_path / "r.h5", Envelope("vsa-regions", 1), [], 6)
    (split,) = find_precomputed(tmp_path / "dev_ims.npy")
    with pytest.raises(DataError, match="cannot be written to"):
        write_precomputed(split, [image("a\nb")], RegionStore(tmp_path / "r.h5"), Converted())
    assert [path.name for path in tmp_path.iterdir()] == ["r.h5"]
