"""Answers to `vsa retrieve`: records, the lines that they make, and the plates that pages show.

A record of `json` and `jsonl`: `{"rank": int from 1, "path" or "sentence": str, "score": float}`, with `"words":
[{"word", "box", "score"}]` where an explanation was asked for; `box` in pixels of the upright original. Text is a
line a record, score and name, and below it, behind a tab, a line a word: word, box to the pixel, score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vsa_cli.core.config import RankFormat
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.rankings import rank_split
from vsa_cli.core.embedding.search import Hit, known_query, search_images, search_sentences
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.sources import FailedPhoto, Photo, expand, show_path
from vsa_cli.core.io.text import numbered_lines
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.regions.encoder import photo_encoder
from vsa_cli.core.regions.store import ImageRegions, RegionStore
from vsa_cli.output.html.cards import Card, Header
from vsa_cli.output.html.from_search import hit_card, hits_header, photo_card, sentences_header

_MAX_SENTENCES, _MAX_LETTERS = 1_000_000, 10_000


@dataclass
class Looking:
    """How raw photographs are looked at.

    Attributes:
        weights: of the CNN, if not its own.
        cache: a folder where photographs seen before are kept, if anywhere.
        workers: photographs in work at once.
        complain: told of each photograph that cannot be read, in one line.
        progress: told how many photographs there are; gives what is called after each.
        failed: how many those were.
    """

    weights: Path | None
    cache: Path | None
    workers: int
    complain: Callable[[str], None]
    progress: Callable[[int], AbstractContextManager[Callable[[], None]]]
    failed: int = field(default=0)

    def at(self, trained: Trained[Embedding], photos: Sequence[Photo]) -> list[tuple[str, ImageRegions]]:
        """The regions of each photograph that can be read, beside what it is shown as.

        Raises:
            DataError: none can be read.
            VsaError: the model's CNN or detector is not here.
        """
        encoder = photo_encoder(
            trained.feature_spec,
            device=trained.model.W_m.weight.device,
            workers=self.workers,
            weights=self.weights,
            cache=self.cache,
        )
        seen: list[tuple[str, ImageRegions]] = []
        with self.progress(len(photos)) as advance:
            for photo, found in encoder.encode_all(photos):
                advance()
                if isinstance(found, FailedPhoto):
                    self.complain(found.reason)
                    self.failed += 1
                else:
                    seen.append((photo.path, found))
        if not seen:
            raise DataError("none of the photographs could be read")
        return seen


@dataclass(frozen=True)
class Answer:
    """What was found, best first.

    Attributes:
        name: of what was looked for, in a record: `path` or `sentence`.
        records: as `json` has them.
        front: the head of a page.
        plates: the photographs of a page.
    """

    name: str
    records: tuple[dict[str, Any], ...]
    front: Header
    cards: tuple[Card, ...]

    def lines(self, kind: RankFormat) -> Iterator[str]:
        """The answer as text, JSON or JSON Lines."""
        if kind == "json":
            yield dump_json(self.records, indent=1)
        elif kind == "jsonl":
            yield from map(dump_json, self.records)
        else:
            for record in self.records:
                yield f"{record['score']:.4f}\t{show_path(str(record[self.name]))}"
                for told in record.get("words", ()):
                    box = " ".join(f"{edge:.0f}" for edge in told["box"])
                    yield f"\t{told['word']}\t{box}\t{told['score']:.4f}"


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
    explain: bool,
) -> Answer:
    """The photographs that a sentence describes best, among `places`; `-` there stands for the names in `listed`.

    Raises:
        DataError: the model knows no word of the sentence, or no photograph can be read.
    """
    tokens = tokenize(query)
    known_query(trained, tokens)  # or no photograph need be looked at
    sources = list(expand(places, listed))
    gallery = looking.at(trained, sources)
    source_of, seen = {source.path: source for source in sources}, dict(gallery)
    hits = search_images(trained, tokens, gallery, top)
    cards = [
        hit_card(rank, query, hit, source_of[hit.path], seen[hit.path], explain=explain)
        for rank, hit in enumerate(hits, 1)
    ]
    return Answer(
        "path",
        tuple(_record(rank, "path", hit.path, hit.score, hit if explain else None) for rank, hit in enumerate(hits, 1)),
        hits_header(query, len(hits), len(gallery), explain=explain),
        tuple(cards),
    )


def sentences_for(
    trained: Trained[Embedding], image: Path, sentences: Path, looking: Looking, *, top: int, explain: bool
) -> Answer:
    """The sentences of a text file that describe a photograph best.

    Raises:
        DataError: the photograph or the file cannot be read, or the file has no sentence with a known word.
    """
    texts = _read_sentences(sentences)
    ((path, regions),) = looking.at(trained, [Photo(str(image), str(image), image)])
    scores = search_sentences(trained, regions, [tokenize(text) for text in texts])
    best = [int(i) for i in np.argsort(-scores, kind="stable")[:top] if np.isfinite(scores[i])]
    if not best:
        raise DataError(f"{sentences}: no sentence with a word that the model knows")
    said = [
        (
            texts[i],
            float(scores[i]),
            search_images(trained, tokenize(texts[i]), [(path, regions)], 1)[0] if explain else None,
        )
        for i in best
    ]
    return Answer(
        "sentence",
        tuple(_record(rank, "sentence", text, score, hit) for rank, (text, score, hit) in enumerate(said, 1)),
        sentences_header(len(said), len(texts), explain=explain),
        (photo_card(said, image, regions),),
    )


def _read_sentences(path: Path) -> list[str]:
    """The lines of a text file that say something; a pipe will do, and no file is taken into memory unseen."""
    texts: list[str] = []
    try:
        with path.open("rb") as file:
            for where, line in numbered_lines(file, str(path)):
                text = line.decode("utf-8-sig").rstrip("\r\n")
                if len(text) > _MAX_LETTERS:
                    raise DataError(f"{where}: a sentence of {len(text)} letters; at most {_MAX_LETTERS} are read")
                if len(texts) == _MAX_SENTENCES:
                    raise DataError(f"{where}: at most {_MAX_SENTENCES} sentences are ranked at once")
                texts.append(text)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {reason(error)}") from error
    return texts


def _record(rank: int, name: str, what: str, score: float, explained: Hit | None) -> dict[str, Any]:
    record: dict[str, Any] = {"rank": rank, name: what, "score": round(score, 5)}
    if explained is not None:
        record["words"] = [
            {"word": word, "box": list(box), "score": round(score, 5)} for word, box, score in explained.words
        ]
    return record
