"""`vsa index` and `vsa retrieve --index`: the results of `vsa retrieve`, killed runs, streams of queries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.conftest import Drawn
from tests.page_reader import read_page, with_class
from tests.processes import kill_when
from tests.survival.fork_server import ForkServer

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VSA_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def library(vsa: Run, drawn: Drawn, embed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index") / "library"
    result = vsa("index", drawn.photos, "-o", folder, "-m", embed)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache, in which the first search without an index keeps its regions for the next ones."""
    return tmp_path_factory.mktemp("described")


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, Any]], count: int) -> None:
    """Check the best photographs against all photographs in order; vectors of 16 bits may swap equally good ones."""
    assert len(found) == count
    scores = {one["path"]: one["score"] for one in expected}
    assert [one["rank"] for one in found] == list(range(1, count + 1))
    for one, other in zip(found, expected, strict=False):
        assert one["score"] == pytest.approx(other["score"], abs=5e-3)
        assert one["score"] == pytest.approx(scores[one["path"]], abs=5e-3)
        assert one.keys() == other.keys()
        assert [word["word"] for word in one.get("words", [])] == [word["word"] for word in other.get("words", [])]


@pytest.mark.parametrize("options", [(), ("--exact",), ("--explain", "--top", 3)])
def test_results_are_those_without_an_index(
    vsa: Run, drawn: Drawn, embed: Path, library: Path, described: Path, options: tuple[object, ...]
) -> None:
    own, count = ("--explain",) if "--explain" in options else (), 3 if "--top" in options else 10
    for query in ("a red circle", "there is one blue zeppelin"):
        plain = ("retrieve", query, drawn.photos, "-m", embed, "--cache-dir", described, "--top", 999, "--json")
        expected = json.loads(vsa(*plain, *own).stdout)
        result = vsa("retrieve", query, "--index", library, "-m", embed, *options, "--json")
        assert result.exit_code == 0, result.output
        assert_same(json.loads(result.stdout), expected, count)
        lines = vsa("retrieve", query, "--index", library, "-m", embed, *options, "--format", "jsonl").stdout
        assert_same(list(map(json.loads, lines.splitlines())), expected, count)
    best = vsa("retrieve", "a red circle", "--index", library, "-m", embed, "--exact", "--json")
    text = vsa("retrieve", "a red circle", "--index", library, "-m", embed, "--top", 1).stdout
    score, path = text.splitlines()[0].split("\t")
    assert float(score) == pytest.approx(max(one["score"] for one in json.loads(best.stdout)), abs=1e-4)
    assert Path(path).parent == drawn.photos


def test_fewer_candidates_find_some_of_the_same_photographs(vsa: Run, embed: Path, library: Path) -> None:
    search = ("retrieve", "a red circle", "--index", library, "-m", embed, "--json")
    every = {one["path"]: one["score"] for one in json.loads(vsa(*search, "--exact", "--top", 999).stdout)}
    found = json.loads(vsa(*search, "--candidates", 20).stdout)
    assert len(found) == 10
    assert all(one["score"] == pytest.approx(every[one["path"]], abs=1e-4) for one in found)
    assert len(json.loads(vsa(*search, "--candidates", 1, "--top", 12).stdout)) == 12, "as many as are requested"


def test_page_shows_photographs_also_where_they_have_moved(
    vsa: Run, drawn: Drawn, embed: Path, library: Path, tmp_path: Path
) -> None:
    search = ("retrieve", "a red circle", "--index", library, "-m", embed, "--top", 4, "--format", "html")
    assert len(with_class(read_page(vsa(*search).stdout), "card")) == 4
    shutil.copytree(drawn.photos, tmp_path / "moved")
    result = vsa(*search, "--images", tmp_path / "moved")
    assert (result.exit_code, result.stderr) == (0, "")
    (tmp_path / "empty").mkdir()
    assert vsa(*search, "--images", tmp_path / "empty").exit_code in (1, 3)
    listed = vsa("retrieve", "a red circle", "--index", library, "-m", embed, "--images", tmp_path / "moved")
    assert all(line.split("\t")[1].startswith(str(tmp_path / "moved")) for line in listed.stdout.splitlines())


