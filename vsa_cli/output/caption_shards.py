"""Captions of a run that several processes share, in the folder `FILE.parts/` beside the output until it is complete.

A shard has the results of a group of photographs that are captioned together (`core.generation.results.group_sizes`).
The groups are those of one process, whichever process captions them, so the output has the same bytes: the last digits
of a log-probability depend on the other photographs of the group. A shard is a JSON list of objects with the fields of
`CaptionResult`, which do not depend on the format of the output.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.generation.results import Candidate, CaptionResult, RegionCaption, SeenObject, group_sizes
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json, read_json
from vsa_cli.core.io.part_folder import PartFolder
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.ranks import Shard
from vsa_cli.output.run_settings import Settings

LAYOUT = "captions-1"

Group = list[Photo | FailedPhoto]
"""Photographs that are captioned together."""


def part_folder(output: Path) -> PartFolder:
    """The folder with the captions of an unfinished run that several processes share."""
    return PartFolder(output.with_name(output.name + ".parts"))


def groups_of(photos: Iterable[Photo | FailedPhoto], batch_size: int, done: int = 0) -> Iterator[Group]:
    """The groups in which photographs are captioned, after some that an earlier run has captioned."""
    upcoming = iter(photos)
    for size in group_sizes(batch_size, done):
        group = list(itertools.islice(upcoming, size))
        if not group:
            return
        yield group


class CaptionShards:
    """The shards of a run.

    Args:
        output: the output of the run.
        photos: all photographs of the run.
        batch_size: the most photographs captioned together.
        settings: the settings on which the captions depend.
    """

    def __init__(
        self, output: Path, photos: Sequence[Photo | FailedPhoto], batch_size: int, settings: Settings
    ) -> None:
        self._folder, self._photos, self._batch_size = part_folder(output), photos, batch_size
        names = [[one.photo.path, one.reason] if isinstance(one, FailedPhoto) else [one.path] for one in photos]
        digest = hashlib.sha256(dump_json(names).encode()).hexdigest()
        self._request = {"settings": dict(settings), "photos": digest, "batch_size": batch_size, "layout": LAYOUT}
        self._groups: list[Group] = []

    def start(self, *, force: bool, resume: bool, is_done: Callable[[Photo], bool], kept: int) -> None:
        """Create the folder, or continue what is there.

        Args:
            force: remove what is there first.
            resume: continue what is there.
            is_done: whether an earlier run of one process has captioned a photograph.
            kept: the number of photographs that it has captioned.

        Raises:
            ConfigError: there is an unfinished run, and neither `force` nor `resume` is set.
            ArtifactError: it has other settings or photographs.
            DataError: the folder cannot be written.
        """
        folder = self._folder
        if folder.is_started and force:
            folder.clear()
        if folder.is_started and not resume:
            raise ConfigError(f"{folder.path}: an unfinished run; --resume continues it, --force starts over")
        done = [number for number, one in enumerate(self._photos) if isinstance(one, Photo) and is_done(one)]
        folder.claim(self._request, plan={"done": done, "kept": kept})

    def open(self) -> None:
        """Read which photographs the run has to caption, as the process that started it has recorded.

        Raises:
            ArtifactError: the run has other settings or photographs, or has not been started.
        """
        plan = self._folder.claim(self._request, create=False)
        try:
            done, kept = set(plan["done"]), int(plan["kept"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{self._folder.path}: damaged; --force starts over") from error
        remaining = [one for number, one in enumerate(self._photos) if number not in done]
        self._groups = list(groups_of(remaining, self._batch_size, kept))

    def missing(self, part: Shard) -> list[tuple[int, Group]]:
        """The groups of a part of the work that are to be captioned, with their numbers; also those with failures.

        Raises:
            ArtifactError: a shard is damaged.
            DataError: a shard cannot be read.
        """
        finished = self._folder.finished()
        return [
            (number, group)
            for number, group in enumerate(self._groups)
            if part.has(number)
            and (number not in finished or any(result.error is not None for result in self._read(number)))
        ]

    def count(self) -> int:
        """The number of photographs that the run has to caption."""
        return sum(map(len, self._groups))

    def write(self, number: int, results: Sequence[CaptionResult]) -> None:
        """Write a shard, in one step.

        Raises:
            DataError: it cannot be written.
        """
        write_text(self._folder.shard(number), dump_json(list(map(_record, results))))

    def joined(self, own: Shard | None, arrivals: Iterable[bool]) -> Iterator[CaptionResult]:
        """The results of all photographs in their order, each as soon as it and those before it are there.

        Args:
            own: the part of the work that this process has done; None if others have done everything.
            arrivals: as for `PartFolder.arriving`.

        Raises:
            ArtifactError: a shard is damaged.
            DataError: a shard is missing or cannot be read.
        """
        numbers = range(len(self._groups))
        others = [number for number in numbers if own is None or not own.has(number)]
        ready, upcoming = set(numbers) - set(others), 0
        for number in itertools.chain(self._folder.arriving(others, arrivals), [-1]):
            ready.add(number)
            while upcoming in ready:
                yield from self._read(upcoming)
                upcoming += 1

    def clear(self) -> None:
        """Remove the folder.

        Raises:
            DataError: it cannot be removed.
        """
        self._folder.clear()

    def _read(self, number: int) -> list[CaptionResult]:
        path, group = self._folder.shard(number), self._groups[number]
        found = read_json(path)
        try:
            return [_result(record, one) for record, one in zip(found, group, strict=True)]
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{path}: damaged; delete it, then --resume") from error


def _record(result: CaptionResult) -> dict[str, Any]:
    fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    fields["photo"] = result.path
    for name in ("candidates", "regions", "objects"):
        fields[name] = None if fields[name] is None else [dataclasses.asdict(one) for one in fields[name]]
    return fields


def _result(record: dict[str, Any], one: Photo | FailedPhoto) -> CaptionResult:
    """The result that a record has.

    Raises:
        KeyError, TypeError, ValueError: it is not the record of this photograph.
    """
    photo = one.photo if isinstance(one, FailedPhoto) else one
    fields = dict(record)
    if fields["photo"] != photo.path:
        raise ValueError("another photograph")
    fields["photo"] = photo
    fields["candidates"] = tuple(Candidate(**candidate) for candidate in fields["candidates"])
    for name, kind in (("regions", RegionCaption), ("objects", SeenObject)):
        if fields[name] is not None:
            fields[name] = tuple(kind(**{**part, "box": tuple(part["box"])}) for part in fields[name])
    if fields["size"] is not None:
        width, height = fields["size"]
        fields["size"] = int(width), int(height)
    return CaptionResult(**fields)
