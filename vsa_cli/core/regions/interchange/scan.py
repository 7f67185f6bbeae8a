"""Reads and writes the precomputed splits of SCAN and VSE++: a NumPy array for each split, and its sentences.

    train_ims.npy    (N, R, D) float32; VSE++'s are (N, D), of whole images
    train_caps.txt   the images' sentences in the order of the images, one per line
    train_ids.txt    N lines: the photograph of each row
    train_boxes.npy  (N, R, 4) float32, x1 y1 x2 y2 in pixels; `vsa` writes it, published data sets lack it

`dev` is val. Images with fewer than R regions repeat their whole image, with boxes of size zero. Some data sets repeat
the row of an image for each of its sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, Literal

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
_LONGEST_LIST, _LONGEST_HEADER = 1 << 30, 1 << 12  # bytes
_HEADER = re.compile(
    rb"\{ *'descr': *'(?P<dtype>[<>=|]?\w{1,8})', *'fortran_order': *(?P<order>True|False), *"
    rb"'shape': *\((?P<shape>[0-9L, ]*)\),? *\}\s*"
)
"""The header of an array as NumPy writes it, in any version: its values are matched, because parsing it as Python, as
NumPy itself does, is unsafe in threads of Python 3.11."""


@dataclass(frozen=True)
class Precomputed:
    """The files of a split in a folder, called `name` followed by IMS, BOXES, IDS or CAPS."""

    folder: Path
    name: str

    def path(self, suffix: str) -> Path:
        """The file with a suffix."""
        return self.folder / (self.name + suffix)

    def paths(self) -> list[Path]:
        """All files, whether they exist or not."""
        return [self.path(suffix) for suffix in (IMS, BOXES, IDS, CAPS)]

    def present(self) -> list[Path]:
        """The files that exist."""
        return [path for path in self.paths() if path.is_file()]


def find_precomputed(path: Path) -> list[Precomputed]:
    """The splits in a folder, or the split of a file of descriptors.

    Raises:
        DataError: there is no file of descriptors.
    """
    files = sorted(path.glob(f"*{IMS}")) if path.is_dir() else [path] if path.name.endswith(IMS) else []
    if not files:
        raise DataError(f"{path}: no file called SPLIT{IMS}, such as train{IMS}")
    return [Precomputed(file.parent, file.name.removesuffix(IMS)) for file in files]


def read_precomputed(splits: Sequence[Precomputed], corpus: Corpus) -> Iterator[ImportedRegions]:
    """The photographs of splits, one in memory at a time.

    The list of ids names the photograph of each row. Without it, the rows must be in the order of the corpus, which is
    checked by the sentences.

    Raises:
        DataError: a file cannot be read, has a wrong shape, or does not fit the corpus.
    """
    for split in splits:
        ims = _open_array(split.path(IMS), (2, 3))
        boxes = _open_array(split.path(BOXES), (3,)) if split.path(BOXES).exists() else None
        if boxes is not None and boxes.shape != (*ims.shape[:2], 4):
            raise DataError(f"{split.path(BOXES)}: {boxes.shape} does not fit the descriptors' {ims.shape}")
        for row, name in _rows(split, len(ims), corpus):
            with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite, and is rejected later
                descriptors = np.array(ims[row], np.float32).reshape(-1, ims.shape[-1])
                places = None if boxes is None else np.array(boxes[row], np.float32)
            yield ImportedRegions(f"{split.name}{IMS}, row {row}", name, None, places, descriptors)


def _open_array(path: Path, axes: tuple[int, ...]) -> NDArray[np.floating]:
    """A float array that stays on the disk."""
    try:
        with path.open("rb") as file:
            dtype, order, shape = _read_header(file)
            start = file.tell()
        if dtype.kind != "f" or len(shape) not in axes or 0 in shape:
            raise DataError(f"{path}: {dtype} of the shape {shape}; (N, R, D) or (N, D) of floats is needed")
        if shape[-1] > LARGEST_DESCRIPTOR or max(shape[1:-1], default=0) > MOST_REGIONS:
            raise DataError(f"{path}: {shape} is more than {MOST_REGIONS} regions or {LARGEST_DESCRIPTOR} numbers each")
        return np.memmap(path, dtype, "r", start, shape, order)
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: cannot be read as a NumPy array (.npy): {reason(error)}") from error


def _read_header(file: BinaryIO) -> tuple[np.dtype[Any], Literal["C", "F"], tuple[int, ...]]:
    """The type, order and shape of the array in a file, which is left at its first number.

    Raises:
        ValueError: there is no such array.
        TypeError: its type is unknown to NumPy.
    """
    start = file.read(8)
    if start[:6] != b"\x93NUMPY":
        raise ValueError("not an array")
    length = int.from_bytes(file.read(2 if start[6:7] == b"\1" else 4), "little")
    found = _HEADER.fullmatch(file.read(min(length, _LONGEST_HEADER)))
    if found is None:
        raise ValueError("its header is not that of an array of numbers")
    shape = tuple(int(side) for side in re.findall(rb"[0-9]+", found["shape"]))
    return np.dtype(found["dtype"].decode()), "F" if found["order"] == b"True" else "C", shape


def _rows(split: Precomputed, count: int, corpus: Corpus) -> list[tuple[int, str]]:
    """The first row of each photograph, and the photograph's name."""
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
    hint = f"list the photographs of the rows in {ids.name}, one per line"
    if called is None:
        raise DataError(f"{split.path(IMS)}: its name is not a split of the corpus; {hint}")
    images = corpus.split(called)
    spans = _spans(count, images)
    checked = split.path(CAPS).is_file()
    # several rows for each image must be confirmed by the sentences: one number may divide another by chance
    if spans is None or (count != len(images) and not checked):
        sentences = sum(len(image.sentences) for image in images)
        expected = f"{len(images)} images with {sentences} sentences in {called}"
        raise DataError(f"{split.path(IMS)}: {count} rows, but the corpus has {expected}; {hint}")
    if checked:
        _require_same_sentences(split.path(CAPS), images, hint)
    return [(start, image.key) for image, (start, end) in zip(images, spans, strict=True) if start < end]


