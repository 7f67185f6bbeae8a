"""Feature cache: the regions of photographs, by the SHA-256 of their files, so that each is encoded only once.

One SQLite file for each `FeatureSpec` and algorithm that chooses boxes, shared by threads and processes. Details do not
make a difference: they come last in a descriptor, so a photograph described with them also serves models without them.
A row is a photograph: when it was last used, and its regions as `regions_to_bytes` writes them. The size is limited:
when a cache exceeds its limit, the photographs unused for longest are removed.

The cache never causes a failure. A file that is damaged, or was not written by `vsa`, is deleted and re-created; if the
folder is not writable, nothing is cached. A record contains a checksum and its photograph's hash, so damaged regions
are never returned.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vsa_cli.core.io.json import dump_json
from vsa_cli.core.regions.feature_spec import DETAILS, PROPOSALS, FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions, regions_from_bytes, regions_to_bytes

MAX_BYTES = 2 * 1024**3
"""Maximum bytes on the disk for the photographs of one feature specification."""

_TABLE = "regions (sha256 TEXT PRIMARY KEY, used INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (used, sha256))"
_TRIMMED = 0.9  # of the limit, once it was passed
_RECENT = 3600  # seconds within which a second use is not noted, so that reading seldom writes
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")  # ends a journal that names a further file


def cache_folder() -> Path | None:
    """`$VSA_HOME/cache`, or `vsa` in the user's cache directory; None for a user who has no home directory."""
    home, caches = os.environ.get("VSA_HOME"), os.environ.get("XDG_CACHE_HOME")
    if home:
        return Path(home) / "cache"
    if caches:
        return Path(caches) / "vsa"
    try:
        return Path.home() / ".cache" / "vsa"
    except RuntimeError:  # neither HOME nor an entry in the password file, as for many users of containers
        return None


def count_cached(folder: Path) -> tuple[int, int]:
    """The number of photographs in a cache folder, and the bytes of its files."""
    count = size = 0
    for path in folder.glob("regions/*.sqlite"):
        with suppress(OSError, sqlite3.Error, UnicodeDecodeError):
            size += path.stat().st_size
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                if _is_ours(connection):
                    count += connection.execute("SELECT count(*) FROM regions").fetchone()[0]
    return count, size


