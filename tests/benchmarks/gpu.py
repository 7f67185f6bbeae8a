"""Every speed, memory and difference of a GPU, in one run.

    python -m tests.benchmarks.gpu > figures.txt

Draws its own photographs, and makes a corpus with random descriptors, below `--folder`; both are deleted at the end.
Prints a line for each figure:

- photographs/s of the CNN alone (inputs decoded before, in batches of one size, copied to the device), of the CPU's
  part alone (decoding and proposals, spread over the workers), and of the encoder of `vsa extract-regions` and `vsa
  caption`, with photographs one by one and together; and the ratio of the encoder to the slower of its two parts;
- the differences between the descriptors of the CPU, in float32, and those of the device, with their tolerances, and
  the share of a photograph's regions that are the same;
- pairs/s of `vsa train-embed` and words/s (END counted) of `vsa train-gen`, with the mean loss of the first steps;
- the peak memory of each part.

All figures are printed in float32 and in bf16. The exit code is 0 if all differences are within their tolerances, 1 if
one is not, and 4, with one line on stderr, without a CUDA device. `--device cpu` runs the same program in seconds at a
tiny size, as a test; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.benchmarks.stream_training import write
from vsa_cli.core.config import EMBED_PRESETS, GENERATOR_PRESETS, Detector, RegionConfig
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.device import Precision, available_cores, one_thread_each, resolve_device, resolve_precision
from vsa_cli.core.embedding.sources import Sources as EmbedSources
from vsa_cli.core.embedding.train import train_embedding
from vsa_cli.core.errors import ExitCode, VsaError
from vsa_cli.core.generation.sources import Sources as GeneratorSources
from vsa_cli.core.generation.train import train_generator
from vsa_cli.core.learning.corpora import PhotographSource
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.run import TrainingRequest
from vsa_cli.core.regions.encoder import TOGETHER, PhotoEncoder
from vsa_cli.core.regions.extract import SHARD
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.plan import Extraction, InputFiles, plan_extraction
from vsa_cli.core.regions.store import RegionStore

TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "bf16": 0.2}
"""The largest difference of a region's descriptor that is accepted, as a share of its length. Descriptors are stored in
float16, which alone causes up to 5e-4."""

SIZES = ((500, 375), (375, 500), (500, 333), (640, 480))
"""Width and height of the drawn photographs, in pixels, in turn."""


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        photographs: the number of drawn photographs.
        warm: the number of these that are encoded before the time is taken.
        compared: the number of these whose descriptors are compared.
        shrunk: their width and height are divided by this.
        cnn: the CNN.
        side: the shorter side of its input, in pixels.
        images: the number of images of the training corpus, with five sentences each.
        pairs: sentences in a batch of each training.
        hidden: hidden units of each model; None is that of the preset.
        steps: steps of each training that are timed, after as many that are not.
    """

    photographs: int
    warm: int
    compared: int
    shrunk: int
    cnn: str
    side: int
    images: int
    pairs: int
    hidden: int | None
    steps: int


FULL = Scale(2000, 128, 200, 1, RegionConfig.cnn, 320, 8000, 400, None, 40)  # all steps belong to the first epoch
TINY = Scale(2, 1, 1, 5, "efficientnet_lite0", 64, 12, 20, 16, 1)


