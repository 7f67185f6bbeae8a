from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli.core.config import PrepConfig
from vsa_cli.core.corpus.corpus import Corpus, Image, Sentence, read_corpus, write_corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError, VsaError
from vsa_cli.core.io.envelope import CORPUS, VERSIONS, Envelope, to_dict

ENVELOPE = Envelope(
    CORPUS, VERSIONS[CORPUS], to_dict(PrepConfig()), {"captions[0]": {"format": "csv", "sha256": "a" * 64}}, 7
)


def tiny(root: Path) -> Corpus:
    images = (
        Image(1, "a.jpg", 30, 20, "0" * 64, "train", (Sentence("x", "A dog\n.", ("a", "dog")), Sentence("y", "…", ()))),
        Image("zwei", "sub/ü b.jpg", 1, 2, "1" * 64, "val", ()),
    )
    return Corpus(ENVELOPE, root, images, Vocabulary(("a", "dog"), (1, 1), "drop"))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for file in ("a.jpg", "sub/ü b.jpg"):
        (tmp_path / "photos" / file).touch()
    write_corpus(tmp_path / "out" / "corpus.json", tiny(tmp_path / "photos"))
    return tmp_path / "out" / "corpus.json"


def test_written_corpus_is_read_back_unchanged(tmp_path: Path, written: Path) -> None:
    corpus = read_corpus(written)
    again = write_corpus(written, corpus)
    assert corpus == again == read_corpus(written)
    assert (corpus.images, corpus.vocabulary) == (tiny(tmp_path).images, tiny(tmp_path).vocabulary)
    assert corpus.envelope == ENVELOPE
    assert corpus.sha256 == hashlib.sha256(written.read_bytes()).hexdigest()
    assert [image.key for image in corpus.images] == ["1", "zwei"]


def test_paths_in_the_file_are_relative_and_the_folder_can_be_moved(tmp_path: Path, written: Path) -> None:
    assert str(tmp_path) not in written.read_text(encoding="utf-8")
    assert json.loads(written.read_text(encoding="utf-8"))["root"] == "../photos"
    home = tmp_path / "moved" / "here"
    home.mkdir(parents=True)
    for folder in ("out", "photos"):
        shutil.move(tmp_path / folder, home / folder)
    corpus = read_corpus(home / "out" / "corpus.json")
    assert all(corpus.path(image).is_file() for image in corpus.images)


