"""Lists, tables, names and folders as other programs write them, through the commands that read them."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.evaluation.references import read_references
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
NAMES = ("000.png", "001.png", "002.png")


@pytest.fixture
def photos(drawn: Drawn, tmp_path: Path) -> Path:
    """A folder `photos` with three photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(drawn.photos / name, folder / name)
    return folder


def table(*rows: tuple[str, str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([("file_name", "caption"), *rows])
    return text.getvalue()


CAPTIONS = table(*((name, f"a dog {number}") for number, name in enumerate(NAMES)))


def prepared(vsa: Run, tmp_path: Path, *arguments: object, code: int = 0) -> dict[str, tuple[str, list[str]]]:
    """The split and the sentences of each image of the corpus that prep writes, as another command reads it."""
    result = vsa("prep", *arguments, "-o", tmp_path / "c.json", "--min-count", 1, "--force")
    assert result.exit_code == code, result.output
    assert vsa("info", tmp_path / "c.json").exit_code == 0, "the corpus is read by other commands"
    images = read_corpus(tmp_path / "c.json").images
    return {image.file: (image.split, [sentence.raw for sentence in image.sentences]) for image in images}


def captioned(result: Result) -> dict[str, str]:
    """The captions that were printed, by the names of files."""
    return {Path(line.split("\t")[0]).name: line.split("\t")[1] for line in result.stdout.splitlines()}


# names of photographs

SPELLINGS = (
    "./{0}.png", "photos/{0}.png", r"photos\{0}.png", ".//{0}.png", "{0}.png/", "sub/../{0}.png", "{0}.PNG", "{0}",
    r".\{0}.png", "photos/./{0}.png", "../photos/{0}.png", "{1}/{0}.png", r"C:\data\photos\{0}.png", '"{0}.png"',
    "'{0}.png'", "  {0}.png  ", "Photos/{0}.png", "photos/sub/../{0}.png", "/elsewhere/photos/{0}.png", "{0}.Png",
)  # fmt: skip


@pytest.fixture
def spelled(drawn: Drawn, tmp_path: Path) -> dict[str, str]:
    """A folder `photos` with a photograph for each spelling; the name of each, and how it is spelled."""
    folder = tmp_path / "photos"
    folder.mkdir()
    names = {}
    for number, spelling in enumerate(SPELLINGS):
        stem = f"p{number}"
        shutil.copy(drawn.photos / f"{number:03d}.png", folder / f"{stem}.png")
        names[f"{stem}.png"] = spelling.format(stem, folder)
    return names


def test_caption_file_and_split_list_find_photographs_in_every_spelling(
    vsa: Run, spelled: dict[str, str], tmp_path: Path
) -> None:
    expected = {name: ("train", [f"a dog in {name}"]) for name in spelled}
    images = ("--images", tmp_path / "photos", "--strict")
    (tmp_path / "captions.csv").write_text(table(*((name, f"a dog in {name}") for name in spelled)))
    (tmp_path / "train.txt").write_text("".join(f"{name}\n" for name in spelled.values()))
    lists = ("--splits", f"train={tmp_path / 'train.txt'}")
    assert prepared(vsa, tmp_path, tmp_path / "captions.csv", *images, *lists) == expected
    (tmp_path / "captions.csv").write_text(table(*((other, f"a dog in {name}") for name, other in spelled.items())))
    assert prepared(vsa, tmp_path, tmp_path / "captions.csv", *images) == expected


def test_evaluate_finds_photographs_in_every_spelling(vsa: Run, spelled: dict[str, str], tmp_path: Path) -> None:
    plain = table(*((name, f"a dog in {number}") for number, name in enumerate(spelled)))
    other = table(*((name, f"a dog in {number}") for number, name in enumerate(spelled.values())))
    for references, results in ((plain, other), (other, plain)):
        (tmp_path / "references.csv").write_text(references)
        (tmp_path / "results.csv").write_text(results)
        options = ("--references", tmp_path / "references.csv", "--json", "--metric", "BLEU", "--strict")
        scored = vsa("evaluate", tmp_path / "results.csv", *options)
        assert scored.exit_code == 0, scored.output
        assert json.loads(scored.stdout)["n_images"] == len(spelled)
        assert json.loads(scored.stdout)["BLEU-1"] == pytest.approx(1)


def test_boxes_find_photographs_in_every_spelling(vsa: Run, spelled: dict[str, str], tmp_path: Path) -> None:
    boxes = {other: [[1, 1, 60, 40 + number]] for number, other in enumerate(spelled.values())}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    options = ("--detector", "boxes", "--boxes", tmp_path / "boxes.json", "--side", 64)
    described = vsa("extract-regions", tmp_path / "photos", "-o", tmp_path / "r.h5", *options)
    assert described.exit_code == 0, described.output
    store = RegionStore(tmp_path / "r.h5")
    for number, name in enumerate(spelled):
        assert store[name].boxes.tolist() == [[0, 0, 128, 96], [1, 1, 60, 40 + number]]


def test_a_line_of_a_split_list_that_names_no_photograph_is_counted_and_fails_if_strict(
    vsa: Run, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "captions.csv").write_text(CAPTIONS)
    (tmp_path / "train.txt").write_text("000.png\nsub//001.png\n../002.png\n/elsewhere/001.png\n")
    arguments = (tmp_path / "captions.csv", "--images", photos, "--splits", f"train={tmp_path / 'train.txt'}")
    assert list(prepared(vsa, tmp_path, *arguments, code=3)) == ["000.png"]
    result = vsa("prep", *arguments, "-o", tmp_path / "d.json", "--strict")
    assert result.exit_code == 1
    assert "train.txt, line 2: 'sub//001.png' is not an image of the caption files" in result.stderr
    assert "train.txt, line 3: '../002.png' is not a path inside the images' folder" in result.stderr
    assert "3 inputs failed" in result.stderr
    assert not (tmp_path / "d.json").exists()


def test_letters_in_another_case_name_the_only_photograph_and_never_one_of_two(
    vsa: Run, drawn: Drawn, photos: Path, tmp_path: Path
) -> None:
    (photos / "Sub").mkdir()
    shutil.copy(drawn.photos / "003.png", photos / "Sub" / "Dog.png")
    for name in ("Cat.png", "cat.png"):
        shutil.copy(drawn.photos / "004.png", photos / name)
    (tmp_path / "captions.csv").write_text(table(("sub/DOG.PNG", "a dog"), ("CAT.png", "a cat"), ("cat.png", "a cat")))
    found = prepared(vsa, tmp_path, tmp_path / "captions.csv", "--images", photos, code=3)
    assert found == {"Sub/Dog.png": ("train", ["a dog"]), "cat.png": ("train", ["a cat"])}
    (tmp_path / "train.txt").write_text("SUB/dog.png\nCAT.PNG\n")
    lists = ("--splits", f"train={tmp_path / 'train.txt'}")
    (tmp_path / "captions.csv").write_text(table(("Sub/Dog.png", "a dog"), ("Cat.png", "a cat"), ("cat.png", "a cat")))
    found = prepared(vsa, tmp_path, tmp_path / "captions.csv", "--images", photos, *lists, code=3)
    assert found == {"Sub/Dog.png": ("train", ["a dog"])}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# tables


@pytest.mark.parametrize(
    "text",
    [
        'raw,sentids,split,filename,img_id\n"[""A dog"", ""Two dogs""]","[0, 1]",train,000.png,0\n',
        "file_name,captions\n000.png,\"['A dog', 'Two dogs']\"\n",
        "file_name,captions\n000.png,\"['A dog' 'Two dogs']\"\n",  # of numpy
        "img_path,description,description.1\r000.png,A dog,Two dogs\r",
        ",Image File,caption 1,caption 2\n0,000.png,A dog,Two dogs\n",
        "sep=;\nphoto;caption;caption\n000.png;A dog;Two dogs\n",
        '\ufeff"file path"\t"Captions"\t\n000.png\tA dog\t\n000.png\tTwo dogs\t\n',
    ],
)
def test_tables_of_other_programs_are_read_by_prep_and_by_evaluate(
    vsa: Run, photos: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode())
    found = prepared(vsa, tmp_path, tmp_path / "t.csv", "--images", photos, "--strict")
    assert found == {"000.png": ("train", ["A dog", "Two dogs"])}
    references = read_references(tmp_path / "t.csv")
    assert [image.sentences for image in references.images.values()] == [["A dog", "Two dogs"]]


def test_a_table_without_a_known_column_is_refused_with_the_names_of_the_columns(
    vsa: Run, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("who,what\n000.png,A dog\n")
    result = vsa("prep", tmp_path / "t.csv", "--images", photos, "-o", tmp_path / "c.json")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "the first row of a table must name an image column (file_name, " in result.stderr


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("namesakes", [False, True])
def test_names_in_metadata_are_relative_to_its_folder_which_gives_the_split(
    vsa: Run, drawn: Drawn, tmp_path: Path, kind: str, namesakes: bool
) -> None:
    root = tmp_path / "ds"
    files = {"train/0001.png": "000.png", "train/0002.png": "001.png", "test/0001.png": "002.png"}
    for file, source in {**files, **({"0001.png": "003.png"} if namesakes else {})}.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(drawn.photos / source, root / file)
    for split, rows in {"train": [("0001.png", "one"), ("0002.png", "two")], "test": [("0001.png", "three")]}.items():
        text = table(*rows).replace(",", "\t" if kind == "tsv" else ",")
        if kind == "jsonl":
            text = "".join(json.dumps({"file_name": name, "text": raw}) + "\n" for name, raw in rows)
        (root / split / f"metadata.{kind}").write_text(text)
    metadata = [root / split / f"metadata.{kind}" for split in ("train", "test")]
    assert prepared(vsa, tmp_path, *metadata, "--images", root) == {
        "train/0001.png": ("train", ["one"]), "train/0002.png": ("train", ["two"]),
        "test/0001.png": ("test", ["three"]),
    }  # fmt: skip


FIVE = (
    "file_name,split,caption_0,caption_1,caption_2\n"
    "000.png,train,a dog,the dog runs,\n"
    "001.png,test,nan,two cats,a cat\n"
)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_table_of_numbered_captions_is_read_by_prep_and_by_evaluate(
    vsa: Run, photos: Path, tmp_path: Path, end: str, delimiter: str, encoding: str
) -> None:
    text = FIVE.replace("\n", end).replace(",", delimiter)
    (tmp_path / "five.csv").write_bytes(text.encode(encoding))
    assert prepared(vsa, tmp_path, tmp_path / "five.csv", "--images", photos, "--strict") == {
        "000.png": ("train", ["a dog", "the dog runs"]), "001.png": ("test", ["two cats", "a cat"]),
    }  # fmt: skip
    (tmp_path / "results.csv").write_bytes(f"image_id,caption{end}000.png,the dog runs{end}".encode(encoding))
    options = ("--references", tmp_path / "five.csv", "--split", "train", "--metric", "BLEU", "--json", "--strict")
    scored = vsa("evaluate", tmp_path / "results.csv", *options)
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)["BLEU-1"] == pytest.approx(1)


@pytest.mark.parametrize("key", [1, "1", 1.0, "1.0"])
def test_ids_are_compared_as_text_by_prep_and_by_evaluate(vsa: Run, photos: Path, tmp_path: Path, key: object) -> None:
    coco = {
        "images": [{"id": 1, "file_name": "000.png"}, {"id": 2, "file_name": "001.png"}],
        "annotations": [{"image_id": key, "id": 5, "caption": "a dog"}, {"image_id": 2.0, "id": 6, "caption": "a cat"}],
    }
    (tmp_path / "captions.json").write_text(json.dumps(coco))
    found = prepared(vsa, tmp_path, tmp_path / "captions.json", "--images", photos, "--strict")
    assert found == {"000.png": ("train", ["a dog"]), "001.png": ("train", ["a cat"])}
    for text in (
        json.dumps([{"image_id": key, "caption": "a dog"}, {"image_id": 2, "caption": "a cat"}]),
        f"image_id,caption\n{key},a dog\n2.0,a cat\n",
    ):
        (tmp_path / "results").write_text(text)
        for references in ("captions.json", "c.json"):
            options = ("--references", tmp_path / references, "--metric", "BLEU", "--json", "--strict")
            scored = vsa("evaluate", tmp_path / "results", *options)
            assert scored.exit_code == 0, scored.output
            assert json.loads(scored.stdout)["n_images"] == 2


@pytest.mark.parametrize(
    ("name", "text", "noted", "failed"),
    [
        ("metadata.jsonl", '{"file_name": "000.png", "prompt": "a dog"}\n', "000.png", True),
        ("metadata.jsonl", '{"file_name": "000.png", "conversations": [{"value": "a dog"}]}\n', "000.png", True),
        ("karpathy.json", '{"images": [{"imgid": 7, "filename": "000.png", "captions": ["a dog"]}]}', "7", True),
        ("coco.json", '{"images": [{"id": 7, "file_name": "000.png"}], "annotations": []}', "7", True),
        ("blank.csv", "file_name,caption\n000.png,\n001.png,a dog\n", "000.png", False),
        ("nan.csv", "file_name,caption\n000.png,nan\n001.png,a dog\n", "000.png", False),
        ("null.jsonl", '{"file": "000.png", "text": null}\n{"file": "001.png", "text": "a"}\n', "000.png", False),
    ],
)  # fmt: skip
def test_images_without_a_sentence_are_noted_and_a_file_without_one_fails(
    vsa: Run, photos: Path, tmp_path: Path, name: str, text: str, noted: str, failed: bool
) -> None:
    (tmp_path / name).write_text(text)
    result = vsa("prep", tmp_path / name, "--images", photos, "-o", tmp_path / "c.json", "--min-count", 1, "--strict")
    assert f"note: 1 no-sentence: {noted}" in result.stderr
    assert ("names images, but no sentence" in result.stderr) == failed
    assert (result.exit_code, (tmp_path / "c.json").exists()) == ((1, False) if failed else (0, True))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_windows_text_is_read_by_every_reader(
    vsa: Run, drawn: Drawn, embed: Path, photos: Path, tmp_path: Path, encoding: str
) -> None:
    def write(name: str, *lines: str) -> Path:
        (tmp_path / name).write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))
        return tmp_path / name

    lists = ("--splits", f"train={write('train.txt', *NAMES[:2])}", "--strict")
    expected = {"000.png": ("train", ["a red dog"]), "001.png": ("train", ["two cats sit"])}
    rows = [("000.png", "a red dog"), ("001.png", "two cats sit")]
    files = [
        write("a.csv", "file_name,caption", *map(",".join, rows)),
        write("a.jsonl", *(json.dumps({"file_name": name, "text": raw}) for name, raw in rows)),
        write("a.json", json.dumps([{"image": name, "caption": raw} for name, raw in rows])),
        write("a.token", *(f"{name}#0\t{raw}" for name, raw in rows)),
        write("a.tsv", *map("\t".join, rows)),
    ]
    for file in files:
        assert prepared(vsa, tmp_path, file, "--images", photos, *lists) == expected, file
        for references in (file, tmp_path / "c.json"):
            options = ("--references", references, "--metric", "BLEU", "--json", "--strict")
            if file.suffix != ".token":
                scored = vsa("evaluate", file, *options)
                assert scored.exit_code == 0, scored.output
                assert json.loads(scored.stdout)["BLEU-1"] == pytest.approx(1), (file, references)
    (photos / "000.txt").write_bytes("a red dog\r\n".encode(encoding))
    assert prepared(vsa, tmp_path, photos, "--images", photos)["000.png"] == ("train", ["a red dog"])
    sentences = write("s.txt", "a red circle", "the square")
    ranked = vsa("retrieve", "--image", photos / "000.png", "--sentences", sentences, "-m", embed, "--json")
    assert {record["sentence"] for record in json.loads(ranked.stdout)} == {"a red circle", "the square"}
    rankings = tmp_path / "rankings.jsonl"
    stored = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "-m", embed, "-o", rankings)
    assert vsa("retrieve", *stored).exit_code == 0
    scores = vsa("evaluate", rankings, "--json").stdout
    rankings.write_bytes(rankings.read_text().encode(encoding))
    if encoding != "utf-8-sig":
        assert vsa("evaluate", rankings, "--json").stdout == scores


