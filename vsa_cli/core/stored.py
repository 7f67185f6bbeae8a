"""Configurations as artifacts hold them: to JSON and back, refusing what does not fit."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from vsa_cli.core.artifacts import is_number
from vsa_cli.core.errors import ArtifactError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


def from_dict(kind: type[Config], data: Mapping[str, Any], where: str) -> Config:
    """Rebuild a configuration from an artifact, refusing unknown fields and wrong types.

    Args:
        kind: the dataclass.
        data: its stored form; absent fields take their defaults.
        where: the artifact's name, for messages.

    Raises:
        ArtifactError: a field is unknown, of the wrong type, or not a choice that it has.
    """
    hints = get_type_hints(kind)
    for name, value in data.items():
        if name not in hints:
            raise ArtifactError(f"{where}: {kind.__name__} has no field {name!r}")
        if not _fits(value, hints[name]):
            raise ArtifactError(f"{where}: {name}={value!r} does not fit {kind.__name__}")
    return kind(**data)


def to_dict(config: Config) -> dict[str, Any]:
    """A configuration as JSON holds it."""
    return dataclasses.asdict(config)


def _fits(value: object, hint: object) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if isinstance(hint, types.UnionType):
        return any(_fits(value, choice) for choice in get_args(hint))
    if hint is float:
        return is_number(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return isinstance(value, hint) if isinstance(hint, type) else False
