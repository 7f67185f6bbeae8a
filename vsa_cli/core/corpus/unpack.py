"""Unpacking the photographs of webdataset shards into the images' folder.

Each shard is unpacked into its own subfolder, so that equal keys of different shards do not conflict. Existing files
are never overwritten, and memory does not grow with the number of shards or photographs.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from pathlib import Path

from vsa_cli.core.corpus.readers.webdataset import place_of
from vsa_cli.core.corpus.records import relative_file
from vsa_cli.core.corpus.tars import DamagedTarError, Member, walk
from vsa_cli.core.errors import DataError, reason

_PART = ".vsa-unpacking.part"
_NAME_ERRORS = frozenset(
    {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ, errno.ENOTEMPTY}
)
"""Errors that concern one file name; any other error (a full disk) would recur with every file."""


def unpack(shard: Path, wanted: Collection[str], images: Path) -> dict[str, str]:
    """Write the photographs of a shard as files; a file that already exists with the same bytes is kept.

    Args:
        shard: the tar.
        wanted: the paths to unpack, relative to the images' folder, as `place_of` gives them.
        images: the images' folder, created if it does not exist.

    Returns:
        The path of each photograph that could not be unpacked, with the reason.

    Raises:
        DataError: the folder cannot be written, or nothing in the shard can be read.
    """
    problems: dict[str, str] = {}
    seen: set[str] = set()
    try:
        for member in walk(shard):
            file = place_of(shard, relative_file(member.name) or "")
            if member.is_file and file in wanted and file not in seen:
                seen.add(file)
                if problem := _write(member, images / file):
                    problems[file] = problem
    except DamagedTarError:
        if not seen:
            raise  # otherwise the reader has reported the damage, and everything before it is unpacked
    return problems


def _write(member: Member, target: Path) -> str | None:
    """Write a photograph; return the reason if that fails."""
    try:
        if target.exists():
            return None if _has_same_bytes(member, target) else "another file of this name exists already; move it away"
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(_PART)
        try:
            with part.open("wb") as file:
                for block in member.blocks():
                    file.write(block)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except DamagedTarError as error:
        return str(error)
    except OSError as error:
        if error.errno in _NAME_ERRORS:
            return f"cannot be unpacked: {reason(error)}"
        raise DataError(f"{target}: cannot write: {reason(error)}") from error
    return None


def _has_same_bytes(member: Member, target: Path) -> bool:
    if not target.is_file() or target.stat().st_size != member.size:
        return False
    with target.open("rb") as file:
        return all(file.read(len(block)) == block for block in member.blocks())
