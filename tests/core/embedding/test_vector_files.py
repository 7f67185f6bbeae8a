"""The three formats of word vectors against a writer of each, and damaged files."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli.core.embedding.vector_files import read_vectors
from vsa_cli.core.errors import DataError

Table = dict[str, list[float]]


def binary(table: Table, newline: bytes = b"\n") -> bytes:
    size = len(next(iter(table.values())))
    rows = [word.encode() + b" " + struct.pack(f"<{size}f", *row) + newline for word, row in table.items()]
    return f"{len(table)} {size}\n".encode() + b"".join(rows)


def binary_without_newlines(table: Table) -> bytes:
    return binary(table, b"")


def glove(table: Table) -> bytes:
    return "".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in table.items()).encode()


def text(table: Table) -> bytes:
    lines = glove(table).replace(b"\n", b" \n")  # word2vec's own program ends lines with a space
    return f"{len(table)} {len(next(iter(table.values())))}\n".encode() + lines


FORMS = {
    binary: "word2vec-binary",
    binary_without_newlines: "word2vec-binary",
    text: "word2vec-text",
    glove: "glove",
}
SMALL = {"dog": [0.5, -1.25, 3.0], "hündin": [1e-3, 2.0, -7.5], "snow": [0.0, 0.25, 1.0]}

words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)
numbers = st.floats(-1e6, 1e6, width=32)
tables = st.integers(2, 9).flatmap(
    lambda size: st.dictionaries(words, st.lists(numbers, min_size=size, max_size=size), min_size=1, max_size=8)
)


@pytest.mark.parametrize("write", FORMS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables, st.data())
def test_written_vectors_are_read(
    tmp_path: Path, write: Callable[[Table], bytes], table: Table, data: st.DataObject
) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(write(table))
    asked = data.draw(st.sets(st.sampled_from(sorted(table)))) | {"absent"}
    found = read_vectors(path, asked)
    assert (found.form, found.size) == (FORMS[write], len(next(iter(table.values()))))  # type: ignore[index]
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.vectors.keys() == asked & table.keys()
    for word, vector in found.vectors.items():
        assert vector.dtype == np.float32
        assert vector.tolist() == np.array(table[word], np.float32).tolist()


def test_newline_byte_within_a_float_is_not_a_line_end(tmp_path: Path) -> None:
    path = tmp_path / "vectors.bin"
    path.write_bytes(binary({"zero": [141581.0, 0.0]}))
    assert b"\n" in path.read_bytes()[9:13]
    assert read_vectors(path, {"zero"}).vectors["zero"].tolist() == [141581.0, 0.0]


def test_word_with_spaces_is_not_taken_for_its_first_part(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_bytes(b"the 1 2\nat name@domain.com 3 4\n. . . 5 6\n\nat 7 8\n")
    found = read_vectors(path, {"at", "the", "."})
    assert {word: vector.tolist() for word, vector in found.vectors.items()} == {"the": [1, 2], "at": [7, 8]}


def test_first_of_duplicate_words_is_kept(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"a 1 2\na 3 4\n")
    assert read_vectors(tmp_path / "v", {"a"}).vectors["a"].tolist() == [1, 2]


@pytest.mark.parametrize("write", [text, glove])
def test_words_that_are_not_utf8_are_counted_and_skipped(tmp_path: Path, write: Callable[[Table], bytes]) -> None:
    (tmp_path / "v").write_bytes(write(SMALL).replace("ü".encode(), b"\xfc"))
    found = read_vectors(tmp_path / "v", SMALL)
    assert found.undecodable == 1
    assert set(found.vectors) == {"dog", "snow"}


def test_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(binary(SMALL),))
    writer.start()
    assert set(read_vectors(pipe, SMALL).vectors) == set(SMALL)
    writer.join()


BROKEN = {
    "empty": (b"", "neither COUNT SIZE nor a word"),
    "prose": (b"Once upon a time\nthere was\n", "neither COUNT SIZE nor a word"),
    "zeros": (bytes(3000), "neither COUNT SIZE nor a word"),
    "endless line": (b"a" * (1 << 21), "neither COUNT SIZE nor a word"),
    "gzip": (b"\x1f\x8b\x08\x00rest\n", "gzip"),
    "zip": (b"PK\x03\x04rest\n", "zip"),
    "billions, binary": (b"3000000000 300\nthe " + bytes(range(256)) * 5, "claims 3,000,000,000 words"),
    "billions, text": (b"3000000000 2\nthe 1 2\n", "claims 3,000,000,000 words"),
    "absurd size": (b"2 99999999999999\nthe 1 2\n", "1 to 8,192"),
    "no size": (b"2 0\nthe\na\n", "1 to 8,192"),
    "more columns than any": (b"the" + b" 1" * 8193 + b"\n", "neither COUNT SIZE nor a word"),
    "cut in a vector": (binary(SMALL)[:-8], "cut off at word 3 of 3"),
    "cut in a word": (binary(SMALL)[: -12 - 4], "cut off at word 3 of 3"),
    "too long": (binary(SMALL) + b"cat " + bytes(12), "more than the 3 words"),
    "no space in sight": (b"9 2\nthe " + struct.pack("<2f", 1, 2) + b"\xff" * 8000, "word 2 of 9 does not end"),
    "fewer lines than claimed": (b"3 2\nthe 1 2\na 3 4\n\n\n\n\n\n", "claims 3 words, but it has 2"),
    "more lines than claimed": (b"1 2\nthe 1 2\na 3 4\n", "claims 1 words, but it has 2"),
    "a short row": (b"the 1 2\na 3\n", "line 2 has 1 numbers instead of 2"),
    "a long row": (b"the 1 2\nthe 3 4 5\n", "line 2 has 3 numbers instead of 2"),
    "a short row below a header": (b"2 2\nthe 1 2\na 3\n", "line 3 has 1 numbers instead of 2"),
    "an endless row": (b"the 1 2\n" + b"1 " * (1 << 20), "line 2 is longer"),
    "no number": (b"a 1 2\nthe 1 x\n", "'the' has something that is not a number"),
    "NaN in text": (b"a 1 2\nthe nan 2\n", "'the' has a number that is not finite"),
    "too large for float32": (b"a 1 2\nthe 1e300 2\n", "'the' has a number that is not finite"),
    "NaN in binary": (b"1 2\nthe " + struct.pack("<2f", 1, float("nan")), "'the' has a number that is not finite"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_damaged_file_raises_a_one_line_error(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    path = tmp_path / "vectors.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as raised:
        read_vectors(path, {"the", "snow", "a\ud800"})
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("name", ["missing", "."])
def test_missing_file_and_folder_raise_data_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"No such file|directory"):
        read_vectors(tmp_path / name, {"the"})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FORMS, key=repr)), st.data())
def test_random_damage_is_read_or_refused(tmp_path: Path, write: Callable[[Table], bytes], data: st.DataObject) -> None:
    content = bytearray(write(SMALL))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "v").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = read_vectors(tmp_path / "v", SMALL)
    except DataError:
        return
    assert all(np.isfinite(vector).all() and len(vector) == found.size for vector in found.vectors.values())


LARGE = {
    "binary": binary({f"w{number}": [0.125] * 500 for number in range(6000)}),
    "text": b"".join(b"w%d%b\n" % (number, (b" 0." + b"1" * 400) * 5) for number in range(6000)),
}


@pytest.mark.parametrize("form", LARGE)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / "large"
    path.write_bytes(LARGE[form])
    assert path.stat().st_size > 12_000_000
    tracemalloc.start()
    read_vectors(path, {"w7", "w5999"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
