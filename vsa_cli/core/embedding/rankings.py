"""A whole split ranked both ways: the rankings file.

After the envelope (`vsa-rankings`) a line for each query::

    {"direction": "i2t" | "t2i", "query_id", "best_rank": int from 1, "top": [[id, score], ...]}

i2t ranks sentences for an image, by the best of its own; t2i ranks images for a sentence. Ranks are pessimistic on
ties. A sentence with no known word ranks last, and is never found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.artifacts import Envelope, parent
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.embedding.batches import read_pairs
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import score_pairs
from vsa_cli.core.learning.artifact import Trained
from vsa_cli.core.metrics.recall import best_ranks
from vsa_cli.core.regions.store import RegionStore

FORMAT, VERSION = "vsa-rankings", 1


@torch.inference_mode()
def rank_split(
    trained: Trained[Embedding], corpus: Corpus, regions: RegionStore, split: str, top: int
) -> Iterator[dict[str, Any]]:
    """The lines of a rankings file.

    Raises:
        ArtifactError: the regions were described otherwise than the model's, or lack an image.
        DataError: the split has no image, or no sentence with a known word.
    """
    trained.recipe.require_from(regions.envelope, str(regions.path))
    pairs = read_pairs(corpus, regions, split, trained.vocabulary)
    scores = score_pairs(trained.model, pairs)
    parents = {
        "corpus": parent(corpus.envelope.format, corpus.sha256),
        "regions": parent(regions.envelope.format, regions.sha256),
        "embedding": parent(trained.envelope.format, trained.sha256),
    }
    yield Envelope(FORMAT, VERSION, {"split": split, "top": top}, parents, trained.envelope.seed).to_dict()
    image = pairs.image.numpy()
    names = [f"{pairs.image_ids[row]}/{name}" for row, name in zip(image, pairs.sentence_ids, strict=True)]
    images, sentences = len(pairs.image_ids), len(names)
    for row, key in enumerate(pairs.image_ids):
        mine = image == row
        rank = int(best_ranks(scores[:, row][None], mine[None])[0]) if mine.any() else sentences
        yield {"direction": "i2t", "query_id": key, "best_rank": rank, "top": _top(scores[:, row], names, top)}
    for number, rank in enumerate(best_ranks(scores, image).tolist()):
        found = _top(scores[number], pairs.image_ids, top)
        yield {"direction": "t2i", "query_id": names[number], "best_rank": rank, "top": found}
    for row, name in pairs.wordless:
        query = f"{pairs.image_ids[row]}/{name}"
        yield {"direction": "t2i", "query_id": query, "best_rank": images, "top": []}


def _top(scores: NDArray[np.float32], names: list[str] | tuple[str, ...], top: int) -> list[list[object]]:
    best = np.argsort(-scores, kind="stable")[:top]
    return [[names[i], round(float(scores[i]), 5)] for i in best]
