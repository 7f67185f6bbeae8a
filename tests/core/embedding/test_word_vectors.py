"""Rows of W_w from a file of word vectors, the initial values of the others, and training of both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.conftest import Drawn
from vsa_cli.core.config import EmbedConfig, EmbedTraining, Unknown
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.model import read_embedding
from vsa_cli.core.embedding.sources import Sources
from vsa_cli.core.embedding.train import train_embedding
from vsa_cli.core.embedding.word_vectors import initialise_words, read_word_vectors
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.learning.corpora import PhotographSource
from vsa_cli.core.learning.loop import Step
from vsa_cli.core.learning.run import TrainingRequest
from vsa_cli.core.regions.store import RegionStore

FILE = "dog 3 4 0\n<unk> 9 9 9\n</s> 8 8 8\nsnow 0 0 15\ncat 1 1 1\n"


def vocabulary(unknown: Unknown = "drop") -> Vocabulary:
    return Vocabulary(("dog", "runs", "snow", "frisbee"), (9, 8, 7, 6), unknown)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "glove.txt"
    path.write_text(FILE)
    return path


def table(rows: int, size: int = 3) -> nn.Embedding:
    torch.manual_seed(0)
    return nn.Embedding(rows, size)


def test_known_rows_are_copied_and_others_are_scaled_to_the_mean_length(file: Path) -> None:
    words, given = vocabulary(), read_word_vectors(file, vocabulary())
    fresh, started = table(words.size).weight.detach(), table(words.size)
    initialise_words(started, given)
    weights = started.weight.detach()
    assert weights[words.encode(["dog", "snow"])].tolist() == [[3, 4, 0], [0, 0, 15]]
    absent = [Vocabulary.END, *words.encode(["runs", "frisbee"])]
    assert float(weights[absent].norm(dim=1).mean()) == pytest.approx((5 + 15) / 2, rel=1e-5)
    scales = weights[absent] / fresh[absent]
    torch.testing.assert_close(scales, torch.full_like(scales, float(scales[0, 0])))
    assert started.weight.requires_grad


def test_unk_is_copied_but_not_counted_as_covered(file: Path) -> None:
    words = vocabulary("unk")
    given, started = read_word_vectors(file, words), table(words.size)
    initialise_words(started, given)
    assert words.unk is not None
    assert started.weight[words.unk].tolist() == [9, 9, 9]
    assert (given.covered, given.words) == (2, 4)


def test_facts_contain_no_path(file: Path) -> None:
    given = read_word_vectors(file, vocabulary())
    assert given.facts() == {
        "file": "glove.txt", "form": "glove", "sha256": given.sha256, "covered": 2, "words": 4,
    }  # fmt: skip
    assert str(file.parent) not in str(given.facts())


def test_other_word_size_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="have size 3, those of the model 5"):
        initialise_words(table(5, 5), read_word_vectors(file, vocabulary()))


@pytest.mark.parametrize(
    ("text", "message"), [("cat 1 2\n", "none of the vocabulary's 4 words"), ("dog 0 0\n", "all zero")]
)
def test_file_without_useful_vectors_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "v.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_word_vectors(tmp_path / "v.txt", vocabulary())


def test_vectors_whose_squares_overflow_float32_stay_finite(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("dog 1e30 1e30\n")
    started = table(vocabulary().size, 2)
    initialise_words(started, read_word_vectors(tmp_path / "v.txt", vocabulary()))
    assert started.weight.isfinite().all()


MODEL = EmbedConfig(encoder="gru", similarity="cosine", word_size=3, hidden_size=12, size=12)
WORDS = "a 1 2 3\ncircle 3 -4 0\nred 0 0 0.5\n"


def trained(drawn: Drawn, folder: Path, *, tune: bool, kill: bool = False) -> dict[str, bytes]:
    """Train for three epochs, if `kill` interrupted in the second and resumed; the model's files."""
    corpus, regions = read_corpus(drawn.corpus), RegionStore(drawn.regions)
    (folder / "words.txt").write_text(WORDS)
    assert corpus.vocabulary is not None
    given = read_word_vectors(folder / "words.txt", corpus.vocabulary)
    training = EmbedTraining(
        loss="contrastive", optimizer="adam", learning_rate=1e-2, weight_decay=0.1, batch_size=40, epochs=3,
        tune_words=tune,
    )  # fmt: skip
    out, sources = folder / "embed", Sources((PhotographSource(corpus, regions),))
    asked = TrainingRequest(out, MODEL, training, "train", "val", False, 0, torch.device("cpu"), False)
    if kill:
        stream = train_embedding(sources, asked, given)
        assert any(isinstance(record, Step) and (record.epoch, record.step) == (2, 2) for record in stream)
        stream.close()
    list(train_embedding(sources, replace(asked, resume=kill), given))
    regions.close()
    return {name: (out / name).read_bytes() for name in ("config.json", "model.safetensors")}


@pytest.mark.parametrize("tune", [False, True])
def test_fixed_and_tuned_words_train_and_resume_bit_for_bit(drawn: Drawn, tmp_path: Path, tune: bool) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = trained(drawn, tmp_path / "whole", tune=tune)
    assert trained(drawn, tmp_path / "killed", tune=tune, kill=True) == whole
    (tmp_path / "whole" / "words.txt").unlink()  # a trained model does not need the file
    model = read_embedding(tmp_path / "whole" / "embed", torch.device("cpu"))
    rows = model.model.W_w.weight[model.vocabulary.encode(["a", "circle", "red"])].detach()
    given = torch.tensor([[1, 2, 3], [3, -4, 0], [0, 0, 0.5]])
    assert rows.equal(given) == (not tune)
    assert model.envelope.config["word_vectors"]["covered"] == 3
    assert model.envelope.config["training"]["tune_words"] == tune
    assert str(tmp_path) not in whole["config.json"].decode()