def test_second_run_has_nothing_to_do_and_a_broken_photograph_is_reported(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path
) -> None:
    shutil.copytree(drawn.photos, tmp_path / "photos")
    count = len(list((tmp_path / "photos").iterdir()))
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8 not a photograph")
    run = ("index", tmp_path / "photos", "-o", tmp_path / "library", "-m", embed, "--json")
    first = vsa(*run)
    assert first.exit_code == 3
    assert "broken.jpg" in first.stderr
    expected = {"described": count, "copied": 0, "unchanged": 0, "forgotten": 0, "failed": 1}
    assert json.loads(first.stdout) == {"output": str(tmp_path / "library"), "photographs": count, **expected}
    (tmp_path / "photos" / "broken.jpg").unlink()
    (tmp_path / "photos" / "000.png").unlink()
    second = vsa(*run)
    assert second.exit_code == 0
    assert json.loads(second.stdout)["forgotten"] == 1
    assert json.loads(second.stdout)["unchanged"] == count - 1
    facts = json.loads(vsa("info", tmp_path / "library", "--json").stdout)
    assert (facts["format"], facts["photographs"]) == ("vsa-index", count - 1)


def test_only_broken_photographs_are_an_error(vsa: Run, embed: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    result = vsa("index", tmp_path / "a.jpg", "-o", tmp_path / "library", "-m", embed)
    assert result.exit_code == 1
    assert result.stderr.endswith("vsa: none of the photographs could be read\n")


def test_killed_run_is_continued(vsa: Run, server: ForkServer, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    run = ("index", drawn.photos, "-o", folder, "-m", embed, "--no-cache")
    kill_when(lambda: (folder / "library.json").exists(), server, *run)
    assert vsa(*run).exit_code == 0
    assert json.loads(vsa("info", folder, "--json").stdout)["photographs"] == len(list(drawn.photos.iterdir()))


def test_stored_regions_give_the_same_index_as_photographs(
    vsa: Run, drawn: Drawn, embed: Path, library: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "library"
    stored = ("index", "--corpus", drawn.corpus, "--regions-file", drawn.regions, "-o", folder, "-m", embed)
    assert vsa(*stored).exit_code == 0
    assert json.loads(vsa(*stored, "--json").stdout)["described"] == 0
    of_corpus, of_photos = (
        json.loads(vsa("retrieve", "a red circle", "--index", one, "-m", embed, "--json").stdout)
        for one in (folder, library)
    )
    assert [Path(one["path"]).name for one in of_corpus] == [Path(one["path"]).name for one in of_photos]
    assert json.loads(vsa(*stored, "--split", "val", "-f", "--json").stdout)["photographs"] < len(
        list(drawn.photos.iterdir())
    )


def test_merged_shards_equal_the_whole(vsa: Run, drawn: Drawn, embed: Path, library: Path, tmp_path: Path) -> None:
    for k in (1, 2):
        assert vsa("index", drawn.photos, "-o", tmp_path / str(k), "-m", embed, "--shard", f"{k}/2").exit_code == 0
    assert vsa("index", "--merge", tmp_path / "1", tmp_path / "2", "-o", tmp_path / "all").exit_code == 0
    merged, whole = (
        json.loads(vsa("retrieve", "a blue square", "--index", one, "-m", embed, "--json").stdout)
        for one in (tmp_path / "all", library)
    )
    assert {one["path"] for one in merged} == {one["path"] for one in whole}
    assert [one["score"] for one in merged] == [one["score"] for one in whole]


def test_queries_from_stdin_are_answered_line_by_line(
    vsa_process: Callable[..., subprocess.CompletedProcess[bytes]], embed: Path, library: Path
) -> None:
    lines = b"a red circle\n\n\xff\xfe bad\nzeppelin\n" + b"a " * 9000 + b"\nA blue zeppelin!"
    done = vsa_process("retrieve", "-", "--index", library, "-m", embed, "--top", 2, input=lines)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert [len(answer["results"]) for answer in answers] == [2, 0, 0, 0, 2]
    assert [answer["query"] for answer in answers] == ["a red circle", "", "zeppelin", "", "A blue zeppelin!"]
    assert [answer["error"] is None for answer in answers] == [True, False, False, False, True]
    assert answers[-1]["results"][0]["unknown"] == ["zeppelin"]
    assert done.stderr.count(b"\n") == 3
    assert b"stdin, line 3: " in done.stderr
    strict = vsa_process("retrieve", "-", "--index", library, "-m", embed, "--strict", input=b"a blue zeppelin\n")
    assert strict.returncode == 1
    assert json.loads(strict.stdout)["results"] == []
    assert vsa_process("retrieve", "-", "--index", library, "-m", embed).returncode == 1, "no query"


def test_each_query_is_answered_before_the_next_is_read(
    server: ForkServer, embed: Path, library: Path, tmp_path: Path
) -> None:
    questions, answers = tmp_path / "questions", tmp_path / "answers"
    os.mkfifo(questions)
    os.mkfifo(answers)
    command = ("retrieve", "-", "--index", library, "-m", embed)
    running = server.start(*command, stdin=questions, stdout=answers)
    with questions.open("wb", buffering=0) as asking, answers.open("rb") as answered:
        for query in (b"a red circle\n", b"a blue square\n"):
            asking.write(query)
            assert json.loads(answered.readline())["query"] == query.decode().strip()
        asking.close()
        assert running.wait().code == 0


@pytest.fixture(scope="module")
def sentences(vsa: Run, embed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of sentences, and `index` beside it, an index of them."""
    folder = tmp_path_factory.mktemp("sentences")
    colours, shapes = ("red", "blue", "green", "zeppelin"), ("circle", "square", "triangle", "zeppelin")
    texts = [f"There is one {colour} {shape}." for colour in colours for shape in shapes]
    (folder / "s.txt").write_text("\n".join([*texts, "Zeppelin!"]))
    result = vsa("index", "--sentences", folder / "s.txt", "-o", folder / "index", "-m", embed)
    assert result.exit_code == 0, result.output
    return folder / "s.txt"


def test_sentences_of_an_index_are_ranked_as_those_of_a_file(
    vsa: Run, drawn: Drawn, embed: Path, sentences: Path
) -> None:
    photo = ("retrieve", "--image", drawn.photos / "000.png", "-m", embed)
    found, expected = (
        json.loads(vsa(*photo, *source, "--explain", "--top", 99, "--json").stdout)
        for source in (("--index", sentences.parent / "index"), ("--sentences", sentences))
    )
    assert len(found) == 17
    assert found[-1] == expected[-1] == {"rank": 17, "sentence": "Zeppelin!", "score": None, "unknown": ["zeppelin"]}
    scores = {one["sentence"]: one["score"] for one in expected}
    for one, other in zip(found[:-1], expected[:-1], strict=True):  # vectors of 16 bits may swap equally good ones
        assert one["score"] == pytest.approx(other["score"], abs=5e-3)
        assert one["score"] == pytest.approx(scores[one["sentence"]], abs=5e-3)
        assert one.keys() == other.keys()
    page = read_page(vsa(*photo, "--index", sentences.parent / "index", "--top", 3, "--format", "html").stdout)
    assert len(with_class(page, "line")) == 3
    text = vsa(*photo, "--index", sentences.parent / "index", "--top", 2, "--candidates", 5).stdout
    assert len(text.splitlines()) == 2


def test_sentences_are_added_once_described_and_merged(
    vsa: Run, drawn: Drawn, embed: Path, sentences: Path, tmp_path: Path
) -> None:
    run = ("index", "-o", tmp_path / "index", "-m", embed, "--json", "--sentences")
    first, second = (json.loads(vsa(*run, source).stdout) for source in (sentences, drawn.corpus))
    assert (first["sentences"], first["encoded"]) == (17, 17)
    assert second["sentences"] == 17 + second["encoded"]
    assert json.loads(vsa(*run, drawn.corpus).stdout)["encoded"] == 0
    facts = json.loads(vsa("info", tmp_path / "index", "--json").stdout)
    assert (facts["format"], facts["sentences"]) == ("vsa-index", second["sentences"])
    merge = ("index", "--merge", sentences.parent / "index", tmp_path / "index", "-o", tmp_path / "all", "--json")
    assert json.loads(vsa(*merge).stdout)["sentences"] == second["sentences"]
    (tmp_path / "s.txt").write_text("xyzzy\n")
    assert "no sentence has a word" in vsa(*run, tmp_path / "s.txt").stderr


def test_similar_photographs_are_found_also_for_names_from_a_pipe(
    vsa: Run, drawn: Drawn, embed: Path, library: Path, tmp_path: Path
) -> None:
    photo = drawn.photos / "003.png"
    search = ("retrieve", "--index", library, "-m", embed, "--top", 3, "--image")
    found = json.loads(vsa(*search, photo, "--json").stdout)
    assert found[0]["path"] == str(photo)
    assert found[0]["score"] == pytest.approx(1, abs=2e-3)
    assert len(with_class(read_page(vsa(*search, photo, "--format", "html").stdout), "card")) == 3
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    result = vsa(*search, "-", stdin=f"{photo}\n{tmp_path / 'bad.jpg'}\n")
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
    answers = list(map(json.loads, result.stdout.splitlines()))
    assert [(one["image"], len(one["results"])) for one in answers] == [(str(photo), 3), (str(tmp_path / "bad.jpg"), 0)]
    assert answers[0]["results"] == found
    assert (answers[0]["error"], answers[1]["error"] in result.stderr) == (None, True)
    bad = vsa(*search, tmp_path / "bad.jpg")
    assert (bad.exit_code, bad.stdout, bad.stderr.count("\n")) == (1, "", 1)
    assert vsa(*search, "-", stdin="").exit_code == 1


def test_index_among_photographs_is_pointed_out(
    vsa: Run, drawn: Drawn, embed: Path, library: Path, sentences: Path, tmp_path: Path
) -> None:
    result = vsa("retrieve", "a red circle", library, "-m", embed)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"--index {library}" in result.stderr
    shutil.copy(drawn.photos / "000.png", tmp_path)
    shutil.copytree(library, tmp_path / "library")
    result = vsa("retrieve", "a red circle", tmp_path, "-m", embed)
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert f"--index {tmp_path / 'library'}" in result.stderr
    index = sentences.parent / "index"
    assert "index of sentences" in vsa("retrieve", "a red circle", "--index", index, "-m", embed).stderr
    photo = ("retrieve", "--image", drawn.photos / "000.png", "-m", embed)
    assert vsa(*photo, "--index", index, "--images", tmp_path).exit_code == 2
    assert vsa(*photo, "--index", library, "--explain").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("retrieve", "--image", "a.jpg"), "--image goes with either"),
        (("retrieve", "--image", "a.jpg", "--index", "L", "--sentences", "s.txt"), "--image goes with either"),
        (("retrieve", "--image", "a.jpg", "--index", "L", "--strict"), "--strict goes with"),
        (("retrieve", "--image", "-", "--index", "L", "--format", "html"), "JSON Lines"),
        (("index", "photos/", "--sentences", "s.txt", "-o", "L"), "name photographs"),
        (("index", "--sentences", "s.txt", "--shard", "1/2", "-o", "L"), "--shard goes with"),
        (("index", "--sentences", "s.txt", "--merge", "-o", "L"), "--merge takes"),
        (("retrieve", "a dog", "photos/", "--index", "L"), "name a QUERY"),
        (("retrieve", "--index", "L"), "name a QUERY"),
        (("retrieve", "a dog", "photos/", "--exact"), "--exact goes with --index"),
        (("retrieve", "a dog", "photos/", "--candidates", 5), "--candidates goes with --index"),
        (("retrieve", "a dog", "photos/", "--images", "photos/"), "--images goes with --index"),
        (("retrieve", "a dog", "--index", "L", "--exact", "--candidates", 5), "contradict"),
        (("retrieve", "-", "--index", "L", "--format", "html"), "JSON Lines"),
        (("index", "photos/"), "-o"),
        (("index", "-o", "L"), "name photographs"),
        (("index", "photos/", "--corpus", "c.json", "--regions-file", "r.h5", "-o", "L"), "name photographs"),
        (("index", "photos/", "--corpus", "c.json", "-o", "L"), "go together"),
        (("index", "photos/", "--split", "val", "-o", "L"), "--split goes with"),
        (("index", "a/", "--merge", "--shard", "1/2", "-o", "L"), "--merge takes"),
        (("index", "photos/", "--shard", "3/2", "-o", "L"), "--shard"),
    ],
)
def test_contradictory_options_are_refused(
    vsa: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = vsa(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not (tmp_path / "L").exists()


def test_missing_damaged_and_foreign_indices_are_one_line(
    vsa: Run, drawn: Drawn, embed: Path, library: Path, tmp_path: Path
) -> None:
    search = ("retrieve", "a red circle", "-m", embed, "--index")
    for folder in (tmp_path / "missing", drawn.photos, embed):
        result = vsa(*search, folder)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "vsa index" in result.stderr
    shutil.copytree(library, tmp_path / "library")
    (segment,) = (tmp_path / "library").glob("*.safetensors")
    segment.write_bytes(segment.read_bytes()[:-1])
    for run in ((*search, tmp_path / "library"), ("info", tmp_path / "library")):
        result = vsa(*run)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert "damaged" in result.stderr
    packed = tmp_path / "packed"
    assert vsa("pack", embed, "-o", packed).exit_code == 0
    result = vsa("retrieve", "a red circle", "-m", packed, "--index", library)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "another model" in result.stderr
    assert vsa("index", drawn.photos, "-o", drawn.photos, "-m", embed).exit_code == 2
