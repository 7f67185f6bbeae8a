"""Specification of how descriptors were computed; a model accepts only photographs processed in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vsa_cli.core.config import Detector, RegionConfig
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.io.envelope import Envelope, from_dict, to_dict

IMPORTED = "imported:"
"""Prefix of the names of CNNs that are not available to `vsa`, those of imported regions."""

DETAILS = "details"
"""The entry, in the configuration of a regions file or of a model, that descriptors have `details`, if they have."""

KEEP_MAPS = "keep_maps"
"""The entry, in the configuration of a regions file, that it has the maps of the CNN's trunk."""

MIRRORED = "mirrored"
"""The entry, in the configuration of a regions file, that it has the mirrored view of each photograph."""

PRECISION = "precision"
"""The entry, in the configuration of a regions file, of the precision of the CNN's products if it is not float32."""

PROPOSALS = 2
"""The version of the algorithm that proposes and selects boxes (`proposals`); 1 is that of vsa 0.2."""


@dataclass(frozen=True)
class FeatureSpec:
    """A region configuration in which every default has been resolved.

    Attributes:
        config: the configuration, with definite values of `side` and `photo_side`.
        cnn_sha256: SHA-256 of the CNN's weight file.
        descriptor_size: D.
        tail_sha256: SHA-256 of the weights of the CNN's tail, if it was tuned with a model; empty as published.
    """

    config: RegionConfig
    cnn_sha256: str
    descriptor_size: int
    tail_sha256: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The specification as a flat JSON object."""
        config = to_dict(self.config)
        if not self.config.details:  # files and models without details are as they were before there were any
            del config[DETAILS]
        return {
            **config,
            "cnn_sha256": self.cnn_sha256,
            "descriptor_size": self.descriptor_size,
            **({"tail_sha256": self.tail_sha256} if self.tail_sha256 else {}),
        }

    @classmethod
    def from_dict(cls, data: object, where: str) -> FeatureSpec:
        """Rebuild a specification from an artifact.

        Raises:
            ArtifactError: a field is missing or of the wrong type.
        """
        if not isinstance(data, Mapping):
            raise ArtifactError(f"{where}: does not record how its photographs were described")
        fields = dict(data)
        sha256, size = fields.pop("cnn_sha256", None), fields.pop("descriptor_size", None)
        tail = fields.pop("tail_sha256", "")
        if not isinstance(sha256, str) or not isinstance(size, int) or not 0 < size <= 1 << 20:
            raise ArtifactError(f"{where}: does not record which CNN described its photographs")
        if not isinstance(tail, str):
            raise ArtifactError(f"{where}: does not record which tail of the CNN described its photographs")
        return cls(from_dict(RegionConfig, fields, where), sha256, size, tail)

    @classmethod
    def of(cls, envelope: Envelope, where: str) -> FeatureSpec:
        """The specification in the envelope of a regions file.

        It does not have the precision of the products: a model accepts descriptors of either.
        """
        others = (KEEP_MAPS, MIRRORED, PRECISION)
        return cls.from_dict({name: value for name, value in envelope.config.items() if name not in others}, where)

    def require_computable(self) -> None:
        """Check that the descriptors of new photographs can be computed in this way.

        Raises:
            ConfigError: the descriptors were imported from another program, whose CNN is not available.
        """
        if self.config.cnn.startswith(IMPORTED):
            name = self.config.cnn.removeprefix(IMPORTED)
            raise ConfigError(
                f"the model was trained on imported regions ({name}) and takes no photographs; "
                "name stored regions with `corpus` and `regions_file`"
            )

    def require_cnn(self, sha256: str) -> None:
        """Check the SHA-256 of a CNN's weight file.

        Raises:
            ArtifactError: it is not the one that described the training photographs.
        """
        if sha256 != self.cnn_sha256:
            raise ArtifactError(f"{self.config.cnn}: its weights are not those that the model was trained with")

    def require_from(self, envelope: Envelope, where: str) -> None:
        """Check that a regions file holds descriptors of this kind; how its boxes were chosen does not matter.

        Raises:
            ArtifactError: its descriptors come from another CNN, or were computed in another way.
        """
        found = FeatureSpec.of(envelope, where)
        if self._kind() == found._kind() and self.tail_sha256 != found.tail_sha256:
            if not self.tail_sha256:
                raise ArtifactError(
                    f"{where}: described by a tuned {self.config.cnn}, and the model needs the published one; extract "
                    "its regions again"
                )
            raise ArtifactError(
                f"{where}: not described by the {self.config.cnn} that was tuned with the model; `cnn_of` of `vsa "
                "extract-regions` extracts regions with it"
            )
        if self._kind() != found._kind():
            config = self.config
            needed = f"{config.cnn}, {config.describe}, side {config.side}"
            if config.details != found.config.details:
                needed += ", with details" if config.details else ", without details"
            raise ArtifactError(f"{where}: not described as the model needs ({needed}); extract its regions again")

    def same_trunk(self, envelope: Envelope, where: str) -> bool:
        """Whether a regions file, whatever its tail, has descriptors from the same trunk, computed in the same way.

        Raises:
            ArtifactError: the file does not record it.
        """
        return self._kind() == FeatureSpec.of(envelope, where)._kind()

    def same_descriptors(self, other: FeatureSpec) -> bool:
        """Whether both describe a region by the same numbers; how boxes are chosen does not matter."""
        return self._kind() == other._kind() and self.tail_sha256 == other.tail_sha256

    def _kind(self) -> tuple[str, str, str, int, bool]:
        config = self.config
        return self.cnn_sha256, config.cnn, config.describe, config.side, config.details

    def with_details_of(self, envelope: Envelope, where: str) -> FeatureSpec:
        """The specification with the details of a regions file, on which a model without them can be trained further.

        Raises:
            ArtifactError: the file does not record how its photographs were described.
        """
        found = FeatureSpec.of(envelope, where)
        if not found.config.details:
            return self
        return replace(self, config=replace(self.config, details=True), descriptor_size=found.descriptor_size)


def with_detector(spec: FeatureSpec, detector: Detector) -> FeatureSpec:
    """The specification with another source of boxes; the descriptors are of the same kind."""
    return replace(spec, config=replace(spec.config, detector=detector))
