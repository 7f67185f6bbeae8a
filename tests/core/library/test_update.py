"""Which photographs are described, copied, forgotten: against the folder, with an encoder that counts its work."""

from __future__ import annotations

import os
import pkgutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.library.conftest import D
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.sources import FailedPhoto, Photo, expand
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.library import empty_manifest, open_library
from vsa_cli.core.library.update import is_in, merge_indices, update_library
from vsa_cli.core.library.writer import writing
from vsa_cli.core.ranks import Shard, parse_shard
from vsa_cli.core.regions.image_regions import ImageRegions


class Encoder:
    """Stands for an `Embedder`: descriptors are drawn from the first byte of a file; `!` starts a broken one."""

    def __init__(self, trained: Trained[Embedding]) -> None:
        self.trained = trained
        self.described: list[str] = []

    def encode_all(self, photos: Iterable[Photo | FailedPhoto]) -> Iterator[tuple[Photo, ImageRegions | FailedPhoto]]:
        for one in photos:
            if isinstance(one, FailedPhoto):
                yield one.photo, one
                continue
            try:
                data = one.file.read_bytes()
            except OSError:
                data = b"!"
            if data.startswith(b"!"):
                yield one, FailedPhoto(one, f"{one.path}: broken")
                continue
            self.described.append(one.file.name)
            descriptors = np.random.default_rng(data[0]).normal(size=(3, D)).astype(np.float16)
            boxes = np.array([[0, 0, 40, 30]] * 3, np.float32)
            scores = np.ones(3, np.float32)
            yield one, ImageRegions("", file_sha256(one.file), 40, 30, boxes, scores, descriptors)


def update(trained: Trained[Embedding], library: Path, *names: Path, shard: Shard | None = None) -> Counter[str]:
    """Update an index; return the number of photographs by what became of them, and of those described."""
    encoder = Encoder(trained)
    part = shard or Shard()
    photos = [one for one in expand(list(map(str, names)), []) if isinstance(one, FailedPhoto) or is_in(part, one)]
    folders = [name for name in names if name.is_dir()]
    with writing(library, empty_manifest(trained)) as writer:
        outcomes = list(update_library(encoder, writer, photos, folders))  # type: ignore[arg-type]
    changes: Counter[str] = Counter(outcome.change for outcome in outcomes)
    assert changes["described"] == len(encoder.described)
    return changes


def names_in(library: Path) -> list[str]:
    opened = open_library(library)
    return sorted(opened.photo(row).path for row in opened.valid_rows().tolist())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for i in range(70):
        (folder / ("sub" if i % 2 else ".") / f"{i}.jpg").write_bytes(bytes([i + 100]) * (i + 1))
    return folder


def test_only_new_and_changed_photographs_are_described(
    photos: Path, tmp_path: Path, trained: Trained[Embedding]
) -> None:
    library = tmp_path / "library"
    assert update(trained, library, photos) == {"described": 70}
    assert update(trained, library, photos) == {"unchanged": 70}
    (photos / "new.jpg").write_bytes(b"new")
    (photos / "0.jpg").write_bytes(b"changed")
    os.utime(photos / "2.jpg", (1, 1))  # touched
    (photos / "4.jpg").rename(photos / "sub" / "moved.jpg")
    (photos / "copy.jpg").write_bytes((photos / "6.jpg").read_bytes())
    (photos / "8.jpg").unlink()
    (photos / "10.jpg").write_bytes(b"!")
    found = update(trained, library, photos)
    assert found == {"described": 2, "copied": 3, "unchanged": 65, "failed": 1, "forgotten": 2}
    there = [str(path) for path in photos.rglob("*.jpg") if path.name != "10.jpg"]
    assert names_in(library) == sorted(there)
    assert update(trained, library, photos) == {"unchanged": 70, "failed": 1}


@pytest.mark.parametrize("name", ["update.encode_images", "segment.principal_axes"])
def test_index_does_not_depend_on_the_number_of_threads(
    name: str, photos: Path, tmp_path: Path, trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads_inside: list[int] = []  # results differ on some processors alone, so the threads are counted
    name = f"vsa_cli.core.library.{name}"
    original = pkgutil.resolve_name(name)

    def counting(*arguments: object) -> object:
        threads_inside.append(torch.get_num_threads())
        return original(*arguments)

    monkeypatch.setattr(name, counting)
    threads, written = torch.get_num_threads(), []
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            library = tmp_path / f"library{number}"
            update(trained, library, photos)
            assert torch.get_num_threads() == number
            written.append({path.name: path.read_bytes() for path in library.iterdir()})
    finally:
        torch.set_num_threads(threads)
    assert set(threads_inside) == {1}
    assert written[0] == written[1]


def test_photographs_elsewhere_stay(photos: Path, tmp_path: Path, trained: Trained[Embedding]) -> None:
    library = tmp_path / "library"
    update(trained, library, photos)
    (photos / "0.jpg").unlink()
    (photos / "sub" / "1.jpg").unlink()
    assert update(trained, library, photos / "sub") == {"unchanged": 34, "forgotten": 1}
    assert str(photos / "0.jpg") in names_in(library)
    assert update(trained, library, photos / "2.jpg") == {"unchanged": 1}
    assert update(trained, library, photos / "0.jpg") == {"failed": 1}
    assert len(names_in(library)) == 68


def test_folder_without_a_photograph_is_not_forgotten(
    photos: Path, tmp_path: Path, trained: Trained[Embedding]
) -> None:
    library = tmp_path / "library"
    update(trained, library, photos)
    photos.rename(tmp_path / "unmounted")
    photos.mkdir()
    assert update(trained, library, photos) == {"failed": 1}
    assert len(names_in(library)) == 70
    assert update(trained, library, tmp_path / "unmounted") == {"copied": 70}


def test_names_are_relative_to_the_folder(photos: Path, tmp_path: Path, trained: Trained[Embedding]) -> None:
    library = tmp_path / "library"
    update(trained, library, photos)
    opened = open_library(library, tmp_path)
    expected = {f"{tmp_path}/{path.relative_to(photos)}" for path in photos.rglob("*.jpg")}
    assert {opened.photo(row).path for row in opened.valid_rows().tolist()} == expected


def test_shards_are_disjoint_complete_and_merge_to_the_whole(
    photos: Path, tmp_path: Path, trained: Trained[Embedding]
) -> None:
    parts = [tmp_path / str(k) for k in (1, 2, 3)]
    sizes = [update(trained, part, photos, shard=Shard(k, 3))["described"] for k, part in enumerate(parts, 1)]
    assert sum(sizes) == 70
    assert min(sizes) > 0
    with writing(tmp_path / "all", empty_manifest(trained)) as writer:
        changes = [one.change for one in merge_indices(writer, map(open_library, [*parts, parts[0]]))]
    assert Counter(changes) == {"copied": 70, "unchanged": sizes[0]}
    assert update(trained, tmp_path / "all", photos) == {"unchanged": 70}


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "-1/3", "a/b", "1/3/5", "1/2 "])
def test_part_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="`shard`"):
        parse_shard(text)
    assert parse_shard("2/3") == Shard(2, 3)
    assert parse_shard(None) == Shard()
