"""Readers of the JSON caption files: Karpathy's `dataset_*.json` and COCO's `captions_*.json`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from vsa_cli.core.corpus.photo_names import id_text
from vsa_cli.core.corpus.readers.caption_file import CaptionFile
from vsa_cli.core.corpus.records import Record, as_id, is_id
from vsa_cli.core.errors import DataError

Entry = dict[str, Any]


def read_karpathy(captions: CaptionFile, document: object) -> None:
    """Read `{"images": [{"filename", "filepath"?, "cocoid"?, "imgid", "split", "sentences": [...]}]}`.

    An image's id is COCO's if there is one, so that results can be scored with COCO's own tools.

    Raises:
        DataError: the document has no list of images.
    """
    for place, entry in _entries(captions, document, "images"):
        ids = (entry.get(name) for name in ("cocoid", "imgid", "filename"))
        record = captions.collector.add_image(
            next((value for value in ids if value is not None), None),
            entry.get("filename"),
            captions.where(place),
            folder=_folder(entry),
            split=entry.get("split") or captions.split,
        )
        if record is not None:
            _add_karpathy_sentences(captions, record, entry.get("sentences", []), place)


def _folder(entry: Entry) -> str:
    # The folder ("val2014") in Karpathy's files; other files repeat the whole path.
    path = entry.get("filepath")
    if not isinstance(path, str):
        return ""
    return path.removesuffix(str(entry.get("filename"))).rstrip("/") if path else ""


def _add_karpathy_sentences(captions: CaptionFile, record: Record, sentences: object, place: str) -> None:
    if not isinstance(sentences, list):
        captions.collector.report("malformed", captions.where(place), "sentences is not a list")
        return
    for number, sentence in enumerate(sentences):
        where = captions.where(f"{place}.sentences[{number}]")
        if not isinstance(sentence, dict):
            captions.collector.report("malformed", where, "is not an object")
            continue
        captions.collector.add_sentence(record, _raw(sentence), where, sentence.get("sentid"))


def _raw(sentence: Entry) -> object:
    tokens = sentence.get("tokens")
    if "raw" not in sentence and isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
        return " ".join(tokens)
    return sentence.get("raw")


def read_coco(captions: CaptionFile, document: object) -> None:
    """Read `{"images": [{"id", "file_name"}], "annotations": [{"id", "image_id", "caption"}]}`.

    Raises:
        DataError: the document has no list of images, or `annotations` is not a list.
    """
    year = re.search(r"(train|val|test)20\d\d", captions.path.stem)
    records: dict[str, Record | None] = {}
    for place, entry in _entries(captions, document, "images"):
        file = entry.get("file_name")
        split = captions.fallback_split(file if isinstance(file, str) else "")
        folder = year[0] if year else ""
        record = captions.collector.add_image(entry.get("id"), file, captions.where(place), folder=folder, split=split)
        if is_id(as_id(entry.get("id"))):
            records[id_text(entry["id"])] = record
    # Files that only list images, such as image_info_test2014.json, have no annotations.
    if isinstance(document, dict) and "annotations" in document:
        _add_coco_sentences(captions, document, records)


def _add_coco_sentences(captions: CaptionFile, document: Entry, records: dict[str, Record | None]) -> None:
    for place, entry in _entries(captions, document, "annotations"):
        image_id = id_text(entry.get("image_id"))
        if image_id not in records:
            captions.collector.report("malformed", captions.where(place), "its image_id is not among the images")
            continue
        record = records[image_id]
        if record is not None:
            captions.collector.add_sentence(record, entry.get("caption"), captions.where(place), entry.get("id"))


def _entries(captions: CaptionFile, document: object, name: str) -> Iterator[tuple[str, Entry]]:
    entries = document.get(name) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise DataError(f"{captions.path}: has no list {name!r}")
    for number, entry in enumerate(entries):
        if isinstance(entry, dict):
            yield f"{name}[{number}]", entry
        else:
            captions.collector.report("malformed", captions.where(f"{name}[{number}]"), "is not an object")
