"""How far a search in an index must look to find the best photographs of an exhaustive search.

python -m tests.benchmarks.library_recall CORPUS REGIONS [--split SPLIT] [--queries Q] [--photographs N] [--model DIR]
    [--threads T] [--keep DIR]

All photographs of the corpus are indexed or, with --photographs, N copies of them, each perturbed as in
`library_speed`; Q sentences of a split, evenly spaced, are queries (all by default). The first stage of a search leaves
some rows by short vectors of whole images, the second fewer by short vectors of all regions, which are scored exactly.
Each stage needs to leave as many as it takes until the query's ten best photographs are among them; the table has the
share of queries that need at most N. `found` is the share for which the defaults of both stages suffice.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tests.benchmarks.library_speed import make_library
from vsa_cli.core.alignment.embedder import load_embedder
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.compare import EncodedImages, EncodedSentences, compare
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import encode_sentences
from vsa_cli.core.library.library import Library, empty_manifest, open_library
from vsa_cli.core.library.search import encoded_photos, first_stage
from vsa_cli.core.library.short_vectors import short_sentences
from vsa_cli.core.library.update import add_stored
from vsa_cli.core.library.writer import writing
from vsa_cli.core.ranks import WHOLE
from vsa_cli.core.regions.store import RegionStore

COUNTS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_SENTENCES = 250  # compared together


def needed_candidates(scores: NDArray[np.float32], similarity: NDArray[np.float32], top: int) -> NDArray[np.int64]:
    """(M,) how many candidates each of M queries needs.

    Args:
        scores: (M, K) scores of K photographs.
        similarity: (M, K) numbers, by the greatest of which candidates are chosen.
        top: the number of best photographs that must be among the candidates.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    least = np.take_along_axis(similarity, best, 1).min(1, keepdims=True)
    needed: NDArray[np.int64] = (similarity >= least).sum(1)
    return needed


@torch.inference_mode()
def compare_all(
    model: Embedding, library: Library, sentences: list[EncodedSentences]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """For M sentences and the K photographs of an index, three (M, K) matrices.

    Returns:
        The exact scores, those of short vectors, and the products of short vectors of whole sentences and images.
    """
    exact, short, products = [], [], []
    rows = library.valid_rows()
    for _, images in encoded_photos(library, rows, torch.device("cpu")):
        exact.append(np.concatenate([compare(model.config, one, images).numpy() for one in sentences]))
    for segment, images in encoded_photos(library, rows, torch.device("cpu"), short=True):
        if segment.axes is None or images.whole is None:
            raise ValueError("the model has no vectors of whole images")
        asked = [short_sentences(one, segment.axes) for one in sentences]
        short.append(np.concatenate([compare(model.config, one, images).numpy() for one in asked]))
        products.append(np.concatenate([whole_products(one, images) for one in asked]))
    return np.concatenate(exact, 1), np.concatenate(short, 1), np.concatenate(products, 1)


def whole_products(sentences: EncodedSentences, images: EncodedImages) -> NDArray[np.float32]:
    """(L, K) products of the vectors of whole sentences and whole images, less the hubness of the images."""
    assert sentences.whole is not None
    assert images.whole is not None
    products = sentences.whole @ images.whole.T
    found: NDArray[np.float32] = (products if images.hubness is None else products - images.hubness).numpy()
    return found


def copies(library: Library, folder: Path, count: int) -> Library:
    """An index of perturbed copies of the photographs of another one."""
    parts = [
        (images.regions.clone(), images.whole, images.hubness)
        for _, images in encoded_photos(library, library.valid_rows(), torch.device("cpu"))
    ]
    most = max(regions.shape[1] for regions, _, _ in parts)
    # a photograph with fewer regions repeats its first, which changes no score
    regions = [torch.cat([one, one[:, :1].expand(-1, most - one.shape[1], -1)], 1).half() for one, _, _ in parts]
    whole = [one for _, one, _ in parts if one is not None]
    hubness = [one for _, _, one in parts if one is not None]
    of_all = torch.cat(hubness) if hubness else None
    make_library(folder, library.manifest.emptied(), count, torch.cat(regions), torch.cat(whole), of_all)
    return open_library(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how many candidates a search in an index needs.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("regions", type=Path)
    parser.add_argument("--split", default="val", help="split whose sentences are the queries")
    parser.add_argument("--queries", type=int, help="the number of queries; all sentences by default")
    parser.add_argument("--photographs", type=int, help="the number of perturbed copies; no copies by default")
    parser.add_argument("--model", type=Path, help="alignment model; the bundled one by default")
    parser.add_argument("--top", type=int, default=10, help="best photographs that must be among the candidates")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 is one for each core")
    parser.add_argument("--keep", type=Path, help="folder in which the indices are made and kept")
    asked = parser.parse_args()
    embedder = load_embedder(asked.model, device="cpu", cache=False, threads=asked.threads)
    trained, corpus = embedder.trained, read_corpus(asked.corpus)
    texts = [sentence.raw for image in corpus.split(asked.split) for sentence in image.sentences]
    chosen = texts[:: max(1, len(texts) // asked.queries)][: asked.queries] if asked.queries else texts
    queries = [query for query in map(embedder.look_up, chosen) if query.words]
    with tempfile.TemporaryDirectory() as temporary:
        root = asked.keep or Path(temporary)
        with writing(root / "photographs", empty_manifest(trained)) as writer:
            for _ in add_stored(trained, writer, corpus, RegionStore(asked.regions), "all", WHOLE):
                pass
        library = open_library(root / "photographs")
        if asked.photographs is not None:
            folder = root / f"copies-{asked.photographs}"
            library = open_library(folder) if folder.exists() else copies(library, folder, asked.photographs)
        first, second = [], []
        for start in range(0, len(queries), _SENTENCES):  # bounds the matrices of a large index
            part = [one.ids for one in queries[start : start + _SENTENCES]]
            with torch.inference_mode():
                encoded = encode_sentences(trained.model, pack(part))
            exact, short, products = compare_all(trained.model, library, [encoded])
            first.append(needed_candidates(exact, products, asked.top))
            second.append(needed_candidates(exact, short, asked.top))
        report(len(library), asked.top, np.concatenate(first), np.concatenate(second))


def report(photographs: int, top: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
    """Print the table for M queries, given how many rows each needs the first and the second stage to leave."""
    kept, candidates = first_stage(photographs), LibrarySearch.candidates
    print(f"{len(first):,} queries, {photographs:,} photographs, the {top} best")
    for count in sorted({*COUNTS, kept, candidates}):
        default = {kept: "  (default of the first)", candidates: "  (default of the second)"}.get(count, "")
        print(f"{count:>6,}: first {(first <= count).mean():8.2%}, second {(second <= count).mean():8.2%}{default}")
    for name, needed in (("first", first), ("second", second)):
        print(f"{name} stage: most that a query needs {needed.max():,}; median {np.median(needed):,.0f}")
    print(f"found: {((first <= kept) & (second <= candidates)).mean():.2%}")


if __name__ == "__main__":
    main()
