"""Which outputs may be written, told before any work is done. Knows nothing of what they will hold."""

from __future__ import annotations

import os
from pathlib import Path

from vsa_cli.core.artifacts import reason, refuse_special
from vsa_cli.core.errors import DataError, UsageError


def refuse_existing(path: Path, *, force: bool, resume: bool = False, folder: bool = False) -> None:
    """Refuse, before any work is done, an output that may not or cannot be written.

    Args:
        path: of the output, which is a file, or, where `folder`, a folder.
        force: it may be overwritten.
        resume: it may be continued.
        folder: see `path`.

    Raises:
        UsageError: `path` exists, and neither `force` nor `resume` is set, or both are; or it is of another kind.
        DataError: it is a pipe or a device, which a file would replace, or lies where nothing can be written.
    """
    import tempfile  # not on the way to a help

    if force and resume:
        raise UsageError("--force starts anew and --resume continues: choose one")
    if path.exists():
        refuse_special(path)
        if path.is_dir() != folder:
            raise UsageError(
                f"{path}: is a file; name a folder" if folder else f"{path}: is a folder; name a file in it"
            )
        if not force and not resume:
            raise UsageError(f"{path}: exists already; --force replaces it")
    place = path if path.is_dir() else next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=place):  # it has no name, and leaves nothing
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot write: {place}: {reason(error)}") from error


def refuse_shared(*outputs: Path | None) -> None:
    """Refuse outputs of one run that are one file, for the later would replace the earlier.

    Raises:
        UsageError: two of those that are given are.
    """
    seen: set[str] = set()
    for path in outputs:
        if path is not None:
            if (real := os.path.realpath(path)) in seen:
                raise UsageError(f"{path}: is named for two outputs; give each its own file")
            seen.add(real)
