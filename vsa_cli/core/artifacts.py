"""The envelope that every artifact wears, hashes that tell artifacts apart, and atomic writing.

An envelope is a JSON object::

    {"format": "vsa-corpus", "version": 1, "tool": "vsa 0.1.0", "seed": 0,
     "config": {...}, "parents": {"corpus": {"format": "vsa-corpus", "sha256": "..."}}}

Knows nothing of what the artifacts hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vsa_cli import __version__
from vsa_cli.core.errors import ArtifactError, DataError, UsageError

MAX_JSON_BYTES = 2 * 1024**3
"""A JSON document larger than this is refused before it is read into memory."""


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
            raise ArtifactError(f"{where}: not a vsa artifact (expected {expected})")
        if data["format"] != expected:
            raise ArtifactError(f"{where}: is {data['format']}, but {expected} is needed here")
        found = data.get("version")
        if not isinstance(found, int) or not 1 <= found <= version:
            raise ArtifactError(f"{where}: {expected} version {found}; this vsa reads up to {version}")
        config, parents, seed, tool = (data.get(key) for key in ("config", "parents", "seed", "tool"))
        if not isinstance(config, dict) or not isinstance(parents, dict):
            raise ArtifactError(f"{where}: damaged envelope (config or parents)")
        if not all(isinstance(parent, dict) for parent in parents.values()):
            raise ArtifactError(f"{where}: damaged envelope (parents)")
        return cls(
            format=expected,
            version=found,
            config=config,
            parents=parents,
            seed=seed if isinstance(seed, int) else 0,
            tool=str(tool),
        )


def parent(format_name: str, sha256: str) -> dict[str, str]:
    """An entry of an envelope's `parents`."""
    return {"format": format_name, "sha256": sha256}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """An exception as part of one line: the operating system's words, without its brackets."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split())


def read_json(path: Path) -> Any:
    """Parse a JSON file of at most `MAX_JSON_BYTES`.

    Raises:
        DataError: missing, unreadable, too large, not UTF-8, not JSON, or nested too deeply.
    """
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise DataError(f"{path}: {size} bytes of JSON; at most {MAX_JSON_BYTES} are read")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({reason(error)})") from error


def dump_json(data: object, indent: int | None = None) -> str:
    """JSON text as `vsa` writes it: UTF-8 kept readable, no NaN (which is not JSON)."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
    # A file name that is not UTF-8 is held with lone surrogates, which only their escapes can carry.
    return text if text.isascii() or _encodes(text) else json.dumps(data, allow_nan=False, indent=indent)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends well, and goes otherwise.

    The content is flushed to the disk before the rename, so that a file under its final name is whole even
    after a crash. What a killed process left is overwritten by the next.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _flush(part)
        part.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise DataError(f"{path}: cannot write: {reason(error)}") from error
    finally:
        with suppress(OSError):  # a part that never came to be must not hide why
            part.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8.

    Raises:
        DataError: it cannot be written.
    """
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines atomically, in UTF-8, each as soon as it comes.

    Raises:
        DataError: it cannot be written.
    """
    with atomic_path(path) as part, part.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for line in lines:
            file.write(line + "\n")


def refuse_existing(path: Path, *, force: bool, resume: bool = False) -> None:
    """Refuse to overwrite an output that nobody said may be overwritten or continued.

    Raises:
        UsageError: `path` exists, and neither `force` nor `resume` is set, or both are.
    """
    if force and resume:
        raise UsageError("--force starts anew and --resume continues: choose one")
    if path.exists() and not force and not resume:
        raise UsageError(f"{path}: exists already; --force replaces it")
