"""The sentences of an index: what is stored of each, and the files from which they are read.

A sentence is stored once, by its text as written, in UTF-8. Its vectors are s_t of its words that the model knows; a
sentence without any has none, and its whole vector is zero. Segments have the tensors of `segment` and no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.corpus.readers.detect import read_captions
from vsa_cli.core.embedding.compare import EncodedSentences
from vsa_cli.core.embedding.search import MAX_CHARACTERS, read_sentence_list
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.envelope import CORPUS
from vsa_cli.core.io.json import is_text
from vsa_cli.core.library.manifest import SegmentRecord
from vsa_cli.core.library.segment import Segment, Vectors, write_rows

_HEAD_BYTES = 512


@dataclass(frozen=True)
class SentenceEntry:
    """A sentence of an index.

    Attributes:
        sentence: the sentence as written.
        vectors: s_t of each known word, and the vector of the whole sentence.
    """

    sentence: str
    vectors: Vectors

    @property
    def key(self) -> str:
        """The sentence as written."""
        return self.sentence

    @property
    def text(self) -> bytes:
        """The sentence in UTF-8."""
        return self.sentence.encode()


def write_sentences(folder: Path, file: str, entries: Sequence[SentenceEntry]) -> SegmentRecord:
    """Write the file of a segment of sentences in one step; return its record.

    Raises:
        DataError: the file cannot be written.
    """
    return write_rows(folder, file, entries, {})


class SentenceSegment(Segment):
    """A segment of sentences, mapped into memory."""

    def key_of(self, row: int) -> str:
        """The sentence as written.

        Raises:
            ArtifactError: the segment is damaged.
        """
        try:
            return self._text(row).decode()
        except UnicodeDecodeError as error:
            raise self.damage() from error

    def entry(self, row: int) -> SentenceEntry:
        """Everything about a sentence.

        Raises:
            ArtifactError: the segment is damaged.
        """
        return SentenceEntry(self.key_of(row), self.vectors_of(row))

    def word_counts(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(K,) the number of known words of some sentences.

        Raises:
            ArtifactError: the segment is damaged.
        """
        starts, ends = self._offsets[rows], self._offsets[rows + 1]
        self._check(bool((starts >= 0).all() and (starts <= ends).all() and (ends <= len(self._vectors)).all()))
        counts: NDArray[np.int64] = ends - starts
        return counts

    def encoded(self, rows: NDArray[np.int64], device: torch.device, *, short: bool = False) -> EncodedSentences:
        """Some sentences, each with at least one known word, as float32 on a device: their full vectors, or short ones.

        Raises:
            ArtifactError: the segment is damaged.
        """
        counts = self.word_counts(rows)
        index = np.concatenate([np.arange(n) + start for start, n in zip(self._offsets[rows], counts, strict=True)])
        sentence = torch.from_numpy(np.repeat(np.arange(len(rows)), counts)).to(device)
        words = self.parts_of(short=short)[torch.from_numpy(index)].to(device).float()
        whole, hubness = self.whole_of(rows, short=short), self.hubness_of(rows)
        return EncodedSentences(
            words,
            sentence,
            len(rows),
            None if whole is None else whole.to(device).float(),
            None if hubness is None else hubness.to(device),
        )


def read_texts(path: Path) -> list[str]:
    """The different sentences of a file, in its order: text, a `corpus.json`, or captions in JSON or JSON Lines.

    A file that starts with a bracket is JSON; any other has one sentence per line.

    Raises:
        DataError: the file cannot be read, has no sentences, or one that is too long.
        ArtifactError: it is a damaged `corpus.json`.
    """
    head = _head(path)
    if not head.startswith((b"{", b"[")):
        texts = read_sentence_list(path)
    elif f'"{CORPUS}"'.encode() in head:
        images = read_corpus(path, needs_photographs=False).images
        texts = [sentence.raw for image in images for sentence in image.sentences]
    else:
        records = read_captions([path], None).records
        texts = [text for record in records for text in record.sentences.values()]
    texts = [text for text in dict.fromkeys(texts) if text.strip()]
    for text in texts:
        if not is_text(text) or len(text) > MAX_CHARACTERS:
            raise DataError(f"{path}: a sentence of more than {MAX_CHARACTERS} characters, or one that is not UTF-8")
    if not texts:
        raise DataError(f"{path}: has no sentences")
    return texts


def _head(path: Path) -> bytes:
    """The start of a file without blanks before it; nothing of a pipe, which can be read only once."""
    try:
        if path.exists() and not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES).lstrip()
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error
