"""What splits are called, here and by others."""

from __future__ import annotations

import re

SPLITS = ("train", "tune", "val", "test")
"""The splits of a corpus, in the order in which they are told."""

RESTVAL = "restval"
"""COCO's validation images that Karpathy moved to training; joins train or is dropped, so no split of a corpus."""

_CALLED = {
    "train": "train",
    "training": "train",
    "tune": "tune",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    RESTVAL: RESTVAL,
}


def split_called(name: str) -> str | None:
    """The split (or `restval`) that goes by a name: `dev` and `validation` are val; None for other names."""
    return _CALLED.get(name.strip().lower())


def split_in_name(stem: str) -> str | None:
    """The one split that a file's name speaks of, as in `captions_val2014` or `Flickr_8k.trainImages`."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", stem)
    found = {split for split in map(split_called, words) if split is not None}
    return found.pop() if len(found) == 1 else None
