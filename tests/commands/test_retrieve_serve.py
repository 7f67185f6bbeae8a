"""`vsa retrieve --serve`: options, a real server and its end by Ctrl-C, the page in a browser."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from typer.testing import Result

from tests.conftest import Drawn
from tests.page_reader import read_page, with_class
from tests.processes import interrupt_when
from tests.survival.fork_server import ForkServer
from vsa_cli.core.io import web_server

Run = Callable[..., Result]

needs_waitress = pytest.mark.skipif(not web_server.is_installed(), reason=f"no waitress: {web_server.REMEDY}")


@pytest.fixture(scope="module")
def library(vsa: Run, drawn: Drawn, embed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "library"
    result = vsa("index", drawn.photos, "-o", folder, "-m", embed)
    assert result.exit_code == 0, result.output
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--serve",), "--serve goes with --index"),
        (("a query", "--serve"), "--serve goes with --index"),
        (("a query", "--serve", "--index", "library"), "--serve goes with --index, and with no query"),
        (("a query", "--index", "library", "--port", 1), "--port goes with --serve"),
        (("a query", "photos", "--host", "::1"), "--host goes with --serve"),
        (("--serve", "--index", "library", "-o", "page"), "-o and --serve contradict each other"),
        (("--serve", "--index", "library", "--format", "html"), "--format html and --serve contradict each other"),
        (("--serve", "--index", "library", "--top", 1001), "at most 1000"),
        (("--serve", "--index", "library", "--host", "example.org"), "--host` 'example.org': not an IP address"),
        (("--serve", "--index", "library", "--port", 65536), "65535"),
    ],
)
def test_options_that_contradict_each_other(vsa: Run, options: tuple[object, ...], message: str) -> None:
    result = vsa("retrieve", *options)
    assert result.exit_code == 2
    assert message.replace("`", "") in result.stderr.replace("`", "")


def test_without_the_web_server_the_extra_is_named(vsa: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "is_installed", lambda: False)
    result = vsa("retrieve", "--serve", "--index", "library")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "pip install 'vsa[serve]'" in result.stderr


@needs_waitress
def test_server_answers_until_ctrl_c(
    server: ForkServer, drawn: Drawn, embed: Path, library: Path, tmp_path: Path
) -> None:
    out, pages = tmp_path / "out", {}

    def used() -> bool:
        if not out.read_text().endswith("\n"):
            return False
        url = json.loads(out.read_text())["url"]
        for address in ("", f"?q={quote('a red circle')}"):
            with urllib.request.urlopen(f"{url}{address}", timeout=60) as answer:
                pages[address] = answer.read().decode()
        source = with_class(read_page(pages[address]), "photo")[0].attributes["src"]
        with urllib.request.urlopen(f"{url}{source}", timeout=60) as answer:
            assert answer.read(2) == b"\xff\xd8"
        return True

    out.touch()
    run = ("retrieve", "--serve", "--index", library, "-m", embed, "--port", 0, "--format", "jsonl")
    ended = interrupt_when(used, server, *run, stdout=out)
    assert ended.code == 130
    url = json.loads(out.read_text())["url"]
    count = len(list(drawn.photos.iterdir()))
    assert ended.lines == [f"search {count} photographs at {url} (Ctrl-C stops)"]
    assert url.startswith("http://127.0.0.1:")
    assert len(with_class(read_page(pages[f"?q={quote('a red circle')}"]), "card")) == 20


@pytest.fixture
def served(embed: Path, library: Path) -> Iterator[str]:
    """The address of a page that is served by a thread of this process."""
    pytest.importorskip("waitress", reason=f"no waitress: {web_server.REMEDY}")
    import threading

    from vsa_cli.core.alignment.embedder import load_embedder
    from vsa_cli.core.config import LibrarySearch
    from vsa_cli.core.library.library import open_library
    from vsa_cli.output.search_site import SearchSite

    embedder = load_embedder(embed, device="cpu", cache=False, threads=1)
    site = SearchSite(
        embedder.trained, open_library(library), LibrarySearch(), 45, strict=False, local=True, warn=pytest.fail
    )
    started = web_server.WebServer(site, "127.0.0.1", 0, 4)
    loop = threading.Thread(target=started.run)
    loop.start()
    yield started.url
    started.stop()
    loop.join()


def test_page_in_a_browser(chromium: Any, served: str) -> None:
    problems: list[str] = []
    window = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = window.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith((served, "data:")) else problems.append(asked.url))
    page.goto(served)
    assert page.evaluate("document.activeElement.id") == "q", "ready to type"
    page.keyboard.type("a red circle")
    page.keyboard.press("Enter")
    page.locator(".card").nth(19).wait_for()  # the page arrives in parts
    assert page.locator(".card").count() == 20
    word = page.locator(".card").first.locator(".w").last
    word.hover()
    assert "circle" in page.locator(".card").first.locator(".pairing").inner_text()
    for count in (40, 45):
        page.mouse.wheel(0, 100_000)
        page.locator(".card").nth(count - 1).wait_for()
        assert page.locator(".card").count() == count
    assert page.locator(".more").count() == 0
    assert page.locator(".rank").all_inner_texts() == [str(rank) for rank in range(1, 46)]
    last = page.locator(".card").last
    last.scroll_into_view_if_needed()
    assert last.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    last.locator(".w").first.hover()
    assert last.locator(".pairing").inner_text().startswith("a ")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "n=45" in page.url
    window.close()
    assert problems == []


def test_more_results_without_javascript(chromium: Any, served: str) -> None:
    window = chromium.new_context(java_script_enabled=False)
    page = window.new_page()
    page.goto(f"{served}?q=a+red+circle")
    page.get_by_role("link", name="More photographs").click()
    page.locator(".card").nth(39).wait_for()
    assert page.locator(".card").count() == 40
    assert page.url.endswith("#p21")
    window.close()