# words that a model does not know


def test_unknown_words_get_a_suggestion_only_if_one_is_close(vsa: Run, embed: Path, photos: Path) -> None:
    result = vsa("retrieve", "a circles zebra scare", photos, "-m", embed)
    assert result.stderr == (
        "note: searched for 'a'; the model does not know 'circles' (did you mean circle?), 'zebra' (no similar word), "
        "'scare' (no similar word)\n"
    )


def test_sentences_without_a_word_are_named_as_such(vsa: Run, embed: Path, photos: Path) -> None:
    photo = photos / "000.png"
    for sentence in ("", " ", "..."):
        result = vsa("align", photo, sentence, "-m", embed)
        assert (result.exit_code, result.stderr) == (1, "vsa: the sentence contains no word\n")
    result = vsa("align", photo, "", "a circle", "-m", embed)
    assert result.exit_code == 0
    assert result.stderr == "note: aligned nothing of ''; a sentence has no word\n"


# lists on stdin


def list_forms(names: list[str]) -> dict[str, bytes]:
    lines, quoted = "\n".join(names), "".join(f'"{name}"\n' for name in names)
    return {
        "lines": lines.encode(),
        "CRLF": ("\r\n".join(names) + "\r\n").encode(),
        "BOM": b"\xef\xbb\xbf" + lines.encode(),
        "NUL": ("\0".join(names) + "\0").encode(),
        "UTF-16": lines.encode("utf-16"),
        "UTF-16LE": lines.encode("utf-16-le"),
        "quoted": quoted.encode(),
        "padded": "".join(f"  {name}   \r\n" for name in names).encode(),
        "addresses": "\n".join(f"file://{name}" for name in names).encode(),
        "blank lines": lines.replace("\n", "\n\n").encode(),
    }


