"""Extracts the regions of many photographs into `regions.h5`: in parallel, in bounded memory, and resumable.

Photographs are divided into shards of fixed size. A shard is written in one step, to a folder beside the output
(`regions.h5.part/`), by any of the processes that share the work; a resumed run encodes the shards that are missing. At
the end one process joins the shards: the division of the work does not show in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.io.json import dump_json, is_text
from vsa_cli.core.io.part_folder import PartFolder
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.ranks import Shard
from vsa_cli.core.regions.feature_spec import PROPOSALS
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.plan import Extraction, RegionSource
from vsa_cli.core.regions.shards import LAYOUT, read_shard, write_shard
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions

SHARD = 64
"""Photographs in a shard: what an interruption can lose, and what is in memory at the same time."""


@dataclass(frozen=True)
class Extracted:
    """A finished shard.

    Attributes:
        photos: the number of its photographs.
        failures: one line for each photograph that could not be encoded.
        resumed: whether an earlier run, or another process, had written it.
    """

    photos: int
    failures: tuple[str, ...]
    resumed: bool


def extract_shards(plan: Extraction, out: Path, shard: Shard) -> Iterator[Extracted]:
    """Encode this process's part of the photographs, yielding a record for each of its shards.

    Args:
        plan: the photographs, their encoder and the envelope.
        out: the `regions.h5`, which is not written: the shards are in `regions.h5.part/` beside it, which
            `prepare_output` has created.
        shard: the part of this process.

    Raises:
        ArtifactError: the part folder belongs to a run with other settings or photographs, or is missing.
        DataError: a shard cannot be written.
    """
    parts = PartFolder(part_folder(out))
    parts.claim(_request(plan), create=False)
    if plan.failures and shard.has(0):
        yield Extracted(len(plan.failures), plan.failures, resumed=False)
    size = plan.spec.descriptor_size
    for number, photos in enumerate(_shards(plan)):
        if not shard.has(number):
            continue
        path = parts.shard(number)
        resumed = path.exists()
        images, failures = _read(path, photos, size) if resumed else ([], ())
        if not resumed or failures:  # a photograph that failed before may be readable now
            write_shard(path, _encode(plan.encoder, photos, images))
            _, failures = _read(path, photos, size)
        yield Extracted(len(photos), failures, resumed)


def join_shards(
    plan: Extraction, out: Path, own: Shard | None = None, arrivals: Iterable[bool] = ()
) -> Iterator[Extracted]:
    """Write `out` from the shards, yielding a record for each shard of the other processes as soon as it is there.

    Args:
        plan: the photographs, their encoder and the envelope.
        out: the `regions.h5`.
        own: the part that this process has encoded; None if others have encoded everything.
        arrivals: takes a moment for each element: whether all other processes have finished their parts. Without any,
            nothing is waited for.

    Raises:
        ArtifactError: the part folder belongs to a run with other settings or photographs.
        DataError: shards are missing, no photograph could be encoded, or the output cannot be written.
    """
    parts = PartFolder(part_folder(out))
    parts.claim(_request(plan), create=False)
    if plan.failures and own is None:
        yield Extracted(len(plan.failures), plan.failures, resumed=True)
    size, shards = plan.spec.descriptor_size, list(_shards(plan))
    others = [number for number in range(len(shards)) if own is None or not own.has(number)]
    for number in parts.arriving(others, arrivals):
        _, failures = _read(parts.shard(number), shards[number], size)
        yield Extracted(len(shards[number]), failures, resumed=True)

    def images() -> Iterator[list[ImageRegions]]:
        for number, photos in enumerate(shards):
            yield _read(parts.shard(number), photos, size)[0]

    if not any(images()):
        parts.clear()  # there is nothing to resume
        raise DataError("none of the photographs could be described")
    write_regions(out, plan.envelope, images(), size, plan.tail)
    parts.clear()


def photographs_in(plan: Extraction, shard: Shard) -> int:
    """The number of photographs in a part of the work."""
    return sum(len(photos) for number, photos in enumerate(_shards(plan)) if shard.has(number))


def _shards(plan: Extraction) -> Iterator[list[Photo]]:
    return (plan.photos[start : start + SHARD] for start in range(0, len(plan.photos), SHARD))


def _read(path: Path, photos: Sequence[Photo], size: int) -> tuple[list[ImageRegions], tuple[str, ...]]:
    """The regions and failures of a shard.

    Raises:
        ArtifactError: the shard is damaged, or holds other photographs than `photos`.
    """
    images, failures = read_shard(path)
    found = {image.image_id for image in images if image.descriptors.shape[1] == size}
    known = {str(photo.image_id) for photo in photos}
    if len(found & known) != len(images) or len(images) + len(failures) != len(photos):
        raise ArtifactError(f"{path}: damaged (not of these photographs); delete it, then `resume`")
    return images, failures


def _encode(
    encoder: RegionSource, photos: Sequence[Photo], done: Sequence[ImageRegions]
) -> list[ImageRegions | FailedPhoto]:
    """The result of each photograph; those in `done` are not encoded again."""
    results: dict[str, ImageRegions | FailedPhoto] = {image.image_id: image for image in done}
    for photo in photos:
        if not is_text(photo.image_id):
            why = f"{photo.path}: its name is not UTF-8, as names in regions.h5 must be; rename it"
            results[str(photo.image_id)] = FailedPhoto(photo, why)
    missing = [photo for photo in photos if str(photo.image_id) not in results]
    for photo, result in encoder.encode_all(missing, ahead=SHARD):
        results[str(photo.image_id)] = result
    return [results[str(photo.image_id)] for photo in photos]


def part_folder(out: Path) -> Path:
    """The folder with the shards of an unfinished `out`."""
    return out.with_name(out.name + ".part")


def prepare_output(out: Path, plan: Extraction, *, force: bool, resume: bool) -> int | None:
    """Check for the output of an earlier run, remove an unfinished one if `force` is set, and create the part folder.

    Args:
        out: the `regions.h5`.
        plan: the requested run.
        force: start over, whatever exists.
        resume: continue from what exists.

    Returns:
        The number of photographs in a finished `out`; None if there is work left.

    Raises:
        ConfigError: there is an unfinished run, and neither `force` nor `resume` is set.
        ArtifactError: `out` or its part folder was made with other settings or photographs.
        DataError: the part folder cannot be written.
    """
    parts = part_folder(out)
    if parts.exists() and not resume:
        if not force:
            raise ConfigError(f"{parts}: an unfinished run; `resume` continues it, `force` starts over")
        PartFolder(parts).clear()
    if not (resume and out.exists()) or parts.exists():
        PartFolder(parts).claim(_request(plan))
        return None
    store = RegionStore(out)
    finished, described = store.envelope, len(store)
    store.close()
    if finished != plan.envelope:
        raise ArtifactError(f"{out}: was made with other options or photographs; `force` starts over")
    return described


def _request(plan: Extraction) -> dict[str, Any]:
    """What is extracted: settings, photographs, order."""
    digest = hashlib.sha256(dump_json([[photo.image_id, photo.sha256] for photo in plan.photos]).encode())
    return {
        "envelope": plan.envelope.to_dict(),
        "photos": digest.hexdigest(),
        "shard": SHARD,
        "layout": LAYOUT,
        "proposals": PROPOSALS,  # boxes of two algorithms are not mixed
    }
