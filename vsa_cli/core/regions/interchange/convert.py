"""Which conversion two names ask for, and the doing of it: `regions.h5` to what other programs read, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsa_cli.core.corpus.corpus import Corpus, Image, read_corpus
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.io.envelope import parent
from vsa_cli.core.io.files import check_output, file_sha256
from vsa_cli.core.regions.interchange.bottom_up import read_bottom_up, write_bottom_up
from vsa_cli.core.regions.interchange.imported import Converted, import_regions
from vsa_cli.core.regions.interchange.scan import Precomputed, find_precomputed, read_precomputed, write_precomputed
from vsa_cli.core.regions.store import RegionStore

Kind = Literal["regions.h5", ".tsv", ".npy", "folder"]
_SUFFIXES: dict[str, Kind] = {".h5": "regions.h5", ".hdf5": "regions.h5", ".tsv": ".tsv", ".npy": ".npy", "": "folder"}
_SPLIT_NAMES = {"val": "dev"}
"""What SCAN calls a split, where it has its own word."""


@dataclass(frozen=True)
class Request:
    """A conversion, asked for.

    Attributes:
        source: a `regions.h5`, a `.tsv`, a `.npy` or a folder of `.npy`.
        corpus: whose photographs they are; to a `.tsv` one may do without.
        out: a `.tsv` or a folder, from a `regions.h5`; a `regions.h5`, from the others.
        split: of the corpus, or `all`; other photographs are left out.
        cnn: what to call the network of imported regions.
        force: replace files that are there.
    """

    source: Path
    corpus: Path | None
    out: Path
    split: str
    cnn: str
    force: bool


@dataclass(frozen=True)
class Conversion:
    """A conversion that can begin: `run` does it, counting; `images` is how many photographs there are at most."""

    images: int
    run: Callable[[Converted], None]


def plan_conversion(asked: Request) -> Conversion:
    """Settle what is to be done, as far as it can be told before the work.

    Raises:
        UsageError: there is no such conversion, it needs a corpus, or an output exists.
        DataError: an input cannot be read.
        ArtifactError: the corpus or the regions are damaged, or of different photographs.
    """
    source, out = kind_of(asked.source), kind_of(asked.out)
    if (source == "regions.h5") == (out == "regions.h5") or out == ".npy":
        raise ConfigError(
            f"{asked.source} to {asked.out}: vsa convert takes a regions.h5 to a .tsv or a folder, "
            "and a .tsv, a .npy or a folder of them to a regions.h5"
        )
    if asked.corpus is None and (out != ".tsv" or asked.split != "all"):
        raise ConfigError(f"{asked.source}: name the corpus.json of its photographs after it")
    corpus = read_corpus(asked.corpus) if asked.corpus is not None else None
    if out != "folder":
        check_output(asked.out, force=asked.force)
    if source == "regions.h5":
        return _export(asked, RegionStore(asked.source), corpus, to_folder=out == "folder")
    assert corpus is not None
    return _import(asked, corpus, from_tsv=source == ".tsv")


def kind_of(path: Path) -> Kind:
    """What a path is, by its suffix.

    Raises:
        UsageError: it has another suffix.
    """
    kind = "folder" if path.is_dir() else _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(f"{path}: vsa convert knows .h5, .tsv, .npy and folders, by their names")
    return kind


def _export(asked: Request, store: RegionStore, corpus: Corpus | None, *, to_folder: bool) -> Conversion:
    if corpus is None:
        return Conversion(
            len(store), lambda made: write_bottom_up(asked.out, (made.count(store[i]) for i in store.ids))
        )
    chosen = corpus.split(asked.split)
    images = [image for image in chosen if image.key in store]
    for image in images:
        if store.hash_of(image.key) != image.sha256:
            raise ArtifactError(f"{store.path}: {image.key} is another photograph there than in the corpus")
    if not images:
        raise DataError(f"{store.path}: has no photograph of the corpus's split {asked.split}")
    splits = _by_split(asked.out, images)
    if to_folder:
        for path in (path for split in splits for path in split.paths()):
            check_output(path, force=asked.force)

    def run(made: Converted) -> None:
        if len(images) < len(chosen):
            made.notes.append(f"{len(chosen) - len(images)} photographs have no regions: left out")
        if not to_folder:
            write_bottom_up(asked.out, (made.count(store[image.key]) for image in images))
            return
        for split, some in splits.items():
            write_precomputed(split, some, store, made)
        if len({len(image.sentences) for image in images}) > 1:
            made.notes.append("images differ in their number of sentences; SCAN and its kin take five for each")

    return Conversion(len(images), run)


def _by_split(folder: Path, images: list[Image]) -> Mapping[Precomputed, list[Image]]:
    splits: dict[Precomputed, list[Image]] = {}
    for image in images:
        split = Precomputed(folder, _SPLIT_NAMES.get(image.split, image.split))
        splits.setdefault(split, []).append(image)
    return splits


def _import(asked: Request, corpus: Corpus, *, from_tsv: bool) -> Conversion:
    precomputed = [] if from_tsv else find_precomputed(asked.source)
    files = [asked.source] if from_tsv else [path for split in precomputed for path in split.present()]

    def run(made: Converted) -> None:
        kind = "bottom-up-tsv" if from_tsv else "scan-precomputed"
        parents = {
            "corpus": parent(corpus.envelope.format, corpus.sha256),
            **{f"features[{number}]": parent(kind, file_sha256(path)) for number, path in enumerate(files)},
        }
        found = read_bottom_up(asked.source) if from_tsv else read_precomputed(precomputed, corpus)
        import_regions(asked.out, found, corpus, asked.split, f"imported:{asked.cnn}", parents, made)

    return Conversion(len(corpus.split(asked.split)), run)
