"""Photographs that several processes describe for one index: each finds the regions of its part, and one indexes all.

The regions are in a folder beside the index (`library.part/`) until the index has them, in shards of photographs that
are new or have changed. The process that indexes them does what one process alone would do, in the same order, except
that it reads regions instead of computing them: the index has the same bytes. Regions are found by the content of the
photograph's file; those of a photograph that has changed meanwhile, or could not be read, are computed again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from vsa_cli.core.alignment.embedder import Embedder
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.part_folder import PartFolder
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.update import is_new
from vsa_cli.core.library.writer import LibraryWriter
from vsa_cli.core.ranks import Shard
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.shards import LAYOUT, read_shard, write_shard

SHARD = 32
"""Photographs in a shard: what a process that ends can lose."""


def part_folder(library: Path) -> PartFolder:
    """The folder with the regions of photographs that an index does not have yet."""
    return PartFolder(Path(os.path.abspath(library) + ".part"))  # noqa: PTH100  links are kept


class SharedRegions:
    """The regions of the photographs that several processes describe; has the methods that `update_library` needs.

    Args:
        library: the folder of the index.
        embedder: the model with which the index is made.
        photos: all photographs that the processes were given.
    """

    def __init__(self, library: Path, embedder: Embedder, photos: Sequence[Photo | FailedPhoto]) -> None:
        self._folder, self._embedder = part_folder(library), embedder
        self._photos = [photo for photo in photos if isinstance(photo, Photo)]
        names = dump_json([photo.path for photo in self._photos])
        digest = hashlib.sha256(names.encode()).hexdigest()
        self._request = {"model": embedder.trained.sha256, "photos": digest, "layout": f"index {LAYOUT}"}
        self._shards: list[list[Photo]] = []
        self._shard_of: dict[str, int] = {}
        self._loaded: tuple[int, dict[str, ImageRegions]] = (-1, {})

    def start(self, writer: LibraryWriter, *, force: bool) -> None:
        """Record which photographs are to be described, unless an unfinished run has done so for the same photographs.

        Args:
            writer: the index.
            force: do not continue an unfinished run.

        Raises:
            DataError: the folder cannot be written.
        """
        if self._folder.is_started and (force or not self._folder.is_of(self._request)):
            self._folder.clear()  # it saves time, and nothing is lost
        new = [number for number, photo in enumerate(self._photos) if is_new(writer, photo)]
        self._folder.claim(self._request, plan=new)

    def open(self) -> None:
        """Read which photographs are to be described.

        Raises:
            ArtifactError: the processes were given different photographs or models.
        """
        plan = self._folder.claim(self._request, create=False)
        try:
            new = [self._photos[int(number)] for number in plan]
        except (TypeError, ValueError, IndexError) as error:
            raise ArtifactError(f"{self._folder.path}: damaged; delete it") from error
        self._shards = [new[start : start + SHARD] for start in range(0, len(new), SHARD)]
        self._shard_of = {photo.path: number for number, shard in enumerate(self._shards) for photo in shard}

    def describe(self, part: Shard) -> Iterator[Photo]:
        """Find the regions of a part of the photographs, except those that an unfinished run has found.

        Yields:
            Each photograph, when it is described.

        Raises:
            DataError: the folder cannot be read or written.
            MissingError: the weights of the model's CNN or detector are not installed.
        """
        finished = self._folder.finished()
        own = [n for n in range(len(self._shards)) if part.has(n) and n not in finished]
        described = self._embedder.encode_all(photo for number in own for photo in self._shards[number])
        for number in own:
            results: list[ImageRegions | FailedPhoto] = []
            for photo, result in islice(described, len(self._shards[number])):
                # found by the content of the file: names need not be representable
                results.append(replace(result, image_id="") if isinstance(result, ImageRegions) else result)
                yield photo
            write_shard(self._folder.shard(number), [one for one in results if isinstance(one, ImageRegions)])

    def count(self, part: Shard) -> int:
        """The number of photographs in a part that are to be described."""
        return sum(len(shard) for number, shard in enumerate(self._shards) if part.has(number))

    def wait(self, own: Shard, arrivals: Iterable[bool]) -> None:
        """Wait until the regions of the other parts are there; `arrivals` is as for `PartFolder.arriving`.

        Raises:
            DataError: some are missing.
        """
        others = (number for number in range(len(self._shards)) if not own.has(number))
        for _ in self._folder.arriving(others, arrivals):
            pass

    def clear(self) -> None:
        """Remove the folder.

        Raises:
            DataError: it cannot be removed.
        """
        self._folder.clear()

    @property
    def trained(self) -> Trained[Embedding]:
        """The model with which the index is made."""
        return self._embedder.trained

    def encode_all(self, photos: Iterable[Photo | FailedPhoto]) -> Iterator[tuple[Photo, ImageRegions | FailedPhoto]]:
        """The regions of photographs in the order given, read if they are there, and else computed.

        Raises:
            ArtifactError: a shard is damaged.
            MissingError: the weights of the model's CNN or detector are not installed.
        """
        upcoming = iter(photos)
        while some := list(islice(upcoming, SHARD)):
            found = [self._find(one) for one in some]
            rest = self._embedder.encode_all([one for one, regions in zip(some, found, strict=True) if regions is None])
            for one, regions in zip(some, found, strict=True):
                if isinstance(one, Photo) and regions is not None:
                    yield one, regions
                else:
                    yield next(rest)

    def _find(self, photo: Photo | FailedPhoto) -> ImageRegions | None:
        if isinstance(photo, FailedPhoto) or photo.path not in self._shard_of:
            return None
        try:
            content = file_sha256(photo.file)
        except DataError:
            return None  # computing them reports the error
        number = self._shard_of[photo.path]
        if number != self._loaded[0]:
            images, _ = read_shard(self._folder.shard(number))
            self._loaded = number, {image.sha256: image for image in images}
        return self._loaded[1].get(content)
