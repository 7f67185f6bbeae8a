"""Search in an index: candidates by ever better approximations, then the exact score of the best of them.

The score of a sentence for a photograph compares each word with each region (`embedding.search.compare`), which is 20
products of vectors for every word of a query. So a search has three stages:

1. One product of short vectors (see `short_vectors`) a photograph, of the whole sentence and the whole image, a term of
   the score, leaves one photograph in a hundred, or some thousands of a small index.
2. The score itself, but of short vectors, leaves `LibrarySearch.candidates`.
3. These are scored exactly, by the function that scores photographs without an index.

The first stage is a plain product, on blocks that fit into a CPU's cache. It needs no structure to build and keep, and
no engine: one core takes 4 ms for 100,000 photographs. Engines of nearest neighbours are made to find some tens of
them, not thousands, and their graphs would take longer; tests/benchmarks/README.md compares some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.alignment.align import WordBox, best_boxes
from vsa_cli.core.alignment.embedder import FoundPhoto
from vsa_cli.core.alignment.word_scores import encode_alone, score_words
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.compare import EncodedImages, EncodedSentences, compare
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import Query, encode_sentences
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.library import Index, Library, SegmentT, empty_manifest
from vsa_cli.core.library.photographs import PhotoSegment
from vsa_cli.core.library.short_vectors import short_sentences, shorten

_BLOCK = 4096  # vectors of whole images compared together
_SCORED, _SCORED_SHORT = 64, 512  # photographs whose regions are scored together: they fit into a CPU's cache
_REGIONS = 1 << 14  # regions that are scored together, at most, unless one photograph has more

_LEAST, _SHARE, _MOST = 4000, 100, 1 << 15
"""The first stage leaves one row in `_SHARE`, but not fewer than `_LEAST` and not more than `_MOST`."""


@torch.inference_mode()
def search_library(
    trained: Trained[Embedding], library: Library, query: Query, top: int, config: LibrarySearch, *, explain: bool
) -> list[FoundPhoto]:
    """The photographs of an index that a query describes best, best first; ties in the order of the index.

    Args:
        trained: the model with which the index was made.
        library: the index.
        query: the sentence, with at least one known word.
        top: the number of photographs to return, at most.
        config: how many photographs are scored exactly. A model without vectors of whole images scores all.
        explain: whether to find the best box of each known word.

    Raises:
        DataError: the index is empty.
        ArtifactError: the index was made with another model, or is damaged.
    """
    library.require_model(empty_manifest(trained))
    if not len(library):
        raise DataError(f"{library.folder}: has no photographs")
    device = trained.model.W_m.weight.device
    sentence = encode_sentences(trained.model, pack([query.ids]).to(device))
    whole = None if sentence.whole is None else sentence.whole[0]
    rows = candidates(
        library, whole, top, config, lambda rows: photo_scores(trained.model, sentence, library, rows, short=True)
    )
    scores = photo_scores(trained.model, sentence, library, rows)
    best = np.argsort(-scores, kind="stable")[:top].tolist()
    explained = (query.words, sentence.words, encode_alone(trained.model, query.ids)) if explain else None
    return [_found(library, int(rows[i]), float(scores[i]), explained) for i in best]


def candidates(
    library: Index[SegmentT],
    whole: Tensor | None,
    top: int,
    config: LibrarySearch,
    short_scores: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    *,
    hubness: bool = True,
) -> NDArray[np.int64]:
    """The rows to score exactly, in ascending order: all, or those that approximations find best.

    Args:
        library: an index.
        whole: (H,) the vector of the whole sentence or image that is searched for; None for a model without them.
        top: the number of results.
        config: how the index is searched.
        short_scores: the scores of some rows, computed from short vectors.
        hubness: whether scores have the hubness of rows subtracted, if the model has a bank.

    Raises:
        ArtifactError: the index is damaged.
    """
    if config.exact or whole is None or not library.manifest.config.whole:
        return library.valid_rows()
    count = max(config.candidates, top)
    rows = nearest_rows(library, whole.float().cpu(), max(count, first_stage(len(library))), hubness=hubness)
    if len(rows) <= count:
        return rows
    best = np.argsort(-short_scores(rows), kind="stable")[:count]
    kept: NDArray[np.int64] = np.sort(rows[best])
    return kept


def first_stage(count: int) -> int:
    """How many rows the first stage leaves of an index with `count`, which may be more than there are."""
    return min(max(_LEAST, count // _SHARE), _MOST)


def nearest_rows(library: Index[SegmentT], vector: Tensor, count: int, *, hubness: bool = True) -> NDArray[np.int64]:
    """The rows whose whole image or sentence is most similar to a vector, by short vectors, in ascending order.

    Args:
        library: an index with vectors of whole images.
        vector: (H,) float32.
        count: the number of rows, at most; deleted ones are left out.
        hubness: whether to subtract the hubness of each row, if the model has a bank.

    Raises:
        ArtifactError: the index is damaged.
    """
    similarity = torch.full((library.rows,), -torch.inf)
    buffer = torch.empty(0)  # reused: allocating a new one for each block takes time
    for start, segment in library.parts():
        if segment.short_whole is None or segment.axes is None:
            raise segment.damage()
        found, asked = similarity[start : start + len(segment)], shorten(vector, segment.axes)
        for block, result in zip(torch.split(segment.short_whole, _BLOCK), torch.split(found, _BLOCK), strict=True):
            torch.mv(buffer.resize_(block.shape).copy_(block), asked, out=result)
        if hubness and segment.hubness is not None:
            found -= segment.hubness
        if not bool(torch.isfinite(found).all()):
            raise segment.damage()
        found[list(segment.record.deleted)] = -torch.inf
    best = similarity.topk(min(count, len(library))).indices
    rows: NDArray[np.int64] = best.sort().values.numpy()
    return rows


def photo_scores(
    model: Embedding, sentence: EncodedSentences, library: Library, rows: NDArray[np.int64], *, short: bool = False
) -> NDArray[np.float32]:
    """(K,) scores of one sentence for K photographs, by the function that scores photographs without an index.

    Args:
        model: the model.
        sentence: the sentence.
        library: the index.
        rows: (K,) rows of photographs, in ascending order.
        short: whether to compare short vectors, which is faster and not exact.

    Raises:
        ArtifactError: the index is damaged.
    """
    device = model.W_m.weight.device
    scores = np.empty(len(rows), np.float32)
    done = 0
    for segment, images in encoded_photos(library, rows, device, short=short):
        asked = short_sentences(sentence, segment.axes) if short and segment.axes is not None else sentence
        part = compare(model.config, asked, images)[0].cpu().numpy()
        scores[done : done + len(part)] = part
        done += len(part)
    if not np.isfinite(scores).all():
        raise ArtifactError(f"{library.folder}: damaged (vectors that are not finite); make the index again")
    return scores


def encoded_photos(
    library: Library, rows: NDArray[np.int64], device: torch.device, *, short: bool = False
) -> Iterator[tuple[PhotoSegment, EncodedImages]]:
    """The stored vectors of photographs, in float32, in parts of a segment that are valid until the next is taken.

    Args:
        library: the index.
        rows: (K,) rows of photographs, in ascending order.
        device: where the vectors are put.
        short: whether to return short vectors.

    Raises:
        ArtifactError: the index is damaged.
    """
    half, full = torch.empty(0, dtype=torch.float16), torch.empty(0, device=device)
    for start, segment in library.parts():
        first, last = np.searchsorted(rows, (start, start + len(segment)))
        if first == last:
            continue
        places = rows[first:last] - start
        together = max(1, min(_SCORED_SHORT if short else _SCORED, _REGIONS // segment.most_vectors))
        for begin in range(0, len(places), together):
            part = places[begin : begin + together]
            whole = segment.whole_of(part, short=short)
            regions, hubness = segment.regions_of(part, half, short=short), segment.hubness_of(part)
            images = EncodedImages(
                full.resize_(regions.shape).copy_(regions),
                None if whole is None else whole.to(device).float(),
                None if hubness is None else hubness.to(device),
            )
            yield segment, images
        segment.release()


def _found(
    library: Library, row: int, score: float, explained: tuple[Sequence[str], Tensor, Tensor] | None
) -> FoundPhoto:
    """The photograph in a row; with the best box of each word, given the words and the (T, H) vectors s_t and s'_t."""
    segment, place = library.place_of(row)
    words: tuple[WordBox, ...] = ()
    if explained is not None:
        texts, s, alone = explained
        v = segment.regions_of(np.array([place]))[0].to(s.device).float()
        words = best_boxes(texts, score_words(s, alone, v), segment.boxes_of(place))
    return FoundPhoto(library.photo(row), score, words, segment.size_of(place), segment.hash_of(place), row)
