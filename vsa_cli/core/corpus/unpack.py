"""Brings the photographs out of webdataset shards into the images' folder, and nothing else.

Each shard has its own folder there, so that keys of different shards cannot meet. Nothing that lies there is ever
written over. Memory does not grow with shards or photographs.
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
_OF_THIS_NAME = frozenset(
    {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ, errno.ENOTEMPTY}
)
"""What is wrong with one name only; anything else (a full disk) would be wrong with all that follow."""


def unpack(shard: Path, wanted: Collection[str], images: Path) -> dict[str, str]:
    """Write photographs of a shard as files; those that are there with the same bytes are left as they are.

    Args:
        shard: the tar.
        wanted: places below the images' folder, as `place_of` gives them.
        images: the folder; made where it is absent.

    Returns:
        Places of photographs that did not come out, and why, in part of a line.

    Raises:
        DataError: the folder cannot be written, or the shard cannot be read at all.
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
            raise  # else the reader has named the damage; what stands before it is out
    return problems


def _write(member: Member, target: Path) -> str | None:
    """What is wrong with a photograph, if anything."""
    try:
        if target.exists():
            return None if _same(member, target) else "another file lies there already; move it away"
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
        if error.errno in _OF_THIS_NAME:
            return f"cannot be unpacked: {reason(error)}"
        raise DataError(f"{target}: cannot write: {reason(error)}") from error
    return None


def _same(member: Member, target: Path) -> bool:
    if not target.is_file() or target.stat().st_size != member.size:
        return False
    with target.open("rb") as file:
        return all(file.read(len(block)) == block for block in member.blocks())
