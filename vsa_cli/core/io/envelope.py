"""Metadata header shared by all artifacts, and the configurations that it carries.

An envelope is a JSON object::

    {"format": "vsa-corpus", "version": 1, "tool": "vsa 0.1.0", "seed": 0,
     "config": {...}, "parents": {"corpus": {"format": "vsa-corpus", "sha256": "..."}}}

Does not know what the artifacts contain.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from vsa_cli import __version__
from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.io.json import is_number, is_plain, parse, read_lines

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CORPUS = "vsa-corpus"
REGIONS = "vsa-regions"
EMBEDDING = "vsa-embedding"
GENERATOR = "vsa-generator"
SNIPPETS = "vsa-snippets"
ALIGNMENTS = "vsa-alignments"
RANKINGS = "vsa-rankings"
SWEEP = "vsa-sweep"
FREQUENCIES = "vsa-document-frequencies"

VERSIONS = {
    CORPUS: 1, REGIONS: 1, EMBEDDING: 1, GENERATOR: 1, SNIPPETS: 1, ALIGNMENTS: 1, RANKINGS: 1, SWEEP: 1,
    FREQUENCIES: 1,
}  # fmt: skip
"""Every artifact format, and the newest version of it that this program reads and writes."""

_MAKERS = {
    CORPUS: "vsa prep",
    REGIONS: "vsa extract-regions",
    EMBEDDING: "vsa train-embed",
    GENERATOR: "vsa train-gen",
    SNIPPETS: "vsa align",
    ALIGNMENTS: "vsa align",
    RANKINGS: "vsa retrieve",
}


def remedy(format_name: str) -> str:
    """What to do where an artifact is not there, or is not what it should be: the end of a message."""
    return f"; `{_MAKERS[format_name]}` makes one" if format_name in _MAKERS else ""


@dataclass(frozen=True)
class Envelope:
    """Who an artifact is: its format, the configuration it was made with, and what it was made from.

    `parents` maps a role ("corpus", "regions") to `{"format": str, "sha256": str}`.
    """

    format: str
    version: int
    config: Mapping[str, Any] = field(default_factory=dict)
    parents: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    seed: int = 0
    tool: str = f"vsa {__version__}"

    def to_dict(self) -> dict[str, Any]:
        """The envelope as a JSON object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: object, where: str, expected: str, version: int) -> Envelope:
        """Read and check an envelope.

        Args:
            data: what was found where an envelope should be.
            where: the file's name, for messages.
            expected: the format wanted, such as `vsa-corpus`.
            version: the newest version that this program reads.

        Raises:
            ArtifactError: not an envelope, another format, or a newer version.
        """
        if not isinstance(data, dict) or not isinstance(data.get("format"), str):
            raise ArtifactError(f"{where}: not a vsa artifact (expected {expected}){remedy(expected)}")
        if data["format"] != expected:
            raise ArtifactError(f"{where}: is {data['format']}, but {expected} is needed here{remedy(expected)}")
        found = data.get("version")
        if not isinstance(found, int) or not 1 <= found <= version:
            raise ArtifactError(f"{where}: {expected} version {found}; this vsa reads up to {version}")
        config, parents, seed, tool = (data.get(key) for key in ("config", "parents", "seed", "tool"))
        if not isinstance(config, dict) or not isinstance(parents, dict):
            raise ArtifactError(f"{where}: damaged envelope (config or parents)")
        if not all(isinstance(parent, dict) for parent in parents.values()) or not is_plain(parents):
            raise ArtifactError(f"{where}: damaged envelope (parents)")
        if not is_plain(config):
            raise ArtifactError(f"{where}: damaged envelope (config)")
        return cls(
            format=expected,
            version=found,
            config=config,
            parents=parents,
            seed=seed if isinstance(seed, int) else 0,
            tool=str(tool),
        )


@contextmanager
def open_lines(path: Path, format_name: str) -> Iterator[tuple[Envelope, Iterator[tuple[str, bytes]]]]:
    """Open an artifact of JSON Lines: its envelope, and the lines after it, each with its place ("FILE, line N").

    Args:
        path: the file.
        format_name: the expected format.

    Raises:
        ArtifactError: the first line is not an envelope of this format.
        DataError: the file cannot be read, or a line is too long.
    """
    try:
        with path.open("rb") as file:
            lines = read_lines(file, str(path))
            _, first = next(lines, ("", b""))
            yield Envelope.from_dict(parse(first), str(path), format_name, VERSIONS[format_name]), lines
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def require_there(path: Path, format_name: str) -> None:
    """See that there is something where an artifact should be.

    Raises:
        DataError: there is nothing.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file{remedy(format_name)}")


def parent(format_name: str, sha256: str) -> dict[str, str]:
    """An entry of an envelope's `parents`."""
    return {"format": format_name, "sha256": sha256}


Config = TypeVar("Config", bound="DataclassInstance")


def from_dict(kind: type[Config], data: Mapping[str, Any], where: str) -> Config:
    """Rebuild a configuration from an artifact, refusing unknown fields and wrong types.

    Args:
        kind: the dataclass.
        data: its stored form; absent fields take their defaults.
        where: the artifact's name, for messages.

    Raises:
        ArtifactError: a field is unknown, of the wrong type, or not a choice that it has.
    """
    hints = get_type_hints(kind)
    for name, value in data.items():
        if name not in hints:
            raise ArtifactError(f"{where}: {kind.__name__} has no field {name!r}")
        if not _fits(value, hints[name]):
            raise ArtifactError(f"{where}: {name}={value!r} does not fit {kind.__name__}")
    return kind(**data)


def to_dict(config: Config) -> dict[str, Any]:
    """A configuration as JSON holds it."""
    return dataclasses.asdict(config)


def _fits(value: object, hint: object) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if isinstance(hint, types.UnionType):
        return any(_fits(value, choice) for choice in get_args(hint))
    if hint is float:
        return is_number(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return isinstance(value, hint) if isinstance(hint, type) else False
