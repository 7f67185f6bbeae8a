"""A plate's HTML: words point at boxes by number, hostile text stays text, colours can be read on both grounds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.page_reader import Element, read_page, with_class
from vsa_cli.output.html.cards import Card, Header, Line, Word, number_boxes, relative_name
from vsa_cli.output.html.template import COLOURS, begin, card, end, escape, inlined, linked, look

DOG = Line(
    (Word("A", 2), Word("Dog", 2, 9.0, 0.5), Word("snarfs", known=False), Word("home", 0), Word(".", tight=True))
)
PLATE = Card("sub/a.jpg", Path("/data/sub/a.jpg"), 200, 100, ((0, 0, 50, 50), (100.0, 25.0, 200.0, 100.0)), (DOG,))
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


def drawn(one: Card, source: str | None = "photos/000001.jpg") -> list[Element]:
    return read_page(card(one, source, lambda value: "" if value is None else "m9", "p1"))


def test_words_and_boxes_share_number_and_colour() -> None:
    found = drawn(PLATE)
    words, boxes, tags = (with_class(found, name) for name in ("w", "box", "tag"))
    assert [(word.text, word.attributes["data-b"]) for word in words] == [("A", "2"), ("Dog", "2"), ("home", "0")]
    assert words[1].attributes["data-s"] == "0.500"
    assert "m9" in words[1].classes
    runs = with_class(found, "run")
    assert [run.text for run in runs] == ["A Dog2", "home.0"], "colour is never alone: the number is beside it"
    for run, colour in zip(runs, ("c2", "c0"), strict=True):
        assert colour in run.classes
    assert {(box.attributes["data-b"], *box.classes & {"c0", "c1", "c2"}) for box in boxes} == {
        ("0", "c0"), ("1", "c1"), ("2", "c2"),
    }  # fmt: skip
    assert {tag.text: tag.attributes["data-b"] for tag in tags} == {"0": "0", "1": "1", "2": "2"}
    (unknown,) = with_class(found, "unknown")
    assert unknown.text == "snarfs"


def test_boxes_lie_where_the_photograph_has_them_at_any_size() -> None:
    (second,) = [box for box in with_class(drawn(PLATE), "box") if box.attributes["data-b"] == "2"]
    for rect in second.children:
        place = [rect.attributes[side] for side in ("x", "y", "width", "height")]
        assert place == ["50%", "25%", "50%", "75%"]


def test_smaller_boxes_lie_above_greater_ones() -> None:
    order = [box.attributes["data-b"] for box in with_class(drawn(PLATE), "box")]
    assert order == ["0", "2", "1"]


def test_no_two_tags_cover_one_another() -> None:
    boxes = tuple((0.0, 0.0, 100.0 - i, 100.0 - i) for i in range(8))
    tags = with_class(drawn(Card("a", Path("a"), 100, 100, boxes, (DOG,))), "tag")
    places = {(tag.attributes["x"], tag.attributes["y"]) for tag in tags}
    assert len(places) == 9


def test_the_keyboard_stops_once_a_sentence() -> None:
    words = with_class(drawn(PLATE), "w")
    assert [word.attributes["tabindex"] for word in words] == ["0", "-1", "-1"]
    assert [word.attributes["aria-label"] for word in words] == ["A, box 2", "Dog, box 2", "home, the whole photograph"]
    assert {word.attributes["role"] for word in words} == {"button"}


def test_sentences_are_the_alternative_text() -> None:
    (image,) = [element for element in drawn(PLATE) if element.tag == "img"]
    assert image.attributes["alt"] == "A Dog snarfs home."
    assert image.attributes["loading"] == "lazy"


def test_a_lost_photograph_keeps_its_sentences_and_boxes() -> None:
    found = drawn(PLATE, None)
    assert not [element for element in found if element.tag == "img"]
    assert "no longer" in with_class(found, "gone")[0].text
    assert len(with_class(found, "w")) == 3
    assert len(with_class(found, "box")) == 3


def test_boxless_words_between_two_of_one_box_do_not_part_them() -> None:
    line = Line((Word("a", 1), Word("shiny", known=False), Word("dog", 1), Word("-"), Word("runs", 2)))
    found = drawn(Card("a", Path("a"), 10, 10, ((0, 0, 1, 1), (0, 0, 2, 2)), (line,)))
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
    parts = linked()
    page = begin(Header(text, (text,), text), parts) + card(one, "photos/1.jpg", lambda _: "", "p1") + end(parts)
    page.encode()  # whole UTF-8, no half characters
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


def test_escape_leaves_nothing_that_ends_a_context() -> None:
    assert not set(escape("".join(HOSTILE))) & set("<>\"'")


@given(st.lists(st.integers(0, 30)))
def test_boxes_are_numbered_as_they_are_met(regions: list[int]) -> None:
    numbers = number_boxes(regions, 0)
    met = [region for region in dict.fromkeys(regions) if region]
    assert [numbers[region] for region in met] == list(range(1, len(met) + 1))
    assert numbers[0] == 0


def test_a_name_is_never_absolute() -> None:
    assert relative_name("/home/somebody/a.jpg") == "a.jpg"
    assert relative_name("sub/a.jpg") == "sub/a.jpg"


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_can_be_read_on_its_ground() -> None:
    css = look("vsa.css").decode()
    light, dark = re.findall(r":root \{(.*?)\n *\}", css, re.DOTALL)[:2]
    for theme in (light, dark):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", theme))
        assert set(colours) >= {"paper", "ink", "soft", *(f"c{i}" for i in range(COLOURS + 1))}
        ground = luminance(colours["paper"])
        for name in ("ink", "soft", *(f"c{i}" for i in range(COLOURS + 1))):
            bright, dim = sorted((ground, luminance(colours[name])), reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, name  # WCAG 2, AA; the number's tag is the same pair
        assert len({colours[f"c{i}"] for i in range(COLOURS + 1)}) == COLOURS + 1


def test_nothing_is_loaded_from_elsewhere() -> None:
    for parts in (linked(), inlined("")):
        page = begin(Header("a"), parts) + card(PLATE, "photos/1.jpg", lambda _: "", "p1") + end(parts)
        assert not re.search(r"https?:", page)
        addresses = [e.attributes.get("src", e.attributes.get("href")) for e in read_page(page)]
        assert {address for address in addresses if address} <= {"vsa.css", "vsa.js", "photos/1.jpg", "#photographs"}
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
    assert not re.search(rb"url\((?!\"?data:|#)|@import|https?:", look("vsa.css"))
    assert not re.search(rb"https?:|fetch\(|import |innerHTML|eval\(", look("vsa.js"))
