"""Every format of captions, and malformed entries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsa_cli.core.errors import ArtifactError, DataError, VsaError
from vsa_cli.core.evaluation.hypotheses import LONGEST_CAPTION, Hypotheses, read_hypotheses
from vsa_cli.core.evaluation.inputs import open_input


def read(path: Path, text: str | bytes) -> Hypotheses:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_hypotheses(open_input(path))


FORMATS = {
    "coco": '[{"image_id": 1, "caption": "a dog"}, {"image_id": "x.jpg", "caption": "a cat"}]',
    "json": '[\n {"path": "in/1", "image_id": 1, "caption": "a dog", "logprob": -1.5, "error": null},\n'
    ' {"path": "in/x.jpg", "image_id": "x.jpg", "caption": "a cat", "logprob": -2, "error": null}\n]',
    "jsonl": '{"path": "in/1", "image_id": 1, "caption": "a dog"}\n\n{"image_id": "x.jpg", "caption": "a cat"}\n',
    "object": '{"1": "a dog", "x.jpg": ["a cat"]}',
    "text": "1\ta dog\nx.jpg\ta cat\n",
    "csv": 'path,image_id,caption,logprob\nin/1,1,a dog,-1.5\nin/x.jpg,x.jpg,"a cat",-2\n',
    "tsv": "image_id\tcaption\r\n1\ta dog\r\nx.jpg\ta cat\r\n",
    "windows": b"\xef\xbb\xbf1\ta dog\r\nx.jpg\ta cat\r\n",
}


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_the_same_captions(tmp_path: Path, format: str) -> None:
    found = read(tmp_path / "captions", FORMATS[format])
    assert found.captions == {"1": "a dog", "x.jpg": "a cat"}
    assert found.notes == []


def test_json_lines_with_one_line(tmp_path: Path) -> None:
    assert read(tmp_path / "c", '{"image_id": 5, "caption": "a dog"}\n').captions == {"5": "a dog"}


def test_escaped_paths_are_unescaped(tmp_path: Path) -> None:
    found = read(tmp_path / "c", "a\\tb\\\\n\\n.jpg\ta dog\n")
    assert found.captions == {"a\tb\\n\n.jpg": "a dog"}


def test_malformed_rows_of_a_table_are_counted(tmp_path: Path) -> None:
    found = read(tmp_path / "c", "path,caption,error\n1,a dog,\n2,,cannot be decoded\n3\n,whose,\n1,twice,\n")
    assert found.captions == {"1": "a dog"}
    assert [note.message.split(" ")[0] for note in found.notes] == ["2", "1", "1"]
    with pytest.raises(DataError, match="line 2"):
        read(tmp_path / "c", "path,caption\n1," + "x" * 200_000 + "\n")


def test_left_out_entries_are_counted_and_named(tmp_path: Path) -> None:
    entries = [
        {"image_id": 1, "caption": "first"}, {"image_id": 1, "caption": "second"}, {"image_id": 2, "caption": None},
        {"image_id": 3}, {"caption": "whose"}, 7, {"image_id": True, "caption": "x"}, {"image_id": 4, "caption": [7]},
        {"image_id": 5, "caption": "x" * (LONGEST_CAPTION + 1)}, {"image_id": 6, "caption": "half \ud800"},
    ]  # fmt: skip
    found = read(tmp_path / "c.json", json.dumps(entries))
    assert found.captions == {"1": "first"}
    assert [note.message.split(" ")[0] for note in found.notes] == ["7", "1", "1"]
    assert all(note.kind == "problem" for note in found.notes)
    assert found.notes[1].names == ("1",)


@pytest.mark.parametrize(
    "text",
    [
        "", " \n", "[", "[]", "{}", "{", "nonsense", "a caption alone\n", "[1, 2]", '"text"', "null",
        b"\xff\xfea\x00", b"\xff\x80\tcaption\n", "[" * 100_000, '{"format": "vsa-corpus", "version": 1}\n',
        '{"format": "vsa-rankings", "version": 9}\n', '{"format": "vsa-rankings", "version": 1}\n', "1" * 5000,
    ],
)  # fmt: skip
def test_file_without_captions_is_a_one_line_error(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises((DataError, ArtifactError)) as error:
        read(tmp_path / "c", text)
    assert "\n" not in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        open_input(tmp_path / "nowhere.json")
    with pytest.raises(DataError):
        open_input(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["image_id", "caption", "path", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.one_of(json_values.map(json.dumps), st.text(max_size=30)))
def test_any_content_gives_captions_or_a_vsa_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile"
    try:
        assert read(path, text.encode("utf-8", "surrogatepass")).captions
    except VsaError:
        return  # rejected with a message
