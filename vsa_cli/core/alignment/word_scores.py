"""How well regions match the words of sentences: by a word in its sentence, by the word alone, and by names of things.

For word t of a sentence and region i of its image::

    v_i . s_t     s_t encodes the word in its sentence
    v_i . s'_t    s'_t encodes the word as a sentence of its own
    x_ti          max_n z_n(v_i) over the names n that the word mentions, minus its mean over the regions

s_t also says what stands beside the thing: "rides" in a sentence about a horse matches the horse. s'_t does not. z_n is
the log-odds of name n by the labeller of the alignment model (`vsa_cli.core.labels.labeller`), which learnt from a
detector where things are; x_ti is 0 for words that mention no name, and for models without a labeller.

In shapes, K is the number of words, R that of regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import Embedding, TrainedEmbedding
from vsa_cli.core.regions.image_regions import ImageRegions


@dataclass(frozen=True)
class WordScores:
    """The scores of K words for R regions.

    Attributes:
        in_sentence: (K, R) float32, v_i . s_t.
        alone: (K, R) float32, v_i . s'_t.
        named: (K, R) float32, x_ti.
    """

    in_sentence: NDArray[np.float32]
    alone: NDArray[np.float32]
    named: NDArray[np.float32]


@dataclass(frozen=True)
class KnownWords:
    """The words of a sentence that a model knows.

    Attributes:
        tokens: all words of the sentence, because the name of a thing may have several ("hot dog").
        ids: the ids of the K known words.
        positions: their indices among the tokens.
    """

    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    positions: tuple[int, ...]


def known_words(tokens: Sequence[str], vocabulary: Vocabulary) -> KnownWords:
    """The words of a sentence that a model with this vocabulary knows; there may be none."""
    positions = tuple(place for place, token in enumerate(tokens) if vocabulary.knows(token))
    return KnownWords(tuple(tokens), tuple(vocabulary.encode([tokens[place] for place in positions])), positions)


def encode_alone(model: Embedding, ids: Sequence[int]) -> Tensor:
    """(K, H) float32: s'_t of each word, on the model's device; equal words are encoded once."""
    distinct = sorted(set(ids))
    packed = pack([[word] for word in distinct]).to(model.W_m.weight.device)
    vectors = torch.empty_like(words := model.encode_words(packed).words)
    vectors[packed.sentence] = words
    return vectors[torch.tensor([distinct.index(word) for word in ids], device=vectors.device)]


def score_words(in_sentence: Tensor, alone: Tensor, v: Tensor, named: NDArray[np.float32] | None = None) -> WordScores:
    """The scores of the K words of a sentence.

    Args:
        in_sentence: (K, H), s_t.
        alone: (K, H), s'_t.
        v: (R, H), v_i, on the same device.
        named: (K, R), x_ti; None without a labeller.
    """
    scores, by_itself = ((s @ v.T).float().cpu().numpy() for s in (in_sentence, alone))
    return WordScores(scores, by_itself, np.zeros_like(scores) if named is None else named)


class RegionScorer:
    """Scores the words of sentences for the regions of one image.

    Args:
        trained: the alignment model.
        regions: the regions of the image.
    """

    def __init__(self, trained: TrainedEmbedding, regions: ImageRegions) -> None:
        model, labeller = trained.model, trained.labeller
        descriptors = torch.from_numpy(regions.descriptors).to(model.W_m.weight.device).float()
        self._model, self._v = model, model.encode_regions(descriptors)
        self._names = None if labeller is None else labeller.names
        self._logits = None if labeller is None else labeller.model.logits(descriptors).cpu().numpy()  # (R, M)

    def score(self, s: Tensor, words: KnownWords) -> WordScores:
        """The scores of the K known words of a sentence, whose s_t are the rows of `s`, (K, H)."""
        return score_words(s, encode_alone(self._model, words.ids), self._v, self._named(words))

    def _named(self, words: KnownWords) -> NDArray[np.float32] | None:
        if self._names is None or self._logits is None:
            return None
        mentioned = self._names.mentioned_by_word(words.tokens)
        named = np.zeros((len(words.ids), len(self._logits)), np.float32)
        for row, position in enumerate(words.positions):
            if mentioned[position]:
                best = self._logits[:, list(mentioned[position])].max(1)
                named[row] = best - best.mean()
        return named
