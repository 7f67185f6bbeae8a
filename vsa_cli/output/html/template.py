"""HTML of photographs, boxes and sentences. Pure: records in, text out; reads and writes nothing.

Every text goes through `escape`; nothing carries a style of its own, so that a page's policy can forbid all inline
style and script, whatever a sentence contains.
"""

from __future__ import annotations

import base64
import hashlib
import html
import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from string import Template

from vsa_cli import __version__
from vsa_cli.core.io.image_formats import PAGES
from vsa_cli.output.html.cards import Box, Card, Header, Line, Word

COLOURS = 8
"""How many the style has; box 9 has the first again, dashed."""

_WIDEST, _TALLEST = 600, 480  # of a photograph on a page, in CSS pixels
_FIELD = 4 / 3  # of a card, as the style has it
_ENLARGED = 2.0  # times a small photograph may be shown at
_TAG = 7.0  # sides of a number's tag, in percent of a photograph, with room to breathe
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

Weigh = Callable[[float | None], str]
"""From a word's weight to the class that sets it."""


def escape(text: str) -> str:
    """Any text as HTML shows it, within an element or a quoted attribute; what HTML cannot hold becomes U+FFFD."""
    return html.escape(_UNPRINTABLE.sub("�", text))


def card(one: Card, source: str | None, weigh: Weigh, label: str) -> str:
    """A photograph with its boxes and its sentences.

    Args:
        one: what to show.
        source: where the picture is, as a relative address or a data address; None where it cannot be read.
        weigh: the class that sets a word's weight.
        label: unique on the page.
    """
    name = f'<span class="name" id="{label}-name"><bdi>{escape(one.name)}</bdi></span>'
    caption = _rank(one.rank) + name + _score(one.score)
    lines = "\n".join(_line(line, weigh) for line in one.lines)
    said = f'\n<ol class="lines" role="list" lang="">\n{lines}\n</ol>' if lines else ""
    return (
        f'<article class="plate" id="{label}" aria-labelledby="{label}-name">\n<figure>\n'
        f'<div class="field"><div class="frame v{_share_of_field(one)}">'
        f"{_picture(one, source)}{_overlay(one)}</div></div>\n"
        f'<figcaption>{caption}<span class="pairing"></span></figcaption>\n'
        f"</figure>{said}\n</article>"
    )


def _rank(rank: int | None) -> str:
    return "" if rank is None else f'<span class="rank">{rank}</span>'


def _score(score: float | None) -> str:
    return "" if score is None else f'<span class="score">{_number(score)}</span>'


def _number(score: float) -> str:
    return f"{score:.3f}".replace("-", "−")


def _share_of_field(one: Card) -> int:
    """How much of a field's width, in steps of 5 percent, a photograph takes that fits its height too."""
    share = one.width / one.height / _FIELD
    return 100 if share >= 0.97 else max(5, int(share * 20) * 5)


def _picture(one: Card, source: str | None) -> str:
    scale = min(_WIDEST / one.width, _TALLEST / one.height, _ENLARGED)
    size = f'width="{max(1, round(one.width * scale))}" height="{max(1, round(one.height * scale))}"'
    if source is None:
        gone = '<p class="gone">This photograph can no longer be read.</p>'
        return f'<svg class="photo" aria-hidden="true" {size} viewBox="0 0 {one.width} {one.height}"></svg>{gone}'
    said = one.alt or " ".join(_ended(line.text) for line in one.lines)
    lazy = "" if source.startswith("data:") else ' loading="lazy"'  # what is here already need not be waited for
    return f'<img class="photo" src="{escape(source)}" {size} alt="{escape(said or one.name)}"{lazy} decoding="async">'


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


def _line(line: Line, weigh: Weigh) -> str:
    """A sentence: its words, those with one box after one another drawn together, and the box's number behind."""
    pieces: list[str] = []
    first = True  # of a sentence's words only the first is a stop of the Tab key; arrows go on from there
    for box, words in _runs(line.words):
        marked: list[str] = []
        for word in words:
            space = "" if word.tight or not (pieces or marked) else " "
            marked.append(space + _word(word, weigh, stop=first and word.box is not None))
            first = first and word.box is None
        text = "".join(marked)
        if box is None:
            pieces.append(text)
        else:
            lead = " " if text.startswith(" ") else ""
            number = f'<sup aria-hidden="true" data-b="{box}">{box}</sup>'
            pieces.append(f'{lead}<span class="run {_colour(box)}">{text.strip(" ")}{number}</span>')
    score = f'<span class="score">{_number(line.score)}</span>' if line.score is not None else ""
    return f'<li class="line{" aside" if line.aside else ""}">{score}<p dir="auto">{"".join(pieces)}</p></li>'


