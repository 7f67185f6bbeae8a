"""Reads and writes the TSV files of bottom-up attention: one photograph per line, six columns, no header.

    image_id  image_w  image_h  num_boxes  boxes                        features
    391895    640      360      36         base64 of (36, 4) float32    base64 of (36, D) float32

Numbers are little-endian; boxes are x1 y1 x2 y2 in pixels of the original photograph. Files can be concatenated. In the
files that `vsa` writes, the first box is the whole image. Fields written as Python bytes, `b'...'`, are read as well.
"""

from __future__ import annotations

import base64
import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.records import is_id
from vsa_cli.core.errors import MAX_NAME, DataError, one_line, reason
from vsa_cli.core.io.files import atomic_path
from vsa_cli.core.io.text import numbered_lines
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.interchange.imported import LARGEST_DESCRIPTOR, MOST_REGIONS, ImportedRegions, MalformedEntry

COLUMNS = ("image_id", "image_w", "image_h", "num_boxes", "boxes", "features")
_HEADER = [name.encode() for name in COLUMNS[:2]]  # the first alone can be the name of a photograph
_BYTES = re.compile(rb"""\s*"?b(['"])(.*)\1"?\s*""", re.S)
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.S)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_FLOAT = np.dtype("<f4")
_LARGEST_SIDE = 1 << 20


def read_bottom_up(path: Path) -> Iterator[ImportedRegions | MalformedEntry]:
    """The photographs of a TSV, one in memory at a time.

    Raises:
        DataError: the file cannot be read, or a line is too long.
    """
    try:
        with path.open("rb") as file:
            for where, line in numbered_lines(file, path.name):
                fields = _unquoted(line.rstrip(b"\r\n").split(b"\t"))
                if fields[:2] == _HEADER:
                    continue  # some files have a header
                try:
                    yield _photograph(fields, where)
                except DataError as error:
                    yield MalformedEntry(f"{where}: {error}")
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def _unquoted(fields: list[bytes]) -> list[bytes]:
    """The fields without the `b'...'` that Python 3 programs write for bytes, where the array fields have it."""
    if len(fields) != len(COLUMNS) or not any(map(_BYTES.fullmatch, fields[4:])):
        return fields
    found = [(field, _BYTES.fullmatch(field)) for field in fields]
    plain = [_ESCAPE.sub(_unescaped, match[2]) if match else field for field, match in found]
    return [*plain[:4], *(b"".join(field.split()) for field in plain[4:])]  # older encoders wrap base64 in lines


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([int(code[1:], 16)]) if len(code) > 1 else _ESCAPED.get(code, code)


def _photograph(fields: list[bytes], where: str) -> ImportedRegions:
    if len(fields) != len(COLUMNS):
        raise DataError(f"{len(fields)} columns; there must be {len(COLUMNS)} ({', '.join(COLUMNS)})")
    width, height = (_whole(field, name, _LARGEST_SIDE) for field, name in zip(fields[1:3], COLUMNS[1:3], strict=True))
    count = _whole(fields[3], COLUMNS[3], MOST_REGIONS)
    boxes = _floats(fields[4], count, "boxes")
    if boxes.shape[1] != 4:
        raise DataError(f"boxes is not {count} times 4 numbers")
    return ImportedRegions(where, _name(fields[0]), (width, height), boxes, _floats(fields[5], count, "features"))


def _name(field: bytes) -> str:
    text = field.decode("utf-8", errors="surrogateescape")
    if len(text) > 1 and text[0] == text[-1] == '"':  # quoted by a CSV writer
        text = text[1:-1].replace('""', '"')
    if not is_id(text):
        raise DataError("image_id is not text")
    return text


def _whole(field: bytes, name: str, most: int) -> int:
    if not re.fullmatch(rb"\s*[0-9]{1,9}\s*", field) or not 0 < int(field) <= most:
        raise DataError(f"{name} is not a whole number from 1 to {most}")
    return int(field)


def _floats(field: bytes, rows: int, name: str) -> NDArray[np.float32]:
    """(rows, any) float32."""
    try:
        data = base64.b64decode(field, validate=True)
    except ValueError as error:
        raise DataError(f"{name} is not base64") from error
    columns, rest = divmod(len(data), rows * _FLOAT.itemsize)
    if rest or not 0 < columns <= LARGEST_DESCRIPTOR:
        raise DataError(f"{name} is {len(data)} bytes, which cannot be float32 numbers of {rows} regions")
    return np.frombuffer(data, _FLOAT).reshape(rows, columns).astype(np.float32)


def write_bottom_up(path: Path, images: Iterable[ImageRegions]) -> None:
    """Write a TSV, one photograph in memory at a time; the file appears when all are written.

    Raises:
        DataError: the file cannot be written, or an id has a character that a TSV cannot hold.
    """
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        for image in images:
            if re.search(r"[\t\r\n]", image.image_id):
                name = one_line(image.image_id, MAX_NAME)
                raise DataError(f"{name}: an id with a tab or a line end cannot be written to a TSV")
            arrays = (image.boxes.astype(_FLOAT), image.descriptors.astype(_FLOAT))
            packed = [base64.b64encode(array.tobytes()).decode("ascii") for array in arrays]
            writer.writerow([image.image_id, image.width, image.height, len(image.boxes), *packed])
