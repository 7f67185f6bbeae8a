"""Scores of many sentences for many images, in chunks: memory is bounded by a chunk, not by the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.alignment.evidence import evidence_of
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.device import has_fast_bfloat16
from vsa_cli.core.embedding.batches import Packed, Pairs, pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.score import sentence_scores, word_scores
from vsa_cli.core.errors import DataError
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.metrics.recall import best_ranks, rank_statistics
from vsa_cli.core.regions.store import ImageRegions, pad

_IMAGES = 1000  # images whose regions are embedded, once, and compared with all sentences
_SENTENCES = 500  # embedded, and compared with these images, at once
_PART = 100  # images embedded at once


@dataclass(frozen=True)
class _Said:
    """L sentences embedded: (N, H) words, the sentence of each, and (L, H) sentences as such."""

    words: Tensor
    packed: Packed
    whole: Tensor | None


@dataclass(frozen=True)
class _Shown:
    """K images embedded: (K, R, H) regions, and (K, H) images as such."""

    regions: Tensor
    whole: Tensor | None


def combined_scores(model: Embedding, packed: Packed, regions: Tensor) -> Tensor:
    """(L, K): the model's score of each sentence for each image, by words and regions and, if it has it, as a whole.

    Args:
        model: in whatever mode.
        packed: L sentences.
        regions: (K, R, D) float32 descriptors, region 0 the whole image.
    """
    return _compare(model, _encode_said(model, packed), _encode_shown(model, regions))


def _encode_said(model: Embedding, packed: Packed) -> _Said:
    encoded = model.encode_words(packed)
    whole = model.encode_sentences(encoded.context, packed) if model.config.whole_weight > 0 else None
    return _Said(encoded.words, packed, whole)


def _encode_shown(model: Embedding, regions: Tensor) -> _Shown:
    whole = model.encode_whole_images(regions[:, 0]) if model.config.whole_weight > 0 else None
    return _Shown(model.encode_regions(regions), whole)


def _compare(model: Embedding, said: _Said, shown: _Shown) -> Tensor:
    by_word = _accurate(word_scores(said.words, shown.regions))
    mean = model.config.similarity == "cosine"
    scores = sentence_scores(by_word, said.packed.sentence, said.packed.count, mean=mean)
    if said.whole is None or shown.whole is None:
        return scores
    share = model.config.whole_weight
    return (1 - share) * scores + share * _accurate(said.whole @ shown.whole.T)


def _accurate(scores: Tensor) -> Tensor:
    # bfloat16 is for products; sums of many words and a softmax want more
    return scores.float() if scores.dtype == torch.bfloat16 else scores


def score_pairs(model: Embedding, pairs: Pairs) -> NDArray[np.float32]:
    """(M, K): every sentence of a split for every image of it."""
    return np.concatenate([scores for _, scores in score_strips(model, pairs)], axis=1)


def score_strips(model: Embedding, pairs: Pairs) -> Iterator[tuple[range, NDArray[np.float32]]]:
    """Some images at a time, and every sentence's scores for them, (M, images): memory for one such strip."""
    device = model.W_m.weight.device
    sentences, images = len(pairs.sentences), len(pairs.regions)
    for first in range(0, images, _IMAGES):
        columns = range(first, min(first + _IMAGES, images))
        strip = np.empty((sentences, len(columns)), np.float32)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
            shown = _encode_block(model, pairs.regions[first : columns.stop])
            for start in range(0, sentences, _SENTENCES):
                rows = slice(start, start + _SENTENCES)
                said = _encode_said(model, pack(pairs.sentences[rows]).to(device))
                strip[rows] = _compare(model, said, shown).cpu().numpy()
        yield columns, strip


def _encode_block(model: Embedding, regions: Tensor) -> _Shown:
    """(K, R, D) float16 descriptors of many images, embedded part by part."""
    device = model.W_m.weight.device
    parts = [_encode_shown(model, part.to(device).float()) for part in torch.split(regions, _PART)]
    whole = [part.whole for part in parts if part.whole is not None]
    return _Shown(torch.cat([part.regions for part in parts]), torch.cat(whole) if whole else None)


def recall_both_ways(
    scores: NDArray[np.float32], image: NDArray[np.int64], out_of_vocabulary: int = 0
) -> dict[str, float]:
    """R@1/5/10, median and mean rank of both directions, and their sum `rsum`, in percent.

    Args:
        scores: (M, K) sentence by image.
        image: (M,) the image of each sentence; an image of which no sentence is left ranks behind them all.
        wordless: sentences that were left with no word: ranked last.
    """
    sentences, images = scores.shape
    search = best_ranks(scores, image)
    search = np.concatenate([search, np.full(out_of_vocabulary, images)])
    described = np.isin(np.arange(images), image)
    mask = image[None, :] == np.arange(images)[described][:, None]
    annotation = best_ranks(scores.T[described], mask)
    annotation = np.concatenate([annotation, np.full(int((~described).sum()), sentences + 1)])
    i2t, t2i = rank_statistics(annotation), rank_statistics(search)
    rsum = sum(value for found in (i2t, t2i) for name, value in found.items() if name.startswith("R@"))
    return {f"i2t_{n}": v for n, v in i2t.items()} | {f"t2i_{n}": v for n, v in t2i.items()} | {"rsum": rsum}


_PHOTOS = 64  # compared at once


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
    for start in range(0, len(gallery), _PHOTOS):
        yield gallery[start : start + _PHOTOS]