def _runs(words: Sequence[Word]) -> Iterator[tuple[int | None, list[Word]]]:
    """Neighbours with one box; boxless words between two of one box, and punctuation that clings, go with them."""
    ahead: list[int | None] = [None] * len(words)  # the next box from here on
    for place in range(len(words) - 1, -1, -1):
        box = words[place].box
        ahead[place] = box if box is not None or place + 1 == len(words) else ahead[place + 1]
    boxes: list[int | None] = []
    for word, coming in zip(words, ahead, strict=True):
        last = boxes[-1] if boxes else None
        boxes.append(last if word.box is None and (word.tight or coming == last) else word.box)
    for box, run in groupby(zip(boxes, words, strict=True), key=lambda pair: pair[0]):
        yield box, [word for _, word in run]


def _word(word: Word, weigh: Weigh, *, stop: bool) -> str:
    text = escape(word.text)
    if word.box is None:
        return text if word.known else f'<span class="unknown" title="not a word that the model knows">{text}</span>'
    where = "the whole photograph" if word.box == 0 else f"box {word.box}"
    score = "" if word.score is None else f' data-s="{_number(word.score)}"'
    names = f"w {weigh(word.weight)}".rstrip()
    return (
        f'<span class="{names}" role="button" tabindex="{0 if stop else -1}" data-b="{word.box}"{score}'
        f' aria-label="{text}, {where}">{text}</span>'
    )


def _colour(box: int) -> str:
    return f"c{(box - 1) % COLOURS + 1}" if box else "c0"


def _overlay(one: Card) -> str:
    numbered = list(enumerate(one.boxes, 1))
    if one.framed:
        numbered.append((0, (0.0, 0.0, float(one.width), float(one.height))))
    if not numbered:
        return ""
    # the smallest last: what is drawn later lies above, and is what a pointer meets
    numbered.sort(key=lambda pair: -_area(pair[1]))
    drawn, tags = [], []
    corners: list[tuple[float, float]] = []
    for number, pixels in numbered:
        box = _percent(pixels, one)
        drawn.append(_box(number, box))
        corners.append(_free_corner(box, corners))
        tags.append(_tag(number, *corners[-1]))
    return f'<svg class="boxes" aria-hidden="true" focusable="false">{"".join(drawn + tags)}</svg>'


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _percent(box: Box, one: Card) -> Box:
    def share(side: float, whole: int) -> float:
        return round(max(0.0, min(100.0, 100 * side / whole)), 2) if math.isfinite(side) else 0.0

    left, top, right, bottom = box
    return share(left, one.width), share(top, one.height), share(right, one.width), share(bottom, one.height)


def _box(number: int, box: Box) -> str:
    left, top, right, bottom = box
    place = f'x="{left:g}%" y="{top:g}%" width="{max(0.0, right - left):g}%" height="{max(0.0, bottom - top):g}%"'
    again = " again" if number > COLOURS else ""
    return (
        f'<g class="box {_colour(number)}{again}" data-b="{number}">'
        f'<rect class="halo" {place}/><rect class="edge" {place}/></g>'
    )


def _tag(number: int, x: float, y: float) -> str:
    place = f'x="{x:g}%" y="{y:g}%"'
    return f'<svg class="tag {_colour(number)}" data-b="{number}" {place}><rect/><text>{number}</text></svg>'


