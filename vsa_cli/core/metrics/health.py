"""How alive a set of captions is: copies from training, variety, length. Knows no references and no scores."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

Words = tuple[str, ...]


def caption_health(captions: Sequence[Words], training: Collection[Words] | None = None) -> dict[str, float]:
    """Measures of captions as words.

    Args:
        captions: the words of each.
        training: the training sentences as words, in a set; None where they are not known.

    Returns:
        `copied`, the share of captions that are a training sentence word for word (the paper, section 4.2: 60 %
        with a beam of 7, 25 % with a beam of 1; absent without `training`); `distinct`, how many different
        captions there are, of all, as a share; `distinct_1` and `distinct_2`, different words and pairs of words as
        a share of all words and pairs (Li et al. 2016); `vocabulary`, different words; `mean_length`, in words.
        Shares are from 0 to 1.
    """
    count = max(len(captions), 1)
    words = [word for caption in captions for word in caption]
    pairs = [pair for caption in captions for pair in itertools.pairwise(caption)]
    measures = {
        "distinct": len(set(captions)) / count,
        "distinct_1": len(set(words)) / max(len(words), 1),
        "distinct_2": len(set(pairs)) / max(len(pairs), 1),
        "vocabulary": float(len(set(words))),
        "mean_length": len(words) / count,
    }
    if training is None:
        return measures
    return {"copied": sum(caption in training for caption in captions) / count, **measures}
