"""`vsa retrieve`: photographs for a sentence, sentences for a photograph, and the ranks of a split."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.conftest import Drawn
from tests.page_reader import read_page, with_class

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VSA_HOME", str(tmp_path / "home"))


def test_query_finds_photographs_of_its_colour(vsa: Run, drawn: Drawn, embed: Path) -> None:
    corpus = json.loads(drawn.corpus.read_text())
    text = {image["file"]: " ".join(s["raw"] for s in image["sentences"]) for image in corpus["images"]}
    hits = 0
    for colour in ("red", "green", "blue", "yellow"):
        query = f"a {colour} square"
        result = vsa("retrieve", query, drawn.photos, "--model", embed, "--top", 3, "--format", "jsonl")
        assert result.exit_code == 0, result.output
        records = [json.loads(line) for line in result.stdout.splitlines()]
        assert [record["rank"] for record in records] == [1, 2, 3]
        scores = [record["score"] for record in records]
        assert scores == sorted(scores, reverse=True)
        hits += sum(colour in text[Path(record["path"]).name] for record in records)
    assert hits >= 8, "of twelve photographs found, most have the requested colour"


def test_text_lines_have_score_and_path(vsa: Run, drawn: Drawn, embed: Path) -> None:
    result = vsa("retrieve", "a red circle", drawn.photos, "--model", embed, "--top", 2)
    score, path = result.stdout.splitlines()[0].split("\t")
    assert float(score) <= 1.0
    assert Path(path).parent == drawn.photos


def test_explanation_has_a_box_for_each_known_word(vsa: Run, drawn: Drawn, embed: Path) -> None:
    options = ("--model", embed, "--top", 1, "--explain", "--json")
    (record,) = json.loads(vsa("retrieve", "A red zeppelin!", drawn.photos, *options).stdout)
    assert [word["word"] for word in record["words"]] == ["a", "red"]
    assert all(0 <= word["box"][0] < word["box"][2] <= 128 for word in record["words"])


def test_explanation_in_text_follows_its_photograph(vsa: Run, drawn: Drawn, embed: Path) -> None:
    search = ("retrieve", "a red zeppelin", drawn.photos, "--model", embed, "--top", 2, "--explain")
    records = json.loads(vsa(*search, "--json").stdout)
    lines = vsa(*search).stdout.splitlines()
    found = [line.split("\t") for line in lines if not line.startswith("\t")]
    assert [path for _, path in found] == [record["path"] for record in records]
    explained = [line.split("\t")[1:] for line in lines if line.startswith("\t")]
    assert explained == [
        [word["word"], " ".join(f"{edge:.0f}" for edge in word["box"]), f"{word['score']:.4f}"]
        for record in records
        for word in record["words"]
    ]
    assert lines[1].startswith("\ta\t"), "the first photograph's words before the second photograph"


def test_photograph_ranks_sentences(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("a red circle on a white ground\nzeppelin\n\nthere is one blue square\n")
    options = ("--image", drawn.photos / "000.png", "--sentences", tmp_path / "s.txt", "--model", embed, "--json")
    result = vsa("retrieve", *options)
    records = json.loads(result.stdout)
    assert [record["sentence"] for record in records] == [
        "a red circle on a white ground", "there is one blue square", "zeppelin",
    ]  # fmt: skip
    assert (records[2]["score"], records[2]["unknown"]) == (None, ["zeppelin"])
    assert result.stderr == (
        "note: 1 of 3 sentences have unknown words; 1 without a known word are last; "
        "the model does not know 'zeppelin'; no similar word\n"
    )
    assert "unknown" not in records[0]


def test_unknown_words_of_a_query_are_reported(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    search = ("retrieve", "a redd circle, zeppelin", drawn.photos, "--model", embed, "--top", 2)
    result = vsa(*search, "--json")
    assert result.stderr == (
        "note: searched for 'a circle'; the model does not know "
        "'redd' (did you mean red?), 'zeppelin' (no similar word)\n"
    )
    assert [record["unknown"] for record in json.loads(result.stdout)] == 2 * [["redd", "zeppelin"]]
    assert vsa(*search, "--quiet").stderr == ""
    page = vsa(*search, "--format", "html")
    (facts,) = with_class(read_page(page.stdout), "facts")
    assert "unknown to the model: redd, zeppelin" in facts.text
    strict = vsa(*search, "--strict")
    assert (strict.exit_code, strict.stdout) == (1, "")
    assert strict.stderr == ("vsa: the model does not know 'redd' (did you mean red?), 'zeppelin' (no similar word)\n")
    known = vsa("retrieve", "A red circle!", drawn.photos, "--model", embed, "--strict", "--json")
    assert (known.exit_code, known.stderr) == (0, "")


@pytest.mark.parametrize("explain", [(), ("--explain",)])
def test_page_of_sentences_names_unknown_words(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path, explain: tuple[str, ...]
) -> None:
    (tmp_path / "s.txt").write_text("zeppelin airship\na red zeppelin\n")
    options = ("--image", drawn.photos / "000.png", "--sentences", tmp_path / "s.txt", "--model", embed)
    page = read_page(vsa("retrieve", *options, "--format", "html", *explain).stdout)
    (facts,) = with_class(page, "facts")
    assert "1 without a known word are last" in facts.text
    assert "unknown to the model: zeppelin, airship" in facts.text
    assert [line.text for line in with_class(page, "line")][-1].endswith("zeppelin airship")
    strict = vsa("retrieve", *options, "--strict")
    assert (strict.exit_code, strict.stdout, strict.stderr.count("\n")) == (1, "", 1)


@pytest.mark.parametrize("separator", [b"\0", b"\n", b"\r\n"])
def test_list_of_photographs_is_read_from_a_pipe(
    vsa_process: Callable[..., subprocess.CompletedProcess[bytes]], drawn: Drawn, embed: Path, separator: bytes
) -> None:
    names = [str(drawn.photos / name).encode() for name in ("000.png", "001.png")]
    null = ("-0",) if separator == b"\0" else ()
    done = vsa_process("retrieve", "a red circle", "-", *null, "-m", embed, input=separator.join([*names, b""]))
    assert {line.split(b"\t")[1] for line in done.stdout.splitlines()} == set(names)
    assert done.stderr == b""


def test_each_sentence_is_explained(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("A red circle.\nthere is one blue zeppelin\n")
    options = ("--image", drawn.photos / "000.png", "--sentences", tmp_path / "s.txt", "--model", embed, "--explain")
    records = json.loads(vsa("retrieve", *options, "--json").stdout)
    words = {record["sentence"]: [word["word"] for word in record["words"]] for record in records}
    assert words == {
        "A red circle.": ["a", "red", "circle"],
        "there is one blue zeppelin": ["there", "is", "one", "blue"],
    }
    page = read_page(vsa("retrieve", *options, "--format", "html").stdout)
    assert [line.text for line in with_class(page, "unknown")] == ["zeppelin"]
    assert len(with_class(page, "line")) == 2
    assert len(with_class(page, "card")) == 1


def test_page_is_one_file_and_equals_the_records(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    search = ("retrieve", "A red, red circle!", drawn.photos, "--model", embed, "--top", 4, "--explain")
    records = json.loads(vsa(*search, "--json").stdout)
    text = vsa(*search, "--format", "html").stdout
    found = read_page(text)
    assert [e.text for e in with_class(found, "rank")] == ["1", "2", "3", "4"]
    assert [e.text for e in with_class(found, "name")] == [Path(record["path"]).name for record in records]
    assert [e.text for e in found if e.tag == "h1"] == ["A red, red circle!"]
    scores = [float(w.attributes["data-s"].replace("−", "-")) for w in with_class(found, "w")]
    assert scores == pytest.approx([word["score"] for record in records for word in record["words"]], abs=6e-4)
    assert str(drawn.folder) not in text
    assert sum(e.tag == "img" for e in found) == 4
    plain = read_page(vsa(*search[:-1], "--format", "html").stdout)
    assert not with_class(plain, "w")
    assert not with_class(plain, "box")


def test_page_is_a_file_or_a_folder(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    search = ("retrieve", "a red circle", drawn.photos, "--model", embed, "--format", "html")
    assert vsa(*search, "-o", tmp_path / "found.html").exit_code == 0
    assert len(with_class(read_page((tmp_path / "found.html").read_text()), "card")) == 10
    assert vsa(*search, "-o", tmp_path / "found", "--top", 300).exit_code == 0
    assert len(with_class(read_page((tmp_path / "found" / "index.html").read_text()), "card")) == 48
    assert len(list((tmp_path / "found" / "photos").iterdir())) == 48
    for options, words in (
        (("-o", tmp_path / "found"), "--force"),
        (("-o", tmp_path / "found.html"), "--force"),
        (("--top", 300), "-o DIR"),
    ):
        result = vsa(*search, *options)
        assert result.exit_code == 2
        assert words in result.stderr
    split = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--model", embed, "--format", "html")
    assert vsa("retrieve", *split).exit_code == 2


def test_ranks_of_a_split_equal_those_of_training(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    out = tmp_path / "rankings.jsonl"
    options = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "dev", "--model", embed, "-o", out)
    assert vsa("retrieve", *options).exit_code == 0
    scores = json.loads(vsa("evaluate", out, "--json").stdout)
    kept = json.loads((embed / "config.json").read_text())["scores"]
    for name in ("i2t_R@1", "i2t_R@5", "t2i_R@1", "t2i_R@10", "t2i_medr", "rsum"):
        assert scores[name] == pytest.approx(kept[name])


def test_each_fold_is_searched_alone(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    out = tmp_path / "rankings.jsonl"
    split = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "all", "--model", embed, "-o", out)
    assert vsa("retrieve", *split, "--folds", 5).exit_code == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    galleries = [
        {line["query_id"] for line in lines if line["direction"] == "i2t" and line["fold"] == k} for k in range(5)
    ]
    assert sorted(map(len, galleries)) == [9, 9, 10, 10, 10]
    for line in lines:
        found = {str(answer).split("/")[0] for answer, _ in line["top"]}
        assert found <= galleries[line["fold"]]
    scores = json.loads(vsa("evaluate", out, "--folds", 5, "--json").stdout)
    assert scores["n_images"] == 48
    assert vsa("retrieve", *split, "--folds", 49, "--force").exit_code == 1


def test_unreadable_photograph_is_reported_and_the_rest_ranked(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    result = vsa("retrieve", "a red circle", drawn.photos / "000.png", tmp_path / "broken.jpg", "--model", embed)
    assert result.exit_code == 3
    assert "broken.jpg" in result.stderr
    assert result.stdout.count("\n") == 1


def test_second_query_is_served_from_the_cache(
    vsa: Run, drawn: Drawn, embed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = ("retrieve", "a red circle", drawn.photos, "--model", embed)
    first = vsa(*query).stdout
    monkeypatch.setattr("vsa_cli.core.regions.extractor.RegionExtractor.extract", lambda *_: pytest.fail("extracted"))
    assert vsa(*query).stdout == first


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "QUERY"),
        (("a dog",), 2, "photographs"),
        (("--image", "x.jpg"), 2, "--sentences"),
        (("--corpus", "c.json"), 2, "--regions-file"),
        (("--corpus", "c.json", "--regions-file", "r.h5", "--json"), 2, "--json goes with photographs"),
        (("--corpus", "c.json", "--regions-file", "r.h5", "--explain"), 2, "--explain goes with photographs"),
        (("--corpus", "c.json", "--regions-file", "r.h5", "--format", "text"), 2, "--format text goes with"),
        (("a dog", "x.jpg", "--folds", "2"), 2, "--folds goes with --corpus"),
        (("a dog", "x.jpg", "--split", "val"), 2, "--split goes with --corpus"),
        (("a dog", "x.jpg"), 1, "x.jpg"),
    ],
)
def test_usage_error_is_one_line(
    vsa: Run, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int, words: str
) -> None:
    monkeypatch.delenv("VSA_EMBED_MODEL", raising=False)
    result = vsa("retrieve", *options)
    assert result.exit_code == code
    assert words in result.stderr


def test_query_without_a_known_word_is_refused(vsa: Run, drawn: Drawn, embed: Path) -> None:
    result = vsa("retrieve", "zeppelin", drawn.folder / "not searched", "--model", embed)
    assert result.exit_code == 1
    assert result.stderr == "vsa: the model knows no word of 'zeppelin'\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("zeppelin\nairship\n", "s.txt: no sentence has a word that the model knows"),
        ("red " * 2501 + "\n", "s.txt, line 1: a sentence of 10004 characters; the limit is 10000"),
    ],
)
def test_sentences_that_cannot_be_ranked_are_refused(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "s.txt").write_text(text)
    options = ("--image", drawn.photos / "000.png", "--sentences", tmp_path / "s.txt", "--model", embed)
    result = vsa("retrieve", *options)
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_sentences_are_read_from_a_pipe_and_split_at_newlines_only(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    text = "\ufeffa red\u2028circle\r\n\n the square\x0cis blue"
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(text.encode()), daemon=True)
    writer.start()
    options = ("--image", drawn.photos / "000.png", "--sentences", tmp_path / "pipe", "--model", embed, "--json")
    result = vsa("retrieve", *options)
    writer.join()
    assert result.exit_code == 0, result.output
    found = {record["sentence"] for record in json.loads(result.stdout)}
    assert found == {"a red\u2028circle", " the square\x0cis blue"}


def test_endless_line_of_sentences_is_refused(vsa: Run, drawn: Drawn, embed: Path) -> None:
    options = ("--image", drawn.photos / "000.png", "--sentences", "/dev/zero", "--model", embed)
    result = vsa("retrieve", *options)
    assert result.exit_code == 1
    assert result.stderr.startswith("vsa: /dev/zero, line 1: longer than ")


def corpus_of(vsa: Run, drawn: Drawn, folder: Path, rows: str, top: int, side: int = 96) -> tuple[object, ...]:
    """Options of `vsa retrieve` for a new corpus with regions."""
    (folder / "c.csv").write_text(f"image,caption,split\n{rows}")
    corpus, regions = folder / "c.json", folder / "r.h5"
    grid = ("--detector", "grid", "--top", top, "--side", side, "-q")
    assert vsa("prep", folder / "c.csv", "--images", drawn.photos, "-o", corpus).exit_code == 0
    assert vsa("extract-regions", corpus, "-o", regions, *grid).exit_code == 0
    return ("--corpus", corpus, "--regions-file", regions, "-o", folder / "rankings.jsonl")


@pytest.mark.parametrize("top", [0, 3])
def test_split_of_one_image(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path, top: int) -> None:
    rows = "000.png,a red circle,val\n000.png,zeppelin,val\n"
    options = corpus_of(vsa, drawn, tmp_path, rows, top)
    result = vsa("retrieve", *options, "--model", embed)
    assert result.exit_code == 0, result.output
    _, *lines = [json.loads(line) for line in (tmp_path / "rankings.jsonl").read_text().splitlines()]
    assert [(line["direction"], line["best_rank"], len(line["top"])) for line in lines] == [
        ("i2t", 1, 1), ("t2i", 1, 1), ("t2i", 1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "side", "words"),
    [
        ("000.png,dogs run,val\n001.png,dogs dogs,val\n", 96, "no sentence with a word of the vocabulary"),
        ("000.png,a red circle,val\n", 64, "not described as the model needs (efficientnet_lite2, roi, side 96)"),
    ],
)
def test_split_that_does_not_fit_the_model_is_refused(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path, rows: str, side: int, words: str
) -> None:
    options = corpus_of(vsa, drawn, tmp_path, rows, 0, side)
    result = vsa("retrieve", *options, "--model", embed)
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "rankings.jsonl").exists()


@pytest.mark.cuda
@pytest.mark.parametrize("mode", ["images", "sentences", "split"])
def test_cuda_results_equal_cpu_results(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path, mode: str) -> None:
    (tmp_path / "s.txt").write_text("a red circle\nthere is one blue square\n")
    options: dict[str, tuple[object, ...]] = {
        "images": ("a red circle", drawn.photos, "--explain", "--json"),
        "sentences": ("--image", drawn.photos / "000.png", "--sentences", tmp_path / "s.txt", "--explain", "--json"),
        "split": ("--corpus", drawn.corpus, "--regions-file", drawn.regions),
    }
    found = {}
    for device in ("cpu", "cuda"):
        result = vsa("retrieve", *options[mode], "--model", embed, "--device", device, "--no-cache")
        assert result.exit_code == 0, result.output
        found[device] = result.stdout
    if mode == "split":
        assert found["cuda"].count("\n") == found["cpu"].count("\n")
        return
    one, other = ([record["score"] for record in json.loads(text)] for text in found.values())
    assert one == pytest.approx(other, abs=5e-3)


def test_query_without_a_word_is_refused(vsa: Run, drawn: Drawn, embed: Path) -> None:
    result = vsa("retrieve", "!!!", drawn.photos, "--model", embed)
    assert result.exit_code == 1
    assert "the query contains no word" in result.stderr


def test_plain_search_explains_nothing_and_builds_no_page(
    vsa: Run, drawn: Drawn, embed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsa_cli.core.alignment.embedder.locate_words", lambda *_: pytest.fail("explained"))
    monkeypatch.setattr("vsa_cli.output.html.cards.Card.__init__", lambda *_, **__: pytest.fail("built a card"))
    result = vsa("retrieve", "a red circle", drawn.photos, "--model", embed)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 10


@pytest.mark.parametrize("command", [("retrieve", "a dog", "x.jpg"), ("align", "x.jpg", "a dog")])
def test_old_variable_of_the_model_is_refused(
    vsa: Run, embed: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("VSA_EMBED", str(embed))
    result = vsa(*command)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "VSA_EMBED_MODEL" in result.stderr
    monkeypatch.setenv("VSA_EMBED_MODEL", str(embed))
    assert vsa(*command).exit_code == 1, "the model is read, and then x.jpg is missing"
