"""Pretrained word vectors as the initial W_w of a model (paper, section 3.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vsa_cli.core.corpus.vocabulary import UNKNOWN_WORD, Vocabulary
from vsa_cli.core.embedding.vector_files import read_vectors
from vsa_cli.core.errors import ConfigError, DataError


@dataclass(frozen=True)
class WordVectors:
    """The vectors of a vocabulary's words, as far as a file has them.

    Attributes:
        ids: (C,) int64 ids of the words found, and of UNK if both the vocabulary and the file have it.
        vectors: (C, W) float32, finite vectors.
        covered: the number of words found.
        words: the number of words in the vocabulary, without END and UNK.
        file: the name of the file, without its folder.
        form: the format of the file, such as `glove`.
        sha256: the hash of the file.
        undecodable: the number of words in the file that are not UTF-8; they were skipped.
    """

    ids: Tensor
    vectors: Tensor
    covered: int
    words: int
    file: str
    form: str
    sha256: str
    undecodable: int

    @property
    def size(self) -> int:
        """W, the size of a vector."""
        return self.vectors.shape[1]

    def facts(self) -> dict[str, Any]:
        """The entry in the envelope of a model that was trained with them."""
        kept = ("file", "form", "sha256", "covered", "words")
        return {name: getattr(self, name) for name in kept}


def read_word_vectors(path: Path, vocabulary: Vocabulary) -> WordVectors:
    """Read the vectors of a vocabulary's words. Memory grows with the vocabulary, not with the file.

    Raises:
        DataError: the file is damaged, has none of the words, or all their vectors are zero.
    """
    ids = {word: vocabulary.encode([word])[0] for word in vocabulary.words}
    wanted = {**ids, UNKNOWN_WORD: vocabulary.unk} if vocabulary.unk is not None else ids
    found = read_vectors(path, wanted)
    covered = sum(word in ids for word in found.vectors)
    if not covered:
        raise DataError(f"{path}: has none of the vocabulary's {len(ids):,} words")
    names = sorted(found.vectors, key=lambda word: wanted[word])
    vectors = torch.from_numpy(np.stack([found.vectors[word] for word in names]))
    if not vectors.any():
        raise DataError(f"{path}: the vectors of the vocabulary's words are all zero")
    return WordVectors(
        ids=torch.tensor([wanted[word] for word in names]),
        vectors=vectors,
        covered=covered,
        words=len(ids),
        file=path.name,
        form=found.form,
        sha256=found.sha256,
        undecodable=found.undecodable,
    )


@torch.no_grad()
def initialise_words(table: nn.Embedding, given: WordVectors) -> None:
    """Copy vectors into a newly made table; its other rows are scaled to their mean length.

    Raises:
        ConfigError: the table's vectors have another size.
    """
    if table.embedding_dim != given.size:
        raise ConfigError(f"{given.file}: its vectors have size {given.size}, those of the model {table.embedding_dim}")
    absent = torch.ones(table.num_embeddings, dtype=torch.bool)
    absent[given.ids] = False  # END is always absent
    length = given.vectors.double().norm(dim=1).mean()  # the squares could overflow in float32
    rows = table.weight[absent]
    table.weight[absent] = rows * (length / rows.double().norm(dim=1).mean()).float()
    table.weight[given.ids] = given.vectors
