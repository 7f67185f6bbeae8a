"""`vsa caption`: what comes out, in every format, for every kind of input, and what bad input costs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.corpus.vocabulary import END
from vsa_cli.core.generation.artifact import read_generator
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[bytes]]


def records(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_one_photograph_gives_its_caption_alone(vsa: Run, drawn: Drawn) -> None:
    result = vsa("caption", drawn.photos / "004.png", "--model", drawn.model)
    assert result.exit_code == 0
    assert result.stdout.endswith("\n")
    assert result.stdout.count("\n") == 1
    assert "\t" not in result.stdout
    assert "triangle" in result.stdout


def test_the_generator_has_learnt_the_drawn_corpus(vsa: Run, drawn: Drawn) -> None:
    """On pictures it was not trained on, captions name the shape that the sentences name."""
    corpus = json.loads(drawn.corpus.read_text())
    result = vsa(
        "caption", "--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "dev", "--model", drawn.model,
        "--format", "jsonl",
    )  # fmt: skip
    captions = {str(record["image_id"]): str(record["caption"]) for record in records(result)}
    held_out = [image for image in corpus["images"] if image["split"] == "val"]
    assert set(captions) == {str(image["image_id"]) for image in held_out}
    right = 0
    for image in held_out:
        text = " ".join(sentence["raw"] for sentence in image["sentences"])
        shape = next(s for s in ("circle", "square", "triangle") if s in text)
        right += shape in captions[str(image["image_id"])]
    assert right >= 0.75 * len(held_out)


def test_several_give_path_and_caption(vsa: Run, drawn: Drawn) -> None:
    paths = [str(drawn.photos / name) for name in ("001.png", "000.png")]
    result = vsa("caption", *paths, "--model", drawn.model)
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == paths
    assert all(len(line.split("\t")) == 2 for line in result.stdout.splitlines())


def test_a_folder_is_searched_and_ids_are_relative(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b.PNG").write_bytes((drawn.photos / "000.png").read_bytes())
    (tmp_path / "a.png").write_bytes((drawn.photos / "001.png").read_bytes())
    (tmp_path / "notes.txt").write_text("not a photograph")
    result = vsa("caption", tmp_path, "--model", drawn.model, "--format", "jsonl")
    assert [record["image_id"] for record in records(result)] == ["a.png", "deep/er/b.PNG"]
    assert records(result)[0]["path"] == str(tmp_path / "a.png")


def test_a_list_on_a_pipe_with_a_bad_one_in_the_middle(vsa_process: Process, drawn: Drawn, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").write_bytes((drawn.photos / "000.png").read_bytes())
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    done = vsa_process(
        "caption", "-", "--format", "jsonl", "--model", drawn.model,
        cwd=tmp_path, input=b"a.jpg\nbroken.jpg\nmissing.jpg\nb.jpg\n",
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert [record["path"] for record in found] == ["a.jpg", "broken.jpg", "missing.jpg", "b.jpg"]
    assert found[0]["caption"] == found[3]["caption"] is not None
    assert found[0]["error"] is None
    assert found[1]["caption"] is None
    assert "broken.jpg" in found[1]["error"]
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2
    assert "broken.jpg" in lines[0]
    assert "missing.jpg" in lines[1]


def test_names_may_be_anything_the_file_system_holds(vsa_process: Process, drawn: Drawn, tmp_path: Path) -> None:
    names = [b"with space.png", b"tab\there.png", b"new\nline.png", b"-dash.png", b"back\\slash.png", b"\xff\xfe.png"]
    for name in names:
        (Path(os.fsdecode(bytes(tmp_path) + b"/" + name))).write_bytes((drawn.photos / "000.png").read_bytes())
    pipe = {"cwd": tmp_path, "input": b"\0".join(names) + b"\0"}
    text = vsa_process("caption", "-", "-0", "--model", drawn.model, **pipe)
    assert text.returncode == 0, text.stderr
    shown = [line.split(b"\t")[0] for line in text.stdout.splitlines()]
    assert shown == [
        b"with space.png", b"tab\\there.png", b"new\\nline.png", b"-dash.png", b"back\\\\slash.png", b"\xff\xfe.png",
    ]  # fmt: skip
    lines = vsa_process("caption", "-", "-0", "--model", drawn.model, "--format", "jsonl", **pipe).stdout.splitlines()
    assert [os.fsencode(json.loads(line)["path"]) for line in lines] == names


def test_every_bad_input_is_failure(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"")
    result = vsa("caption", tmp_path / "x.jpg", tmp_path / "y.jpg", "--model", drawn.model, "--format", "json")
    assert result.exit_code == 1
    assert [record["caption"] for record in json.loads(result.stdout)] == [None, None]


def test_coco_results_have_ids_and_captions_only(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    result = vsa("caption", drawn.photos, "--model", drawn.model, "--format", "coco", "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    found = json.loads(out.read_text())
    assert len(found) == 48
    assert all(set(entry) == {"image_id", "caption"} for entry in found)
    assert vsa("caption", drawn.photos, "--model", drawn.model, "-o", out).exit_code == 2


def test_batches_and_threads_change_nothing(vsa: Run, drawn: Drawn) -> None:
    outputs = []
    for batch, threads in ((1, 1), (7, 2), (64, 2)):
        options = ("--batch-size", batch, "--threads", threads, "--format", "jsonl")
        outputs.append(records(vsa("caption", drawn.photos, "--model", drawn.model, *options)))
    for other in outputs[1:]:
        assert [record["caption"] for record in other] == [record["caption"] for record in outputs[0]]
        for one, two in zip(outputs[0], other, strict=True):
            assert one["logprob"] == pytest.approx(two["logprob"], abs=1e-5)


def test_photographs_and_their_stored_descriptors_give_the_same(vsa: Run, drawn: Drawn) -> None:
    stored = vsa(
        "caption", "--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "all", "--model", drawn.model,
        "--format", "coco",
    )  # fmt: skip
    raw = vsa("caption", drawn.photos, "--model", drawn.model, "--format", "coco")
    assert json.loads(stored.stdout) == json.loads(raw.stdout)


def test_logprobs_are_the_models_by_teacher_forcing(vsa: Run, drawn: Drawn) -> None:
    trained = read_generator(drawn.model, torch.device("cpu"))
    store = RegionStore(drawn.regions)
    options = ("--nbest", 5, "--format", "jsonl")
    checked = 0
    for record in records(vsa("caption", drawn.photos, "--model", drawn.model, *options)):
        descriptor = torch.from_numpy(store.whole_images([str(record["image_id"])])).float()
        candidates = record["candidates"]
        assert isinstance(candidates, list)
        assert [c["logprob"] for c in candidates] == sorted((c["logprob"] for c in candidates), reverse=True)
        assert (candidates[0]["caption"], candidates[0]["logprob"]) == (record["caption"], record["logprob"])
        for candidate in candidates:
            words = trained.vocabulary.encode(candidate["caption"].split())
            state, total = trained.model.start(descriptor), 0.0
            for word, target in zip([trained.vocabulary.start, *words], [*words, END], strict=True):
                logprobs, state = trained.model.step(torch.tensor([word]), state)
                total += logprobs[0, target].item()
            assert candidate["logprob"] == pytest.approx(total, abs=1e-3)
            checked += 1
    assert checked >= 48


def test_sampling_is_repeatable_and_seeded(vsa: Run, drawn: Drawn) -> None:
    def draw(seed: int) -> str:
        return vsa("caption", drawn.photos, "--model", drawn.model, "--sample", "--seed", seed).stdout

    assert draw(1) == draw(1) != draw(2)


def test_max_length_is_kept(vsa: Run, drawn: Drawn) -> None:
    result = vsa("caption", drawn.photos, "--model", drawn.model, "--max-length", 2, "--format", "jsonl")
    assert all(len(str(record["caption"]).split()) <= 2 for record in records(result))


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "name photographs"),
        (("x.jpg", "--corpus", "c.json", "--regions-file", "r.h5"), 2, "name photographs"),
        (("--corpus", "c.json"), 2, "--regions-file"),
        (("x.jpg", "--json", "--format", "text"), 2, "contradict"),
        (("x.jpg", "--beam", "0"), 2, "--beam"),
        (("x.jpg", "--format", "xml"), 2, "--format"),
        (("x.jpg",), 4, "--model"),
        (("x.jpg", "--model", "nowhere"), 1, "nowhere"),
    ],
)
def test_wrong_usage_is_told_in_a_line(
    vsa: Run, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int, words: str
) -> None:
    monkeypatch.delenv("VSA_MODEL", raising=False)
    result = vsa("caption", *options)
    assert result.exit_code == code
    assert words in result.stderr


def test_an_empty_folder_is_an_error(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = vsa("caption", tmp_path, "--model", drawn.model)
    assert result.exit_code == 1
    assert "no photographs" in result.stderr


def test_regions_of_another_cnn_are_refused(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "other.h5"
    options = ("--detector", "grid", "--top", 0, "--cnn", "efficientnet_lite0", "--side", 96)
    assert vsa("extract-regions", drawn.corpus, "-o", out, *options).exit_code == 0
    result = vsa("caption", "--corpus", drawn.corpus, "--regions-file", out, "--model", drawn.model)
    assert result.exit_code == 1
    assert "efficientnet_lite2" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.cuda
def test_cuda_says_what_the_cpu_says(vsa: Run, drawn: Drawn) -> None:
    options = ("caption", drawn.photos, "--model", drawn.model)
    assert vsa(*options, "--device", "cuda").stdout == vsa(*options, "--device", "cpu").stdout
