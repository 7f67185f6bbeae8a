"""Reader of webdataset shards: tars with `KEY.jpg` and its `KEY.txt`, `KEY.caption` or `KEY.json`.

Only the captions are read here; `corpus.unpack` writes the photographs to the images' folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsa_cli.core.corpus.readers.caption_file import CaptionFile
from vsa_cli.core.corpus.readers.entries import fields_of, sentences_of
from vsa_cli.core.corpus.readers.sidecars import SUFFIXES, add_text
from vsa_cli.core.corpus.records import Record, relative_file
from vsa_cli.core.corpus.tars import DamagedTarError, walk
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.image_formats import is_picture_name, is_system_path
from vsa_cli.core.io.json import parse

_MAX_MEMBER = 1 << 20
"""Limit on a text or JSON of a sample, in bytes; the JSON of img2dataset contains EXIF data and is long."""

_MAX_TEXTS = 1 << 30
"""Limit on all texts of a shard, in bytes, which are in memory until the shard has been read."""


@dataclass
class _Sample:
    """The members with one key: the photographs' names, and by suffix the name and contents of texts and `.json`."""

    photos: list[str] = field(default_factory=list)
    texts: dict[str, tuple[str, bytes]] = field(default_factory=dict)


def read_webdataset(captions: CaptionFile) -> None:
    """Read a shard; an image's id is SHARD/NAME, because keys are unique only within their shard.

    The sentences of a sample are the lines of its .txt and of its .caption, and those of its .json, each once.

    Raises:
        DataError: not an uncompressed tar, or nothing in it can be read.
    """
    samples: dict[str, _Sample] = {}
    try:
        _collect(captions, samples)
    except DamagedTarError as error:
        if not samples:
            raise
        damage = str(error).removeprefix(f"{captions.path}: ")
        captions.collector.report("malformed", captions.path.name, f"{damage}: only what precedes the damage is read")
    for key, sample in samples.items():
        _add_sample(captions, key, sample)


def _collect(captions: CaptionFile, samples: dict[str, _Sample]) -> None:
    held = 0
    for member in walk(captions.path):
        key, kind = _split(member.name)
        is_picture = is_picture_name(f"photo{kind}") and kind.count(".") == 1
        if is_system_path(member.name) or not (is_picture or kind in (*SUFFIXES, ".json")):
            continue
        where = captions.where(member.name)
        if not member.is_file:
            captions.collector.report("unsafe", where, "is a link or a device, not a file: left out")
            continue
        sample = samples.setdefault(key, _Sample())
        if sample.photos if is_picture else kind in sample.texts:
            captions.collector.report("clash", where, "duplicate for its key: left out")
        elif is_picture:
            sample.photos.append(member.name)
        else:
            sample.texts[kind] = member.name, member.read(_MAX_MEMBER + 1)
            held += member.size
            if held > _MAX_TEXTS:
                raise DataError(f"{captions.path}: more than {_MAX_TEXTS} bytes of texts")


def _split(name: str) -> tuple[str, str]:
    """The key and the suffix, in lower case, of a member: `a/0001` and `.jpg`; a key ends at the first dot."""
    folder, slash, base = name.rpartition("/")
    key, dot, kind = base.partition(".")
    return folder + slash + key, (dot + kind).lower()


def _add_sample(captions: CaptionFile, key: str, sample: _Sample) -> None:
    where = captions.where(key)
    if not sample.photos and captions.images is not None:
        captions.collector.report("missing", where, "no photograph has this key")
        return
    name = sample.photos[0] if sample.photos else key
    facts = _facts(captions, sample)
    safe = relative_file(name)
    file = (
        place_of(captions.path, safe) if safe else name
    )  # the prefix must not turn an absolute path into a relative one
    split = facts.get("split") or captions.fallback_split(safe or name)
    record = captions.collector.add_image(file, file, where, split=split)
    if record is not None:
        _add_sentences(captions, record, sample, facts)


def _facts(captions: CaptionFile, sample: _Sample) -> dict[str, Any]:
    name, data = sample.texts.get(".json", ("", b"{}"))
    facts = parse(data) if len(data) <= _MAX_MEMBER else None
    if isinstance(facts, dict):
        return fields_of(facts)
    captions.collector.report("malformed", captions.where(name), "is not a JSON object")
    return {}


def _add_sentences(captions: CaptionFile, record: Record, sample: _Sample, facts: dict[str, Any]) -> None:
    texts = [sample.texts[kind] for kind in SUFFIXES if kind in sample.texts]
    for name, data in texts:
        add_text(captions, record, data, captions.where(name))
    known = set(record.sentences.values())
    for raw in sentences_of(facts):
        if not (isinstance(raw, str) and raw.strip() in known):
            captions.collector.add_sentence(record, raw, captions.where(sample.texts[".json"][0]))
    if not record.sentences and not texts:
        captions.collector.report("no-sentence", record.key, "its key has no sentence: kept without one")


def place_of(shard: Path, name: str) -> str:
    """The path of a shard's photograph in the images' folder; `flickr-000000.tar` has the subfolder of that name."""
    return f"{shard.name.removesuffix('.tar')}/{name}"
