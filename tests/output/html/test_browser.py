"""Pages in a browser: pointing, tapping and the keyboard highlight one pair, and nothing is loaded from a network.

Needs playwright (`pip install '.[browser]'`) and a Chromium on the machine, or one that VSA_CHROMIUM names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from vsa_cli.output.html.cards import Card, Header, Line, Word
from vsa_cli.output.html.document import Pages, render_document

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
LINES = (
    Line((Word("A", 1, 1.0, 0.1), Word("dog", 1, 9.0, 0.25), Word("in", 2, 2.0, 0.2), Word("snow.", 2, 8.0, 0.5))),
    Line((Word("Wide", 0, 3.0, 0.4), Word("field", 2, 4.0, 0.4), Word(HOSTILE, known=False))),
    Line((Word("كلب", 1, 5.0, 0.3), Word("يركض", 2, 5.0, 0.3))),
)


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> list[Card]:
    photo = tmp_path_factory.mktemp("photos") / "a.png"
    Image.new("RGB", (400, 300), "#7a8b6c").save(photo)
    return [Card("a.png", photo, 400, 300, ((20, 30, 200, 250), (120, 100, 390, 290)), LINES)] * 2


@pytest.fixture(scope="module", params=["folder", "file"])
def page(
    request: pytest.FixtureRequest, chromium: Any, cards: list[Card], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("pages") / "gallery"
    header = Header("Words and their boxes", ("two photographs",), "How to read it.")
    if request.param == "folder":
        Pages(lambda: header, cards, print).fill(folder, 1)
        address = folder / "index.html"
    else:
        address = folder.with_name("page.html")
        address.write_text(render_document(header, cards, print), encoding="utf-8")
    context = chromium.new_context(viewport={"width": 1200, "height": 900}, has_touch=True, reduced_motion="reduce")
    page = context.new_page()
    page.problems = problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else problems.append(asked.url))
    page.goto(address.as_uri())
    yield page
    context.close()


@pytest.fixture(autouse=True)
def _release(page: Any) -> Iterator[None]:
    yield
    page.keyboard.press("Escape")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")


def word(page: Any, text: str) -> Any:
    return page.locator("#p1 .w").filter(has_text=text).first


def shown(page: Any, card: str = "p1") -> tuple[set[str], list[str]]:
    """The numbers of the boxes that are visible, and the highlighted words."""
    boxes = page.eval_on_selector_all(
        f"#{card} .box",
        "all => all.filter(b => +getComputedStyle(b.querySelector('.edge')).opacity > .5).map(b => b.dataset.b)",
    )
    words = page.eval_on_selector_all(f"#{card} .w.on", "all => all.map(w => w.textContent)")
    return set(boxes), words


EVERYTHING = ({"0", "1", "2"}, [])


def test_all_boxes_are_visible_at_first(page: Any) -> None:
    assert shown(page) == EVERYTHING


def test_pointing_at_a_word_highlights_its_pair(page: Any) -> None:
    word(page, "dog").hover()
    assert shown(page) == ({"1"}, ["dog"])
    assert shown(page, "p2") == EVERYTHING
    assert page.locator("#p1 .pairing").inner_text() == "dog · box 1 · 0.250"
    page.mouse.move(0, 0)
    assert shown(page) == EVERYTHING


def test_highlighting_does_not_change_the_layout(page: Any) -> None:
    place = "[...document.querySelectorAll('.w, .frame, .name')].map(e => JSON.stringify(e.getBoundingClientRect()))"
    before = page.evaluate(place)
    word(page, "snow").hover()
    shown(page)
    assert page.evaluate(place) == before


def test_pointing_at_a_box_highlights_its_words(page: Any) -> None:
    frame = page.locator("#p1 .frame").bounding_box()
    page.mouse.move(frame["x"] + 0.1 * frame["width"], frame["y"] + 0.5 * frame["height"])
    assert shown(page) == ({"1"}, ["A", "dog", "كلب"])


def test_tap_keeps_a_pair_highlighted(page: Any) -> None:
    word(page, "snow").tap()
    page.mouse.move(0, 0)
    assert shown(page) == ({"2"}, ["snow."])
    assert word(page, "snow").get_attribute("aria-pressed") == "true"
    word(page, "Wide").tap()
    assert shown(page) == ({"0"}, ["Wide"])
    assert word(page, "snow").get_attribute("aria-pressed") == "false"
    page.locator("h1").tap()
    page.mouse.move(0, 0)
    assert shown(page) == EVERYTHING


def test_arrow_keys_move_between_words_and_sentences(page: Any) -> None:
    for _ in range(9):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#p1 .w')"):
            break
    assert shown(page) == ({"1"}, ["A"])
    trail = []
    for key in ("ArrowRight", "End", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft", "Home"):
        page.keyboard.press(key)
        trail.append(page.evaluate("document.activeElement.textContent"))
    assert trail == ["dog", "snow.", "snow.", "Wide", "field", "كلب", "يركض", "كلب"]
    assert shown(page) == ({"1"}, ["كلب"])
    page.keyboard.press("Enter")
    page.evaluate("document.activeElement.blur()")
    assert shown(page) == ({"1"}, ["كلب"])
    page.keyboard.press("Escape")
    assert shown(page) == EVERYTHING


def test_words_and_photographs_have_accessible_roles_and_names(page: Any) -> None:
    assert page.get_by_role("button", name="dog, box 1").count() == 2
    assert page.get_by_role("img", name="A dog in snow. Wide field").count() == 2


def test_boxes_fit_the_photograph_at_any_width(page: Any) -> None:
    for width in (1200, 700, 390):
        page.set_viewport_size({"width": width, "height": 900})
        frame = page.locator("#p1 .photo").bounding_box()
        edge = page.locator("#p1 .box[data-b='2'] .edge").bounding_box()
        assert edge["x"] == pytest.approx(frame["x"] + 0.3 * frame["width"], abs=2)
        assert edge["height"] == pytest.approx(190 / 300 * frame["height"], abs=4)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no horizontal scrolling"
    page.set_viewport_size({"width": 1200, "height": 900})


def test_font_weights_and_colour_schemes(page: Any) -> None:
    weigh = "(e) => +getComputedStyle(e).fontWeight"
    light, heavy = word(page, "A").evaluate(weigh), word(page, "dog").evaluate(weigh)
    assert 300 <= light < heavy <= 800
    backgrounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        backgrounds.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert backgrounds == ["rgb(252, 251, 248)", "rgb(19, 20, 23)"]


def test_hostile_words_have_no_effect_and_nothing_is_requested(page: Any) -> None:
    assert page.title() == "Words and their boxes"
    assert page.evaluate("document.fonts.check('16px Newsreader')")
    assert page.evaluate("document.querySelector('.photo').complete")
    assert page.problems == []
