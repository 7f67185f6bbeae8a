"""`Embedder`: results equal those of the commands; failures are values or exceptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.alignment.embedder import Embedder, load_embedder
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.sources import FailedPhoto, expand

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def embedder(embed: Path, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return load_embedder(embed, device="cpu", cache=tmp_path_factory.mktemp("cache"), threads=1)


def test_search_equals_the_command(vsa: Run, drawn: Drawn, embed: Path, embedder: Embedder) -> None:
    with pytest.warns(UserWarning, match=r"^searched for 'a red'; the model does not know 'zeppelin'"):
        found = embedder.search("a red zeppelin", drawn.photos, top=5, explain=True)
    assert embedder.read_query("A red Zeppelin, zeppelin").unknown == ("zeppelin",)
    options = ("--model", embed, "--top", 5, "--explain", "--json")
    records = json.loads(vsa("retrieve", "a red zeppelin", drawn.photos, *options).stdout)
    assert [one.path for one in found] == [record["path"] for record in records]
    assert [round(one.score, 5) for one in found] == [record["score"] for record in records]
    assert [[(word.word, list(word.box), round(word.score, 5)) for word in one.words] for one in found] == [
        [(word["word"], word["box"], word["score"]) for word in record["words"]] for record in records
    ]


def test_search_without_explanation_has_no_words(drawn: Drawn, embedder: Embedder) -> None:
    paths = sorted(drawn.photos.iterdir())[:4]
    found = embedder.search("a red circle", paths)
    assert {one.path for one in found} == set(map(str, paths))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all((one.words, one.size) == ((), (128, 96)) for one in found)


def test_unreadable_photograph_is_left_out_of_a_search_with_a_warning(
    drawn: Drawn, embedder: Embedder, tmp_path: Path
) -> None:
    good, bad = drawn.photos / "000.png", tmp_path / "bad.jpg"
    bad.write_bytes(b"nothing")
    with pytest.warns(UserWarning, match=r"bad\.jpg"):
        found = embedder.search("a red circle", [bad, good])
    assert [one.path for one in found] == [str(good)]
    with pytest.warns(UserWarning, match=r"bad\.jpg"), pytest.raises(DataError, match="none of the photographs"):
        embedder.search("a red circle", bad)


def test_encode_all_yields_failures_in_order(drawn: Drawn, embedder: Embedder, tmp_path: Path) -> None:
    names = [str(drawn.photos / "001.png"), str(tmp_path / "missing.jpg"), str(drawn.photos / "000.png")]
    encoded = list(embedder.encode_all(expand(names, ())))
    assert [photo.path for photo, _ in encoded] == names
    assert [isinstance(regions, FailedPhoto) for _, regions in encoded] == [False, True, False]


def test_query_is_refused_before_photographs_are_read(embedder: Embedder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no word of 'zeppelin'"):
        embedder.search("zeppelin", tmp_path / "missing")
    with pytest.raises(DataError, match="contains no word"):
        embedder.read_query("!!!")


def test_rank_sentences_puts_those_without_a_known_word_last(drawn: Drawn, embedder: Embedder) -> None:
    sentences = ["a red circle", "zeppelin", "", "there is one blue square"]
    ranked = embedder.rank_sentences(drawn.photos / "000.png", sentences, explain=True)
    assert {one.sentence for one in ranked[:2]} == {"a red circle", "there is one blue square"}
    assert ranked[0].score is not None
    assert ranked[1].score is not None
    assert ranked[0].score >= ranked[1].score
    assert [(one.sentence, one.score, one.words, one.unknown) for one in ranked[2:]] == [
        ("zeppelin", None, (), ("zeppelin",)), ("", None, (), ()),
    ]  # fmt: skip
    assert {one.sentence: [word.word for word in one.words] for one in ranked}["a red circle"] == ["a", "red", "circle"]


def test_rank_sentences_equals_search(drawn: Drawn, embedder: Embedder) -> None:
    photo = drawn.photos / "003.png"
    for sentence in ("a red circle", "the square is blue"):
        (found,) = embedder.search(sentence, photo)
        (ranked,) = embedder.rank_sentences(photo, [sentence])
        assert found.score == pytest.approx(ranked.score, abs=1e-6)


def test_align_equals_the_command(vsa: Run, drawn: Drawn, embed: Path, embedder: Embedder) -> None:
    photo, sentences = drawn.photos / "002.png", ["a red circle on black", "zeppelin", "the square"]
    options = ("--beta", 0.1, "--evidence", "own", "-m", embed, "--json")
    records = json.loads(vsa("align", photo, *sentences, *options).stdout)
    aligned = embedder.align(photo, sentences, beta=0.1, evidence="own")
    assert [one.sentence for one in aligned] == sentences
    assert aligned[1].snippets == ()
    assert [(list(s.words), list(s.box), s.score) for one in aligned for s in one.snippets] == [
        (record["words"], record["box"], record["score"]) for record in records if record["words"]
    ]
    assert [one.unknown for one in aligned] == [(), ("zeppelin",), ()]


def test_align_takes_one_sentence(drawn: Drawn, embedder: Embedder) -> None:
    (aligned,) = embedder.align(drawn.photos / "002.png", "a red circle", beta=1e6)
    assert [snippet.words for snippet in aligned.snippets] == [("a", "red", "circle")]


def test_errors_are_exceptions(drawn: Drawn, embedder: Embedder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.jpg"):
        embedder.align(tmp_path / "missing.jpg", "a red circle")
    with pytest.raises(DataError, match="no word of 'zeppelin'"):
        embedder.align(drawn.photos / "000.png", "zeppelin")
    with pytest.raises(ConfigError):
        load_embedder(device="tpu")


def test_threads_are_those_of_the_process(embed: Path) -> None:
    before = torch.get_num_threads()
    try:
        load_embedder(embed, device="cpu", cache=False, threads=before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_cache_is_optional(embed: Path, drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSA_HOME", str(tmp_path / "home"))
    load_embedder(embed, cache=False).encode(drawn.photos / "000.png")
    assert not (tmp_path / "home").exists()
    load_embedder(embed).encode(drawn.photos / "000.png")
    assert (tmp_path / "home" / "cache").is_dir()
