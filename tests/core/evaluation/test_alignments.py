from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.evaluation.alignments import evaluate_alignments
from vsa_cli.core.evaluation.entities import read_entities
from vsa_cli.core.evaluation.inputs import open_input
from vsa_cli.core.evaluation.results import Evaluation
from vsa_cli.core.io.envelope import Envelope

REGIONS = [[0, 0, 100, 50], [0, 0, 40, 50], [60, 0, 100, 50]]

ENTITIES = {
    "file": "1.jpg", "width": 200, "height": 100, "split": "val",
    "entity_sentences": [
        {"tokens": "A cat sleeps .", "phrases": [{"id": "9", "start": 0, "end": 2}]},
        {"tokens": "A dog's ball , on a T-shirt .", "phrases": [
            {"id": "1", "start": 0, "end": 2, "types": ["animals"]},
            {"id": "2", "start": 4, "end": 7},
            {"id": "3", "start": 2, "end": 3},
        ]},
    ],
    "boxes": {"1": [[0, 0, 40, 100], [40, 0, 80, 90]], "2": [[120, 0, 200, 100]], "9": [[0, 0, 9, 9]]},
}  # fmt: skip

SENTENCE = {
    "image_id": "1.jpg", "sentence_id": "1.jpg#3", "width": 100, "height": 50, "boxes": REGIONS,
    "tokens": ["a", "dogs", "ball", "on", "a", "tshirt"], "positions": [0, 1, 2, 4],
    "scores": [[0, 1, 0], [0, 5, 0], [9, 0, 0], [0, 2, 1]], "choice": [1, 1, 0, 2],
}  # fmt: skip


def write(path: Path, lines: list[Any]) -> Path:
    envelope = Envelope("vsa-alignments", 1, {"split": "val", "beta": 1.0}).to_dict()
    path.write_text("".join(json.dumps(line) + "\n" for line in [envelope, *lines]), encoding="utf-8")
    return path


def boxes(path: Path, entries: list[Any]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
    return path


def evaluate(tmp_path: Path, lines: list[Any], entries: list[Any] | None = None, samples: int = 200) -> Evaluation:
    entities = read_entities(boxes(tmp_path / "e.jsonl.gz", [ENTITIES] if entries is None else entries))
    return evaluate_alignments(open_input(write(tmp_path / "a.jsonl", lines)), entities, samples=samples)


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_boxes_are_read_from_a_pipe(tmp_path: Path, gzipped: bool) -> None:
    data = boxes(tmp_path / "e.jsonl.gz", [ENTITIES]).read_bytes()
    os.mkfifo(tmp_path / "pipe")
    content = data if gzipped else gzip.decompress(data)
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(content), daemon=True)
    writer.start()
    assert list(read_entities(tmp_path / "pipe")) == ["1.jpg"]
    writer.join()


def test_sentences_are_matched_by_words_and_boxes_are_scaled(tmp_path: Path) -> None:
    """Two phrases have boxes: `a dog's` is located by both predictors, `on a T-shirt` only by the MRF."""
    found = evaluate(tmp_path, [SENTENCE])
    assert found.head == {"split": "val", "n_images": 1, "n_phrases": 2}
    assert (found.scores["pointing"], found.scores["iou@0.5"]) == (50, 50)
    assert (found.scores["mrf_pointing"], found.scores["mrf_iou@0.5"]) == (100, 100)
    assert found.scores["ceiling_iou@0.5"] == 100
    assert [row["phrase"] for row in found.rows] == ["a dogs", "on a tshirt"]
    assert found.extra["mrf_pointing_minus_pointing"] == 50
    assert (found.extra["pointing_low"], found.extra["pointing_high"]) == (50, 50)
    assert [note.message.split(" ")[0] for note in found.notes] == ["1"]  # the cat's sentence was not aligned


def test_equal_sentences_of_an_image_are_matched_once_each(tmp_path: Path) -> None:
    found = evaluate(tmp_path, [SENTENCE, SENTENCE, {**SENTENCE, "image_id": "other.jpg"}])
    assert found.head["n_phrases"] == 2
    assert [(note.message[:22], note.names, note.kind) for note in found.notes[:2]] == [
        ("1 aligned sentences of", ("other.jpg",), "problem"), ("1 aligned sentences th", ("1.jpg",), "info")
    ]  # fmt: skip
    assert found.notes[0].message.endswith("without ground-truth boxes (left out)")


