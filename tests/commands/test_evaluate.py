"""`vsa evaluate`: printed and written results, and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.io.envelope import Envelope

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[bytes]]
NO_JAVA = ("--metric", "BLEU", "--metric", "ROUGE-L", "--metric", "CIDEr")

SCENES = [(animal, place) for animal in ("dog", "cat", "bird") for place in ("snow", "grass")]
REFERENCES = {
    f"{number}.jpg": [f"a {animal} runs in the {place}", f"the {animal} is in some {place}"]
    for number, (animal, place) in enumerate(SCENES)
}


def dump(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


@pytest.fixture
def references(tmp_path: Path) -> Path:
    return dump(tmp_path / "references.json", REFERENCES)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """Captions of which half equal a reference word for word."""
    chosen = {
        name: sentences[0] if number % 2 else "a dog runs"
        for number, (name, sentences) in enumerate(REFERENCES.items())
    }
    return dump(tmp_path / "captions.json", [{"image_id": k, "caption": v} for k, v in chosen.items()])


def rankings(path: Path, ranks: list[int]) -> Path:
    lines = [Envelope("vsa-rankings", 1, {"split": "val"}).to_dict()]
    for way in ("i2t", "t2i"):
        lines += [{"direction": way, "query_id": n, "best_rank": rank, "top": []} for n, rank in enumerate(ranks)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def result_of(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_json_output_is_one_flat_object(vsa: Run, captions: Path, references: Path) -> None:
    found = result_of(vsa("evaluate", captions, "--references", references, *NO_JAVA, "--json"))
    assert (found["n_images"], found["n_references"], found["split"]) == (6, 12, "all")
    assert all(isinstance(found[name], float) for name in ("BLEU-1", "BLEU-4", "ROUGE-L", "CIDEr", "distinct"))
    assert not any(isinstance(value, list | dict) for value in found.values())
    assert "METEOR" not in found


def test_default_output_is_a_table(vsa: Run, captions: Path, references: Path) -> None:
    result = vsa("evaluate", captions, "--references", references, *NO_JAVA)
    assert result.stdout.startswith("captions, split all: 6 images, 12 references, tokenizer PTB")
    assert {"BLEU-1", "ROUGE-L", "CIDEr", "diversity:"} <= {line.split(" ")[0] for line in result.stdout.splitlines()}
    assert "not reliable with document frequencies of 6" in result.stderr
    quiet = vsa("evaluate", captions, "--references", references, *NO_JAVA, "--quiet")
    assert "not reliable with document frequencies of 6" in quiet.stderr, "a warning is shown even in quiet mode"
    assert vsa("evaluate", captions, "--references", references, *NO_JAVA[:4], "--quiet").stderr == ""


def test_corpus_as_references_gives_split_and_copied_captions(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    corpus = json.loads(drawn.corpus.read_text())
    held_out = [image for image in corpus["images"] if image["split"] == "val"]
    train = next(image for image in corpus["images"] if image["split"] == "train")["sentences"][0]["raw"]
    entries = [{"image_id": image["image_id"], "caption": train} for image in held_out]
    entries[0]["caption"] = "a sentence that is not in the corpus"
    path = dump(tmp_path / "c.json", entries)
    found = result_of(vsa("evaluate", path, "--references", drawn.corpus, *NO_JAVA, "--json"))
    assert (found["split"], found["n_images"]) == ("val", len(held_out))
    assert found["copied"] == pytest.approx(1 - 1 / len(held_out))
    assert result_of(vsa("evaluate", path, "--references", drawn.corpus, "--split", "dev", *NO_JAVA, "--json")) == found
    assert vsa("evaluate", path, "--references", drawn.corpus, "--split", "train", *NO_JAVA).exit_code == 1


@pytest.mark.parametrize("format", ["text", "json", "jsonl", "coco"])
def test_output_of_caption_is_read(vsa: Run, drawn: Drawn, tmp_path: Path, format: str) -> None:
    out, references = tmp_path / "captions", tmp_path / "references.csv"
    photos = sorted(drawn.photos.iterdir())[:12]
    head, *rows = drawn.captions.read_text().splitlines(keepends=True)
    references.write_text(head + "".join(row for row in rows if row[:7] in {photo.name for photo in photos}))
    assert vsa("caption", *photos, "--model", drawn.model, "--format", format, "-o", out).exit_code == 0
    found = result_of(vsa("evaluate", out, "--references", references, *NO_JAVA, "--json", "--strict"))
    assert found["n_images"] == 12
    assert found["BLEU-1"] > 0.5


IDS = {name: number for number, name in enumerate(REFERENCES, start=1)}
REFERENCE_FILES = {
    "coco": json.dumps({
        "images": [{"id": number, "file_name": name} for name, number in IDS.items()],
        "annotations": [
            {"id": 100 * number + k, "image_id": number, "caption": one}
            for name, number in IDS.items() for k, one in enumerate(REFERENCES[name])
        ],
    }),
    "token": "".join(f"{name}#{k}\t{one}\n" for name, some in REFERENCES.items() for k, one in enumerate(some)),
    "csv": "image,caption\n" + "".join(f"{name},{one}\n" for name, some in REFERENCES.items() for one in some),
    "jsonl": "".join(json.dumps({"image_id": name, "captions": some}) + "\n" for name, some in REFERENCES.items()),
}  # fmt: skip
FIRST = {name: some[0] for name, some in REFERENCES.items()}
CAPTIONS = {
    "coco": json.dumps([{"image_id": name, "caption": one} for name, one in FIRST.items()]),
    "jsonl": "".join(json.dumps({"path": f"in/{name}", "caption": one}) + "\n" for name, one in FIRST.items()),
    "text": "".join(f"photos/{name}\t{one}\n" for name, one in FIRST.items()),
    "csv": "path,caption,logprob\n" + "".join(f"{name},{one},-1\n" for name, one in FIRST.items()),
}


@pytest.mark.parametrize("kind", REFERENCE_FILES)
@pytest.mark.parametrize("written", CAPTIONS)
def test_every_format_of_captions_with_every_format_of_references(
    vsa: Run, tmp_path: Path, written: str, kind: str
) -> None:
    (tmp_path / "captions").write_text(CAPTIONS[written])
    references = tmp_path / f"references.{'txt' if kind == 'token' else kind.replace('coco', 'json')}"
    references.write_text(REFERENCE_FILES[kind])
    found = result_of(
        vsa("evaluate", tmp_path / "captions", "--references", references, "--metric", "BLEU", "--json", "--strict")
    )
    assert (found["n_images"], found["n_references"]) == (6, 12)
    assert found["BLEU-4"] == pytest.approx(1)


def test_standard_input_and_pipes(
    vsa: Run, vsa_process: Process, captions: Path, references: Path, tmp_path: Path
) -> None:
    command = ("--references", references, *NO_JAVA, "--json")
    named = result_of(vsa("evaluate", captions, *command))
    assert result_of(vsa("evaluate", "-", *command, stdin=captions.read_bytes())) == named
    ranked = rankings(tmp_path / "r", [1, 2])
    piped = vsa("evaluate", "-", "--json", stdin=ranked.read_bytes())
    assert result_of(piped) == result_of(vsa("evaluate", ranked, "--json"))
    assert "standard input" in vsa("evaluate", "-", *command, stdin=b"").stderr
    reader, writer = os.pipe()
    os.close(reader)
    command_line = [sys.executable, "-m", "vsa_cli", "evaluate", str(ranked)]
    closed = subprocess.run(command_line, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (closed.returncode, closed.stderr) == (0, b"")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    refused = vsa_process("evaluate", captions, "--references", fifo)
    assert refused.returncode == 1
    assert b"is a pipe" in refused.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[", b"[" * 50_000, b"{}", b'{"format": "vsa-rankings", "version": 1}', b"\xff\xfe[", b"\x00" * 100,
        b'[{"image_id": {"a": 1}, "caption": ["x"]}]', b'[{"image_id": 1e400, "caption": "x"}]', b"NaN",
        b'{"format": "vsa-rankings", "version": 1, "config": {}, "parents": {}}\n[]\n',
        b'{"format": "vsa-alignments", "version": 1, "config": {}, "parents": {}}\n{"image_id": 1}\n',
        b'{"format": "vsa-regions", "version": 1}\n', b'[{"image_id": "0.jpg\\u001b[31m", "caption": "\\ud800"}]',
        b"image_id,caption\n" + b"1," + b"x" * 200_000,
    ],
    ids=range(15),
)  # fmt: skip
def test_hostile_files_are_one_line_errors(vsa: Run, references: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(content)
    for options in ((path, "--references", references), (path,), (path, "--boxes", path)):
        result = vsa("evaluate", *options, "--quiet")
        assert result.exit_code in (1, 2)
        assert (result.stdout, result.stderr.count("\n"), result.stderr[:5]) == ("", 1, "vsa: ")
        assert result.stderr[:-1].isprintable()
    captions = dump(tmp_path / "captions.json", {"0.jpg": "a dog"})
    assert vsa("evaluate", captions, "--references", path, *NO_JAVA).exit_code == 1


def test_cider_of_one_image_is_zero_with_a_warning(vsa: Run, references: Path, tmp_path: Path) -> None:
    one = dump(tmp_path / "one.json", [{"image_id": "1.jpg", "caption": REFERENCES["1.jpg"][0]}])
    result = vsa("evaluate", one, "--references", references, *NO_JAVA, "--json")
    assert json.loads(result.stdout)["CIDEr"] == 0
    assert json.loads(result.stdout)["BLEU-4"] == pytest.approx(1)
    assert "CIDEr is 0 by definition with document frequencies of 1 image;" in result.stderr


def test_only_empty_captions(vsa: Run, references: Path, tmp_path: Path) -> None:
    nothing = dump(tmp_path / "c.json", dict.fromkeys(REFERENCES, ""))
    found = result_of(vsa("evaluate", nothing, "--references", references, *NO_JAVA, "--json"))
    assert found["BLEU-1"] == pytest.approx(0)
    assert (found["ROUGE-L"], found["CIDEr"], found["mean_length"]) == (0, 0, 0)


def test_problems_are_counted_and_named_and_fail_if_strict(vsa: Run, references: Path, tmp_path: Path) -> None:
    entries = [
        {"image_id": "0.jpg", "caption": "a dog"}, {"image_id": "0.jpg", "caption": "a dog again"},
        {"image_id": "1.jpg", "caption": " "}, {"image_id": "strange.jpg", "caption": "a cat"},
    ]  # fmt: skip
    command = ("evaluate", dump(tmp_path / "c.json", entries), "--references", references, *NO_JAVA)
    result = vsa(*command)
    assert result.exit_code == 0
    for words in (
        "strange.jpg",
        "1 duplicate captions",
        "1 captions are empty",
        "4 images of the references have no caption",
    ):
        assert words in result.stderr
    strict = vsa(*command, "--strict", "--document-frequencies", tmp_path / "df.json")
    assert (strict.exit_code, strict.stdout, strict.stderr.count("\n")) == (1, "", 1)
    for words in (
        "--strict: ",
        "strange.jpg",
        "only the first for each image is scored): 0.jpg",
        "2.jpg, 3.jpg, 4.jpg",
    ):
        assert words in strict.stderr
    assert not (tmp_path / "df.json").exists()


def test_per_image_writes_one_line_per_image(vsa: Run, captions: Path, references: Path, tmp_path: Path) -> None:
    out = tmp_path / "each.jsonl"
    command = ("evaluate", captions, "--references", references, *NO_JAVA, "--json", "--per-image", out)
    found = result_of(vsa(*command))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["image_id"] for row in rows] == list(REFERENCES)
    assert found["CIDEr"] == pytest.approx(sum(row["CIDEr"] for row in rows) / 6)
    assert vsa(*command).exit_code == 2
    assert vsa(*command, "--force").exit_code == 0


def test_missed_threshold_exits_with_5_and_reports_the_difference(
    vsa: Run, captions: Path, references: Path, tmp_path: Path
) -> None:
    command = ("evaluate", captions, "--references", references, *NO_JAVA, "--json")
    assert vsa(*command, "--fail-under", "BLEU-1=0.1").exit_code == 0
    result = vsa(*command, "--fail-under", "BLEU-1=0.1", "--fail-under", "CIDEr=9", "--quiet")
    assert result.exit_code == 5
    assert "under 9 by" in result.stderr
    assert json.loads(result.stdout)["CIDEr"] < 9
    better = dump(tmp_path / "baseline.json", {**json.loads(result.stdout), "CIDEr": 8.0})
    result = vsa(*command, "--baseline", better, "--fail-under", "CIDEr=baseline-0.5")
    assert result.exit_code == 5
    assert json.loads(result.stdout)["CIDEr_change"] < -0.5
    assert "from 8.0000" in vsa(*command[:-1], "--baseline", better).stdout
    other = dump(tmp_path / "other.json", {"n_images": 1000, "CIDEr": 0.5})
    assert "computed on 1000 images, these scores on 6" in vsa(*command, "--baseline", other).stderr


def test_document_frequencies_are_saved_and_reused(vsa: Run, captions: Path, references: Path, tmp_path: Path) -> None:
    saved = tmp_path / "df.json"
    command = ("--references", references, *NO_JAVA, "--json", "--document-frequencies", saved)
    first = result_of(vsa("evaluate", captions, *command))
    assert saved.exists()
    assert result_of(vsa("evaluate", captions, *command)) == first
    one = dump(tmp_path / "one.json", [{"image_id": "1.jpg", "caption": REFERENCES["1.jpg"][0]}])
    assert result_of(vsa("evaluate", one, *command))["CIDEr"] > 1
    assert result_of(vsa("evaluate", one, "--references", references, *NO_JAVA, "--json"))["CIDEr"] == 0
    for damage in (
        {"images": 0}, {"images": 10**400}, {"images": True}, {"counts": {"a": 7}}, {"counts": []},
        {"format": "vsa-corpus"},
    ):  # fmt: skip
        dump(saved, {**json.loads(saved.read_text()), **damage})
        refused = vsa("evaluate", captions, *command)
        assert refused.exit_code == 1
        assert refused.stderr.startswith(f"vsa: {saved}: ")
        saved.unlink()
        vsa("evaluate", captions, *command)


def test_compare_reports_changes_with_intervals(vsa: Run, captions: Path, references: Path, tmp_path: Path) -> None:
    best = dump(
        tmp_path / "new.json", [{"image_id": name, "caption": sentences[0]} for name, sentences in REFERENCES.items()]
    )
    command = ("evaluate", "--compare", captions, best, "--references", references, *NO_JAVA, "--samples", 200)
    found = result_of(vsa(*command, "--json"))
    assert found["BLEU-1_change"] == pytest.approx(found["BLEU-1"] - found["BLEU-1_old"])
    assert found["BLEU-1_change_low"] <= found["BLEU-1_change"] <= found["BLEU-1_change_high"]
    assert found == result_of(vsa(*command, "--json"))
    assert vsa(*command).stdout.splitlines()[0].split()[:4] == ["metric", "old", "new", "change"]
    assert vsa(*command, "--fail-under", "CIDEr=9.9").exit_code == 5
    assert vsa(*command, "--fail-under", "CIDEr=baseline").exit_code == 0
    back = ("evaluate", "--compare", best, captions, *command[4:])
    assert vsa(*back, "--fail-under", "CIDEr=baseline-0.01").exit_code == 5


def test_rankings_are_recognised_by_their_envelope(vsa: Run, tmp_path: Path) -> None:
    old, new = rankings(tmp_path / "old", [1, 9, 30, 2]), rankings(tmp_path / "new", [1, 1, 30, 2])
    found = result_of(vsa("evaluate", old, "--json"))
    assert (found["i2t_R@1"], found["t2i_R@10"], found["i2t_medr"]) == (25, 75, 5.5)
    assert vsa("evaluate", old).stdout.startswith("rankings, split val: 4 images, 4 sentences")
    assert result_of(vsa("evaluate", "--compare", old, new, "--json"))["i2t_R@1_change"] == 25
    assert vsa("evaluate", old, "--folds", 5).exit_code == 2
    assert vsa("evaluate", old, "--fail-under", "rsum=500").exit_code == 5


def test_word_scores_are_recognised_by_their_envelope(vsa: Run, tmp_path: Path) -> None:
    line = {
        "image_id": "1.jpg", "sentence_id": "0", "width": 10, "height": 10, "boxes": [[0, 0, 10, 10], [0, 0, 5, 5]],
        "tokens": ["a", "dog"], "positions": [1], "scores": [[0.1, 0.9]], "choice": [0],
    }  # fmt: skip
    entity = {
        "file": "1.jpg", "width": 20, "height": 20, "boxes": {"1": [[0, 0, 10, 10]]},
        "entity_sentences": [{"tokens": "A dog", "phrases": [{"id": "1", "start": 0, "end": 2}]}],
    }  # fmt: skip
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(Envelope('vsa-alignments', 1, {'split': 'val'}).to_dict())}\n{json.dumps(line)}\n")
    boxes = dump(tmp_path / "e.jsonl", entity)
    found = result_of(vsa("evaluate", path, "--boxes", boxes, "--json"))
    assert (found["pointing"], found["iou@0.5"], found["mrf_iou@0.5"], found["n_phrases"]) == (100, 100, 0, 1)
    assert found["mrf_iou@0.5_minus_iou@0.5"] == -100
    assert "[100.00, 100.00]" in vsa("evaluate", path, "--boxes", boxes).stdout
    assert vsa("evaluate", path).exit_code == 2


def test_wrong_usage_exits_with_2(vsa: Run, captions: Path, references: Path, tmp_path: Path) -> None:
    ranked = rankings(tmp_path / "r", [1])
    wrong: tuple[tuple[object, ...], ...] = (
        (), (captions, "--compare", captions, captions), (captions,), (ranked, "--references", references),
        (ranked, "--metric", "BLEU"), (captions, "--references", references, "--folds", 2),
        (captions, "--references", references, "--metric", "SPICE"),
        (captions, "--references", references, "--fail-under", "CIDEr"),
        (captions, "--references", references, *NO_JAVA, "--fail-under", "SPICE=1"),
        (captions, "--references", references, *NO_JAVA, "--fail-under", "CIDEr=baseline"),
        (captions, "--references", references, "--split", "val"),
        ("--compare", captions, captions, "--references", references, "--per-image", tmp_path / "x"),
        ("--compare", captions, captions, "--references", references, "--baseline", tmp_path / "x"),
        (
            captions, "--references", references, *NO_JAVA, "--per-image", tmp_path / "x",
            "--document-frequencies", tmp_path / "x",
        ),
    )  # fmt: skip
    for options in wrong:
        result = vsa("evaluate", *options)
        assert result.exit_code == 2, options
        assert result.stderr.count("Traceback") == 0


def test_wrong_files_are_one_line_errors(vsa: Run, captions: Path, references: Path, tmp_path: Path) -> None:
    unmatched = dump(tmp_path / "unmatched.json", [{"image_id": "else.jpg", "caption": "a dog"}])
    for options in (
        (unmatched, "--references", references), (tmp_path / "nowhere", "--references", references),
        (captions, "--references", tmp_path / "nowhere"), (captions, "--references", tmp_path),
        (captions, "--references", references, *NO_JAVA, "--baseline", tmp_path / "nowhere"),
        ("--compare", captions, rankings(tmp_path / "r", [1]), "--references", references, *NO_JAVA),
    ):  # fmt: skip
        result = vsa("evaluate", *options)
        assert result.exit_code in (1, 2), options
        assert result.stderr.splitlines()[-1].startswith("vsa: ")


def test_evaluation_needs_neither_torch_nor_h5py(vsa_process: Process, captions: Path, references: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from vsa_cli.app import app\n"
        f"done = CliRunner().invoke(app, ['evaluate', {str(captions)!r}, '--references', {str(references)!r}])\n"
        "assert done.exit_code == 0, done.output\n"
        "assert not {'torch', 'h5py', 'PIL', 'cv2', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": ""}, cwd=Path(__file__).parents[2])
