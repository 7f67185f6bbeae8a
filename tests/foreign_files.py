"""Generated regions, corpora and files of other programs."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.corpus import Corpus, Image, Sentence
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.io.envelope import Envelope
from vsa_cli.core.regions.image_regions import ImageRegions

WIDTH, HEIGHT = 100, 80


def image(key: int | str, *texts: str, split: str = "train") -> Image:
    """An image of the corpus, with its sentences."""
    sentences = tuple(Sentence(f"{key}#{number}", raw, tokenize(raw)) for number, raw in enumerate(texts))
    return Image(key, f"{key}.jpg", WIDTH, HEIGHT, "0" * 64, split, sentences)


def image_regions(name: str, count: int, seed: int = 0, size: int = 6) -> ImageRegions:
    """`count` random regions of an image, with descriptors of `size` numbers; its hash is the seed."""
    rng = np.random.default_rng([seed, count, *name.encode("utf-8", "surrogateescape")])
    corner = rng.uniform(0, 50, (count, 2))
    return ImageRegions(
        image_id=name,
        sha256=f"{seed:064x}",
        width=100 + count,
        height=90,
        boxes=np.hstack([corner, corner + rng.uniform(1, 40, (count, 2))]).astype(np.float32),
        scores=rng.random(count).astype(np.float32),
        descriptors=rng.normal(size=(count, size)).astype(np.float16),
    )


def are_same(one: ImageRegions | None, other: ImageRegions) -> bool:
    """Whether two images have the same regions, to the bit, and the same types."""
    if one is None:
        return False
    names = ("image_id", "sha256", "width", "height", "labels")
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("boxes", "scores", "descriptors")]
    return all(getattr(one, name) == getattr(other, name) for name in names) and all(
        np.array_equal(a, b) and a.dtype == b.dtype and a.flags.writeable for a, b in pairs
    )


def corpus(*images: Image) -> Corpus:
    """A corpus in memory, without a file."""
    return Corpus(Envelope("vsa-corpus", 1), Path("photos"), images, None, "1" * 64)


def boxes(count: int, seed: int = 0) -> NDArray[np.float32]:
    """(count, 4) boxes inside an image."""
    corner = np.random.default_rng(seed).uniform(0, 40, (count, 2))
    return np.hstack([corner, corner + 30]).astype(np.float32)


def descriptors(count: int, size: int = 6, seed: int = 0) -> NDArray[np.float32]:
    """(count, size) numbers that are exact in float16."""
    return np.random.default_rng(seed).integers(-99, 99, (count, size)).astype(np.float32) / 8


def pack(array: NDArray[np.float32]) -> str:
    """The base64 of bottom-up-attention's writer."""
    return base64.b64encode(array.astype("<f4").tobytes()).decode()


def line(key: object, places: NDArray[np.float32], described: NDArray[np.float32], /, **other: object) -> str:
    """A line of a TSV; `other` replaces columns by name."""
    columns = {
        "image_id": key, "image_w": WIDTH, "image_h": HEIGHT, "num_boxes": len(places), "boxes": pack(places),
        "features": pack(described),
    }  # fmt: skip
    return "\t".join(str(value) for value in {**columns, **other}.values()) + "\r\n"
