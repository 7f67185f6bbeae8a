"""How many candidates an index needs: the share of queries whose best photographs are those of an exhaustive search.

python -m tests.benchmarks.library_recall CORPUS REGIONS [--split SPLIT] [--queries Q] [--model DIR] [--threads T]

All photographs of the corpus are indexed, and every sentence of a split is a query. A query needs as many candidates
as it takes until its ten best photographs are among them; `share` is the share of queries that need at most N.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.alignment.embedder import load_embedder
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import EncodedImages, EncodedSentences, compare, encode_sentences
from vsa_cli.core.library.library import Library, empty_manifest, open_library
from vsa_cli.core.library.update import add_stored
from vsa_cli.core.library.writer import writing
from vsa_cli.core.ranks import WHOLE
from vsa_cli.core.regions.store import RegionStore

COUNTS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_PHOTOGRAPHS, _SENTENCES = 256, 250  # compared together


def needed_candidates(scores: NDArray[np.float32], similarity: NDArray[np.float32], top: int) -> NDArray[np.int64]:
    """(M,) how many candidates each of M queries needs.

    Args:
        scores: (M, K) scores of K photographs.
        similarity: (M, K) products of the vectors of the whole sentences and the whole images, which find candidates.
        top: the number of best photographs that must be among the candidates.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    least = np.take_along_axis(similarity, best, 1).min(1, keepdims=True)
    needed: NDArray[np.int64] = (similarity >= least).sum(1)
    return needed


@torch.inference_mode()
def compare_all(
    model: Embedding, library: Library, sentences: list[EncodedSentences]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(M, K) scores of M sentences for the K photographs of an index, and (M, K) products of their whole vectors."""
    scores, similarity = [], []
    for _, segment in library.parts():
        rows = segment.rows()
        for first in range(0, len(rows), _PHOTOGRAPHS):
            part = rows[first : first + _PHOTOGRAPHS]
            if segment.whole is None:
                raise ValueError("the model has no vectors of whole images")
            images = EncodedImages(segment.regions_of(part).float(), segment.whole[torch.from_numpy(part)].float())
            scores.append(np.concatenate([compare(model, one, images).numpy() for one in sentences]))
            similarity.append(np.concatenate([whole_products(one, images) for one in sentences]))
    return np.concatenate(scores, 1), np.concatenate(similarity, 1)


def whole_products(sentences: EncodedSentences, images: EncodedImages) -> NDArray[np.float32]:
    """(L, K) products of the vectors of whole sentences and whole images."""
    assert sentences.whole is not None
    assert images.whole is not None
    products: NDArray[np.float32] = (sentences.whole @ images.whole.T).numpy()
    return products


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how many candidates a search in an index needs.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("regions", type=Path)
    parser.add_argument("--split", default="val", help="split whose sentences are the queries")
    parser.add_argument("--queries", type=int, help="the first Q sentences only")
    parser.add_argument("--model", type=Path, help="alignment model; the bundled one by default")
    parser.add_argument("--top", type=int, default=10, help="best photographs that must be among the candidates")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 is one for each core")
    asked = parser.parse_args()
    embedder = load_embedder(asked.model, device="cpu", cache=False, threads=asked.threads)
    trained, corpus = embedder.trained, read_corpus(asked.corpus)
    texts = [sentence.raw for image in corpus.split(asked.split) for sentence in image.sentences]
    queries = [query for query in map(embedder.look_up, texts[: asked.queries]) if query.words]
    with tempfile.TemporaryDirectory() as folder:
        with writing(Path(folder), empty_manifest(trained)) as writer:
            for _ in add_stored(trained, writer, corpus, RegionStore(asked.regions), "all", WHOLE):
                pass
        library = open_library(Path(folder))
        needed = []
        for first in range(0, len(queries), 4 * _SENTENCES):  # bounds the matrices of a large index
            parts = [queries[start : start + _SENTENCES] for start in range(first, first + 4 * _SENTENCES, _SENTENCES)]
            with torch.inference_mode():
                encoded = [encode_sentences(trained.model, pack([one.ids for one in part])) for part in parts if part]
            needed.append(needed_candidates(*compare_all(trained.model, library, encoded), asked.top))
    found = np.concatenate(needed)
    print(f"{len(found):,} queries, {len(library):,} photographs, the {asked.top} best")
    for count in sorted({*COUNTS, LibrarySearch.candidates}):
        default = "  (the default)" if count == LibrarySearch.candidates else ""
        print(f"{count:>6,} candidates: {(found <= count).mean():8.3%}{default}")
    print(f"most that a query needs: {found.max():,}; median {np.median(found):,.0f}")


if __name__ == "__main__":
    main()
