from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.errors import DataError
from vsa_cli.core.io import text as texts
from vsa_cli.core.io.json import is_text
from vsa_cli.core.io.text import decode_text, numbered_lines, split_lines, text_lines


def test_numbered_lines_skips_blank_lines_and_counts_them() -> None:
    file = io.BytesIO(b"one\r\n\n  \nfour")
    assert list(numbered_lines(file, "a")) == [("a, line 1", b"one\r\n"), ("a, line 4", b"four")]


def test_numbered_lines_raises_on_a_line_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_LINE_BYTES", 4)
    lines = numbered_lines(io.BytesIO(b"abc\nabcde"), "a")
    assert next(lines) == ("a, line 1", b"abc\n")
    with pytest.raises(DataError, match=r"^a, line 2: longer than 4 bytes$"):
        next(lines)


def test_split_lines_removes_the_byte_order_mark_and_line_ends() -> None:
    assert split_lines("\ufeffé\r\nb\rc\n".encode(), "a") == ["é", "b\rc", ""]
    assert split_lines(b"", "a") == [""]


def test_invalid_bytes_affect_only_their_own_line() -> None:
    lines = split_lines(b"caf\xe9\nfine\n\0", "a")
    assert [is_text(line) for line in lines] == [False, True, False]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_raises(tmp_path: Path, encoding: str) -> None:
    data = "\ufeffa".encode(encoding)
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.txt: is UTF-16; save it as UTF-8$"):
        text_lines(tmp_path / "a.txt")
    with pytest.raises(DataError, match=r"^name: is UTF-16"):
        decode_text(data, "name")


def test_text_lines_reads_up_to_a_limit_and_raises_for_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\n")
    assert text_lines(tmp_path / "a.txt") == ["one", "two", ""]
    assert text_lines(tmp_path / "a.txt", 5) == ["one", "t"]
    for name in ("absent", ""):
        with pytest.raises(DataError):
            text_lines(tmp_path / name)


@given(st.binary(max_size=40).filter(lambda data: data[:2] not in (b"\xff\xfe", b"\xfe\xff")))
def test_decoding_loses_no_bytes(data: bytes) -> None:
    assert decode_text(data, "a").encode("utf-8", "surrogateescape") == data.removeprefix(b"\xef\xbb\xbf")
