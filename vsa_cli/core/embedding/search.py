"""Image–sentence scores of many pairs, and search by them, in chunks that bound the memory.

L sentences of N words in all, K images of R regions, H the size of the common space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.device import has_fast_bfloat16
from vsa_cli.core.embedding.batches import Packed, Pairs, Shared, pack
from vsa_cli.core.embedding.compare import EncodedImages, EncodedSentences, compare
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.json import is_text
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.io.text import decode_text, numbered_lines
from vsa_cli.core.learning.distributed import gathered
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.learning.shares import Rows
from vsa_cli.core.metrics.recall import best_ranks, rank_statistics
from vsa_cli.core.ranks import Ranks
from vsa_cli.core.regions.image_regions import ImageRegions, pad

_IMAGES = 1000  # images embedded, then compared with all sentences
_SENTENCES = 500  # sentences embedded and compared together
_PART = 100  # images embedded together: their descriptors are float32 meanwhile
_SEARCHED = 250  # images embedded, and compared with a query, together
_HINTS = 5  # unknown words for which a message has similar ones, and how many of these
_MAX_SENTENCES = 1_000_000

MAX_CHARACTERS = 10_000
"""The most characters of a sentence in a list."""


def encode_sentences(model: Embedding, packed: Packed) -> EncodedSentences:
    """Encode L sentences."""
    encoded = model.encode_words(packed)
    whole = model.encode_sentences(encoded.context, packed) if model.config.whole_weight > 0 else None
    sentences = EncodedSentences(encoded.words, packed.sentence, packed.count, whole)
    return sentences if model.bank is None else model.bank.with_hubness_of_sentences(sentences)


def encode_images(model: Embedding, regions: Tensor, rows: Rows | None = None) -> EncodedImages:
    """Encode K images from (K, R, D) float32 descriptors, region 0 being the whole image.

    `rows` are those of the images in a batch of several processes.
    """
    whole = model.encode_whole_images(regions[:, 0], rows) if model.config.whole_weight > 0 else None
    images = EncodedImages(model.encode_regions(regions, rows), whole)
    return images if model.bank is None else model.bank.with_hubness_of_images(images)


def combined_scores(model: Embedding, packed: Packed, regions: Tensor) -> Tensor:
    """(L, K) scores of each sentence for each image.

    Args:
        model: the model, in training or evaluation mode.
        packed: L sentences.
        regions: (K, R, D) float32 descriptors, region 0 being the whole image.
    """
    return compare(model.config, encode_sentences(model, packed), encode_images(model, regions))


def shared_scores(model: Embedding, packed: Packed, regions: Tensor, shared: Shared, ranks: Ranks) -> Tensor:
    """(L, K) `combined_scores` of a batch of several processes, the same in all of them.

    Each process encodes its own sentences and images and compares its images with all sentences: for these, the
    vectors of their words are sent, which are fewer than those of regions.

    Args:
        model: the model, in training mode.
        packed: the sentences of this process.
        regions: (K_own, R, D) float32 descriptors of its images.
        shared: how the batch is shared.
        ranks: this process.

    Raises:
        EndedError: another process has ended.
    """

    def of_all(own: Tensor, counts: Sequence[int], *, summed: bool) -> Tensor:
        return gathered(own[: counts[ranks.rank]], counts, ranks, summed=summed)  # none of a row that nobody counts

    own, images = encode_sentences(model, packed), encode_images(model, regions, shared.images)
    words = of_all(own.words.float(), shared.word_counts, summed=True)
    whole = None if own.whole is None else of_all(own.whole.float(), shared.sentence_counts, summed=True)
    columns = compare(
        model.config, EncodedSentences(words, shared.sentence, sum(shared.sentence_counts), whole), images
    )
    return of_all(columns.T, shared.image_counts, summed=False).T


def score_pairs(model: Embedding, pairs: Pairs) -> NDArray[np.float32]:
    """(M, K) scores of every sentence of a split for every image of it."""
    return np.concatenate([scores for _, scores in score_strips(model, pairs)], axis=1)


def score_strips(model: Embedding, pairs: Pairs) -> Iterator[tuple[range, NDArray[np.float32]]]:
    """The score matrix in strips of some images each: (their indices, (M, images) scores of all sentences).

    One strip is in memory at a time.
    """
    device = model.W_m.weight.device
    sentences, images = len(pairs.sentences), len(pairs.regions)
    for first in range(0, images, _IMAGES):
        columns = range(first, min(first + _IMAGES, images))
        strip = np.empty((sentences, len(columns)), np.float32)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
            encoded = encode_images_in_parts(model, pairs.regions[first : columns.stop])
            for start in range(0, sentences, _SENTENCES):
                rows = slice(start, start + _SENTENCES)
                packed = pack(pairs.sentences[rows]).to(device)
                strip[rows] = compare(model.config, encode_sentences(model, packed), encoded).cpu().numpy()
        yield columns, strip


def encode_images_in_parts(model: Embedding, regions: Tensor) -> EncodedImages:
    """Encode (K, R, D) float16 descriptors of many images, some at a time; their float32 copies need memory."""
    device = model.W_m.weight.device
    parts = [encode_images(model, part.to(device).float()) for part in torch.split(regions, _PART)]
    whole = [part.whole for part in parts if part.whole is not None]
    hubness = [part.hubness for part in parts if part.hubness is not None]
    return EncodedImages(
        torch.cat([part.regions for part in parts]),
        torch.cat(whole) if whole else None,
        torch.cat(hubness) if hubness else None,
    )


def recall_both_ways(
    scores: NDArray[np.float32], image: NDArray[np.int64], out_of_vocabulary: int = 0
) -> dict[str, float]:
    """R@1/5/10, median and mean rank in both directions, and the sum of the recalls, `rsum`, in percent.

    Args:
        scores: (M, K), sentence by image.
        image: (M,), the image of each sentence; an image without a sentence is ranked last.
        out_of_vocabulary: the number of sentences without a known word, which rank last.
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


