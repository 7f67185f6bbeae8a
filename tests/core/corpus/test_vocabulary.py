from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.config import Unknown
from vsa_cli.core.corpus.vocabulary import END, Vocabulary
from vsa_cli.core.errors import ArtifactError

SENTENCES = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8), max_size=20)
UNKNOWN = st.sampled_from(["drop", "unk"])


def test_words_are_sorted_by_count_then_alphabetically_and_ids_follow() -> None:
    vocabulary = Vocabulary.build([["b", "a", "c"], ["c", "b", "a", "z"], ["c"]], 2, "drop")
    assert vocabulary.words == ("c", "a", "b")
    assert vocabulary.counts == (3, 2, 2)
    assert vocabulary.encode(["a", "z", "b", "c"]) == [2, 3, 1]
    assert (vocabulary.size, vocabulary.start, vocabulary.unk, vocabulary.END) == (4, 4, None, 0)


def test_unknown_words_become_unk_the_last_id() -> None:
    vocabulary = Vocabulary.build([["a", "a", "b"]], 2, "unk")
    assert (vocabulary.size, vocabulary.unk, vocabulary.start) == (3, 2, 3)
    assert vocabulary.encode(["b", "a", "never"]) == [2, 1, 2]
    assert vocabulary.decode([1, 2, END, 1]) == "a <unk>"


def test_decode_stops_at_end_and_raises_on_invalid_ids() -> None:
    vocabulary = Vocabulary(("a", "b"), (2, 1), "drop")
    assert vocabulary.decode([2, 1, END, 2]) == "b a"
    assert vocabulary.decode([]) == ""
    for number in (vocabulary.start, -1, 99):
        with pytest.raises(ValueError, match="not a word"):
            vocabulary.decode([number])


def test_vocabulary_without_words_has_end_only() -> None:
    vocabulary = Vocabulary.build([["a"]], 2, "drop")
    assert (vocabulary.size, vocabulary.encode(["a"])) == (1, [])


@given(SENTENCES, st.integers(1, 4), UNKNOWN)
def test_build_equals_counter(sentences: list[list[str]], min_count: int, unknown: Unknown) -> None:
    vocabulary = Vocabulary.build(sentences, min_count, unknown)
    counts = Counter(token for tokens in sentences for token in tokens)
    kept = {word: count for word, count in counts.items() if count >= min_count}
    assert dict(zip(vocabulary.words, vocabulary.counts, strict=True)) == kept
    assert list(vocabulary.words) == sorted(kept, key=lambda word: (-kept[word], word))


@given(SENTENCES, st.integers(1, 4), UNKNOWN)
def test_decode_inverts_encode(sentences: list[list[str]], min_count: int, unknown: Unknown) -> None:
    vocabulary = Vocabulary.build(sentences, min_count, unknown)
    for tokens in sentences:
        ids = vocabulary.encode(tokens)
        assert all(0 < number < vocabulary.size for number in ids)
        known = [token if token in vocabulary.words else "<unk>" for token in tokens]
        expected = known if unknown == "unk" else [word for word in known if word != "<unk>"]
        assert vocabulary.decode([*ids, END]).split() == expected


@given(SENTENCES, UNKNOWN)
def test_json_round_trip(sentences: list[list[str]], unknown: Unknown) -> None:
    vocabulary = Vocabulary.build(sentences, 1, unknown)
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict())), "x") == vocabulary


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": "other"}, {"unknown": []}, {"words": None}, {"words": "ab"}, {"words": ["a", "a"]},
        {"words": ["a", ""]}, {"words": ["a", "b c"]}, {"words": ["a", 3]}, {"words": ["a", ["b"]]}, {"counts": [2]},
        {"counts": [2, 0]}, {"counts": [2, True]}, {"counts": [2, 1.0]}, {"counts": None},
    ],
)  # fmt: skip
def test_damage_raises_one_line_with_the_file_name(change: dict[str, Any]) -> None:
    sound: dict[str, Any] = {"unknown": "drop", "words": ["a", "b"], "counts": [2, 1]}
    with pytest.raises(ArtifactError, match=r"^gen/config\.json: damaged vocabulary \(.*\)$"):
        Vocabulary.from_dict({**sound, **change}, "gen/config.json")


@pytest.mark.parametrize("data", [None, [], "words", 3])
def test_other_values_raise(data: object) -> None:
    with pytest.raises(ArtifactError):
        Vocabulary.from_dict(data, "x")


@pytest.mark.parametrize("unknown", ["drop", "unk"])
def test_unknown_words_are_described_with_similar_ones(unknown: Unknown) -> None:
    vocabulary = Vocabulary(("zebra", "dog", "bread"), (3, 2, 1), unknown)
    assert vocabulary.unknown_among(["zebras", "dog", "qqq", "zebras"]) == ("zebras", "qqq")
    assert vocabulary.describe_unknown(["zebras"]) == "'zebras'; did you mean zebra?"
    assert vocabulary.describe_unknown(["qqq"]) == "'qqq'; no similar word"
    assert vocabulary.describe_unknown(["zebras", "qqq"]) == "'zebras' (did you mean zebra?), 'qqq' (no similar word)"
    assert vocabulary.describe_unknown([*"tuvwxyz"]).endswith("'x' (no similar word) and 2 more")
    assert [vocabulary.knows(word) for word in ("dog", "zebras", "<unk>")] == [True, False, False]
