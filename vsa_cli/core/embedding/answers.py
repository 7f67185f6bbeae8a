"""Answers to `vsa retrieve`, as lines of output.

A record of `json` and `jsonl`: `{"rank": int from 1, "path" or "sentence": str, "score": float}`, with `"words":
[{"word", "box", "score"}]` where an explanation was asked for; `box` in pixels of the upright original.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vsa_cli.core.artifacts import dump_json, reason
from vsa_cli.core.config import RankFormat
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.embedding.gallery import Hit, search_images, search_sentences
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.rankings import rank_split
from vsa_cli.core.errors import DataError
from vsa_cli.core.learning.artifact import Trained
from vsa_cli.core.regions.cache import RegionCache, cache_folder
from vsa_cli.core.regions.extract import Photo
from vsa_cli.core.regions.looking import extractor_for, look_at
from vsa_cli.core.regions.sources import expand, show_path
from vsa_cli.core.regions.store import ImageRegions, RegionStore

_MAX_SENTENCES = 1_000_000


@dataclass
class Looking:
    """How raw photographs are looked at.

    Attributes:
        weights: of the CNN, if not its own.
        cache: a folder, True for the user's, None for no cache.
        workers: photographs in work at once.
        complain: told of each photograph that cannot be read, in one line.
        failed: how many those were.
    """

    weights: Path | None
    cache: Path | bool | None
    workers: int
    complain: Callable[[str], None]
    failed: int = field(default=0)

    def at(self, trained: Trained[Embedding], photos: Sequence[Photo]) -> list[tuple[str, ImageRegions]]:
        """The regions of each photograph that can be read, beside what it is shown as.

        Raises:
            DataError: none can be read.
            VsaError: the model's CNN or detector is not here.
        """
        extractor = extractor_for(trained.recipe, self.weights, trained.model.W_m.weight.device)
        folder = cache_folder() if self.cache is True else self.cache or None
        cache = RegionCache(folder, trained.recipe) if folder is not None else None
        seen: list[tuple[str, ImageRegions]] = []
        for photo, found in look_at(photos, extractor, cache, self.workers):
            if isinstance(found, str):
                self.complain(found)
                self.failed += 1
            else:
                seen.append((photo.image_id, found))
        if not seen:
            raise DataError("none of the photographs could be read")
        return seen


def rankings(
    trained: Trained[Embedding], corpus: Path, regions: Path, split: str, top: int, folds: int
) -> Iterator[str]:
    """The lines of a rankings file. See `rankings.rank_split`."""
    return map(dump_json, rank_split(trained, read_corpus(corpus), RegionStore(regions), split, top, folds))


def images_for(
    trained: Trained[Embedding],
    query: str,
    places: Sequence[str],
    listed: Iterable[str],
    looking: Looking,
    *,
    top: int,
    kind: RankFormat,
    explain: bool,
) -> Iterator[str]:
    """The photographs that a sentence describes best, among `places`; `-` there stands for the names in `listed`.

    Raises:
        DataError: the model knows no word of the sentence, or no photograph can be read.
    """
    photos = [Photo(source.path, source.file, None) for source in expand(places, listed)]
    hits = search_images(trained, tokenize(query), looking.at(trained, photos), top)
    yield from _lines([_hit(rank, hit, explain) for rank, hit in enumerate(hits, 1)], kind, "path")


def sentences_for(
    trained: Trained[Embedding], image: Path, sentences: Path, looking: Looking, *, top: int, kind: RankFormat
) -> Iterator[str]:
    """The sentences of a text file that describe a photograph best.

    Raises:
        DataError: the photograph or the file cannot be read, or the file has no sentence with a known word.
    """
    try:
        texts = [line for line in sentences.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{sentences}: {reason(error)}") from error
    if len(texts) > _MAX_SENTENCES:
        raise DataError(f"{sentences}: {len(texts)} sentences; at most {_MAX_SENTENCES} are ranked at once")
    ((_, regions),) = looking.at(trained, [Photo(str(image), image, None)])
    scores = search_sentences(trained, regions, [tokenize(text) for text in texts])
    best = [i for i in np.argsort(-scores, kind="stable")[:top] if np.isfinite(scores[i])]
    if not best:
        raise DataError(f"{sentences}: no sentence with a word that the model knows")
    records = [{"rank": n, "sentence": texts[i], "score": round(float(scores[i]), 5)} for n, i in enumerate(best, 1)]
    yield from _lines(records, kind, "sentence")


def _hit(rank: int, hit: Hit, explain: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"rank": rank, "path": hit.path, "score": round(hit.score, 5)}
    if explain:
        record["words"] = [{"word": w, "box": list(box), "score": round(score, 5)} for w, box, score in hit.words]
    return record


def _lines(records: list[dict[str, Any]], kind: RankFormat, name: str) -> Iterator[str]:
    if kind == "json":
        yield dump_json(records, indent=1)
    elif kind == "jsonl":
        yield from map(dump_json, records)
    else:
        yield from (f"{record['score']:.4f}\t{show_path(str(record[name]))}" for record in records)
