"""Many photographs to `regions.h5`: in parallel, in bounded memory, and resumable after any death.

Photographs are cut into shards of fixed size. A shard is written whole, in one step, to a folder beside the
output (`regions.h5.part/`); a run that continues does what shards are absent. At the end the shards are joined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vsa_cli.core.device import one_thread_each
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError, reason
from vsa_cli.core.io.envelope import Envelope
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json, read_json
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.io.text import is_text
from vsa_cli.core.io.threads import Workers
from vsa_cli.core.regions.encoder import PhotoEncoder
from vsa_cli.core.regions.shards import read_shard, write_shard
from vsa_cli.core.regions.store import ImageRegions, RegionStore, write_regions

SHARD = 64
"""Photographs a shard: what a death can cost, and what is in memory at once."""

_REQUEST = "request.json"


@dataclass(frozen=True)
class Extracted:
    """A shard is done: how many photographs it has, and the message of each that failed."""

    photos: int
    failures: tuple[str, ...]
    resumed: bool


def extract_regions(
    photos: Sequence[Photo], encoder: PhotoEncoder, envelope: Envelope, out: Path, *, workers: int, size: int
) -> Iterator[Extracted]:
    """Describe every photograph and write `out`, yielding a record a shard.

    Args:
        photos: in the order in which they are kept.
        encoder: describes one of them.
        envelope: of the output.
        out: `regions.h5`; beside it, while it is made, `regions.h5.part/`. Shards found there are kept.
        workers: photographs in work at once.
        size: D.

    Raises:
        ArtifactError: the part folder belongs to another request.
        DataError: nothing could be described, or the output cannot be written.
    """
    parts = part_folder(out)
    _claim(parts, envelope, photos)
    shards = [photos[i : i + SHARD] for i in range(0, len(photos), SHARD)]
    paths = [parts / f"{number:06d}.npz" for number in range(len(shards))]
    total = 0
    with one_thread_each(encoder.device), Workers(workers) as threads:
        for shard, path in zip(shards, paths, strict=True):
            resumed = path.exists()
            images, failures = read_shard(path) if resumed else ([], ())
            if not resumed or failures:  # what failed before may be readable again
                done = {image.image_id: image for image in images}
                absent = [photo for photo in shard if photo.image_id not in done]
                described = dict(zip(absent, threads.map(partial(_describe, encoder), absent), strict=True))
                write_shard(path, [done.get(str(photo.image_id)) or described[photo] for photo in shard])
                images, failures = read_shard(path)
            total += len(images)
            yield Extracted(len(shard), failures, resumed)
    if total == 0:
        _clear(parts)  # there is nothing to go on with
        raise DataError("none of the photographs could be described")
    write_regions(out, envelope, (read_shard(path)[0] for path in paths), size)
    _clear(parts)


def _describe(encoder: PhotoEncoder, photo: Photo) -> ImageRegions | FailedPhoto:
    if not is_text(photo.image_id):
        return FailedPhoto(photo, f"{photo.path}: its name is not UTF-8, as names in regions.h5 must be; rename it")
    return encoder.encode(photo)


def part_folder(out: Path) -> Path:
    """Where the shards of an unfinished `out` lie."""
    return out.with_name(out.name + ".part")


def prepare_output(out: Path, envelope: Envelope, *, force: bool, resume: bool) -> int | None:
    """See what an earlier run left, and clear it away where it may be.

    Args:
        out: `regions.h5`.
        envelope: of the run that is asked for.
        force: start anew, whatever is here.
        resume: go on with what is here.

    Returns:
        How many photographs a finished `out` describes; None where there is something left to do.

    Raises:
        UsageError: an unfinished run is here, and neither `force` nor `resume` says what becomes of it.
        ArtifactError: `out` is finished already, and by another request.
    """
    parts = part_folder(out)
    if parts.exists() and not resume:
        if not force:
            raise ConfigError(f"{parts}: an unfinished run; --resume goes on with it, --force starts anew")
        _clear(parts)
    if not (resume and out.exists()) or parts.exists():
        return None
    store = RegionStore(out)
    finished, described = store.envelope, len(store)
    store.close()
    if finished != envelope:
        raise ArtifactError(f"{out}: was made with other options or photographs; --force starts anew")
    return described


def _clear(parts: Path) -> None:
    """Remove the part folder: what claims it goes last, so that half of it is never taken for nobody's.

    Raises:
        DataError: something in it cannot be removed.
    """
    try:
        for path in sorted(parts.iterdir(), key=lambda path: path.name == _REQUEST):
            path.unlink()
        parts.rmdir()
    except OSError as error:
        raise DataError(f"{parts}: cannot be removed: {reason(error)}") from error


def _claim(parts: Path, envelope: Envelope, photos: Sequence[Photo]) -> None:
    """Make the part folder ours, or see that it is: same configuration, same photographs, same order."""
    digest = hashlib.sha256(dump_json([[photo.image_id, photo.sha256] for photo in photos]).encode())
    request = {"envelope": envelope.to_dict(), "photos": digest.hexdigest(), "shard": SHARD}
    path = parts / _REQUEST
    if not path.exists():
        write_text(path, dump_json(request))
    elif read_json(path) != request:
        raise ArtifactError(f"{parts}: was begun with other options or photographs; --force starts anew")
