"""Word vectors learnt elsewhere, as a model's first W_w (paper, section 3.1.2). Knows no form of file."""

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
    """What a file knows of a vocabulary.

    Attributes:
        ids: (C,) int64, the words found, and UNK where both sides have it.
        vectors: (C, W) float32, finite.
        covered: words found.
        words: of the vocabulary; END is none.
        file: the file's name, without its folder.
        form: of the file, such as `glove`.
        sha256: of the file.
        strange: words of the file that are not UTF-8, which were passed over.
    """

    ids: Tensor
    vectors: Tensor
    covered: int
    words: int
    file: str
    form: str
    sha256: str
    strange: int

    @property
    def size(self) -> int:
        """W, numbers of a vector."""
        return self.vectors.shape[1]

    def facts(self) -> dict[str, Any]:
        """What an artifact made with them says of them."""
        kept = ("file", "form", "sha256", "covered", "words")
        return {name: getattr(self, name) for name in kept}


def read_word_vectors(path: Path, vocabulary: Vocabulary) -> WordVectors:
    """Read a vocabulary's vectors; memory grows with the vocabulary, not with the file.

    Raises:
        DataError: the file is broken (see `read_vectors`), or knows no word, or knows them by nothing but zeros.
    """
    ids = {word: vocabulary.encode([word])[0] for word in vocabulary.words}
    wanted = {**ids, UNKNOWN_WORD: vocabulary.unk} if vocabulary.unk is not None else ids
    found = read_vectors(path, wanted)
    covered = sum(word in ids for word in found.vectors)
    if not covered:
        raise DataError(f"{path}: knows none of the vocabulary's {len(ids):,} words")
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
        strange=found.strange,
    )


@torch.no_grad()
def start_words(table: nn.Embedding, given: WordVectors) -> None:
    """Put the vectors into a fresh table; its other rows keep their directions and take the vectors' mean length.

    Raises:
        UsageError: the table's vectors have another size.
    """
    if table.embedding_dim != given.size:
        raise ConfigError(f"{given.file}: has {given.size} numbers a word, the model {table.embedding_dim}")
    absent = torch.ones(table.num_embeddings, dtype=torch.bool)
    absent[given.ids] = False  # END is always among the absent
    length = given.vectors.double().norm(dim=1).mean()  # float32 would overflow on squares
    rows = table.weight[absent]
    table.weight[absent] = rows * (length / rows.double().norm(dim=1).mean()).float()
    table.weight[given.ids] = given.vectors
