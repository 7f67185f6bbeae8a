"""`vsa caption`: the output in every format, for every kind of input, and for input that cannot be read."""

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
from vsa_cli.core.generation.decoder import read_generator
from vsa_cli.core.generation.model import no_tags
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[bytes]]


def records(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_one_photograph_prints_its_caption_alone(vsa: Run, drawn: Drawn) -> None:
    result = vsa("caption", drawn.photos / "004.png", "--model", drawn.model)
    assert result.exit_code == 0
    assert result.stdout.endswith("\n")
    assert result.stdout.count("\n") == 1
    assert "\t" not in result.stdout
    assert "triangle" in result.stdout


def test_generator_has_learned_the_drawn_corpus(vsa: Run, drawn: Drawn) -> None:
    """Captions of pictures outside the train split name the shape that their sentences name."""
    corpus = json.loads(drawn.corpus.read_text())
    result = vsa(
        "caption", "--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "val", "--model", drawn.model,
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


def test_several_photographs_print_path_and_caption(vsa: Run, drawn: Drawn) -> None:
    paths = [str(drawn.photos / name) for name in ("001.png", "000.png")]
    result = vsa("caption", *paths, "--model", drawn.model)
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == paths
    assert all(len(line.split("\t")) == 2 for line in result.stdout.splitlines())


def test_folder_is_searched_and_ids_are_relative(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b.PNG").write_bytes((drawn.photos / "000.png").read_bytes())
    (tmp_path / "a.png").write_bytes((drawn.photos / "001.png").read_bytes())
    (tmp_path / "notes.txt").write_text("not a photograph")
    result = vsa("caption", tmp_path, "--model", drawn.model, "--format", "jsonl")
    assert [record["image_id"] for record in records(result)] == ["a.png", "deep/er/b.PNG"]
    assert records(result)[0]["path"] == str(tmp_path / "a.png")


def test_list_on_a_pipe_with_unreadable_photographs(vsa_process: Process, drawn: Drawn, tmp_path: Path) -> None:
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


def test_file_names_may_hold_any_bytes(vsa_process: Process, drawn: Drawn, tmp_path: Path) -> None:
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


def test_exit_code_is_1_if_every_photograph_fails(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
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


def test_captions_do_not_depend_on_batches_and_threads(vsa: Run, drawn: Drawn) -> None:
    photos = sorted(drawn.photos.iterdir())[:20]
    outputs = []
    for batch, threads in ((1, 1), (7, 2), (64, 2)):
        options = ("--batch-size", batch, "--threads", threads, "--format", "jsonl")
        outputs.append(records(vsa("caption", *photos, "--model", drawn.model, *options)))
    for other in outputs[1:]:
        assert [record["caption"] for record in other] == [record["caption"] for record in outputs[0]]
        for one, two in zip(outputs[0], other, strict=True):
            assert one["logprob"] == pytest.approx(two["logprob"], abs=1e-5)


def test_photographs_and_stored_descriptors_have_the_same_captions(vsa: Run, drawn: Drawn) -> None:
    stored = vsa(
        "caption", "--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "all", "--model", drawn.model,
        "--format", "coco",
    )  # fmt: skip
    raw = vsa("caption", drawn.photos, "--model", drawn.model, "--format", "coco")
    assert json.loads(stored.stdout) == json.loads(raw.stdout)


MODES = [
    ("--nbest", 5),
    ("--nbest", 3, "--length-norm", 0.7, "--min-len", 5),
    ("--beam", 6, "--groups", 3, "--nbest", 3, "--no-repeat-ngram", 2),
    ("--require", "Black", "--require", "triangle", "--avoid", "red", "--nbest", 2),
    ("--nbest", 3, "--temperature", 1.5, "--top-k", 9, "--top-p", 0.95, "--avoid", "the"),
]


def stored(vsa: Run, drawn: Drawn, *options: object) -> list[dict[str, object]]:
    """Captions of every photograph from its stored descriptors: no CNN is run."""
    where = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "all", "--model", drawn.model)
    result = vsa("caption", *where, "--threads", 1, "--format", "jsonl", *options)
    assert result.exit_code == 0, result.stderr
    return records(result)


@pytest.mark.parametrize("options", MODES)
def test_logprobs_are_the_models_by_teacher_forcing(vsa: Run, drawn: Drawn, options: tuple[object, ...]) -> None:
    trained = read_generator(drawn.model, torch.device("cpu"))
    store = RegionStore(drawn.regions)
    captioned = stored(vsa, drawn, *options)
    assert len(captioned) == 48
    for record in captioned:
        descriptor = torch.from_numpy(store.whole_images([str(record["image_id"])])).float()
        candidates = record["candidates"]
        assert isinstance(candidates, list)
        assert (candidates[0]["caption"], candidates[0]["logprob"]) == (record["caption"], record["logprob"])
        for candidate in candidates:
            words = trained.vocabulary.encode(candidate["caption"].split())
            (step, state), total = trained.model.start_decoding(descriptor, no_tags(1)), 0.0
            for word, target in zip([trained.vocabulary.start, *words], [*words, END], strict=True):
                logprobs, state = step(torch.tensor([word]), state)
                total += logprobs[0, target].item()
            assert candidate["logprob"] == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("options", MODES)
def test_batches_change_no_word_in_any_mode(vsa: Run, drawn: Drawn, options: tuple[object, ...]) -> None:
    one_by_one, together = (stored(vsa, drawn, *options, "--batch-size", size) for size in (1, 48))
    for one, other in zip(one_by_one, together, strict=True):
        first, second = one["candidates"], other["candidates"]
        assert isinstance(first, list)
        assert isinstance(second, list)
        assert [c["caption"] for c in first] == [c["caption"] for c in second]
        assert [c["logprob"] for c in first] == pytest.approx([c["logprob"] for c in second], abs=1e-5)


def candidates_of(captioned: list[dict[str, object]]) -> list[list[str]]:
    return [[c["caption"] for c in record["candidates"]] for record in captioned]  # type: ignore[attr-defined]


def test_candidates_are_best_first(vsa: Run, drawn: Drawn) -> None:
    for norm in (0.0, 1.0):
        for record in stored(vsa, drawn, "--nbest", 5, "--length-norm", norm, "--likeliest"):
            assert isinstance(record["candidates"], list)
            scores = [c["logprob"] / (len(c["caption"].split()) + 1) ** norm for c in record["candidates"]]
            assert scores == sorted(scores, reverse=True)


def test_required_words_are_in_every_caption_and_avoided_ones_in_none(vsa: Run, drawn: Drawn) -> None:
    options = ("--require", "Yellow", "--require", "ground", "--avoid", "a", "--avoid", "circle", "--nbest", 4)
    for captions in candidates_of(stored(vsa, drawn, *options)):
        assert captions
        for caption in captions:
            assert {"yellow", "ground"} <= set(caption.split())
            assert not {"a", "circle"} & set(caption.split())


def test_groups_choose_different_words(vsa: Run, drawn: Drawn) -> None:
    options = ("--beam", 3, "--groups", 3, "--diversity", 50, "--min-len", 1, "--nbest", 3)
    for captions in candidates_of(stored(vsa, drawn, *options)):
        assert len({caption.split()[0] for caption in captions}) == 3


def test_length_normalisation_lengthens_captions(vsa: Run, drawn: Drawn) -> None:
    words = [
        sum(len(str(record["caption"]).split()) for record in stored(vsa, drawn, "--length-norm", norm))
        for norm in (0, 2)
    ]
    assert words[0] < words[1]


def test_sampling_depends_on_the_seed_and_not_on_order(vsa: Run, drawn: Drawn) -> None:
    def draw(seed: int, *photos: Path) -> list[str]:
        result = vsa("caption", *photos, "--model", drawn.model, "--sample", "--seed", seed)
        return result.stdout.splitlines()

    photos = sorted(drawn.photos.iterdir())[:8]
    assert draw(1, *photos) == draw(1, *photos) == draw(1, *photos[::-1])[::-1] != draw(2, *photos)


@pytest.mark.parametrize(("longest", "shortest"), [("--max-len", "--min-len"), ("--max-length", "--min-length")])
def test_lengths_are_bounded(vsa: Run, drawn: Drawn, longest: str, shortest: str) -> None:
    for record in stored(vsa, drawn, longest, 3, shortest, 3):
        assert len(str(record["caption"]).split()) == 3


def test_photograph_without_an_allowed_caption_is_named(vsa: Run, drawn: Drawn) -> None:
    options = ("--no-repeat-ngram", 1, "--min-len", 100, "--max-len", 100, "--format", "jsonl")
    result = vsa("caption", drawn.photos / "000.png", "--model", drawn.model, *options)
    (record,) = records(result)
    assert result.exit_code == 1
    assert record["caption"] is None
    assert "000.png: no caption meets the constraints" in str(record["error"])
    assert result.stderr == f"vsa: {record['error']}\n"


@pytest.mark.parametrize("option", ["--avoid", "--require"])
def test_unknown_word_is_reported_with_similar_ones(vsa: Run, drawn: Drawn, option: str) -> None:
    result = vsa("caption", drawn.photos / "000.png", "--model", drawn.model, option, "Trianglee")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"vsa: {option}: the model does not know 'trianglee'; did you mean triangle?\n"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "name photographs"),
        (("x.jpg", "--corpus", "c.json", "--regions-file", "r.h5"), 2, "name photographs"),
        (("--corpus", "c.json"), 2, "--regions-file"),
        (("x.jpg", "--json", "--format", "text"), 2, "contradict"),
        (("x.jpg", "--beam", "0"), 2, "--beam"),
        (("x.jpg", "--beam", "7", "--groups", "3"), 2, "--groups"),
        (("x.jpg", "--top-p", "0"), 2, "--top-p"),
        (
            ("x.jpg", "--sample", "--require", "dog"),
            2,
            "--require applies to beam search only, not to sampling (--sample, --temperature, --top-k, --top-p)",
        ),
        (("x.jpg", "--min-len", "5", "--max-len", "4"), 2, "--min-len 5 is more than --max-len 4"),
        (("x.jpg", "--length-norm", "nan"), 2, "--length-norm"),
        (
            ("x.jpg", "--consensus", "--beam", "6", "--groups", "3"),
            2,
            "--consensus is found within one beam: set --groups",
        ),
        (("x.jpg", "--consensus", "--sample"), 2, "--consensus chooses among the captions of a beam search"),
        (("x.jpg", "--require", "two words"), 2, "one word at a time"),
        (("x.jpg", "--format", "xml"), 2, "--format"),
        (("x.jpg", "--model", "nowhere"), 1, "nowhere"),
        (("x.jpg", "--regions"), 2, "--regions has been renamed to --region-captions"),
    ],
)
def test_usage_errors(
    vsa: Run, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int, words: str
) -> None:
    monkeypatch.delenv("VSA_GEN_MODEL", raising=False)
    result = vsa("caption", *options)
    assert result.exit_code == code
    assert words in result.stderr


