"""Training by several processes, which must equal that by one: losses, weights, and dropout masks.

The processes are forked by a server that has loaded PyTorch, and talk by gloo; each run trains everything in turn.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from vsa_cli.core.config import (
    EMBED_PRESETS,
    GENERATOR_PRESETS,
    SELF_CRITICAL,
    GeneratorConfig,
    LabellerConfig,
    LabellerTraining,
)
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.device import resolve_device
from vsa_cli.core.embedding import batches as embedding_batches
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.train import EmbeddingTask
from vsa_cli.core.errors import ArtifactError, ConfigError, MissingError
from vsa_cli.core.generation import batches as generation_batches
from vsa_cli.core.generation.decoder import build_generator
from vsa_cli.core.generation.self_critical import ReferencedImages, SelfCriticalTask
from vsa_cli.core.generation.tags import DrawnTags, GivenTags, Rates
from vsa_cli.core.generation.train import GeneratorTask
from vsa_cli.core.labels.labeller import Labeller
from vsa_cli.core.labels.targets import Known
from vsa_cli.core.labels.train import LabellerRequest, LabellerTask
from vsa_cli.core.learning.distributed import GradientSum, from_first, gathered, start_together
from vsa_cli.core.learning.loop import Epoch, Schedule, Task, TrainingState, fit, make_optimizer
from vsa_cli.core.learning.reading import Reading
from vsa_cli.core.ranks import ALONE, Ranks, ranks_of
from vsa_cli.core.regions.image_regions import MappedImage

D, R, V = 6, 4, 12
WORDS = Vocabulary(tuple("abcdefghijk"), tuple(range(11, 0, -1)), "drop")
NAMES = ("dog", "cat", "ball")
BATCH = 8
SENTENCES, TEXTS = 50, 8
"""Of photographs, and without: an epoch has 58, and its last batch 2, which are fewer than three processes."""


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sentences(count: int, seed: int) -> tuple[tuple[int, ...], ...]:
    rng = np.random.default_rng(seed)
    return tuple(tuple(rng.integers(1, V, rng.integers(1, 9)).tolist()) for _ in range(count))


class Maps:
    """The maps of images, as a regions file has them."""

    def mapped(self, name: str, *, mirrored: bool) -> MappedImage:
        boxes = np.array([[0, 0, 8, 8], [0, 0, 4, 4], [2, 2, 6, 8]][: 2 + int(name) % 2], np.float32)
        return MappedImage(draw(4, 4, 3, seed=int(name) + 23 * mirrored).numpy().astype(np.float16), boxes, 8, 8)


class Tail(nn.Module):
    """A CNN's tail of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, D, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.head(maps))


def embedding(preset: str, ranks: Ranks, *, tuned: bool = False, mirrored: bool = False) -> Task[Any]:
    config, training = EMBED_PRESETS[preset]  # type: ignore[index]
    training = replace(training, batch_size=BATCH, cnn_rate=1e-3 if tuned else 0.0)
    torch.manual_seed(0)
    model = Embedding(replace(config, word_size=4, hidden_size=5, size=7), D, V)
    image = torch.arange(SENTENCES + TEXTS) % 23
    words = sentences(len(image), 1)
    ids = tuple(map(str, range(23)))
    store: Any = Maps()
    pairs = embedding_batches.Pairs(ids, draw(23, R, D).half(), image, words, ("",) * len(words), (), store=store)
    pairs = replace(pairs, mirrored=draw(23, R, D, seed=1).half())
    model.initialise(pairs.regions.float().flatten(0, 1), embedding_batches.pack(words))
    if tuned:
        model.cnn = Tail()  # type: ignore[assignment]
    return EmbeddingTask(model, [pairs], [], training, Reading(mirrored=mirrored), ranks)


def generator(preset: str, ranks: Ranks, *, mirrored: bool = False) -> Task[Any]:
    config, training = GENERATOR_PRESETS[preset]  # type: ignore[index]
    config = replace(config, word_size=4, hidden_size=8)
    descriptors = draw(23, R, D) if config.attention else draw(23, D)
    image, words = torch.arange(SENTENCES) % 23, sentences(SENTENCES, 2)
    train = [generation_batches.Pairs(descriptors, image, words, V, mirrored=-descriptors)]
    if config.attention:
        config = replace(config, tags=2, names=NAMES)
        rates = Rates(torch.full((3,), 0.7), torch.full((3,), 0.2))
        drawn = DrawnTags(tuple((row % 3,) for row in range(TEXTS)), rates, 2)
        train = [
            replace(train[0], tags=GivenTags(torch.arange(46).view(23, 2) % 4)),
            generation_batches.Pairs(None, torch.arange(TEXTS), sentences(TEXTS, 3), V, drawn),
        ]
    torch.manual_seed(0)
    model = build_generator(config, D, V)
    model.initialise([1] * V, draw(46, D))
    training = replace(training, batch_size=BATCH)
    return GeneratorTask(model, train, [], training, Reading(mirrored=mirrored), ranks)


