from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.envelope import SWEEP, VERSIONS, Envelope, open_lines, parent
from vsa_cli.core.io.json import dump_json
from vsa_cli.version import __version__

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def test_envelope_round_trip() -> None:
    envelope = Envelope("vsa-x", 2, {"a": 1}, {"corpus": parent("vsa-corpus", "f" * 64)}, seed=5)
    data = json.loads(dump_json(envelope.to_dict()))
    assert data["tool"] == f"vsa {__version__}"
    assert Envelope.from_dict(data, "x", "vsa-x", 2) == envelope
    assert Envelope.from_dict(data, "x", "vsa-x", 9).version == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "vsa-y"}, "is vsa-y, but vsa-x is required"),
        ({"format": 3}, "not a vsa artifact"),
        ({"version": 3}, "reads up to 2"),
        ({"version": 0}, "reads up to 2"),
        ({"version": "1"}, "reads up to 2"),
        ({"config": None}, "damaged envelope"),
        ({"parents": {"a": "b"}}, "damaged envelope"),
    ],
)
def test_wrong_envelope_raises_one_line(change: dict[str, Any], message: str) -> None:
    data = {**Envelope("vsa-x", 1).to_dict(), **change}
    with pytest.raises(ArtifactError, match=f"^file: .*{message}"):
        Envelope.from_dict(data, "file", "vsa-x", 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(JSON)
def test_other_json_is_not_an_envelope(value: object) -> None:
    with pytest.raises(ArtifactError):
        Envelope.from_dict(value, "file", "vsa-x", 1)


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
def test_envelope_with_values_that_cannot_be_written_again_raises(value: object) -> None:
    data = {**Envelope("vsa-x", 1).to_dict(), "config": {"a": value}}
    with pytest.raises(ArtifactError, match="damaged envelope"):
        Envelope.from_dict(data, "a.json", "vsa-x", 1)


def write_sweep(path: Path, *lines: str, version: int = VERSIONS[SWEEP]) -> Path:
    path.write_text("\n".join([dump_json(Envelope(SWEEP, version).to_dict()), *lines]))
    return path


def test_open_lines_yields_the_envelope_and_the_numbered_lines_after_it(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "a.jsonl", "1", "", "[2]")
    with open_lines(path, SWEEP) as (envelope, lines):
        assert envelope == Envelope(SWEEP, VERSIONS[SWEEP])
        assert list(lines) == [(f"{path}, line 2", b"1\n"), (f"{path}, line 4", b"[2]")]


def test_open_lines_raises_for_missing_files_and_wrong_envelopes(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    write_sweep(tmp_path / "newer", version=VERSIONS[SWEEP] + 1)
    for name, error in (("absent", DataError), ("empty", ArtifactError), ("newer", ArtifactError)):
        with pytest.raises(error, match=name), open_lines(tmp_path / name, SWEEP):
            pass
