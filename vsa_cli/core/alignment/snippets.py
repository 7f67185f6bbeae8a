"""The files of an alignment, `snippets.jsonl` and the word-scores file, and the importance of words.

`snippets.jsonl` has the envelope (`vsa-snippets`, the file's metadata line; see `core.io.envelope`), then a line for
each run of words that are aligned with one region::

    {"image_id", "sentence_id", "region": int, "box": [x1, y1, x2, y2], "words": [str],
     "start": int, "end": int, "score": float}

`box` is in pixels of the upright original; `words` are the known words among the sentence's tokens from `start` up to,
not including, `end`; `score` is the sum of their v_i . s_t.

The word-scores file has the envelope (`vsa-alignments`), then a line for each sentence::

    {"image_id", "sentence_id", "width", "height", "boxes", "tokens", "positions", "scores", "choice"}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsa_cli.core.alignment.align import Alignment
from vsa_cli.core.alignment.mrf import runs
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.split_names import resolve_split
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.envelope import SNIPPETS, VERSIONS, Envelope, check_exists, open_lines, parent, to_dict
from vsa_cli.core.io.json import parse
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.regions.store import RegionStore


def envelope(
    kind: str, trained: Trained[Embedding], corpus: Corpus, regions: RegionStore, split: str, config: AlignConfig
) -> dict[str, Any]:
    """The first line of a snippets or word-scores file."""
    parents = {
        "corpus": parent(corpus.envelope.format, corpus.sha256),
        "regions": parent(regions.envelope.format, regions.sha256),
        "embedding": parent(trained.envelope.format, trained.sha256),
    }
    return Envelope(
        kind, VERSIONS[kind], {"split": resolve_split(split), **to_dict(config)}, parents, trained.envelope.seed
    ).to_dict()


def snippet_records(alignment: Alignment) -> Iterator[dict[str, Any]]:
    """The lines of a snippets file for one sentence, in the order of its words."""
    for region, first, past in runs(alignment.choice):
        positions = alignment.positions[first:past]
        yield {
            "image_id": alignment.image.image_id,
            "sentence_id": alignment.sentence.sentence_id,
            "region": region,
            "box": [round(float(side), 2) for side in alignment.regions.boxes[region]],
            "words": [alignment.sentence.tokens[position] for position in positions],
            "start": positions[0],
            "end": positions[-1] + 1,
            "score": round(float(alignment.scores[first:past, region].sum()), 5),
        }


@dataclass(frozen=True)
class Snippet:
    """The words that were aligned with one region of an image."""

    image_id: str
    region: int
    words: tuple[str, ...]


def read_snippets(path: Path, corpus: Corpus, regions: RegionStore) -> list[Snippet]:
    """Read a snippets file, which must have been made from this corpus and these regions.

    Raises:
        DataError: the file cannot be read.
        ArtifactError: it is damaged, of another format, or made from another corpus or other regions.
    """
    check_exists(path, SNIPPETS)
    with open_lines(path, SNIPPETS) as (found, lines):
        for role, sha256 in (("corpus", corpus.sha256), ("regions", regions.sha256)):
            if found.parents.get(role, {}).get("sha256") != sha256:
                raise ArtifactError(f"{path}: was made from another {role} file; run `vsa align` again")
        return [_snippet(parse(line), where, regions) for where, line in lines]


def _snippet(entry: Any, where: str, regions: RegionStore) -> Snippet:
    if not isinstance(entry, dict):
        raise ArtifactError(f"{where}: not a JSON object")
    image, region, words = (entry.get(key) for key in ("image_id", "region", "words"))
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words) or type(region) is not int:
        raise ArtifactError(f"{where}: damaged (region or words)")
    if not isinstance(image, str | int) or str(image) not in regions:
        raise ArtifactError(f"{where}: its image has no regions")
    if not 0 <= region < regions.count_of(str(image)):
        raise ArtifactError(f"{where}: {image} has no region {region}")
    return Snippet(str(image), region, tuple(words))


def scores_of(alignment: Alignment) -> dict[str, Any]:
    """The line of a word-scores file: the evidence of each word of a sentence for each region, and the MRF's choice."""
    return {
        "image_id": alignment.image.image_id,
        "sentence_id": alignment.sentence.sentence_id,
        "width": alignment.regions.width,
        "height": alignment.regions.height,
        "boxes": [[round(float(side), 2) for side in box] for box in alignment.regions.boxes],
        "tokens": list(alignment.sentence.tokens),
        "positions": list(alignment.positions),
        "scores": [[round(float(score), 5) for score in word] for word in alignment.evidence],
        "choice": alignment.choice.tolist(),
    }


class Importance:
    """The visual importance of each word, averaged over its occurrences."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])

    def add(self, alignment: Alignment) -> None:
        """Add the words of a sentence."""
        for row, position in enumerate(alignment.positions):
            scores = alignment.scores[row]
            sums = self._sums[alignment.sentence.tokens[position]]
            sums[0] += 1
            sums[1] += float(alignment.magnitude[row])
            sums[2] += float(scores.max() - scores.mean())

    def table(self) -> list[dict[str, Any]]:
        """`{"word", "count", "magnitude", "contrast"}`, most important first.

        `magnitude` is the mean of ||s_t|| before any normalisation; `contrast` is the mean of max_i v_i . s_t minus the
        mean of v_i . s_t over the regions.
        """
        rows = [
            {"word": word, "count": int(n), "magnitude": round(m / n, 5), "contrast": round(c / n, 5)}
            for word, (n, m, c) in self._sums.items()
        ]
        return sorted(rows, key=lambda row: (-row["magnitude"], row["word"]))