@pytest.mark.parametrize("form", list_forms([]))
def test_a_list_of_every_form_is_captioned_and_searched(
    vsa: Run, drawn: Drawn, embed: Path, photos: Path, form: str
) -> None:
    listed = list_forms([str(photos / name) for name in NAMES])[form]
    result = vsa("caption", "-", "--model", drawn.model, stdin=listed)
    assert (result.exit_code, result.stderr, list(captioned(result))) == (0, "", list(NAMES))
    result = vsa("retrieve", "a red circle", "-", "-m", embed, "--json", stdin=listed)
    assert (result.exit_code, result.stderr) == (0, "")
    assert {Path(record["path"]).name for record in json.loads(result.stdout)} == set(NAMES)


def test_an_empty_list_is_noted(vsa: Run, drawn: Drawn, embed: Path) -> None:
    result = vsa("caption", "-", "--json", "--model", drawn.model, stdin=b"")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    assert result.stderr == "note: the list of photographs is empty\n"
    result = vsa("retrieve", "a red circle", "-", "-m", embed, stdin=b"\n\n")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "vsa: the list of photographs is empty\n")


def test_addresses_of_files_are_read_and_web_addresses_are_refused(
    vsa: Run, drawn: Drawn, embed: Path, photos: Path
) -> None:
    (photos / "000.png").rename(photos / "a b.png")
    address = f"file://{photos}/a%20b.png"
    assert vsa("caption", address, "--model", drawn.model).exit_code == 0
    assert vsa("align", address, "a circle", "-m", embed).exit_code == 0
    assert vsa("caption", address.replace("file://", "FILE://localhost"), "--model", drawn.model).exit_code == 0
    gone = vsa("caption", f"file://{photos}/gone.png", "--model", drawn.model)
    assert (gone.exit_code, gone.stderr) == (1, f"vsa: {photos}/gone.png: No such file or directory\n")
    web = vsa("caption", "https://example.org//a.jpg", "--model", drawn.model)
    assert web.exit_code == 1
    assert web.stderr == "vsa: https://example.org//a.jpg: is a web address; save the photograph as a file\n"


