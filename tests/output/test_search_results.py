"""Search results as text, JSON and JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path

from vsa_cli.core.alignment.align import WordBox
from vsa_cli.core.alignment.embedder import FoundPhoto, RankedSentence
from vsa_cli.core.io.sources import Photo
from vsa_cli.output.search_results import format_photos, format_sentences

WORD = WordBox("dog", (1.25, 2.5, 30.0, 40.75), 0.123456)
FOUND = [
    FoundPhoto(Photo("a\tb.jpg", "a", Path("a\tb.jpg")), 0.5, (WORD,), (64, 48), "0"),
    FoundPhoto(Photo("c.jpg", "c", Path("c.jpg")), 0.25, (), (64, 48), "1"),
]


def test_text_has_score_and_escaped_path_and_then_words() -> None:
    assert list(format_photos(FOUND, "text")) == ["0.5000\ta\\tb.jpg", "\tdog\t1 2 30 41\t0.1235", "0.2500\tc.jpg"]


def test_json_lines_and_json_have_the_same_records() -> None:
    records = [
        {
            "rank": 1,
            "path": "a\tb.jpg",
            "score": 0.5,
            "words": [{"word": "dog", "box": [1.25, 2.5, 30.0, 40.75], "score": 0.12346}],
        },
        {"rank": 2, "path": "c.jpg", "score": 0.25},
    ]
    assert [json.loads(line) for line in format_photos(FOUND, "jsonl")] == records
    assert json.loads("\n".join(format_photos(FOUND, "json"))) == records


def test_sentences_are_named_sentence() -> None:
    ranked = [RankedSentence("a dog", 1.0, ())]
    assert list(format_sentences(ranked, "text")) == ["1.0000\ta dog"]
    assert json.loads(next(format_sentences(ranked, "jsonl"))) == {"rank": 1, "sentence": "a dog", "score": 1.0}


def test_unknown_words_are_in_the_records_and_a_sentence_of_them_is_last() -> None:
    ranked = [RankedSentence("a zebra", 0.5, (), ("zebra",)), RankedSentence("zebra", None, (), ("zebra",))]
    assert list(format_sentences(ranked, "text")) == ["0.5000\ta zebra", "-\tzebra\tno known word"]
    records = [json.loads(line) for line in format_sentences(ranked, "jsonl")]
    assert records == [
        {"rank": 1, "sentence": "a zebra", "score": 0.5, "unknown": ["zebra"]},
        {"rank": 2, "sentence": "zebra", "score": None, "unknown": ["zebra"]},
    ]
    assert all(json.loads(line)["unknown"] == ["zebra"] for line in format_photos(FOUND, "jsonl", ("zebra",)))
