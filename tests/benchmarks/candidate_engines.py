"""Engines of nearest neighbours for the first stage of a search in an index, beside the product of short vectors.

python -m tests.benchmarks.candidate_engines INDEX [--rows N] [--graph]

INDEX is an index of photographs, such as one that `library_speed --keep` made. Queries are sentences; an engine finds
as many of its whole images as the first stage leaves. `recall` is the share of the N rows of the exhaustive float16
product that an engine finds. Times are those of one thread's processor. Engines that are not installed are left out:
pip install faiss-cpu usearch. With --graph, approximate graphs are built as well, which takes minutes.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tests.benchmarks.library_speed import QUERIES
from vsa_cli.core.alignment.embedder import load_embedder
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.search import encode_sentences
from vsa_cli.core.library.library import open_library
from vsa_cli.core.library.search import first_stage, nearest_rows

Rows = NDArray[np.int64]
Find = Callable[[NDArray[np.float32]], Rows]
_CONNECTIVITY, _BUILD_EFFORT = 32, 128
_SCALE = 127 / 0.25  # numbers of unit vectors of 768 numbers are rarely beyond 0.25


def integers(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    return np.clip(np.rint(vectors * _SCALE), -127, 127).astype(np.int8)


def plain(whole: NDArray[np.float16], count: int) -> Find:
    """The product of all float16 vectors, block by block."""
    tensor, buffer = torch.from_numpy(whole), torch.empty(1024, whole.shape[1])

    def find(query: NDArray[np.float32]) -> Rows:
        scores, vector = torch.empty(len(tensor)), torch.from_numpy(query)
        for block, out in zip(torch.split(tensor, 1024), torch.split(scores, 1024), strict=True):
            torch.mv(buffer[: len(block)].copy_(block), vector, out=out)
        return scores.topk(count).indices.numpy()

    return find


def usearch_engines(whole: NDArray[np.float16], count: int, *, graph: bool) -> dict[str, Callable[[], Find]]:
    from usearch.index import Index, MetricKind, search

    def exhaustive(vectors: NDArray[np.generic], convert: Callable[[NDArray[np.float32]], NDArray[np.generic]]) -> Find:
        return lambda query: search(vectors, convert(query), count, MetricKind.IP, exact=True, threads=1).keys.astype(
            np.int64
        )

    def built() -> Find:
        index = Index(
            ndim=whole.shape[1], metric="ip", dtype="i8", connectivity=_CONNECTIVITY, expansion_add=_BUILD_EFFORT,
            expansion_search=count,
        )  # fmt: skip
        index.add(np.arange(len(whole)), whole.astype(np.float32), threads=1)
        return lambda query: index.search(query, count, threads=1).keys.astype(np.int64)

    found = {
        "usearch, exhaustive, float16": lambda: exhaustive(whole, lambda query: query.astype(np.float16)),
        "usearch, exhaustive, int8": lambda: exhaustive(integers(whole.astype(np.float32)), integers),
    }
    return found | ({"usearch, graph, int8": built} if graph else {})


def faiss_engines(whole: NDArray[np.float16], count: int, *, graph: bool) -> dict[str, Callable[[], Find]]:
    import faiss

    faiss.omp_set_num_threads(1)
    metric, kinds = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer

    def filled(index: object) -> Find:
        vectors = whole.astype(np.float32)
        index.train(vectors[:10000])  # type: ignore[attr-defined]
        index.add(vectors)  # type: ignore[attr-defined]
        return lambda query: index.search(query[None], count)[1][0]  # type: ignore[attr-defined]

    def built() -> Find:
        index = faiss.IndexHNSWSQ(whole.shape[1], kinds.QT_8bit, _CONNECTIVITY // 2, metric)
        index.hnsw.efConstruction, index.hnsw.efSearch = _BUILD_EFFORT, count
        return filled(index)

    size = whole.shape[1]
    found = {
        "faiss, exhaustive, float16": lambda: filled(faiss.IndexScalarQuantizer(size, kinds.QT_fp16, metric)),
        "faiss, exhaustive, int8": lambda: filled(faiss.IndexScalarQuantizer(size, kinds.QT_8bit, metric)),
    }
    return found | ({"faiss, graph, int8": built} if graph else {})


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare engines of nearest neighbours.")
    parser.add_argument("index", type=Path)
    parser.add_argument("--rows", type=int, help="rows to find; what the first stage leaves by default")
    parser.add_argument("--graph", action="store_true", help="build approximate graphs, too")
    asked = parser.parse_args()
    embedder, library = load_embedder(device="cpu", cache=False, threads=1), open_library(asked.index)
    count = asked.rows or min(first_stage(len(library)), len(library))
    with torch.inference_mode():
        packed = pack([embedder.read_query(text).ids for text in QUERIES])
        encoded = encode_sentences(embedder.trained.model, packed).whole
    assert encoded is not None
    queries = encoded.numpy()
    whole = np.concatenate([segment.whole.numpy() for segment in library.segments if segment.whole is not None])
    engines: dict[str, Callable[[], Find]] = {
        "plain product, float16": lambda: plain(whole, count),
        "first stage: product of short vectors": lambda: (
            lambda query: nearest_rows(library, torch.from_numpy(query), count)
        ),
    }
    for name, make in (("usearch", usearch_engines), ("faiss", faiss_engines)):
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed", file=sys.stderr)
        else:
            engines |= make(whole, count, graph=asked.graph)
    print(f"{len(library):,} photographs, {count:,} rows a query, {len(queries)} queries, milliseconds of one core")
    expected = [set(plain(whole, count)(query).tolist()) for query in queries]
    for name, build in engines.items():
        started = time.process_time()
        find = build()
        preparing = time.process_time() - started
        find(queries[0])
        started = time.process_time()
        found = [find(query) for query in queries]
        taken = (time.process_time() - started) / len(queries)
        recall = np.mean([len(set(rows.tolist()) & best) / count for rows, best in zip(found, expected, strict=True)])
        print(f"{name:40}{1000 * taken:10.2f}  recall {recall:6.1%}  prepared in {preparing:,.1f} s", flush=True)


if __name__ == "__main__":
    main()
