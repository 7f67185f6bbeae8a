"""Photographs as pages carry them: upright, small, and stripped of whatever else their files told."""

from __future__ import annotations

from vsa_cli.core.artifacts import file_sha256
from vsa_cli.core.errors import DataError
from vsa_cli.core.pages.plates import Plate
from vsa_cli.core.pictures import Picture, encode_jpeg, read_picture


def small_photo(plate: Plate, longest: int) -> bytes:
    """A JPEG whose longer side has at most `longest` pixels. Raises what `read_photo` does."""
    return encode_jpeg(read_photo(plate, longest).rgb, longest)


def read_photo(plate: Plate, longest: int) -> Picture:
    """The photograph, its longer side reduced to about `longest` pixels if it has more.

    Raises:
        DataError: it cannot be read, or is no longer the photograph that the boxes were found in.
    """
    if plate.sha256 is not None and file_sha256(plate.photo) != plate.sha256:
        raise DataError(f"{plate.photo}: has changed since its boxes were found")
    short, long = sorted((plate.width, plate.height))
    picture = read_picture(plate.photo, max(1, short * longest // long) if long > longest else None)
    if (picture.width, picture.height) != (plate.width, plate.height):
        raise DataError(f"{plate.photo}: has changed since its boxes were found")
    return picture
