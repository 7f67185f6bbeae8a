"""`vsa align PHOTO SENTENCE`: no corpus, one photograph, boxes for what was said."""

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


def test_text_has_words_box_and_score(vsa: Run, embed: Path, photo: Path, tmp_path: Path) -> None:
    result = vsa("align", photo, "a red circle", "-m", embed, "-o", tmp_path / "said.txt")
    assert (result.exit_code, result.stdout) == (0, "")
    rows = [line.split("\t") for line in (tmp_path / "said.txt").read_text().splitlines()]
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


def test_it_is_the_corpus_forms_alignment(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    """The same photograph and sentence, through regions.h5 and looked at on the spot."""
    assert vsa("align", embed, drawn.corpus, drawn.regions, "-o", tmp_path / "s.jsonl", "--split", "val").exit_code == 0
    corpus = json.loads(drawn.corpus.read_text())
    image = next(image for image in corpus["images"] if image["split"] == "val")
    written = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()[1:]]
    first = [s for s in written if s["image_id"] == image["image_id"]]
    said = [sentence["raw"] for sentence in image["sentences"]]
    mine = json.loads(vsa("align", drawn.photos / image["file"], *said, "-m", embed, "--json").stdout)
    assert [(s["words"], s["box"]) for s in mine] == [(s["words"], s["box"]) for s in first]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("{photo}",), 2, "sentence"),
        (("{photo}", "a red circle", "--split", "val"), 2, "--split"),
        (("{photo}", "a red circle", "--scores", "s.jsonl"), 2, "--scores"),
        (("{photo}", "zyzzyva"), 1, "no word"),
        (("nowhere.jpg", "a red circle"), 1, "nowhere.jpg"),
        (("corpus.json",), 2, "regions.h5"),
        (("corpus.json", "regions.h5", "--json"), 2, "--json"),
        (("{embed}", "corpus.json", "regions.h5", "-m", "{embed}"), 2, "two models"),
    ],
)
def test_wrong_usage_is_told_in_a_line(
    vsa: Run, embed: Path, photo: Path, arguments: tuple[str, ...], code: int, word: str
) -> None:
    given = [argument.format(photo=photo, embed=embed) for argument in arguments]
    model = () if "-m" in given else ("-m", embed)
    if given[0] == str(embed):
        model = ()
    result = vsa("align", *given, *model)
    assert result.exit_code == code
    assert word in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1 or "none of" in result.stderr
