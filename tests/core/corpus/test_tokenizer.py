from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.corpus.tokenizer import has_no_spaces, tokenize


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("A dog's T-shirt .", ("a", "dogs", "tshirt")),
        ("two\tmen\nand\r\na\u00a0boat", ("two", "men", "and", "a", "boat")),
        ("7-up, 3rd_base & co", ("7up", "3rdbase", "co")),
        ("Ein HÜBSCHES Mädchen", ("ein", "hübsches", "mädchen")),
        ("Σκύλος; собака。犬", ("σκύλος", "собака犬")),
        ("…!? -- ''", ()),
        ("", ()),
        ("a\u200bb \u201cquoted\u201d \U0001f415", ("ab", "quoted")),
    ],
)
def test_tokens_of_the_paper(sentence: str, tokens: tuple[str, ...]) -> None:
    assert tokenize(sentence) == tokens


def test_tokens_do_not_depend_on_the_form_of_accents() -> None:
    assert tokenize(unicodedata.normalize("NFD", "café Ångström")) == tokenize("café Ångström") == ("café", "ångström")


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("कुत्ता पानी में है।", ("कुत्ता", "पानी", "में", "है")),
        ("একটি কুকুর", ("একটি", "কুকুর")),
        ("தமிழ் மொழி", ("தமிழ்", "மொழி")),
        ("หมาวิ่งบนหญ้า", ("หมาวิ่งบนหญ้า",)),
        ("כֶּלֶב רָץ", tuple(unicodedata.normalize("NFC", "כֶּלֶב רָץ").split())),
        ("كَلْبٌ يَجْرِي", ("كَلْبٌ", "يَجْرِي")),
        ("a \u0301 b ❤️ 1️⃣ 👍🏽", ("a", "b", "1")),
        ("x̂ = ŷ", ("x̂", "ŷ")),
    ],
)
def test_combining_marks_belong_to_their_letters(sentence: str, tokens: tuple[str, ...]) -> None:
    assert tokenize(sentence) == tokens


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("一只狗 runs fast", ("一", "只", "狗", "runs", "fast")),
        ("犬が走る。", ("犬", "が", "走", "る")),
        ("ที่บ้าน", ("ที่", "บ้", "า", "น")),
        ("T恤3件", ("t", "恤", "3", "件")),
        ("कुत्ता café", ("कुत्ता", "café")),
    ],
)
def test_scripts_without_spaces_are_cut_by_characters_on_request(sentence: str, tokens: tuple[str, ...]) -> None:
    assert tokenize(sentence, characters=True) == tokens


def test_scripts_without_spaces_are_recognised() -> None:
    assert all(map(has_no_spaces, ("一只狗", "犬が走る", "カメラ", "หมา", "ຫມາ", "ဆွေး", "ឆ្កែ")))
    assert not any(map(has_no_spaces, ("a dog", "कुत्ता", "собака", "한국어 개", "كلب", "")))


@given(st.text(), st.booleans())
def test_tokens_hold_letters_digits_and_marks_only_and_are_stable(sentence: str, characters: bool) -> None:
    tokens = tokenize(sentence, characters=characters)
    for token in tokens:
        assert token[0].isalnum()
        assert all(c.isalnum() or unicodedata.category(c) in ("Mn", "Mc") for c in token)
    assert tokenize(" ".join(tokens), characters=characters) == tokens


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_equals_filtering_character_by_character(sentence: str) -> None:
    kept = "".join(c for c in sentence.lower() if c.isspace() or "a" <= c <= "z" or "0" <= c <= "9")
    assert tokenize(sentence) == tuple(kept.split())
