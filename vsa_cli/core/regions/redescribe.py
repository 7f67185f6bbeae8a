"""An extraction from the maps of a regions file instead of photographs: its boxes, described by a tuned CNN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions, MirroredView
from vsa_cli.core.regions.plan import Extraction, TunedCnn, recorded_with, view_bytes
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
            key = str(photo.image_id)
            view = None
            if self.store.has_mirrored:
                view = MirroredView(self.store.padded([key], mirrored=True)[0], self._map(key, mirrored=True))
            yield photo, replace(self.store[key], map=self._map(key), mirrored=view)

    def _map(self, key: str, *, mirrored: bool = False) -> NDArray[np.float16] | None:
        return self.store.mapped(key, mirrored=mirrored).map if self.keep_maps else None


def plan_redescription(
    path: Path, tuned: TunedCnn, *, seed: int, keep_maps: bool, mirrored: bool = False
) -> Extraction:
    """Plan to describe all boxes of a regions file, and their mirrored views if it has any, by a model's tuned CNN.

    Args:
        path: the regions file, with maps.
        tuned: the CNN.
        seed: recorded in the envelope.
        keep_maps: whether to keep the maps.
        mirrored: whether the file must have mirrored views.

    Raises:
        DataError: the file cannot be read.
        ArtifactError: it is damaged, has no maps or mirrored views, or they are not those that the model needs.
    """
    store = RegionStore(path)
    require_maps(store)
    if mirrored:
        store.require_mirrored()
    own = FeatureSpec.of(store.envelope, str(path)).config
    like = replace(tuned.spec.config, detector=own.detector, top=own.top, details=own.details)
    spec = replace(tuned.spec, config=like, descriptor_size=store.descriptor_size)
    described = described_for(spec, tuned.tail, store)
    recorded = recorded_with(spec, keep_maps=keep_maps, mirrored=store.has_mirrored)
    of_maps = store.map_bytes if keep_maps else 0
    of_views = view_bytes(spec, len(store.boxes)) + of_maps if store.has_mirrored else 0
    return Extraction(
        [Photo(key, key, path, sha256) for key, sha256 in zip(store.ids, store.hashes, strict=True)],
        MapEncoder(described, keep_maps),
        replace(store.envelope, config=recorded, seed=seed),
        spec,
        tail=tail_weights(tuned.tail),
        map_bytes=of_maps,
        mirrored_bytes=of_views,
    )
