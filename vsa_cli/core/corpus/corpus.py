"""The prepared corpus, and its file `corpus.json`.

The file is one JSON object in UTF-8::

    {"format": "vsa-corpus", "version": 1, "tool": ..., "seed": ..., "config": PrepConfig, "parents": {...},
     "root": "../photos" |            folder of the photographs, relative to this file's folder, posix
        null,                         null for sentences without photographs
     "vocabulary": null |             null if there is no train split
        {"unknown": "drop" | "unk", "words": [str], "counts": [int]},
     "images": [
        {"image_id": int | str,       unique as text
         "file": str,                 posix path below root, without ".."; without photographs, any relative path
         "width": int, "height": int, of the upright photograph, in pixels; 0 without photographs
         "sha256": str,               of the photograph's bytes, hexadecimal; "" without photographs
         "split": "train" | "tune" | "val" | "test",
         "sentences": [{"sentence_id": str, "raw": str, "tokens": [str]}]}]}

Sentence ids are unique within their image. All paths are relative, so a folder with corpus and photographs can be
moved.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vsa_cli.core.config import REGION_STYLE, PrepConfig
from vsa_cli.core.corpus.records import is_id, relative_file
from vsa_cli.core.corpus.split_names import SPLITS, resolve_split
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.io.envelope import CORPUS, VERSIONS, Envelope, check_exists, from_dict
from vsa_cli.core.io.files import file_sha256, write_text
from vsa_cli.core.io.json import dump_json, is_text, read_json

_SHA256 = re.compile(r"[0-9a-f]{64}")
_STYLE = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class Sentence:
    """A human-written sentence about an image: as written, and as the paper's tokens."""

    sentence_id: str
    raw: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """A photograph of the corpus, or what its sentences are about if the corpus has no photographs.

    Attributes:
        image_id: unique in the corpus, compared as text.
        file: posix path relative to the corpus's root.
        width: width of the upright photograph, in pixels; 0 without photographs.
        height: height of the upright photograph, in pixels; 0 without photographs.
        sha256: SHA-256 of the file, in hexadecimal; "" without photographs.
        split: one of `SPLITS`.
        sentences: its sentences.
    """

    image_id: int | str
    file: str
    width: int
    height: int
    sha256: str
    split: str
    sentences: tuple[Sentence, ...]

    @property
    def key(self) -> str:
        """The id as text, unique in a corpus."""
        return str(self.image_id)


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus.

    Attributes:
        envelope: the configuration and the caption files it was made with.
        root: the folder of the photographs; None for sentences without photographs.
        images: the images, in the order of the caption files.
        vocabulary: the words of the train split; None if there is no train split.
        sha256: SHA-256 of `corpus.json`; "" before it is written.
    """

    envelope: Envelope
    root: Path | None
    images: tuple[Image, ...]
    vocabulary: Vocabulary | None
    sha256: str = ""

    @property
    def has_photographs(self) -> bool:
        """Whether the images are photographs, not only sentences."""
        return self.root is not None

    def require_photographs(self, where: str = "the corpus") -> Path:
        """The folder of the photographs.

        Args:
            where: the name of the corpus, for the message.

        Raises:
            DataError: the corpus has sentences without photographs.
        """
        if self.root is None:
            users = "`text` of `vsa train-gen` and `unpaired` of `vsa train-embed`"
            raise DataError(f"{where}: has sentences without photographs; {users} take them")
        return self.root

    def split(self, name: str) -> list[Image]:
        """The images of a split.

        Args:
            name: a split, one of its aliases (`dev` for `val`), or `all`.

        Raises:
            ConfigError: not the name of a split.
            DataError: the split has no images.
        """
        wanted = resolve_split(name)
        images = [image for image in self.images if wanted in (image.split, "all")]
        if not images:
            sizes = ", ".join(f"{split} {count}" for split, count in self.split_sizes().items())
            raise DataError(f"the corpus has no images in the split {wanted}; it has {sizes or 'no images at all'}")
        return images

    @property
    def style(self) -> str:
        """The name of the sentences' style; "" for a corpus without one."""
        return str(self.envelope.config.get("style") or "")

    def validation_split(self, name: str) -> str | None:
        """The split on which the best epoch is selected; None for no validation.

        Args:
            name: a split; `auto` for tune if the corpus has it, else val, else none; or `none`.

        Raises:
            ConfigError: not the name of a split.
            DataError: the split has no images.
        """
        split = resolve_split(name, "validate", also=("all", "auto", "none"))
        if split == "none":
            return None
        if split == "auto":
            return next((one for one in ("tune", "val") if one in self.split_sizes()), None)
        self.split(split)
        return split

    def split_sizes(self) -> dict[str, int]:
        """The number of images of each split that has any."""
        counts = {split: sum(image.split == split for image in self.images) for split in SPLITS}
        return {split: count for split, count in counts.items() if count}

    def path(self, image: Image) -> Path:
        """The path of a photograph.

        Raises:
            DataError: the corpus has sentences without photographs.
        """
        return self.require_photographs() / image.file


