"""Training of the alignment model on corpora and their regions."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

import torch
from torch import Tensor

from vsa_cli.core.config import EmbedConfig, EmbedTraining
from vsa_cli.core.device import Precision, products_in, resolve_precision
from vsa_cli.core.embedding.batches import Batch, Packed, Pairs, pack, shuffled_batches
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.score import contrastive_loss, ranking_loss
from vsa_cli.core.embedding.search import combined_scores, recall_both_ways, score_pairs, shared_scores
from vsa_cli.core.embedding.sources import Sources
from vsa_cli.core.embedding.word_vectors import WordVectors, initialise_words
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.envelope import EMBEDDING
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.model_dir import Trained, widened
from vsa_cli.core.learning.reading import IN_MEMORY, Reading
from vsa_cli.core.learning.run import TrainingRequest, run_training
from vsa_cli.core.ranks import ALONE, Ranks
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import describe_images, rounded, stored_tail, trainable

_SAMPLE = 500  # images, and sentences, by which the initial weights are scaled, from all corpora together


class EmbeddingTask:
    """Training to score each image and its own sentence above all other pairs (paper, section 3.1.3)."""

    def __init__(
        self,
        model: Embedding,
        train: Sequence[Pairs],
        held_out: Sequence[Pairs | None],
        training: EmbedTraining,
        reading: Reading = IN_MEMORY,
        ranks: Ranks = ALONE,
        precision: Precision | None = None,
    ) -> None:
        """`train` and `held_out` are in the order of the corpora; without a first held-out one nothing is validated."""
        self.model = model
        self._train, self._held_out, self._training = train, held_out, training
        self._reading, self._ranks = reading, ranks
        self._device = model.W_m.weight.device
        self._precision = resolve_precision(precision, self._device)

    def batches(self, generator: torch.Generator) -> Iterable[Batch]:
        """The sentences of all corpora, each as often as its weight requires, in random order."""
        tuned = self.model.cnn is not None
        size, ranks = self._training.batch_size, self._ranks
        return shuffled_batches(self._train, size, generator, mapped=tuned, reading=self._reading, ranks=ranks)

    def loss(self, batch: Batch) -> tuple[Tensor, float, int]:
        """The loss: equation 9, summed over the batch, or the mean cross-entropy per pair; and its sum to report.

        All processes compute the loss of the whole batch; the first reports it.
        """
        moved = batch.to(self._device)
        # in float32: in bfloat16 the maps of the CNN differ by some percent
        regions = moved.regions if self.model.cnn is None else describe_images(self.model.cnn, moved.mapped)
        with products_in(self._precision, self._device):
            if moved.shared is None:
                S = combined_scores(self.model, moved.packed, regions)
            else:
                S = shared_scores(self.model, moved.packed, regions, moved.shared, self._ranks)
        pairs = len(moved.image)
        if self._training.loss == "hinge":
            loss = ranking_loss(S, moved.image, self._training.margin)
            reported = loss.item()
        else:
            loss = contrastive_loss(S, moved.image, self._training.temperature)
            reported = loss.item() * pairs
        return loss, reported if self._ranks.first else 0.0, pairs

    def validate(self) -> dict[str, float]:
        """Recalls and ranks in both directions on the validation split of the first corpus, and of the others.

        The names of the latter start with `also1_`, `also2_`, ..., in their order.
        """
        if not self._held_out or self._held_out[0] is None:
            return {}
        found: dict[str, float] = {}
        tail = None if self.model.cnn is None else rounded(self.model.cnn)  # as the model directory will hold it
        for number, held_out in enumerate(self._held_out):
            if held_out is not None:
                pairs = held_out if tail is None else held_out.described_by(tail)
                recalls = recall_both_ways(
                    score_pairs(self.model, pairs), pairs.image.numpy(), len(pairs.out_of_vocabulary)
                )
                found |= {f"also{number}_{name}" if number else name: value for name, value in recalls.items()}
        return found

    def selection_metric(self, validation: dict[str, float]) -> float:
        """The sum of the six recalls of the first corpus."""
        return validation["rsum"]


def train_embedding(
    sources: Sources,
    request: TrainingRequest[EmbedConfig, EmbedTraining],
    word_vectors: WordVectors | None = None,
    start: Trained[Embedding] | None = None,
) -> Generator[Step | Epoch, None, Epoch | None]:
    """Train an alignment model, and write `request.out` each time it improves.

    Args:
        sources: the images, their sentences and regions.
        request: what to train, and how.
        word_vectors: initial word vectors of the model's word size; None draws random ones.
        start: a trained model whose weights, with those of its CNN's tail, are the initial ones.

    Returns:
        The epoch whose weights are kept.

    Raises:
        ArtifactError: corpora and regions are inconsistent, or the settings differ from those of the run to resume or
            of the model to start from.
        DataError: there is nothing to train on, or the output cannot be written.
        DivergedError: the training has diverged.
        EndedError: another process of the run has ended.
    """
    tuned = request.training.cnn_rate > 0
    sources.check(tune_cnn=tuned)
    first = sources.first
    vocabulary = sources.vocabulary(request.split) if start is None else start.vocabulary
    train = sources.train(request.split, vocabulary, request.seed)
    torch.manual_seed(request.seed)
    model = Embedding(request.model, first.regions.descriptor_size, vocabulary.size)
    if word_vectors is not None:
        initialise_words(model.W_w, word_vectors)
    model.W_w.weight.requires_grad_(request.training.tune_words)
    if start is not None:
        _check_start(start, request.model, first.regions, tune_cnn=tuned)
    model.initialise(*_sample(train))
    if start is not None:
        model.load_state_dict(widened(start.model.state_dict(), model))
    if tuned:
        model.cnn = trainable(start.tail if start is not None and start.tail else stored_tail(first.regions))
    model.to(request.device)
    held_out = sources.held_out(request.validate, vocabulary)
    task = EmbeddingTask(model, train, held_out, request.training, sources.reading, request.ranks, request.precision)
    recorded = sources.record()
    if word_vectors is not None:
        recorded["word_vectors"] = word_vectors.facts()
    if start is not None:
        recorded["start"] = {"sha256": start.sha256}
    count = sum(pairs.drawn for pairs in train)
    return (
        yield from run_training(
            task, request, EMBEDDING, first.corpus, first.regions, count, recorded, vocabulary=vocabulary
        )
    )


def _check_start(start: Trained[Embedding], config: EmbedConfig, regions: RegionStore, *, tune_cnn: bool) -> None:
    where = str(regions.path)
    if start.model.config != config:
        raise ArtifactError("the model to start from has a different configuration than the requested one")
    spec = start.feature_spec.with_details_of(regions.envelope, where)
    if not (tune_cnn and spec.same_trunk(regions.envelope, where)):
        spec.require_from(regions.envelope, where)


def _sample(train: Sequence[Pairs]) -> tuple[Tensor, Packed]:
    """(S, D) float32 descriptors of all regions of some images, as many of each corpus, and as many sentences."""
    share = _SAMPLE // len(train)
    descriptors = [pairs.regions[:share].float().flatten(0, 1) for pairs in train]
    return torch.cat(descriptors), pack([words for pairs in train for words in pairs.sentences[:share]])
