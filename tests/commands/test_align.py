"""`vsa align --corpus`: snippets that cover the sentences, scores that evaluate reads, importance of words, pages."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from tests.conftest import Drawn
from tests.page_reader import read_page, with_class
from vsa_cli.core.alignment.mrf import best_assignments
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.io.envelope import to_dict
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.output.console import Console

Run = Callable[..., Result]


def align(vsa: Run, embed: Path, corpus: Path, regions: Path, *options: object) -> Result:
    return vsa("align", "--corpus", corpus, "--regions-file", regions, "--model", embed, *options)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def aligned(vsa: Run, drawn: Drawn, embed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aligned")
    files = ("-o", folder / "snippets.jsonl", "--scores", folder / "scores.jsonl", "--words", folder / "words.jsonl")
    result = align(vsa, embed, drawn.corpus, drawn.regions, "--split", "all", "--beta", 0.1, *files)
    assert result.exit_code == 0, result.output
    return folder


def test_snippets_cover_every_sentence_without_overlap(drawn: Drawn, aligned: Path) -> None:
    head, *snippets = lines(aligned / "snippets.jsonl")
    assert head["format"] == "vsa-snippets"
    assert set(head["parents"]) == {"corpus", "regions", "embedding"}  # type: ignore[call-overload]
    store = RegionStore(drawn.regions)
    for image in read_corpus(drawn.corpus).images:
        for sentence in image.sentences:
            mine = [s for s in snippets if (s["image_id"], s["sentence_id"]) == (image.key, sentence.sentence_id)]
            words = [word for snippet in mine for word in snippet["words"]]  # type: ignore[attr-defined]
            assert words == list(sentence.tokens)  # every word of the drawn corpus is known
            assert [s["start"] for s in mine[1:]] == [s["end"] for s in mine[:-1]]
            assert all(a["region"] != b["region"] for a, b in itertools.pairwise(mine))
            for snippet in mine:
                box = store[image.key].boxes[int(str(snippet["region"]))]
                assert snippet["box"] == pytest.approx(box.tolist(), abs=0.01)


def test_choices_maximise_the_mrf_of_the_scores(aligned: Path) -> None:
    head, *sentences = lines(aligned / "scores.jsonl")
    assert head["config"] == {"split": "all", **to_dict(AlignConfig(beta=0.1))}
    assert len(sentences) == 150
    for sentence in sentences:
        scores = np.array(sentence["scores"])
        expected = best_assignments(scores[None], np.array([len(scores)]), 0.1)[0]
        chosen = np.array(sentence["choice"])
        total = [scores[np.arange(len(a)), a].sum() + 0.1 * (np.diff(a) == 0).sum() for a in (chosen, expected)]
        assert total[0] == pytest.approx(total[1], abs=1e-3)  # the file rounds scores


def test_train_gen_is_suggested_only_if_the_snippets_suffice(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suggested: list[tuple[str | Path, ...]] = []
    monkeypatch.setattr(Console, "suggest", lambda _, *command: suggested.append(command))
    assert read_corpus(drawn.corpus).validation_split("auto") is not None
    for split, expected in (("train", 0), ("all", 1)):
        result = align(vsa, embed, drawn.corpus, drawn.regions, "--split", split, "-o", tmp_path / f"{split}.jsonl")
        assert result.exit_code == 0, result.output
        assert len(suggested) == expected


def test_words_are_sorted_by_importance(aligned: Path) -> None:
    table = lines(aligned / "words.jsonl")
    assert {row["word"] for row in table} >= {"red", "circle", "a"}
    magnitudes = [float(str(row["magnitude"])) for row in table]
    assert magnitudes == sorted(magnitudes, reverse=True)
    assert min(magnitudes) >= 0


def test_evaluate_recognises_the_word_scores_file(vsa: Run, aligned: Path) -> None:
    result = vsa("evaluate", aligned / "scores.jsonl")
    assert result.exit_code == 2
    assert "--boxes" in result.stderr


def test_pages_show_the_snippets(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    options = ("--split", "val", "-o", tmp_path / "snippets.jsonl", "--html", tmp_path / "album")
    result = align(vsa, embed, drawn.corpus, drawn.regions, *options)
    assert result.exit_code == 0, result.output
    cards = read_page((tmp_path / "album" / "index.html").read_text())
    _, *snippets = lines(tmp_path / "snippets.jsonl")
    images = read_corpus(drawn.corpus).split("val")
    assert [name.text for name in with_class(cards, "name")] == [image.file for image in images]
    written = [" ".join(sentence.raw.split()) for image in images for sentence in image.sentences]
    numbers = [e.text for e in cards if e.tag == "sup"]
    sentences = []
    for line in with_class(cards, "line"):
        text = line.text
        for run in [e for e in line.children[-1].children if "run" in e.classes]:
            text = text.replace(run.text, run.text.removesuffix(run.children[-1].text), 1)
        sentences.append(text)
    assert sentences == written
    assert len(numbers) == len(snippets), "every snippet is a run with a number"
    assert [n == "0" for n in numbers] == [snippet["region"] == 0 for snippet in snippets]
    assert len(list((tmp_path / "album" / "photos").iterdir())) == len(images)


def test_missing_photograph_is_reported_and_its_sentences_are_shown(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path
) -> None:
    shutil.copytree(drawn.photos, tmp_path / "photos")
    shutil.copy(drawn.corpus, tmp_path / "corpus.json")
    shutil.copy(drawn.regions, tmp_path / "regions.h5")
    first, second = read_corpus(drawn.corpus).images[:2]
    (tmp_path / "photos" / first.file).unlink()
    shutil.copy(drawn.photos / first.file, tmp_path / "photos" / second.file)
    options = ("--split", "all", "-o", tmp_path / "s.jsonl", "--html", tmp_path / "album", "--html-limit", 3)
    result = align(vsa, embed, tmp_path / "corpus.json", tmp_path / "regions.h5", *options)
    assert result.exit_code == 3
    assert first.file in result.stderr
    assert f"{second.file}: has changed" in result.stderr
    found = read_page((tmp_path / "album" / "index.html").read_text())
    assert len(with_class(found, "card")) == 3
    assert len(with_class(found, "gone")) == 2
    assert len(lines(tmp_path / "s.jsonl")) > 100, "the limit applies to the pages only"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--html-limit", 3), "--html"),
        (("--html", "{}"), "not empty"),
        (("--html", "{}", "--force"), "captions.csv"),
        (("--html", "{}/album", "--scores", "{}/album/scores.jsonl"), "put it elsewhere"),
    ],
)
def test_pages_replace_nothing_but_pages(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    given = [str(option).replace("{}", str(drawn.folder)) for option in options]
    result = align(vsa, embed, drawn.corpus, drawn.regions, "-o", tmp_path / "snippets.jsonl", *given)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / "snippets.jsonl").exists()


@pytest.fixture(scope="module")
def odd(vsa: Run, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of one image, one of whose sentences has no known word, and regions of other kinds."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "c.csv").write_text("image,caption,split\n000.png,a red circle,val\n000.png,zeppelin,val\n")
    grid = ("--detector", "grid", "-q")
    steps = (
        ("prep", folder / "c.csv", "--images", drawn.photos, "-o", folder / "one.json"),
        ("extract-regions", folder / "one.json", "-o", folder / "one.h5", "--top", 3, "--side", 96, *grid),
        ("extract-regions", folder / "one.json", "-o", folder / "single.h5", "--top", 0, "--side", 96, *grid),
        ("extract-regions", folder / "one.json", "-o", folder / "small.h5", "--top", 0, "--side", 64, *grid),
    )
    for step in steps:
        result = vsa(*step)
        assert result.exit_code == 0, result.output
    return folder


def align_val(vsa: Run, embed: Path, corpus: Path, regions: Path, out: Path, *options: object) -> Result:
    return align(vsa, embed, corpus, regions, "--split", "val", "-o", out / "s.jsonl", *options)


@pytest.mark.parametrize("regions", ["one.h5", "single.h5"])
def test_one_image_with_a_sentence_of_unknown_words(
    vsa: Run, embed: Path, odd: Path, tmp_path: Path, regions: str
) -> None:
    files = ("--scores", tmp_path / "scores.jsonl", "--words", tmp_path / "w.jsonl", "--html", tmp_path / "album")
    result = align_val(vsa, embed, odd / "one.json", odd / regions, tmp_path, *files)
    assert result.exit_code == 0, result.output
    assert "of 2 sentences; 1 had no known word" in result.stderr
    _, *snippets = lines(tmp_path / "s.jsonl")
    assert {snippet["sentence_id"] for snippet in snippets} == {"000.png#0"}
    assert regions != "single.h5" or [snippet["region"] for snippet in snippets] == [0]
    assert len(with_class(read_page((tmp_path / "album" / "index.html").read_text()), "line")) == 2


def test_mismatched_regions_are_refused_and_nothing_is_written(
    vsa: Run, drawn: Drawn, embed: Path, odd: Path, tmp_path: Path
) -> None:
    for corpus, regions, words in (
        (odd / "one.json", odd / "small.h5", "not described as the model needs (efficientnet_lite2, roi, side 96)"),
        (drawn.corpus, odd / "one.h5", "extract its regions first"),
    ):
        result = align_val(vsa, embed, corpus, regions, tmp_path)
        assert result.exit_code == 1
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
        assert not list(tmp_path.iterdir())


def test_page_and_snippets_must_be_two_files(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    result = vsa("align", drawn.photos / "000.png", "red circle", "--model", embed, "-o", out, "--html", out)
    assert result.exit_code == 2
    assert "two outputs" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--scores", "--words"])
def test_one_file_for_two_outputs_is_refused(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path, option: str) -> None:
    out = tmp_path / "s.jsonl"
    result = align(vsa, embed, drawn.corpus, drawn.regions, "-o", out, option, out)
    assert result.exit_code == 2
    assert "two outputs" in result.stderr
    assert not list(tmp_path.iterdir())


def test_corpus_of_unknown_words_has_no_snippets(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("image,caption,split\n000.png,dogs run,val\n001.png,one dog,train\n")
    made = ("prep", tmp_path / "c.csv", "--images", drawn.photos, "-o", tmp_path / "c.json", "--min-count", 1)
    assert vsa(*made).exit_code == 0
    result = align_val(vsa, embed, tmp_path / "c.json", drawn.regions, tmp_path)
    assert result.exit_code == 0
    assert "0 snippets of 1 sentences; 1 had no known word" in result.stderr


@pytest.mark.cuda
def test_cuda_alignment_equals_cpu_alignment(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    found = {}
    for device in ("cpu", "cuda"):
        folder = tmp_path / device
        folder.mkdir()
        options = ("--device", device, "--scores", folder / "scores.jsonl", "--html", folder / "album")
        result = align_val(vsa, embed, drawn.corpus, drawn.regions, folder, *options)
        assert result.exit_code == 0, result.output
        found[device] = lines(folder / "scores.jsonl")[1:]
    for one, other in zip(found["cpu"], found["cuda"], strict=True):
        assert np.array(one["scores"]) == pytest.approx(np.array(other["scores"]), abs=5e-3)


def test_regions_of_another_photograph_are_refused(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    corpus = json.loads(drawn.corpus.read_text())
    corpus["images"][0]["sha256"] = "0" * 64
    other = tmp_path / "corpus.json"
    other.write_text(json.dumps(corpus))
    result = align(vsa, embed, other, drawn.regions, "--split", "all", "-o", tmp_path / "snippets.jsonl")
    assert result.exit_code == 1
    assert "differs from that of the corpus" in result.stderr
    assert not (tmp_path / "snippets.jsonl").exists()