def _spans(count: int, images: Sequence[Image]) -> list[tuple[int, int]] | None:
    """The range of each image among `count` rows or lines; None if they cannot be divided among the images.

    An image has one, or one for each of its sentences, or as many as every other image.
    """
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
        known = {"".join(sentence.tokens) for sentence in image.sentences}  # however the corpus cuts words
        for number, line in enumerate(lines[start:end], start=start + 1):
            if "".join(tokenize(line)) not in known:
                raise DataError(f"{caps}, line {number}: not a sentence of {image.key} in the corpus; {hint}")


def _lines(path: Path) -> list[str]:
    if path.stat().st_size > _LONGEST_LIST:
        raise DataError(f"{path}: more than {_LONGEST_LIST} bytes; at most those are read")
    lines = text_lines(path)
    return lines if lines[-1] else lines[:-1]


def write_precomputed(split: Precomputed, images: Sequence[Image], store: RegionStore, made: Converted) -> None:
    """Write the files of a split, one photograph in memory at a time; each file appears when it is complete.

    Args:
        split: the folder and the name of the split.
        images: the images of the split, all with regions.
        store: their regions.
        made: counts them.

    Raises:
        ArtifactError: regions cannot be read.
        DataError: a file cannot be written, or an id has a line end.
    """
    malformed = next((image.key for image in images if len(image.key.splitlines()) != 1), None)
    if malformed is not None:
        raise DataError(
            f"{one_line(malformed, MAX_NAME)}: an id with a line end cannot be written to {split.name}{IDS}"
        )
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
    sentences = (sentence.raw for image in images for sentence in image.sentences)
    write_lines(split.path(CAPS), (" ".join(raw.split()) for raw in sentences))
