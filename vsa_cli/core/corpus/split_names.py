"""Names of splits: those of a corpus, and the aliases that people and data sets use."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vsa_cli.core.errors import ConfigError

SPLITS = ("train", "tune", "val", "test")
"""The splits of a corpus, in the order in which they are listed."""

RESTVAL = "restval"
"""COCO's validation images that Karpathy moved to training: they join train or are dropped."""

_NAMES = {
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


def find_split(name: str) -> str | None:
    """The split (or `restval`) that a name in a file stands for; None for any other name.

    Case and surrounding space do not matter; `dev`, `valid` and `validation` are `val`.
    """
    return _NAMES.get(name.strip().lower())


def resolve_split(name: str, setting: str = "split", also: Sequence[str] = ("all",)) -> str:
    """The split that a user's name stands for, so that `val` is recorded where `dev` was given.

    Args:
        name: a split or one of its aliases, as in `find_split`.
        setting: the setting that the name was given for, for the message.
        also: other names that the setting accepts, returned as they are.

    Raises:
        ConfigError: the name is not one of these.
    """
    split = name if name in also else find_split(name)
    if split not in (*SPLITS, *also):
        choices = ", ".join((*SPLITS, *also)).replace("val", "val (or dev)", 1)
        raise ConfigError(f"`{setting}` {name}: not a split; choose from {choices}")
    return split


def split_in_file_name(stem: str) -> str | None:
    """The only split that a file's name contains, as in `captions_val2014` or `Flickr_8k.trainImages`."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", stem)
    found = {split for split in map(find_split, words) if split is not None}
    return found.pop() if len(found) == 1 else None