def _free_corner(box: Box, taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Where a box's number goes, in percent: a corner inside it, or a place along its top, that no other number has."""
    left, top, right, bottom = box
    east, south = max(left, right - _TAG), max(top, bottom - _TAG)
    along = [left + step * _TAG for step in range(1, int((right - left) / _TAG))]
    places = [(left, top), (east, top), (left, south), (east, south), *((x, top) for x in along)]
    for x, y in places:
        if all(abs(x - a) >= _TAG * 0.8 or abs(y - b) >= _TAG * 0.8 for a, b in taken):
            return round(x, 2), round(y, 2)
    return left, top


GENERATOR = "vsa"
"""How a page says who made it; `album` replaces a folder only if its index says so."""

STYLE, SCRIPT = PAGES, "vsa.js"
_NEIGHBOURS = 2  # pages named on either side of the one shown, beside the first and the last


@cache
def look(name: str) -> bytes:
    """A file of the look."""
    return files("vsa_cli.output.html").joinpath("assets", name).read_bytes()


def style(weights: str) -> str:
    """The whole style: the typeface within it, for a page from a file may not load one beside it everywhere."""
    face = base64.b64encode(look("newsreader.woff2")).decode()
    return (
        "/* Typeface: Newsreader, (c) 2020 The Newsreader Project Authors, SIL Open Font License 1.1 */\n"
        '@font-face{font-family:Newsreader;font-weight:200 800;font-display:block;src:url("data:font/woff2;base64,'
        f'{face}") format("woff2")}}\n{look(STYLE).decode()}\n{weights}\n'
    )


def linked() -> tuple[str, str, str]:
    """Policy, style and script of a page in a folder: files beside it, and nothing else, may be loaded."""
    policy = _policy("'self' file:", "'self' file:", "'self' file:")
    return policy, f'<link rel="stylesheet" href="{STYLE}">', f'<script src="{SCRIPT}"></script>'


def inlined(weights: str) -> tuple[str, str, str]:
    """Policy, style and script of a page that is one file: exactly these, by their hashes, and nothing else."""
    css, js = style(weights), look(SCRIPT).decode()
    return (
        _policy("data:", f"'sha256-{_hash(css)}'", f"'sha256-{_hash(js)}'"),
        f"<style>{css}</style>",
        f"<script>{js}</script>",
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _policy(images: str, styles: str, scripts: str) -> str:
    return (
        f"default-src 'none'; img-src {images}; style-src {styles}; script-src {scripts}; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def begin(front: Header, parts: tuple[str, str, str], number: int = 1, pages: int = 1) -> str:
    """A page up to its first photograph.

    Args:
        front: what stands at its head.
        parts: of `linked` or `inlined`.
        number: of this page, from 1.
        pages: how many there are.
    """
    policy, css, _ = parts
    title = escape(front.title) + (f" ({number} of {pages})" if pages > 1 else "")
    return Template(look("page.html").decode()).substitute(
        policy=escape(policy).replace("&#x27;", "'"),
        generator=f"{GENERATOR} {__version__}",
        title=title,
        style=css,
        kind="grid" if front.grid else "list",
        heading=escape(front.title),
        facts=" ".join(f"<span>{escape(fact)}</span>" for fact in front.facts),
        reading=f'<p class="reading">{escape(front.reading)}</p>' if front.reading else "",
        before=_navigation(number, pages, "Pages"),
    )


def end(parts: tuple[str, str, str], number: int = 1, pages: int = 1) -> str:
    """A page after its last photograph."""
    return f"</main>\n{_navigation(number, pages, 'Pages, again')}{parts[2]}\n</body>\n</html>\n"


def file_of(number: int) -> str:
    """The file of a page."""
    return "index.html" if number == 1 else f"page-{number}.html"


def _navigation(number: int, pages: int, label: str) -> str:
    if pages == 1:
        return ""
    near = range(number - _NEIGHBOURS, number + _NEIGHBOURS + 1)
    shown = sorted({1, pages, *(page for page in near if 1 <= page <= pages)})
    links = [_link(number - 1, "← Previous", 'rel="prev"')] if number > 1 else []
    before = 0
    for page in shown:
        if page > before + 1:
            links.append("<span>…</span>")
        links.append(f'<span aria-current="page">{page}</span>' if page == number else _link(page, str(page), ""))
        before = page
    if number < pages:
        links.append(_link(number + 1, "Next →", 'rel="next"'))
    return f'<nav class="pages" aria-label="{label}">{"".join(links)}</nav>\n'


def _link(page: int, text: str, relation: str) -> str:
    return f'<a href="{file_of(page)}"{" " if relation else ""}{relation}>{text}</a>'
