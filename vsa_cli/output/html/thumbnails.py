"""Photographs as pages carry them: upright, small, and stripped of whatever else their files told."""

from __future__ import annotations

from vsa_cli.core.errors import DataError
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.images import Picture, encode_jpeg, read_picture
from vsa_cli.output.html.cards import Card


def small_photo(card: Card, longest: int) -> bytes:
    """A JPEG whose longer side has at most `longest` pixels. Raises what `read_photo` does."""
    return encode_jpeg(read_photo(card, longest).rgb, longest)


def read_photo(card: Card, longest: int) -> Picture:
    """The photograph, its longer side reduced to about `longest` pixels if it has more.

    Raises:
        DataError: it cannot be read, or is no longer the photograph that the boxes were found in.
    """
    if card.sha256 is not None and file_sha256(card.photo) != card.sha256:
        raise DataError(f"{card.photo}: has changed since its boxes were found")
    short, long = sorted((card.width, card.height))
    picture = read_picture(card.photo, max(1, short * longest // long) if long > longest else None)
    if (picture.width, picture.height) != (card.width, card.height):
        raise DataError(f"{card.photo}: has changed since its boxes were found")
    return picture
