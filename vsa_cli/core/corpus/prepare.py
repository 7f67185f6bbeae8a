"""From caption files and photographs to a corpus: the whole of `vsa prep` but its talk.

The same input gives the same corpus, whatever the threads and the day.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsa_cli.core.config import CaptionFileFormat, PrepConfig
from vsa_cli.core.corpus.checks import Watch, check_images, unwatched
from vsa_cli.core.corpus.corpus import Corpus, Image
from vsa_cli.core.corpus.readers.detect import read_captions, shards_among
from vsa_cli.core.corpus.readers.webdataset import place_of
from vsa_cli.core.corpus.records import Problem, Record
from vsa_cli.core.corpus.split_names import SPLITS, split_called
from vsa_cli.core.corpus.splits import draw, list_parents, lists_beside, named_lists, place, set_aside, settle
from vsa_cli.core.corpus.tars import looks_like_tar
from vsa_cli.core.corpus.unpack import unpack
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.envelope import CORPUS, VERSIONS, Envelope, to_dict
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made.

    Attributes:
        corpus: not written yet.
        problems: failures and notes, in the order in which they were met.
        words_dropped: different words of the train split that are too rare for the vocabulary.
    """

    corpus: Corpus
    problems: tuple[Problem, ...]
    words_dropped: int

    @property
    def failures(self) -> list[Problem]:
        """The problems that left an input out."""
        return [problem for problem in self.problems if not problem.is_note]

    @property
    def notes(self) -> list[Problem]:
        """The problems that did not."""
        return [problem for problem in self.problems if problem.is_note]

    def refuse(self, *, strict: bool) -> None:
        """Refuse a corpus that must not be written.

        Raises:
            DataError: it has no image, or `strict` and there are failures.
        """
        if not self.corpus.images:
            raise DataError(f"no image is left; {len(self.failures)} inputs failed")
        if strict and self.failures:
            raise DataError(f"{len(self.failures)} inputs failed, and --strict allows none: nothing is written")

    def summary(self) -> dict[str, Any]:
        """The corpus in numbers, as `--json` prints it."""
        corpus = self.corpus
        return {
            "images": len(corpus.images),
            "sentences": sum(len(image.sentences) for image in corpus.images),
            "splits": corpus.split_sizes(),
            "vocabulary_size": corpus.vocabulary.size if corpus.vocabulary is not None else None,
            "words_dropped": self.words_dropped,
            "problems": Counter(problem.kind for problem in self.failures),
            "notes": Counter(note.kind for note in self.notes),
        }


def prepare(
    captions: Sequence[Path],
    images: Path,
    config: PrepConfig,
    *,
    captions_format: CaptionFileFormat = "auto",
    splits: Sequence[str] = (),
    split: str | None = None,
    seed: int = 0,
    threads: int = 0,
    watch: Watch = unwatched,
    dry_run: bool = False,
) -> Prepared:
    """Read captions, check every photograph, divide into splits, count words.

    Args:
        captions: caption files; folders of sidecars; webdataset shards, whose photographs are unpacked.
        images: the folder of the photographs; made where it is absent and there is something to unpack.
        config: how to divide and to count.
        captions_format: what the caption files are.
        splits: split lists, each a path or `train=PATH`; without any, those beside a Flickr token file.
        split: the split of images of which the caption files do not tell one.
        seed: of the images that are drawn for val and test.
        threads: that decode photographs; 0 takes one for each core.
        watch: sees the photographs pass.
        dry_run: unpack nothing: photographs that are only in shards are then taken for sound.

    Raises:
        DataError: a caption file, a list or the folder cannot be read.
        UsageError: the splits asked for cannot be had.
    """
    if split is not None and split_called(split) is None:
        raise ConfigError(f"--split {split}: choose from {', '.join(SPLITS)}")
    if not images.is_dir() and not any(map(looks_like_tar, captions)):
        raise DataError(f"{images}: no such folder of photographs")
    lists = named_lists(splits)
    reading = read_captions(captions, images, captions_format, split)
    lists = lists or lists_beside(captions, reading.formats)
    records, unplaced = place(reading.records, lists) if lists else (reading.records, [])
    records = settle(records, config.restval)
    shards = shards_among(captions, reading.formats)
    records, unseen, packed = _bring_out(records, shards, images, dry_run=dry_run)
    checked, unsound = check_images(records, images, threads, watch, unseen)
    divided = _divide(checked, config, seed, {record.key: record.rank for record in records})
    vocabulary, words_dropped = _count_words(divided, config)
    parents = {**reading.parents, **list_parents(lists)}
    envelope = Envelope(CORPUS, VERSIONS[CORPUS], to_dict(config), parents, seed)
    problems = (*reading.problems, *unplaced, *packed, *unsound, *_note_wordless(divided))
    return Prepared(Corpus(envelope, images, tuple(divided), vocabulary), problems, words_dropped)


def _bring_out(
    records: list[Record], shards: Sequence[Path], images: Path, *, dry_run: bool
) -> tuple[list[Record], frozenset[str], list[Problem]]:
    """Unpack the photographs of records; the records that have one, files that stayed in their shards, problems."""
    places = tuple(place_of(shard, "") for shard in shards)
    wanted = frozenset(record.file for record in records if record.file.startswith(places))
    if dry_run:
        return records, frozenset(file for file in wanted if not os.path.lexists(images / file)), []
    lost = {file: why for shard in shards for file, why in unpack(shard, wanted, images).items()}
    problems = [Problem("unreadable", file, why) for file, why in lost.items()]
    return [record for record in records if record.file not in lost], frozenset(), problems


def _divide(images: Sequence[Image], config: PrepConfig, seed: int, ranks: dict[str, int]) -> list[Image]:
    if not images:
        return []  # the failures that led here are the news, not that there is nothing to draw from
    drawn = draw(draw(images, "test", config.test, seed), "val", config.val, seed)
    return set_aside(drawn, config.tune, ranks)


def _count_words(images: Sequence[Image], config: PrepConfig) -> tuple[Vocabulary | None, int]:
    """The vocabulary of the train split, counted nowhere else, and how many words it leaves out."""
    if not any(image.split == "train" for image in images):
        return None, 0
    said = [sentence.tokens for image in images if image.split == "train" for sentence in image.sentences]
    vocabulary = Vocabulary.build(said, config.min_count, config.unknown)
    return vocabulary, len({token for tokens in said for token in tokens}) - len(vocabulary.words)


def _note_wordless(images: Sequence[Image]) -> list[Problem]:
    return [
        Problem("wordless", sentence.sentence_id, f"no word is left of {sentence.raw!r}")
        for image in images
        for sentence in image.sentences
        if not sentence.tokens
    ]


def write_report(path: Path, problems: Sequence[Problem]) -> None:
    """Write problems as JSON lines: `{"kind", "name", "message"}`.

    Raises:
        DataError: it cannot be written.
    """
    write_text(path, "".join(f"{dump_json(vars(problem))}\n" for problem in problems))