def check_style(name: str) -> None:
    """Check the name of a style: one word of ASCII letters, digits, `-` and `_`, or "" for none.

    Raises:
        ConfigError: it is another name, or reserved.
    """
    if name == REGION_STYLE:
        raise ConfigError(f"`style` {name}: is reserved for sentences about regions; choose another name")
    if name and not _STYLE.fullmatch(name):
        raise ConfigError(f"`style` {name}: must be one word of letters, digits, - and _, at most 40 characters")


def write_corpus(path: Path, corpus: Corpus) -> Corpus:
    """Write `corpus.json` atomically; return the corpus as `read_corpus` would, with its hash.

    Raises:
        DataError: the file cannot be written, or the name of the images' folder is not UTF-8.
    """
    folder = _resolve_root(corpus.root) if corpus.root is not None else None
    root = Path(os.path.relpath(folder, path.resolve().parent)).as_posix() if folder is not None else None
    if root is not None and not is_text(root):
        raise DataError(f"{corpus.root}: the folder's name is not UTF-8, so {path} cannot record it")
    vocabulary = corpus.vocabulary.to_dict() if corpus.vocabulary is not None else None
    head = {**corpus.envelope.to_dict(), "root": root, "vocabulary": vocabulary}
    # One image per line: compact, but still readable by `grep` and `diff`.
    lines = ",\n".join(map(_to_json, corpus.images))
    write_text(path, f'{dump_json(head).removesuffix("}")}, "images": [\n{lines}\n]}}\n')
    return replace(corpus, root=folder, sha256=file_sha256(path))


def _resolve_root(root: Path) -> Path:
    """The absolute path, with links resolved in its parents (so that `..` is correct) but not in its own name."""
    root = root.absolute()
    return root.resolve() if root.name == ".." else root.parent.resolve() / root.name


def _to_json(image: Image) -> str:
    return dump_json({**vars(image), "sentences": [vars(sentence) for sentence in image.sentences]})


def read_corpus(path: Path, images: Path | None = None, *, needs_photographs: bool = True) -> Corpus:
    """Read `corpus.json`, checking every value.

    Args:
        path: the file.
        images: the folder of the photographs; None takes the recorded one.
        needs_photographs: whether a corpus of sentences without photographs is an error.

    Raises:
        DataError: missing, unreadable, or not JSON; or it has no photographs and must have them.
        ArtifactError: another format or version, or damaged.
    """
    check_exists(path, CORPUS)
    data, where = read_json(path, _with_shared_words), str(path)
    envelope = Envelope.from_dict(data, where, CORPUS, VERSIONS[CORPUS])
    _check_config(envelope, where)
    root, entries, vocabulary = data.get("root"), data.get("images"), data.get("vocabulary")
    is_relative = is_text(root) and not Path(root).is_absolute()
    _require(root is None or is_relative, where, "root is not a relative path")
    _require(isinstance(entries, list), where, "images is not a list")
    check = _check_photograph if root is not None else _check_no_photograph
    read = tuple(_image(entry, f"{where}: images[{number}]", check) for number, entry in enumerate(_taken(entries)))
    _check_unique([image.key for image in read], f"{where}: damaged (image_id)")
    recorded = _resolve_root(path.resolve().parent / root) if root is not None else None
    corpus = Corpus(
        envelope=envelope,
        root=images if images is not None and recorded is not None else recorded,
        images=read,
        vocabulary=None if vocabulary is None else Vocabulary.from_dict(vocabulary, where),
        sha256=file_sha256(path),
    )
    if needs_photographs:
        corpus.require_photographs(where)
    return corpus


