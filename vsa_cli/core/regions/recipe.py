"""How photographs were turned into descriptors: what must be repeated for a new photograph to fit a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vsa_cli.core.artifacts import Envelope
from vsa_cli.core.config import RegionConfig, from_dict, to_dict
from vsa_cli.core.errors import ArtifactError


@dataclass(frozen=True)
class Recipe:
    """A region configuration with nothing left open.

    Attributes:
        config: with `side` and `photo_side` settled.
        cnn_sha256: of the CNN's weight file.
        descriptor_size: D.
    """

    config: RegionConfig
    cnn_sha256: str
    descriptor_size: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, flat."""
        return {
            **to_dict(self.config),
            "cnn_sha256": self.cnn_sha256,
            "descriptor_size": self.descriptor_size,
        }

    @classmethod
    def from_dict(cls, data: object, where: str) -> Recipe:
        """Rebuild it from an artifact.

        Raises:
            ArtifactError: a field is absent or of the wrong type.
        """
        if not isinstance(data, Mapping):
            raise ArtifactError(f"{where}: does not say how its photographs were described")
        fields = dict(data)
        sha256, size = fields.pop("cnn_sha256", None), fields.pop("descriptor_size", None)
        if not isinstance(sha256, str) or not isinstance(size, int) or not 0 < size <= 1 << 20:
            raise ArtifactError(f"{where}: does not say which CNN described its photographs")
        return cls(from_dict(RegionConfig, fields, where), sha256, size)

    @classmethod
    def of(cls, envelope: Envelope, where: str) -> Recipe:
        """The recipe of a regions file, by its envelope."""
        return cls.from_dict(envelope.config, where)

    def describes_like(self, other: Recipe) -> bool:
        """Whether descriptors made by both mean the same; which boxes were chosen does not matter."""
        mine, theirs = self.config, other.config
        return (self.cnn_sha256, mine.cnn, mine.describe, mine.side) == (
            other.cnn_sha256,
            theirs.cnn,
            theirs.describe,
            theirs.side,
        )
