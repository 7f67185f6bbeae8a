from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.errors import DataError
from vsa_cli.core.io import text as texts
from vsa_cli.core.io.json import is_text
from vsa_cli.core.io.text import UTF8, decode_text, encoding_of, numbered_lines, split_lines, text_lines, to_utf8


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
    assert split_lines("\ufeffé\r\nb\rc\n".encode()) == ["é", "b\rc", ""]
    assert split_lines(b"") == [""]


def test_invalid_bytes_affect_only_their_own_line() -> None:
    lines = split_lines(b"caf\xe9\nfine\n\0")
    assert [is_text(line) for line in lines] == [False, True, False]


def utf16(text: str) -> dict[str, bytes]:
    """A text in every form of UTF-16."""
    plain = {name: text.encode(name) for name in ("utf-16-le", "utf-16-be")}
    return {**plain, **{f"{name} with a mark": "\ufeff".encode(name) + data for name, data in plain.items()}}


LINES = ["file_name,caption", "b.jpg,\u0100 一只狗 \u0a0a\U0001f415", "", "c.jpg,é"]


@pytest.mark.parametrize("form", utf16(""))
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_utf16_is_read_like_utf8(tmp_path: Path, form: str, end: str) -> None:
    data = utf16(end.join(LINES))[form]
    (tmp_path / "a.txt").write_bytes(data)
    assert text_lines(tmp_path / "a.txt") == split_lines(data) == LINES
    assert to_utf8(data) == end.join(LINES).encode()
    numbered = [(where, line.decode().rstrip("\r\n")) for where, line in numbered_lines(io.BytesIO(data), "a")]
    assert numbered == [(f"a, line {number}", line) for number, line in enumerate(LINES, 1) if line]


@pytest.mark.parametrize("form", utf16(""))
def test_utf16_longer_than_a_block_is_read_whole(form: str) -> None:
    lines = [f"photo {number} \U0001f415 \u0a0a" for number in range(10_000)]
    found = numbered_lines(io.BytesIO(utf16("\n".join(lines))[form]), "a")
    assert [line.decode().rstrip("\n") for _, line in found] == lines


def test_a_line_of_utf16_beyond_the_limit_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_LINE_BYTES", 60)
    lines = numbered_lines(io.BytesIO("\n".join(["short", "l" * 200_000]).encode("utf-16")), "a")
    assert next(lines) == ("a, line 1", b"short\n")
    with pytest.raises(DataError, match=r"^a, line 2: longer than 60 bytes$"):
        next(lines)


def test_half_a_letter_of_utf16_spoils_its_own_line_only() -> None:
    lines = split_lines("fine\nhalf".encode("utf-16")[:-1])
    assert [is_text(line) for line in lines] == [True, False]
    assert [is_text(line) for line in split_lines("a\n\ud800\nb".encode("utf-16", "surrogatepass"))] == [1, 0, 1]


@pytest.mark.parametrize("data", [b"a.jpg\0b.jpg\0", b".\0./a.jpg\0", b"a\0b\0c\0", b"ab\0cd\0", b"\0\0", b"\0a.jpg"])
def test_lists_separated_by_nul_are_not_utf16(data: bytes) -> None:
    assert encoding_of(data) == UTF8


@given(st.binary(max_size=40))
def test_any_bytes_are_decoded(data: bytes) -> None:
    text = decode_text(data)
    assert b"".join(line for _, line in numbered_lines(io.BytesIO(data), "a")) or not text.strip("\ufeff").strip()


def test_text_lines_reads_up_to_a_limit_and_raises_for_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\n")
    assert text_lines(tmp_path / "a.txt") == ["one", "two", ""]
    assert text_lines(tmp_path / "a.txt", 5) == ["one", "t"]
    for name in ("absent", ""):
        with pytest.raises(DataError):
            text_lines(tmp_path / name)


@given(st.binary(max_size=40).filter(lambda data: encoding_of(data) == UTF8))
def test_decoding_loses_no_bytes(data: bytes) -> None:
    assert decode_text(data).encode("utf-8", "surrogateescape") == data.removeprefix(b"\xef\xbb\xbf")


def test_gzipped_files_are_read_whatever_their_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(gzip.compress(b"one\n") + gzip.compress("zw\u00f6lf".encode("utf-16")[2:]))
    (tmp_path / "b.gz").write_bytes(b"one\ntwo")
    assert text_lines(tmp_path / "a.txt", 5)[0] == "one"
    assert text_lines(tmp_path / "b.gz") == ["one", "two"]


@pytest.mark.parametrize(
    "data",
    [b"\x1f\x8b", gzip.compress(b"one\n" * 99, mtime=0)[:-9], b"\x1f\x8b\x08" + b"\xff" * 40],
    ids=["two bytes", "cut", "noise"],
)
def test_damaged_gzip_raises_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(DataError, match=r"^\S*a\.gz: .+$"):
        text_lines(tmp_path / "a.gz")


def test_gzip_unpacks_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(1000)))
    monkeypatch.setattr(texts, "MAX_UNPACKED_BYTES", 1000)
    assert len(texts.read_bytes(tmp_path / "a.gz")) == 1000
    monkeypatch.setattr(texts, "MAX_UNPACKED_BYTES", 999)
    for most in (-1, 5000):
        with pytest.raises(DataError, match="unpacks to more than 999 bytes"):
            texts.read_bytes(tmp_path / "a.gz", most)
    assert len(texts.read_bytes(tmp_path / "a.gz", 10)) == 10


def test_lines_of_a_whole_text_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_LINES", 4)
    for end in (b"\n", b"\r", b"\r\n"):
        (tmp_path / "a.gz").write_bytes(gzip.compress(end * 4))
        assert len(text_lines(tmp_path / "a.gz")) == 5
        (tmp_path / "a.gz").write_bytes(gzip.compress(end * 5))
        with pytest.raises(DataError, match="more than 4 lines"):
            text_lines(tmp_path / "a.gz")
