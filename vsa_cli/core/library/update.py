"""Brings an index up to date: describes new and changed photographs, forgets deleted ones, encodes new sentences.

A photograph is unchanged if its file has the size and the modification time that the index records. Otherwise its
content is hashed: a photograph that was moved, copied or only touched keeps its vectors. A sentence is known by its
text.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import Query, encode_images, encode_sentences
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.learning.sentences import check_same_photograph
from vsa_cli.core.library.library import Index, SegmentT
from vsa_cli.core.library.photographs import NO_STAMP, PhotoEntry, Stamp
from vsa_cli.core.library.segment import Vectors
from vsa_cli.core.library.sentences import SentenceEntry
from vsa_cli.core.library.writer import EntryT, IndexWriter, LibraryWriter, SentenceWriter
from vsa_cli.core.ranks import Shard
from vsa_cli.core.regions.image_regions import ImageRegions, pad
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import described_for

_TOGETHER = 64  # photographs embedded together: their descriptors are float32 meanwhile
_SENTENCES = 256  # sentences encoded together
_LARGEST = float(torch.finfo(torch.float16).max)

Change = Literal["described", "encoded", "unchanged", "copied", "failed", "forgotten"]


@dataclass(frozen=True)
class Outcome:
    """What became of a photograph or sentence.

    Attributes:
        name: the path of the photograph, or the sentence.
        change: `described` or, of a sentence, `encoded` if its vectors were computed, `copied` if this index or another
            had them already, such as those of a photograph under another path.
        reason: for one that failed, one line with its path and what is wrong.
    """

    name: str
    change: Change
    reason: str = ""


@dataclass(frozen=True)
class _Described:
    """A photograph with its absolute path, the stamp of its file, and its regions."""

    photo: Photo
    path: str
    stamp: Stamp
    regions: ImageRegions


def is_in(shard: Shard, photo: Photo) -> bool:
    """Whether a photograph is in a part of the work: by its name, so that it stays there when others are added."""
    return shard.has(zlib.crc32(os.fsencode(str(photo.image_id))))


class Describer(Protocol):
    """Describes photographs for an index."""

    @property
    def trained(self) -> Trained[Embedding]:
        """The model with which the index is made."""

    def encode_all(self, photos: Iterable[Photo | FailedPhoto]) -> Iterator[tuple[Photo, ImageRegions | FailedPhoto]]:
        """Each photograph with its regions, or the reason why it has none, in the order given."""


def is_new(writer: LibraryWriter, photo: Photo) -> bool:
    """Whether a photograph is to be described: the index has neither its file nor its content."""
    path = os.path.abspath(photo.file)  # noqa: PTH100  links are kept
    stamp = _stamp(path)
    if stamp is None or writer.stamp(path) == stamp:
        return False
    return _known(writer, photo) is None


def update_library(
    embedder: Describer, writer: LibraryWriter, photos: Iterable[Photo | FailedPhoto], folders: Sequence[Path]
) -> Iterator[Outcome]:
    """Add new and changed photographs to an index, and remove those that no longer exist.

    Args:
        embedder: describes photographs by the model with which the index was made.
        writer: the index.
        photos: the photographs; failures among them pass through.
        folders: folders that were searched for photographs: a photograph in one of them whose file does not exist any
            more is forgotten, unless nothing at all was found in that folder, as if a disk is not mounted.

    Yields:
        What became of each photograph, in no particular order.

    Raises:
        DataError: the index cannot be written.
        ArtifactError: the index is damaged.
        MissingError: the weights of the model's CNN or detector are not installed.
    """
    done: list[Outcome] = []
    stamps: dict[str, Stamp] = {}
    found: set[str] = set()

    def to_describe() -> Iterator[Photo | FailedPhoto]:
        for one in photos:
            if isinstance(one, FailedPhoto):
                yield one
                continue
            path = os.path.abspath(one.file)  # noqa: PTH100  links are kept
            found.add(path)
            stamp = _stamp(path)
            if stamp is not None and writer.stamp(path) == stamp:
                done.append(Outcome(one.path, "unchanged"))
            elif stamp is not None and _copy(writer, one, path, stamp):
                done.append(Outcome(one.path, "copied"))
            else:
                stamps[path] = stamp or NO_STAMP  # taken before the file is read: a later change is noticed
                yield one

    waiting: list[_Described] = []
    for photo, regions in embedder.encode_all(to_describe()):
        path = os.path.abspath(photo.file)  # noqa: PTH100
        if isinstance(regions, FailedPhoto):
            writer.remove(path)
            done.append(Outcome(photo.path, "failed", regions.reason))
        else:
            waiting.append(_Described(photo, path, stamps.pop(path), regions))
            done.append(Outcome(photo.path, "described"))
        if len(waiting) == _TOGETHER:
            _add(embedder.trained, writer, waiting)
        yield from done
        done.clear()
    _add(embedder.trained, writer, waiting)
    yield from done
    for path in _missing(writer.keys(), folders, found):
        writer.remove(path)
        yield Outcome(path, "forgotten")


def add_stored(
    trained: Trained[Embedding], writer: LibraryWriter, corpus: Corpus, regions: RegionStore, split: str, shard: Shard
) -> Iterator[Outcome]:
    """Add the photographs of a corpus to an index, by regions that were extracted before.

    Args:
        trained: the model with which the index was made.
        writer: the index.
        corpus: the photographs, whose files need not exist.
        regions: their regions, or maps from which the model's CNN computes them.
        split: the corpus split to add.
        shard: the part of it to add.

    Raises:
        ArtifactError: the regions were not extracted as the model needs them, belong to other photographs, or lack one.
        DataError: the split has no images, or the index cannot be written.
    """
    regions = described_for(trained.feature_spec, trained.tail, regions)
    waiting: list[_Described] = []
    for image in corpus.split(split):
        photo = Photo(image.file, image.file, corpus.path(image))
        if not is_in(shard, photo):
            continue
        check_same_photograph(image, regions)
        path = os.path.abspath(photo.file)  # noqa: PTH100
        if writer.sha256(path) == image.sha256:
            yield Outcome(path, "unchanged")
            continue
        waiting.append(_Described(photo, path, _stamp(path) or NO_STAMP, regions[image.key]))
        if len(waiting) == _TOGETHER:
            _add(trained, writer, waiting)
        yield Outcome(path, "described")
    _add(trained, writer, waiting)


def add_sentences(trained: Trained[Embedding], writer: SentenceWriter, sentences: Sequence[Query]) -> Iterator[Outcome]:
    """Add sentences that an index does not have.

    Args:
        trained: the model with which the index was made.
        writer: the index.
        sentences: the sentences, which may have no known word.

    Yields:
        What became of each sentence.

    Raises:
        DataError: the index cannot be written.
    """
    for start in range(0, len(sentences), _SENTENCES):
        part = sentences[start : start + _SENTENCES]
        new = [one for one in {one.text: one for one in part}.values() if one.text not in writer]
        for sentence, vectors in zip(new, _encode(trained, new), strict=True):
            writer.add(SentenceEntry(sentence.text, vectors))
        added = {one.text for one in new}
        yield from (Outcome(one.text, "encoded" if one.text in added else "unchanged") for one in part)


def merge_indices(writer: IndexWriter[SegmentT, EntryT], indices: Iterable[Index[SegmentT]]) -> Iterator[Outcome]:
    """Add what other indices have to an index; of several photographs with one path, the first is kept.

    Raises:
        ArtifactError: an index was made with another model, or is damaged.
        DataError: an index has the other kind of items, or the index cannot be written.
    """
    for index in indices:
        index.require_model(writer.manifest)
        for row in index.valid_rows().tolist():
            entry = writer.entry(*index.place_of(row))
            if entry.key in writer:
                yield Outcome(entry.key, "unchanged")
            else:
                writer.add(entry)
                yield Outcome(entry.key, "copied")


def _stamp(path: str) -> Stamp | None:
    """The stamp of a file; None if it cannot be read."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _copy(writer: LibraryWriter, photo: Photo, path: str, stamp: Stamp) -> bool:
    """Add a photograph by the vectors that the index has of the same content; False if it has none."""
    known = _known(writer, photo)
    if known is not None:
        writer.add(replace(known, path=path, name=_name(photo, path), stamp=stamp))
    return known is not None