# folders


def regions_of(vsa: Run, folder: Path, tmp_path: Path) -> tuple[Result, set[str]]:
    options = ("--detector", "grid", "--top", 2, "--side", 96, "--force", "--quiet")
    result = vsa("extract-regions", folder, "-o", tmp_path / "r.h5", *options)
    return result, set(RegionStore(tmp_path / "r.h5").ids) if result.exit_code in (0, 3) else set()


def test_folders_hold_what_is_a_photograph_for_every_command(
    vsa: Run, drawn: Drawn, embed: Path, photos: Path, tmp_path: Path
) -> None:
    kept = set(NAMES)
    for name in ("a.jfif", "b.JIF", "c.jpe", "d.apng", "e.dib", "sub/f.pgm", "sub/g.PNM"):
        (photos / name).parent.mkdir(exist_ok=True)
        shutil.copy(drawn.photos / "003.png", photos / name)  # read by content
        kept.add(Path(name).name)
    junk = ("._000.png", "__MACOSX/000.png", "@eaDir/000.png", ".thumbnails/t.png", ".trash/t.png", ".hidden.png",
            ".DS_Store", "Thumbs.db", "desktop.ini", "#recycle/a.png", "$RECYCLE.BIN/a.png")  # fmt: skip
    for name in junk:
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"\0\5\x16\7")
    (photos / "._000.txt").write_bytes(b"\0\5\x16\7")
    result = vsa("caption", photos, "--model", drawn.model)
    assert (result.exit_code, result.stderr, set(captioned(result))) == (0, "", kept)
    result = vsa("retrieve", "a red circle", photos, "-m", embed, "--json", "--top", 99)
    assert (result.exit_code, {Path(record["path"]).name for record in json.loads(result.stdout)}) == (0, kept)
    result, ids = regions_of(vsa, photos, tmp_path)
    assert (result.exit_code, {Path(name).name for name in ids}) == (0, kept)
    for path in list(photos.rglob("*.*")):
        if path.name in kept:
            path.with_suffix(".txt").write_text("a dog")
    found = prepared(vsa, tmp_path, photos, "--images", photos, "--strict")
    assert {Path(file).name for file in found} == kept
    with tarfile.open(tmp_path / "t.tar", "w") as shard:
        shard.add(photos, ".")
    found = prepared(vsa, tmp_path, tmp_path / "t.tar", "--images", tmp_path / "out", "--strict")
    assert {Path(file).name for file in found} == kept


