"""Conversion between `regions.h5` and the files of other programs: plans a requested conversion and runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from vsa_cli.core.corpus.corpus import Corpus, Image, read_corpus
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.io.envelope import parent
from vsa_cli.core.io.files import check_output, file_sha256
from vsa_cli.core.regions.feature_spec import IMPORTED
from vsa_cli.core.regions.interchange.bottom_up import read_bottom_up, write_bottom_up
from vsa_cli.core.regions.interchange.imported import Converted, import_regions
from vsa_cli.core.regions.interchange.scan import Precomputed, find_precomputed, read_precomputed, write_precomputed
from vsa_cli.core.regions.store import RegionStore

Kind = Literal["regions.h5", ".tsv", ".npy", "folder"]
_SUFFIXES: dict[str, Kind] = {".h5": "regions.h5", ".hdf5": "regions.h5", ".tsv": ".tsv", ".npy": ".npy", "": "folder"}
_SPLIT_NAMES = {"val": "dev"}
"""SCAN's names of splits, if different."""


@dataclass(frozen=True)
class ConversionRequest:
    """A requested conversion.

    Attributes:
        source: a `regions.h5`, a `.tsv`, a `.npy` or a folder of `.npy`.
        corpus: the corpus of the photographs; a conversion of a whole `regions.h5` to a `.tsv` needs none.
        out: a `.tsv` or a folder if the source is a `regions.h5`; otherwise a `regions.h5`.
        split: the corpus split to convert, or `all`.
        cnn: a name for the network that computed imported descriptors.
        force: replace existing files.
    """

    source: Path
    corpus: Path | None
    out: Path
    split: str
    cnn: str
    force: bool


class Conversion(Protocol):
    """A conversion that is ready to run."""

    @property
    def images(self) -> int:
        """The maximum number of photographs that it can convert."""

    def run(self, made: Converted) -> None:
        """Convert, and count the results in `made`.

        Raises:
            VsaError: an input is damaged, or an output cannot be written.
        """


def plan_conversion(request: ConversionRequest) -> Conversion:
    """Check a request as far as possible before any work starts.

    Raises:
        ConfigError: the conversion does not exist, it needs a corpus, or an output exists.
        DataError: an input cannot be read.
        ArtifactError: the corpus or the regions are damaged, or of different photographs.
    """
    source, out = kind_of(request.source), kind_of(request.out)
    if (source == "regions.h5") == (out == "regions.h5") or out == ".npy":
        raise ConfigError(
            f"{request.source} to {request.out}: no such conversion; there are regions.h5 to a .tsv or a folder, "
            "and a .tsv, a .npy or a folder of them to regions.h5"
        )
    if request.corpus is None and (out != ".tsv" or request.split != "all"):
        raise ConfigError(f"{request.source}: name the corpus.json of its photographs after it")
    corpus = read_corpus(request.corpus) if request.corpus is not None else None
    if out != "folder":
        check_output(request.out, force=request.force)
    if source != "regions.h5":
        assert corpus is not None
        return _Import(request, corpus, None if source == ".tsv" else find_precomputed(request.source))
    store = RegionStore(request.source)
    if corpus is None:
        return _TsvExport(store, store.ids, request.out, left_out=0)
    return _plan_export(request, store, corpus, to_folder=out == "folder")


def kind_of(path: Path) -> Kind:
    """The kind of a file, by its suffix.

    Raises:
        ConfigError: the suffix is unknown.
    """
    kind = "folder" if path.is_dir() else _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(f"{path}: unknown kind of file; .h5, .tsv, .npy and folders can be converted")
    return kind


def _plan_export(request: ConversionRequest, store: RegionStore, corpus: Corpus, *, to_folder: bool) -> Conversion:
    chosen = corpus.split(request.split)
    images = [image for image in chosen if image.key in store]
    for image in images:
        if store.hash_of(image.key) != image.sha256:
            raise ArtifactError(f"{store.path}: {image.key} is not the photograph of that id in the corpus")
    if not images:
        raise DataError(f"{store.path}: has no photograph of the corpus's split {request.split}")
    left_out = len(chosen) - len(images)
    if not to_folder:
        return _TsvExport(store, [image.key for image in images], request.out, left_out)
    splits: dict[Precomputed, list[Image]] = {}
    for image in images:
        split = Precomputed(request.out, _SPLIT_NAMES.get(image.split, image.split))
        splits.setdefault(split, []).append(image)
    for path in (path for split in splits for path in split.paths()):
        check_output(path, force=request.force)
    return _FolderExport(store, splits, left_out)


@dataclass(frozen=True)
class _TsvExport:
    store: RegionStore
    ids: Sequence[str]
    out: Path
    left_out: int

    @property
    def images(self) -> int:
        return len(self.ids)

    def run(self, made: Converted) -> None:
        _note_left_out(self.left_out, made)
        write_bottom_up(self.out, (made.count(self.store[image_id]) for image_id in self.ids))


@dataclass(frozen=True)
class _FolderExport:
    store: RegionStore
    splits: Mapping[Precomputed, Sequence[Image]]
    left_out: int

    @property
    def images(self) -> int:
        return sum(map(len, self.splits.values()))

    def run(self, made: Converted) -> None:
        _note_left_out(self.left_out, made)
        for split, images in self.splits.items():
            write_precomputed(split, images, self.store, made)
        if len({len(image.sentences) for images in self.splits.values() for image in images}) > 1:
            made.notes.append("images differ in their number of sentences; SCAN and similar programs expect five each")


def _note_left_out(count: int, made: Converted) -> None:
    if count:
        made.notes.append(f"{count} photographs have no regions: left out")


@dataclass(frozen=True)
class _Import:
    """An import of the splits `precomputed`, or, without them, of a TSV."""

    request: ConversionRequest
    corpus: Corpus
    precomputed: Sequence[Precomputed] | None

    @property
    def images(self) -> int:
        return len(self.corpus.split(self.request.split))

    def run(self, made: Converted) -> None:
        request, corpus = self.request, self.corpus
        if self.precomputed is None:
            kind, files, entries = "bottom-up-tsv", [request.source], read_bottom_up(request.source)
        else:
            kind = "scan-precomputed"
            files = [path for split in self.precomputed for path in split.present()]
            entries = read_precomputed(self.precomputed, corpus)
        parents = {
            "corpus": parent(corpus.envelope.format, corpus.sha256),
            **{f"features[{number}]": parent(kind, file_sha256(path)) for number, path in enumerate(files)},
        }
        import_regions(request.out, entries, corpus, request.split, f"{IMPORTED}{request.cnn}", parents, made)
