"""`vsa convert`: exported regions are imported unchanged, and imported regions serve like those of `vsa`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import Result

from tests.conftest import SMALL, SMALL_EMBED, Drawn
from tests.foreign_files import boxes, descriptors, line
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions

Run = Callable[..., Result]

REFUSAL = (
    "vsa: the model was trained on imported regions (bottom-up) and takes no photographs; "
    "name stored regions with --corpus and --regions-file\n"
)


def assert_same(one: Path, other: Path) -> None:
    """Boxes and descriptors, whatever the order of the images."""
    a, b = RegionStore(one), RegionStore(other)
    assert sorted(a.ids) == sorted(b.ids)
    for key in a.ids:
        assert np.array_equal(a[key].boxes, b[key].boxes)
        assert np.array_equal(a[key].descriptors, b[key].descriptors)
        assert a.hash_of(key) == b.hash_of(key)
    assert np.array_equal(a.sizes, b.sizes[[b.ids.index(key) for key in a.ids]])


@pytest.fixture
def ragged(tmp_path: Path, drawn: Drawn) -> Path:
    """The drawn regions, some images with fewer than others."""
    store = RegionStore(drawn.regions)
    images = [store[key] for key in store.ids]
    fewer = [
        type(one)(one.image_id, one.sha256, one.width, one.height, *(array[: 1 + number % 4] for array in arrays))
        for number, one in enumerate(images)
        for arrays in [(one.boxes, one.scores, one.descriptors)]
    ]
    write_regions(tmp_path / "ragged.h5", store.envelope, [fewer], store.descriptor_size)
    return tmp_path / "ragged.h5"


@pytest.mark.parametrize("between", ["out.tsv", "out"])
def test_exported_regions_are_imported_unchanged(
    vsa: Run, drawn: Drawn, ragged: Path, tmp_path: Path, between: str
) -> None:
    middle, back = tmp_path / between, tmp_path / "back.h5"
    out = vsa("convert", ragged, drawn.corpus, "-o", middle, "--json")
    assert out.exit_code == 0, out.output
    assert json.loads(out.stdout)["images"] == 48
    result = vsa("convert", middle, drawn.corpus, "-o", back, "--cnn", "lite")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "wrote" in result.stderr
    assert_same(ragged, back)
    facts = json.loads(vsa("info", back, "--json").stdout)
    assert facts["config"]["cnn"] == "imported:lite"
    assert facts["parents"]["corpus"]["sha256"] == read_corpus(drawn.corpus).sha256


def test_a_tsv_is_written_without_a_corpus_or_of_a_split(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    assert vsa("convert", drawn.regions, "-o", tmp_path / "all.tsv").exit_code == 0
    assert len((tmp_path / "all.tsv").read_text().splitlines()) == 48
    assert vsa("convert", drawn.regions, drawn.corpus, "-o", tmp_path / "dev.tsv", "--split", "dev").exit_code == 0
    assert len((tmp_path / "dev.tsv").read_text().splitlines()) == 8


def test_a_folder_has_the_files_that_scan_reads(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = vsa("convert", drawn.regions, drawn.corpus, "-o", tmp_path / "precomp")
    assert "note: images differ in their number of sentences" in result.stderr
    assert sorted(path.name for path in (tmp_path / "precomp").iterdir()) == sorted(
        f"{split}_{name}" for split in ("train", "dev") for name in ("ims.npy", "boxes.npy", "caps.txt", "ids.txt")
    )
    ims = np.load(tmp_path / "precomp" / "dev_ims.npy")
    assert (ims.shape, ims.dtype) == ((8, 4, 1280), np.float32)
    corpus = read_corpus(drawn.corpus)
    sentences = [sentence.raw for image in corpus.split("val") for sentence in image.sentences]
    assert (tmp_path / "precomp" / "dev_caps.txt").read_text().splitlines() == sentences


@pytest.fixture(scope="module")
def elsewhere(vsa: Run, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn corpus with boxes and descriptors that another program might have made: no whole image, 40 numbers."""
    folder = tmp_path_factory.mktemp("elsewhere")
    store = RegionStore(drawn.regions)
    (folder / "x.tsv").write_text(
        "".join(
            line(
                Path(key).stem,
                store[key].boxes[1:],
                store[key].descriptors[1:, :40].astype("f4"),
                image_w=128,
                image_h=96,
            )
            for key in store.ids
        )
        + line("stranger", boxes(2), descriptors(2, 40))
    )
    result = vsa("convert", folder / "x.tsv", drawn.corpus, "-o", folder / "regions.h5", "--cnn", "bottom-up")
    assert result.exit_code == 0
    assert "note: 1 entries match no photograph in the corpus" in result.stderr
    return folder / "regions.h5"


