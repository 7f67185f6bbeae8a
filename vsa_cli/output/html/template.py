"""HTML of cards and pages, from the Jinja templates beside it. Writes no files.

Every text is escaped by the templates' autoescaping, and nothing has an inline style or handler, so that the page's
content security policy can forbid both, whatever a sentence contains.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from vsa_cli.core.io.image_formats import PAGES
from vsa_cli.output.html import layout
from vsa_cli.output.html.cards import Card, Header
from vsa_cli.output.html.font_weights import FontWeights
from vsa_cli.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

GENERATOR = "vsa"
"""Start of the generator tag, by which a gallery is recognised as one that may be replaced."""

STYLE, SCRIPT, SEARCH_SCRIPT, ICON = PAGES, "vsa.js", "search.js", "icon.svg"
_NEIGHBOURS = 2  # page numbers linked on either side of the current one, beside the first and the last
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Assets:
    """Style and script of a page, and the content security policy that allows these and nothing else.

    Attributes:
        policy: the content security policy.
        style: the style sheet if `inline`, its file name otherwise.
        script: the script if `inline`, its file name otherwise.
        inline: whether both are part of the page.
    """

    policy: str
    style: str
    script: str
    inline: bool


def render_card(card: Card, source: str | None, weights: FontWeights, card_id: str) -> str:
    """A photograph with its boxes and its sentences, as an HTML element.

    Args:
        card: the contents.
        source: relative address or data address of the photograph; None if it cannot be read.
        weights: counts the words' weights, and gives their CSS classes.
        card_id: the element's id, unique on its page.
    """
    template = _environment().get_template("card.html.jinja")
    return _printable(template.render(card=card, source=source, weights=weights, id=card_id))


def render_page(header: Header, cards: Iterable[str], assets: Assets, number: int = 1, pages: int = 1) -> str:
    """A page of cards.

    Args:
        header: the contents of its head.
        cards: the elements from `render_card`.
        assets: its style and script.
        number: the number of this page, from 1.
        pages: how many pages there are; with more than one, each links to the others.
    """
    template = _environment().get_template("page.html.jinja")
    return _printable(template.render(header=header, cards=cards, assets=assets, number=number, pages=pages))


@dataclass(frozen=True)
class SearchForm:
    """What a page of search results has besides photographs: a box to type in, and a link to more results.

    Attributes:
        query: the text in the box.
        error: why there are no results; None if there are some, or nothing was searched for.
        more: the relative address of the page with more results; None if there are no more.
    """

    query: str = ""
    error: str | None = None
    more: str | None = None


def render_search_page(header: Header, cards: Iterable[str], assets: Assets, form: SearchForm, weights: str) -> str:
    """A page of search results with a box to type in.

    Args:
        header: the contents of its head.
        cards: the elements from `render_card`.
        assets: those from `served_assets` for `weights`.
        form: the box and the link.
        weights: the rules of `FontWeights.css` for the cards.
    """
    template = _environment().get_template("search.html.jinja")
    return _printable(
        template.render(header=header, cards=cards, assets=assets, number=1, pages=1, form=form, weights=weights)
    )


def render_placeholder(width: int, height: int) -> str:
    """An SVG picture in place of a photograph that cannot be read; its size in pixels sets its shape."""
    return _environment().get_template("gone.svg.jinja").render(width=width, height=height)


def compile_templates() -> None:
    """Compile all templates, so that other threads may render them."""
    for name in _environment().list_templates():
        _environment().get_template(name)


def _printable(page: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", page)


@cache
def _environment() -> Environment:
    """The templates. They are compiled at first use, by Python's own compiler, in the main thread only."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # 70 ms, for runs that write pages

    environment = Environment(
        loader=PackageLoader("vsa_cli.output.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        colour=layout.colour_class,
        display_size=layout.display_size,
        field_share=layout.field_share,
        file_name=file_name,
        marks=layout.marks,
        nearby_pages=_nearby_pages,
        runs=layout.runs,
        score=_score,
    )
    environment.globals.update(COLOURS=layout.COLOURS, GENERATOR=GENERATOR, version=__version__)
    return environment


def _score(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def file_name(number: int) -> str:
    """The file name of a page of a gallery, by its number from 1."""
    return "index.html" if number == 1 else f"page-{number}.html"


def _nearby_pages(number: int, pages: int) -> list[int | None]:
    """The numbers of the pages that a page links to, with None for each gap."""
    near = range(max(1, number - _NEIGHBOURS), min(pages, number + _NEIGHBOURS) + 1)
    linked: list[int | None] = []
    for page in sorted({1, *near, pages}):
        if linked and linked[-1] != page - 1:
            linked.append(None)
        linked.append(page)
    return linked


@cache
def read_asset(name: str) -> bytes:
    """A file from the folder `assets`."""
    return files("vsa_cli.output.html").joinpath("assets", name).read_bytes()


def style_sheet(weights: str) -> str:
    """The style sheet; it holds the typeface, because not every browser loads a font beside a page opened from disk.

    Args:
        weights: the rules of `FontWeights.css`.
    """
    font = base64.b64encode(read_asset("newsreader.woff2")).decode()
    return (
        "/* Typeface: Newsreader, (c) 2020 The Newsreader Project Authors, SIL Open Font License 1.1 */\n"
        '@font-face{font-family:Newsreader;font-weight:200 800;font-display:block;src:url("data:font/woff2;base64,'
        f'{font}") format("woff2")}}\n{read_asset(STYLE).decode()}\n{weights}\n'
    )


def linked_assets() -> Assets:
    """Assets of a page in a folder, which may load only files beside it."""
    own = "'self' file:"
    return Assets(_policy(own, own, own), STYLE, SCRIPT, inline=False)


def inline_assets(weights: str) -> Assets:
    """Assets of a page that is one file, which allows only these, by their hashes.

    Args:
        weights: the rules of `FontWeights.css`.
    """
    style, script = style_sheet(weights), read_asset(SCRIPT).decode()
    return Assets(_policy("data:", _hash(style), _hash(script)), style, script, inline=True)


def served_assets(weights: str) -> Assets:
    """Assets of a page from a web server, which may load only from that server.

    Args:
        weights: the rules of `FontWeights.css`, which are part of the page.
    """
    styles = f"'self' {_hash(weights)}" if weights else "'self'"
    policy = _policy("'self'", styles, "'self'", forms="'self'")
    return Assets(f"{policy}; connect-src 'self'", STYLE, SCRIPT, inline=False)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _policy(images: str, styles: str, scripts: str, forms: str = "'none'") -> str:
    return (
        f"default-src 'none'; img-src {images}; style-src {styles}; script-src {scripts}; font-src data:; "
        f"base-uri 'none'; form-action {forms}"
    )
