"""A tiny alignment model, and drawn entries of an index for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.hubness import build_bank
from vsa_cli.core.embedding.model import Embedding, TrainedEmbedding
from vsa_cli.core.embedding.search import encode_images, encode_sentences
from vsa_cli.core.io.envelope import EMBEDDING, VERSIONS, Envelope
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.library import empty_manifest
from vsa_cli.core.library.photographs import PhotoEntry
from vsa_cli.core.library.segment import Vectors
from vsa_cli.core.library.writer import writing
from vsa_cli.core.regions.image_regions import ImageRegions

D, WORDS = 6, ("dog", "cat", "runs", "a")

Image = tuple[Photo, ImageRegions]


def model_of(whole_weight: float, *, bank: bool = False) -> Trained[Embedding]:
    torch.manual_seed(3)
    config = EmbedConfig(
        encoder="gru", word_size=5, hidden_size=4, size=7, similarity="cosine", whole_weight=whole_weight
    )
    vocabulary = Vocabulary(WORDS, (1,) * len(WORDS), "drop")
    envelope = Envelope(EMBEDDING, VERSIONS[EMBEDDING], {}, {}, 0)
    model = Embedding(config, D, vocabulary.size).eval()
    if bank:
        with torch.no_grad():
            images = encode_images(model, torch.randn(9, 12, D))
            sentences = encode_sentences(model, pack([(0, 2), (1,), (3, 0), (3, 1, 2)]))
            model.bank = build_bank(config, [images], [sentences])
    return TrainedEmbedding(model, vocabulary, None, envelope, {}, "ab" * 32)  # type: ignore[arg-type]


@pytest.fixture(params=[False, True], ids=["plain", "bank"])
def trained(request: pytest.FixtureRequest) -> Trained[Embedding]:
    """A model with vectors of whole images, with and without a bank."""
    return model_of(0.5, bank=request.param)


def images_of(count: int, seed: int = 0) -> list[Image]:
    """Images of 1 to 4 regions, in folders of ten."""
    rng = np.random.default_rng(seed)
    images = []
    for i in range(count):
        n = i % 4 + 1
        descriptors = rng.normal(size=(n, D)).astype(np.float16)
        boxes = np.concatenate([[[0, 0, 40, 30]], rng.uniform(0, 10, (n - 1, 4)).cumsum(1)]).astype(np.float32)
        name = f"{i // 10}/{i}.jpg"
        regions = ImageRegions(name, f"{i:064x}", 40, 30, boxes, np.ones(n, np.float32), descriptors)
        images.append((Photo(f"/photos/{name}", name, Path(f"/photos/{name}")), regions))
    return images


def entry_of(trained: Trained[Embedding], photo: Photo, regions: ImageRegions) -> PhotoEntry:
    """The entry of an image, embedded alone: an oracle for entries that are embedded together."""
    with torch.inference_mode():
        encoded = encode_images(trained.model, torch.from_numpy(regions.descriptors)[None].float())
    whole = None if encoded.whole is None else encoded.whole[0].half()
    size, name = (regions.width, regions.height), str(photo.image_id)
    hubness = None if encoded.hubness is None else float(encoded.hubness[0])
    vectors = Vectors(encoded.regions[0].half(), whole, hubness)
    return PhotoEntry(photo.path, name, regions.sha256, (7, 8), size, regions.boxes, vectors)


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., Path]:
    """Make or extend an index of images: `fill(trained, images)` returns its folder."""

    def make(trained: Trained[Embedding], images: Sequence[Image], name: str = "library") -> Path:
        with writing(tmp_path / name, empty_manifest(trained)) as writer:
            for photo, regions in images:
                writer.add(entry_of(trained, photo, regions))
        return tmp_path / name

    return make
