"""Check of the installation: versions, hardware, weights, models, cache and speed. Nothing in core imports this."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from vsa_cli.core import openvino
from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.device import available_cores, has_fast_bfloat16
from vsa_cli.core.embedding.model import read_embedding
from vsa_cli.core.errors import MissingError, VsaError
from vsa_cli.core.generation.captioner import load_captioner
from vsa_cli.core.generation.decoder import read_generator
from vsa_cli.core.io import web_server
from vsa_cli.core.io.images import can_read_heic, encode_jpeg
from vsa_cli.core.io.sources import expand
from vsa_cli.core.learning.model_dir import Bundled, bundled_model
from vsa_cli.core.metrics.meteor import java_version
from vsa_cli.core.regions.cache import cache_folder, count_cached
from vsa_cli.core.regions.cnn import find_weights, weights_remedy
from vsa_cli.core.regions.efficientnet_lite import SCALES
from vsa_cli.core.regions.ssd import REMEDY, is_installed
from vsa_cli.version import __version__

State = Literal["ok", "absent", "missing"]
"""`absent`: not found, but optional; `missing`: not found, and required for captioning."""

_PACKAGES = ("torch", "torchvision", "opencv-contrib-python-headless", "h5py", "safetensors", "pillow", "numpy")
_OTHER_CNNS = ("alexnet", "vgg16")
_TRIAL, _BATCH = 24, 8  # images generated, and images per batch
_TRIAL_SIZE = (375, 500)  # height and width in pixels, usual on Flickr


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: what was checked.
        state: whether it was found.
        found: what was found, or the consequence of its absence.
        remedy: what the user can do; None if nothing needs to or can be done.
    """

    name: str
    state: State
    found: str
    remedy: str | None = None


def check_installation(cache: Path | None = None) -> Iterator[Finding]:
    """Run all checks, the slowest last.

    Args:
        cache: folder of the feature cache; None takes the default folder.
    """
    yield Finding("vsa", "ok", f"{__version__}, on Python {platform.python_version()}, {platform.platform(terse=True)}")
    yield from map(_package, _PACKAGES)
    yield _processor()
    yield _gpu()
    yield _java()
    yield _heic()
    yield _detector()
    yield _server()
    yield _openvino()
    required = []
    for name in (*SCALES, *_OTHER_CNNS):
        required.append(_cnn(name))
        yield required[-1]
    required.append(_model("gen"))
    yield required[-1]
    yield _model("embed")
    yield _cache(cache or cache_folder())
    if all(finding.state != "missing" for finding in required):
        yield _speed()


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", f"pip install {name}")


def _processor() -> Finding:
    cpu = torch.device("cpu")
    extra = ", bfloat16 in hardware" if has_fast_bfloat16(cpu) else ""
    return Finding(
        "processor", "ok", f"{available_cores()} cores, {torch.get_num_threads()} threads{extra}; {_memory()}"
    )


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE")
        total, free = (size * os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not a POSIX system, or one that does not report it
        return "memory unknown"
    return f"{total / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB free"


def _gpu() -> Finding:
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return Finding("gpu", "ok", f"CUDA {torch.version.cuda}: {names}")
    if torch.backends.mps.is_available():
        return Finding("gpu", "ok", "Apple MPS")
    build = f"torch was built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch was built without CUDA"
    return Finding("gpu", "absent", f"none; {build}; models run on the processor")


def _java() -> Finding:
    version = java_version()
    if version is None:
        return Finding("java", "absent", "not installed; vsa evaluate omits METEOR", "install a Java runtime")
    return Finding("java", "ok", f"{version}; vsa evaluate computes METEOR")


def _heic() -> Finding:
    if can_read_heic():
        return Finding("heic", "ok", "HEIC photographs can be read")
    return Finding("heic", "absent", "HEIC photographs, as from phones, cannot be read", "pip install pillow-heif")


def _detector() -> Finding:
    if is_installed():
        return Finding("detector", "ok", "SSD finds and names 80 kinds of objects")
    return Finding("detector", "absent", "SSD is not installed; objects are not named", REMEDY)


def _server() -> Finding:
    if web_server.is_installed():
        return Finding("serve", "ok", "waitress serves the search page of vsa retrieve")
    return Finding("serve", "absent", "waitress is not installed; no search page", web_server.REMEDY)


def _openvino() -> Finding:
    if openvino.is_installed():
        version = importlib.metadata.version("openvino")
        return Finding("openvino", "ok", f"{version}; computes the CNN with the runtime openvino")
    return Finding("openvino", "absent", "OpenVINO is not installed; PyTorch computes the CNN", openvino.REMEDY)


def _cnn(name: str) -> Finding:
    label = f"weights of {name}"
    try:
        path = find_weights(name)
    except MissingError:
        return Finding(label, "absent" if name in _OTHER_CNNS else "missing", "not installed", weights_remedy(name))
    return Finding(label, "ok", f"{path.stat().st_size / 1e6:.0f} MB")


def _model(name: Bundled) -> Finding:
    label = f"bundled {name}"
    try:
        folder, cpu = bundled_model(name), torch.device("cpu")
        trained = read_generator(folder, cpu) if name == "gen" else read_embedding(folder, cpu)
    except MissingError:
        return Finding(label, "missing", "not installed", "reinstall vsa")
    except VsaError as error:
        return Finding(label, "missing", "damaged", f"{error}; reinstall vsa")
    size = sum(path.stat().st_size for path in folder.iterdir())
    trained_on = trained.facts.get("trained_on", {})
    training = f"{trained.vocabulary.size - 1} words, trained on {trained_on.get('images', '?')} images"
    return Finding(label, "ok", f"{size / 1e6:.1f} MB; {training}; {trained.feature_spec.config.cnn}")


def _cache(folder: Path | None) -> Finding:
    if folder is None:
        return Finding("cache", "absent", "no home directory", "choose a folder with `cache_dir`, or set VSA_HOME")
    count, size = count_cached(folder)
    content = f"{count:,} photographs, {size / 1e6:.1f} MB"
    place = folder
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        return Finding("cache", "absent", f"{folder} cannot be written", "choose another with `cache_dir`, or VSA_HOME")
    return Finding("cache", "ok", f"{folder}: {content}; {shutil.disk_usage(place).free / 1e9:.1f} GB free")


def _speed() -> Finding:
    """Caption generated photographs as `vsa caption DIR` would, and measure time and memory."""
    height, width = _TRIAL_SIZE
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        for number in range(_TRIAL):
            blocks = draw.integers(0, 256, (height // 25, width // 25, 3), dtype=np.uint8)
            rgb = np.repeat(np.repeat(blocks, 25, axis=0), 25, axis=1)
            Path(name, f"{number}.jpg").write_bytes(encode_jpeg(rgb, width))
        try:
            captioner = load_captioner(device="cpu", cache=False)
            captioned = captioner.stream(expand([name], ()), DecodingConfig(), batch_size=_BATCH)
            next(captioned)  # not timed: the first photograph, during which models are loaded
            started = time.perf_counter()
            done = sum(1 for _ in captioned)
            seconds = time.perf_counter() - started
        except VsaError as error:
            return Finding("speed", "missing", "the trial failed", str(error))
    pace = f"{done / seconds:.1f} photographs per second, {1000 * seconds / done / 60:.1f} minutes per thousand"
    return Finding("speed", "ok", f"{pace}{_peak()}")


def _peak() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    return f", in {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.1f} GB of memory"
