"""A search page for an index of photographs, as a WSGI application (PEP 3333) that only reads.

Addresses::

    /                           the page with a box to type in
    /?q=QUERY[&n=N]             the same with the N best photographs; each page links to one with more
    /photographs/ROW-HASH.jpg   a small copy of the photograph in a row of the index, whose SHA-256 is HASH
    /vsa.css, /vsa.js, /search.js, /icon.svg

An address has no path: a photograph is sent only if it is in the index and its file has not changed since it was
indexed. A page loads nothing from other servers, other sites can neither embed a photograph nor frame a page, and a
page served to this machine alone is not sent under another host name, which a site elsewhere could direct here (DNS
rebinding).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode

from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import MAX_CHARACTERS
from vsa_cli.core.errors import DataError, VsaError
from vsa_cli.core.io.images import encode_jpeg, read_unchanged
from vsa_cli.core.io.web_server import Environ, StartResponse
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.library import Library
from vsa_cli.core.library.queries import Answer, QueryLine, answer
from vsa_cli.output.html.cards import Header
from vsa_cli.output.html.font_weights import FontWeights
from vsa_cli.output.html.from_search import found_card, photos_header
from vsa_cli.output.html.layout import fitted_size
from vsa_cli.output.html.template import (
    ICON,
    SCRIPT,
    SEARCH_SCRIPT,
    STYLE,
    SearchForm,
    compile_templates,
    read_asset,
    render_card,
    render_placeholder,
    render_search_page,
    served_assets,
    style_sheet,
)

PER_STEP = 20
"""Photographs on the first page of a query; each further page has as many more."""

_LONGEST = 720  # pixels of a copy's longer side
_PHOTOGRAPH = re.compile(r"/photographs/([0-9]{1,15})-([0-9a-f]{64})\.jpg")
_COUNT = re.compile(r"[0-9]{1,6}")
_LOCAL_HOST = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_MAX_FIELDS = 10
_HTML, _TEXT, _SVG = "text/html; charset=utf-8", "text/plain; charset=utf-8", "image/svg+xml"
_JAVASCRIPT = "text/javascript; charset=utf-8"
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_CLOSED = "default-src 'none'"  # the policy of everything but pages


@dataclass(frozen=True)
class Response:
    """A response to a request.

    Attributes:
        body: its body, not sent for the method HEAD.
        kind: the media type of the body.
        status: its status.
        policy: its content security policy.
        seconds: how long a browser may keep it.
        allow: the methods that are allowed; None if the method was.
    """

    body: bytes
    kind: str
    status: HTTPStatus = HTTPStatus.OK
    policy: str = _CLOSED
    seconds: int = 0
    allow: str | None = None

    def headers(self) -> list[tuple[str, str]]:
        """The headers, in the form of WSGI."""
        keep = f"private, max-age={self.seconds}, immutable" if self.seconds else "no-store"
        return [
            ("Content-Type", self.kind),
            ("Content-Length", str(len(self.body))),
            ("Content-Security-Policy", f"{self.policy}; frame-ancestors 'none'"),
            ("Cache-Control", keep),
            *_HEADERS,
            *([("Allow", self.allow)] if self.allow is not None else []),
        ]


class SearchSite:
    """The WSGI application; several threads may call it. It must be created in the main thread.

    Args:
        trained: the model with which the index was made.
        library: the index.
        config: how the index is searched.
        top: the most photographs shown for a query.
        strict: whether a query with a word that the model does not know is refused.
        local: whether only this machine can reach the server; other host names are then refused.
        warn: called with a line for each request that failed because of the index.
    """

    def __init__(
        self,
        trained: Trained[Embedding],
        library: Library,
        config: LibrarySearch,
        top: int,
        *,
        strict: bool,
        local: bool,
        warn: Callable[[str], None],
    ) -> None:
        self._trained, self._library, self._top = trained, library, top
        # the same candidates for each page of a query, so that the next page continues the one before
        self._config = replace(config, candidates=max(config.candidates, top))
        self._strict, self._local, self._warn = strict, local, warn
        self._searching = threading.Lock()
        compile_templates()
        self._assets = {
            f"/{SCRIPT}": (read_asset(SCRIPT), _JAVASCRIPT),
            f"/{SEARCH_SCRIPT}": (read_asset(SEARCH_SCRIPT), _JAVASCRIPT),
            f"/{STYLE}": (style_sheet("").encode(), "text/css; charset=utf-8"),
            f"/{ICON}": (read_asset(ICON), _SVG),
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answer a request."""
        response = self._respond(environ)
        start_response(f"{response.status.value} {response.status.phrase}", response.headers())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    def _respond(self, environ: Environ) -> Response:
        if self._local and not _LOCAL_HOST.fullmatch(environ.get("HTTP_HOST", "")):
            return _refusal(HTTPStatus.FORBIDDEN, "this page has the host name localhost or 127.0.0.1")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return replace(_refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are allowed"), allow="GET, HEAD")
        path = environ.get("PATH_INFO", "")
        if path == "/":
            return self._page(environ.get("QUERY_STRING", ""))
        if path in self._assets:
            return Response(*self._assets[path])
        if match := _PHOTOGRAPH.fullmatch(path):
            return self._photograph(int(match[1]), match[2])
        return _refusal(HTTPStatus.NOT_FOUND, "not found")

    def _page(self, query_string: str) -> Response:
        """The page for a query, or the one without results."""
        try:
            pairs = parse_qsl(query_string, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        except ValueError:
            return _refusal(HTTPStatus.BAD_REQUEST, "the address is not valid")
        fields = dict(pairs)
        text, count = fields.get("q", "").strip(), fields.get("n", str(PER_STEP))
        if not _COUNT.fullmatch(count):
            return _refusal(HTTPStatus.BAD_REQUEST, "n is not a number")
        if len(text) > MAX_CHARACTERS:
            limit = f"a query of {len(text)} characters; the limit is {MAX_CHARACTERS}"
            return replace(self._form(SearchForm(error=limit)), status=HTTPStatus.BAD_REQUEST)
        if not text:
            return self._form(SearchForm())
        shown = min(max(int(count), 1), self._top)
        try:
            with self._searching:
                result = answer(
                    self._trained,
                    self._library,
                    QueryLine("", text),
                    shown,
                    self._config,
                    explain=True,
                    strict=self._strict,
                )
        except VsaError as error:
            self._warn(str(error))
            failed = self._form(SearchForm(text, "The index cannot be searched; vsa has reported the reason."))
            return replace(failed, status=HTTPStatus.INTERNAL_SERVER_ERROR)
        if result.error is not None:
            return self._form(SearchForm(text, f"{result.error[:1].upper()}{result.error[1:]}."))
        return self._results(result, shown)

    def _form(self, form: SearchForm) -> Response:
        header = Header(f"Search {len(self._library):,} photographs", (f"{len(self._library):,} photographs",))
        assets = served_assets("")
        return Response(render_search_page(header, (), assets, form, "").encode(), _HTML, policy=assets.policy)

    def _results(self, result: Answer, shown: int) -> Response:
        weights = FontWeights()
        cards = [
            render_card(
                found_card(rank, result.text, found), f"photographs/{found.row}-{found.sha256}.jpg", weights, f"p{rank}"
            )
            for rank, found in enumerate(result.found, 1)
        ]
        more = None
        if shown < min(self._top, len(self._library)):
            more = f"./?{urlencode({'q': result.text, 'n': min(shown + PER_STEP, self._top)})}#p{shown + 1}"
        header, rules = photos_header(result, len(cards), len(self._library), explain=True), weights.css()
        assets = served_assets(rules)
        page = render_search_page(header, cards, assets, SearchForm(result.text, more=more), rules)
        return Response(page.encode(), _HTML, policy=assets.policy)

    def _photograph(self, row: int, sha256: str) -> Response:
        """A small copy of a photograph, or a picture in its place if its file is gone or has changed."""
        if not self._library.has(row):
            return _refusal(HTTPStatus.NOT_FOUND, "not found")
        segment, place = self._library.place_of(row)
        if segment.hash_of(place) != sha256:
            return _refusal(HTTPStatus.NOT_FOUND, "not found")
        try:
            size = segment.size_of(place)
            file = self._library.photo(row).file
        except VsaError as error:
            self._warn(str(error))
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the index is damaged")
        try:
            rgb = read_unchanged(file, size, sha256, _LONGEST)
        except DataError:
            placeholder = render_placeholder(*fitted_size(*size))
            return Response(placeholder.encode(), _SVG, HTTPStatus.NOT_FOUND)
        # another content would have another hash, and so another address
        return Response(encode_jpeg(rgb, _LONGEST), "image/jpeg", seconds=86400)


def _refusal(status: HTTPStatus, text: str) -> Response:
    return Response(f"{text}\n".encode(), _TEXT, status)
