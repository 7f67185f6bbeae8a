"""What an extraction will do, settled before it starts: photographs, extractor, envelope."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vsa_cli.core.config import RegionConfig
from vsa_cli.core.corpus.corpus import Corpus, Image, read_corpus
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.envelope import REGIONS, VERSIONS, Envelope, parent
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.images import read_size
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions.cnn import STRIDE, load_cnn
from vsa_cli.core.regions.detectors import build_detector
from vsa_cli.core.regions.encoder import RegionExtractor
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import FeatureExtractor

_MAP_SIDE = 320  # pixels: small regions want a finer map than the CNN was trained with; words find theirs better
_SAMPLE = 1000  # headers read to learn how large a folder's photographs are


@dataclass(frozen=True)
class Files:
    """Files that the user names for an extraction; None where a default serves.

    Attributes:
        images: the photographs' folder, if not where the corpus says.
        cnn_weights: the CNN's.
        detector_weights: Faster R-CNN's.
        boxes: the user's own boxes.
    """

    images: Path | None = None
    cnn_weights: Path | None = None
    detector_weights: Path | None = None
    boxes: Path | None = None


@dataclass(frozen=True)
class Extraction:
    """An extraction, ready to run."""

    photos: list[Photo]
    extractor: RegionExtractor
    envelope: Envelope
    feature_spec: FeatureSpec


def plan_extraction(
    source: Path, split: str, config: RegionConfig, files: Files, device: torch.device, seed: int
) -> Extraction:
    """Settle everything that `extract_regions` needs.

    Args:
        source: a `corpus.json`, or a folder of photographs.
        split: of the corpus; `all` for a folder.
        config: what was asked for; sides of 0 are settled here.
        files: named by the user.
        device: where the CNN runs.
        seed: recorded; nothing here is drawn.

    Raises:
        VsaError: an input is missing or wrong, or weights are not here.
    """
    if source.is_dir():
        if split != "all" or files.images is not None:
            raise ConfigError(f"{source}: is a folder; --split and --images go with a corpus.json")
        photos, sides, parents = _from_folder(source)
    else:
        corpus = read_corpus(source, files.images)
        if not corpus.root.is_dir():
            raise DataError(f"{corpus.root}: no such folder of photographs; --images DIR says where they are now")
        photos = [_photo(corpus, image) for image in corpus.split(split)]
        sides = [min(image.width, image.height) for image in corpus.images]
        parents = _corpus_parent(corpus)
    cnn = load_cnn(config.cnn, files.cnn_weights)
    own = cnn.side if config.describe == "crop" else _MAP_SIDE
    side = STRIDE * max(1, round((config.side or own) / STRIDE))
    settled = replace(config, side=side, photo_side=config.photo_side or round(statistics.median(sides)))
    feature_extractor = FeatureExtractor(cnn, side, settled.describe, device)
    detector = build_detector(settled, feature_extractor, files.boxes, files.detector_weights)
    feature_spec = FeatureSpec(settled, cnn.sha256, cnn.descriptor_size)
    envelope = Envelope(
        format=REGIONS, version=VERSIONS[REGIONS], config=feature_spec.to_dict(), parents=parents, seed=seed
    )
    return Extraction(photos, RegionExtractor(feature_extractor, detector, settled.photo_side), envelope, feature_spec)


def _photo(corpus: Corpus, image: Image) -> Photo:
    file = corpus.path(image)
    return Photo(str(file), image.key, file, image.sha256)


def _corpus_parent(corpus: Corpus) -> dict[str, dict[str, str]]:
    return {"corpus": parent(corpus.envelope.format, corpus.sha256)}


def _from_folder(folder: Path) -> tuple[list[Photo], list[int], dict[str, dict[str, str]]]:
    paths = find_pictures(folder)
    if not paths:
        raise DataError(f"{folder}: no photographs in it")
    photos = [Photo(str(path), path.relative_to(folder).as_posix(), path) for path in paths]
    sides = []
    for path in paths[:_SAMPLE]:
        try:
            sides.append(min(read_size(path)))
        except DataError:
            continue  # `extract_regions` will name it
    if not sides:
        raise DataError(f"{folder}: none of the photographs in it can be read")
    return photos, sides, {}
