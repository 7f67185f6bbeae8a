"""Names and the words that mention them: the longest phrase counts, and files are read as untrusted data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.labels.names import MAX_CHARACTERS, MAX_NAMES, MAX_PHRASES, Names, read_names

WORDS = {
    "person": ["person", "man", "men"],
    "man": ["man", "men"],
    "dog": ["dog", "dogs"],
    "hot dog": ["hot dog", "hot dogs"],
    "bear": ["bear"],
    "teddy bear": ["teddy bear", "teddy"],
}


def mentioned(sentence: str, names: Names) -> list[str]:
    return [names.names[number] for number in names.mentions(sentence.split())]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("a dog and a dog", ["dog"]),
        ("a man eats a hot dog", ["person", "man", "hot dog"]),
        ("a hot dog and hot dogs", ["hot dog"]),
        ("a hot day for a dog", ["dog"]),
        ("the dog is hot", ["dog"]),
        ("a teddy bear", ["teddy bear"]),
        ("a teddy and a bear", ["bear", "teddy bear"]),
        ("a toy dog show", []),
        ("nothing", []),
        ("", []),
    ],
)
def test_longest_phrase_counts(sentence: str, expected: list[str]) -> None:
    assert mentioned(sentence, Names(WORDS, ["dog show"])) == expected


def test_label_of_a_detector_is_a_name_or_mentions_one() -> None:
    names = Names({**WORDS, "dining table": ["table"], "table": ["desk"]})
    assert [names.names[number] for number in names.of_label("dining table")] == ["dining table"]
    assert [names.names[number] for number in names.of_label("Hot dogs")] == ["hot dog"]
    assert names.of_label("submarine") == ()


def test_bundled_names_mention_themselves_and_tell_compounds_apart() -> None:
    names = read_names()
    assert 150 <= len(names) <= 300
    assert mentioned("a man eats a hot dog with his teddy bear", names) == ["person", "hot dog", "teddy bear", "man"]
    assert mentioned("a baseball player swings a baseball bat", names)[:2] == ["person", "baseball bat"]
    assert "train" not in mentioned("a cow on the train tracks", names)
    assert "dog" not in mentioned("a chili dog", names)
    for number, name in enumerate(names.names):
        assert any(number in names.mentions(phrase.split()) for phrase in names.words[name]), name


def test_stored_names_are_read_back(tmp_path: Path) -> None:
    names = Names(WORDS, ["dog show"])
    path = tmp_path / "names.json"
    path.write_text(json.dumps(names.to_dict()))
    read = read_names(path)
    assert read.to_dict() == names.to_dict()
    assert read.mentions(["hot", "dog"]) == names.mentions(["hot", "dog"])


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"names": {}},
        {"names": ["dog"]},
        {"names": {"dog": "dog"}},
        {"names": {"dog": [1]}},
        {"names": {"dog": [""]}},
        {"names": {"dog": ["a  dog"]}},
        {"names": {"": ["dog"]}},
        {"names": {"do\0g": ["dog"]}},
        {"names": {"dog": ["do\x1bg"]}},
        {"names": {"dog": ["\ud800"]}},
        {"names": {"d" * (MAX_CHARACTERS + 1): ["dog"]}},
        {"names": {"dog": ["dog"]}, "other": "dog"},
        {"names": {"dog": ["dog"]}, "other": [None]},
        {"names": {str(number): ["dog"] for number in range(MAX_NAMES + 1)}},
        {"names": {"dog": ["dog"] * (MAX_PHRASES + 1)}},
    ],
)
def test_anything_else_is_refused(tmp_path: Path, data: object) -> None:
    path = tmp_path / "names.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match=r"names\.json"):
        read_names(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json"):
        read_names(tmp_path / "none.json")
