"""Reader of webdataset shards: tars in which `KEY.jpg` stands with `KEY.txt`, `KEY.json` or both.

Only what is said is read here; `unpack` brings the photographs to the images' folder, where all else looks for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsa_cli.core.corpus.readers.lines import sentences_of
from vsa_cli.core.corpus.readers.sidecars import add_text
from vsa_cli.core.corpus.readers.source import Source
from vsa_cli.core.corpus.records import Record, relative_file
from vsa_cli.core.corpus.tars import DamagedTarError, walk
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.image_formats import SUFFIXES
from vsa_cli.core.io.json import parse

_LONGEST = 1 << 20
"""Bytes of a sample's text or JSON; img2dataset's JSON holds EXIF and is long."""

_MOST_HELD = 1 << 30
"""Bytes of all a shard's texts, which wait in memory until their photographs have come."""


@dataclass
class _Sample:
    """The members of one key: photographs' names; of `.txt` and `.json`, name and contents."""

    photos: list[str] = field(default_factory=list)
    texts: dict[str, tuple[str, bytes]] = field(default_factory=dict)


def read_webdataset(source: Source) -> None:
    """Read a shard; an image's id is SHARD/NAME, as keys need be unique in their shard only.

    A sample's sentences are the lines of its .txt, and those of its .json that are not among them.

    Raises:
        DataError: not a plain tar, or nothing of it can be read.
    """
    samples: dict[str, _Sample] = {}
    try:
        _collect(source, samples)
    except DamagedTarError as error:
        if not samples:
            raise
        damage = str(error).removeprefix(f"{source.path}: ")
        source.gathering.complain("malformed", source.path.name, f"{damage}: only what stands before is read")
    for key, sample in samples.items():
        _add_sample(source, key, sample)


def _collect(source: Source, samples: dict[str, _Sample]) -> None:
    held = 0
    for member in walk(source.path):
        key, kind = _split(member.name)
        if kind not in (".txt", ".json") and kind not in SUFFIXES:
            continue
        where = source.where(member.name)
        if not member.is_file:
            source.gathering.complain("unsafe", where, "is a link or a device, not a file: left out")
            continue
        sample = samples.setdefault(key, _Sample())
        if sample.photos if kind in SUFFIXES else kind in sample.texts:
            source.gathering.complain("clash", where, "its key has one already: left out")
        elif kind in SUFFIXES:
            sample.photos.append(member.name)
        else:
            sample.texts[kind] = member.name, member.read(_LONGEST + 1)
            held += member.size
            if held > _MOST_HELD:
                raise DataError(f"{source.path}: more than {_MOST_HELD} bytes of texts")


def _split(name: str) -> tuple[str, str]:
    """A member's key and its kind in lower case: `a/0001` and `.jpg`; webdataset's keys end at the first dot."""
    folder, slash, base = name.rpartition("/")
    key, dot, kind = base.partition(".")
    return folder + slash + key, (dot + kind).lower()


def _add_sample(source: Source, key: str, sample: _Sample) -> None:
    where = source.where(key)
    if not sample.photos:
        source.gathering.complain("missing", where, "no photograph has this key")
        return
    (name,) = sample.photos
    facts = _facts(source, sample)
    safe = relative_file(name)
    file = place_of(source.path, safe) if safe else name  # the shard must not make an absolute path harmless
    split = facts.get("split") or source.fallback_split(safe or name)
    record = source.gathering.add_image(file, file, where, split=split)
    if record is not None:
        _add_sentences(source, record, sample, facts)


def _facts(source: Source, sample: _Sample) -> dict[str, Any]:
    name, data = sample.texts.get(".json", ("", b"{}"))
    facts = parse(data) if len(data) <= _LONGEST else None
    if isinstance(facts, dict):
        return facts
    source.gathering.complain("malformed", source.where(name), "is not a JSON object")
    return {}


def _add_sentences(source: Source, record: Record, sample: _Sample, facts: dict[str, Any]) -> None:
    if ".txt" in sample.texts:
        name, data = sample.texts[".txt"]
        add_text(source, record, data, source.where(name))
    said = set(record.sentences.values())
    for raw in sentences_of(facts):
        if not (isinstance(raw, str) and raw.strip() in said):
            source.gathering.add_sentence(record, raw, source.where(sample.texts[".json"][0]))
    if not record.sentences and ".txt" not in sample.texts:
        source.gathering.complain("captionless", record.key, "no sentence of its key: kept without one")


def place_of(shard: Path, name: str) -> str:
    """Where below the images' folder a photograph of a shard goes: `flickr-000000.tar` has its folder there."""
    return f"{shard.name.removesuffix('.tar')}/{name}"
