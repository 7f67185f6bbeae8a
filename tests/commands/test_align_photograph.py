"""`vsa align PHOTO SENTENCE`: boxes for the words of sentences about one photograph."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.conftest import Drawn
from tests.page_reader import read_page, with_class

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def photo(drawn: Drawn) -> Path:
    return sorted(drawn.photos.iterdir())[0]


def test_every_known_word_gets_a_box_inside_the_photograph(vsa: Run, embed: Path, photo: Path) -> None:
    result = vsa("align", photo, "a Red circle, zyzzyva on black", "the square", "-m", embed, "--json")
    assert result.exit_code == 0, result.output
    snippets = json.loads(result.stdout)
    assert [w for s in snippets if s["sentence_id"] == "0" for w in s["words"]] == ["a", "red", "circle", "on", "black"]
    assert [w for s in snippets if s["sentence_id"] == "1" for w in s["words"]] == ["the", "square"]
    for snippet in snippets:
        left, top, right, bottom = snippet["box"]
        assert 0 <= left < right <= 128
        assert 0 <= top < bottom <= 96


def test_text_lines_have_words_box_and_score(vsa: Run, embed: Path, photo: Path, tmp_path: Path) -> None:
    result = vsa("align", photo, "a red circle", "-m", embed, "-o", tmp_path / "snippets.txt")
    assert (result.exit_code, result.stdout) == (0, "")
    rows = [line.split("\t") for line in (tmp_path / "snippets.txt").read_text().splitlines()]
    assert " ".join(words for words, _, _ in rows) == "a red circle"
    assert all(len(box.split(" ")) == 4 for _, box, _ in rows)


@pytest.mark.parametrize("name", ["page.html", "pages"])
def test_the_page_shows_photograph_and_words(vsa: Run, embed: Path, photo: Path, tmp_path: Path, name: str) -> None:
    result = vsa("align", photo, "a red circle", "-m", embed, "--html", tmp_path / name)
    assert result.exit_code == 0, result.output
    file = tmp_path / name if name.endswith(".html") else tmp_path / name / "index.html"
    found = read_page(file.read_text())
    assert len(with_class(found, "card")) == 1
    (line,) = with_class(found, "line")
    assert [word for word in ("a", "red", "circle") if word in line.text] == ["a", "red", "circle"]


def test_alignment_equals_that_of_a_stored_split(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    split = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "val", "--model", embed)
    assert vsa("align", *split, "-o", tmp_path / "s.jsonl").exit_code == 0
    corpus = json.loads(drawn.corpus.read_text())
    image = next(image for image in corpus["images"] if image["split"] == "val")
    written = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()[1:]]
    first = [s for s in written if s["image_id"] == image["image_id"]]
    sentences = [sentence["raw"] for sentence in image["sentences"]]
    mine = json.loads(vsa("align", drawn.photos / image["file"], *sentences, "-m", embed, "--json").stdout)
    assert [(s["words"], s["box"]) for s in mine] == [(s["words"], s["box"]) for s in first]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ((), 2, "PHOTO"),
        (("{photo}",), 2, "SENTENCE"),
        (("{photo}", "a red circle", "--corpus", "c.json", "--regions-file", "r.h5"), 2, "PHOTO"),
        (("{photo}", "a red circle", "--split", "val"), 2, "--split"),
        (("{photo}", "a red circle", "--scores", "s.jsonl"), 2, "--scores"),
        (("{photo}", "zyzzyva"), 1, "no word"),
        (("nowhere.jpg", "a red circle"), 1, "nowhere.jpg"),
        (("--corpus", "corpus.json"), 2, "--regions-file"),
        (("--corpus", "corpus.json", "--regions-file", "regions.h5", "--json"), 2, "--json"),
        (("corpus.json", "regions.h5"), 2, "--corpus CORPUS --regions-file REGIONS"),
        (("{embed}", "corpus.json", "regions.h5"), 2, "--model EMBED"),
    ],
)
def test_usage_error_is_one_line(
    vsa: Run, embed: Path, photo: Path, arguments: tuple[str, ...], code: int, word: str
) -> None:
    given = [argument.format(photo=photo, embed=embed) for argument in arguments]
    result = vsa("align", *given, "-m", embed)
    assert result.exit_code == code
    assert word in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_unknown_words_are_reported(vsa: Run, embed: Path, photo: Path, tmp_path: Path) -> None:
    sentences = ("a redd circle", "zyzzyva", "the square")
    result = vsa("align", photo, *sentences, "-m", embed, "--json", "--html", tmp_path / "page.html")
    assert result.stderr == (
        "note: aligned 'a circle' of 'a redd circle', nothing of 'zyzzyva'; the model does not know "
        "'redd' (did you mean red?), 'zyzzyva' (no similar word)\n"
    )
    records = json.loads(result.stdout)
    by_sentence = {record["sentence_id"]: record for record in records}
    assert by_sentence["0"]["unknown"] == ["redd"]
    assert by_sentence["1"]["unknown"] == ["zyzzyva"]
    assert (by_sentence["1"]["words"], by_sentence["1"]["box"], by_sentence["1"]["score"]) == ([], None, None)
    assert "unknown" not in by_sentence["2"]
    (facts,) = with_class(read_page((tmp_path / "page.html").read_text()), "facts")
    assert "unknown to the model: redd, zyzzyva" in facts.text
    strict = vsa("align", photo, *sentences, "-m", embed, "--strict")
    assert (strict.exit_code, strict.stdout, strict.stderr.count("\n")) == (1, "", 1)
    text = vsa("align", photo, *sentences, "-m", embed, "--quiet")
    assert text.stderr == ""
    assert all(len(line.split("\t")) == 3 for line in text.stdout.splitlines())
