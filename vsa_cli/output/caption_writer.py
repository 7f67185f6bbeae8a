"""The outputs of `vsa caption`: lines or pages, and for each photograph an optional sidecar and annotated copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vsa_cli.core.config import CaptionFormat
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.results import CaptionResult
from vsa_cli.core.io.files import atomic_path, check_output
from vsa_cli.core.io.sources import Photo
from vsa_cli.output.captions import CaptionFormatter
from vsa_cli.output.console import print_data
from vsa_cli.output.resumable import ResumableFile
from vsa_cli.output.run_settings import Settings
from vsa_cli.output.sidecars import Sidecars

if TYPE_CHECKING:
    from vsa_cli.output.annotated_copies import AnnotatedCopies
    from vsa_cli.output.html.from_captions import CaptionPages


class CaptionWriter:
    """The outputs of a run, for use in a `with` block.

    At the end of the block, temporary files get their final names. After an exception they are deleted, except the part
    of a `ResumableFile`. Sidecars and copies are complete as soon as they are written.

    Args:
        main: the lines or the pages.
        sidecars: text files beside the photographs, if requested.
        copies: annotated copies of the photographs, if requested.

    Attributes:
        skipped: photographs that `skips` has found captioned by an earlier run.
    """

    def __init__(
        self, main: CaptionLines | CaptionPages, sidecars: Sidecars | None, copies: AnnotatedCopies | None
    ) -> None:
        self._main, self._sidecars, self._copies = main, sidecars, copies
        self._stack = ExitStack()
        self.skipped = 0

    @classmethod
    def open(
        cls,
        kind: CaptionFormat,
        output: Path | None,
        *,
        sidecar: str | None,
        annotate: Path | None,
        nbest: int,
        regions: bool,
        withholds: bool,
        alone: bool,
        source: str,
        force: bool,
        resume: bool,
        workers: int,
        batch_size: int,
        warn: Callable[[str], None],
        settings: Settings | None = None,
        prints: bool = True,
    ) -> CaptionWriter:
        """Check the outputs, and return their writer; nothing has been written yet, except the part to resume.

        Args:
            kind: the format.
            output: the file, or for html the folder; None prints to stdout.
            sidecar: the suffix of a text file beside each photograph.
            annotate: the folder of annotated copies.
            nbest: candidates requested for each photograph.
            regions: whether captions of regions were requested.
            withholds: whether captions of low confidence are withheld.
            alone: whether exactly one file was named: text is then the caption without its path.
            source: the model or method that generates the captions, in a few words.
            force: replace existing outputs.
            resume: keep the captions of an earlier run.
            workers: thumbnails of a page made at the same time.
            batch_size: the most photographs captioned together; a resumed run repeats an incomplete group.
            warn: reports a photograph that can no longer be read and so has no picture on a page.
            settings: the settings of the run, recorded so that a later run can resume it; None records nothing.
            prints: whether lines are printed on stdout if there is no `output`.

        Raises:
            ConfigError: an output exists and must not be replaced.
            ArtifactError: the file to resume is not a file of captions, or was made with other settings.
            DataError: an output cannot be written.
        """
        sidecars = None if sidecar is None else Sidecars(sidecar, force=force, resume=resume, settings=settings)
        copies: AnnotatedCopies | None = None
        if annotate is not None:
            from vsa_cli.output.annotated_copies import AnnotatedCopies

            copies = AnnotatedCopies(annotate, force=force or resume)
        if kind == "html":
            from vsa_cli.output.html.from_captions import CaptionPages

            pages = CaptionPages(
                output, source=source, nbest=nbest, regions=regions, force=force, workers=workers, warn=warn
            )
            return cls(pages, sidecars, copies)
        sink: Sink
        if output is None:
            sink = Stdout() if prints else Nothing()
        elif kind == "jsonl":
            names = {"candidates": nbest > 1, "regions": regions, "withheld": withholds}
            sink = ResumableFile(
                output, force=force, resume=resume, names=names, batch_size=batch_size, settings=settings
            )
        else:
            sink = NewFile(output, force=force)
        formatter = CaptionFormatter(kind, nbest=nbest, regions=regions, alone=alone, withholds=withholds)
        return cls(CaptionLines(formatter, sink), sidecars, copies)

    def check(self, photos: Sequence[Photo]) -> None:
        """Refuse photographs whose sidecars or copies would replace files, before any work is done.

        Raises:
            ConfigError: there is such a photograph.
        """
        if self._sidecars is not None:
            self._sidecars.check(photos)
        if self._copies is not None:
            self._copies.check(photos)

    def check_count(self, photos: int) -> None:
        """Refuse more photographs than a page can hold, before any work is done.

        Raises:
            ConfigError: there are too many.
        """
        self._main.check_count(photos)

    def skips(self, photo: Photo) -> bool:
        """Whether an earlier run has captioned a photograph, so that it is skipped; counted in `skipped`."""
        done = self.is_done(photo)
        self.skipped += done
        return done

    def is_done(self, photo: Photo) -> bool:
        """Whether an earlier run has captioned a photograph."""
        done = isinstance(self._main, CaptionLines) and self._main.is_done(photo)
        return done or (self._sidecars is not None and self._sidecars.is_done(photo))

    @property
    def kept(self) -> int:
        """The number of lines that are kept of the run to resume; 0 for other outputs."""
        return self._main.kept if isinstance(self._main, CaptionLines) else 0

    @property
    def missing_pictures(self) -> int:
        """The number of captioned photographs without a picture on the pages."""
        return self._main.missing_pictures

    def __enter__(self) -> CaptionWriter:
        self._stack.enter_context(self._main.open())
        if self._sidecars is not None:
            self._sidecars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def write(self, result: CaptionResult) -> CaptionResult | None:
        """Write the copy, the sidecar and the line or card of a photograph.

        Returns:
            The result as written: with an error if its copy or its sidecar could not be written. None if the photograph
            is skipped, because another run has written its sidecar in the meantime.

        Raises:
            ConfigError: a page cannot hold so many photographs.
            DataError: the main output cannot be written.
            BrokenPipeError: the process that reads stdout has closed the pipe.
        """
        if self._sidecars is not None and self._sidecars.is_done(result.photo):
            self.skipped += 1
            return None
        if result.error is None:
            result = self._write_beside(result)
        self._main.write(result)
        return result

    def _write_beside(self, result: CaptionResult) -> CaptionResult:
        # the sidecar is last, because it marks the photograph as done
        outputs = [output for output in (self._copies, self._sidecars) if output is not None]
        for output in outputs:
            if (why := output.conflict(result.photo)) is not None:
                regions = None if result.regions is None else ()
                return replace(result, candidates=(), regions=regions, confidence=None, withheld=None, error=why)
        try:
            for output in outputs:
                output.write(result)
        except DataError as error:
            return replace(result, error=str(error))
        return result


class CaptionLines:
    """Captions as lines, on stdout or in a file.

    Args:
        formatter: makes the lines.
        sink: where they are written.
    """

    missing_pictures = 0

    def __init__(self, formatter: CaptionFormatter, sink: Sink) -> None:
        self._formatter, self._sink = formatter, sink

    def is_done(self, photo: Photo) -> bool:
        """Whether an earlier run has written the line of a photograph."""
        return isinstance(self._sink, ResumableFile) and self._sink.is_done(photo)

    @property
    def kept(self) -> int:
        """The number of lines that are kept of an earlier run."""
        return len(self._sink.done) if isinstance(self._sink, ResumableFile) else 0

    def check_count(self, photos: int) -> None:
        """Accept any number of photographs."""

    @contextmanager
    def open(self) -> Iterator[None]:
        """The block in which results are written; a file is renamed when it ends without an exception.

        Raises:
            DataError: the file cannot be written.
        """
        with self._sink:
            self._write_all(self._formatter.header())
            yield
            self._write_all(self._formatter.footer())

    def write(self, result: CaptionResult) -> None:
        """Write the lines of a result."""
        self._write_all(self._formatter.lines(result))

    def _write_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._sink.write(line)


class Stdout:
    """Lines on stdout, each printed immediately."""

    def __enter__(self) -> Stdout:
        return self

    def write(self, line: str) -> None:
        """Print a line.

        Raises:
            BrokenPipeError: the process that reads stdout has closed the pipe.
            DataError: stdout cannot be written.
        """
        print_data(line)

    def __exit__(self, *error: object) -> None:
        return None


class NewFile:
    """Lines in a file that appears complete or not at all.

    Args:
        path: the file.
        force: replace an existing file.

    Raises:
        ConfigError: the file exists, and `force` is not set.
        DataError: it cannot be written.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        check_output(path, force=force)
        self._path = path

    def __enter__(self) -> NewFile:
        with ExitStack() as stack:
            part = stack.enter_context(atomic_path(self._path))
            self._file = stack.enter_context(part.open("w", encoding="utf-8", errors="surrogateescape"))
            self._stack = stack.pop_all()
        return self

    def write(self, line: str) -> None:
        """Write a line."""
        self._file.write(line + "\n")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)


class Nothing:
    """Lines that are not needed, because sidecars have the captions."""

    def __enter__(self) -> Nothing:
        return self

    def write(self, line: str) -> None:
        """Drop a line."""

    def __exit__(self, *error: object) -> None:
        return None


Sink = Stdout | NewFile | ResumableFile | Nothing
