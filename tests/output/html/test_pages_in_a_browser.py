"""Pages written by commands, used in a browser: captions, regions, search, alignment.

Needs playwright (`pip install '.[browser]'`) and a Chromium on the machine, or one that VSA_CHROMIUM names.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.conftest import Drawn

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
UNLOADED = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
CONTRAST = """() => {
  const probe = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const light = (colour) => {
    probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data].map(v => v / 255)
      .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = light(getComputedStyle(document.documentElement).backgroundColor);
  const ratio = (e) => { const ink = light(getComputedStyle(e).color);
    return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05); };
  const texts = document.querySelectorAll('h1, .facts, .reading, .name, .line p, .w, .unknown, .score, nav *');
  return Math.min(...[...texts].map(ratio));
}"""


@dataclass(frozen=True)
class Made:
    """Pages written by commands."""

    gallery: Path
    single: Path
    regions: Path
    found: Path
    aligned: Path
    captions: dict[str, str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, vsa: Callable[..., Result], drawn: Drawn, embed: Path) -> Made:
    folder = tmp_path_factory.mktemp("made")
    many = folder / "many"  # more than fit on one page of a gallery
    shutil.copytree(drawn.photos, many)
    for path in sorted(drawn.photos.iterdir())[:12]:
        shutil.copy(path, many / f"again-{path.name}")
    some = folder / "some"
    some.mkdir()
    for path in sorted(drawn.photos.iterdir())[:5]:
        shutil.copy(path, some)
    pages = Made(
        folder / "gallery", folder / "single.html", folder / "regions.html", folder / "found.html", folder / "out", {}
    )
    generator, embedder = ("--model", drawn.model), ("--model", embed)
    all_boxes = ("--region-captions", "--min-logprob", -20)
    photo = some / "001.png"
    for command in (
        ("caption", many, *generator, "--format", "html", "-o", pages.gallery),
        ("caption", some, *generator, "--format", "html", "-o", pages.single),
        ("caption", some, *generator, *all_boxes, "--nbest", 2, "--format", "html", "-o", pages.regions),
        ("retrieve", "a red circle", some, *embedder, "--explain", "--format", "html", "-o", pages.found),
        ("align", photo, "A red circle, or a zebra.", "the green triangle", *embedder, "--html", pages.aligned),
    ):  # fmt: skip
        result = vsa(*command)
        assert result.exit_code == 0, result.output
    for line in vsa("caption", some, *generator).stdout.splitlines():
        name, _, caption = line.partition("\t")
        pages.captions[Path(name).name] = caption
    return pages


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a page in a new window; at the end, none may have reported a problem."""
    windows: list[Any] = []
    problems: list[str] = []

    def open_one(path: Path, size: dict[str, int] = DESKTOP) -> Any:
        window = chromium.new_context(viewport=size, has_touch=True, reduced_motion="reduce")
        windows.append(window)
        page = window.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request", lambda asked: None if asked.url.startswith(("file:", "data:")) else problems.append(asked.url)
        )
        page.goto(path.as_uri())
        return page

    yield open_one
    for window in windows:
        window.close()
    assert problems == []


def named(made: Made) -> dict[str, Path]:
    return {
        "gallery": made.gallery / "index.html", "single": made.single, "regions": made.regions, "found": made.found,
        "aligned": made.aligned / "index.html",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["gallery", "single", "regions", "found", "aligned"])
def test_page_fits_its_window_with_readable_contrast(made: Made, open_page: Callable[..., Any], name: str) -> None:
    page = open_page(named(made)[name], PHONE)
    assert page.locator("h1").count() == 1
    assert page.locator("main img:not([alt]), main img[alt='']").count() == 0
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            where = f"{size['width']} pixels, {scheme}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{where}: no scrolling"
            assert page.evaluate(CONTRAST) >= 4.5, f"{where}: WCAG AA"


def test_gallery_pages_are_linked_and_load_photographs_lazily(made: Made, open_page: Callable[..., Any]) -> None:
    page = open_page(made.gallery / "index.html")
    assert page.locator("article").count() == 50
    assert page.evaluate(UNLOADED) > 0, "photographs far below are not loaded yet"
    page.get_by_role("navigation", name="Pages, bottom").get_by_role("link", name="Next").click()
    assert page.url.endswith("page-2.html")
    assert page.locator("article").count() == 10
    page.locator("article").last.scroll_into_view_if_needed()
    page.wait_for_function(f"{UNLOADED} === 0")
    page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link", name="Previous").click()
    assert page.url.endswith("index.html")


def test_captions_are_alternative_texts(made: Made, open_page: Callable[..., Any]) -> None:
    page = open_page(made.single)
    assert page.evaluate(UNLOADED) == 0
    for name, caption in made.captions.items():
        article = page.get_by_role("article", name=name)
        assert article.get_by_role("img").get_attribute("alt") == caption
        assert article.get_by_role("listitem").inner_text() == caption


def test_skip_link_leads_to_the_photographs(made: Made, open_page: Callable[..., Any]) -> None:
    page = open_page(made.gallery / "index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the photographs"
    assert page.locator(".skip").bounding_box()["x"] >= 0, "visible when focused"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "photographs"


@pytest.mark.parametrize("name", ["regions", "found", "aligned"])
def test_mouse_touch_and_keys_highlight_a_pair(made: Made, open_page: Callable[..., Any], name: str) -> None:
    page = open_page(named(made)[name])
    card = page.locator("article:has(.w)").first
    card.scroll_into_view_if_needed()
    word = card.locator(".w").last
    box = word.get_attribute("data-b")
    shown = "all => all.filter(b => +getComputedStyle(b.querySelector('.edge')).opacity > .5).map(b => b.dataset.b)"
    for act in (word.hover, word.tap, lambda: word.focus() or page.keyboard.press("Enter")):
        page.mouse.move(0, 0)
        act()
        assert card.locator(".box").evaluate_all(shown) == [box]
        assert word.inner_text() in card.locator(".pairing").inner_text()
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    assert len(card.locator(".box").evaluate_all(shown)) == card.locator(".box").count()


def test_search_results_are_in_order(made: Made, open_page: Callable[..., Any]) -> None:
    page = open_page(made.found)
    assert page.locator("h1").inner_text() == "a red circle"
    assert page.locator(".rank").all_inner_texts() == ["1", "2", "3", "4", "5"]
    scores = [float(text.replace("−", "-")) for text in page.locator("figcaption .score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)


def test_alignment_shows_sentences_as_written(made: Made, open_page: Callable[..., Any]) -> None:
    page = open_page(made.aligned / "index.html")
    sentences = page.locator(".line p").evaluate_all(
        "all => all.map(p => { const c = p.cloneNode(true); c.querySelectorAll('sup').forEach(s => s.remove());"
        " return c.textContent; })"
    )
    assert sentences == ["A red circle, or a zebra.", "the green triangle"]
    assert page.locator(".unknown", has_text="zebra").get_attribute("title") == "not in the model's vocabulary"
