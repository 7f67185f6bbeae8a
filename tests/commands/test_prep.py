from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from vsa_cli.app import app
from vsa_cli.core.corpus.corpus import read_corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photographs and a CSV with two sentences for each."""
    (tmp_path / "photos").mkdir()
    rows = ["image,caption"]
    for number in range(4):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(tmp_path / "photos" / f"{number}.png")
        rows += [f"{number}.png,a thing", f'{number}.png,"one, two"']
    (tmp_path / "captions.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def prep(folder: Path, *options: str) -> Result:
    arguments = [str(folder / "captions.csv"), "--images", str(folder / "photos"), "-o", str(folder / "corpus.json")]
    return CliRunner().invoke(app, ["prep", *arguments, *options])


def spoil(folder: Path) -> None:
    (folder / "photos" / "1.png").write_bytes(b"not an image")
    with (folder / "captions.csv").open("a") as file:
        file.write("gone.png,x\nnonsense\n")


def test_corpus_is_written_and_summarised(folder: Path) -> None:
    result = prep(folder, "--json", "--min-count", "4", "--val", "1", "--unknown", "unk", "--seed", "3")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "images": 4, "sentences": 8, "splits": {"train": 3, "val": 1}, "vocabulary_size": 2, "words_dropped": 4,
        "problems": {}, "notes": {},
    }  # fmt: skip
    corpus = read_corpus(folder / "corpus.json")
    assert corpus.split_sizes() == {"train": 3, "val": 1}
    assert corpus.envelope.seed == 3
    assert corpus.envelope.config["val"] == 1


def test_stdout_has_data_only(folder: Path) -> None:
    result = prep(folder)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "4 images (train 4), 8 sentences, vocabulary size 1" in result.stderr
    assert prep(folder, "--quiet", "--force").output == ""


def test_failed_inputs_are_reported_and_exit_with_3(folder: Path) -> None:
    spoil(folder)
    result = prep(folder, "--json", "--quiet", "--report", str(folder / "report.jsonl"))
    assert result.exit_code == 3
    assert json.loads(result.stdout)["problems"] == {"malformed": 1, "missing": 1, "unreadable": 1}
    lines = result.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["captions.csv, line 11", "1.png", "gone.png"]
    report = [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]
    assert [entry["kind"] for entry in report] == ["malformed", "unreadable", "missing"]
    assert len(read_corpus(folder / "corpus.json").images) == 3


def test_failures_after_the_twentieth_are_counted(folder: Path) -> None:
    with (folder / "captions.csv").open("a") as file:
        file.writelines(f"gone{number}.png,x\n" for number in range(50))
    result = prep(folder, "--quiet")
    assert len(result.stderr.splitlines()) == 21
    assert "and 30 more" in result.stderr


def test_strict_writes_only_the_report(folder: Path) -> None:
    spoil(folder)
    result = prep(folder, "--strict", "--json", "--report", str(folder / "report.jsonl"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("vsa: 3 inputs failed")
    assert not (folder / "corpus.json").exists()
    assert (folder / "report.jsonl").exists()


def test_corpus_without_images_exits_with_1(folder: Path) -> None:
    for path in (folder / "photos").iterdir():
        path.unlink()
    result = prep(folder)
    assert result.exit_code == 1
    assert "no images are left" in result.stderr
    assert not (folder / "corpus.json").exists()


def test_existing_output_fails_before_captions_are_read(folder: Path) -> None:
    (folder / "corpus.json").write_text("mine")
    (folder / "captions.csv").unlink()  # reading it would fail
    result = prep(folder)
    assert result.exit_code == 2
    assert result.stderr == f"vsa: {folder / 'corpus.json'}: exists already; --force replaces it\n"
    assert (folder / "corpus.json").read_text() == "mine"


def test_force_replaces_and_leaves_no_temporary_files(folder: Path) -> None:
    (folder / "corpus.json").write_text("mine")
    assert prep(folder, "--force").exit_code == 0
    assert len(read_corpus(folder / "corpus.json").images) == 4
    assert sorted(path.name for path in folder.iterdir()) == ["captions.csv", "corpus.json", "photos"]


def test_report_and_corpus_must_be_different_files(folder: Path) -> None:
    result = prep(folder, "--report", str(folder / "photos" / ".." / "corpus.json"))
    assert result.exit_code == 2
    assert "the same file for two outputs" in result.stderr
    assert not (folder / "corpus.json").exists()


def test_dry_run_reports_and_writes_nothing(folder: Path) -> None:
    spoil(folder)
    (folder / "corpus.json").write_text("mine")
    result = prep(folder, "--dry-run", "--json", "--report", str(folder / "report.jsonl"))
    assert result.exit_code == 3
    assert json.loads(result.stdout)["images"] == 3
    assert "would write" in result.stderr
    assert (folder / "corpus.json").read_text() == "mine"
    assert not (folder / "report.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--tune", "4"), 2),
        (("--split", "other"), 2),
        (("--splits", "names.txt"), 2),
        (("--min-count", "0"), 2),
        (("--captions-format", "other"), 2),
        (("--captions-format", "coco"), 1),
        (("--splits", "train=absent.txt"), 1),
        (("--images", "absent"), 1),
    ],
)
def test_invalid_requests_exit_with_their_code_and_one_line(folder: Path, options: tuple[str, ...], code: int) -> None:
    result = prep(folder, *options)
    assert result.exit_code == code
    assert "Traceback" not in result.output
    assert not (folder / "corpus.json").exists()


def test_process_separates_stdout_and_stderr_and_escapes_names(folder: Path) -> None:
    with (folder / "captions.csv").open("ab") as file:
        file.write("\x1b[31mred.png,x\nübel.png,y\n".encode())
    command = [
        sys.executable,
        "-m",
        "vsa_cli",
        "prep",
        str(folder / "captions.csv"),
        "--images",
        str(folder / "photos"),
    ]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PYTHONUTF8": "0"}
    process = subprocess.run(
        [*command, "-o", str(folder / "c.json"), "--json"],
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert process.returncode == 3
    assert json.loads(process.stdout)["problems"] == {"missing": 2}
    assert b"\x1b" not in process.stderr
    assert b"Traceback" not in process.stderr


def sentences(folder: Path, *options: str) -> Result:
    arguments = ["prep", str(folder / "captions.csv"), "-o", str(folder / "text.json")]
    return CliRunner().invoke(app, [*arguments, *options])


def test_sentences_without_photographs_and_their_style(folder: Path) -> None:
    result = sentences(folder, "--style", "flickr")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "4 images (train 4), 8 sentences without photographs, vocabulary size" in result.stderr
    shown = CliRunner().invoke(app, ["info", str(folder / "text.json")]).stdout
    assert ", style flickr\n" in shown
    assert "\nimages: 4\nphotographs: 0\n" in shown
    assert prep(folder).exit_code == 0
    assert "\nphotographs: 4\n" in CliRunner().invoke(app, ["info", str(folder / "corpus.json")]).stdout


@pytest.mark.parametrize("style", ["region", "two words", "x" * 41])
def test_invalid_style_is_a_usage_error(folder: Path, style: str) -> None:
    result = sentences(folder, "--style", style)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"vsa: --style {style}: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (folder / "text.json").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("extract-regions", "TEXT", "-o", "NEW"),
        ("extract-regions", "TEXT", "--images", "PHOTOS", "-o", "NEW"),
        ("train-embed", "TEXT", "REGIONS", "-o", "NEW"),
        ("train-gen", "TEXT", "REGIONS", "-o", "NEW"),
        ("caption", "--corpus", "TEXT", "--regions-file", "REGIONS"),
        ("caption", "--corpus", "TEXT", "--regions-file", "REGIONS", "--baseline", "nearest-neighbour"),
        ("retrieve", "--corpus", "TEXT", "--regions-file", "REGIONS"),
        ("align", "--corpus", "TEXT", "--regions-file", "REGIONS", "-o", "NEW"),
        ("convert", "REGIONS", "TEXT", "-o", "NEW.tsv"),
    ],
)
def test_commands_that_need_photographs_reject_sentences_alone(folder: Path, command: tuple[str, ...]) -> None:
    assert sentences(folder).exit_code == 0
    text = folder / "text.json"
    (folder / "regions.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    names = {"TEXT": text, "PHOTOS": folder / "photos", "REGIONS": folder / "regions.h5", "NEW": folder / "new"}
    names["NEW.tsv"] = folder / "new.tsv"
    result = CliRunner().invoke(app, [str(names.get(word, word)) for word in command])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        f"vsa: {text}: has sentences without photographs; "
        "`vsa train-gen --text` and `vsa train-embed --unpaired` take them"
    )
    assert "Traceback" not in result.output


def test_captions_are_scored_against_sentences_without_photographs(folder: Path) -> None:
    assert sentences(folder).exit_code == 0
    (folder / "mine.jsonl").write_text('{"image": "1.png", "caption": "a thing"}\n')
    arguments = ["evaluate", str(folder / "mine.jsonl"), "--references", str(folder / "text.json"), "--metric", "BLEU"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output


def test_help_has_an_example_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from vsa_cli.app import app;"
        "r = CliRunner().invoke(app, ['prep', '-h']); assert r.exit_code == 0; assert 'Example: vsa prep' in r.stdout;"
        "heavy = {'torch', 'numpy', 'PIL', 'h5py', 'rich', 'nltk'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
