"""Training and scoring of the alignment model against the matrix products that they contain, in one run.

    python -m tests.benchmarks.embedding_speed --threads 1 --repeats 12

The data are random, with the shape of Flickr8k: about 195 images of 20 regions and 200 sentences of 10.5 words per
step. A step is one of `learning.loop.fit`, including batches, clipping and optimiser. The reference multiplies random
matrices of the same shapes and dtype, forward and for both gradients, the recurrent ones in sequence. vsepp's step is
reimplemented here: nn.GRU over padded sentences, its last state for the sentence, and one vector per image without
regions. It is compared with a step that has one region per image; the full step is printed as well. All alternate,
and the best time of each counts: with one thread the CPU time, which other programs disturb less.

Prints milliseconds, products / step (budget: 0.7 or more), step / vsepp (1 or less), and for 1,000 images and 5,000
sentences scoring / product (1.5 or less) and the growth of the peak memory.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.config import EMBED_PRESETS, EmbedConfig, EmbedPreset
from vsa_cli.core.device import has_fast_bfloat16
from vsa_cli.core.embedding.batches import Batch, Pairs, make_batch, pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import score_pairs
from vsa_cli.core.embedding.train import EmbeddingTask
from vsa_cli.core.learning.loop import Schedule, Step, TrainingState, fit, make_optimizer

D, R, V, IMAGES, PER_IMAGE = 1280, 20, 2538, 4000, 5
Work = Callable[[], object]
Shape = tuple[int, int, int]


def draw() -> Pairs:
    """Random descriptors, and sentences of random words with Flickr8k's lengths and a natural word frequency."""
    rng = np.random.default_rng(0)
    count = IMAGES * PER_IMAGE
    lengths = rng.gamma(8, 1.31, count).round().clip(1, 35).astype(int)
    frequency = 1 / np.arange(1, V)
    words = rng.choice(V - 1, lengths.sum(), p=frequency / frequency.sum()).tolist()
    ends = lengths.cumsum().tolist()
    sentences = tuple(tuple(words[end - n : end]) for end, n in zip(ends, lengths.tolist(), strict=True))
    regions = torch.empty(IMAGES, R, D, dtype=torch.float16).normal_(generator=torch.Generator().manual_seed(0))
    image = torch.arange(IMAGES).repeat_interleave(PER_IMAGE)
    names = tuple(map(str, range(count)))
    return Pairs(names[:IMAGES], regions, image, sentences, names, ())


def start(config: EmbedConfig, pairs: Pairs) -> Embedding:
    torch.manual_seed(0)
    model = Embedding(config, D, V)
    model.initialise(pairs.regions[:200].float().flatten(0, 1), pack(pairs.sentences[:500]))
    return model