def test_links_in_parent_folders_are_resolved(tmp_path: Path, written: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er", target_is_directory=True)
    (tmp_path / "linked.json").symlink_to(written)
    write_corpus(tmp_path / "link" / "corpus.json", tiny(tmp_path / "photos"))
    for path in (tmp_path / "link" / "corpus.json", tmp_path / "linked.json"):
        corpus = read_corpus(path)
        assert all(corpus.path(image).is_file() for image in corpus.images)


def test_linked_photo_folder_is_recorded_under_its_own_name(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "photos").symlink_to(elsewhere, target_is_directory=True)
    write_corpus(tmp_path / "home" / "corpus.json", tiny(tmp_path / "home" / "photos"))
    assert '"root": "photos"' in (tmp_path / "home" / "corpus.json").read_text(encoding="utf-8")


def test_photo_folder_can_be_replaced(tmp_path: Path, written: Path) -> None:
    corpus = read_corpus(written, images=tmp_path / "other")
    assert corpus.path(corpus.images[0]) == tmp_path / "other" / "a.jpg"


def test_split_by_name_and_alias(written: Path) -> None:
    corpus = read_corpus(written)
    assert [image.key for image in corpus.split("train")] == ["1"]
    assert corpus.split("val") == [corpus.images[1]]
    assert corpus.split("dev") == corpus.split("Validation") == corpus.split("valid") == corpus.split("val")
    assert corpus.split("all") == list(corpus.images)
    assert corpus.split_sizes() == {"train": 1, "val": 1}
    with pytest.raises(DataError, match="train 1, val 1"):
        corpus.split("test")
    for name in ("trian", "restval", ""):
        with pytest.raises(ConfigError, match=rf"^`split` {name}: .* train, tune, val \(or dev\), test, all$"):
            corpus.split(name)


def test_corpus_without_train_split_has_no_vocabulary(tmp_path: Path) -> None:
    write_corpus(tmp_path / "c.json", Corpus(ENVELOPE, tmp_path, tiny(tmp_path).images[1:], None))
    assert read_corpus(tmp_path / "c.json").vocabulary is None


def test_root_that_is_not_utf8_raises(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="UTF-8"):
        write_corpus(tmp_path / "c.json", tiny(tmp_path / "\udcff"))
    assert not (tmp_path / "c.json").exists()


def _image(name: str, value: Any) -> Callable[[Any], None]:
    return lambda data: data["images"][0].__setitem__(name, value)


def _sentence(name: str, value: Any) -> Callable[[Any], None]:
    return lambda data: data["images"][0]["sentences"][0].__setitem__(name, value)


def _top(name: str, value: Any) -> Callable[[Any], None]:
    return lambda data: data.__setitem__(name, value)


@pytest.mark.parametrize(
    "damage",
    [
        *(_image("file", value) for value in ("/etc/x", "../a", "a/../../b", "C:\\a", "", 3, None, "a\0", "./a", [])),
        *(_image("image_id", value) for value in (None, 1.5, True, [], "", "zwei", "\ud800", float("nan"), 2**70)),
        *(_image("width", value) for value in (0, -1, "3", 2.0, True, None, float("nan"), 2**40)),
        *(_image("height", value) for value in (0, None, [])),
        *(_image("sha256", value) for value in ("", "x" * 64, 5, None, "A" * 64, "0" * 65)),
        *(_image("split", value) for value in ("dev", "restval", "", None, [], {})),
        *(_image("sentences", value) for value in (None, {}, [3], [None], "x")),
        *(_sentence("sentence_id", value) for value in (None, 3, [], "y")),
        *(_sentence("raw", value) for value in (None, 3, "\ud800")),
        *(_sentence("tokens", value) for value in (None, "a dog", [3], [None], {"a": 1}, ["\udfff"])),
        *(_top("images", value) for value in (None, {}, 3, [3], [[]], "x")),
        *(_top("root", value) for value in (None, "/photos", 3, "\ud800", "a\0")),
        *(_top("vocabulary", value) for value in (3, [], {}, {"words": []})),
        *(_top("format", value) for value in (None, "vsa-regions", 3)),
        *(_top("version", value) for value in (None, 2, 0, "1", 1.5)),
        *(_top("config", value) for value in (None, [], {"other": 1}, {"min_count": "5"}, {"unknown": []})),
        *(_top("parents", value) for value in (None, [], {"a": 3})),
    ],
)  # fmt: skip
def test_damage_raises_one_line_with_the_file_name(written: Path, damage: Callable[[Any], None]) -> None:
    data = json.loads(written.read_text(encoding="utf-8"))
    damage(data)
    written.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ArtifactError) as caught:
        read_corpus(written)
    assert str(caught.value).startswith(str(written))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "NaN", "[" * 200_000, '{"format": "vsa-corpus"}', '"x"'])
def test_files_that_are_not_a_corpus_raise(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises((DataError, ArtifactError), match=r"c\.json"):
        read_corpus(tmp_path / "c.json")
    for path in (tmp_path, tmp_path / "absent.json"):
        with pytest.raises(DataError):
            read_corpus(path)


def check_one_line(error: VsaError) -> None:
    assert "\n" not in str(error)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.none(), max_size=2)


def _places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [at, *(place for key in keys for place in _places(node[key], (*at, key)))]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_anywhere_is_read_or_raises_one_line(tmp_path: Path, data: st.DataObject) -> None:
    write_corpus(tmp_path / "c.json", tiny(tmp_path))
    document = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    place = data.draw(st.sampled_from(_places(document)[1:]))
    node = document
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = data.draw(VALUES)
    (tmp_path / "c.json").write_text(json.dumps(document), encoding="utf-8")
    try:
        corpus = read_corpus(tmp_path / "c.json")
    except VsaError as error:
        check_one_line(error)
    else:
        write_corpus(tmp_path / "again.json", corpus)
