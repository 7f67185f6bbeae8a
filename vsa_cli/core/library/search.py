"""Search in an index: candidates by whole images, then the exact score of each candidate.

The score of a sentence for a photograph compares each word with each region (`embedding.search.compare`), which is 20
products of vectors for every word of a query. Candidates are found by one product a photograph: the vector of the whole
sentence with that of the whole image, a term of the same score. Only the candidates are scored in full.

Finding candidates is a plain product of all vectors, in float32 on blocks that fit into a CPU's cache, so it is exact,
needs no structure to build and keep, and costs what reading the vectors costs: 25 ms for 100,000 photographs of 768
numbers on one core. On the same core, the exhaustive searches of faiss-cpu 1.15 take 12 ms on float16 and 6 ms on
int8, and those of usearch 2.26 25 and 12 ms. So an engine would save little of a query, and none is a dependency
(wheels of 19 MB, with OpenBLAS and OpenMP beside PyTorch's, and of 2 MB; LanceDB's has 75 MB). Their approximate
indices would pay for many millions of photographs, but are built in advance and not in segments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.alignment.align import WordBox, best_boxes
from vsa_cli.core.alignment.embedder import FoundPhoto
from vsa_cli.core.alignment.word_scores import encode_alone, score_words
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import EncodedImages, EncodedSentences, Query, compare, encode_sentences
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.library import Index, Library, SegmentT, empty_manifest

_BLOCK = 1024  # vectors of whole images compared together
_SCORED = 64  # photographs whose regions are scored together: they fit into a CPU's cache
_REGIONS = 1 << 14  # regions that are scored together, at most, unless one photograph has more


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
    if config.exact or sentence.whole is None or not library.manifest.config.whole:
        rows = library.valid_rows()
    else:
        rows = nearest_rows(library, sentence.whole[0].float().cpu(), max(config.candidates, top))
    scores = exact_scores(trained.model, sentence, library, rows)
    best = np.argsort(-scores, kind="stable")[:top].tolist()
    explained = (query.words, sentence.words, encode_alone(trained.model, query.ids)) if explain else None
    return [_found(library, int(rows[i]), float(scores[i]), explained) for i in best]


def nearest_rows(library: Index[SegmentT], vector: Tensor, count: int) -> NDArray[np.int64]:
    """The rows of the photographs or sentences whose whole vector is most similar to a vector, in ascending order.

    Args:
        library: an index with vectors of whole images.
        vector: (H,) float32.
        count: the number of rows, at most; deleted ones are left out.

    Raises:
        ArtifactError: the index is damaged.
    """
    similarity = torch.full((library.rows,), -torch.inf)
    buffer = torch.empty(_BLOCK, len(vector))  # reused: allocating a new one for each block takes time
    for start, segment in library.parts():
        if segment.whole is None:
            raise segment.damage()
        found = similarity[start : start + len(segment)]
        for block, result in zip(torch.split(segment.whole, _BLOCK), torch.split(found, _BLOCK), strict=True):
            torch.mv(buffer[: len(block)].copy_(block), vector, out=result)
        if not bool(torch.isfinite(found).all()):
            raise segment.damage()
        found[list(segment.record.deleted)] = -torch.inf
    best = similarity.topk(min(count, len(library))).indices
    rows: NDArray[np.int64] = best.sort().values.numpy()
    return rows


def exact_scores(
    model: Embedding, sentence: EncodedSentences, library: Library, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(K,) scores of one sentence for K photographs, by the function that scores photographs without an index.

    Args:
        model: the model.
        sentence: the sentence.
        library: the index.
        rows: (K,) rows of photographs, in ascending order.

    Raises:
        ArtifactError: the index is damaged.
    """
    device = model.W_m.weight.device
    scores = np.empty(len(rows), np.float32)
    done = 0
    for images in encoded_photos(library, rows, device):
        part = compare(model, sentence, images)[0].cpu().numpy()
        scores[done : done + len(part)] = part
        done += len(part)
    if not np.isfinite(scores).all():
        raise ArtifactError(f"{library.folder}: damaged (vectors that are not finite); make the index again")
    return scores


def encoded_photos(library: Library, rows: NDArray[np.int64], device: torch.device) -> Iterator[EncodedImages]:
    """The stored vectors of photographs, in float32, in parts that are valid until the next is taken.

    Args:
        library: the index.
        rows: (K,) rows of photographs, in ascending order.
        device: where the vectors are put.

    Raises:
        ArtifactError: the index is damaged.
    """
    half, full = torch.empty(0, dtype=torch.float16), torch.empty(0, device=device)
    for start, segment in library.parts():
        first, last = np.searchsorted(rows, (start, start + len(segment)))
        places = rows[first:last] - start
        together = max(1, min(_SCORED, _REGIONS // segment.most_vectors))
        for begin in range(0, len(places), together):
            part = places[begin : begin + together]
            whole = None if segment.whole is None else segment.whole[torch.from_numpy(part)].to(device).float()
            regions = segment.regions_of(part, half)
            yield EncodedImages(full.resize_(regions.shape).copy_(regions), whole)


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