def training(preset: EmbedPreset, pairs: Pairs, **changes: object) -> tuple[Work, Batch]:
    """A function that makes one training step, and a typical batch."""
    config, settings = EMBED_PRESETS[preset]
    model = start(replace(config, **changes), pairs)  # type: ignore[arg-type]
    task, state = EmbeddingTask(model, [pairs], [], settings), TrainingState(model, make_optimizer(model, settings))
    schedule = Schedule(settings.learning_rate, settings.clip, 1000, 1000, len(pairs.sentences) // settings.batch_size)
    steps = (record for record in fit(task, state, schedule, 0, lambda: None) if isinstance(record, Step))
    chosen = torch.randperm(len(pairs.sentences), generator=torch.Generator().manual_seed(1))[: settings.batch_size]
    return lambda: next(steps), make_batch([pairs], [(0, i) for i in chosen.tolist()])


def products(config: EmbedConfig, batch: Batch) -> Work:
    """The products of a step and nothing else, without those with h_0 = 0 and the gradients of data."""
    N, L, H, hidden, word = len(batch.packed.words), len(batch.image), config.size, config.hidden_size, config.word_size
    K, regions = batch.regions.shape[:2]
    gates = 3 if config.encoder == "gru" else 1
    shapes: list[Shape] = [(N, hidden, H), (N, H, K * regions)]  # W_d, and words by regions
    shapes += [(N, word, 6 * hidden), (N, word, H)] if gates == 3 else [(N, word, hidden)]
    data: list[Shape] = [(K * regions, D, H)]
    if config.whole_weight > 0:
        shapes += [(L, hidden, H), (L, H, K)]
        data.append((K, D, H))
    dtype = torch.bfloat16 if has_fast_bfloat16(torch.device("cpu")) else torch.float32

    def random(*shape: int) -> Tensor:
        return torch.randn(shape).to(dtype)

    made = [
        (random(m, k), random(n, k), random(m, n), shape in shapes)
        for shape in chain(shapes, data)
        for m, k, n in [shape]
    ]
    later = batch.packed.batch_sizes[1:]
    h, d, W = random(2, sum(later), hidden), random(2, sum(later), gates * hidden), random(2, hidden, gates * hidden)
    back = W.mT.contiguous()

    def work() -> None:
        for x, weight, gradient, learnt in made:
            x @ weight.T
            gradient.T @ x
            if learnt:
                gradient @ weight
        for states, by in ((h, W), (d, back)):
            for part in states.split(later, 1):
                part @ by
        h.mT @ d

    return work


class Vsepp(nn.Module):
    """Encodes a sentence as the last state of a GRU over its words, an image as a linear map of one vector."""

    def __init__(self, word: int, size: int) -> None:
        super().__init__()
        self.words, self.image = nn.Embedding(V, word), nn.Linear(D, size)
        self.gru = nn.GRU(word, size, batch_first=True)

    def forward(self, images: Tensor, padded: Tensor, lengths: Tensor) -> Tensor:
        """(L, L) cosines."""
        packed = nn.utils.rnn.pack_padded_sequence(self.words(padded), lengths, batch_first=True)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        last = outputs[torch.arange(len(lengths)), lengths - 1]
        return F.normalize(last, dim=-1) @ F.normalize(self.image(images), dim=-1).T


def vsepp(pairs: Pairs, size: int, *, bfloat16: bool) -> Work:
    torch.manual_seed(0)
    model = Vsepp(300, size)
    optimizer = torch.optim.Adam(model.parameters(), 2e-4)

    def batches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        while True:
            chosen = torch.randperm(len(pairs.sentences))[:200].tolist()
            chosen.sort(key=lambda i: -len(pairs.sentences[i]))
            lengths = torch.tensor([len(pairs.sentences[i]) for i in chosen])
            chosen_sentences = [torch.tensor(pairs.sentences[i]) for i in chosen]
            padded = nn.utils.rnn.pad_sequence(chosen_sentences, batch_first=True)
            yield pairs.regions[pairs.image[chosen], 0].float(), padded, lengths

    data = batches()

    def work() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            S = model(*next(data)).float()
        own = S.diagonal()
        is_negative = ~torch.eye(len(S), dtype=torch.bool)
        cost = ((S - own[:, None] + 0.2).clamp(min=0) * is_negative, (S - own[None] + 0.2).clamp(min=0) * is_negative)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(cost[0].amax(1).sum() + cost[1].amax(0).sum())
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()

    return work


def scoring(pairs: Pairs, size: int) -> Work:
    """The product of all words and regions of a split, in blocks of 5,000 by 5,000."""
    dtype = torch.bfloat16 if has_fast_bfloat16(torch.device("cpu")) else torch.float32
    s, v = (torch.randn(n, size).to(dtype) for n in (sum(map(len, pairs.sentences)), len(pairs.regions) * R))

    def work() -> None:
        for words in s.split(5000):
            for regions in v.split(5000):
                words @ regions.T

    return work


def best_of(repeats: int, works: dict[str, Work]) -> dict[str, float]:
    """The best time of each in seconds, after one warm-up."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    best = dict.fromkeys(works, float("inf"))
    for repeat in range(repeats + 1):
        for name, work in works.items():
            started = clock()
            work()
            if repeat:
                best[name] = min(best[name], clock() - started)
    return best


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=12)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    pairs, config = draw(), EMBED_PRESETS["best"][0]
    fast = has_fast_bfloat16(torch.device("cpu"))
    print(f"D {D}, R {R}, H {config.size}, GRU {config.hidden_size}, {torch.get_num_threads()} threads, ", end="")
    print(f"products in {'bfloat16' if fast else 'float32'}, best of {arguments.repeats}")

    part, model = pairs.select_images(0, 1000), start(config, pairs).eval()
    before = peak_mib()
    score_pairs(model, part)
    grown = peak_mib() - before
    works: dict[str, Work] = {"score": lambda: score_pairs(model, part), "product": scoring(part, config.size)}
    seconds = best_of(max(1, arguments.repeats // 4), works)
    print(
        f"scoring {len(part.regions)} images, {len(part.sentences)} sentences of {sum(map(len, part.sentences))} words"
    )
    print(f"  {seconds['score']:.2f} s, the product {seconds['product']:.2f} s: ", end="")
    print(f"ratio {seconds['score'] / seconds['product']:.2f} (budget 1.50); peak memory + {grown:.0f} MiB")

    works = {}
    sizes = {}
    for preset in EMBED_PRESETS:
        works[f"{preset} step"], batch = training(preset, pairs)
        works[f"{preset} products"] = products(EMBED_PRESETS[preset][0], batch)
        sizes[preset] = (
            f"{len(batch.image)} sentences of N = {len(batch.packed.words)} words, {len(batch.regions)} images"
        )
    alone = replace(pairs, regions=pairs.regions[:, :1].contiguous())
    works["one region"], _ = training("best", alone, whole_weight=0.0)
    works["vsepp float32"] = vsepp(pairs, config.size, bfloat16=False)
    if fast:
        works["vsepp bfloat16"] = vsepp(pairs, config.size, bfloat16=True)
    seconds = best_of(arguments.repeats, works)
    for preset, size in sizes.items():
        step, bare = seconds[f"{preset} step"], seconds[f"{preset} products"]
        print(f"training step, --preset {preset}: {size}")
        print(f"  {1000 * step:.0f} ms, its products {1000 * bare:.0f} ms: ratio {bare / step:.2f} (budget 0.70)")
    for name in (name for name in works if name.startswith("vsepp")):
        theirs = seconds[name]
        print(f"{name}: {1000 * theirs:.0f} ms; ours with one region {1000 * seconds['one region']:.0f} ms: ", end="")
        print(
            f"ratio {seconds['one region'] / theirs:.2f} (budget 1.00); all regions {seconds['best step'] / theirs:.2f}"
        )


if __name__ == "__main__":
    main()