def test_renamed_environment_variable_is_refused_unless_a_model_is_named(
    vsa: Run, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = drawn.photos / "000.png"
    monkeypatch.setenv("VSA_MODEL", str(drawn.model))
    refused = vsa("caption", photo)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "vsa: the environment variable VSA_MODEL has been renamed to VSA_GEN_MODEL\n"
    assert vsa("caption", photo, "--model", drawn.model).exit_code == 0
    monkeypatch.setenv("VSA_GEN_MODEL", str(drawn.model))
    assert vsa("caption", photo).exit_code == 0


def test_empty_folder_is_an_error(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
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
def test_cuda_captions_equal_cpu_captions(vsa: Run, drawn: Drawn) -> None:
    options = ("caption", drawn.photos, "--model", drawn.model)
    assert vsa(*options, "--device", "cuda").stdout == vsa(*options, "--device", "cpu").stdout


def test_name_too_long_fails_its_photograph_only(
    vsa_process: Callable[..., subprocess.CompletedProcess[bytes]], drawn: Drawn
) -> None:
    listed = f"{drawn.photos}/000.png\n{drawn.photos}/{'n' * 300}.png\n".encode()
    result = vsa_process("caption", "-", "--model", drawn.model, input=listed)
    assert result.returncode == 3
    assert b"File name too long" in result.stderr
    assert result.stdout.count(b"\n") == 1
