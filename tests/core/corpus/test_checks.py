from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image as Pillow

from vsa_cli.core.corpus.checks import check_images
from vsa_cli.core.corpus.records import Record


def draw(path: Path, size: tuple[int, int] = (9, 7), colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.new("RGB", size, colour).save(path)
    return path


def record(file: str, folder: str = "") -> Record:
    return Record(file, file, folder, "train", sentences={"s": "A dog!"})


def test_valid_image_is_measured_hashed_and_tokenised(tmp_path: Path) -> None:
    path = draw(tmp_path / "a.png")
    (image,), problems = check_images([record("a.png")], tmp_path)
    assert (image.width, image.height, image.split, image.key) == (9, 7, "train", "a.png")
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert image.sentences[0].tokens == ("a", "dog")
    assert problems == []


def test_sizes_are_of_the_upright_image(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    (image,), _ = check_images([record("a.jpg")], tmp_path)
    assert (image.width, image.height) == (20, 40)


@pytest.mark.parametrize(
    ("named", "folder", "there"),
    [
        ("a.png", "", "a.png"),
        ("x/a.png", "", "x/a.png"),
        ("a.png", "val2014", "val2014/a.png"),
        ("a.png", "val2014", "a.png"),
        ("x/y/a.png", "", "a.png"),
        ("x\\a.png", "", "x/a.png"),
        ("x\\a.png", "", "a.png"),
    ],
)
def test_photographs_are_found_in_the_layouts_of_data_sets(tmp_path: Path, named: str, folder: str, there: str) -> None:
    draw(tmp_path / there)
    (image,), problems = check_images([record(named, folder)], tmp_path)
    assert (image.file, problems) == (there, [])


def test_photograph_in_its_own_folder_is_preferred_to_the_same_name_elsewhere(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    draw(tmp_path / "x" / "a.png", colour="blue")
    (image,), _ = check_images([record("a.png", "x")], tmp_path)
    assert image.file == "x/a.png"


def test_missing_and_damaged_photographs_are_reported(tmp_path: Path) -> None:
    draw(tmp_path / "big.jpg", (400, 300))
    data = (tmp_path / "big.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) - 40])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "folder.jpg").mkdir()
    names = ["cut.jpg", "empty.jpg", "text.jpg", "folder.jpg", "gone.jpg", "n" * 300, "big.jpg"]
    images, problems = check_images([record(name) for name in names], tmp_path)
    assert [image.key for image in images] == ["big.jpg"]
    assert [problem.kind for problem in problems] == ["unreadable"] * 3 + ["missing"] * 3
    assert not any(str(tmp_path) in problem.message for problem in problems)


def test_every_truncation_of_a_jpeg_is_detected(tmp_path: Path) -> None:
    noise = Pillow.effect_noise((64, 48), 90).convert("RGB")
    for progressive in (False, True):
        noise.save(tmp_path / "whole.jpg", progressive=progressive)
        data = (tmp_path / "whole.jpg").read_bytes()
        cuts = range(0, len(data) - 60, 97)
        for cut in cuts:
            (tmp_path / f"{cut}.jpg").write_bytes(data[:cut])
        images, problems = check_images([record(f"{cut}.jpg") for cut in cuts], tmp_path)
        assert images == []
        assert {problem.kind for problem in problems} == {"unreadable"}


def test_two_images_with_one_file_are_both_excluded(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    images, problems = check_images([record("x/a.png"), record("y/a.png")], tmp_path)
    assert images == []
    assert [problem.kind for problem in problems] == ["clash", "clash"]


def test_identical_photographs_are_kept_and_noted(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(tmp_path / name)
    images, (note,) = check_images([record("a.png"), record("b.png")], tmp_path)
    assert len(images) == 2
    assert (note.kind, note.name, note.is_note) == ("identical", "b.png", True)
    assert "a.png" in note.message


def test_order_and_result_do_not_depend_on_threads(tmp_path: Path) -> None:
    # Sizes fall, so that later photographs are done first.
    names = [draw(tmp_path / f"{number:02}.png", (400 - 12 * number, 300)).name for number in range(30)]
    one = check_images([record(name) for name in names], tmp_path, threads=1)
    assert [image.key for image in one[0]] == names
    assert check_images([record(name) for name in names], tmp_path, threads=8) == one


def test_watch_receives_results_as_they_are_made(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    seen: list[object] = []

    def watch(results, total):  # type: ignore[no-untyped-def]
        seen.append(total)
        for result in results:
            seen.append(type(result).__name__)
            yield result

    check_images([record("a.png"), record("b.png")], tmp_path, watch=watch)
    assert seen == [2, "Image", "Problem"]