@dataclass(frozen=True)
class Query:
    """A sentence to search by.

    Attributes:
        text: the sentence as written.
        words: its words that the model knows, in order.
        ids: their ids in the model's vocabulary.
        unknown: its other words, each once, which are left out of the search.
    """

    text: str
    words: tuple[str, ...]
    ids: tuple[int, ...]
    unknown: tuple[str, ...] = ()


def look_up(text: str, vocabulary: Vocabulary) -> Query:
    """Tokenise a sentence and look its words up; it may have none that the model knows."""
    tokens = vocabulary.tokenize(text)
    words = tuple(token for token in tokens if vocabulary.knows(token))
    return Query(text, words, tuple(vocabulary.encode(words)), vocabulary.unknown_among(tokens))


def read_query(text: str, vocabulary: Vocabulary) -> Query:
    """Tokenise a sentence and look its words up.

    Raises:
        DataError: the sentence has no word that the model knows; the message lists similar ones.
    """
    query = look_up(text, vocabulary)
    if query.words:
        return query
    if not query.unknown:
        raise DataError("the query contains no word")
    similar = vocabulary.similar(query.unknown[:_HINTS])[:_HINTS]
    hint = f"; did you mean {', '.join(similar)}?" if similar else ""
    raise DataError(f"the model knows no word of {' '.join(vocabulary.tokenize(text))!r}{hint}")


@dataclass(frozen=True)
class Hit:
    """A photograph found by a query: its index among those searched, the photograph, and its score."""

    index: int
    photo: Photo
    score: float


@torch.inference_mode()
def search_images(
    trained: Trained[Embedding], query: Query, images: Sequence[tuple[Photo, ImageRegions]], top: int
) -> list[Hit]:
    """The `top` photographs that a query describes best, best first; ties in the order given."""
    model, device = trained.model, trained.model.W_m.weight.device
    sentence = encode_sentences(model, pack([query.ids]).to(device))
    scores = np.empty(len(images), np.float32)
    for start in range(0, len(images), _SEARCHED):
        rows = slice(start, start + _SEARCHED)
        descriptors = torch.from_numpy(pad([regions.descriptors for _, regions in images[rows]]))
        scores[rows] = (
            compare(model.config, sentence, encode_images(model, descriptors.to(device).float()))[0].cpu().numpy()
        )
    best = np.argsort(-scores, kind="stable")[:top].tolist()
    return [Hit(index, images[index][0], float(scores[index])) for index in best]


@torch.inference_mode()
def search_sentences(
    trained: Trained[Embedding], regions: ImageRegions, sentences: Sequence[str]
) -> NDArray[np.float32]:
    """(M,) scores of M sentences for a photograph; minus infinity for a sentence without a known word."""
    model, device = trained.model, trained.model.W_m.weight.device
    scores = np.full(len(sentences), -np.inf, np.float32)
    ids = [look_up(sentence, trained.vocabulary).ids for sentence in sentences]
    known = [index for index, words in enumerate(ids) if words]
    image = encode_images(model, torch.from_numpy(regions.descriptors)[None].to(device).float())
    for start in range(0, len(known), _SENTENCES):
        rows = known[start : start + _SENTENCES]
        packed = pack([ids[row] for row in rows]).to(device)
        scores[rows] = compare(model.config, encode_sentences(model, packed), image)[:, 0].cpu().numpy()
    return scores


def read_sentence_list(path: Path) -> list[str]:
    """The lines of a text file or pipe that are not blank: one sentence per line.

    Raises:
        DataError: the file cannot be read, or holds too many or too long sentences.
    """
    sentences: list[str] = []
    try:
        with path.open("rb") as file:
            for where, line in numbered_lines(file, str(path)):
                text = decode_text(line).rstrip("\r\n")
                if not is_text(text):
                    raise DataError(f"{where}: is not UTF-8 text")
                if len(text) > MAX_CHARACTERS:
                    raise DataError(f"{where}: a sentence of {len(text)} characters; the limit is {MAX_CHARACTERS}")
                if len(sentences) == _MAX_SENTENCES:
                    raise DataError(f"{where}: more than {_MAX_SENTENCES} sentences")
                sentences.append(text)
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error
    return sentences