def test_pictures_with_broken_metadata_are_read_by_every_command(
    vsa: Run, drawn: Drawn, embed: Path, photos: Path, tmp_path: Path
) -> None:
    data = (photos / "000.png").read_bytes()
    (photos / "000.png").write_bytes(data[:33] + chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 1_500_000)) + data[33:])
    (photos / "001.png").write_bytes(data[:33] + chunk(b"eXIf", b"no TIFF header here") + data[33:])
    with Image.open(drawn.photos / "001.png") as picture:
        picture.convert("RGB").save(photos / "002.jpg")
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 16).save(photos / "003.tif")
    (photos / "002.png").unlink()
    (photos / "002.jpg").write_bytes((photos / "002.jpg").read_bytes()[:-2])
    names = ["000.png", "001.png", "002.jpg", "003.tif"]
    note = f"vsa: {photos / '001.png'}: its EXIF data cannot be read; a possible rotation is ignored"
    result = vsa("caption", photos, "--model", drawn.model)
    assert (result.exit_code, list(captioned(result)), result.stderr.splitlines()) == (0, names, [note])
    result = vsa("retrieve", "a red circle", photos, "-m", embed, "--json", "--no-cache")
    assert (result.exit_code, len(json.loads(result.stdout)), result.stderr.splitlines()) == (0, 4, [note])
    result, ids = regions_of(vsa, photos, tmp_path)
    assert (result.exit_code, sorted(ids), result.stderr.splitlines()) == (0, names, [note])
    for name in names:
        (photos / name).with_suffix(".txt").write_text("a dog")
    with tarfile.open(tmp_path / "t.tar", "w") as shard:
        shard.add(photos, ".")
    for source, images in ((photos, photos), (tmp_path / "t.tar", tmp_path / "out")):
        found = prepared(vsa, tmp_path, source, "--images", images, "--strict")
        assert sorted(Path(file).name for file in found) == names
    assert read_picture(photos / "003.tif").rgb.max() == 255