def _with_shared_words(entry: dict[str, Any]) -> dict[str, Any]:
    """An object of the file, with the words of a sentence replaced by their only copies in memory."""
    tokens = entry.get("tokens")
    if isinstance(tokens, list):
        entry["tokens"] = [sys.intern(token) if isinstance(token, str) else token for token in tokens]
    return entry


def _taken(entries: list[Any]) -> Iterator[Any]:
    """The entries, each released when the next is taken, so that their memory is free for what is made of them."""
    entries.reverse()
    while entries:
        yield entries.pop()


def _check_config(envelope: Envelope, where: str) -> None:
    try:
        check_style(from_dict(PrepConfig, envelope.config, where).style)
    except ConfigError as error:
        raise ArtifactError(f"{where}: damaged (style)") from error


def _check_photograph(entry: dict[str, Any], where: str) -> None:
    sha256 = entry.get("sha256")
    for side in ("width", "height"):
        _require(type(entry.get(side)) is int and 0 < entry[side] < 2**31, where, side)
    _require(isinstance(sha256, str) and _SHA256.fullmatch(sha256) is not None, where, "sha256")


def _check_no_photograph(entry: dict[str, Any], where: str) -> None:
    for side in ("width", "height"):
        _require(type(entry.get(side)) is int and entry[side] == 0, where, f"{side}, but the root is null")
    _require(entry.get("sha256") == "", where, "sha256, but the root is null")


def _image(entry: Any, where: str, check: Callable[[dict[str, Any], str], None]) -> Image:
    _require(isinstance(entry, dict), where, "not an object")
    file = entry.get("file")
    _require(is_id(entry.get("image_id")), where, "image_id")
    _require(is_text(file) and relative_file(file) == file, where, "file")
    check(entry, where)
    _require(entry.get("split") in SPLITS, where, "split")
    _require(isinstance(entry.get("sentences"), list), where, "sentences")
    sentences = tuple(_sentence(one, f"{where}.sentences[{number}]") for number, one in enumerate(entry["sentences"]))
    _check_unique([sentence.sentence_id for sentence in sentences], f"{where}: damaged (sentence_id)")
    names = ("image_id", "file", "width", "height", "sha256", "split")
    return Image(**{name: entry[name] for name in names}, sentences=sentences)


def _sentence(entry: Any, where: str) -> Sentence:
    _require(isinstance(entry, dict), where, "not an object")
    sentence_id, raw, tokens = entry.get("sentence_id"), entry.get("raw"), entry.get("tokens")
    _require(is_text(sentence_id), where, "sentence_id")
    _require(is_text(raw), where, "raw")
    _require(isinstance(tokens, list) and all(map(is_text, tokens)), where, "tokens")
    return Sentence(sentence_id, raw, tuple(tokens))


def _require(fits: bool, where: str, name: str) -> None:
    if not fits:
        raise ArtifactError(f"{where}: damaged ({name})")


def _check_unique(names: list[str], where: str) -> None:
    if len(set(names)) < len(names):
        duplicate = next(name for name, count in Counter(names).items() if count > 1)
        raise ArtifactError(f"{where}: duplicate {duplicate!r}")
