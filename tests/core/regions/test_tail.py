"""The tail of a CNN: trunk and tail equal the whole, gradients are those of finite differences, maps are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.efficientnet_lite import SCALES, LiteBody, LiteTail, Scale
from vsa_cli.core.regions.image_regions import MappedImage
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import (
    TailDescriber,
    describe_images,
    new_tail,
    require_maps,
    rounded,
    tail_from,
    tail_sha256,
    tail_weights,
)

Run = Callable[..., Result]
CHEAP = ("--cnn", "efficientnet_lite0", "--side", 96)


@pytest.fixture(scope="module")
def mapped(vsa: Run, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn photographs' regions with maps."""
    path = tmp_path_factory.mktemp("mapped") / "r.h5"
    done = vsa("extract-regions", drawn.corpus, "-o", path, "--detector", "grid", "--top", 3, *CHEAP, "--keep-maps")
    assert done.exit_code == 0, done.output
    assert "the maps of" in done.stderr
    return path


@pytest.mark.parametrize("name", sorted(SCALES))
def test_trunk_and_tail_equal_the_whole_cnn_bit_for_bit(name: str) -> None:
    cnn = load_cnn(name)
    rgb = torch.randint(0, 256, (1, 96, 160, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        trunk = cnn.trunk_maps(rgb)
        assert trunk.shape[2:] == (6, 10)
        assert torch.equal(cnn.tail(trunk), cnn.maps(rgb))


def test_the_tail_begins_where_the_map_shrinks_from_a_sixteenth_to_a_thirty_second() -> None:
    body = LiteBody(SCALES["efficientnet_lite2"])
    assert len(body.tail.blocks) == 6
    assert body.trunk(torch.zeros(1, 3, 224, 224)).shape == (1, 120, 14, 14)


def tiny_tail() -> LiteTail:
    torch.manual_seed(0)
    return LiteTail(Scale(width=0.05, depth=0.5, side=32)).double()


def tiny_images(channels: int) -> list[MappedImage]:
    rng = np.random.default_rng(0)
    boxes = np.array([[0, 0, 40, 30], [3, 5, 21, 30], [10, 2, 40, 9]], np.float32)
    return [
        MappedImage(rng.normal(size=(*shape, channels)).astype(np.float16), boxes[:count], 40, 30)
        for shape, count in (((3, 4), 3), ((4, 3), 1), ((3, 4), 2))
    ]


def test_gradients_equal_finite_differences() -> None:
    """Along a random direction of all weights of the tail, in double precision."""
    tail = tiny_tail()
    images = tiny_images(tail.blocks[0].expand.in_channels)  # type: ignore[union-attr]
    target = torch.randn(describe_images(tail, images).shape, dtype=torch.float64)
    torch.autograd.backward((describe_images(tail, images) * target).sum())
    parameters = list(tail.parameters())
    direction = [torch.randn_like(parameter) for parameter in parameters]
    slope = sum(float((p.grad * d).sum()) for p, d in zip(parameters, direction, strict=True) if p.grad is not None)
    assert all(parameter.grad is not None for parameter in parameters)

    def value(step: float) -> float:
        with torch.no_grad():
            for parameter, d in zip(parameters, direction, strict=True):
                parameter.add_(d, alpha=step)
            found = float((describe_images(tail, images) * target).sum())
            for parameter, d in zip(parameters, direction, strict=True):
                parameter.sub_(d, alpha=step)
        return found

    step = 1e-7
    assert slope == pytest.approx((value(step) - value(-step)) / (2 * step), rel=1e-5)


def test_images_of_a_batch_do_not_mix_and_short_ones_repeat_their_whole_image() -> None:
    tail = tiny_tail()
    images = tiny_images(tail.blocks[0].expand.in_channels)  # type: ignore[union-attr]
    with torch.no_grad():
        together = describe_images(tail, images)
        for found, image in zip(together, images, strict=True):
            alone = describe_images(tail, [image])[0]
            torch.testing.assert_close(found[: len(alone)], alone)
            assert torch.equal(found[len(alone) :], found[:1].expand(len(found) - len(alone), -1))


def test_weights_pass_through_their_flat_form_and_half_precision_is_reached_once() -> None:
    tail = load_cnn("efficientnet_lite0").tail
    again = tail_from("efficientnet_lite0", tail_weights(tail))
    assert tail_sha256(again) == tail_sha256(tail)
    assert tail_sha256(rounded(rounded(tail))) == tail_sha256(rounded(tail)) != tail_sha256(tail)
    with pytest.raises(ValueError, match="not those of the tail"):
        tail_from("efficientnet_lite2", tail_weights(tail))
    with pytest.raises(ValueError, match="has no tail"):
        new_tail("vgg16")


def test_kept_maps_change_no_descriptor_and_give_the_same_ones(
    vsa: Run, drawn: Drawn, mapped: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.h5"
    vsa("extract-regions", drawn.corpus, "-o", plain, "--detector", "grid", "--top", 3, *CHEAP)
    one, other = RegionStore(plain), RegionStore(mapped)
    assert one.has_maps is False
    tail = tail_from("efficientnet_lite0", other.tail_weights())
    computed = RegionStore(mapped, TailDescriber(tail))
    for image_id in one.ids:
        stored = one[image_id].descriptors
        assert np.array_equal(stored, other[image_id].descriptors)
        np.testing.assert_allclose(computed[image_id].descriptors, stored, rtol=0.02, atol=0.02)
    whole = computed.whole_images(one.ids)  # a product of one row is rounded otherwise than of several
    np.testing.assert_allclose(computed.padded(one.ids)[:, 0], whole, rtol=2e-3, atol=1e-4)
    with pytest.raises(ArtifactError, match="has no maps"):
        one.mapped(one.ids[0])
    with pytest.raises(ArtifactError, match="tail of its CNN is missing"):
        one.tail_weights()


def test_damaged_maps_are_refused(mapped: Path, tmp_path: Path) -> None:
    def damaged(name: str, change: Callable[[h5py.File], None]) -> Path:
        path = tmp_path / f"{name}.h5"
        path.write_bytes(mapped.read_bytes())
        with h5py.File(path, "a") as file:
            change(file)
        return path

    def set_map(file: h5py.File) -> None:
        file["maps"][3] = np.nan

    def set_shape(file: h5py.File) -> None:
        file["map_shapes"][0, 0] = 77

    def drop_shapes(file: h5py.File) -> None:
        del file["map_shapes"]

    store = RegionStore(damaged("nan", set_map))
    with pytest.raises(ArtifactError, match="damaged maps"):
        store.mapped(store.ids[0])
    for change in (set_shape, drop_shapes):
        with pytest.raises(ArtifactError, match="damaged regions file"):
            RegionStore(damaged(change.__name__, change))

    def claim_details(file: h5py.File) -> None:
        envelope = json.loads(str(file.attrs["envelope"]))
        envelope["config"]["details"] = True
        file.attrs["envelope"] = json.dumps(envelope)

    with pytest.raises(ArtifactError, match="its descriptors are not those of efficientnet_lite0"):
        require_maps(RegionStore(damaged("details", claim_details)))


def test_shapes_of_maps_whose_sizes_overflow_are_refused() -> None:
    count = 1 << 19  # maps of 2^45 numbers each: 2^64, which is 0 in 64 bits, as many as are stored
    columns = {"maps": np.empty(0, np.float16), "map_shapes": np.full((count, 3), 1 << 15, np.int32)}
    store = RegionStore.__new__(RegionStore)
    store.sizes = np.ones((count, 2), np.int32)
    store._dataset = lambda name, rank: columns[name]  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(ValueError, match="do not have their shapes"):
        store._read_map_shapes(count)


def test_maps_of_a_cnn_without_a_tail_and_of_crops_are_refused(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    options = (drawn.corpus, "-o", tmp_path / "r.h5", "--detector", "grid", "--keep-maps")
    result = vsa("extract-regions", *options, "--describe", "crop")
    assert (result.exit_code, "has no map of the whole photograph" in result.stderr) == (2, True)
