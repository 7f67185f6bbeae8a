"""Bottom-up-attention's TSV: what is written is read, and malformed lines are reported."""

from __future__ import annotations

import base64
import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.foreign_files import HEIGHT, WIDTH, boxes, descriptors, line, pack
from vsa_cli.core.errors import DataError
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.interchange.bottom_up import COLUMNS, read_bottom_up, write_bottom_up
from vsa_cli.core.regions.interchange.imported import ImportedRegions, MalformedEntry


def read(path: Path, content: str | bytes) -> list[ImportedRegions | MalformedEntry]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_bottom_up(path))


def exported(key: str, count: int) -> ImageRegions:
    whole = np.array([[0, 0, WIDTH, HEIGHT]], np.float32)
    halves = descriptors(count).astype(np.float16)
    return ImageRegions(key, "0" * 64, WIDTH, HEIGHT, np.concatenate([whole, boxes(count - 1)]), halves[:, 0], halves)


def test_a_line_of_the_original_writer_is_read(tmp_path: Path) -> None:
    places, features = boxes(36), descriptors(36, 2048)
    (found,) = read(tmp_path / "x.tsv", line(391895, places, features))
    assert isinstance(found, ImportedRegions)
    assert (found.name, found.size, found.where) == ("391895", (WIDTH, HEIGHT), "x.tsv, line 1")
    assert found.boxes is not None
    assert np.array_equal(found.boxes, places)
    assert np.array_equal(found.descriptors, features)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({"image_id": 1})
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip) | st.just('"a" b'),
        st.integers(1, 5),
        min_size=1,
        max_size=4,
    )
)
def test_a_written_file_is_read_here_and_by_the_csv_module(tmp_path: Path, images: dict[str, int]) -> None:
    path = tmp_path / "x.tsv"
    written = [exported(key, count) for key, count in images.items()]
    write_bottom_up(path, written)
    for found, one in zip(read_bottom_up(path), written, strict=True):
        assert isinstance(found, ImportedRegions)
        assert (found.name, found.size) == (one.image_id, (WIDTH, HEIGHT))
        assert found.boxes is not None
        assert np.array_equal(found.boxes, one.boxes)
        assert np.array_equal(found.descriptors, one.descriptors)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, COLUMNS, delimiter="\t"))
    assert [(row["image_id"], row["num_boxes"]) for row in rows] == [(k, str(n)) for k, n in images.items()]


def test_a_header_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    content = "\t".join(COLUMNS) + "\n\n" + line(1, boxes(2), descriptors(2)) + "\n"
    assert [found.name for found in read(tmp_path / "x.tsv", content) if isinstance(found, ImportedRegions)] == ["1"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"image_id": " "}, "image_id is not text"),
        ({"image_w": "0"}, "image_w is not a whole number"),
        ({"image_h": "-5"}, "image_h is not a whole number"),
        ({"image_w": "9" * 5000}, "image_w is not a whole number"),
        ({"num_boxes": "2.0"}, "num_boxes is not a whole number"),
        ({"num_boxes": 0}, "num_boxes is not a whole number from 1"),
        ({"num_boxes": 10**8}, "num_boxes is not a whole number from 1"),
        ({"num_boxes": 3}, "boxes is 32 bytes"),
        ({"num_boxes": 1}, "boxes is not 1 times 4 numbers"),
        ({"boxes": "not base64!"}, "boxes is not base64"),
        ({"boxes": "AAA"}, "boxes is not base64"),
        ({"features": ""}, "features is 0 bytes"),
        ({"features": "AAAA"}, "features is 3 bytes"),
        ({"features": "b'AAAA'"}, "features is 3 bytes"),
        ({"features": "b'AAAA"}, "features is not base64"),
        ({"more": 1}, "7 columns; there must be 6"),
    ],
)
def test_a_malformed_line_is_reported_and_the_rest_is_read(
    tmp_path: Path, other: dict[str, object], message: str
) -> None:
    good = line("good", boxes(2), descriptors(2))
    found = read(tmp_path / "x.tsv", line(1, boxes(2), descriptors(2), **other) + good)
    assert isinstance(found[0], MalformedEntry)
    assert message in found[0].reason
    assert found[0].reason.startswith("x.tsv, line 1: ")
    assert isinstance(found[1], ImportedRegions)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80) | st.lists(st.sampled_from(["1", "x", "", pack(boxes(1)), '"']), max_size=8).map(
    lambda cells: "\t".join(cells).encode()
))  # fmt: skip
def test_any_line_is_read_or_reported_in_one_line(tmp_path: Path, content: bytes) -> None:
    entries = read(tmp_path / "x.tsv", content)
    assert all("\n" not in entry.reason for entry in entries if isinstance(entry, MalformedEntry))


def test_files_that_cannot_be_read_or_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.tsv"):
        list(read_bottom_up(tmp_path / "absent.tsv"))
    with pytest.raises(DataError, match="cannot be written to a TSV"):
        write_bottom_up(tmp_path / "x.tsv", [exported("fine", 1), exported("a\tb", 1)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("form", ["{}", '"{}"', " {}"])
def test_fields_written_as_python_bytes_are_read(tmp_path: Path, form: str, wrapped: bool) -> None:
    places, features = boxes(3), descriptors(3, 70)
    arrays = [array.astype("<f4").tobytes() for array in (places, features)]
    encode = base64.encodebytes if wrapped else base64.b64encode
    fields = [form.format(repr(encode(array))) for array in arrays]
    for name, written in (("é.jpg", repr("é.jpg".encode())), ("391895", "391895"), ("b'1", "b'1")):
        (found,) = read(tmp_path / "x.tsv", "\t".join([written, str(WIDTH), str(HEIGHT), "3", *fields]) + "\n")
        assert isinstance(found, ImportedRegions), found
        assert found.name == name
        assert found.boxes is not None
        assert np.array_equal(found.boxes, places)
        assert np.array_equal(found.descriptors, features)


def test_name_that_looks_like_python_bytes_is_kept_beside_plain_fields(tmp_path: Path) -> None:
    (found,) = read(tmp_path / "x.tsv", line("b'1'", boxes(2), descriptors(2)))
    assert isinstance(found, ImportedRegions)
    assert found.name == "b'1'"
