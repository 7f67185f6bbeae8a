"""Described photographs, kept by what is in their files, so that a second look at a folder costs no CNN.

One small NumPy archive a photograph, named by the SHA-256 of its file, in a folder for each way of describing.
Bounded: when a folder has grown past its limit, the photographs unused for longest go. Several processes and threads
may share it: each writes under a name of its own, entries take theirs whole, and one that vanishes is made again.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.shards import read_shard, write_shard
from vsa_cli.core.regions.store import ImageRegions

MAX_BYTES = 2 * 1024**3
"""What the photographs of one way of describing may take on the disk."""

_TRIMMED = 0.9  # of MAX_BYTES, once it was passed
_UNSEEN = 0.01  # of MAX_BYTES, written by one process before it looks what others have written
_UNFINISHED = ".new"
_ABANDONED = 3600.0  # seconds after which what is unfinished has nobody who will finish it


def cache_folder() -> Path:
    """`$VSA_HOME/cache`, or `vsa` in the user's cache directory."""
    home = os.environ.get("VSA_HOME")
    if home:
        return Path(home) / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vsa"


class RegionCache:
    """The cache of one way of describing photographs."""

    def __init__(self, folder: Path, feature_spec: FeatureSpec, max_bytes: int = MAX_BYTES) -> None:
        digest = hashlib.sha256(dump_json(feature_spec.to_dict()).encode()).hexdigest()
        self._folder = folder / "regions" / digest[:16]
        self._size, self._max_bytes = feature_spec.descriptor_size, max_bytes
        self._room = 0  # bytes before the next look at the whole; threads may miscount by an entry

    def get(self, sha256: str) -> ImageRegions | None:
        """The regions of a photograph's file, if they are here and whole."""
        path = self._path(sha256)
        try:
            if not path.exists():
                return None
            images, _ = read_shard(path)
            path.touch()
        except (ArtifactError, OSError):
            return None  # damaged, or another process has just removed it: it is made anew
        fits = len(images) == 1 and images[0].sha256 == sha256 and images[0].descriptors.shape[1] == self._size
        return images[0] if fits else None

    def put(self, regions: ImageRegions) -> None:
        """Keep the regions of a photograph's file; a cache that cannot be written is not worth a failure."""
        path = self._path(regions.sha256)
        own = path.with_name(f"{path.stem}.{os.getpid()}-{threading.get_ident()}{_UNFINISHED}")
        try:
            write_shard(own, [regions])
            self._room -= own.stat().st_size
            own.replace(path)
        except (DataError, OSError):
            return
        if self._room < 0:
            self._room = min(self._trim(), int(_UNSEEN * self._max_bytes))

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.npz"

    def _trim(self) -> int:
        """Let the photographs unused for longest go, if there are too many bytes; how many more may come."""
        entries = []
        for path in self._folder.glob("*/*"):
            try:
                status = path.stat()
                if path.suffix == ".npz":
                    entries.append((status.st_mtime, status.st_size, path))
                elif status.st_mtime < time.time() - _ABANDONED:
                    path.unlink()  # of a process that was killed
            except OSError:
                continue  # another process was quicker
        total = sum(size for _, size, _ in entries)
        if total <= self._max_bytes:
            return self._max_bytes - total
        for _, size, path in sorted(entries):
            if total <= _TRIMMED * self._max_bytes:
                break
            with suppress(OSError):  # another process was quicker, or it is not ours to remove
                path.unlink(missing_ok=True)
            total -= size
        return self._max_bytes - total