class RegionCache:
    """The cached regions of one feature specification.

    Attributes:
        path: the SQLite file.

    Args:
        folder: the cache folder, shared by all specifications.
        spec: how the photographs are encoded.
        max_bytes: the limit of the file.
    """

    def __init__(self, folder: Path, spec: FeatureSpec, max_bytes: int = MAX_BYTES) -> None:
        key = {**spec.to_dict(), "proposals": PROPOSALS}  # boxes of another algorithm are other boxes
        del key["descriptor_size"]
        key.pop(DETAILS, None)
        digest = hashlib.sha256(dump_json(key).encode()).hexdigest()[:16]
        self.path = folder / "regions" / f"{digest}.sqlite"
        self._size, self._with_details, self._max_bytes = spec.descriptor_size, spec.config.details, max_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None  # the file behind the connection

    def get(self, sha256: str) -> ImageRegions | None:
        """The regions of the photograph whose file has this hash; None if they are absent, damaged or lack details."""
        rows = self._execute("SELECT used, record FROM regions WHERE sha256 = ?", sha256)
        try:
            ((used, record),) = rows
            regions, _ = regions_from_bytes(record)
        except (ValueError, TypeError):
            return None
        size = regions.descriptors.shape[1]
        if regions.sha256 != sha256 or size < self._size or (self._with_details and size > self._size):
            return None
        now = int(time.time())
        if not (isinstance(used, int) and 0 <= now - used < _RECENT):
            self._execute("UPDATE regions SET used = ? WHERE sha256 = ?", now, sha256)
        if size == self._size:
            return regions
        return replace(regions, descriptors=np.ascontiguousarray(regions.descriptors[:, : self._size]))

    def put(self, regions: ImageRegions) -> None:
        """Store the regions of a photograph, if the file can be written."""
        now, record = int(time.time()), regions_to_bytes(regions)
        self._execute("INSERT OR REPLACE INTO regions VALUES (?, ?, ?)", regions.sha256, now, record)
        self._trim()

    def _trim(self) -> None:
        limit: float = self._max_bytes
        while (size := self._execute(_BYTES)) and size[0][0] > limit:
            limit = _TRIMMED * self._max_bytes
            if not self._execute("SELECT 1 FROM regions LIMIT 1"):  # pages that belong to no photograph: damage
                with self._lock:
                    self._remove()
                return
            self._execute(_DELETE_OLDEST)

    def _execute(self, statement: str, *values: object) -> list[Any]:
        """The rows of a statement; none if the file cannot be used."""
        with self._lock:
            try:
                return self._open().execute(statement, values).fetchall()
            except (OSError, MemoryError):
                return []
            except (sqlite3.Error, UnicodeDecodeError) as error:  # a message may quote what is damaged
                if _is_damage(error, self.path):
                    self._remove()
                return []

    def _open(self) -> sqlite3.Connection:
        """The connection to the file at `path`, opened again after another process has replaced or removed that file.

        Raises:
            OSError: the folder cannot be created.
            sqlite3.Error: the file cannot be opened, is damaged, or was not written by `vsa`.
        """
        if self._connection is not None and self._opened == _identity(self.path):
            return self._connection
        self._close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if _has_super_journal(self.path):
            self._unlink()
        is_new = not self.path.exists()
        # threads take turns; every statement is a transaction of its own
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._opened = _identity(self.path)
        self._connection.execute("PRAGMA trusted_schema = OFF")  # the file is not trusted
        self._connection.execute("PRAGMA cell_size_check = ON")
        self._connection.execute("PRAGMA synchronous = OFF")  # a power cut may damage the file: it is re-created
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE}")
        if not _is_ours(self._connection):
            raise sqlite3.DatabaseError("another schema")
        if is_new:
            shutil.rmtree(self.path.with_suffix(""), ignore_errors=True)  # one .npz a photograph, as vsa 0.1 kept them
        return self._connection

    def _remove(self) -> None:
        """Remove a damaged file, unless another process has replaced it already."""
        is_same = self._opened == _identity(self.path)
        self._close()
        if is_same:
            self._unlink()

    def _unlink(self) -> None:
        for path in (self.path, _journal(self.path)):
            with suppress(OSError):
                path.unlink()

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = self._opened = None

    def __del__(self) -> None:
        """Close the file."""
        self._close()


_BYTES = (
    "SELECT page_size * (page_count - freelist_count) FROM pragma_page_size, pragma_page_count, pragma_freelist_count"
)
_DELETE_OLDEST = (
    "DELETE FROM regions WHERE rowid IN "
    "(SELECT rowid FROM regions ORDER BY used LIMIT 1 + (SELECT count(*) FROM regions) / 16)"
)


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Whether the file has the table of `vsa` and nothing else: a trigger or a view could run without end."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchmany(2)
    return found == [(f"CREATE TABLE {_TABLE}",)]


def _is_damage(error: Exception, path: Path) -> bool:
    """Whether an error is caused by the file itself, not by a lock, a full disk or a read-only disk."""
    if not isinstance(error, sqlite3.OperationalError):
        return True
    if "readonly" in str(error):
        return os.access(path, os.W_OK)  # only the file claims to be read-only
    return not any(word in str(error) for word in ("lock", "open", "disk", "permission", "memory"))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _has_super_journal(path: Path) -> bool:
    """Whether the journal of an interrupted write names a further file, which SQLite would delete; vsa's never do."""
    journal = _journal(path)
    if not journal.is_file():
        return False
    with journal.open("rb") as file:
        file.seek(max(0, journal.stat().st_size - len(_SUPER_JOURNAL)))
        return file.read() == _SUPER_JOURNAL