def test_hidden_photographs_and_folders_are_read_if_they_are_named(vsa: Run, drawn: Drawn, photos: Path) -> None:
    (photos / ".cache").mkdir()
    (photos / "000.png").rename(photos / ".cache" / "a.png")
    (photos / "001.png").rename(photos / ".b.png")
    result = vsa("caption", photos, photos / ".cache", photos / ".b.png", "--model", drawn.model)
    assert (result.exit_code, list(captioned(result))) == (0, ["002.png", "a.png", ".b.png"])


def test_an_unreadable_or_empty_folder_costs_itself_and_is_passed_when_resuming(
    vsa: Run, drawn: Drawn, embed: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "lost+found").mkdir()
    (tmp_path / "empty").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("lost+found"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    lines = [f"vsa: {tmp_path / 'empty'}: contains no photographs", f"vsa: {photos / 'lost+found'}: Permission denied"]
    options = ("--model", drawn.model, "--format", "jsonl", "-o", tmp_path / "c.jsonl")
    result = vsa("caption", tmp_path / "empty", photos, *options, "--quiet")
    assert (result.exit_code, result.stderr.splitlines()) == (3, lines)
    result = vsa("caption", "-", *options, "--resume", "--quiet", stdin=f"{tmp_path / 'empty'}\n{photos}\n")
    assert (result.exit_code, result.stderr.splitlines()) == (3, lines)
    records = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert [Path(record["path"]).name for record in records if record["error"] is None] == list(NAMES)
    result = vsa("retrieve", "a red circle", tmp_path / "empty", photos, "-m", embed)
    assert (result.exit_code, result.stderr.splitlines(), len(result.stdout.splitlines())) == (3, lines, 3)
    result, ids = regions_of(vsa, photos, tmp_path)
    assert (result.exit_code, result.stderr.splitlines(), ids) == (3, lines[1:], set(NAMES))


def test_linked_folders_are_followed_once_under_their_first_path(
    vsa: Run, drawn: Drawn, photos: Path, tmp_path: Path
) -> None:
    view = tmp_path / "view"
    (view / "b" / "c").mkdir(parents=True)
    shutil.copy(drawn.photos / "003.png", view / "b" / "c" / "x.png")
    for link, target in {"one": photos, "two": photos, "z": view / "b" / "c", "loop": view}.items():
        (view / link).symlink_to(target)
    result = vsa("caption", view, "--model", drawn.model, "--format", "jsonl")
    expected = ["b/c/x.png", *(f"one/{name}" for name in NAMES)]
    assert result.exit_code == 0
    assert [json.loads(line)["image_id"] for line in result.stdout.splitlines()] == expected
    assert regions_of(vsa, view, tmp_path)[1] == set(expected)
    assert not captioned(vsa("caption", view / "one", view / "two", "--model", drawn.model)).keys() - set(NAMES)


# what vsa writes


def test_captions_of_every_format_are_read_back_by_prep_and_by_evaluate(
    vsa: Run, drawn: Drawn, photos: Path, tmp_path: Path
) -> None:
    captions = captioned(vsa("caption", photos, "--model", drawn.model))
    (tmp_path / "references.json").write_text(json.dumps({name: [text] for name, text in captions.items()}))
    for kind in ("text", "json", "jsonl", "csv", "coco"):
        out = tmp_path / f"captions.{kind}"
        assert vsa("caption", photos, "--model", drawn.model, "--format", kind, "-o", out, "--quiet").exit_code == 0
        for encoding in ("utf-8", "utf-16"):  # `>` of PowerShell
            out.write_bytes(out.read_text().encode(encoding)) if encoding == "utf-16" else None
            found = prepared(vsa, tmp_path, out, "--images", photos, "--strict")
            assert {name: raw for name, (_, raw) in found.items()} == {name: [text] for name, text in captions.items()}
            options = ("--references", tmp_path / "references.json", "--metric", "BLEU", "--json", "--strict")
            scored = vsa("evaluate", out, *options)
            assert scored.exit_code == 0, scored.output
            assert json.loads(scored.stdout)["BLEU-1"] == pytest.approx(1)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"image": "000.png", "caption": "a dog"}]),
        '{"image": "000.png", "text": "a dog"}\n',
        json.dumps([{"image": "photos/000.png", "caption": "a dog", "image_id": "coco_1"}]),
        json.dumps([{"path": "{photos}/000.png", "caption": "a dog"}], indent=1),
    ],
)
def test_lists_of_blip_are_read_by_prep(vsa: Run, photos: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "blip.json").write_text(text.replace("{photos}", str(photos)))
    found = prepared(vsa, tmp_path, tmp_path / "blip.json", "--images", photos, "--strict")
    assert found == {"000.png": ("train", ["a dog"])}


