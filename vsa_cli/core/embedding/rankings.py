"""Rankings of a whole split, in both directions: the rankings file.

After the envelope (`vsa-rankings`, the file's metadata line; see `core.io.envelope`), one line per query::

    {"direction": "i2t" | "t2i", "query_id", "best_rank": int from 1, "top": [[id, score], ...]}

and `"fold": int` if the split is divided into folds. i2t ranks sentences for an image; its `best_rank` is that of
the best of the image's own sentences. t2i ranks images for a sentence. Ranks are pessimistic on ties. A sentence with
no known word is never found and has the last rank. An image that has only such sentences has a best rank of one more
than the number of ranked sentences.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.split_names import resolve_split
from vsa_cli.core.embedding.batches import Pairs, read_pairs
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import score_strips
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.envelope import RANKINGS, VERSIONS, Envelope, parent
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.metrics.recall import best_ranks
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import described_for

_ROWS = 500  # sentences per block


def rank_split(
    trained: Trained[Embedding], corpus: Corpus, regions: RegionStore, split: str, top: int, folds: int = 1
) -> Iterator[dict[str, Any]]:
    """The lines of a rankings file.

    Args:
        trained: the alignment model.
        corpus: the images and sentences.
        regions: the regions of the images.
        split: the corpus split to rank.
        top: the number of results listed for each query.
        folds: the number of parts, as equal as possible, into which the images are divided in their order; each is
            searched separately (COCO's 1K protocol: five parts of 1,000).

    Raises:
        ArtifactError: the regions were not extracted as for the model, or an image has none.
        DataError: the split has fewer images than folds, or no sentence with a known word.
    """
    regions = described_for(trained.feature_spec, trained.tail, regions)
    pairs = read_pairs(corpus, regions, split, trained.vocabulary)
    images = len(pairs.image_ids)
    if folds > images:
        raise DataError(f"`folds` {folds}: the split {split} has only {images} images")
    parents = {
        "corpus": parent(corpus.envelope.format, corpus.sha256),
        "regions": parent(regions.envelope.format, regions.sha256),
        "embedding": parent(trained.envelope.format, trained.sha256),
    }
    config = {"split": resolve_split(split), "top": top, "folds": folds}
    yield Envelope(RANKINGS, VERSIONS[RANKINGS], config, parents, trained.envelope.seed).to_dict()
    for fold in range(folds):
        part = pairs.select_images(images * fold // folds, images * (fold + 1) // folds)
        label = {"fold": fold} if folds > 1 else {}
        yield from (line | label for line in _rank(trained.model, part, top))


def _rank(model: Embedding, pairs: Pairs, top: int) -> Iterator[dict[str, Any]]:
    """The lines of one part. Only a strip of the scores is in memory; the others are in a temporary file."""
    image = pairs.image.numpy()
    names = [f"{pairs.image_ids[row]}/{name}" for row, name in zip(image, pairs.sentence_ids, strict=True)]
    images, sentences = len(pairs.image_ids), len(names)
    with _ScoreFile(sentences) as score_file:
        for columns, strip in score_strips(model, pairs):
            for row in columns:
                mine, scores = image == row, strip[:, row - columns.start]
                rank = int(best_ranks(scores[None], mine[None])[0]) if mine.any() else sentences + 1
                found = _top(scores, names, top)
                yield {"direction": "i2t", "query_id": pairs.image_ids[row], "best_rank": rank, "top": found}
            score_file.add(strip)
        for start in range(0, sentences, _ROWS):
            block = score_file.rows(start, min(start + _ROWS, sentences))
            ranks = best_ranks(block, image[start : start + _ROWS]).tolist()
            for number, rank in enumerate(ranks):
                found = _top(block[number], pairs.image_ids, top)
                yield {"direction": "t2i", "query_id": names[start + number], "best_rank": rank, "top": found}
    for row, name in pairs.out_of_vocabulary:
        query = f"{pairs.image_ids[row]}/{name}"
        yield {"direction": "t2i", "query_id": query, "best_rank": images, "top": []}


class _ScoreFile:
    """A temporary file of scores, written in strips of images and read in blocks of sentences."""

    def __init__(self, sentences: int) -> None:
        self._sentences = sentences
        self._widths: list[int] = []

    def __enter__(self) -> _ScoreFile:
        with _file_errors():
            self._file = tempfile.TemporaryFile()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, strip: NDArray[np.float32]) -> None:
        """Append the (M, images) scores of some images."""
        with _file_errors():
            self._file.write(strip.data)
        self._widths.append(strip.shape[1])

    def rows(self, start: int, end: int) -> NDArray[np.float32]:
        """The (end - start, K) scores of some sentences."""
        parts, first = [], 0
        for width in self._widths:
            part = np.empty((end - start, width), np.float32)
            with _file_errors():
                self._file.seek((first + start * width) * part.itemsize)
                if self._file.readinto(part.data.cast("B")) != part.nbytes:
                    raise OSError("it is cut short")
            parts.append(part)
            first += self._sentences * width
        return np.concatenate(parts, axis=1)


@contextmanager
def _file_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"temporary file of scores: {reason(error)}; the variable TMPDIR sets its folder") from error


def _top(scores: NDArray[np.float32], names: list[str] | tuple[str, ...], top: int) -> list[list[object]]:
    best = np.argsort(-scores, kind="stable")[:top]
    return [[names[i], round(float(scores[i]), 5)] for i in best]