def self_critical(ranks: Ranks) -> Task[Any]:
    torch.manual_seed(0)
    config = GeneratorConfig("gru", 4, 8, 0.3, attention=2)
    references = tuple((" ".join(text), "a b") for text in ("ab", "bcd", "ca", "dab", "fgh") * 3)
    images = ReferencedImages(draw(15, R, D).half(), references, WORDS.start)
    training = replace(SELF_CRITICAL, batch_size=7, samples=2)
    return SelfCriticalTask(build_generator(config, D, WORDS.size), WORDS, [images], [], training, ranks=ranks)


def labeller(ranks: Ranks) -> Task[Any]:
    torch.manual_seed(0)
    model = Labeller(LabellerConfig(NAMES, 5), D, 0.5)
    known = Known(draw(25, R, D).half(), (draw(25, 3) > 0).float(), torch.ones(25, 3))
    names: Any = None
    training = LabellerTraining(batch_size=BATCH)
    request = LabellerRequest(Path(), names, model.config, training, "train", None, 0, torch.device("cpu"), ranks=ranks)
    return LabellerTask(model, known, known, request)


CASES: dict[str, Callable[[Ranks], Task[Any]]] = {
    "train-embed, best": lambda ranks: embedding("best", ranks),
    "train-embed, paper": lambda ranks: embedding("paper", ranks),
    "train-embed, CNN": lambda ranks: embedding("best", ranks, tuned=True),
    "train-embed, mirrored": lambda ranks: embedding("best", ranks, mirrored=True),
    "train-embed, CNN, mirrored": lambda ranks: embedding("best", ranks, tuned=True, mirrored=True),
    "train-gen, mirrored": lambda ranks: generator("best", ranks, mirrored=True),
    "train-gen, best": lambda ranks: generator("best", ranks),
    "train-gen, paper": lambda ranks: generator("paper", ranks),
    "train-gen, CIDEr": self_critical,
    "train-labels": labeller,
}

LONG = {"train-embed, best": 7, "train-gen, best": 7}
"""Trainings of more than two epochs."""

Result = tuple[list[float], dict[str, np.ndarray[Any, Any]]]


def trained(task: Task[Any], ranks: Ranks, epochs: int) -> Result:
    """The mean loss after each step, and the weights at the end."""
    training = getattr(task, "_training", None)
    if training is None:
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(task.model.parameters(), lr=1e-3)
    else:
        optimizer = make_optimizer(task.model, training)
    state = TrainingState(task.model, optimizer)
    schedule = Schedule(optimizer.param_groups[0]["lr"], 5.0, epochs, epochs, 8, keep_last=True)
    with patch.object(type(task), "validate", lambda self: {}):
        records = list(fit(task, state, schedule, 0, lambda: None, ranks))
    losses = [record.loss for record in records if not isinstance(record, Epoch)]
    return losses, {name: value.detach().numpy() for name, value in task.model.state_dict().items()}


def everything(ranks: Ranks) -> dict[str, Result]:
    torch.set_num_threads(1)
    # where bfloat16 is fast, products are not precise enough for the comparison
    with patch("vsa_cli.core.device.has_fast_bfloat16", lambda device: False):
        return {name: trained(case(ranks), ranks, LONG.get(name, 2)) for name, case in CASES.items()}


def pieces(ranks: Ranks) -> dict[str, Any]:
    """What the processes tell each other, apart from training."""
    device = torch.device("cpu")
    own = torch.full((2 * ranks.rank, 3), float(ranks.rank), requires_grad=True)
    counts = [2 * rank for rank in range(ranks.size)]
    together = gathered(own, counts, ranks, summed=True)
    torch.autograd.backward(together.sum() * (ranks.rank + 1))
    assert own.grad is not None
    used, unused, half = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    model = nn.ModuleList([used, unused, half])
    used.weight.grad = torch.tensor([[1.0 + ranks.rank]])
    if ranks.first:
        half.weight.grad = torch.tensor([[5.0]])
    loss = GradientSum(model, ranks)(2.5 * ranks.rank)
    nn.init.constant_(used.weight, float(ranks.rank))
    start_together(model, {"seed": 1}, ranks)
    try:
        start_together(model, {"epochs": ranks.rank}, ranks)
        refused = ""
    except ArtifactError as error:
        refused = str(error)
    return {
        "gathered": together.tolist(),
        "gradient": own.grad.tolist(),
        "summed": [None if one.weight.grad is None else one.weight.grad.item() for one in (used, unused, half)],
        "loss": loss,
        "weight": used.weight.item(),
        "refused": refused,
        "measured": from_first(lambda: {"rsum": 0.1 + ranks.rank, "also": float("inf")}, ranks, device),
    }


