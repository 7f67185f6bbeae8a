"""Scripts without spaces: words cut by characters, from prep to captions."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as PillowImage

from vsa_cli.core.config import PrepConfig
from vsa_cli.core.corpus.corpus import read_corpus, write_corpus
from vsa_cli.core.corpus.prepare import Prepared, prepare
from vsa_cli.core.corpus.tokenizer import join_words, tokenize
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError

CHINESE = "一只狗在雪地里奔跑"


def prepared(folder: Path, *, characters: bool) -> Prepared:
    PillowImage.new("RGB", (32, 32)).save(folder / "a.jpg")
    (folder / "captions.csv").write_text(f"image,caption\na.jpg,{CHINESE}\na.jpg,a dog runs\n", encoding="utf-8")
    config = PrepConfig(min_count=1, characters=characters)
    return prepare([folder / "captions.csv"], folder, config, split="train")


def test_a_script_without_spaces_is_noted_and_can_be_cut(tmp_path: Path) -> None:
    whole = prepared(tmp_path, characters=False)
    assert [note.kind for note in whole.notes] == ["unspaced"]
    assert "`characters`" in whole.notes[0].message
    assert CHINESE in whole.corpus.vocabulary.words  # type: ignore[union-attr]
    cut = prepared(tmp_path, characters=True)
    assert cut.notes == []
    assert [sentence.tokens for sentence in cut.corpus.images[0].sentences] == [tuple(CHINESE), ("a", "dog", "runs")]


def test_a_corpus_keeps_how_its_words_are_cut(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus.json", prepared(tmp_path, characters=True).corpus)
    vocabulary = read_corpus(tmp_path / "corpus.json").vocabulary
    assert vocabulary is not None
    assert vocabulary.characters
    ids = vocabulary.encode(vocabulary.tokenize(CHINESE))
    assert len(ids) == len(CHINESE)
    assert vocabulary.decode(ids) == CHINESE


def test_vocabularies_of_earlier_versions_have_no_characters() -> None:
    vocabulary = Vocabulary.from_dict({"unknown": "drop", "words": ["a"], "counts": [1]}, "old")
    assert not vocabulary.characters
    with pytest.raises(ArtifactError, match="characters"):
        Vocabulary.from_dict({"unknown": "drop", "characters": 1, "words": ["a"], "counts": [1]}, "bad")


@pytest.mark.parametrize(
    "sentence",
    [CHINESE, "犬が雪の中を走る", "สุนัขวิ่งในหิมะ", "a dog runs", "我 爱 dogs", "白い dog", "ខ្មែរ"],
)
def test_joined_characters_are_tokenized_alike(sentence: str) -> None:
    tokens = tokenize(sentence, characters=True)
    assert tokenize(join_words(tokens), characters=True) == tokens
    if " " not in sentence:
        assert join_words(tokens) == "".join(tokenize(sentence))


def test_english_is_not_cut() -> None:
    assert (
        tokenize("Two dogs' t-shirt!", characters=True) == tokenize("Two dogs' t-shirt!") == ("two", "dogs", "tshirt")
    )
