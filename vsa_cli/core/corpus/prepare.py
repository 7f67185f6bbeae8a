"""Preparing a corpus from caption files and photographs, or from caption files alone.

The same input gives the same corpus, whatever the number of threads.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsa_cli.core.config import CaptionFileFormat, PrepConfig
from vsa_cli.core.corpus.checks import Watch, check_images, unwatched, without_photographs
from vsa_cli.core.corpus.corpus import Corpus, Image, check_style
from vsa_cli.core.corpus.readers.detect import read_captions, shards_among
from vsa_cli.core.corpus.readers.webdataset import place_of
from vsa_cli.core.corpus.records import Problem, Record
from vsa_cli.core.corpus.split_names import RESTVAL, resolve_split
from vsa_cli.core.corpus.splits import draw, list_parents, lists_beside, named_lists, place, resolve_splits, set_aside
from vsa_cli.core.corpus.tars import looks_like_tar
from vsa_cli.core.corpus.tokenizer import has_no_spaces
from vsa_cli.core.corpus.unpack import unpack
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import CORPUS, VERSIONS, Envelope, to_dict
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json


@dataclass(frozen=True)
class Prepared:
    """The result of `prepare`.

    Attributes:
        corpus: the corpus, not written yet.
        problems: failures and notes, in the order in which they were found.
        words_dropped: number of different words of the train split that are too rare for the vocabulary.
    """

    corpus: Corpus
    problems: tuple[Problem, ...]
    words_dropped: int

    @property
    def failures(self) -> list[Problem]:
        """The problems that excluded an input."""
        return [problem for problem in self.problems if not problem.is_note]

    @property
    def notes(self) -> list[Problem]:
        """The problems that did not exclude an input."""
        return [problem for problem in self.problems if problem.is_note]

    def check(self, *, strict: bool) -> None:
        """Check that the corpus may be written.

        Args:
            strict: allow no failures.

        Raises:
            DataError: the corpus has no images; or `strict` is set and an input failed.
        """
        if not self.corpus.images:
            raise DataError(f"no images are left; {len(self.failures)} inputs failed")
        if strict and self.failures:
            raise DataError(f"{len(self.failures)} inputs failed, and `strict` allows none: nothing was written")

    def summary(self) -> dict[str, Any]:
        """The corpus in numbers."""
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
    images: Path | None,
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
    """Read captions, check every photograph if there are any, assign splits and build the vocabulary.

    Args:
        captions: caption files, folders of sidecars, and webdataset shards, whose photographs are unpacked.
        images: the folder of the photographs; created if shards are unpacked into it. None makes a corpus of sentences
            alone.
        config: the sizes of splits, and the options of the vocabulary.
        captions_format: the format of the caption files; `auto` detects it per file.
        splits: split lists, each a path or `train=PATH`; if there are none, those beside a Flickr token file.
        split: the split of images for which the caption files give none; with split lists, images in no list are
            left out.
        seed: the random seed of the images drawn for val and test.
        threads: the number of threads that decode photographs; 0 takes one per core.
        watch: receives the photographs as they are checked.
        dry_run: unpack nothing; photographs that exist only in shards are accepted without a check.

    Raises:
        DataError: a caption file, a split list or the images' folder cannot be read.
        ConfigError: a split is unknown, or has no images to be drawn from; the style is not a name.
    """
    check_style(config.style)
    split = resolve_split(split, also=(RESTVAL,)) if split is not None else None
    if images is not None and not images.is_dir() and not any(map(looks_like_tar, captions)):
        raise DataError(f"{images}: no such folder of photographs")
    lists = named_lists(splits)
    reading = read_captions(captions, images, captions_format, split)
    lists = lists or lists_beside(captions, reading.formats)
    records, unplaced = place(reading.records, lists, images) if lists else (reading.records, [])
    records = resolve_splits(records, config.restval)
    not_unpacked: list[Problem] = []
    unreadable: list[Problem] = []
    if images is None:
        checked = without_photographs(records, characters=config.characters)
    else:
        shards = shards_among(captions, reading.formats)
        records, unseen, not_unpacked = _unpack_shards(records, shards, images, dry_run=dry_run)
        checked, unreadable = check_images(records, images, threads, watch, unseen, characters=config.characters)
    divided = _divide(checked, config, seed, {record.key: record.rank for record in records})
    vocabulary, words_dropped = _count_words(divided, config)
    parents = {**reading.parents, **list_parents(lists)}
    envelope = Envelope(CORPUS, VERSIONS[CORPUS], to_dict(config), parents, seed)
    unspaced = [] if config.characters else _note_unspaced(divided)
    problems = (*reading.problems, *unplaced, *not_unpacked, *unreadable, *_note_no_words(divided), *unspaced)
    return Prepared(Corpus(envelope, images, tuple(divided), vocabulary), problems, words_dropped)


def _unpack_shards(
    records: list[Record], shards: Sequence[Path], images: Path, *, dry_run: bool
) -> tuple[list[Record], frozenset[str], list[Problem]]:
    """Unpack the photographs of records; return the records with one, files still in their shards, and problems."""
    places = tuple(place_of(shard, "") for shard in shards)
    wanted = frozenset(record.file for record in records if record.file.startswith(places))
    if dry_run:
        return records, frozenset(file for file in wanted if not os.path.lexists(images / file)), []
    lost = {file: why for shard in shards for file, why in unpack(shard, wanted, images).items()}
    problems = [Problem("unreadable", file, why) for file, why in lost.items()]
    return [record for record in records if record.file not in lost], frozenset(), problems


def _divide(images: Sequence[Image], config: PrepConfig, seed: int, ranks: dict[str, int]) -> list[Image]:
    if not images:
        return []  # the failures are reported, not that there is nothing to draw from
    drawn = draw(draw(images, "test", config.test, seed), "val", config.val, seed)
    return set_aside(drawn, config.tune, ranks)


def _count_words(images: Sequence[Image], config: PrepConfig) -> tuple[Vocabulary | None, int]:
    """The vocabulary of the train split, and the number of words too rare for it."""
    if not any(image.split == "train" for image in images):
        return None, 0
    sentences = [sentence.tokens for image in images if image.split == "train" for sentence in image.sentences]
    vocabulary = Vocabulary.build(sentences, config.min_count, config.unknown, characters=config.characters)
    return vocabulary, len({token for tokens in sentences for token in tokens}) - len(vocabulary.words)


def _note_no_words(images: Sequence[Image]) -> list[Problem]:
    return [
        Problem("no-words", sentence.sentence_id, f"{sentence.raw!r} contains no words")
        for image in images
        for sentence in image.sentences
        if not sentence.tokens
    ]


def _note_unspaced(images: Sequence[Image]) -> list[Problem]:
    why = "a script without spaces: all text between two spaces is one word; `characters` makes each letter one"
    return [
        Problem("unspaced", image.key, why)
        for image in images
        if any(has_no_spaces(sentence.raw) for sentence in image.sentences)
    ]


def write_report(path: Path, problems: Sequence[Problem]) -> None:
    """Write problems as JSON lines: `{"kind", "name", "message"}`.

    Raises:
        DataError: the file cannot be written.
    """
    write_text(path, "".join(f"{dump_json(vars(problem))}\n" for problem in problems))
