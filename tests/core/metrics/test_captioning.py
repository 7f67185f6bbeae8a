"""Caption metrics against pycocoevalcap's scorers, against all of pycocoevalcap with Java, and by their properties."""

from __future__ import annotations

import random
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsa_cli.core.metrics.captioning import (
    DocumentFrequencies,
    MetricScores,
    Pair,
    bleu,
    cider,
    count_documents,
    meteor,
    rouge,
)
from vsa_cli.core.metrics.meteor import Meteor
from vsa_cli.core.metrics.ptb import Tokenizer

_TEXT = "a dog's two men (red) T-shirt runs , jumps in the snow . grass - ball café 50% on can't with"
WORDS = _TEXT.split()

sentences = st.lists(st.sampled_from(tuple("abcdef")), min_size=4, max_size=9).map(" ".join)
pairs_drawn = st.lists(st.tuples(sentences, st.lists(sentences, min_size=1, max_size=3)), min_size=2, max_size=5)


def draw(count: int, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    """Random captions with one to five references each; some equal a reference, one is empty, one shares no word."""
    rng = random.Random(seed)
    references = [
        [" ".join(rng.choices(WORDS, k=rng.randint(3, 12))) for _ in range(rng.randint(1, 5))] for _ in range(count)
    ]
    captions = [rng.choice(one) if rng.random() < 0.3 else " ".join(rng.choices(WORDS, k=8)) for one in references]
    return ["", "zebras sing", *captions[2:]], references


def tokenised(captions: list[str], references: list[list[str]]) -> list[Pair]:
    tokenizer = Tokenizer()
    return [(tokenizer.tokenize([c])[0], tokenizer.tokenize(r)) for c, r in zip(captions, references, strict=True)]


def theirs(captions: dict[int, list[str]], references: dict[int, list[str]]) -> dict[str, tuple[float, list[float]]]:
    """The scores of tokenized texts, by pycocoevalcap's own classes."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    scores, each = Bleu(4).compute_score(references, captions, verbose=0)
    found = {f"BLEU-{n + 1}": (scores[n], list(each[n])) for n in range(4)}
    for name, scorer in (("ROUGE-L", Rouge()), ("CIDEr", Cider())):
        score, values = scorer.compute_score(references, captions)
        found[name] = (float(score), list(values))
    return found


def check(measured: MetricScores, golden: dict[str, tuple[float, list[float]]]) -> None:
    unit = measured.finish(measured.sums.sum(axis=0)[None])
    for name, score in measured.scores.items():
        assert score == pytest.approx(golden[name][0], abs=1e-9)
        assert measured.each[name].tolist() == pytest.approx(golden[name][1], abs=1e-9)
        assert unit[name][0] == pytest.approx(score, abs=1e-9), "the sums of all captions give the corpus score"


@pytest.mark.parametrize("count", [2, 60])
def test_scores_equal_those_of_pycocoevalcap(count: int) -> None:
    pairs = tokenised(*draw(count))
    golden = theirs({n: [c] for n, (c, _) in enumerate(pairs)}, {n: list(r) for n, (_, r) in enumerate(pairs)})
    for measured in (bleu(pairs), rouge(pairs), cider(pairs), cider(pairs, count_documents([r for _, r in pairs]))):
        check(measured, golden)


@pytest.fixture
def shared(jar: Meteor, monkeypatch: pytest.MonkeyPatch) -> Meteor:
    """The running METEOR, which `meteor` uses instead of a new process."""
    monkeypatch.setattr("vsa_cli.core.metrics.captioning.Meteor", lambda: nullcontext(jar))
    return jar


@pytest.mark.java
def test_scores_equal_all_of_pycocoevalcap_with_java(shared: Meteor, monkeypatch: pytest.MonkeyPatch) -> None:
    from pycocoevalcap.meteor.meteor import Meteor as TheirMeteor
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    captions, references = draw(60, seed=1)
    captions[0] = "a"  # their tokenizer loses count of lines where the last sentence of a file is empty
    their_captions = PTBTokenizer().tokenize({n: [{"caption": c}] for n, c in enumerate(captions)})
    their_references = PTBTokenizer().tokenize({n: [{"caption": r} for r in one] for n, one in enumerate(references)})
    pairs = tokenised(captions, references)
    golden = theirs(their_captions, their_references)
    for measured in (bleu(pairs), rouge(pairs), cider(pairs)):
        check(measured, golden)
    # their class exchanges lines with the running process: a second one would load its tables for many seconds
    running = shared._process
    with monkeypatch.context() as patch:
        patch.setattr("subprocess.Popen", lambda *_, **__: running)
        oracle = TheirMeteor()
    TheirMeteor.__del__ = lambda self: None  # it would end the process
    assert isinstance(running.args, list)
    assert running.args[-7:] == oracle.meteor_cmd[-7:], "the same program with the same arguments"
    corpus, each = oracle.compute_score(their_references, their_captions)
    ours = meteor(pairs)
    assert ours.scores["METEOR"] == corpus
    assert ours.each["METEOR"].tolist() == each
    check(ours, {"METEOR": (corpus, each)})


@pytest.mark.java
def test_resampled_meteor_equals_meteor_of_the_resample(shared: Meteor) -> None:
    pairs = tokenised(*draw(25, seed=2))
    pairs += [(pairs[9][1][0], pairs[9][1]), ("a dog", ["a dog"])]  # equal to a reference: no penalty
    measured = meteor(pairs)
    weights = np.random.default_rng(0).multinomial(len(pairs), [1 / len(pairs)] * len(pairs), size=3)
    for counts, found in zip(weights, measured.finish(weights @ measured.sums)["METEOR"], strict=True):
        drawn = [pair for pair, count in zip(pairs, counts, strict=True) for _ in range(count)]
        assert found == pytest.approx(shared.scores(shared.statistics(drawn))[1], abs=1e-12)


def test_bleu_equals_nltk() -> None:
    """Only captions of four words or more: for shorter ones NLTK counts an n-gram that does not exist."""
    translate = pytest.importorskip("nltk.translate.bleu_score")
    pairs = [(c, r) for c, r in tokenised(*draw(60)) if c.count(" ") > 2]
    captions, references = [c.split() for c, _ in pairs], [[one.split() for one in r] for _, r in pairs]
    for n, score in enumerate(bleu(pairs).scores.values(), start=1):
        assert translate.corpus_bleu(references, captions, weights=[1 / n] * n) == pytest.approx(score, abs=1e-9)


@settings(deadline=None)
@given(pairs_drawn, st.randoms())
def test_scores_do_not_depend_on_the_order_of_images(pairs: list[Pair], rng: random.Random) -> None:
    shuffled = rng.sample(pairs, len(pairs))
    for metric in (bleu, rouge, cider):
        for name, score in metric(pairs).scores.items():
            assert metric(shuffled).scores[name] == pytest.approx(score, abs=1e-12)


@settings(deadline=None)
@given(pairs_drawn)
def test_the_only_reference_is_the_best_caption(pairs: list[Pair]) -> None:
    captions, references = [caption for caption, _ in pairs], [[some[0]] for _, some in pairs]
    own = [(one[0], one) for one in references]
    counted = DocumentFrequencies(1000, {})  # every n-gram has a weight
    for metric in (bleu, rouge, lambda some: cider(some, counted)):
        best = metric(own)
        others = metric(list(zip(captions, references, strict=True)))
        for name, score in best.scores.items():
            assert score >= others.scores[name] - 1e-9
            assert (best.each[name] >= others.each[name] - 1e-9).all()


def test_cider_of_one_image_is_zero_without_other_document_frequencies() -> None:
    pairs = tokenised(["a dog runs in snow"], [["a dog runs in snow"]])
    assert cider(pairs).scores["CIDEr"] == 0
    assert cider(pairs, count_documents([["a dog runs in snow"], ["a man"]])).scores["CIDEr"] > 5


def test_scorers_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = tokenised(*draw(5))
    for metric in (bleu, rouge, cider):
        metric(pairs)
    assert capsys.readouterr() == ("", "")


def test_scoring_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["a", "dog", "runs", "in", "the", "snow", "with", "red", "ball", "and", "man", "on", "bike"]
    pick = random.Random(5)
    pairs = [
        (" ".join(pick.choices(words, k=6)), [" ".join(pick.choices(words, k=pick.randint(4, 9))) for _ in range(3)])
        for _ in range(25)
    ]
    whole = [bleu(pairs), cider(pairs)]
    monkeypatch.setattr("vsa_cli.core.metrics.captioning._CHUNK", 4)
    for one, other in zip(whole, [bleu(pairs), cider(pairs)], strict=True):
        assert other.scores == pytest.approx(one.scores, abs=1e-12)
        for name, values in one.each.items():
            np.testing.assert_allclose(other.each[name], values, atol=1e-12)
