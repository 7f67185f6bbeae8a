"""What corpora and a teacher know of photographs, and which photographs are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from vsa_cli.core.config import LabellerTraining
from vsa_cli.core.corpus.corpus import Corpus, Image, Sentence
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import CORPUS, REGIONS, Envelope
from vsa_cli.core.labels.names import Names
from vsa_cli.core.labels.targets import Sources, held_out, read_known
from vsa_cli.core.regions.image_regions import ImageRegions, Label
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions

NAMES = Names({"cat": ["cat"], "dog": ["dog", "dogs"], "sea": ["sea"], "tv": ["television"]})
TRAINING = LabellerTraining(mention_weight=0.25, sure=0.5, unsure=0.1)


def digest(number: int) -> str:
    return f"{number:064x}"


def corpus(*images: tuple[int, str, Sequence[str]]) -> Corpus:
    read = tuple(
        Image(number, f"{number}.jpg", 4, 3, digest(number), split, tuple(
            Sentence(str(place), text, tuple(text.split())) for place, text in enumerate(sentences)
        ))
        for number, split, sentences in images
    )  # fmt: skip
    return Corpus(Envelope(CORPUS, 1), Path(), read, None)


def regions_file(path: Path, photographs: dict[int, tuple[Label, ...]], count: int = 2) -> RegionStore:
    """A regions file; a photograph's descriptors are its number, and its id is not the corpus's."""
    images = [
        ImageRegions(
            f"photo-{number}", digest(number), 4, 3, np.zeros((count, 4), np.float32), np.ones(count, np.float32),
            np.full((count, 3), number, np.float16), labels,
        )
        for number, labels in photographs.items()
    ]  # fmt: skip
    write_regions(path, Envelope(REGIONS, 1), [images], 3)
    return RegionStore(path)


def known_of(sources: Sources, number: int) -> tuple[list[float], list[float]]:
    known = sources.known(digest(number))
    assert known is not None
    return known[0].tolist(), known[1].tolist()


def test_sentences_mention_or_do_not() -> None:
    sources = Sources(NAMES, [corpus((1, "train", ["a dog", "a dog by the sea"]), (2, "train", []))], [], TRAINING)
    assert known_of(sources, 1) == ([0, 1, 1, 0], [0.25, 1, 1, 0.25])
    assert sources.known(digest(2)) is None
    assert sources.known(digest(3)) is None


def test_teacher_is_believed_if_it_is_sure_of_names_that_it_knows(tmp_path: Path) -> None:
    labels = (Label(0, "cat", 0.2), Label(1, "cat", 0.9), Label(1, "dog", 0.3), Label(1, "unicorn", 0.9))
    teacher = regions_file(tmp_path / "t.h5", {1: labels, 2: (Label(0, "television", 0.05),)})
    sources = Sources(NAMES, [], [teacher], TRAINING)
    assert known_of(sources, 1) == ([1, 0, 0, 0], [1, 0, 0, 1])  # it never gives "sea", which is unknown
    assert known_of(sources, 2) == ([0, 0, 0, 0], [1, 1, 0, 1])


def test_sources_are_joined_by_the_photograph(tmp_path: Path) -> None:
    teacher = regions_file(tmp_path / "t.h5", {1: (Label(1, "cat", 0.9), Label(1, "dog", 0.05), Label(0, "tv", 0.3))})
    sources = Sources(NAMES, [corpus((1, "train", ["a dog"]))], [teacher], TRAINING)
    assert known_of(sources, 1) == ([1, 1, 0, 0], [1, 1, 0.25, 0])


def test_photographs_are_read_once_and_padded(tmp_path: Path) -> None:
    sentences = corpus((1, "train", ["a dog"]), (2, "val", ["a cat"]), (3, "train", ["the sea"]))
    first = regions_file(tmp_path / "a.h5", {3: (), 2: (), 1: ()})
    second = regions_file(tmp_path / "b.h5", {1: (), 4: ()}, count=4)
    third = regions_file(tmp_path / "c.h5", {4: (Label(0, "cat", 0.9),)}, count=3)
    sources = Sources(NAMES, [sentences], [third], TRAINING)
    known = read_known(sources, [first, second], lambda sha256: sources.splits_of(sha256) <= {"train"})
    assert known.descriptors[:, :, 0].tolist() == [[3, 3, 3, 3], [1, 1, 1, 1], [4, 4, 4, 4]]
    assert known.shown.tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    assert known.weight[2].tolist() == [1, 0, 0, 0]


def test_splits_of_a_photograph_in_several_corpora() -> None:
    both = [corpus((1, "train", ["a dog"])), corpus((1, "val", ["a cat"]), (2, "tune", []))]
    sources = Sources(NAMES, both, [], TRAINING)
    assert [sources.splits_of(digest(number)) for number in (1, 2, 3)] == [{"train", "val"}, {"tune"}, set()]
    assert known_of(sources, 1)[0] == [1, 1, 0, 0]


def test_nothing_known_and_one_photograph_are_refused(tmp_path: Path) -> None:
    store = regions_file(tmp_path / "a.h5", {1: ()})
    with pytest.raises(DataError, match="nothing is known of the photographs"):
        read_known(Sources(NAMES, [], [], TRAINING), [store], lambda sha256: True)
    known = read_known(Sources(NAMES, [corpus((1, "train", ["a dog"]))], [], TRAINING), [store], lambda sha256: True)
    with pytest.raises(DataError, match="one photograph is too few"):
        held_out(known)


def test_last_tenth_is_held_out(tmp_path: Path) -> None:
    store = regions_file(tmp_path / "a.h5", dict.fromkeys(range(1, 31), ()))
    sentences = corpus(*((number, "train", ["a dog"]) for number in range(1, 31)))
    known = read_known(Sources(NAMES, [sentences], [], TRAINING), [store], lambda sha256: True)
    train, checked = held_out(known)
    assert [len(train), len(checked)] == [27, 3]
    assert checked.descriptors[:, 0, 0].tolist() == [28, 29, 30]
