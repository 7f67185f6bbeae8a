"""The captioner: its stream of results, failures, and the interface for Python programs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vsa_cli
from tests.conftest import Drawn
from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import RegionCaptionConfig
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.generation.captioner import caption_photos
from vsa_cli.core.generation.results import Candidate, CaptionResult, group_sizes
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions.encoder import PhotoEncoder
from vsa_cli.core.regions.image_regions import ImageRegions

BATCH_SIZE = 16


class Parrot:
    """Captions an image with its key."""

    uses_regions = False

    def caption(
        self, images: Sequence[ImageRegions], keys: Sequence[str], style: str | None = None
    ) -> list[tuple[Candidate, ...]]:
        assert len(images) == len(keys)
        return [(Candidate(key, -1.0),) for key in keys]


class StubExtractor:
    """Encodes all photographs alike, except those named `bad`; the first `fast` ones without delay."""

    class feature_extractor:  # noqa: N801
        device = torch.device("cpu")

    def __init__(self, fast: int = 1000) -> None:
        self.extracted: list[str] = []
        self._fast = fast

    def extract(self, photo: Photo) -> ImageRegions:
        self.extracted.append(photo.path)
        if len(self.extracted) > self._fast:
            time.sleep(0.1)
        if "bad" in photo.path:
            raise DataError(f"{photo.path}: not a picture")
        whole = geometry.whole(4, 3)
        return ImageRegions(photo.path, "", 4, 3, whole, np.ones(1, np.float32), np.ones((1, 2), np.float16))


def encoder_of(extractor: StubExtractor, workers: int = 2) -> PhotoEncoder:
    return PhotoEncoder(lambda: extractor, torch.device("cpu"), None, workers)  # type: ignore[arg-type,return-value]


def named(*names: str) -> list[Photo]:
    return [Photo(name, name, Path(name)) for name in names]


def test_closing_the_stream_drops_photographs_not_started() -> None:
    extractor = StubExtractor(fast=BATCH_SIZE)  # the others are slow, and in work while the first is consumed
    photos = (Photo(f"{number}.jpg", number, Path()) for number in range(1000))
    stream = caption_photos(Parrot(), encoder_of(extractor, workers=1), photos, batch_size=BATCH_SIZE)
    assert next(stream).caption == "0"
    stream.close()  # type: ignore[attr-defined]
    assert len(extractor.extracted) < BATCH_SIZE + 8


def test_first_caption_needs_one_photograph_and_a_resumed_run_has_the_same_groups() -> None:
    class Counter(Parrot):
        def __init__(self) -> None:
            self.groups: list[int] = []

        def caption(self, images: Sequence[ImageRegions], keys: Sequence[str]) -> list[tuple[Candidate, ...]]:
            self.groups.append(len(keys))
            return super().caption(images, keys)

    def groups(photos: int, done: int) -> list[int]:
        model, names = Counter(), named(*map(str, range(photos)))
        stream = caption_photos(model, encoder_of(StubExtractor()), names, batch_size=12, sizes=group_sizes(12, done))
        next(stream)
        assert len(model.groups) == 1
        assert len(list(stream)) == photos - 1
        return model.groups

    whole = groups(45, 0)
    assert whole == [1, 2, 4, 8, 12, 12, 6]
    for killed in range(1, len(whole)):
        done = sum(whole[:killed])
        assert groups(45 - done, done) == whole[killed:]
    assert groups(40, 5) == [2, 8, 12, 12, 6], "failed photographs are captioned again: the rest of their group first"


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_failed_photographs_keep_their_place(batch_size: int) -> None:
    photos = named("bad0", "a", "b", "bad1", "bad2", "c")
    results = list(caption_photos(Parrot(), encoder_of(StubExtractor()), photos, batch_size=batch_size))
    assert [result.path for result in results] == ["bad0", "a", "b", "bad1", "bad2", "c"]
    assert [result.caption for result in results] == [None, "a", "b", None, None, "c"]
    assert [result.error for result in results if result.error] == [
        "bad0: not a picture", "bad1: not a picture", "bad2: not a picture",
    ]  # fmt: skip


def test_every_group_is_captioned_by_one_thread() -> None:
    threads_inside: list[int] = []

    class Counter(Parrot):
        def caption(self, images: Sequence[ImageRegions], keys: Sequence[str]) -> list[tuple[Candidate, ...]]:
            threads_inside.append(torch.get_num_threads())
            return super().caption(images, keys)

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        list(caption_photos(Counter(), encoder_of(StubExtractor()), named(*map(str, range(6))), batch_size=2))
        assert (threads_inside, torch.get_num_threads()) == ([1, 1, 1, 1], 3)
    finally:
        torch.set_num_threads(threads)


def test_photographs_are_consumed_as_they_are_needed() -> None:
    consumed: list[Photo] = []

    def endless() -> Any:
        while True:
            consumed.append(Photo("a", len(consumed), Path("a")))
            yield consumed[-1]

    stream = caption_photos(Parrot(), encoder_of(StubExtractor()), endless(), batch_size=4)
    assert [next(stream).caption for _ in range(9)] == [str(number) for number in range(9)]
    assert len(consumed) <= 9 + 3 * 4


@pytest.fixture(scope="module")
def captioner(drawn: Drawn) -> Any:
    return vsa_cli.load_captioner(drawn.model, device="cpu", cache=False, threads=1)


def test_python_captions_are_those_of_the_command(captioner: Any, drawn: Drawn, vsa: Any) -> None:
    printed = vsa("caption", drawn.photos, "--model", drawn.model, "--threads", 1).stdout.splitlines()
    results = captioner.caption(drawn.photos)
    assert [f"{result.path}\t{result.caption}" for result in results] == printed


def test_python_takes_one_path_or_several(captioner: Any, drawn: Drawn) -> None:
    one, other = str(drawn.photos / "000.png"), drawn.photos / "001.png"
    (alone,) = captioner.caption(one)
    first, second, missing = captioner.caption([one, other, "nowhere.png"], beam=3, nbest=2, max_length=5)
    assert isinstance(alone, CaptionResult)
    assert (alone.path, first.path, second.path) == (one, one, str(other))
    assert alone.logprob is not None
    assert alone.logprob < 0
    assert [len(result.candidates) for result in (alone, first, second, missing)] == [1, 2, 2, 0]
    assert all(len(candidate.caption.split()) <= 5 for candidate in first.candidates)
    assert (missing.caption, missing.logprob) == (None, None)
    assert missing.error.startswith("nowhere.png: ")


def test_python_captions_regions(captioner: Any, drawn: Drawn) -> None:
    photo = drawn.photos / "000.png"
    (plain,) = captioner.caption(photo)
    (default,) = captioner.caption(photo, regions=True)
    (all_of_them,) = captioner.caption(
        photo, regions=RegionCaptionConfig(min_logprob=-100.0, top=100, same_place=2, same=2)
    )
    assert plain.regions is None
    assert set(default.regions) <= set(all_of_them.regions)
    assert all_of_them.regions
    assert plain.caption == default.caption
    assert all(len(region.box) == 4 and region.logprob < 0 for region in all_of_them.regions)


def test_python_errors_name_parameters(captioner: Any, drawn: Drawn) -> None:
    photo = drawn.photos / "000.png"
    with pytest.raises(ConfigError, match="`beam` 7 does not divide into 2 equal `groups`"):
        captioner.caption(photo, groups=2)
    with pytest.raises(ConfigError, match="`avoid`: the model does not know 'zzz'; no similar word"):
        captioner.caption(photo, avoid=("zzz",))
    with pytest.raises(TypeError, match="colour"):
        captioner.caption(photo, colour="red")
    with pytest.raises(AttributeError, match="load_nothing"):
        vsa_cli.load_nothing  # noqa: B018


def test_the_cache_is_the_folder_named(drawn: Drawn, tmp_path: Path) -> None:
    captioner = vsa_cli.load_captioner(drawn.model, cache=tmp_path / "cache", threads=1)
    first, again = (captioner.caption(drawn.photos / "000.png", regions=True) for _ in range(2))
    assert first == again
    assert any((tmp_path / "cache").rglob("*.*"))


def test_threads_are_those_of_the_process(drawn: Drawn) -> None:
    before = torch.get_num_threads()
    try:
        vsa_cli.load_captioner(drawn.model, device="cpu", cache=False, threads=before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, vsa_cli; assert 'load_captioner' in dir(vsa_cli); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
