"""What an alignment is written as: snippets, scores, and the importance of words.

`snippets.jsonl`: the envelope (`vsa-snippets`), then a line for each run of words with one region::

    {"image_id", "sentence_id", "region": int, "box": [x1, y1, x2, y2], "words": [str],
     "start": int, "end": int, "score": float}

`box` is in pixels of the upright original; `words` are the model's words among the sentence's tokens from `start`
up to, not including, `end`; `score` is the sum of their v_i . s_t.

The scores file (`vsa-alignments`), a line for each sentence::

    {"image_id", "sentence_id", "width", "height", "boxes", "tokens", "positions", "scores", "choice"}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from vsa_cli.core.alignment.align import Alignment
from vsa_cli.core.alignment.mrf import runs
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.split_names import resolve_split
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.io.envelope import VERSIONS, Envelope, parent, to_dict
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.regions.store import RegionStore


def envelope(
    kind: str, trained: Trained[Embedding], corpus: Corpus, regions: RegionStore, split: str, config: AlignConfig
) -> dict[str, Any]:
    """The first line of either file."""
    parents = {
        "corpus": parent(corpus.envelope.format, corpus.sha256),
        "regions": parent(regions.envelope.format, regions.sha256),
        "embedding": parent(trained.envelope.format, trained.sha256),
    }
    return Envelope(
        kind, VERSIONS[kind], {"split": resolve_split(split), **to_dict(config)}, parents, trained.envelope.seed
    ).to_dict()


def snippets_of(alignment: Alignment) -> Iterator[dict[str, Any]]:
    """The runs of a sentence's words with one region, in the sentence's order."""
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


def scores_of(alignment: Alignment) -> dict[str, Any]:
    """Every word's evidence for every region, which the MRF weighs, beside its choice."""
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
    """How much each word says about what is seen, averaged over its occurrences."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])

    def add(self, alignment: Alignment) -> None:
        """Count a sentence's words."""
        for row, position in enumerate(alignment.positions):
            scores = alignment.scores[row]
            sums = self._sums[alignment.sentence.tokens[position]]
            sums[0] += 1
            sums[1] += float(alignment.magnitude[row])
            sums[2] += float(scores.max() - scores.mean())

    def table(self) -> list[dict[str, Any]]:
        """`{"word", "count", "magnitude", "contrast"}`, most important first.

        `magnitude` is the mean of ||s_t|| before any normalisation; `contrast` the mean of max_i v_i . s_t minus
        its mean over the regions.
        """
        rows = [
            {"word": word, "count": int(n), "magnitude": round(m / n, 5), "contrast": round(c / n, 5)}
            for word, (n, m, c) in self._sums.items()
        ]
        return sorted(rows, key=lambda row: (-row["magnitude"], row["word"]))