def test_models_train_align_and_rank_with_imported_regions_and_refuse_photographs(
    vsa: Run, drawn: Drawn, elsewhere: Path, tmp_path: Path
) -> None:
    embed, snippets, rankings = tmp_path / "embed", tmp_path / "snippets.jsonl", tmp_path / "rankings.jsonl"
    steps = (
        ("train-embed", drawn.corpus, elsewhere, "-o", embed, *SMALL_EMBED, "--epochs", 1),
        ("align", "--corpus", drawn.corpus, "--regions-file", elsewhere, "--model", embed, "-o", snippets),
        ("retrieve", "--corpus", drawn.corpus, "--regions-file", elsewhere, "--split", "dev", "--model", embed,
         "-o", rankings),
    )  # fmt: skip
    for step in steps:
        result = vsa(*step)
        assert result.exit_code == 0, result.output
    scores = json.loads(vsa("evaluate", rankings, "--json").stdout)
    assert 0 <= scores["i2t_R@1"] <= scores["i2t_R@10"] <= 100
    for command in (("align", drawn.photos / "000.png", "a red circle"), ("retrieve", "a red circle", drawn.photos)):
        refused = vsa(*command, "--model", embed)
        assert (refused.exit_code, refused.stderr) == (2, REFUSAL)
    result = vsa("retrieve", "a red circle", drawn.photos, "--model", embed)
    assert result.exit_code != 0
    assert result.stderr == REFUSAL
    assert result.stderr.count("\n") == 1
    other = vsa(
        "retrieve", "--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "dev", "--model", embed
    )
    assert "not described as the model needs (imported:bottom-up" in other.stderr


def test_a_generator_captions_imported_regions_and_refuses_photographs(
    vsa: Run, drawn: Drawn, elsewhere: Path, tmp_path: Path
) -> None:
    gen = tmp_path / "gen"
    assert vsa("train-gen", drawn.corpus, elsewhere, "-o", gen, *SMALL, "--epochs", 1).exit_code == 0
    stored = ("--corpus", drawn.corpus, "--regions-file", elsewhere, "--split", "dev")
    result = vsa("caption", *stored, "--model", gen, "--format", "coco", "-o", tmp_path / "dev.json")
    assert result.exit_code == 0, result.output
    scores = vsa("evaluate", tmp_path / "dev.json", "--references", drawn.corpus, "--json", "--metric", "BLEU")
    assert json.loads(scores.stdout)["n_images"] == 8
    for more in ((), ("--cnn-weights", drawn.captions)):
        result = vsa("caption", drawn.photos / "000.png", "--model", gen, *more)
        assert result.exit_code != 0
        assert result.stderr == REFUSAL
        assert result.stderr.count("\n") == 1