def _known(writer: LibraryWriter, photo: Photo) -> PhotoEntry | None:
    """A photograph of the index that has the same content; None if there is none."""
    if not len(writer):
        return None
    try:
        return writer.find(file_sha256(photo.file))
    except DataError:
        return None  # encoding it reports the error


def _name(photo: Photo, path: str) -> str:
    """The end of a photograph's path that is its name in its folder; the file's name if there is no such folder."""
    name = str(photo.image_id)
    return name if path.endswith(f"/{name}") else Path(path).name


@torch.inference_mode()
def _add(trained: Trained[Embedding], writer: LibraryWriter, waiting: list[_Described]) -> None:
    """Embed photographs together and add them; the list is emptied."""
    if not waiting:
        return
    device = trained.model.W_m.weight.device
    descriptors = torch.from_numpy(pad([one.regions.descriptors for one in waiting]))
    with one_thread_each(device):  # one process alone has more threads than each of several
        encoded = encode_images(trained.model, descriptors.to(device).float())
    regions, whole = _half(encoded.regions), None if encoded.whole is None else _half(encoded.whole)
    hubness = [None] * len(waiting) if encoded.hubness is None else encoded.hubness.tolist()
    for number, one in enumerate(waiting):
        writer.add(
            PhotoEntry(
                path=one.path,
                name=_name(one.photo, one.path),
                sha256=one.regions.sha256,
                stamp=one.stamp,
                size=(one.regions.width, one.regions.height),
                boxes=one.regions.boxes,
                vectors=Vectors(
                    regions[number, : len(one.regions.boxes)],
                    None if whole is None else whole[number],
                    hubness[number],
                ),
            )
        )
    waiting.clear()


