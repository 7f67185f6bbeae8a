"""Hostile captions, rankings, alignments and references for `vsa evaluate`, and queries for `vsa retrieve`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.survival.cases import ONE_THREAD, Case, CaseFolders, Trap
from tests.survival.hostile_captions import VALUES
from tests.survival.material import Material

BLEU = ("--metric", "BLEU", "--samples", 100)


def cases(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    """All files to score, and all files they are scored against."""
    yield from _captions(made, folders, trap)
    yield from _references(made, folders)
    yield from _lines(made, folders)
    yield from _queries(made, folders)


def _case(name: str, *words: object, codes: tuple[int, ...] = (1,), quick: bool = False, **more: Any) -> Case:
    return Case("scores", name, words, codes, lines=(1, 5), notes=2, quick=quick, **more)


def _score(made: Material, path: Path) -> tuple[object, ...]:
    return ("evaluate", path, "--references", made.corpus, *BLEU, "--quiet")


def _captions(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    good = {"image_id": "000.png", "caption": "a red circle"}
    for name, value in VALUES.items():
        for place in ("image_id", "caption"):
            path = folders.file("captions.json", json.dumps([good, {**good, place: value}]).encode())
            yield _case(f"captions: {place} is {name}", *_score(made, path), codes=(0, 1, 3))
        yield _case(f"captions: all is {name}", *_score(made, folders.file("c.json", json.dumps(value).encode())))
    contents: dict[str, tuple[bytes, tuple[int, ...]]] = {
        "nothing": (b"", (1,)),
        "zeros": (bytes(10_000), (1,)),
        "noise": (bytes(range(256)) * 20, (1,)),
        "deep": (b"[" * 100_000, (1,)),
        "a deep line": (json.dumps(good).encode() + b"\n" + b"[" * 100_000, (0, 3)),
        "cut": (json.dumps([good] * 9).encode()[:-30], (1,)),
        "of unknown images": (json.dumps([{"image_id": "x", "caption": "a"}]).encode(), (1,)),
        "UTF-16": (json.dumps([good]).encode("utf-16"), (0, 3)),
        "a caption of a million words": (json.dumps([{**good, "caption": "a " * 1_000_000}]).encode(), (1,)),
        "NULs in CSV": (b"image_id,caption\n000.png,a\0b\n", (0, 1, 3)),
        "terminal commands": (b"\x1b[2J.png\ta dog\n", (1,)),
        "another artifact": (b'{"format": "vsa-corpus", "version": 1}\n', (1,)),
        "a later version": (b'{"format": "vsa-rankings", "version": 9}\n', (1,)),
    }
    for name, (content, codes) in contents.items():
        yield _case(
            f"captions: {name}", *_score(made, folders.file("c.json", content)), codes=codes, quick=name == "deep"
        )
    endless = folders.file("c.json", b"[")
    with endless.open("r+b") as file:
        file.truncate(8 * 2**30)
    yield _case("captions: 8 GB of zeros", *_score(made, endless))
    yield _case("captions: an endless device", *_score(made, Path("/dev/zero")))
    yield _case("captions: a folder", *_score(made, trap.folder))
    yield _case("captions: noise from a pipe", *_score(made, Path("-")), stdin=bytes(range(256)) * 9)


def _references(made: Material, folders: CaseFolders) -> Iterator[Case]:
    for name, content in {
        "nothing": b"",
        "deep": b"[" * 100_000,
        "NaN": b'{"images": [{"id": NaN}], "annotations": [{"image_id": NaN, "caption": "a"}]}',
        "without sentences": b'{"images": [], "annotations": []}',
        "noise": bytes(range(256)) * 20,
        "UTF-16": '{"000.png": ["a dog"]}'.encode("utf-16"),
        "of other types": b'{"000.png": [1, null, {"a": []}]}',
    }.items():
        path = folders.file("references.json", content)
        words = ("evaluate", made.generated, "--references", path, *BLEU, "--quiet")
        yield _case(f"references: {name}", *words, quick=name == "NaN")
    for option in ("--baseline", "--document-frequencies"):
        for name, content in {
            "nothing": b"",
            "deep": b"[" * 100_000,
            "NaN": b'{"BLEU-1": NaN}',
            "a list": b"[]",
        }.items():
            path = folders.file("given.json", content)
            yield _case(f"{option}: {name}", *_score(made, made.generated), option, path, codes=(0, 1, 2))


def _lines(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """Rankings and alignments: an envelope, then a line per query or sentence."""
    for source, places in (
        (made.rankings, ("direction", "query_id", "best_rank", "top")),
        (made.scores, ("image_id", "boxes", "tokens", "positions", "scores", "choice", "width")),
    ):
        lines = source.read_text().splitlines()
        more = () if source == made.rankings else ("--boxes", folders.file("boxes.jsonl", _phrases(made)))
        for place in places:
            for name, value in {
                **VALUES,
                "NaN": float("nan"),
                "a negative number": -7,
                "infinity": float("inf"),
            }.items():
                changed = json.dumps({**json.loads(lines[2]), place: value})
                path = folders.file(source.name, "\n".join([*lines[:2], changed, *lines[3:]]).encode())
                yield _case(f"{source.stem}: {place} is {name}", "evaluate", path, *more, "--quiet", codes=(0, 1, 3))
        contents = {
            "only its envelope": lines[0],
            "a truncated line": "\n".join(lines)[:-10],
            "a deep line": f"{lines[0]}\n{'[' * 100_000}",
            "an envelope of NaN": lines[0].replace('"seed": 0', '"seed": NaN').replace("{}", '{"a": NaN}', 1),
        }
        if folders.largest:
            contents["a line of 100 MB"] = lines[0] + "\n" + '{"a": "' + "x" * 100_000_000 + '"}'
        for name, content in contents.items():
            path = folders.file(source.name, content.encode())
            yield _case(f"{source.stem}: {name}", "evaluate", path, *more, "--quiet", codes=(0, 1))
    whole = _phrases(made)
    good = json.loads(whole.splitlines()[0])
    for name, value in VALUES.items():
        for place in ("file", "width", "entity_sentences", "boxes"):
            path = folders.file("boxes.jsonl", whole + json.dumps({**good, "file": "x.png", place: value}).encode())
            yield _case(f"boxes of phrases: {place} is {name}", *_grounding(made, path), codes=(0, 1, 3))
    for name, content in {
        "nothing": b"",
        "noise": bytes(range(256)),
        "deep": b"[" * 100_000,
        "compressed, cut": gzip.compress(whole)[:-20],
        "compressed zeros, 2 GB": gzip.compress(bytes(2**20)) * 2048,
        "a duplicate image": whole * 2,
        "code": b"__import__('os').system('true')\n",
    }.items():
        yield _case(f"boxes of phrases: {name}", *_grounding(made, folders.file("boxes.jsonl", content)))


def _grounding(made: Material, boxes: Path) -> tuple[object, ...]:
    return ("evaluate", made.scores, "--boxes", boxes, "--samples", 100, "--quiet")


def _phrases(made: Material) -> bytes:
    """A ground-truth box for the first words of each sentence."""
    lines = []
    for image in json.loads(made.corpus.read_bytes())["images"]:
        phrase = {"id": 1, "start": 0, "end": 2}
        sentences = [{"tokens": sentence["tokens"], "phrases": [phrase]} for sentence in image["sentences"]]
        facts = {name: image[name] for name in ("file", "width", "height")}
        lines.append(json.dumps({**facts, "entity_sentences": sentences, "boxes": {"1": [[4, 4, 60, 60]]}}))
    return "\n".join([*lines, ""]).encode()


def _queries(made: Material, folders: CaseFolders) -> Iterator[Case]:
    photo = made.photos / "000.png"
    model = ("--model", made.embed, "--no-cache", *ONE_THREAD)
    for name, query in {"a million words": "red " * 30_000, "commands": "\x1b[2J red", "markup": "<script>red"}.items():
        yield _case(f"query: {name}", "retrieve", query, photo, *model, codes=(0, 1))
    for name, content in {
        "nothing": b"",
        "noise": bytes(range(256)) * 20,
        "NULs": b"a red\0circle\n",
        "a line of 10 MB": b"red " * 2_500_000,
        "UTF-16": "a red circle\n".encode("utf-16"),
    }.items():
        path = folders.file("sentences.txt", content)
        words = ("retrieve", "--image", photo, "--sentences", path, *model)
        yield _case(f"sentences: {name}", *words, codes=(0, 1, 3), quick=name == "NULs")