def work(rank: int, size: int, port: int, answers: Any) -> None:
    """One process of a run."""
    store = dist.TCPStore("127.0.0.1", port, timeout=timedelta(seconds=120))  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=120))
    ranks = Ranks(rank, size, rank)
    try:
        answers.put((rank, pieces(ranks), everything(ranks)))
    except Exception:
        answers.put((rank, traceback.format_exc(), {}))
    answers.close()
    answers.join_thread()
    dist.destroy_process_group()


Answers = list[tuple[int, dict[str, Any], dict[str, Result]]]


class Run:
    """A run of several processes."""

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("forkserver")
        # the optimisers would otherwise import the latter in each process, which takes seconds
        context.set_forkserver_preload([__name__, "torch._dynamo"])
        self._store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
        self._answers = context.Queue()
        arguments = [(rank, size, self._store.port, self._answers) for rank in range(size)]
        self._workers = [context.Process(target=work, args=own) for own in arguments]
        for worker in self._workers:
            worker.start()

    def answers(self) -> Answers:
        """What each process has found, in their order."""
        found = []
        for _ in self._workers:
            found.append(self._answers.get(timeout=240))
            assert isinstance(found[-1][1], dict), found[-1][1]
        return sorted(found, key=lambda one: one[0])

    def end(self) -> None:
        """Wait for the processes, and kill those that hang."""
        for worker in self._workers:
            worker.join(10)
            worker.kill()


NO_EFFECT = [(f"train-gen, {training}", "key.bias") for training in ("best", "CIDEr", "mirrored")]
"""A bias of all keys shifts the scores of a softmax alike: its gradient is only rounding, which Adam scales up."""


def test_training_equals_that_of_one_process() -> None:
    runs = [Run(size) for size in (2, 3)]
    try:
        alone = everything(ALONE)
        for run in runs:
            check(run.answers(), alone)
    finally:
        for run in runs:
            run.end()


def check(run: Answers, alone: dict[str, Result]) -> None:
    """Compare what the processes of a run have found with what one alone has found."""
    differences = {}
    for rank, found, trainings in run:
        check_pieces(rank, len(run), found)
        for name, (own_losses, own) in trainings.items():
            losses, weights = alone[name]
            assert len(losses) >= (50 if name in LONG else 6), name
            differences[name, "loss", rank] = np.abs(np.subtract(own_losses, losses) / np.maximum(1, np.abs(losses)))
            for parameter, value in weights.items():
                assert np.array_equal(own[parameter], run[0][2][name][1][parameter]), "weights drift apart"
                if (name, parameter) not in NO_EFFECT:
                    differences[name, parameter, rank] = np.abs(own[parameter] - value)
    assert {what: value.max() for what, value in differences.items() if value.max() > 1e-5} == {}


def check_pieces(rank: int, size: int, found: dict[str, Any]) -> None:
    """Check what `pieces` has found in one of the processes."""
    everyone = size * (size + 1) / 2
    assert found["gathered"] == [[float(owner)] * 3 for owner in range(size) for _ in range(2 * owner)]
    assert found["gradient"] == [[everyone] * 3] * (2 * rank), "gradients flow back to the process of a row"
    assert found["summed"] == [everyone, None, 5.0], "a parameter that no process uses has no gradient"
    assert found["loss"] == 2.5 * size * (size - 1) / 2, "the parts of the loss add up"
    assert found["weight"] == 0.0, "all start with the weights of the first"
    assert "same files" in found["refused"]
    assert found["measured"] == {"rsum": 0.1, "also": float("inf")}, "only the first process measures"


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_every_row_has_one_owner_and_shares_are_even(count: int, size: int) -> None:
    owners = Ranks(0, size).owners(count)
    assert owners == sorted(owners)
    shares = [owners.count(rank) for rank in range(size)]
    assert sum(shares) == count
    assert max(shares) - min(shares) <= 1


def test_ranks_are_read_only_if_torchrun_set_them() -> None:
    environment = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "none"}
    assert ranks_of(environment) == Ranks(5, 8, 1)
    assert ranks_of({**environment, "LOCAL_WORLD_SIZE": "4"}) == Ranks(5, 8, 1, 4)
    for name in environment:
        assert ranks_of({key: value for key, value in environment.items() if key != name}) == ALONE
    assert ranks_of({**environment, "RANK": "-1"}) == ALONE


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    for name in ("auto", "cuda"):
        assert resolve_device(name, Ranks(3, 4, 1)) == torch.device("cuda:1")
        assert resolve_device(name, Ranks(0, 1, 0)) == torch.device("cuda")
        with pytest.raises(MissingError, match="only 2 CUDA device"):
            resolve_device(name, Ranks(2, 4, 2))
    assert resolve_device("cpu", Ranks(2, 4, 2)) == torch.device("cpu")
    with pytest.raises(ConfigError, match="a GPU of its own"):
        resolve_device("cuda:0", Ranks(0, 2, 0))
