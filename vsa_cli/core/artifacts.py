"""The envelope that every artifact wears, hashes that tell artifacts apart, and atomic writing.

An envelope is a JSON object::

    {"format": "vsa-corpus", "version": 1, "tool": "vsa 0.1.0", "seed": 0,
     "config": {...}, "parents": {"corpus": {"format": "vsa-corpus", "sha256": "..."}}}

Knows nothing of what the artifacts hold.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from vsa_cli import __version__
from vsa_cli.core.errors import ArtifactError, DataError, UsageError

MAX_JSON_BYTES, MAX_JSON_VALUES = 512 * 1024**2, 2**24
"""A JSON document that is larger, or may hold more values, is refused before it fills the memory.

COCO's 123,287 images and their sentences are a quarter of the one and two thirds of the other.
"""

_DEEPEST = 16
"""Lists and objects within one another in an envelope."""

_MAKERS = {
    "vsa-corpus": "vsa prep",
    "vsa-regions": "vsa extract-regions",
    "vsa-embedding": "vsa train-embed",
    "vsa-snippets": "vsa align",
    "vsa-alignments": "vsa align --scores",
    "vsa-generator": "vsa train-gen",
    "vsa-rankings": "vsa retrieve --corpus",
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


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value read from JSON is a finite number that a float can hold."""
    if isinstance(value, float):
        return math.isfinite(value)
    return type(value) is int and abs(value) < 2**1023


def is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value read from JSON can be written as such again: no NaN, no infinity, no endless nesting."""
    if isinstance(value, float):
        return math.isfinite(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < _DEEPEST and all(is_plain(one, depth + 1) for one in inner)


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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        refuse_special(path)
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def refuse_special(path: Path) -> None:
    """Refuse a pipe, a socket or a device: who opens one may wait for ever, or read without end.

    Raises:
        DataError: it is one.
        OSError: it is not there.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path}: is a pipe or a device, not a file")


def reason(error: BaseException) -> str:
    """An exception as part of one line: the operating system's words, without its brackets."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split())


def read_json(path: Path) -> Any:
    """Parse a JSON file of at most `MAX_JSON_BYTES` and `MAX_JSON_VALUES`.

    Raises:
        DataError: missing, no file, unreadable, too large, not UTF-8, not JSON, or nested too deeply.
    """
    try:
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise DataError(f"{path}: {size} bytes of JSON; at most {MAX_JSON_BYTES} are read")
        refuse_special(path)
        with path.open("rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
        return parse_json(data, str(path))
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def parse_json(data: bytes, where: str) -> Any:
    """Parse a JSON text in UTF-8, as `read_json` does.

    Raises:
        DataError: too large, not UTF-8, not JSON, or nested too deeply; `where` is its name.
    """
    if len(data) > MAX_JSON_BYTES:
        raise DataError(f"{where}: more than {MAX_JSON_BYTES} bytes of JSON; at most those are read")
    # what separates values is counted first: a list of empty lists takes twenty times its text in memory
    if len(data) > MAX_JSON_VALUES and sum(map(data.count, (b",", b":", b"[", b"{"))) > MAX_JSON_VALUES:
        raise DataError(f"{where}: more than {MAX_JSON_VALUES} values of JSON; at most those are read")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON ({reason(error)})") from error


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


def refuse_existing(path: Path, *, force: bool, resume: bool = False, folder: bool = False) -> None:
    """Refuse to overwrite an output that nobody said may be overwritten or continued, or that never may be.

    Args:
        path: of the output, which is a file, or, where `folder`, a folder.
        force: it may be overwritten.
        resume: it may be continued.
        folder: see `path`.

    Raises:
        UsageError: `path` exists, and neither `force` nor `resume` is set, or both are; or it is of another kind.
    """
    if force and resume:
        raise UsageError("--force starts anew and --resume continues: choose one")
    if not path.exists():
        return
    if path.is_dir() != folder:
        raise UsageError(f"{path}: is a file; name a folder" if folder else f"{path}: is a folder; name a file in it")
    if not folder and not path.is_file():
        raise UsageError(f"{path}: is a pipe or a device, whose place a file would take; name a file")
    if not force and not resume:
        raise UsageError(f"{path}: exists already; --force replaces it")
