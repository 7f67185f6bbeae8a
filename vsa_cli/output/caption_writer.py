"""Where captions go: lines, pages, sidecars and annotated copies; and what is left to do where a run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsa_cli.core.config import CaptionFormat
from vsa_cli.core.generation.results import CaptionResult
from vsa_cli.core.io.files import check_output, write_lines
from vsa_cli.core.io.sources import Photo, expand
from vsa_cli.output.annotated_copies import AnnotatedCopies
from vsa_cli.output.captions import format_captions
from vsa_cli.output.html.document import Pages, check_pages_output, check_photograph_count, is_folder
from vsa_cli.output.html.from_captions import CaptionCards
from vsa_cli.output.resumable import Ledger
from vsa_cli.output.sidecars import Sidecars


@dataclass(frozen=True)
class Outputs:
    """What is asked for.

    Attributes:
        kind: the format.
        output: the file, or for html the folder, instead of stdout.
        sidecar: the suffix of a text file beside each photograph.
        annotate: a folder for copies with boxes and sentences drawn on them.
        nbest: candidates for each photograph.
        regions: whether regions have captions.
        alone: exactly one photograph is named.
        said_by: what the captions come from, in a few words.
        force: replace what is there.
        resume: go on with what is there.
        workers: photographs of a page in work at once.
        batch: photographs worded at once, which a run that goes on keeps or does again together.
    """

    kind: CaptionFormat
    output: Path | None
    sidecar: str | None
    annotate: Path | None
    nbest: int
    regions: bool
    alone: bool
    said_by: str
    force: bool
    resume: bool
    workers: int
    batch: int


class Delivery:
    """The outputs of a run, none of them touched yet.

    Args:
        outputs: what is asked for.
        complain: told in one line of each photograph that a page lacks.

    Raises:
        UsageError: something is there that must not be overwritten.
        VsaError: what is to be continued cannot be.

    Attributes:
        passed_over: photographs that an earlier run has captioned.
        expected: photographs to caption, where that can be told before.
    """

    def __init__(self, outputs: Outputs, complain: Callable[[str], None]) -> None:
        self._outputs = outputs
        self.passed_over = 0
        self.expected: int | None = None
        force, resume = outputs.force, outputs.resume
        self._sidecars = Sidecars(outputs.sidecar, force=force, resume=resume) if outputs.sidecar is not None else None
        self._copies = AnnotatedCopies(outputs.annotate, force=force or resume) if outputs.annotate else None
        self._ledger: Ledger | None = None
        self._complain = complain
        self._pages: Pages | None = None
        if outputs.kind == "html":
            check_pages_output(outputs.output, 1, force=force)
        elif outputs.kind == "jsonl" and outputs.output is not None:
            names = {"candidates": outputs.nbest > 1, "regions": outputs.regions}
            self._ledger = Ledger(outputs.output, force=force, resume=resume, names=names, batch=outputs.batch)
        elif outputs.output is not None:
            check_output(outputs.output, force=force)

    @property
    def lost(self) -> int:
        """Photographs that were captioned, and whose picture a page lacks."""
        return self._pages.failed if self._pages is not None else 0

    def sources(self, arguments: Sequence[str], listed: Iterable[str]) -> Iterator[Photo]:
        """The photographs to caption: those named, and, for `-`, those in `listed`, without those that are done.

        Raises:
            UsageError: some of those named must not be captioned, or one page cannot hold so many.
            DataError: a folder cannot be listed, or has no photograph in it.
        """
        named = [argument for argument in arguments if argument != "-"]
        if self._sidecars is not None:
            self._sidecars.refuse_any(expand(named, ()))
        if self._copies is not None:
            self._copies.refuse_any(expand(named, ()))
        left = (source for source in expand(arguments, listed) if not self._passes_over(source))
        if "-" in arguments:
            return left
        sources = list(left)
        self.expected = len(sources)
        if self._outputs.kind == "html":
            check_photograph_count(self._outputs.output, self.expected)
        return iter(sources)

    @property
    def fills(self) -> str | None:
        """What the captions go to instead of stdout, or are written beside, as a name; None where they are printed."""
        if self._outputs.output is not None:
            return str(self._outputs.output)
        return f"*{self._outputs.sidecar}" if self._outputs.sidecar is not None else None

    @property
    def prints(self) -> bool:
        """Whether the lines go to stdout."""
        return self._outputs.output is None

    def _passes_over(self, source: Photo) -> bool:
        done = self._ledger is not None and source.path in self._ledger.done
        done = done or (self._sidecars is not None and self._sidecars.done(source))
        self.passed_over += done
        return done

    def refuse(self, source: Photo) -> str | None:
        """Why a photograph may not be captioned, in one line, if it may not."""
        by_sidecar = self._sidecars.refuse(source) if self._sidecars is not None else None
        return by_sidecar or (self._copies.refuse(source) if self._copies is not None else None)

    def beside(self, captioned: Iterator[CaptionResult]) -> Iterator[CaptionResult]:
        """Write what goes beside the lines, photograph by photograph."""
        if self._copies is not None:
            captioned = self._copies.write(captioned)
        return self._sidecars.write(captioned) if self._sidecars is not None else captioned

    def lines(self, captioned: Iterator[CaptionResult]) -> Iterator[str]:
        """The lines for stdout; none where they went to a file, and all is written when they end.

        Raises:
            DataError: a file or a folder cannot be written.
            UsageError: one page cannot hold so many photographs.
        """
        asked = self._outputs
        if asked.kind == "html":
            cards = CaptionCards(asked.said_by, nbest=asked.nbest, regions=asked.regions)
            self._pages = Pages(cards.front, cards.of(captioned), self._complain)
            if asked.output is not None and is_folder(asked.output):
                self._pages.fill(asked.output, asked.workers)
                return
            lines = self._pages.lines()
        else:
            lines = format_captions(captioned, asked.kind, nbest=asked.nbest, regions=asked.regions, alone=asked.alone)
        if self._ledger is not None:
            self._ledger.write(lines)
        elif asked.output is not None:
            write_lines(asked.output, lines)
        else:
            yield from lines
