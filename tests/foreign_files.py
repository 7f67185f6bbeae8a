"""Regions, corpora and the files of other programs, made up for tests."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.corpus import Corpus, Image, Sentence
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.io.envelope import Envelope

WIDTH, HEIGHT = 100, 80


def image(key: int | str, *said: str, split: str = "train") -> Image:
    """An image of the corpus, with its sentences."""
    sentences = tuple(Sentence(f"{key}#{number}", raw, tokenize(raw)) for number, raw in enumerate(said))
    return Image(key, f"{key}.jpg", WIDTH, HEIGHT, "0" * 64, split, sentences)


def corpus(*images: Image) -> Corpus:
    """A corpus that was never a file."""
    return Corpus(Envelope("vsa-corpus", 1), Path("photos"), images, None, "1" * 64)


def boxes(count: int, seed: int = 0) -> NDArray[np.float32]:
    """(count, 4) boxes inside an image."""
    corner = np.random.default_rng(seed).uniform(0, 40, (count, 2))
    return np.hstack([corner, corner + 30]).astype(np.float32)


def descriptors(count: int, size: int = 6, seed: int = 0) -> NDArray[np.float32]:
    """(count, size) numbers that float16 holds exactly."""
    return np.random.default_rng(seed).integers(-99, 99, (count, size)).astype(np.float32) / 8


def pack(array: NDArray[np.float32]) -> str:
    """Base64, as bottom-up-attention's writer makes it."""
    return base64.b64encode(array.astype("<f4").tobytes()).decode()


def line(key: object, places: NDArray[np.float32], described: NDArray[np.float32], /, **other: object) -> str:
    """A line of a TSV; other columns' contents by their names."""
    columns = {
        "image_id": key, "image_w": WIDTH, "image_h": HEIGHT, "num_boxes": len(places), "boxes": pack(places),
        "features": pack(described),
    }  # fmt: skip
    return "\t".join(str(value) for value in {**columns, **other}.values()) + "\r\n"
