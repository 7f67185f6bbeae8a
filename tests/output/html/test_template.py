"""HTML of cards and pages: words refer to boxes by number, any text stays text, colours have enough contrast."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.page_reader import Element, read_page, with_class
from vsa_cli.output.html.cards import Card, Header, Line, Word
from vsa_cli.output.html.font_weights import FontWeights
from vsa_cli.output.html.layout import COLOURS
from vsa_cli.output.html.template import (
    SCRIPT,
    STYLE,
    inline_assets,
    linked_assets,
    read_asset,
    render_card,
    render_page,
)

DOG = Line(
    (Word("A", 2), Word("Dog", 2, 9.0, 0.5), Word("snarfs", known=False), Word("home", 0), Word(".", tight=True))
)
CARD = Card("sub/a.jpg", Path("/data/sub/a.jpg"), 200, 100, ((0, 0, 50, 50), (100.0, 25.0, 200.0, 100.0)), (DOG,))
HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='x",
    "<!--",
    "]]>",
    "&lt;",
    "كلب \u202eevil",
    "\x00\ud800\ufffe",
    "</style>",
    "javascript:alert(1)",
)
TAGS = {
    "article",
    "figure",
    "figcaption",
    "div",
    "img",
    "svg",
    "g",
    "rect",
    "text",
    "span",
    "bdi",
    "ol",
    "li",
    "p",
    "sup",
}


def elements(one: Card, source: str | None = "photos/000001.jpg") -> list[Element]:
    return read_page(render_card(one, source, FontWeights(), "p1"))


def test_word_and_box_share_number_and_colour() -> None:
    found = elements(CARD)
    words, boxes, tags = (with_class(found, name) for name in ("w", "box", "tag"))
    assert [(word.text, word.attributes["data-b"]) for word in words] == [("A", "2"), ("Dog", "2"), ("home", "0")]
    assert words[1].attributes["data-s"] == "0.500"
    assert words[1].classes == {"w", FontWeights().css_class(9.0)}
    assert words[0].classes == {"w"}
    runs = with_class(found, "run")
    assert [run.text for run in runs] == ["A Dog2", "home.0"], "the number is shown beside the colour"
    for run, colour in zip(runs, ("c2", "c0"), strict=True):
        assert colour in run.classes
    assert {(box.attributes["data-b"], *box.classes & {"c0", "c1", "c2"}) for box in boxes} == {
        ("0", "c0"), ("1", "c1"), ("2", "c2"),
    }  # fmt: skip
    assert {tag.text: tag.attributes["data-b"] for tag in tags} == {"0": "0", "1": "1", "2": "2"}
    (unknown,) = with_class(found, "unknown")
    assert unknown.text == "snarfs"


def test_boxes_are_placed_in_percent() -> None:
    (second,) = [box for box in with_class(elements(CARD), "box") if box.attributes["data-b"] == "2"]
    for rect in second.children:
        place = [rect.attributes[side] for side in ("x", "y", "width", "height")]
        assert place == ["50%", "25%", "50%", "75%"]


def test_tab_key_stops_at_one_word_of_a_sentence() -> None:
    words = with_class(elements(CARD), "w")
    assert [word.attributes["tabindex"] for word in words] == ["0", "-1", "-1"]
    assert [word.attributes["aria-label"] for word in words] == ["A, box 2", "Dog, box 2", "home, the whole photograph"]
    assert {word.attributes["role"] for word in words} == {"button"}


def test_sentences_are_the_alternative_text_of_the_photograph() -> None:
    (image,) = [element for element in elements(CARD) if element.tag == "img"]
    assert image.attributes["alt"] == "A Dog snarfs home."
    assert image.attributes["loading"] == "lazy"


def test_missing_photograph_keeps_its_sentences_and_boxes() -> None:
    found = elements(CARD, None)
    assert not [element for element in found if element.tag == "img"]
    assert "no longer" in with_class(found, "gone")[0].text
    assert len(with_class(found, "w")) == 3
    assert len(with_class(found, "box")) == 3


def test_words_without_box_between_two_of_one_box_join_their_run() -> None:
    line = Line((Word("a", 1), Word("shiny", known=False), Word("dog", 1), Word("-"), Word("runs", 2)))
    found = elements(Card("a", Path("a"), 10, 10, ((0, 0, 1, 1), (0, 0, 2, 2)), (line,)))
    assert [run.text for run in with_class(found, "run")] == ["a shiny dog1", "runs2"]
    assert with_class(found, "line")[0].text == "a shiny dog1 - runs2"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    check_text(text)


@given(st.text(min_size=1))
def test_any_text_stays_text(text: str) -> None:
    check_text(text)


def check_text(text: str) -> None:
    line = Line((Word(text, 1), Word(text, known=False), Word(text)))
    one = Card(text, Path("a"), 100, 80, ((1, 2, 3, 4),), (line,))
    card = render_card(one, "photos/1.jpg", FontWeights(), "p1")
    page = render_page(Header(text, (text,), text), [card], linked_assets())
    page.encode()  # no lone surrogates
    found = read_page(page)
    body = [element for element in found if "main" in element.within]
    assert {element.tag for element in body} <= TAGS
    assert not [name for element in found for name in element.attributes if name.startswith("on") or name == "style"]
    assert [element.attributes for element in found if element.tag == "script"] == [{"src": "vsa.js"}]
    (word,) = with_class(found, "w")
    assert normal(word.text) == normal(text)
    assert normal(word.attributes["aria-label"]) == normal(f"{text}, box 1")
    (heading,) = [element for element in found if element.tag == "h1"]
    assert normal(heading.text) == normal(text)


def normal(text: str) -> str:
    shown = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "�", text)
    return shown.replace("\r\n", "\n").replace("\r", "\n")


def test_data_and_template_syntax_are_not_interpreted() -> None:
    (heading,) = [e for e in read_page(render_page(Header("{{ 7 * 7 }}"), [], linked_assets())) if e.tag == "h1"]
    assert heading.text == "{{ 7 * 7 }}"


def test_inline_style_and_script_have_the_hashes_of_the_policy() -> None:
    found = read_page(render_page(Header("a"), [], inline_assets(".m1{font-weight:300}")))
    (policy,) = [e.attributes["content"] for e in found if "http-equiv" in e.attributes]
    for tag in ("style", "script"):
        (element,) = [e for e in found if e.tag == tag]
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_navigation_links_nearby_pages_and_both_ends() -> None:
    found = read_page(render_page(Header("a"), [], linked_assets(), 6, 12))
    above, below = [element for element in found if element.tag == "nav"]
    assert [child.text for child in above.children] == [
        "← Previous", "1", "…", "4", "5", "6", "7", "8", "…", "12", "Next →",
    ]  # fmt: skip
    assert [child.text for child in below.children] == [child.text for child in above.children]
    assert not [e for e in read_page(render_page(Header("a"), [], linked_assets())) if e.tag == "nav"]


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_have_enough_contrast() -> None:
    css = read_asset(STYLE).decode()
    light, dark = re.findall(r":root \{(.*?)\n *\}", css, re.DOTALL)[:2]
    for theme in (light, dark):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", theme))
        assert set(colours) >= {"paper", "ink", "soft", *(f"c{i}" for i in range(COLOURS + 1))}
        ground = luminance(colours["paper"])
        for name in ("ink", "soft", *(f"c{i}" for i in range(COLOURS + 1))):
            bright, dim = sorted((ground, luminance(colours[name])), reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, name  # WCAG 2, AA; the number's tag is the same pair
        assert len({colours[f"c{i}"] for i in range(COLOURS + 1)}) == COLOURS + 1


def test_nothing_is_loaded_from_a_network() -> None:
    card = render_card(CARD, "photos/1.jpg", FontWeights(), "p1")
    for assets in (linked_assets(), inline_assets("")):
        page = render_page(Header("a"), [card], assets)
        assert not re.search(r"https?:", page)
        found = read_page(page)
        addresses = [e.attributes.get("src", e.attributes.get("href")) for e in found]
        assert {address for address in addresses if address} <= {"vsa.css", "vsa.js", "photos/1.jpg", "#photographs"}
        (policy,) = [e.attributes["content"] for e in found if "http-equiv" in e.attributes]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
    assert not re.search(rb"url\((?!\"?data:|#)|@import|https?:", read_asset(STYLE))
    assert not re.search(rb"https?:|fetch\(|import |innerHTML|eval\(", read_asset(SCRIPT))
