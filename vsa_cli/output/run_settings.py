"""The settings of a captioning run, recorded beside its output, so that only a run with the same settings resumes it.

Caption files cannot hold settings. So they are recorded in a hidden file: `.FILE.settings.json` for a file of captions,
`.vsa.SUFFIX.settings.json` in each folder with sidecars. An output without a record is resumed without a comparison.
A run that replaces sidecars also records which, so that a run that resumes it can replace the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vsa_cli.core.errors import DataError
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json, read_json

Settings = Mapping[str, Any]
"""Settings by the names of the command's parameters, as JSON values, and the hash of the model as `model_sha256`."""

_SHA256 = "_sha256"
_REPLACED = "replaced_sidecars"


def record_of(output: Path) -> Path:
    """The record that belongs to a file of captions."""
    return output.with_name(f".{output.name}.settings.json")


def record_of_sidecars(folder: Path, suffix: str) -> Path:
    """The record that belongs to the sidecars in a folder."""
    return folder / f".vsa{suffix}.settings.json"


def difference(record: Path, settings: Settings) -> str | None:
    """How the settings of an earlier run differ from these; None if they do not, or if there is no record."""
    if not record.exists():
        return None
    try:
        made = read_json(record)
    except DataError:
        made = None
    if not isinstance(made, dict):
        return f"made with unknown settings: {record} is damaged; delete it to resume without a comparison"
    found = []
    for name, value in settings.items():
        if name not in made or made[name] == value or f"{name}{_SHA256}" in settings:
            continue
        if name.endswith(_SHA256):
            found.append(_of_file(name.removesuffix(_SHA256), made, settings))
        else:
            found.append(f"`{name}` {_shown(made[name])}, not {_shown(value)}")
    return f"made with {'; '.join(found)}" if found else None


def replaced_by(record: Path) -> dict[str, int]:
    """The sidecars that a run was to replace: the time of modification by file name, in nanoseconds."""
    try:
        made = read_json(record) if record.exists() else None
    except DataError:
        made = None
    replaced = made.get(_REPLACED) if isinstance(made, dict) else None
    return replaced if isinstance(replaced, dict) else {}


def write_record(record: Path, settings: Settings, replaced: Mapping[str, int] | None = None) -> None:
    """Record the settings of a run.

    Args:
        record: the file.
        settings: the settings.
        replaced: the sidecars that the run replaces, as `replaced_by` returns them.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        write_text(record, dump_json({**settings, _REPLACED: replaced} if replaced else settings) + "\n")
    except DataError:
        if not record.exists():  # otherwise another run has written it in the meantime
            raise


def _of_file(name: str, made: Settings, settings: Settings) -> str:
    before, now = made.get(name), settings.get(name)
    return f"another `{name}`: {before}, not {now}" if before != now else f"another `{name}`: {now} has changed"


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "default" if value is None else "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