@torch.inference_mode()
def _encode(trained: Trained[Embedding], sentences: Sequence[Query]) -> list[Vectors]:
    """The vectors of sentences; a sentence without a known word has none, and a whole vector of zeros."""
    config = trained.model.config
    nothing = torch.zeros(config.size, dtype=torch.float16) if config.whole_weight > 0 else None
    none = None if trained.model.bank is None else 0.0
    found = [Vectors(torch.empty(0, config.size, dtype=torch.float16), nothing, none)] * len(sentences)
    known = [index for index, one in enumerate(sentences) if one.ids]
    if known:
        packed = pack([sentences[index].ids for index in known]).to(trained.model.W_m.weight.device)
        encoded = encode_sentences(trained.model, packed)
        order = torch.argsort(encoded.sentence, stable=True)  # the words of each sentence, in its order
        words = torch.split(_half(encoded.words[order]), torch.bincount(encoded.sentence).tolist())
        whole = [None] * len(known) if encoded.whole is None else list(_half(encoded.whole))
        hubness = [None] * len(known) if encoded.hubness is None else encoded.hubness.tolist()
        for index, parts, vector, its_hubness in zip(known, words, whole, hubness, strict=True):
            found[index] = Vectors(parts, vector, its_hubness)
    return found


def _half(vectors: torch.Tensor) -> torch.Tensor:
    if not bool(torch.isfinite(vectors).all()):
        raise ArtifactError("the model computes vectors that are not finite; train it again")
    return vectors.clamp(-_LARGEST, _LARGEST).half().cpu()


def _missing(paths: Iterable[str], folders: Sequence[Path], found: set[str]) -> list[str]:
    """The photographs in searched folders whose files do not exist any more."""
    roots = [os.path.join(os.path.abspath(folder), "") for folder in folders]  # noqa: PTH100, PTH118
    searched = tuple(root for root in roots if any(path.startswith(root) for path in found))
    if not searched:
        return []
    return [path for path in paths if path not in found and path.startswith(searched) and not _exists(path)]


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # a folder without permission: the photograph may be there
        return True
    return True
