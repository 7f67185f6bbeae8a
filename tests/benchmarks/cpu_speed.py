"""What a caption costs on the CPU, part by part, and what each part costs beside its alternatives, in one run.

    python -m tests.benchmarks.cpu_speed PHOTOS --count 24 --rounds 5

Every round measures all parts in turn on one core, in processor time, so that other programs on the machine weigh on
all of them alike; the table has medians of the rounds, and ratios are medians of the ratios within a round. With
OpenVINO installed (`pip install 'vsa[openvino]'`), the CNN is also computed by `--runtime openvino`, and by OpenVINO
alone: the whole network, converted from PyTorch's and compiled for the one size of input. The captions of a folder are
compared with the sum of the parts: the rest is what threads, queues and results cost.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsa_cli.core import openvino
from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.device import set_threads
from vsa_cli.core.generation.captioner import BATCH_SIZE, Captioner
from vsa_cli.core.generation.decoder import Decoder, read_generator
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.images import read_picture, resize
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.learning.model_dir import bundled_model
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.detectors import SelectiveSearch
from vsa_cli.core.regions.extractor import RegionExtractor, feature_extractor_for
from vsa_cli.core.regions.features import input_size
from vsa_cli.core.regions.fused_lite import fused_tail
from vsa_cli.core.regions.lite_runtimes import OpenVinoLite
from vsa_cli.core.regions.proposals import propose

Forward = Callable[[Tensor], object]


def bare_openvino(body: torch.nn.Module, size: tuple[int, int]) -> Forward:
    """The CNN converted and compiled by OpenVINO for inputs of some height and width.

    The runtime of the same name must have imported the library before, which then reports nothing over the network.
    """
    library = importlib.import_module("openvino")
    shape = [1, 3, *size]
    converted = library.convert_model(body, example_input=torch.zeros(shape), input=shape)
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = library.Core().compile_model(converted, "CPU", settings).create_infer_request()
    return lambda pixels: request.infer([pixels.numpy()], share_inputs=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", type=Path, default=bundled_model("gen"), help="a caption generator")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    set_threads(1)
    cpu = torch.device("cpu")
    trained = read_generator(arguments.model, cpu)
    spec = trained.feature_spec
    features = feature_extractor_for(spec, None, cpu)
    plain = load_cnn(spec.config.cnn)
    tuned = None if trained.tail is None else fused_tail(trained.tail)
    search, side = SelectiveSearch(spec.config.top, features), spec.config.photo_side
    extractor = RegionExtractor(features, search, side, tuned, with_details=spec.config.details)
    paths = find_pictures(arguments.photos).paths[: arguments.count]
    photos = [Photo(str(path), path.name, path) for path in paths]
    pictures = [read_picture(path, spec.config.photo_side) for path in paths]
    images = [extractor.extract(photo) for photo in photos]
    decoders = {beam: Decoder(trained, DecodingConfig(beam=beam), 0) for beam in (1, 7)}
    captioner = Captioner(trained, device=cpu, workers=1, detector="selective-search")

    # inputs of the most frequent size, as OpenVINO compiles for one size
    sizes = [input_size(one.width, one.height, features.side) for one in pictures]
    usual = max(set(sizes), key=sizes.count)
    pixels = [
        torch.from_numpy(resize(one.rgb, *usual).copy())[None]
        for one, size in zip(pictures, sizes, strict=True)
        if size == usual
    ]
    with torch.inference_mode():
        trunk_maps = [features.cnn.trunk_maps(one) for one in pixels]
    bare, by_openvino = None, load_cnn(spec.config.cnn)
    if openvino.is_installed():
        by_openvino.prepare(OpenVinoLite(1))
        bare = bare_openvino(plain.body, (usual[1], usual[0]))

    def generate(beam: int) -> None:
        for first in range(0, len(images), BATCH_SIZE):
            part = images[first : first + BATCH_SIZE]
            decoders[beam].caption(part, [image.image_id for image in part])

    parts: dict[str, tuple[Callable[[], object], int]] = {
        "CNN, PyTorch's layers": (lambda: [plain.maps(one) for one in pixels], len(pixels)),
        "CNN": (lambda: [features.cnn.maps(one) for one in pixels], len(pixels)),
        "tail of the CNN": (lambda: [features.cnn.deepen(one) for one in trunk_maps], len(pixels)),
        "hash, decode, reduce": (
            lambda: [(file_sha256(path), read_picture(path, spec.config.photo_side)) for path in paths],
            len(paths),
        ),
        "proposals": (lambda: [propose(picture.rgb) for picture in pictures], len(paths)),
        "regions (all of the above)": (lambda: [extractor.extract(photo) for photo in photos], len(paths)),
        "generator, beam 1": (lambda: generate(1), len(paths)),
        "generator, beam 7": (lambda: generate(7), len(paths)),
        "caption of a folder, beam 7": (lambda: list(captioner.stream(photos, DecodingConfig(beam=7))), len(paths)),
    }
    if bare is not None:
        parts["CNN, --runtime openvino"] = (lambda: [by_openvino.maps(one) for one in pixels], len(pixels))
        parts["CNN, OpenVINO float32"] = (
            lambda: [bare(plain.normalised(one).contiguous()) for one in pixels],
            len(pixels),
        )
    times: dict[str, list[float]] = {name: [] for name in parts}
    with torch.inference_mode():
        for turn in range(arguments.rounds + 1):
            for name, (run, count) in parts.items():
                started = time.process_time()
                run()
                if turn:  # the first round warms up
                    times[name].append(1000 * (time.process_time() - started) / count)

    print(f"{len(paths)} photographs, {len(pixels)} of {usual[0]} x {usual[1]}, {arguments.rounds} rounds, one core")
    for name, found in times.items():
        print(f"{name:28} {statistics.median(found):7.2f} ms a photograph")

    def ratio(name: str, above: str, *below: str) -> None:
        lower = np.sum([times[one] for one in below], 0)
        print(f"{name:60} {float(np.median(np.array(times[above]) / lower)):5.2f}")

    ratio("CNN / PyTorch's layers", "CNN", "CNN, PyTorch's layers")
    if bare is not None:
        ratio("CNN / OpenVINO float32", "CNN", "CNN, OpenVINO float32")
        ratio("CNN, --runtime openvino / OpenVINO float32", "CNN, --runtime openvino", "CNN, OpenVINO float32")
        ratio("CNN, --runtime openvino / CNN", "CNN, --runtime openvino", "CNN")
    ratio("generator, beam 7 / beam 1", "generator, beam 7", "generator, beam 1")
    ratio("generator, beam 7 / caption of a folder", "generator, beam 7", "caption of a folder, beam 7")
    ratio(
        "caption of a folder / its parts",
        "caption of a folder, beam 7",
        "regions (all of the above)",
        "generator, beam 7",
    )


if __name__ == "__main__":
    main()
