"""Puts weight on `vsa`, and measures its memory.

    python -m tests.survival.load extract-regions --photographs 20000 --plot extract.png
    python -m tests.survival.load caption --photographs 20000 --plot caption.png
    python -m tests.survival.load retrieve --photographs 10000 --sentences 5
    python -m tests.survival.load cache

The first two look at photographs made on the spot, small ones of many sizes, by the cheapest way of describing them:
they measure whether memory grows, not how fast a real run is. The third ranks a split both ways, and compares its peak
with that of half as many photographs. In the fourth, processes share a folder of the cache, which is far too small for
them, while some of them are killed. Ends in 1 where memory grows, or anything is not as it must be.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tests.survival.material import REGIONS, Material, make
from tests.survival.nursery import Finished, Nursery, Running
from vsa_cli.core.corpus.corpus import Corpus, Sentence, write_corpus
from vsa_cli.core.corpus.corpus import Image as Photograph
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.io.envelope import VERSIONS, Envelope
from vsa_cli.core.io.json import read_json
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.store import ImageRegions, write_regions

WARM_UP = 0.1
"""Share of a run after which memory is measured: by then all that is loaded once is loaded."""

BLOCKS = 12
"""Parts of the rest; their means are close to independent, which samples are not."""

TOLERANCE = 0.02
"""Share of its memory by which a flat run may end larger: what allocators keep in pieces."""


@dataclass(frozen=True)
class Trend:
    """How memory went: MiB at first, at most, and what it grew by over the measured part, give or take."""

    first: float
    peak: float
    growth: float
    margin: float

    @property
    def is_flat(self) -> bool:
        """Whether the growth is within its noise, or too small to matter."""
        return self.growth <= max(self.margin, TOLERANCE * self.first)


def trend(samples: Sequence[float]) -> Trend:
    """The straight line through the means of blocks, with twice its standard error as the margin."""
    kept = np.array(samples[int(len(samples) * WARM_UP) :])
    means = np.array([block.mean() for block in np.array_split(kept, BLOCKS)])
    x = np.arange(BLOCKS) - (BLOCKS - 1) / 2
    slope = float(x @ means / (x @ x))
    rest = means - means.mean() - slope * x
    error = float(np.sqrt(rest @ rest / (BLOCKS - 2) / (x @ x)))
    return Trend(float(means[0]), float(max(samples)), slope * BLOCKS, 2 * error * BLOCKS)


def watch(running: Running, every: float = 0.25) -> tuple[Finished, list[float]]:
    """Its memory in MiB, again and again until it ends."""
    samples: list[float] = []
    while (finished := running.ended(every)) is None:
        samples.append(running.rss_mib())
    return finished, samples


def plot(path: Path, samples: Sequence[float], title: str) -> None:
    """A picture of memory over time, from zero."""
    width, height, edge = 900, 360, 48
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    top = max(samples) * 1.15
    across, up = (width - 2 * edge) / max(1, len(samples) - 1), (height - 2 * edge) / top
    pen.line([(edge, edge), (edge, height - edge), (width - edge, height - edge)], fill="black")
    points = [(edge + i * across, height - edge - value * up) for i, value in enumerate(samples)]
    pen.line(points, fill="#24d", width=2)
    pen.text((edge, 16), title, fill="black")
    pen.text((4, height - edge - max(samples) * up - 5), f"{max(samples):.0f}", fill="black")
    pen.text((4, height - edge - 5), "0 MiB", fill="black")
    image.save(path)


def draw_photographs(folder: Path, count: int) -> None:
    """Small JPEGs of many sizes and shapes, no two files alike."""
    folder.mkdir()
    rng = random.Random(1)
    for number in range(count):
        size = rng.randrange(64, 320), rng.randrange(64, 320)
        image = Image.new("RGB", size, tuple(rng.randrange(256) for _ in range(3)))
        pen = ImageDraw.Draw(image)
        for _ in range(3):
            x, y = rng.randrange(size[0]), rng.randrange(size[1])
            pen.ellipse((x - 30, y - 30, x + 30, y + 30), fill=tuple(rng.randrange(256) for _ in range(3)))
        image.save(folder / f"{number:06d}.jpg", quality=60, comment=str(number).encode())


def stream(nursery: Nursery, made: Material, scratch: Path, command: str, count: int, picture: Path | None) -> bool:
    """Look at many photographs; whether all were done in flat memory."""
    draw_photographs(scratch / "photos", count)
    words: tuple[object, ...] = (scratch / "photos", "-o", scratch / "out", "--threads", 2, "--quiet")
    if command == "extract-regions":
        words = (command, *words, *REGIONS)
    else:
        words = (command, *words, "--model", made.gen, "--beam", 3, "--format", "jsonl")
    finished, samples = watch(nursery.start(*words, cold=True))
    found = trend(samples)
    per_thousand = found.growth / (count / 1000 * (1 - WARM_UP))
    margin = found.margin / (count / 1000 * (1 - WARM_UP))
    told = (
        f"{command}: {count} photographs in {finished.seconds:.0f} s, exit code {finished.code}; "
        f"{found.first:.0f} MiB after a tenth, peak {found.peak:.0f} MiB; "
        f"slope {per_thousand:+.2f} ± {margin:.2f} MiB per 1,000 photographs"
    )
    print(told)
    if picture is not None:
        plot(picture, samples, told)
    return finished.code == 0 and found.is_flat


def rank(nursery: Nursery, made: Material, scratch: Path, images: int, sentences: int) -> bool:
    """Rank made-up regions and sentences both ways; whether memory is bounded, and not by all the scores."""
    peaks = []
    for count in (images // 2, images):
        corpus, regions = _gallery(made, scratch / str(count), count, sentences)
        both = ("--corpus", corpus, "--regions-file", regions, "--model", made.embed, "--threads", 1)
        words = ("retrieve", *both, "--split", "test", "-o", corpus.parent / "rankings.jsonl")
        finished = nursery.start(*words, cold=True).wait(3000)
        if finished.code:
            print(finished.stderr.decode())
            return False
        lines = sum(1 for _ in (corpus.parent / "rankings.jsonl").open("rb"))
        full = count * count * sentences * 4 / 2**20
        peaks.append(finished.peak_mib)
        print(
            f"retrieve: {count} images x {count * sentences} sentences in {finished.seconds:.0f} s; "
            f"peak {finished.peak_mib:.0f} MiB (their scores alone: {full:.0f} MiB); {lines} lines"
        )
        if lines != 1 + count + count * sentences:
            return False
    # inputs and answers grow with the images, by a few MiB; scores held all at once would grow with their square
    return peaks[1] - peaks[0] < 0.5 * full


def _gallery(made: Material, folder: Path, images: int, sentences: int) -> tuple[Path, Path]:
    """A corpus of one split and its regions, of descriptors that are noise; no photographs."""
    folder.mkdir()
    feature_spec = FeatureSpec.from_dict(read_json(made.embed / "config.json")["regions"], "config.json")
    words = read_json(made.embed / "config.json")["vocabulary"]["words"]
    rng = np.random.default_rng(0)

    def photograph(number: int) -> Photograph:
        said = [" ".join(rng.choice(words, rng.integers(4, 13))) for _ in range(sentences)]
        told = tuple(Sentence(f"{number}#{place}", text, tokenize(text)) for place, text in enumerate(said))
        return Photograph(number, f"{number}.jpg", 128, 96, f"{number:064x}", "test", told)

    photographs = tuple(map(photograph, range(images)))
    own = Envelope("vsa-corpus", 1, read_json(made.corpus)["config"])
    write_corpus(folder / "corpus.json", Corpus(own, folder, photographs, None))

    def parts() -> Iterator[list[ImageRegions]]:
        boxes = np.array([[0, 0, 128, 96], [0, 0, 64, 48], [64, 48, 128, 96], [32, 24, 96, 72]], np.float32)
        for one in photographs:
            descriptors = rng.normal(size=(4, feature_spec.descriptor_size)).astype(np.float16)
            yield [ImageRegions(one.key, one.sha256, 128, 96, boxes, np.ones(4, np.float32), descriptors)]

    envelope = Envelope("vsa-regions", VERSIONS["vsa-regions"], feature_spec.to_dict())
    write_regions(folder / "regions.h5", envelope, parts(), feature_spec.descriptor_size)
    return folder / "corpus.json", folder / "regions.h5"


def share(nursery: Nursery, made: Material, scratch: Path) -> bool:
    """Let processes share a cache: two searches at once, then writers of which some are killed."""
    alone = _search(nursery, made, "--no-cache").wait().stdout
    cache = ("--cache-dir", scratch / "cache")
    agree = []
    for _ in range(10):
        together = [_search(nursery, made, *cache) for _ in range(2)]
        agree += [running.wait().stdout == alone for running in together]
    print(f"cache: {sum(agree)} of {len(agree)} searches, two at once, found what one without a cache finds")
    feature_spec = FeatureSpec.from_dict(read_json(made.embed / "config.json")["regions"], "config.json")
    spawn = multiprocessing.get_context("spawn")
    rng, broken, largest = random.Random(0), 0, 0
    for _ in range(6):
        writers = [spawn.Process(target=_write, args=(scratch / "small", feature_spec, n)) for n in range(3)]
        for writer in writers:
            writer.start()
        time.sleep(rng.uniform(3, 6))
        writers[0].kill()
        for writer in writers:
            writer.join(60)
        broken += any(writer.exitcode for writer in writers[1:])
        cache = RegionCache(scratch / "small", feature_spec)
        largest = max(largest, cache.path.stat().st_size)
        with closing(sqlite3.connect(cache.path)) as connection:
            kept = [name for (name,) in connection.execute("SELECT sha256 FROM regions")]
        broken += not kept or sum(cache.get(name) is None for name in kept)
    sizes = f"at most {largest / 2**20:.1f} MiB kept, of {SMALL / 2**20:.0f} allowed"
    print(f"cache: 18 writers, 6 of them killed: {broken} faults; {sizes}")
    return all(agree) and not broken and largest <= SMALL + 3 * 2 * ENTRY


SMALL, ENTRY = 2**20, 2**13
"""Bytes of the small cache; more than an entry has. Each writer may have written one more before it trims."""


def _search(nursery: Nursery, made: Material, *more: object) -> Running:
    words = ("retrieve", "a red circle", made.photos, "--model", made.embed, "--format", "jsonl", "--threads", 2)
    return nursery.start(*words, *more)


def _write(folder: Path, feature_spec: FeatureSpec, number: int) -> None:
    """Put and get entries for some seconds; ends badly where one is not what was put."""
    cache = RegionCache(folder, feature_spec, SMALL)
    rng = np.random.default_rng(number)
    until = time.monotonic() + 4
    while time.monotonic() < until:
        name = f"{rng.integers(2000):064x}"
        value = np.full((2, feature_spec.descriptor_size), int(name, 16), np.float16)
        cache.put(ImageRegions("x", name, 9, 9, np.zeros((2, 4), np.float32), np.zeros(2, np.float32), value))
        found = cache.get(name)
        if found is not None and not np.array_equal(found.descriptors, value):
            raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("extract-regions", "caption", "retrieve", "cache"))
    parser.add_argument("--photographs", type=int, default=20_000)
    parser.add_argument("--sentences", type=int, default=5, help="of each photograph")
    parser.add_argument("--plot", type=Path, help="where to draw memory over time")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vsa-load-") as scratch, Nursery() as nursery:
        made = make(Path(scratch) / "made", nursery)
        if asked.what == "retrieve":
            fine = rank(nursery, made, Path(scratch), asked.photographs, asked.sentences)
        elif asked.what == "cache":
            fine = share(nursery, made, Path(scratch))
        else:
            fine = stream(nursery, made, Path(scratch), asked.what, asked.photographs, asked.plot)
    raise SystemExit(not fine)


if __name__ == "__main__":
    main()