@pytest.mark.parametrize(
    "suffixes", [(".caption", ".png"), (".txt", ".png"), (".TXT", ".PNG"), (".Txt", ".png"), (".CAPTION", ".png")]
)
def test_sidecars_of_every_suffix_are_read_back(
    vsa: Run, drawn: Drawn, photos: Path, tmp_path: Path, suffixes: tuple[str, str]
) -> None:
    for name in NAMES:
        (photos / name).rename((photos / name).with_suffix(suffixes[1]))
    assert vsa("caption", photos, "--model", drawn.model, "--sidecar", suffixes[0].lower()).exit_code == 0
    expected = {}
    for path in sorted(photos.glob(f"*{suffixes[0].lower()}")):
        expected[path.with_suffix(suffixes[1]).name] = ("train", [path.read_text().strip()])
        path.rename(path.with_suffix(suffixes[0]))
    assert len(expected) == 3
    assert prepared(vsa, tmp_path, photos, "--images", photos, "--strict") == expected


def test_annotated_copies_are_passed_over_by_every_command(
    vsa: Run, drawn: Drawn, embed: Path, photos: Path, tmp_path: Path
) -> None:
    assert vsa("caption", photos, "--model", drawn.model, "--annotate", photos / "drawn").exit_code == 0
    assert len(list((photos / "drawn").glob("*.*g"))) == 3
    result = vsa("caption", photos, "--model", drawn.model)
    assert (list(captioned(result)), len(result.stdout.splitlines())) == (list(NAMES), 3)
    assert len(json.loads(vsa("retrieve", "a red circle", photos, "-m", embed, "--json").stdout)) == 3
    assert regions_of(vsa, photos, tmp_path)[1] == set(NAMES)