@pytest.mark.parametrize("name", ["./1.jpg", r"photos\1.JPG", "1", 1, "1.0", "/data/photos/1.jpg"])
def test_images_are_matched_with_their_boxes_whatever_the_spelling(tmp_path: Path, name: object) -> None:
    found = evaluate(tmp_path, [{**SENTENCE, "image_id": name}], [ENTITIES])
    assert found.head["n_phrases"] == 2


def test_two_names_of_one_image_share_its_sentences(tmp_path: Path) -> None:
    found = evaluate(tmp_path, [SENTENCE, {**SENTENCE, "image_id": "./1.jpg"}])
    assert found.head["n_phrases"] == 2


def test_phrases_with_no_known_word_are_wrong(tmp_path: Path) -> None:
    found = evaluate(tmp_path, [{**SENTENCE, "positions": [], "scores": [], "choice": []}])
    assert found.scores["pointing"] == found.scores["mrf_iou@0.5"] == 0
    assert found.scores["ceiling_pointing"] == 100


def test_intervals_resample_images_and_are_optional(tmp_path: Path) -> None:
    entries = [{**ENTITIES, "file": f"{n}.jpg"} for n in range(30)]
    moved = [[9, 0, 0], [9, 0, 0], [9, 0, 0], [0, 0, 1]]
    lines = [{**SENTENCE, "image_id": f"{n}.jpg"} | ({"scores": moved} if n % 3 else {}) for n in range(30)]
    found = evaluate(tmp_path, lines, entries)
    assert found.extra["pointing_low"] <= found.scores["pointing"] <= found.extra["pointing_high"]
    assert "pointing_low" not in evaluate(tmp_path, lines, entries, samples=0).extra
    assert found.sample.measure(np.ones((1, 30)))["pointing"][0] == pytest.approx(found.scores["pointing"])


@pytest.mark.parametrize(
    "change",
    [
        {"image_id": None}, {"width": 0}, {"height": "5"}, {"boxes": []}, {"boxes": [[1, 2, 3]]}, {"tokens": [1]},
        {"positions": [0, 1, 2, 6]}, {"positions": [0]}, {"choice": [3, 0, 0, 0]}, {"choice": [0, 0, 0, True]},
        {"scores": [[0, 1]] * 4}, {"scores": [[0, 1, "x"]] * 4}, {"scores": [[0, 1, 10**400]] * 4}, {"scores": None},
        {"boxes": [[0, 0, float("nan"), 1]] * 3}, {"positions": None},
    ],
)  # fmt: skip
def test_damaged_line_is_reported_with_its_number(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match="line 3"):
        evaluate(tmp_path, [SENTENCE, {**SENTENCE, **change}])


def test_no_matching_sentence_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sentence matches one with ground-truth boxes"):
        evaluate(tmp_path, [{**SENTENCE, "tokens": ["other"] * 6}])


@pytest.mark.parametrize(
    "change",
    [
        {"file": 3}, {"width": 0}, {"height": None}, {"boxes": []}, {"entity_sentences": 3}, {"boxes": {"1": [[1]]}},
        {"entity_sentences": [3]}, {"entity_sentences": [{"tokens": "a", "phrases": [3]}]},
        {"entity_sentences": [{"tokens": "a", "phrases": [{"id": "1", "start": 0, "end": 2}]}]},
    ],
)  # fmt: skip
def test_damaged_entity_is_reported_with_its_line(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="line 2"):
        read_entities(boxes(tmp_path / "e.gz", [ENTITIES, {**ENTITIES, "file": "2.jpg", **change}]))


def test_unreadable_boxes_are_reported_with_their_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="duplicate image"):
        read_entities(boxes(tmp_path / "e.gz", [ENTITIES, ENTITIES]))
    (tmp_path / "cut.gz").write_bytes(boxes(tmp_path / "e.gz", [ENTITIES]).read_bytes()[:40])
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8bnonsense")
    (tmp_path / "none").write_bytes(b"")
    for name in ("cut.gz", "bad.gz", "none", "nowhere"):
        with pytest.raises(DataError, match=name):
            read_entities(tmp_path / name)
