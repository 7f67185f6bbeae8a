from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.corpus import records
from vsa_cli.core.corpus.records import Collector, Problem, is_id, relative_file
from vsa_cli.core.errors import DataError


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../a.jpg", "a/../../b.jpg", "..", ".", "", "./", "C:\\photos\\a.jpg", "C:/a.jpg", "\\\\host\\a",
     "a\\..\\..\\b.jpg", "\\a.jpg"],
)  # fmt: skip
def test_relative_file_is_none_for_paths_outside_the_folder(name: str) -> None:
    assert relative_file(name) is None


@pytest.mark.parametrize(
    ("name", "plain"),
    [("a.jpg", "a.jpg"), ("./a.jpg", "a.jpg"), ("x//y/./a.jpg", "x/y/a.jpg"), ("a..b.jpg", "a..b.jpg"), ("é:b", "é:b")],
)
def test_relative_file_normalises_other_paths(name: str, plain: str) -> None:
    assert relative_file(name) == plain


@given(st.text(st.sampled_from("a./\\C:"), max_size=12))
def test_relative_file_stays_below_its_root_and_is_idempotent(name: str) -> None:
    plain = relative_file(name)
    if plain is not None:
        assert relative_file(plain) == plain
        assert Path("/root", plain).resolve().is_relative_to("/root")


def test_is_id() -> None:
    assert all(map(is_id, [0, -1, 2**63 - 1, "a"]))
    assert not any(map(is_id, [True, 2**63, 1.0, "", "  ", None, [], "\udcff"]))


def test_problems_are_printable_and_bounded() -> None:
    problem = Problem("malformed", "a\x1b[31m\n\udcff", "x" * 10_000)
    assert problem.name == "a\\x1b[31m\\n\\udcff"
    assert len(problem.message) == 200
    json.dumps(vars(problem), ensure_ascii=False).encode()


def test_rows_of_one_image_are_joined() -> None:
    collector = Collector()
    for raw in ("one", "two"):
        record = collector.add_image("a.jpg", "a.jpg", "line")
        assert record is not None
        collector.add_sentence(record, raw, "line")
    (record,) = collector.records()
    assert record.sentences == {"a.jpg#0": "one", "a.jpg#1": "two"}
    assert collector.problems == []


def test_equal_paths_in_two_spellings_are_one_image() -> None:
    collector = Collector()
    assert collector.add_image("./a.jpg", "./a.jpg", "line") is collector.add_image("a.jpg", "a.jpg", "line")


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (("7", "b.jpg", "train"), "clash"),
        ((7, "a.jpg", "test"), "clash"),
        ((7, "/a.jpg", "train"), "unsafe"),
        ((7, "a.jpg", "trane"), "unknown-split"),
        ((7, "a.jpg", 5), "unknown-split"),
    ],
)
def test_image_with_contradictory_rows_is_excluded_and_reported_once(
    second: tuple[object, str, object], kind: str
) -> None:
    collector = Collector()
    collector.add_image(7, "a.jpg", "line 1", split="train")
    for _ in range(3):
        assert collector.add_image(second[0], second[1], "line 2", split=second[2]) is None
    assert collector.records() == []
    assert [problem.kind for problem in collector.problems] == [kind]


def test_a_later_row_may_give_the_split() -> None:
    collector = Collector()
    collector.add_image("a", "a.jpg", "line 1")
    collector.add_image("a", "a.jpg", "line 2", split="dev")
    assert [record.split for record in collector.records()] == ["val"]


def test_sentence_id_with_two_texts_is_reported_and_the_first_kept() -> None:
    collector = Collector()
    record = collector.add_image("a", "a.jpg", "line 1")
    assert record is not None
    for raw in ("one", "one", "two"):
        collector.add_sentence(record, raw, "line", "a#0")
    collector.add_sentence(record, "  ", "line 5")
    collector.add_sentence(record, None, "line 6")
    assert record.sentences == {"a#0": "one"}
    assert [problem.kind for problem in collector.problems] == ["clash", "no-words", "malformed"]


def test_too_many_problems_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_MAX_PROBLEMS", 3)
    collector = Collector()
    for _ in range(3):
        collector.report("malformed", "a.json", "no object")
    with pytest.raises(DataError, match="one of more than 3 invalid entries"):
        collector.report("malformed", "a.json", "no object")
