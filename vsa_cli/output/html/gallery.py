"""A folder of pages with fifty photographs each, which appears complete or not at all.

`index.html` is the first page and `page-2.html` the second; `photos/` holds small copies of the photographs, `vsa.css`
and `vsa.js` are shared by all pages. Memory is bounded by one page, whatever the number of photographs.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vsa_cli.core.errors import ConfigError, DataError, reason
from vsa_cli.core.io.images import encode_jpeg, read_unchanged
from vsa_cli.core.io.threads import Workers
from vsa_cli.output.html.cards import Card, Header
from vsa_cli.output.html.font_weights import FontWeights
from vsa_cli.output.html.template import (
    GENERATOR,
    SCRIPT,
    STYLE,
    file_name,
    linked_assets,
    read_asset,
    render_card,
    render_page,
    style_sheet,
)

PER_PAGE = 50
_LONGEST = 1000  # pixels of a copy's longer side: sharp at the width of a page on most screens
_OWN_FILES = re.compile(r"index\.html|page-\d+\.html|vsa\.(css|js)|photos(/\d{6,}\.jpg)?|\.DS_Store")


def check_gallery_folder(folder: Path, *others: Path, force: bool) -> None:
    """Check, before any work is done, that a gallery may be written to a folder.

    Args:
        folder: the gallery's folder, whose contents will be replaced.
        others: files that are written in the same run, which must be outside the folder.
        force: replace an existing gallery; anything else is never replaced.

    Raises:
        ConfigError: the folder is not empty and `force` is not set, or must not be replaced even so.
        DataError: the folder cannot be listed.
    """
    with _describing_errors(folder):
        _check_place(folder, others)
        if not folder.exists() or not any(folder.iterdir()):
            return
        if not force:
            raise ConfigError(f"{folder}: is not empty; --force replaces pages that vsa wrote there")
        if (objection := _objection(folder)) is not None:
            raise ConfigError(f"{folder}: {objection}; name another folder")


def _check_place(folder: Path, others: Sequence[Path]) -> None:
    final = folder.resolve()
    if final in (Path.cwd(), *Path.cwd().parents):
        raise ConfigError(f"{folder}: is or contains the current folder; name another for the pages")
    for path in others:
        if final in path.resolve().parents:
            raise ConfigError(f"{path}: is inside {folder}, which the pages replace; put it elsewhere")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; name a folder for the pages")


def _objection(folder: Path) -> str | None:
    """Why the contents of a folder must not be replaced: they are not a gallery, or include other files."""
    names = [path.relative_to(folder).as_posix() for path in (*folder.iterdir(), *(folder / "photos").glob("*"))]
    others = [name for name in names if not _OWN_FILES.fullmatch(name)]
    if others:
        return f"contains {min(others)}, which vsa did not write"
    index = folder / file_name(1)
    if not index.is_file():
        return f"contains no {index.name}, so these are not pages of vsa"
    with index.open("rb") as file:
        own = f'<meta name="generator" content="{GENERATOR} '.encode() in file.read(4096)
    return None if own else f"contains an {index.name} that vsa did not write"


@contextmanager
def _describing_errors(folder: Path) -> Iterator[None]:
    """Report errors of the file system as errors of the folder that the user named."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{folder}: cannot hold pages: {reason(error)}") from error


def thumbnail(card: Card, longest: int) -> bytes:
    """A card's photograph as a JPEG without metadata, its longer side at most `longest` pixels.

    Raises:
        DataError: the photograph cannot be read, or has changed since its boxes were found.
    """
    return encode_jpeg(read_unchanged(card.photo, (card.width, card.height), card.sha256, longest), longest)


class Gallery:
    """A folder of pages while it is being written; `open_gallery` creates it.

    Args:
        part: the folder that is written, and renamed to `folder` later.
        folder: the folder that the user named, for messages.
        workers: threads that make thumbnails.
        warn: called with a line for each photograph that cannot be read; its card has no picture.

    Attributes:
        failed: the number of those photographs.
    """

    def __init__(self, part: Path, folder: Path, workers: int, warn: Callable[[str], None]) -> None:
        self._part, self._folder, self._workers, self._warn = part, folder, workers, warn
        self._weights = FontWeights()
        self._waiting: list[Card] = []
        self._photographs = self._pages = 0
        self.failed = 0

    def add(self, card: Card) -> None:
        """Add a card; its photograph is read as soon as a page is full.

        Raises:
            DataError: the folder cannot be written, or the disk is full.
        """
        self._waiting.append(card)
        if len(self._waiting) == PER_PAGE:
            self._write_cards()

    def _write_cards(self) -> None:
        """Write the cards of one page, without its head and foot, which link to pages that do not exist yet."""
        first = self._photographs + 1
        with Workers(self._workers) as workers:
            sources = list(workers.map(self._write_thumbnail, range(first, first + len(self._waiting)), self._waiting))
        rendered: list[str] = []
        for number, (card, source) in enumerate(zip(self._waiting, sources, strict=True), first):
            if isinstance(source, DataError):
                self._warn(str(source))
                self.failed += 1
            address = None if isinstance(source, DataError) else source
            rendered.append(render_card(card, address, self._weights, f"p{number}"))
        self._photographs += len(self._waiting)
        self._waiting.clear()
        self._pages += 1
        with _describing_errors(self._folder):
            self._cards_file(self._pages).write_text("\n".join(rendered), encoding="utf-8")

    def _write_thumbnail(self, number: int, card: Card) -> str | DataError:
        name = f"photos/{number:06d}.jpg"
        try:
            data = thumbnail(card, _LONGEST)
        except DataError as error:
            return error
        with _describing_errors(self._folder):
            (self._part / name).write_bytes(data)
        return name

    def _cards_file(self, page: int) -> Path:
        return self._part / f"{page}.cards"

    def finish(self, header: Header) -> None:
        """Write the pages, the index last, and the style sheet and the script.

        Raises:
            DataError: the folder cannot be written, or the disk is full.
        """
        if self._waiting or not self._pages:
            self._write_cards()
        assets = linked_assets()
        with _describing_errors(self._folder):
            (self._part / SCRIPT).write_bytes(read_asset(SCRIPT))
            (self._part / STYLE).write_text(style_sheet(self._weights.css()), encoding="utf-8")
            for number in range(self._pages, 0, -1):
                file = self._cards_file(number)
                page = render_page(header, [file.read_text(encoding="utf-8")], assets, number, self._pages)
                (self._part / file_name(number)).write_text(f"{page}\n", encoding="utf-8")
                file.unlink()


@contextmanager
def open_gallery(folder: Path, workers: int, warn: Callable[[str], None]) -> Iterator[Gallery]:
    """A gallery, which replaces a folder that `check_gallery_folder` permitted when the block ends without an error.

    Args:
        folder: the gallery's folder.
        workers: threads that make thumbnails.
        warn: called with a line for each photograph that cannot be read; its card has no picture.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    final = folder.resolve()
    part, old = (final.with_name(f".{final.name}.{end}") for end in ("part", "old"))
    try:
        with _describing_errors(folder):
            shutil.rmtree(part, ignore_errors=True)  # left by a killed process
            (part / "photos").mkdir(parents=True)
        yield Gallery(part, folder, workers, warn)
        with _describing_errors(folder):
            _replace(part, final, old)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _replace(part: Path, final: Path, old: Path) -> None:
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
