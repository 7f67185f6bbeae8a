"""`vsa align`: snippets that cover the sentences, scores that evaluate reads, and the importance of words."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.alignment.mrf import best_assignments
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def aligned(vsa: Run, drawn: Drawn, embed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aligned")
    files = ("-o", folder / "snippets.jsonl", "--scores", folder / "scores.jsonl", "--words", folder / "words.jsonl")
    result = vsa("align", embed, drawn.corpus, drawn.regions, "--split", "all", "--beta", 0.1, *files)
    assert result.exit_code == 0, result.output
    return folder


def test_snippets_cut_every_sentence_without_overlap(drawn: Drawn, aligned: Path) -> None:
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


def test_choices_are_the_mrfs_of_the_scores(aligned: Path) -> None:
    head, *sentences = lines(aligned / "scores.jsonl")
    assert head["config"] == {"split": "all", "beta": 0.1}
    assert len(sentences) == 150
    for sentence in sentences:
        scores = np.array(sentence["scores"])
        expected = best_assignments(scores[None], np.array([len(scores)]), 0.1)[0]
        chosen = np.array(sentence["choice"])
        total = [scores[np.arange(len(a)), a].sum() + 0.1 * (np.diff(a) == 0).sum() for a in (chosen, expected)]
        assert total[0] == pytest.approx(total[1], abs=1e-3)  # the file rounds scores


def test_words_have_their_importance(aligned: Path) -> None:
    table = lines(aligned / "words.jsonl")
    assert {row["word"] for row in table} >= {"red", "circle", "a"}
    magnitudes = [float(str(row["magnitude"])) for row in table]
    assert magnitudes == sorted(magnitudes, reverse=True)
    assert min(magnitudes) >= 0


def test_evaluate_knows_the_scores_file(vsa: Run, aligned: Path) -> None:
    result = vsa("evaluate", aligned / "scores.jsonl")
    assert result.exit_code == 2
    assert "--boxes" in result.stderr
