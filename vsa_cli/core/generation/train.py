"""Training the generator: puts corpus, regions, model and loop together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from vsa_cli.core.config import GeneratorConfig, GeneratorTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.generation.artifact import FORMAT
from vsa_cli.core.generation.batches import Pairs, ordered_batches, shuffled_batches, whole_image_pairs
from vsa_cli.core.generation.model import Batch, Generator
from vsa_cli.core.learning.run import Request, run_training, vocabulary_of
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.training.loop import Epoch, Step

_MAX_NATS = 80.0  # e^80 is as good as infinite, and JSON has no infinity


class GeneratorTask:
    """Maximise the log-probability of each sentence given its image (paper, section 3.2)."""

    def __init__(self, model: Generator, train: Pairs, held_out: Pairs | None, start: int, batch_size: int) -> None:
        self.model = model
        self._train, self._held_out, self._start, self._size = train, held_out, start, batch_size
        self._device = model.W_hi.weight.device

    def batches(self, generator: torch.Generator) -> Iterable[Batch]:
        """Every training sentence once, in random order."""
        return shuffled_batches(self._train, self._size, self._start, generator)

    def loss(self, batch: Batch) -> tuple[Tensor, float, int]:
        """Negative log-likelihood in nats: a sentence's, on average, to descend; the batch's, to report."""
        nats = -self.model(batch.to(self._device)).sum()
        return nats / batch.batch_sizes[0], nats.item(), len(batch.targets)

    def validate(self) -> dict[str, float]:
        """`perplexity` per word (END counted) on the held-out sentences."""
        if self._held_out is None:
            return {}
        return {"perplexity": perplexity(self.model, self._held_out, self._start, self._device)}

    def merit(self, validation: dict[str, float]) -> float:
        """Lower perplexity is better."""
        return -validation["perplexity"]


@torch.inference_mode()
def perplexity(model: Generator, pairs: Pairs, start: int, device: torch.device) -> float:
    """Exp of the mean negative log-probability per word, END counted, in nats; at most e^80."""
    model.eval()
    nats = sum(-float(model(batch.to(device)).sum()) for batch in ordered_batches(pairs, 256, start))
    return math.exp(min(nats / pairs.steps, _MAX_NATS))


def train_generator(
    corpus: Corpus, regions: RegionStore, request: Request[GeneratorConfig, GeneratorTraining]
) -> Iterator[Step | Epoch]:
    """Train a generator on whole images and their sentences, writing `request.out` as it improves.

    Raises:
        ArtifactError: corpus and regions do not fit, or the run to continue was begun otherwise.
        DataError: nothing to train on, or the output cannot be written.
        DivergedError: the loss is not finite.
    """
    vocabulary = vocabulary_of(corpus)
    train = whole_image_pairs(corpus, regions, request.split, vocabulary)
    held_out = (
        whole_image_pairs(corpus, regions, request.validate, vocabulary) if request.validate is not None else None
    )
    torch.manual_seed(request.seed)
    model = Generator(request.model, regions.descriptor_size, vocabulary.size)
    model.start_from_data(train.target_counts(vocabulary.size), train.descriptors)
    model.to(request.device)
    settings = request.training
    optimizer = torch.optim.RMSprop(model.parameters(), lr=settings.learning_rate, alpha=settings.decay)
    task = GeneratorTask(model, train, held_out, vocabulary.start, settings.batch_size)
    yield from run_training(task, optimizer, request, FORMAT, corpus, regions, len(train.sentences))
