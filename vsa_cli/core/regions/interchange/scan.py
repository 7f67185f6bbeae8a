"""SCAN's and VSE++'s precomputed splits, in and out: NumPy arrays by split, with the sentences beside them.

    train_ims.npy    (N, R, D) float32; VSE++'s (N, D) describe whole images
    train_caps.txt   the images' sentences in their order, one a line
    train_ids.txt    N lines: of which photographs the rows are
    train_boxes.npy  (N, R, 4) float32, x1 y1 x2 y2 in pixels; `vsa` writes it, the sets that go about have lost it

`dev` is val. Images with fewer than R regions repeat their whole image, under boxes of no size. Some sets repeat an
image's row for each of its sentences.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.corpus import Corpus, Image
from vsa_cli.core.corpus.split_names import find_split
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import MAX_NAME, DataError, one_line, reason
from vsa_cli.core.io.files import atomic_path, write_lines
from vsa_cli.core.io.text import text_lines
from vsa_cli.core.regions.interchange.imported import LARGEST_DESCRIPTOR, MOST_REGIONS, Converted, ImportedRegions
from vsa_cli.core.regions.store import RegionStore

IMS, BOXES, IDS, CAPS = "_ims.npy", "_boxes.npy", "_ids.txt", "_caps.txt"
_FLOAT = np.dtype("<f4")
_LONGEST_LIST = 1 << 30

# What numpy raises on headers of unknown making; anything else is a defect of ours and must surface.
_UNREADABLE = (
    OSError, ValueError, TypeError, OverflowError, SyntaxError, TokenError, RecursionError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class Precomputed:
    """The files of a split, which lie in one folder: `name` and then IMS, BOXES, IDS or CAPS."""

    folder: Path
    name: str

    def path(self, suffix: str) -> Path:
        """One of the files."""
        return self.folder / (self.name + suffix)

    def paths(self) -> list[Path]:
        """All of them."""
        return [self.path(suffix) for suffix in (IMS, BOXES, IDS, CAPS)]

    def present(self) -> list[Path]:
        """Those that are there."""
        return [path for path in self.paths() if path.is_file()]


def find_precomputed(path: Path) -> list[Precomputed]:
    """The splits in a folder, or the one whose descriptors a file holds.

    Raises:
        DataError: there is none.
    """
    files = sorted(path.glob(f"*{IMS}")) if path.is_dir() else [path] if path.name.endswith(IMS) else []
    if not files:
        raise DataError(f"{path}: no file called SPLIT{IMS}, such as train{IMS}")
    return [Precomputed(file.parent, file.name.removesuffix(IMS)) for file in files]


def read_precomputed(splits: Sequence[Precomputed], corpus: Corpus) -> Iterator[ImportedRegions]:
    """The photographs of splits, one in memory at a time.

    The list of ids names each row's photograph. Without one, rows follow the corpus, and the sentences must agree.

    Raises:
        DataError: a file cannot be read, is of another shape, or does not fit the corpus.
    """
    for split in splits:
        ims = _open_array(split.path(IMS), (2, 3))
        boxes = _open_array(split.path(BOXES), (3,)) if split.path(BOXES).exists() else None
        if boxes is not None and boxes.shape != (*ims.shape[:2], 4):
            raise DataError(f"{split.path(BOXES)}: {boxes.shape} does not fit the descriptors' {ims.shape}")
        for row, name in _rows(split, len(ims), corpus):
            with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite, and is refused
                descriptors = np.array(ims[row], np.float32).reshape(-1, ims.shape[-1])
                places = None if boxes is None else np.array(boxes[row], np.float32)
            yield ImportedRegions(f"{split.name}{IMS}, row {row}", name, None, places, descriptors)


def _open_array(path: Path, axes: tuple[int, ...]) -> NDArray[np.floating]:
    """An array that stays on the disk; never a pickle, never an archive."""
    try:
        with path.open("rb") as file:
            is_array = file.read(6) == b"\x93NUMPY"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that Python 2 wrote it, as it did SCAN's
            array: NDArray[np.floating] | None = np.load(path, mmap_mode="r", allow_pickle=False) if is_array else None
    except _UNREADABLE as error:
        raise DataError(f"{path}: cannot be read as a NumPy array ({reason(error)})") from error
    if array is None:
        raise DataError(f"{path}: not a NumPy array (.npy)")
    shape = array.shape
    if array.dtype.kind != "f" or len(shape) not in axes or 0 in shape:
        raise DataError(f"{path}: {array.dtype} of the shape {shape}; (N, R, D) or (N, D) of floats is needed")
    if shape[-1] > LARGEST_DESCRIPTOR or max(shape[1:-1], default=0) > MOST_REGIONS:
        raise DataError(f"{path}: {shape} is more than {MOST_REGIONS} regions or {LARGEST_DESCRIPTOR} numbers each")
    return array


def _rows(split: Precomputed, count: int, corpus: Corpus) -> list[tuple[int, str]]:
    """The first row of each photograph, and its name."""
    ids = split.path(IDS)
    if ids.is_file():
        names = _lines(ids)
        if len(names) != count:
            raise DataError(f"{ids}: {len(names)} lines for {count} rows")
        first: dict[str, int] = {}
        for row, name in enumerate(names):
            first.setdefault(name.strip(), row)
        return [(row, name) for name, row in first.items()]
    called = find_split(split.name)
    hint = f"say in {ids.name} which photographs the rows are, one a line"
    if called is None:
        raise DataError(f"{split.path(IMS)}: its name tells no split of the corpus; {hint}")
    images = corpus.split(called)
    spans = _spans(count, images)
    checked = split.path(CAPS).is_file()
    # That rows are several for each image must be seen by the sentences: any two numbers may happen to divide.
    if spans is None or (count != len(images) and not checked):
        said = sum(len(image.sentences) for image in images)
        there = f"{len(images)} images with {said} sentences in {called}"
        raise DataError(f"{split.path(IMS)}: {count} rows, but the corpus has {there}; {hint}")
    if checked:
        _require_same_sentences(split.path(CAPS), images, hint)
    return [(start, image.key) for image, (start, end) in zip(images, spans, strict=True) if start < end]


def _spans(count: int, images: Sequence[Image]) -> list[tuple[int, int]] | None:
    """Each image's share of `count` things: one, or as many as it has sentences, or as many as any other; or none."""
    shares = [len(image.sentences) for image in images]
    if sum(shares) != count or len(images) == count:
        if count % len(images):
            return None
        shares = [count // len(images)] * len(images)
    ends = list(accumulate(shares))
    return list(zip([0, *ends], ends, strict=False))


def _require_same_sentences(caps: Path, images: Sequence[Image], hint: str) -> None:
    lines = _lines(caps)
    spans = _spans(len(lines), images)
    if spans is None:
        raise DataError(f"{caps}: {len(lines)} lines do not fit the {len(images)} images of the corpus; {hint}")
    for image, (start, end) in zip(images, spans, strict=True):
        said = {sentence.tokens for sentence in image.sentences}
        for number, line in enumerate(lines[start:end], start=start + 1):
            if tokenize(line) not in said:
                raise DataError(f"{caps}, line {number}: not a sentence of {image.key} in the corpus; {hint}")


def _lines(path: Path) -> list[str]:
    if path.stat().st_size > _LONGEST_LIST:
        raise DataError(f"{path}: more than {_LONGEST_LIST} bytes; at most those are read")
    lines = text_lines(path)
    return lines if lines[-1] else lines[:-1]


def write_precomputed(split: Precomputed, images: Sequence[Image], store: RegionStore, made: Converted) -> None:
    """Write the files of a split, each in one step at its end, in memory bounded by one photograph.

    Args:
        split: where to, and under what name.
        images: all of which have regions.
        store: their regions.
        made: counts them.

    Raises:
        ArtifactError: regions cannot be read.
        DataError: a file cannot be written, or an id cannot stand in a list.
    """
    odd = next((image.key for image in images if len(image.key.splitlines()) != 1), None)
    if odd is not None:
        raise DataError(f"{one_line(odd, MAX_NAME)}: an id with a line end cannot stand in {split.name}{IDS}")
    most = max(store.count_of(image.key) for image in images)
    shape = (len(images), most)
    with (
        atomic_path(split.path(IMS)) as ims_path,
        atomic_path(split.path(BOXES)) as boxes_path,
        ims_path.open("wb") as ims,
        boxes_path.open("wb") as boxes,
    ):
        for file, last in ((ims, store.descriptor_size), (boxes, 4)):
            header = {"descr": _FLOAT.str, "fortran_order": False, "shape": (*shape, last)}
            np.lib.format.write_array_header_1_0(file, header)
        for image in images:
            regions = made.count(store[image.key])
            absent = most - len(regions.boxes)
            whole = regions.descriptors[:1].repeat(absent, 0)
            ims.write(np.concatenate([regions.descriptors, whole]).astype(_FLOAT).tobytes())
            boxes.write(np.pad(regions.boxes, ((0, absent), (0, 0))).astype(_FLOAT).tobytes())
    write_lines(split.path(IDS), (image.key for image in images))
    said = (sentence.raw for image in images for sentence in image.sentences)
    write_lines(split.path(CAPS), (" ".join(raw.split()) for raw in said))
