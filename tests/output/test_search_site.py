"""The search page as a WSGI application: results, escaping, refused requests, photographs that are gone."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import numpy as np
import pytest
import torch
from PIL import Image

from tests.core.library.conftest import entry_of, images_of, model_of
from tests.page_reader import Element, read_page, with_class
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import MAX_CHARACTERS, read_query
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.library import empty_manifest, open_library
from vsa_cli.core.library.search import search_library
from vsa_cli.core.library.writer import writing
from vsa_cli.output.search_site import SearchSite

HOSTILE = '"><script>alert(1)<'
QUERY = "a dog runs"
WIDTH, HEIGHT = 40, 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def elements(self) -> list[Element]:
        return read_page(self.body.decode())

    @property
    def addresses(self) -> list[str]:
        return [one.attributes["src"] for one in self.elements if one.tag == "img"]


@dataclass(frozen=True)
class Site:
    trained: Trained[Embedding]
    folder: Path
    photos: Path
    warnings: list[str]

    def open(self, top: int = 45, strict: bool = False, local: bool = True) -> SearchSite:
        library = open_library(self.folder)
        return SearchSite(
            self.trained, library, LibrarySearch(), top, strict=strict, local=local, warn=self.warnings.append
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """An index of fifty photographs, one with a hostile name and one on its side."""
    folder, trained = tmp_path_factory.mktemp("site"), model_of(0.5)
    photos = folder / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    with writing(folder / "library", empty_manifest(trained)) as writer:
        for number, (_, regions) in enumerate(images_of(50)):
            file = photos / (f"{HOSTILE}.png" if number == 7 else f"{number}.png")
            picture = Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
            if number == 3:  # EXIF orientation 6: the file is stored on its side
                exif = Image.Exif()
                exif[0x0112] = 6
                picture.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif)
            else:
                picture.save(file)
            photo = Photo(str(file), file.name, file)
            writer.add(entry_of(trained, photo, replace(regions, image_id=file.name, sha256=file_sha256(file))))
    return Site(trained, folder / "library", photos, [])


@pytest.fixture(scope="module")
def site(made: Site) -> SearchSite:
    return made.open()


def get(site: SearchSite, address: str, method: str = "GET", host: str = "127.0.0.1:8000") -> Answer:
    """The answer to a request, checked against the rules of WSGI."""
    path, _, query = address.partition("?")
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": host, "SCRIPT_NAME": ""}
    environ["wsgi.input"] = io.BytesIO()  # type: ignore[assignment]
    setup_testing_defaults(environ)
    started: list[tuple[str, Sequence[tuple[str, str]]]] = []
    body = validator(site)(environ, lambda status, headers, *_: started.append((status, headers)) or io.BytesIO().write)
    content = b"".join(body)
    body.close()  # type: ignore[attr-defined]
    ((status, headers),) = started
    return Answer(int(status[:3]), dict(headers), content)


def search(site: SearchSite, query: str, more: str = "") -> Answer:
    return get(site, f"/?q={quote(query)}{more}")


def test_first_page_has_a_box_and_no_results(site: SearchSite) -> None:
    answer = get(site, "/")
    assert answer.status == 200
    assert [one.attributes["name"] for one in answer.elements if one.tag == "input"] == ["q"]
    assert [one for one in answer.elements if one.tag in ("article", "img")] == []
    assert [one.text for one in answer.elements if one.tag == "h1"] == ["Search 50 photographs"]
    assert get(site, "/?q=%20").body == answer.body


def test_results_are_those_of_a_search_in_the_index(made: Site, site: SearchSite) -> None:
    found = search_library(
        made.trained, open_library(made.folder), read_query(QUERY, made.trained.vocabulary), 20, LibrarySearch(),
        explain=True,
    )  # fmt: skip
    answer = search(site, QUERY)
    assert answer.status == 200
    assert answer.addresses == [f"photographs/{one.row}-{one.sha256}.jpg" for one in found]
    assert [one.text for one in with_class(answer.elements, "rank")] == [str(rank) for rank in range(1, 21)]
    assert [one.text for one in with_class(answer.elements, "name")] == [str(one.photo.image_id) for one in found]
    words = with_class(answer.elements, "w")
    assert [one.text for one in words] == ["a", "dog", "runs"] * 20
    assert [one.attributes["data-s"] for one in words] == [
        f"{word.score:.3f}".replace("-", "−") for one in found for word in one.words
    ]
    assert with_class(answer.elements, "facts")[0].text.split(" best")[0] == "20 of 50 photographs"
    assert with_class(answer.elements, "tag"), "boxes with numbers"


def test_each_page_links_to_one_with_more_up_to_the_limit(site: SearchSite) -> None:
    first = search(site, QUERY)
    shown, answer = [first.addresses], first
    while links := [one for one in answer.elements if one.tag == "a" and "photographs" not in one.attributes["href"]]:
        (link,) = links
        address, _, place = link.attributes["href"].removeprefix(".").partition("#")
        answer = get(site, address)
        assert place in {one.attributes.get("id") for one in answer.elements}, "the first new photograph"
        shown.append(answer.addresses)
    assert list(map(len, shown)) == [20, 40, 45]
    assert shown[2][:40] == shown[1]
    assert shown[1][:20] == shown[0]
    assert len(search(site, QUERY, "&n=999999").addresses) == 45
    assert len(search(site, QUERY, "&n=0").addresses) == 1


def test_texts_are_escaped_and_the_policy_allows_no_inline_script(site: SearchSite) -> None:
    answer = search(site, f"{HOSTILE}/script> dog", "&n=45")
    assert answer.status == 200
    scripts = [one for one in answer.elements if one.tag == "script"]
    assert [one.attributes for one in scripts] == [{"src": "vsa.js"}, {"src": "search.js"}]
    assert [one.attributes["value"] for one in answer.elements if one.tag == "input"] == [f"{HOSTILE}/script> dog"]
    assert f"{HOSTILE}.png" in [one.text for one in with_class(answer.elements, "name")]
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["img-src"] == "'self'"
    assert re.fullmatch(r"'self' 'sha256-[\w+/=]+'", policy["style-src"])
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert not {"Set-Cookie", "Server", "Access-Control-Allow-Origin"} & set(answer.headers)
    assert b"http" not in re.sub(rb"http-equiv|http://www\.w3\.org/2000/svg", b"", answer.body)


def test_unknown_words_are_named(made: Site, site: SearchSite) -> None:
    some = search(site, "a zeppelin dog")
    assert "unknown to the model: zeppelin" in with_class(some.elements, "facts")[0].text
    assert with_class(some.elements, "unknown")[0].text == "zeppelin"
    none = search(site, "zeppelin")
    assert none.status == 200
    assert "The model knows no word of 'zeppelin'" in next(
        one.text for one in none.elements if one.attributes.get("role") == "alert"
    )
    assert none.addresses == []
    strict = search(made.open(strict=True), "a zeppelin dog")
    assert strict.addresses == []
    assert b"The model does not know &#39;zeppelin&#39;" in strict.body


@pytest.mark.parametrize(
    "address",
    [f"/?q={'a' * (MAX_CHARACTERS + 1)}", "/?q=%ff", "/?q=dog&n=-1", "/?q=dog&n=x", "/?q=dog&n=1234567",
     "/?q=dog&n=%D9%A3", "/?" + "&".join(["q=dog"] * 11)],
)  # fmt: skip
def test_bad_queries_are_refused(site: SearchSite, address: str) -> None:
    assert get(site, address).status == 400


def test_longest_query_is_answered(site: SearchSite) -> None:
    assert search(site, "dog " * (MAX_CHARACTERS // 4)).status == 200


@pytest.mark.parametrize(
    "query", ["dog\0", "dog \ud7ff\uffff", "dog \u202e", "dog\r\nSet-Cookie: a=b", "{{ 7 * 7 }} dog"]
)
def test_odd_characters_do_no_harm(site: SearchSite, query: str) -> None:
    answer = search(site, query)
    assert answer.status == 200
    assert answer.headers.keys() == search(site, "dog").headers.keys()
    assert next(one.attributes["value"] for one in answer.elements if one.tag == "input")[:3] in ("dog", "{{ ")


def test_photographs_are_small_upright_copies_that_a_browser_may_keep(made: Site, site: SearchSite) -> None:
    addresses = search(site, QUERY, "&n=45").addresses
    row, number = next((one, one.split("/")[1].split("-")[0]) for one in addresses if "/3-" in one)
    assert number == "3"
    answer = get(site, f"/{row}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert "immutable" in answer.headers["Cache-Control"]
    with Image.open(io.BytesIO(answer.body)) as picture:
        assert (picture.size, picture.format) == ((WIDTH, HEIGHT), "JPEG")
        assert not picture.getexif()
    original = np.asarray(Image.open(made.photos / "3.png").transpose(Image.Transpose.ROTATE_270), np.float32)
    copy = np.asarray(Image.open(io.BytesIO(answer.body)), np.float32)
    assert np.abs(copy.mean((0, 1)) - original.mean((0, 1))).max() < 3


def test_only_photographs_of_the_index_have_addresses(made: Site, site: SearchSite) -> None:
    (made.photos.parent / "secret.png").write_bytes((made.photos / "1.png").read_bytes())
    sha256 = file_sha256(made.photos / "1.png")
    assert get(site, f"/photographs/1-{sha256}.jpg").status == 200
    others = [
        f"/photographs/2-{sha256}.jpg", f"/photographs/50-{sha256}.jpg", f"/photographs/-1-{sha256}.jpg",
        f"/photographs/999999999999999-{sha256}.jpg", f"/photographs/1-{sha256[:-1]}.jpg",
        f"/photographs/1-{sha256}.jpg/", f"/photographs/1-{sha256}.jpg\n",
        f"/photographs/\u0661-{sha256}.jpg".encode().decode("latin-1"),
        "/photographs/../secret.png", "/../secret.png", "/photographs//etc/passwd", "//etc/passwd", "/library.json",
        "/photos/1.png", f"/photographs/{made.photos}/1.png", "/favicon.ico", "/vsa.css/..", "/..%2fsecret.png", "/\0",
        "/newsreader.woff2",
    ]  # fmt: skip
    assert {address: get(site, address).status for address in others} == dict.fromkeys(others, 404)


def test_deleted_rows_have_no_address(made: Site, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    file = made.photos / "1.png"
    (_, regions), sha256 = images_of(1)[0], file_sha256(file)
    with writing(folder, empty_manifest(made.trained)) as writer:
        for name in ("1.png", "2.png"):
            photo = Photo(str(made.photos / name), name, made.photos / name)
            entry = replace(regions, image_id=name, sha256=file_sha256(made.photos / name))
            writer.add(entry_of(made.trained, photo, entry))
    with writing(folder, empty_manifest(made.trained)) as writer:
        writer.remove(str(file))
    site = replace(made, folder=folder).open()
    assert get(site, f"/photographs/0-{sha256}.jpg").status == 404
    assert len(search(site, QUERY).addresses) == 1


@pytest.mark.parametrize(
    "change", [Path.unlink, lambda file: file.write_bytes(b"other"), lambda file: file.write_bytes(b"")]
)
def test_vanished_or_changed_photograph_has_a_picture_in_its_place(
    made: Site, site: SearchSite, change: Callable[[Path], object]
) -> None:
    file = made.photos / "5.png"
    before, sha256 = file.read_bytes(), file_sha256(file)
    change(file)
    try:
        answer = get(site, f"/photographs/5-{sha256}.jpg")
    finally:
        file.write_bytes(before)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "image/svg+xml")
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"This photograph can no longer be read." in answer.body
    assert get(site, f"/photographs/5-{sha256}.jpg").status == 200
    assert made.warnings == []


def test_only_get_and_head_are_allowed(site: SearchSite) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        answer = get(site, "/", method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    for address in ("/", f"/?q={quote(QUERY)}", "/vsa.css", "/nothing"):
        head, whole = get(site, address, "HEAD"), get(site, address)
        assert (head.status, head.headers, head.body) == (whole.status, whole.headers, b"")
        assert int(head.headers["Content-Length"]) == len(whole.body)


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("LOCALHOST:1", 200), ("127.0.0.1:8000", 200), ("127.1.2.3", 200), ("[::1]:80", 200),
     ("example.org", 403), ("localhost.example.org", 403), ("127.0.0.1.example.org:8000", 403), ("", 403),
     ("localhost@example.org", 403), ("192.168.0.1", 403), ("localhost\n", 403)],
)  # fmt: skip
def test_other_host_names_are_refused_on_the_loopback(made: Site, site: SearchSite, host: str, status: int) -> None:
    assert get(site, "/", host=host).status == status


def test_a_page_for_the_network_has_any_host_name(made: Site) -> None:
    assert get(made.open(local=False), "/", host="photographs.example.org").status == 200


def test_damage_of_the_index_is_reported_and_shown(made: Site) -> None:
    site = made.open()
    segment = site._library.segments[0]
    assert segment.short_whole is not None
    segment.short_whole = torch.full_like(segment.short_whole, torch.nan)
    answer = search(site, QUERY)
    assert answer.status == 500
    assert b"The index cannot be searched" in answer.body
    (warning,) = made.warnings
    made.warnings.clear()
    assert "damaged" in warning


def test_style_scripts_and_icon_are_served(site: SearchSite) -> None:
    for address, kind in (("/vsa.css", "text/css"), ("/vsa.js", "text/javascript"), ("/search.js", "text/javascript"),
                          ("/icon.svg", "image/svg+xml")):  # fmt: skip
        answer = get(site, address)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(kind)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