# runs that are resumed


@pytest.mark.parametrize(("changed", "words"), [
    (("--seed", 2), "made with --seed 1, not 2"), (("--temperature", 0.5), "made with --temperature 1.0, not 0.5"),
    (("--nbest", 2), "made with --nbest 1, not 2"), (("--model", "other"), "made with another --model"),
])  # fmt: skip
@pytest.mark.parametrize("output", ["lines", "sidecars"])
def test_a_sampled_run_is_resumed_with_its_seed_and_settings_only(
    vsa: Run, drawn: Drawn, photos: Path, tmp_path: Path, changed: tuple[object, ...], words: str, output: str
) -> None:
    shutil.copytree(drawn.model, tmp_path / "other")
    weights = tmp_path / "other" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\7")
    outputs = ("--format", "jsonl", "-o", tmp_path / "c.jsonl") if output == "lines" else ("--sidecar", ".txt")
    run = ("caption", photos, *outputs, "--sample", "--seed", 1)
    assert vsa(*run, "--model", drawn.model).exit_code == 0
    before = {path: path.read_bytes() for path in (*photos.iterdir(), *tmp_path.glob("*.jsonl")) if path.is_file()}
    model = () if "--model" in changed else ("--model", drawn.model)
    result = vsa(*run, *model, *(tmp_path / "other" if one == "other" else one for one in changed), "--resume")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert words in result.stderr
    assert all(path.read_bytes() == data for path, data in before.items())
    assert vsa(*run, "--model", drawn.model, "--resume").exit_code == 0
