"""Photographs embedded and ready to be searched: from `regions.h5`, or looked at on the spot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.config import AlignConfig
from vsa_cli.core.embedding.evidence import evidence_of
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import combined_scores
from vsa_cli.core.embedding.sentences import pack
from vsa_cli.core.errors import DataError
from vsa_cli.core.learning.artifact import Trained
from vsa_cli.core.regions.store import ImageRegions, pad

_IMAGES = 64  # compared at once


@dataclass(frozen=True)
class Hit:
    """A photograph found.

    Attributes:
        path: as shown.
        score: the model's.
        words: for each known word of the query its best box, in pixels of the original, and its score there.
    """

    path: str
    score: float
    words: tuple[tuple[str, tuple[float, float, float, float], float], ...]


def known_query(trained: Trained[Embedding], tokens: Sequence[str]) -> tuple[list[str], list[int]]:
    """The words of a query that the model knows, and their ids.

    Raises:
        DataError: it knows none.
    """
    known = [token for token in tokens if trained.vocabulary.encode([token])]
    if not known:
        said = f"the model knows no word of {' '.join(tokens)!r}" if tokens else "the query has no word in it"
        raise DataError(said)
    return known, trained.vocabulary.encode(known)


@torch.inference_mode()
def search_images(
    trained: Trained[Embedding], tokens: Sequence[str], gallery: Sequence[tuple[str, ImageRegions]], top: int
) -> list[Hit]:
    """The photographs that a sentence describes best, best first.

    Args:
        trained: the model.
        tokens: of the sentence.
        gallery: what each photograph is shown as, and its regions.
        top: how many to return.

    Raises:
        DataError: the model knows no word of the sentence.
    """
    words, ids = known_query(trained, tokens)
    scores = np.concatenate([_score(trained, ids, [r for _, r in part]) for part in _parts(gallery)])
    best = np.argsort(-scores, kind="stable")[:top]
    return [Hit(gallery[i][0], float(scores[i]), _explain(trained, words, ids, gallery[i][1])) for i in best]


@torch.inference_mode()
def search_sentences(
    trained: Trained[Embedding], regions: ImageRegions, sentences: Sequence[Sequence[str]]
) -> NDArray[np.float32]:
    """(M,) the score of each sentence for a photograph; minus infinity for one without a known word."""
    scores = np.full(len(sentences), -np.inf, np.float32)
    ids = [trained.vocabulary.encode(tokens) for tokens in sentences]
    known = [i for i, words in enumerate(ids) if words]
    device = trained.model.W_m.weight.device
    described = _tensor(regions)[None].to(device)
    for start in range(0, len(known), 1000):
        part = known[start : start + 1000]
        packed = pack([ids[i] for i in part]).to(device)
        scores[part] = combined_scores(trained.model, packed, described)[:, 0].cpu().numpy()
    return scores


def _score(trained: Trained[Embedding], ids: list[int], images: list[ImageRegions]) -> NDArray[np.float32]:
    padded = torch.from_numpy(pad([image.descriptors for image in images])).float()
    device = trained.model.W_m.weight.device
    found: NDArray[np.float32] = (
        combined_scores(trained.model, pack([ids]).to(device), padded.to(device))[0].cpu().numpy()
    )
    return found


def _explain(
    trained: Trained[Embedding], words: list[str], ids: list[int], image: ImageRegions
) -> tuple[tuple[str, tuple[float, float, float, float], float], ...]:
    device = trained.model.W_m.weight.device
    s = trained.model.encode_words(pack([ids]).to(device)).words
    v = trained.model.encode_regions(_tensor(image).to(device))
    scores = (s @ v.T).float().cpu().numpy()
    place = evidence_of(image.boxes, AlignConfig())(scores).argmax(1).tolist()
    boxes = image.boxes.astype(np.float64).round(2).tolist()
    return tuple(
        (word, tuple(boxes[region]), float(of_word[region]))
        for word, region, of_word in zip(words, place, scores, strict=True)
    )


def _tensor(image: ImageRegions) -> Tensor:
    return torch.from_numpy(image.descriptors).float()


def _parts(gallery: Sequence[tuple[str, ImageRegions]]) -> Iterator[Sequence[tuple[str, ImageRegions]]]:
    for start in range(0, len(gallery), _IMAGES):
        yield gallery[start : start + _IMAGES]
