"""Training of the alignment model on a corpus and its regions."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import torch
from torch import Tensor

from vsa_cli.core.config import EmbedConfig, EmbedTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.device import has_fast_bfloat16
from vsa_cli.core.embedding.batches import Batch, Pairs, pack, read_pairs, shuffled_batches
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.score import contrastive_loss, ranking_loss
from vsa_cli.core.embedding.search import combined_scores, recall_both_ways, score_pairs
from vsa_cli.core.embedding.word_vectors import WordVectors, initialise_words
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import EMBEDDING
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.run import TrainingRequest, run_training, vocabulary_of
from vsa_cli.core.regions.store import RegionStore

_SAMPLE = 500  # images, and sentences, by which the initial weights are scaled


class EmbeddingTask:
    """Training to score each image and its own sentence above all other pairs (paper, section 3.1.3)."""

    def __init__(self, model: Embedding, train: Pairs, held_out: Pairs | None, training: EmbedTraining) -> None:
        self.model = model
        self._train, self._held_out, self._training = train, held_out, training
        self._device = model.W_m.weight.device
        self._bfloat16 = has_fast_bfloat16(self._device)

    def batches(self, generator: torch.Generator) -> Iterable[Batch]:
        """Every training sentence once, in random order."""
        return shuffled_batches(self._train, self._training.batch_size, generator)

    def loss(self, batch: Batch) -> tuple[Tensor, float, int]:
        """The loss: equation 9, summed over the batch, or the mean cross-entropy per pair; and its sum to report."""
        moved = batch.to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            S = combined_scores(self.model, moved.packed, moved.regions)
        pairs = len(moved.image)
        if self._training.loss == "hinge":
            loss = ranking_loss(S, moved.image, self._training.margin)
            return loss, loss.item(), pairs
        loss = contrastive_loss(S, moved.image, self._training.temperature)
        return loss, loss.item() * pairs, pairs

    def validate(self) -> dict[str, float]:
        """Recalls and ranks in both directions on the validation split."""
        if self._held_out is None:
            return {}
        scores = score_pairs(self.model, self._held_out)
        return recall_both_ways(scores, self._held_out.image.numpy(), len(self._held_out.out_of_vocabulary))

    def selection_metric(self, validation: dict[str, float]) -> float:
        """The sum of the six recalls."""
        return validation["rsum"]


def train_embedding(
    corpus: Corpus,
    regions: RegionStore,
    request: TrainingRequest[EmbedConfig, EmbedTraining],
    word_vectors: WordVectors | None = None,
) -> Generator[Step | Epoch, None, Epoch | None]:
    """Train an alignment model, and write `request.out` each time it improves.

    Args:
        corpus: the images and sentences.
        regions: the regions of the images.
        request: what to train, and how.
        word_vectors: initial word vectors of the model's word size; None draws random ones.

    Returns:
        The epoch whose weights are kept.

    Raises:
        ArtifactError: corpus and regions are inconsistent, or the settings differ from those of the run to resume.
        DataError: there is nothing to train on, or the output cannot be written.
        DivergedError: the training has diverged.
    """
    vocabulary = vocabulary_of(corpus)
    train = read_pairs(corpus, regions, request.split, vocabulary)
    if len(torch.unique(train.image)) < 2:
        raise DataError(f"split {request.split}: only one image has sentences; training needs two or more")
    held_out = read_pairs(corpus, regions, request.validate, vocabulary) if request.validate is not None else None
    torch.manual_seed(request.seed)
    model = Embedding(request.model, regions.descriptor_size, vocabulary.size)
    if word_vectors is not None:
        initialise_words(model.W_w, word_vectors)
    model.W_w.weight.requires_grad_(request.training.tune_words)
    model.initialise(train.regions[:_SAMPLE].float().flatten(0, 1), pack(train.sentences[:_SAMPLE]))
    model.to(request.device)
    task = EmbeddingTask(model, train, held_out, request.training)
    sources = {"word_vectors": word_vectors.facts()} if word_vectors is not None else None
    return (yield from run_training(task, request, EMBEDDING, corpus, regions, len(train.sentences), sources))