def draw(folder: Path, scale: Scale) -> None:
    """Write photographs of coloured shapes on a noisy ground, in several sizes."""
    folder.mkdir()
    rng, shapes = np.random.default_rng(0), random.Random(0)
    for number in range(scale.photographs):
        width, height = (side // scale.shrunk for side in SIZES[number % len(SIZES)])
        ground = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
        image = Image.fromarray(ground).resize((width, height), Image.Resampling.BICUBIC)
        pen = ImageDraw.Draw(image)
        for _ in range(12):
            x, y = shapes.randrange(width), shapes.randrange(height)
            box = (x, y, x + shapes.randrange(20, width // 2), y + shapes.randrange(20, height // 2))
            colour = tuple(shapes.randrange(256) for _ in range(3))
            (pen.ellipse if shapes.random() < 0.5 else pen.rectangle)(box, fill=colour)
        image.save(folder / f"{number:05d}.jpg", quality=90)


class Meter:
    """Time and peak memory of a piece of work on a device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def seconds(self, work: Callable[[], object]) -> float:
        """The time until the device has finished the work."""
        self._wait()
        started = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - started

    def forget(self) -> None:
        """Measure the peak memory from now on; that of a CPU is always that of the whole process."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def show_memory(self, what: str) -> None:
        """Print the peak memory since `forget`: allocated on the GPU, or resident."""
        if self._device.type == "cuda":
            most = torch.cuda.max_memory_allocated(self._device)
        else:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        show(f"{what}: peak memory", f"{most / 1e9:.2f} GB")


def show(what: str, value: str) -> None:
    """Print a figure."""
    print(f"{what:<66} {value}", flush=True)


def plan(
    folder: Path, scale: Scale, device: torch.device, precision: Precision, detector: Detector = "selective-search"
) -> Extraction:
    """An extraction from the drawn photographs."""
    config = RegionConfig(detector, RegionConfig.top, scale.cnn, "roi", scale.side, 224)
    return plan_extraction(
        folder, "all", config, InputFiles(), device=device, workers=available_cores(), seed=0, precision=precision
    )


def encoder_of(planned: Extraction, device: torch.device, together: int) -> PhotoEncoder:
    """The encoder of an extraction, with another number of photographs that pass through the CNN together."""
    assert isinstance(planned.encoder, PhotoEncoder)
    extractor = planned.encoder.extractor
    return PhotoEncoder(lambda: extractor, device, None, available_cores(), together)


def measure_photographs(folder: Path, scale: Scale, device: torch.device, precision: Precision) -> None:
    """Print the speed of the encoder and of its parts."""
    meter, what = Meter(device), f"photographs, {precision}"
    planned = plan(folder, scale, device, precision)
    photos, count = planned.photos, len(planned.photos)
    extractor = encoder_of(planned, device, 1).extractor
    meter.forget()
    with one_thread_each(device), ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(extractor.prepare, photos[: scale.warm]))
        started = time.perf_counter()
        prepared = list(pool.map(extractor.prepare, photos))
        preparing = count / (time.perf_counter() - started)
        of_size: dict[tuple[int, ...], list[NDArray[np.uint8]]] = defaultdict(list)
        for one in prepared:
            assert one.pixels is not None
            of_size[one.pixels.shape].append(one.pixels)
        batches = [same[i : i + TOGETHER] for same in of_size.values() for i in range(0, len(same), TOGETHER)]
        # every shape once before the time is taken, because the first pass chooses how convolutions are computed
        meter.seconds(lambda: [extractor.feature_extractor.maps(batch) for batch in batches])
        seeing = count / meter.seconds(lambda: [extractor.feature_extractor.maps(batch) for batch in batches])
    show(f"{what}: the CPU's part alone, {available_cores()} workers", f"{preparing:.1f} /s")
    show(f"{what}: the CNN alone, batches of at most {TOGETHER}", f"{seeing:.1f} /s")
    for name, together in (("one by one", 1), ("together", TOGETHER)):
        encoder = encoder_of(planned, device, together)
        list(encoder.encode_all(photos[: scale.warm]))
        rate = count / meter.seconds(lambda encoder=encoder: list(encoder.encode_all(photos)))  # type: ignore[misc]
        show(f"{what}: encoder, {name}", f"{rate:.1f} /s")
        show(f"{what}: encoder, {name} / the slower part", f"{rate / min(preparing, seeing):.2f}")
    encoder = encoder_of(planned, device, TOGETHER)
    parts = [photos[first : first + SHARD] for first in range(0, count, SHARD)]
    rate = count / meter.seconds(lambda: [list(encoder.encode_all(part, SHARD)) for part in parts])
    show(f"{what}: encoder, together, {SHARD} at a time as extract-regions", f"{rate:.1f} /s")
    meter.show_memory(what)


def measure_differences(folder: Path, scale: Scale, device: torch.device) -> bool:
    """Print how the descriptors of a device differ from those of the CPU; whether all are within their tolerances."""
    cpu, within = torch.device("cpu"), True

    def encoded(device: torch.device, precision: Precision, detector: Detector, together: int) -> list[ImageRegions]:
        planned = plan(folder, scale, device, precision, detector)
        encoder = encoder_of(planned, device, together)
        found = [regions for _, regions in encoder.encode_all(planned.photos[: scale.compared])]
        return [regions for regions in found if isinstance(regions, ImageRegions)]

    references = encoded(cpu, "float32", "grid", 1), encoded(cpu, "float32", "selective-search", 1)
    for precision in get_args(Precision):
        same_boxes, chosen = (
            encoded(device, precision, detector, TOGETHER) for detector in ("grid", "selective-search")
        )
        shares = [_difference(one, other) for one, other in zip(references[0], same_boxes, strict=True)]
        accepted = max(shares) <= TOLERANCE[precision]
        within = within and accepted
        what = f"descriptors, CPU float32 against {device.type} {precision}"
        verdict = "" if accepted else ", EXCEEDED"
        show(
            f"{what}: largest difference / length",
            f"{max(shares):.2e} (mean {np.mean(shares):.2e}; tolerance {TOLERANCE[precision]:.0e}{verdict})",
        )
        same = [_in_common(one, other) for one, other in zip(references[1], chosen, strict=True)]
        show(f"{what}: regions in common", f"{100 * np.mean(same):.1f} %")
    return within


def _difference(one: ImageRegions, other: ImageRegions) -> float:
    """The largest distance between two descriptors of a region, as a share of the length of the first."""
    a, b = one.descriptors.astype(np.float32), other.descriptors.astype(np.float32)
    return float((np.linalg.norm(a - b, axis=1) / np.linalg.norm(a, axis=1)).max())


def _in_common(one: ImageRegions, other: ImageRegions) -> float:
    """The share of the regions of the first that are regions of the second."""
    return len({*map(tuple, one.boxes.tolist())} & {*map(tuple, other.boxes.tolist())}) / len(one.boxes)


def measure_training(name: str, folder: Path, scale: Scale, device: torch.device, precision: Precision) -> float:
    """Print the speed of a training; returns its sentences/s."""
    meter = Meter(device)
    meter.forget()
    steps = steps_of(name, folder, scale, device, precision)
    first = list(islice(steps, scale.steps))
    seconds = meter.seconds(lambda: list(islice(steps, scale.steps)))
    rate = scale.steps * scale.pairs / seconds
    images = read_corpus(folder / "corpus.json").images
    words = [len(sentence.tokens) + 1 for image in images for sentence in image.sentences]
    unit = f"{rate:.0f} pairs/s" if name == "train-embed" else f"{rate * float(np.mean(words)):.0f} words/s"
    show(f"{name}, {precision}", unit)
    show(f"{name}, {precision}: mean loss of the first {len(first)} steps", f"{first[-1].loss:.4f}")
    meter.show_memory(f"{name}, {precision}")
    return rate


def steps_of(name: str, folder: Path, scale: Scale, device: torch.device, precision: Precision) -> Iterator[Step]:
    """The steps of a training, as the command makes them."""
    source = (PhotographSource(read_corpus(folder / "corpus.json"), RegionStore(folder / "regions.h5")),)
    records: Iterator[Step | Epoch]
    if name == "train-embed":
        shape, how = EMBED_PRESETS["best"]
        shape = shape if scale.hidden is None else replace(shape, size=scale.hidden, hidden_size=scale.hidden)
        how = replace(how, batch_size=scale.pairs, epochs=1000)
        request = TrainingRequest(folder / name, shape, how, "train", None, True, 0, device, False, precision=precision)
        records = train_embedding(EmbedSources(source), request)
    else:
        model, training = GENERATOR_PRESETS["best"]
        model = model if scale.hidden is None else replace(model, word_size=scale.hidden, hidden_size=scale.hidden)
        training = replace(training, batch_size=scale.pairs, epochs=1000)
        wanted = TrainingRequest(
            folder / name, model, training, "train", None, True, 0, device, False, precision=precision
        )
        records = train_generator(GeneratorSources(source), wanted)
    return (record for record in records if isinstance(record, Step))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print everything; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to test the program")
    parser.add_argument("--folder", type=Path, help="where the temporary files are written (default: the system's)")
    given = parser.parse_args(arguments)
    try:
        device = resolve_device(given.device)
        precisions = [resolve_precision(precision, device) for precision in get_args(Precision)]
    except VsaError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return error.exit_code
    scale = TINY if device.type == "cpu" else FULL
    show("device", torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, a test of the program only")
    show("PyTorch, CUDA", f"{torch.__version__}, {torch.version.cuda}")
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        photos, corpus = Path(scratch) / "photos", Path(scratch) / "corpus"
        draw(photos, scale)
        corpus.mkdir()
        write(corpus, scale.images)
        for precision in precisions:
            measure_photographs(photos, scale, device, precision)
        within = measure_differences(photos, scale, device)
        for name in ("train-embed", "train-gen"):
            rates = [measure_training(name, corpus, scale, device, precision) for precision in precisions]
            show(f"{name}, {precisions[1]} / {precisions[0]}", f"{rates[1] / rates[0]:.2f}")
    return ExitCode.DONE if within else ExitCode.FAILED


if __name__ == "__main__":
    sys.exit(main())
