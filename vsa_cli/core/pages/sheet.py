"""A page around its photographs: head, policy, navigation, foot; and the look that every page shares."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from string import Template

from vsa_cli import __version__
from vsa_cli.core.formats import PAGES
from vsa_cli.core.pages.markup import escape
from vsa_cli.core.pages.plates import Front

GENERATOR = "vsa"
"""How a page says who made it; `album` replaces a folder only if its index says so."""

STYLE, SCRIPT = PAGES, "vsa.js"
_NEIGHBOURS = 2  # pages named on either side of the one shown, beside the first and the last


@cache
def look(name: str) -> bytes:
    """A file of the look."""
    return files("vsa_cli.core.pages").joinpath("look", name).read_bytes()


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


def begin(front: Front, parts: tuple[str, str, str], number: int = 1, pages: int = 1) -> str:
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
