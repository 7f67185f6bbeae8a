"""An extraction from the maps of a regions file instead of photographs: its boxes, described by a tuned CNN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions.feature_spec import KEEP_MAPS, FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.plan import Extraction, TunedCnn
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import described_for, require_maps, tail_weights


@dataclass(frozen=True)
class MapEncoder:
    """Takes the regions of photographs from a file, in place of `PhotoEncoder`.

    Attributes:
        store: the file, which computes descriptors from its maps.
        keep_maps: whether the regions keep the maps.
    """

    store: RegionStore
    keep_maps: bool

    def encode_all(self, photos: Sequence[Photo], ahead: int) -> Iterator[tuple[Photo, ImageRegions]]:
        """The regions of each photograph, in order; `ahead` has no effect.

        Raises:
            ArtifactError: a map cannot be read.
        """
        for photo in photos:
            found, key = self.store[str(photo.image_id)], str(photo.image_id)
            yield photo, replace(found, map=self.store.mapped(key).map) if self.keep_maps else found


def plan_redescription(path: Path, tuned: TunedCnn, *, seed: int, keep_maps: bool) -> Extraction:
    """Plan to describe all boxes of a regions file by the tuned CNN of a model.

    Args:
        path: the regions file, with maps.
        tuned: the CNN.
        seed: recorded in the envelope.
        keep_maps: whether to keep the maps.

    Raises:
        DataError: the file cannot be read.
        ArtifactError: it is damaged, has no maps, or they are not those that the model needs.
    """
    store = RegionStore(path)
    require_maps(store)
    own = FeatureSpec.of(store.envelope, str(path)).config
    like = replace(tuned.spec.config, detector=own.detector, top=own.top, details=own.details)
    spec = replace(tuned.spec, config=like, descriptor_size=store.descriptor_size)
    described = described_for(spec, tuned.tail, store)
    recorded = {**spec.to_dict(), **({KEEP_MAPS: True} if keep_maps else {})}
    return Extraction(
        [Photo(key, key, path, sha256) for key, sha256 in zip(store.ids, store.hashes, strict=True)],
        MapEncoder(described, keep_maps),
        replace(store.envelope, config=recorded, seed=seed),
        spec,
        tail=tail_weights(tuned.tail),
        map_bytes=store.map_bytes if keep_maps else 0,
    )
