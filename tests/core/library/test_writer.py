"""Segments and manifest against a dictionary of what the index must hold; killed and concurrent writers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.library.conftest import entry_of, images_of
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library import writer as writer_module
from vsa_cli.core.library.library import Library, empty_manifest, open_library
from vsa_cli.core.library.photographs import PhotoEntry
from vsa_cli.core.library.writer import LibraryWriter, writing

Fill = Callable[..., Path]


def contents(library: Library) -> dict[str, PhotoEntry]:
    found = {}
    for row in library.valid_rows().tolist():
        segment, place = library.place_of(row)
        entry = segment.entry(place)
        assert entry.path not in found
        found[entry.path] = entry
    assert len(found) == len(library)
    return found


def assert_same(found: dict[str, PhotoEntry], expected: dict[str, PhotoEntry]) -> None:
    assert found.keys() == expected.keys()
    for path, entry in found.items():
        other = expected[path]
        for name in ("name", "sha256", "stamp", "size"):
            assert getattr(entry, name) == getattr(other, name)
        assert np.array_equal(entry.boxes, other.boxes)
        assert torch.equal(entry.vectors.parts, other.vectors.parts)
        assert entry.vectors.whole is not None
        assert other.vectors.whole is not None
        assert torch.equal(entry.vectors.whole, other.vectors.whole)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_additions_and_deletions_in_many_runs_equal_a_dictionary(
    tmp_path: Path, trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(writer_module, "_UNSAVED", 5)
    monkeypatch.setattr(writer_module, "_FULL", 24)
    rng, expected = random.Random(seed), {}
    images = [(p, r) for p, r in images_of(60)]
    versions = [entry_of(trained, *image) for image in images]
    for _ in range(12):
        with writing(tmp_path / "library", empty_manifest(trained)) as writer:
            assert sorted(writer.keys()) == sorted(expected)
            for _ in range(rng.randrange(12)):
                entry = rng.choice(versions)
                if rng.random() < 0.3:
                    writer.remove(entry.path)
                    expected.pop(entry.path, None)
                else:
                    entry = replace(entry, stamp=(rng.randrange(9), rng.randrange(9)))
                    writer.add(entry)
                    expected[entry.path] = entry
                assert len(writer) == len(expected)
                assert writer.stamp(entry.path) == getattr(expected.get(entry.path), "stamp", None)
                found = writer.find(entry.sha256)
                assert (found is None) == (entry.path not in expected)
        library = open_library(tmp_path / "library")
        assert_same(contents(library), expected)
        files = {path.name for path in (tmp_path / "library").glob("*.safetensors")}
        assert files == {record.file for record in library.manifest.segments}
        assert all(2 * record.valid >= record.rows for record in library.manifest.segments)


def test_segments_stay_few_and_full_ones_are_not_rewritten(
    fill: Fill, trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_UNSAVED", 4)
    monkeypatch.setattr(writer_module, "_FULL", 32)
    images = images_of(200)
    library = open_library(fill(trained, images))
    assert list(contents(library)) == [photo.path for photo, _ in images], "the order of addition"
    sizes = [record.rows for record in library.manifest.segments]
    assert len(sizes) <= 200 / 16 + 4
    assert max(sizes) <= 32
    before = {record.file for record in library.manifest.segments[:-4]}
    more = images_of(203)[200:]
    after = {record.file for record in open_library(fill(trained, more)).manifest.segments}
    assert before <= after, "an addition leaves the old segments as they are"


def test_interrupted_run_is_saved_and_a_failed_one_keeps_the_old_state(
    tmp_path: Path, trained: Trained[Embedding], fill: Fill
) -> None:
    images = images_of(6)
    folder = fill(trained, images[:2])

    def add_and_raise(error: type[BaseException], image: int) -> None:
        with writing(folder, empty_manifest(trained)) as writer:
            writer.add(entry_of(trained, *images[image]))
            raise error

    with pytest.raises(RuntimeError):
        add_and_raise(RuntimeError, 2)
    assert len(open_library(folder)) == 2
    with pytest.raises(KeyboardInterrupt):
        add_and_raise(KeyboardInterrupt, 3)
    assert images[3][0].path in contents(open_library(folder))


def test_process_killed_before_or_after_the_manifest_leaves_a_sound_index(
    fill: Fill, trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_of(9)
    folder = fill(trained, images[:3])
    old = contents(open_library(folder))

    def killed(*_: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(writer_module, "write_manifest", killed)
    with pytest.raises(RuntimeError):
        fill(trained, images[3:6])
    monkeypatch.undo()
    assert_same(contents(open_library(folder)), old)
    assert len(list(folder.glob("*.safetensors"))) == 2, "a segment that no manifest lists"
    monkeypatch.setattr(writer_module, "_remove_unlisted", lambda *_: None)
    fill(trained, images[3:6])  # killed after the manifest
    assert len(list(folder.glob("*.safetensors"))) == 2
    monkeypatch.undo()
    (folder / ".segment-000009.safetensors.part").write_bytes(b"half a segment")
    fill(trained, images[6:])
    library = open_library(folder)
    assert sorted(contents(library)) == sorted(photo.path for photo, _ in images)
    names = {path.name for path in folder.iterdir()}
    assert names == {".lock", "library.json", *(record.file for record in library.manifest.segments)}


def test_second_writer_is_refused_and_readers_keep_their_state(fill: Fill, trained: Trained[Embedding]) -> None:
    images = images_of(40)
    folder = fill(trained, images[:20])
    library = open_library(folder)
    before = contents(library)
    with (
        writing(folder, empty_manifest(trained)) as writer,
        pytest.raises(DataError, match="another process is writing"),
        writing(folder, empty_manifest(trained)),
    ):
        pass
    assert isinstance(writer, LibraryWriter)
    fill(trained, images[20:])
    assert_same(contents(library), before)
    assert len(open_library(folder)) == 40


def test_folder_of_other_things_and_index_of_another_model_are_refused(
    fill: Fill, trained: Trained[Embedding], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(ConfigError, match=r"a\.jpg"), writing(tmp_path / "photos", empty_manifest(trained)):
        pass
    with pytest.raises(ConfigError, match="is a file"), writing(tmp_path / "photos/a.jpg", empty_manifest(trained)):
        pass
    folder, other = fill(trained, images_of(2)), replace(trained, sha256="cd" * 32)
    with pytest.raises(ArtifactError, match="another model"), writing(folder, empty_manifest(other)):
        pass
    with writing(folder, empty_manifest(other), force=True) as writer:
        assert len(writer) == 0
    assert open_library(folder).manifest.model_sha256 == other.sha256
    assert list(folder.glob("*.safetensors")) == []


def test_photographs_removed_with_nothing_added_are_forgotten(fill: Fill, trained: Trained[Embedding]) -> None:
    images = images_of(8)
    folder = fill(trained, images)
    for count in range(8):
        with writing(folder, empty_manifest(trained)) as writer:
            writer.remove(images[count][0].path)
        assert len(open_library(folder)) == 7 - count
    assert list(folder.glob("*.safetensors")) == []
