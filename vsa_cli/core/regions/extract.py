"""Extracts the regions of many photographs into `regions.h5`: in parallel, in bounded memory, and resumable.

Photographs are divided into shards of fixed size. A shard is written in one step, to a folder beside the output
(`regions.h5.part/`); a resumed run encodes the shards that are missing. At the end the shards are joined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsa_cli.core.errors import ArtifactError, ConfigError, DataError, reason
from vsa_cli.core.io.envelope import Envelope
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json, is_text, read_json
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.plan import Extraction, RegionSource
from vsa_cli.core.regions.shards import LAYOUT, read_shard, write_shard
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions

SHARD = 64
"""Photographs in a shard: what an interruption can lose, and what is in memory at the same time."""

_REQUEST = "request.json"


@dataclass(frozen=True)
class Extracted:
    """A finished shard.

    Attributes:
        photos: the number of its photographs.
        failures: one line for each photograph that could not be encoded.
        resumed: whether an earlier run had written it.
    """

    photos: int
    failures: tuple[str, ...]
    resumed: bool


def extract_regions(plan: Extraction, out: Path) -> Iterator[Extracted]:
    """Encode every photograph and write `out`, yielding a record for each shard.

    Args:
        plan: the photographs, their encoder and the envelope.
        out: the `regions.h5`. Until it is complete, its shards are in `regions.h5.part/` beside it, and are reused.

    Raises:
        ArtifactError: the part folder belongs to a run with other settings or photographs.
        DataError: no photograph could be encoded, or the output cannot be written.
    """
    parts = part_folder(out)
    _claim(parts, plan)
    size = plan.spec.descriptor_size
    starts = range(0, len(plan.photos), SHARD)
    shards = [(parts / f"{start // SHARD:06d}.shard", plan.photos[start : start + SHARD]) for start in starts]
    total = 0
    if plan.failures:
        yield Extracted(len(plan.failures), plan.failures, resumed=False)
    for path, photos in shards:
        resumed = path.exists()
        images, failures = _read(path, photos, size) if resumed else ([], ())
        if not resumed or failures:  # a photograph that failed before may be readable now
            write_shard(path, _encode(plan.encoder, photos, images))
            images, failures = _read(path, photos, size)
        total += len(images)
        yield Extracted(len(photos), failures, resumed)
    if total == 0:
        _clear(parts)  # there is nothing to resume
        raise DataError("none of the photographs could be described")
    images_of = (_read(path, photos, size)[0] for path, photos in shards)
    write_regions(out, plan.envelope, images_of, size, plan.tail)
    _clear(parts)


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


def prepare_output(out: Path, envelope: Envelope, *, force: bool, resume: bool) -> int | None:
    """Check for the output of an earlier run, and remove an unfinished one if `force` is set.

    Args:
        out: the `regions.h5`.
        envelope: the envelope of the requested run.
        force: start over, whatever exists.
        resume: continue from what exists.

    Returns:
        The number of photographs in a finished `out`; None if there is work left.

    Raises:
        ConfigError: there is an unfinished run, and neither `force` nor `resume` is set.
        ArtifactError: `out` is finished, and was made with other settings or photographs.
    """
    parts = part_folder(out)
    if parts.exists() and not resume:
        if not force:
            raise ConfigError(f"{parts}: an unfinished run; `resume` continues it, `force` starts over")
        _clear(parts)
    if not (resume and out.exists()) or parts.exists():
        return None
    store = RegionStore(out)
    finished, described = store.envelope, len(store)
    store.close()
    if finished != envelope:
        raise ArtifactError(f"{out}: was made with other options or photographs; `force` starts over")
    return described


def _clear(parts: Path) -> None:
    """Remove the part folder, the request file last: without that file, the folder may not be one of vsa's.

    Raises:
        DataError: something in the folder cannot be removed.
    """
    try:
        for path in sorted(parts.iterdir(), key=lambda path: path.name == _REQUEST):
            path.unlink()
        parts.rmdir()
    except OSError as error:
        raise DataError(f"{parts}: cannot be removed: {reason(error)}") from error


def _claim(parts: Path, plan: Extraction) -> None:
    """Record in the part folder what is extracted (settings, photographs, order), or check that it is the same.

    Raises:
        ArtifactError: the folder belongs to a run with other settings or photographs, or to another version of `vsa`.
    """
    digest = hashlib.sha256(dump_json([[photo.image_id, photo.sha256] for photo in plan.photos]).encode())
    request = {
        "envelope": plan.envelope.to_dict(),
        "photos": digest.hexdigest(),
        "shard": SHARD,
        "layout": LAYOUT,
    }
    path = parts / _REQUEST
    if not path.exists():
        write_text(path, dump_json(request))
        return
    found = read_json(path)
    if found != request:
        is_older = isinstance(found, dict) and found.get("layout") != LAYOUT
        made = "by another version of vsa" if is_older else "with other options or photographs"
        raise ArtifactError(f"{parts}: was started {made}; `force` starts over")
