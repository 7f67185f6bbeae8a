"""Captions as other programs read them: text, JSON, JSON Lines, COCO results. Knows no model.

A record of `json` and `jsonl`::

    {"path", "image_id", "caption", "logprob", "candidates": [{"caption", "logprob"}], "error"}

with `candidates` only where several were asked for, and null caption and logprob beside an error. Candidates stand
best first, which under `--length-norm` is not by falling log-probability; drawn ones stand as they were drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vsa_cli.core.artifacts import dump_json
from vsa_cli.core.config import CaptionFormat
from vsa_cli.core.generation.captioner import Captioned
from vsa_cli.core.regions.sources import show_path


def format_captions(captioned: Iterable[Captioned], kind: CaptionFormat, *, nbest: int, alone: bool) -> Iterator[str]:
    """Lines of output, each as soon as it can be made.

    Args:
        captioned: what became of each photograph.
        kind: the format.
        nbest: how many candidates were asked for.
        alone: exactly one file was named: text is then the caption without its path.
    """
    if kind in ("text", "jsonl"):
        line: Callable[[Captioned], Iterator[str]] = (
            (lambda one: _text(one, alone)) if kind == "text" else lambda one: iter([dump_json(_record(one, nbest))])
        )
        for one in captioned:
            yield from line(one)
    elif kind == "json":
        yield dump_json([_record(one, nbest) for one in captioned], indent=1)
    else:
        results = [
            {"image_id": one.image_id, "caption": one.candidates[0].caption} for one in captioned if one.candidates
        ]
        yield dump_json(results)


def _text(one: Captioned, alone: bool) -> Iterator[str]:
    prefix = "" if alone else show_path(one.path) + "\t"
    for candidate in one.candidates:
        yield prefix + candidate.caption


def _record(one: Captioned, nbest: int) -> dict[str, Any]:
    best = one.candidates[0] if one.candidates else None
    record: dict[str, Any] = {
        "path": one.path,
        "image_id": one.image_id,
        "caption": best.caption if best else None,
        "logprob": best.logprob if best else None,
    }
    if nbest > 1:
        record["candidates"] = [{"caption": c.caption, "logprob": c.logprob} for c in one.candidates]
    return record | {"error": one.error}
