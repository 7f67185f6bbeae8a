from __future__ import annotations

import pytest

from vsa_cli.core.corpus.split_names import find_split, resolve_split, split_in_file_name
from vsa_cli.core.errors import ConfigError


@pytest.mark.parametrize(
    ("stem", "split"),
    [
        ("captions_train2014", "train"),
        ("captions_val2017", "val"),
        ("Flickr_8k.devImages", "val"),
        ("Flickr_8k.testImages", "test"),
        ("TRAIN", "train"),
        ("validation-set", "val"),
        ("trainval", None),
        ("train_and_test", None),
        ("contest", None),
        ("dataset", None),
    ],
)
def test_split_in_file_name(stem: str, split: str | None) -> None:
    assert split_in_file_name(stem) == split


def test_find_split_knows_aliases() -> None:
    found = [find_split(name) for name in ("Train", " dev ", "validation", "tune", "restval", "x")]
    assert found == ["train", "val", "val", "tune", "restval", None]


@pytest.mark.parametrize("name", ["val", "dev", "Dev", "valid", "validation"])
def test_resolve_split_replaces_aliases_by_val(name: str) -> None:
    assert resolve_split(name) == "val"


def test_resolve_split_accepts_further_names_and_lists_them_for_others() -> None:
    assert resolve_split("all") == "all"
    assert resolve_split("auto", "validate", also=("auto", "none")) == "auto"
    assert resolve_split("restval", also=("restval",)) == "restval"
    with pytest.raises(ConfigError, match=r"^`validate` x: not a split; choose from .*val \(or dev\), test, auto$"):
        resolve_split("x", "validate", also=("auto",))
    for name in ("all", "restval"):
        with pytest.raises(ConfigError, match="not a split"):
            resolve_split(name, also=())
