from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.corpus import records
from vsa_cli.core.corpus.records import Gathering, Problem, is_id, is_text, relative_file
from vsa_cli.core.errors import DataError


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../a.jpg", "a/../../b.jpg", "..", ".", "", "./", "C:\\photos\\a.jpg", "C:/a.jpg", "\\\\host\\a",
     "a\\..\\..\\b.jpg", "\\a.jpg"],
)  # fmt: skip
def test_paths_that_leave_the_folder_are_refused(name: str) -> None:
    assert relative_file(name) is None


@pytest.mark.parametrize(
    ("name", "plain"),
    [("a.jpg", "a.jpg"), ("./a.jpg", "a.jpg"), ("x//y/./a.jpg", "x/y/a.jpg"), ("a..b.jpg", "a..b.jpg"), ("é:b", "é:b")],
)
def test_other_paths_become_plain(name: str, plain: str) -> None:
    assert relative_file(name) == plain


@given(st.text(st.sampled_from("a./\\C:"), max_size=12))
def test_a_plain_path_stays_below_its_root_and_plain(name: str) -> None:
    plain = relative_file(name)
    if plain is not None:
        assert relative_file(plain) == plain
        assert Path("/root", plain).resolve().is_relative_to("/root")


def test_text_and_ids() -> None:
    assert all(map(is_text, ["", "a", "é", "\U0001f415"]))
    assert not any(map(is_text, ["\0", "\ud800", None, 3, b"a"]))
    assert all(map(is_id, [0, -1, 2**63 - 1, "a"]))
    assert not any(map(is_id, [True, 2**63, 1.0, "", "  ", None, [], "\udcff"]))


def test_problems_are_fit_for_terminals_and_json() -> None:
    problem = Problem("malformed", "a\x1b[31m\n\udcff", "x" * 10_000)
    assert problem.name == "a\\x1b[31m\\n\\udcff"
    assert len(problem.message) == 200
    json.dumps(vars(problem), ensure_ascii=False).encode()


def test_rows_of_one_image_are_joined() -> None:
    gathering = Gathering()
    for raw in ("one", "two"):
        record = gathering.add_image("a.jpg", "a.jpg", "line")
        assert record is not None
        gathering.add_sentence(record, raw, "line")
    (record,) = gathering.records()
    assert record.sentences == {"a.jpg#0": "one", "a.jpg#1": "two"}
    assert gathering.problems == []


def test_the_same_path_written_in_two_ways_is_one_image() -> None:
    gathering = Gathering()
    assert gathering.add_image("./a.jpg", "./a.jpg", "line") is gathering.add_image("a.jpg", "a.jpg", "line")


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (("7", "b.jpg", "train"), "clash"),
        ((7, "a.jpg", "test"), "clash"),
        ((7, "/a.jpg", "train"), "unsafe"),
        ((7, "a.jpg", "trane"), "split"),
        ((7, "a.jpg", 5), "split"),
    ],
)
def test_an_image_named_twice_and_differently_is_left_out_once(second: tuple[object, str, object], kind: str) -> None:
    gathering = Gathering()
    gathering.add_image(7, "a.jpg", "line 1", split="train")
    for _ in range(3):
        assert gathering.add_image(second[0], second[1], "line 2", split=second[2]) is None
    assert gathering.records() == []
    assert [problem.kind for problem in gathering.problems] == [kind]


def test_a_later_row_may_tell_the_split() -> None:
    gathering = Gathering()
    gathering.add_image("a", "a.jpg", "line 1")
    gathering.add_image("a", "a.jpg", "line 2", split="dev")
    assert [record.split for record in gathering.records()] == ["val"]


def test_a_sentence_id_that_differs_is_named_and_the_first_kept() -> None:
    gathering = Gathering()
    record = gathering.add_image("a", "a.jpg", "line 1")
    assert record is not None
    for raw in ("one", "one", "two"):
        gathering.add_sentence(record, raw, "line", "a#0")
    gathering.add_sentence(record, "  ", "line 5")
    gathering.add_sentence(record, None, "line 6")
    assert record.sentences == {"a#0": "one"}
    assert [problem.kind for problem in gathering.problems] == ["clash", "wordless", "malformed"]


def test_problems_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_MOST_PROBLEMS", 3)
    gathering = Gathering()
    for _ in range(3):
        gathering.complain("malformed", "a.json", "no object")
    with pytest.raises(DataError, match="one of more than 3 entries"):
        gathering.complain("malformed", "a.json", "no object")
