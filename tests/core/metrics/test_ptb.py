"""The tokenizer against hand-made cases, against itself without cache, and against the Java tokenizer it replaces."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.metrics.ptb import DROPPED, Tokenizer, drop_punctuation, scan

CASES = {
    "A dog's tail": "a dog 's tail",
    "can't": "ca n't",
    "gonna wanna": "gon na wan na",
    "cannot GIMME lemme gotta": "can not gim me lem me got ta",
    "'tis": "'t is",
    "T-shirts;": "t-shirts",
    "(in red) [x] {y}": "-lrb- in red -rrb- -lsb- x -rsb- -lcb- y -rcb-",
    "50%": "50 %",
    "$5": "$ 5",
    "#1": "# 1",
    "5:30pm": "5:30 pm",
    "kids' toys": "kids toys",
    "e.g. u.s. 1/2 @home & / café": "e.g. u.s. 1/2 @home & / café",
    "-- ... \"quoted\" `` '' , . ! ? : ;": "quoted",
    "what?! no!!": "what ?! no !!",
    "": "",
    " . ": "",
    "dog.": "dog",
    "the end.The start": "the end.the start",
    "Mr. Smith, Jr. etc.": "mr. smith jr. etc.",
    "no. 5 and no. dog": "no. 5 and no dog",
    "U. The man": "u the man",
    "U. of it": "u. of it",
    "3,000 3.5 -5 5th 1950s '90s 90's": "3,000 3.5 -5 5th 1950s '90s 90 's",
    "black-and-white/brown a_b x--y ----- -ependent": "black-and-white/brown a_b x y ----- ependent",
    "rock 'n' roll o'clock y'all c'mon ma'am d'oh": "rock 'n' roll o'clock y' all c'mon ma'am d'oh",
    "n 'slide 's-eye-view": "n slide 's eye-view",
    "AT&T at&t R&B RIF=ding": "at&t at & t r&b rif = ding",
    "statefarm.com www.a.com x@y.com http://a.b/c?d=e": "statefarm.com www.a.com x@y.com http://a.b/c?d=e",
    "“curly” ‘single’ it’s don’t – — …": "curly single it 's do n't",
    "½ cup 5° €5 £5 5¢ x²": "1/2 cup 5 ° $ 5 # 5 5 cents x ²",
    "1 1/2 cups, (555) 123 4567": "1\u00a01/2 cups -lrb-555-rrb-\u00a0123\u00a04567",
    "<b>bold</b> &amp; &quot;x&quot;": "<b> bold </b> & x",
    ":) ;-( 10am . . . f# c": ":-rrb- ;--lrb- 10am f# c",
    "😀 dog ☺ 你好": "dog ☺ 你好",
    "two\nlines\r\nand\u2028more": "two lines and more",
}

_TEXT = (
    "dog cat's e.g. Mr. U.S. etc. 1/2 5:30 t-shirt can't n't 'n' don't cannot gonna \" ' '' `` ... -- . , ! ? "
    "( ) $5 50% #1 & AT&T a/b www.a.com x.jpg 90s '90s 3,000 3.5 no. fig. it's dogs' I'm rock'n'roll "
    "o'clock black-and-white :) 555 1234 1 U. S. p.m. 10am The A <b> a@b.c @me #tag x_y “a” it’s … – ½ €5 é"
)
HAZARDS = _TEXT.split()


@pytest.mark.parametrize(("sentence", "tokens"), CASES.items(), ids=map(repr, CASES))
def test_tokens_of_hand_made_cases(sentence: str, tokens: str) -> None:
    assert Tokenizer().tokenize([sentence]) == [tokens]


@given(st.lists(st.text(max_size=60), max_size=4))
def test_output_has_one_line_per_sentence_without_dropped_punctuation(sentences: list[str]) -> None:
    lines = Tokenizer().tokenize(sentences)
    assert len(lines) == len(sentences)
    for line in lines:
        assert not set(line.split(" ")) & DROPPED
        assert "\n" not in line
        assert "\r" not in line


@given(st.lists(st.sampled_from(HAZARDS), max_size=8))
def test_cached_pieces_have_the_tokens_of_their_line(words: list[str]) -> None:
    line = " ".join(words)
    assert Tokenizer().tokenize([line]) == [" ".join(drop_punctuation(scan(line)))]


def test_cache_changes_no_result() -> None:
    used = Tokenizer()
    first = used.tokenize(CASES)
    assert used.tokenize(CASES) == first == Tokenizer().tokenize(CASES)


def test_long_unusual_texts_take_little_time() -> None:
    for text in ("<a" + "  b" * 300 + "<", "a" * 20_000, "(" * 2_000, "a!" * 1_000, "-" * 5_000, "1" * 5_000 + " 1"):
        assert len(Tokenizer().tokenize([text])) == 1


def java(sentences: list[str]) -> list[str]:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    lines = PTBTokenizer().tokenize({number: [{"caption": s}] for number, s in enumerate(sentences)})
    return [lines[number][0] for number in range(len(sentences))]


@pytest.mark.java
def test_hand_made_cases_and_random_sentences_equal_java() -> None:
    """In one run of Java, which takes longer to start than to tokenize."""
    sentences = [sentence for sentence in CASES if "\u2028" not in sentence and sentence.strip()]
    for seed in range(3):
        rng = random.Random(seed)
        sentences += [" ".join(rng.choices(HAZARDS, k=rng.randint(1, 9))) for _ in range(2000)]
    assert Tokenizer().tokenize(sentences) == java(sentences)


@pytest.mark.java
@pytest.mark.flickr8k
def test_all_of_flickr8k_equals_java() -> None:
    token_file = Path(os.environ["VSA_FLICKR8K"]) / "Flickr8k_text" / "Flickr8k.token.txt"
    lines = token_file.read_text(encoding="utf-8").split("\n")
    sentences = [line.split("\t", 1)[1] for line in lines if "\t" in line]
    assert len(sentences) >= 35_000
    assert Tokenizer().tokenize(sentences) == java(sentences)
