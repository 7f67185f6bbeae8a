"""`vsa caption` by several processes: each captions its part of the photographs, and one writes the output."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vsa_cli.commands import shared_work
from vsa_cli.commands.shared_work import Share
from vsa_cli.core.ranks import Shard
from vsa_cli.options import UsageError

if TYPE_CHECKING:
    from vsa_cli.core.config import CaptionFormat
    from vsa_cli.core.generation.results import CaptionResult
    from vsa_cli.core.io.sources import FailedPhoto, Photo
    from vsa_cli.output.caption_shards import CaptionShards
    from vsa_cli.output.caption_writer import CaptionWriter
    from vsa_cli.output.console import Bar, Console
    from vsa_cli.output.run_settings import Settings

Caption = Callable[["Iterable[Photo | FailedPhoto]", Iterable[int]], "Iterator[CaptionResult]"]
"""Captions photographs in groups of given sizes."""


@dataclass
class Counts:
    """How many photographs were captioned, how many captions were withheld, and how many photographs failed."""

    captioned: int = 0
    withheld: int = 0
    failed: int = 0

    def add(self, result: CaptionResult) -> None:
        """Count a result."""
        if result.error is not None:
            self.failed += 1
        elif result.withheld is not None:
            self.withheld += 1
        else:
            self.captioned += 1


def is_unfinished(output: Path | None) -> bool:
    """Whether several processes have left an unfinished run, which this process continues, removes or refuses."""
    return output is not None and os.path.isfile(f"{output}.parts/request.json")  # noqa: PTH113  long names


def check_sharing(
    share: Share, names: Sequence[str], *, corpus: bool, output: bool, sidecar: bool, annotate: bool
) -> None:
    """Check that several processes can share a run.

    Raises:
        UsageError: they cannot.
    """
    if not names or corpus:
        raise UsageError("several processes share photographs; a --corpus is captioned by one")
    if output == sidecar or annotate:
        raise UsageError("several processes write either -o FILE or --sidecar (not both), and no --annotate")
    if "-" in names and not share.ranks.alone:
        raise UsageError("- reads file names from a pipe, which the processes of torchrun cannot share; name a folder")
    if share.only_joins and sidecar:
        raise UsageError("--join joins the parts of -o FILE; sidecars need none")


def resumes(share: Share, output: Path | None, kind: CaptionFormat, *, resume: bool) -> bool:
    """Whether the writer of the output continues what one process has written.

    That is lines of an earlier run, those of a process that was killed while it joined, and sidecars.
    """
    if output is None:
        return resume or share.only_part
    if share.only_joins:
        resume = not output.exists() and output.with_name(f"{output.name}.part").exists()
    return resume and kind == "jsonl"


@dataclass(frozen=True)
class Work:
    """A run that several processes share.

    Attributes:
        share: what this process does.
        photos: all photographs.
        batch_size: the most photographs captioned together.
        settings: the settings on which the captions depend.
        console: where progress and failures are shown.
        force: start over.
        resume: continue an unfinished run.
    """

    share: Share
    photos: Sequence[Photo | FailedPhoto]
    batch_size: int
    settings: Settings
    console: Console
    force: bool
    resume: bool


def caption_shards(
    work: Work, output: Path, caption: Caption, open_writer: Callable[[], CaptionWriter]
) -> tuple[Counts, CaptionWriter | None]:
    """Caption this process's part of the photographs, and write the output from all parts if it is the one that does.

    Args:
        work: the run.
        output: the output.
        caption: captions photographs; called only if there are some to caption.
        open_writer: checks and opens the output.

    Returns:
        The counts of what this process has reported, and the writer of the output, if it has written it.

    Raises:
        ConfigError: an output or an unfinished run exists and must not be replaced, or there is no run to join.
        ArtifactError: the unfinished run has other settings or photographs, or is damaged.
        DataError: a file cannot be written, or parts that are to be joined are missing.
        EndedError: another process has ended.
    """
    from vsa_cli.output.caption_shards import CaptionShards, part_folder

    share, console = work.share, work.console
    shards = CaptionShards(output, work.photos, work.batch_size, work.settings)
    writer: CaptionWriter | None = None

    def prepare() -> None:
        nonlocal writer
        if share.only_joins:
            part_folder(output).require()
        writer = open_writer()
        writer.check_count(len(work.photos))
        if not share.only_joins:
            resume = work.resume or share.only_part
            shards.start(force=work.force, resume=resume, is_done=writer.is_done, kept=writer.kept)

    with shared_work.connected(share.ranks):
        shared_work.first_alone(prepare, share.ranks)
        shards.open()
        counts = Counts()
        if share.computes:
            shown = console if share.only_part else None
            counts = _caption_part(shards, share.part, caption, console, shown)
        if not share.joins or writer is None:
            shared_work.arrive(share.ranks)
            return counts, None
        own = share.part if share.computes else None
        results = shards.joined(own, shared_work.arrivals(share.ranks))
        with console.progress("join", shards.count(), "photographs") as bar:
            skips = writer.skips
            counts = write((result for result in results if not skips(result.photo)), writer, console, bar)
        shards.clear()
        return counts, writer


def _caption_part(
    shards: CaptionShards, part: Shard, caption: Caption, console: Console, shown: Console | None
) -> Counts:
    """Caption the groups of a part that are missing, and write a shard for each; `shown` reports failures."""
    groups, counts = shards.missing(part), Counts()
    if not groups:
        return counts
    photos = itertools.chain.from_iterable(group for _, group in groups)
    results = caption(photos, [len(group) for _, group in groups])
    with console.progress("caption", sum(len(group) for _, group in groups), "photographs") as bar:
        for number, group in groups:
            found = []
            for result in itertools.islice(results, len(group)):
                found.append(result)
                counts.add(result)
                if shown is not None and result.error is not None:
                    shown.warn(result.error)
                bar.advance()
            shards.write(number, found)
    return counts


def write(results: Iterable[CaptionResult], writer: CaptionWriter, console: Console, bar: Bar) -> Counts:
    """Write results as they come, and report those that failed."""
    counts = Counts()
    with writer:
        for result in results:
            written = writer.write(result)
            if written is not None:
                counts.add(written)
                if written.error is not None:
                    console.warn(written.error)
            bar.advance()
    return counts


def caption_sidecars(work: Work, caption: Caption, writer: CaptionWriter) -> tuple[Counts, CaptionWriter]:
    """Caption this process's part of the photographs into sidecars, which are complete without the other parts.

    Each process reports its own failures.

    Args:
        work: the run.
        caption: captions photographs; called only if there are some to caption.
        writer: writes the sidecars.

    Returns:
        The counts of all processes that `torchrun` has started, and the writer.

    Raises:
        ConfigError: outputs would replace files.
        EndedError: another process has ended.
    """
    from vsa_cli.core.io.sources import Photo
    from vsa_cli.output.caption_shards import groups_of

    share, photos, console = work.share, work.photos, work.console
    own = [group for number, group in enumerate(groups_of(photos, work.batch_size)) if share.part.has(number)]
    with shared_work.connected(share.ranks):
        checked = itertools.chain.from_iterable(own) if share.only_part else photos
        writer.check([one for one in checked if isinstance(one, Photo)])
        shared_work.total(0, share.ranks)  # all have looked which sidecars exist before the first is written
        groups = [[one for one in group if not (isinstance(one, Photo) and writer.skips(one))] for group in own]
        groups = [group for group in groups if group]
        remaining = list(itertools.chain.from_iterable(groups))
        with console.progress("caption", len(remaining), "photographs") as bar, _errors_shown(share):
            results = caption(remaining, [len(group) for group in groups]) if remaining else iter(())
            counts = write(results, writer, console, bar)
        writer.skipped = shared_work.total(writer.skipped, share.ranks)
        return Counts(*(shared_work.total(count, share.ranks) for count in vars(counts).values())), writer


@contextmanager
def _errors_shown(share: Share) -> Iterator[None]:
    """Within the block, also a process that is silent otherwise prints the failures of its own photographs."""
    usual = sys.stderr
    if not share.ranks.first:
        sys.stderr = sys.__stderr__ or usual
    try:
        yield
    finally:
        sys.stderr = usual
