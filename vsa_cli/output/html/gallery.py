"""A folder of pages, fifty photographs each, that appears whole or not at all.

`index.html` is the first page, `page-2.html` the second; `photos/` holds small copies of the photographs, `vsa.css`
and `vsa.js` what all pages share. Memory is bounded by a page, however many there are.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vsa_cli.core.errors import ConfigError, DataError, reason
from vsa_cli.core.io.threads import Workers
from vsa_cli.output.html import template as sheet
from vsa_cli.output.html.cards import Card, Header
from vsa_cli.output.html.font_weights import Weights
from vsa_cli.output.html.template import card as markup
from vsa_cli.output.html.thumbnails import small_photo

PER_PAGE = 50
_LONGEST = 1000  # pixels of a copy's longer side: sharp at the width of a page on most screens
_OURS = re.compile(r"index\.html|page-\d+\.html|vsa\.(css|js)|photos(/\d{6,}\.jpg)?|\.DS_Store")


def refuse_folder(folder: Path, *beside: Path, force: bool) -> None:
    """Refuse a folder for pages where something is that nobody said may go.

    Args:
        folder: where pages shall go; what is in it goes.
        beside: files that are written in the same run.
        force: whether pages that are there may be replaced; anything else there never is.

    Raises:
        UsageError: it may not be used, and why.
        DataError: it cannot be listed.
    """
    with _saying(folder):
        _refuse(folder, beside, force=force)


def _refuse(folder: Path, beside: Sequence[Path], *, force: bool) -> None:
    final = folder.resolve()
    if final in (Path.cwd(), *Path.cwd().parents):
        raise ConfigError(f"{folder}: is the folder that you are in; name another for the pages")
    for path in beside:
        if final in path.resolve().parents:
            raise ConfigError(f"{path}: lies in {folder}, which pages fill; put it elsewhere")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; name a folder for the pages")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not force:
        raise ConfigError(f"{folder}: is not empty; --force replaces pages that vsa wrote there")
    stranger = _stranger(folder)
    if stranger is not None:
        raise ConfigError(f"{folder}: has {stranger}, which is no page of vsa's; name another folder")


def _stranger(folder: Path) -> str | None:
    """Something in a folder that no album would have written; None in an album."""
    found = [path.relative_to(folder).as_posix() for path in (*folder.iterdir(), *(folder / "photos").glob("*"))]
    strange = [name for name in found if not _OURS.fullmatch(name)]
    if strange:
        return min(strange)
    index = folder / sheet.file_of(1)
    if not index.is_file():
        return f"no {index.name}"
    with index.open("rb") as file:
        ours = f'<meta name="generator" content="{sheet.GENERATOR} '.encode() in file.read(4096)
    return None if ours else f"an {index.name} of its own"


@contextmanager
def _saying(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{folder}: cannot hold pages: {reason(error)}") from error


class Album:
    """A folder of pages in the making."""

    def __init__(self, folder: Path, shown: Path, workers: int, complain: Callable[[str], None]) -> None:
        self._folder, self._shown, self._workers, self._complain = folder, shown, workers, complain
        self._weights = Weights()
        self._waiting: list[Card] = []
        self._pages = 0
        self.photographs = 0
        self.failed = 0

    def add(self, card: Card) -> None:
        """Take a photograph; its picture is read now or a little later.

        Raises:
            DataError: the folder cannot be written, or the disk is full.
        """
        self._waiting.append(card)
        if len(self._waiting) == PER_PAGE:
            self._write_body()

    def _write_body(self) -> None:
        first = self.photographs + 1
        with Workers(self._workers) as workers:
            sources = list(workers.map(self._copy, range(first, first + len(self._waiting)), self._waiting))
        shown: list[str] = []
        for number, (card, source) in enumerate(zip(self._waiting, sources, strict=True), first):
            if isinstance(source, DataError):
                self._complain(str(source))
                self.failed += 1
            address = None if isinstance(source, DataError) else source
            shown.append(markup(card, address, self._weights.name, f"p{number}"))
        self.photographs += len(self._waiting)
        self._waiting.clear()
        self._pages += 1
        with _saying(self._shown):
            self._body(self._pages).write_text("\n".join(shown) + "\n", encoding="utf-8")

    def _copy(self, number: int, card: Card) -> str | DataError:
        name = f"photos/{number:06d}.jpg"
        try:
            data = small_photo(card, _LONGEST)
        except DataError as error:
            return error
        with _saying(self._shown):
            (self._folder / name).write_bytes(data)
        return name

    def _body(self, number: int) -> Path:
        return self._folder / f"{number}.body"

    def finish(self, front: Header) -> None:
        """Put heads and feet to the pages, now that their number is known; the index last.

        Raises:
            DataError: the folder cannot be written, or the disk is full.
        """
        if self._waiting or not self._pages:
            self._write_body()
        parts = sheet.linked()
        with _saying(self._shown):
            (self._folder / sheet.SCRIPT).write_bytes(sheet.look(sheet.SCRIPT))
            (self._folder / sheet.STYLE).write_text(sheet.style(self._weights.css()), encoding="utf-8")
            for number in range(self._pages, 0, -1):
                begin, end = sheet.begin(front, parts, number, self._pages), sheet.end(parts, number, self._pages)
                body = self._body(number)
                page = begin + body.read_text(encoding="utf-8") + end
                (self._folder / sheet.file_of(number)).write_text(page, encoding="utf-8")
                body.unlink()


@contextmanager
def album(folder: Path, workers: int, complain: Callable[[str], None]) -> Iterator[Album]:
    """An album that takes its name, in the place of whatever `refuse_folder` let pass, when the block ends well.

    Args:
        folder: where it goes.
        workers: photographs in work at once.
        complain: told of each photograph that cannot be read, in one line.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    final = folder.resolve()
    part, old = (final.with_name(f".{final.name}.{end}") for end in ("part", "old"))
    try:
        with _saying(folder):
            shutil.rmtree(part, ignore_errors=True)  # what a killed process left
            (part / "photos").mkdir(parents=True)
        yield Album(part, folder, workers, complain)
        with _saying(folder):
            _take_place(part, final, old)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _take_place(part: Path, final: Path, old: Path) -> None:
    if not final.exists():
        part.rename(final)
        return
    shutil.rmtree(old, ignore_errors=True)
    final.rename(old)
    try:
        part.rename(final)
    except OSError:
        old.rename(final)
        raise
    shutil.rmtree(old, ignore_errors=True)
