from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli import __version__
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io import envelope
from vsa_cli.core.io.envelope import Envelope
from vsa_cli.core.io.files import atomic_path, file_sha256, write_text
from vsa_cli.core.io.json import MAX_JSON_BYTES, MAX_JSON_VALUES, dump_json, is_number, read_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def test_an_envelope_tells_who_it_is_and_comes_back() -> None:
    envelope = Envelope("vsa-x", 2, {"a": 1}, {"corpus": envelope.parent("vsa-corpus", "f" * 64)}, seed=5)
    data = json.loads(dump_json(envelope.to_dict()))
    assert data["tool"] == f"vsa {__version__}"
    assert Envelope.from_dict(data, "x", "vsa-x", 2) == envelope
    assert Envelope.from_dict(data, "x", "vsa-x", 9).version == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "vsa-y"}, "is vsa-y, but vsa-x is needed"),
        ({"format": 3}, "not a vsa artifact"),
        ({"version": 3}, "reads up to 2"),
        ({"version": 0}, "reads up to 2"),
        ({"version": "1"}, "reads up to 2"),
        ({"config": None}, "damaged envelope"),
        ({"parents": {"a": "b"}}, "damaged envelope"),
    ],
)
def test_an_envelope_that_does_not_fit_is_one_line(change: dict[str, Any], message: str) -> None:
    data = {**Envelope("vsa-x", 1).to_dict(), **change}
    with pytest.raises(ArtifactError, match=f"^file: .*{message}"):
        Envelope.from_dict(data, "file", "vsa-x", 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(JSON)
def test_no_json_makes_an_envelope_by_accident(value: object) -> None:
    with pytest.raises(ArtifactError):
        Envelope.from_dict(value, "file", "vsa-x", 1)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(JSON)
def test_json_is_written_and_read_back(tmp_path: Path, value: object) -> None:
    write_text(tmp_path / "a.json", dump_json(value))
    assert read_json(tmp_path / "a.json") == value


def test_json_has_no_nan_and_a_byte_order_mark_is_forgiven(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dump_json(float("nan"))
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b"1" * 5_000, b'{"a": 1} x'])
def test_what_is_no_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.json: not valid JSON") as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError):
            read_json(path)
        with pytest.raises(DataError):
            file_sha256(path)
    monkeypatch.setattr(artifacts, "MAX_JSON_BYTES", 3)
    (tmp_path / "a.json").write_text("1234")
    with pytest.raises(DataError, match="at most 3"):
        read_json(tmp_path / "a.json")


def test_hashes_are_sha256(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9_000  # more than one block
    (tmp_path / "a").write_bytes(data)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic_path(path) as part:
        part.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    with pytest.raises(RuntimeError):
        _fail_halfway(path)
    assert path.read_text() == "half"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def _fail_halfway(path: Path) -> None:
    with atomic_path(path) as part:
        part.write_text("other")
        raise RuntimeError


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        write_text(tmp_path / "file" / "a.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        write_text(tmp_path / "folder", "x")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: Path(path).symlink_to("/dev/zero")])
def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.json")
    for read in (read_json, file_sha256):
        with pytest.raises(DataError, match="is a pipe or a device"):
            read(tmp_path / "a.json")


def test_json_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "many.json").write_bytes(b"[" + b"[]," * MAX_JSON_VALUES + b"0]")
    with pytest.raises(DataError, match=f"more than {MAX_JSON_VALUES} values"):
        read_json(tmp_path / "many.json")
    with (tmp_path / "long.json").open("wb") as file:
        file.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(DataError, match="bytes of JSON"):
        read_json(tmp_path / "long.json")


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        [[1e999]],
        {"a": {"b": -float("inf")}},
        functools.reduce(lambda inner, _: [inner], range(20)),
    ],
)
def test_an_envelope_holds_only_what_can_be_written_again(value: object) -> None:
    data = {**Envelope("vsa-x", 1).to_dict(), "config": {"a": value}}
    with pytest.raises(ArtifactError, match="damaged envelope"):
        Envelope.from_dict(data, "a.json", "vsa-x", 1)


def test_messages_are_one_printable_line_of_bounded_length() -> None:
    assert str(DataError("a\nb\x1b[2Jc\udcff")) == "a\\nb\\x1b[2Jc\\udcff"
    assert len(str(DataError("x" * 10_000))) == 2000
    assert str(DataError("plain: é 犬")) == "plain: é 犬"


@pytest.mark.parametrize(("value", "fits"), [(1, True), (-0.5, True), (True, False), ("1", False), (10**400, False)])
def test_a_number_is_what_a_float_can_hold(value: object, fits: bool) -> None:
    assert is_number(value) == fits
    assert not is_number(float("nan"))
