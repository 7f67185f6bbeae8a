"""Search in an index by a photograph: similar photographs, or sentences that describe it.

Sentences have the score that they have without an index. The score of another photograph is made like it: in place of
each word of a sentence, each region u_t of the given photograph is compared with the regions v_i of the other one,

    (1 - w) * mean_t max_i cos(u_t, v_i) + w * cos(whole image, other whole image),

where w is the weight of whole images in the model, and 0 for a model without them. So a photograph itself has score 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.alignment.align import locate_words
from vsa_cli.core.alignment.embedder import FoundPhoto, RankedSentence
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.compare import EncodedImages, compare
from vsa_cli.core.embedding.model import Embedding, TrainedEmbedding
from vsa_cli.core.embedding.score import word_scores
from vsa_cli.core.embedding.search import encode_images, look_up
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.library import Index, Library, SegmentT, SentenceIndex, empty_manifest
from vsa_cli.core.library.search import candidates, encoded_photos
from vsa_cli.core.library.short_vectors import short_images
from vsa_cli.core.regions.image_regions import ImageRegions

_WORDS = 1 << 13  # words that are scored together, about


@dataclass(frozen=True)
class PhotoAnswer:
    """The result for one of several photographs.

    Attributes:
        path: the path of the photograph, as given.
        found: the photographs or sentences found, best first.
        error: why there is no result; None if there is one.
    """

    path: str
    found: tuple[FoundPhoto | RankedSentence, ...] = ()
    error: str | None = None


@torch.inference_mode()
def similar_photos(
    trained: Trained[Embedding], library: Library, regions: ImageRegions, top: int, config: LibrarySearch
) -> list[FoundPhoto]:
    """The photographs of an index that are most similar to a photograph, best first; ties in the order of the index.

    Args:
        trained: the model with which the index was made.
        library: the index.
        regions: the regions of the photograph.
        top: the number of photographs to return, at most.
        config: how many photographs are scored exactly. A model without vectors of whole images scores all.

    Raises:
        DataError: the index is empty.
        ArtifactError: the index was made with another model, or is damaged.
    """
    image, whole = _encode(trained, library, regions)
    weight = trained.model.config.whole_weight
    rows = candidates(
        library,
        whole,
        top,
        config,
        lambda rows: _similarities(library, image, rows, weight, short=True),
        hubness=False,
    )
    scores = _similarities(library, image, rows, weight)
    found = []
    for index in np.argsort(-scores, kind="stable")[:top].tolist():
        row = int(rows[index])
        segment, place = library.place_of(row)
        size, sha256 = segment.size_of(place), segment.hash_of(place)
        found.append(FoundPhoto(library.photo(row), float(scores[index]), (), size, sha256, row))
    return found


@torch.inference_mode()
def rank_sentences(
    trained: TrainedEmbedding,
    index: SentenceIndex,
    regions: ImageRegions,
    top: int,
    config: LibrarySearch,
    *,
    explain: bool,
) -> list[RankedSentence]:
    """The sentences of an index that describe a photograph best, best first; those without a known word are last.

    Args:
        trained: the model with which the index was made.
        index: the index.
        regions: the regions of the photograph.
        top: the number of sentences to return, at most.
        config: how many sentences are scored exactly. A model without vectors of whole images scores all.
        explain: whether to find the best box of each known word.

    Raises:
        DataError: the index is empty.
        ArtifactError: the index was made with another model, or is damaged.
    """
    image, whole = _encode(trained, index, regions)
    rows = candidates(
        index, whole, top, config, lambda rows: _sentence_scores(trained.model, index, image, rows, short=True)
    )
    scores = _sentence_scores(trained.model, index, image, rows)
    ranked = []
    for place in np.argsort(-scores, kind="stable")[:top].tolist():
        segment, row = index.place_of(int(rows[place]))
        query = look_up(segment.key_of(row), trained.vocabulary)
        words = locate_words(trained, query, regions) if explain and query.words else ()
        score = float(scores[place]) if np.isfinite(scores[place]) else None
        ranked.append(RankedSentence(query.text, score, words, query.unknown))
    return ranked


def _encode(
    trained: Trained[Embedding], index: Index[SegmentT], regions: ImageRegions
) -> tuple[EncodedImages, Tensor | None]:
    """The photograph in the common space, and its (H,) whole vector; the index must be of the model and not empty."""
    index.require_model(empty_manifest(trained, index.manifest.config.items))
    if not len(index):
        raise DataError(f"{index.folder}: has no {index.manifest.config.items}")
    descriptors = torch.from_numpy(regions.descriptors)[None]
    image = encode_images(trained.model, descriptors.to(trained.model.W_m.weight.device).float())
    return image, None if image.whole is None else image.whole[0]


def _similarities(
    library: Library, image: EncodedImages, rows: NDArray[np.int64], weight: float, *, short: bool = False
) -> NDArray[np.float32]:
    """(K,) scores of K photographs for one photograph, which is an image with a batch of one."""
    scores = np.empty(len(rows), np.float32)
    done = 0
    for segment, others in encoded_photos(library, rows, image.regions.device, short=short):
        given = short_images(image, segment.axes) if short and segment.axes is not None else image
        u = F.normalize(given.regions[0], dim=-1)
        part = word_scores(u, F.normalize(others.regions, dim=-1)).float().mean(0)
        if given.whole is not None and others.whole is not None:
            part = (1 - weight) * part + weight * F.cosine_similarity(given.whole, others.whole)
        scores[done : done + len(part)] = part.cpu().numpy()
        done += len(part)
    _check_finite(library, scores)
    return scores


def _sentence_scores(
    model: Embedding, index: SentenceIndex, image: EncodedImages, rows: NDArray[np.int64], *, short: bool = False
) -> NDArray[np.float32]:
    """(K,) scores of K sentences for one photograph; minus infinity for a sentence without a known word."""
    scores = np.full(len(rows), -np.inf, np.float32)
    for start, segment in index.parts():
        first, last = np.searchsorted(rows, (start, start + len(segment)))
        places = rows[first:last] - start
        counts = segment.word_counts(places)
        known = np.flatnonzero(counts)
        given = short_images(image, segment.axes) if short and segment.axes is not None else image
        for part in _portions(known, counts):
            sentences = segment.encoded(places[part], image.regions.device, short=short)
            found = compare(model.config, sentences, given)[:, 0].cpu().numpy()
            _check_finite(index, found)
            scores[first + part] = found
        segment.release()
    return scores


def _portions(known: NDArray[np.int64], counts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The sentences in portions of a bounded number of words."""
    if not len(known):
        return []
    number = counts[known].cumsum() // _WORDS
    return np.split(known, np.flatnonzero(np.diff(number)) + 1)


def _check_finite(index: Index[SegmentT], scores: NDArray[np.float32]) -> None:
    if not np.isfinite(scores).all():
        raise ArtifactError(f"{index.folder}: damaged (vectors that are not finite); make the index again")