def test_entries_that_fail_are_reported_with_exit_code_3(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    good = line("000.png", boxes(2), descriptors(2), image_w=128, image_h=96)
    turned = line("001.png", boxes(2), descriptors(2), image_w=96, image_h=128)
    (tmp_path / "x.tsv").write_text("junk\n" + turned + good + "junk\n" * 30)
    result = vsa("convert", tmp_path / "x.tsv", drawn.corpus, "-o", tmp_path / "r.h5", "--json", "--quiet")
    assert result.exit_code == 3
    assert json.loads(result.stdout) == {
        "images": 1, "regions": 3, "descriptor_size": 6, "failed": 32, "not_in_corpus": 0
    }  # fmt: skip
    lines = result.stderr.splitlines()
    assert len(lines) == 21
    assert lines[1] == "vsa: x.tsv, line 2: 001.png has 96x128 pixels in the file and 128x96 in the corpus"
    assert lines[-1] == "vsa: and 12 more"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("{r}", "-o", "{t}/x.npy"), 2, "no such conversion; there are regions.h5 to a .tsv"),
        (("{r}", "-o", "{t}/x.h5"), 2, "no such conversion"),
        (("{t}/a.tsv", "{c}", "-o", "{t}/b.tsv"), 2, "no such conversion"),
        (("{r}", "-o", "{t}/x.csv"), 2, ".h5, .tsv, .npy and folders can be converted"),
        (("{r}", "-o", "{t}/out"), 2, "name the corpus.json"),
        (("{t}/a.tsv", "-o", "{t}/x.h5"), 2, "name the corpus.json"),
        (("{r}", "-o", "{t}/x.tsv", "--split", "dev"), 2, "name the corpus.json"),
        (("{r}", "-o", "{t}/there.tsv"), 2, "exists already"),
        (("{r}", "{c}", "-o", "{t}/there"), 2, "exists already"),
        (("{r}", "{c}", "-o", "{t}/x.tsv", "--split", "test"), 1, "no images in the split test"),
        (("{t}/a.tsv", "{c}", "-o", "{t}/x.h5"), 1, "No such file"),
        (("{t}/absent", "{c}", "-o", "{t}/x.h5"), 1, "no file called SPLIT_ims.npy"),
        (("{t}/there.tsv", "{c}", "-o", "{t}/x.h5"), 1, "nothing to convert"),
        (("{c}", "-o", "{t}/x.tsv"), 2, "unknown kind of file"),
        (("{t}/bad.h5", "-o", "{t}/x.tsv"), 1, "cannot be read as HDF5"),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_in_one_line(
    vsa: Run, drawn: Drawn, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "dev_ims.npy").write_bytes(b"mine")
    (tmp_path / "there.tsv").write_bytes(b"mine")
    (tmp_path / "bad.h5").write_bytes(b"bad")
    before = sorted(tmp_path.rglob("*"))
    result = vsa("convert", *(one.format(r=drawn.regions, c=drawn.corpus, t=tmp_path) for one in arguments))
    assert (result.exit_code, result.stderr.count("\n")) == (code, 1)
    assert message in result.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.tsv").read_bytes() == b"mine"


def test_force_replaces_files_and_keeps_others_in_the_folder(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "dev_ims.npy").write_bytes(b"old")
    (tmp_path / "mine.txt").write_bytes(b"mine")
    assert vsa("convert", drawn.regions, drawn.corpus, "-o", tmp_path, "--force").exit_code == 0
    assert np.load(tmp_path / "dev_ims.npy").shape == (8, 4, 1280)
    assert (tmp_path / "mine.txt").read_bytes() == b"mine"


def test_regions_of_other_photographs_are_refused(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    shutil.copy(drawn.regions, tmp_path / "r.h5")
    with h5py.File(tmp_path / "r.h5", "r+") as file:
        file["hashes"][3] = "f" * 64
    result = vsa("convert", tmp_path / "r.h5", drawn.corpus, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "is not the photograph of that id in the corpus" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_failed_import_leaves_the_old_file(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "r.h5").write_bytes(b"old")
    (tmp_path / "x.tsv").write_text("junk\n")
    result = vsa("convert", tmp_path / "x.tsv", drawn.corpus, "-o", tmp_path / "r.h5", "--force")
    assert result.exit_code == 1
    assert (tmp_path / "r.h5").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.h5", "x.tsv"]
