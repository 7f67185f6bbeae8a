from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli.core.errors import DataError
from vsa_cli.core.io import json as vsa_json
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import MAX_JSON_BYTES, MAX_JSON_VALUES, dump_json, is_number, is_text, parse, read_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(JSON)
def test_json_round_trip(tmp_path: Path, value: object) -> None:
    write_text(tmp_path / "a.json", dump_json(value))
    assert read_json(tmp_path / "a.json") == value


def test_nan_raises_and_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dump_json(float("nan"))
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b"1" * 5_000, b'{"a": 1} x'])
def test_invalid_json_raises_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.json: not valid JSON") as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_json_that_would_fill_the_memory_raises(tmp_path: Path) -> None:
    (tmp_path / "many.json").write_bytes(b"[" + b"[]," * MAX_JSON_VALUES + b"0]")
    with pytest.raises(DataError, match=f"more than {MAX_JSON_VALUES} values"):
        read_json(tmp_path / "many.json")
    with (tmp_path / "long.json").open("wb") as file:
        file.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(DataError, match="bytes of JSON"):
        read_json(tmp_path / "long.json")


@pytest.mark.parametrize(("value", "fits"), [(1, True), (-0.5, True), (True, False), ("1", False), (10**400, False)])
def test_is_number_accepts_what_a_float_can_represent(value: object, fits: bool) -> None:
    assert is_number(value) == fits
    assert not is_number(float("nan"))


def test_unreadable_files_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError):
            read_json(path)
    monkeypatch.setattr(vsa_json, "MAX_JSON_BYTES", 3)
    (tmp_path / "a.json").write_text("1234")
    with pytest.raises(DataError, match="the limit is 3"):
        read_json(tmp_path / "a.json")


def test_pipes_and_devices_raise_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "zero.json"):
        with pytest.raises(DataError, match="is a pipe or a device"):
            read_json(tmp_path / name)


def test_parse_returns_none_for_invalid_json() -> None:
    assert parse('{"a": [1]}') == {"a": [1]}
    assert [parse(text) for text in ("", "{", b"\xff", "[" * 200_000, "null")] == [None] * 5


def test_names_that_are_not_utf8_are_written_as_escapes() -> None:
    assert dump_json("é \udcff") == '"\\u00e9 \\udcff"'
    assert dump_json("é") == '"é"'


def test_is_text() -> None:
    assert all(map(is_text, ["", "a", "é", "\U0001f415"]))
    assert not any(map(is_text, ["\0", "\ud800", None, 3, b"a"]))
