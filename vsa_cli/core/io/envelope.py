"""The envelope, which is the metadata header of every artifact, and the artifact formats with their versions.

An envelope is a JSON object::

    {"format": "vsa-corpus", "version": 1, "tool": "vsa 0.1.0", "seed": 0,
     "config": {...}, "parents": {"corpus": {"format": "vsa-corpus", "sha256": "..."}}}

A JSON artifact has these keys beside its own; a JSON Lines artifact has the envelope as its first line.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.io.json import is_number, is_plain, is_text, parse
from vsa_cli.core.io.text import numbered_lines
from vsa_cli.version import __version__

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CORPUS = "vsa-corpus"
REGIONS = "vsa-regions"
EMBEDDING = "vsa-embedding"
GENERATOR = "vsa-generator"
LABELLER = "vsa-labeller"
CALIBRATION = "vsa-calibration"
SNIPPETS = "vsa-snippets"
ALIGNMENTS = "vsa-alignments"
RANKINGS = "vsa-rankings"
SWEEP = "vsa-sweep"
FREQUENCIES = "vsa-document-frequencies"
INDEX = "vsa-index"

VERSIONS = {
    CORPUS: 1, REGIONS: 1, EMBEDDING: 1, GENERATOR: 1, SNIPPETS: 1, ALIGNMENTS: 1, RANKINGS: 1, SWEEP: 1,
    FREQUENCIES: 1, LABELLER: 1, CALIBRATION: 1, INDEX: 1,
}  # fmt: skip
"""The newest version of every artifact format: the one that is written, and the highest that can be read."""

_MAKERS = {
    CORPUS: "vsa prep",
    REGIONS: "vsa extract-regions",
    EMBEDDING: "vsa train-embed",
    GENERATOR: "vsa train-gen",
    LABELLER: "vsa train-labels",
    CALIBRATION: "vsa calibrate",
    SNIPPETS: "vsa align",
    ALIGNMENTS: "vsa align",
    RANKINGS: "vsa retrieve",
    INDEX: "vsa index",
}


def remedy(format_name: str) -> str:
    """The hint at the end of an error message about a missing or wrong artifact: the command that creates one."""
    return f"; `{_MAKERS[format_name]}` makes one" if format_name in _MAKERS else ""


@dataclass(frozen=True)
class Envelope:
    """The metadata of an artifact.

    Attributes:
        format: the artifact's format, such as `vsa-corpus`.
        version: the format's version, from 1.
        config: the configuration it was made with.
        parents: the artifacts it was made from: role ("corpus", "regions") to `{"format": str, "sha256": str}`.
        seed: the random seed it was made with.
        tool: the program that made it.
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
            data: the parsed JSON.
            where: the file's name, for messages.
            expected: the required format, such as `vsa-corpus`.
            version: the newest version that can be read.

        Raises:
            ArtifactError: not an envelope, another format, or a newer version.
        """
        if not isinstance(data, dict) or not isinstance(data.get("format"), str):
            raise ArtifactError(f"{where}: not a vsa artifact (expected {expected}){remedy(expected)}")
        if data["format"] != expected:
            raise ArtifactError(f"{where}: is {data['format']}, but {expected} is required{remedy(expected)}")
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


def check_exists(path: Path, format_name: str) -> None:
    """Check that an artifact exists.

    Raises:
        DataError: it does not; the message names the command that makes one.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file{remedy(format_name)}")


@contextmanager
def open_lines(path: Path, format_name: str) -> Iterator[tuple[Envelope, Iterator[tuple[str, bytes]]]]:
    """Open a JSON Lines artifact.

    Args:
        path: the file.
        format_name: the required format.

    Yields:
        The envelope, and the lines after it as `numbered_lines` yields them.

    Raises:
        DataError: the file cannot be opened, or cannot be read inside the block.
        ArtifactError: the first line is not an envelope of this format.
    """
    try:
        with path.open("rb") as file:
            lines = numbered_lines(file, str(path))
            _, first = next(lines, ("", b""))
            yield Envelope.from_dict(parse(first), str(path), format_name, VERSIONS[format_name]), lines
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def parent(format_name: str, sha256: str) -> dict[str, str]:
    """An entry of an envelope's `parents`."""
    return {"format": format_name, "sha256": sha256}


Config = TypeVar("Config", bound="DataclassInstance")


def from_dict(kind: type[Config], data: Mapping[str, Any], where: str) -> Config:
    """A configuration from its stored form, with every field checked.

    Args:
        kind: the configuration's dataclass.
        data: the stored fields; absent ones take their defaults.
        where: the artifact's name, for messages.

    Raises:
        ArtifactError: a field is unknown, of the wrong type, or not one of its choices.
    """
    hints = get_type_hints(kind)
    for name, value in data.items():
        if name not in hints:
            raise ArtifactError(f"{where}: {kind.__name__} has no field {name!r}")
        if not _fits(value, hints[name]):
            raise ArtifactError(f"{where}: {name}={value!r} does not fit {kind.__name__}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def to_dict(config: Config) -> dict[str, Any]:
    """A configuration as a JSON object."""
    stored = dataclasses.asdict(config)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in stored.items()}


def _fits(value: object, hint: object) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if isinstance(hint, types.UnionType):
        return any(_fits(value, choice) for choice in get_args(hint))
    if get_origin(hint) is tuple:  # tuple[str, ...], a list in JSON
        return isinstance(value, (list, tuple)) and all(map(is_text, value))
    if hint is float:
        return is_number(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return isinstance(value, hint) if isinstance(hint, type) else False
