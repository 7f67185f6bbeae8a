"""Captions as other programs read them: text, JSON, JSON Lines, COCO results, CSV. Knows no model.

A record of `json` and `jsonl`::

    {"path", "image_id", "caption", "logprob", "candidates": [{"caption", "logprob"}],
     "regions": [{"box": [x1, y1, x2, y2], "caption", "logprob"}], "error"}

with `candidates` only where several were asked for, `regions` only where they were, and null caption and logprob
beside an error; a baseline's logprob is null. Candidates stand best first, which under `--length-norm` is not by
falling log-probability; drawn ones stand as they were drawn. Regions stand surest first, by the mean
log-probability of a word; boxes are in pixels of the upright original.

`text` has a line for each candidate, then one for each region with its box in a further column. `csv` likewise: the
first row of a photograph is its caption; `x1` to `y2` are there where regions were asked for, and empty where the
caption is of the whole photograph.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from vsa_cli.core.config import CaptionFormat
from vsa_cli.core.generation.results import Box, CaptionResult
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.sources import show_path

_SIDES = ("x1", "y1", "x2", "y2")


def format_captions(
    captioned: Iterable[CaptionResult], kind: CaptionFormat, *, nbest: int, regions: bool, alone: bool
) -> Iterator[str]:
    """Lines of output, each as soon as it can be made.

    Args:
        captioned: what became of each photograph.
        kind: the format, but for html.
        nbest: how many candidates were asked for.
        regions: whether captions of regions were asked for.
        alone: exactly one file was named: text is then the caption without its path.
    """
    if kind == "text":
        for one in captioned:
            yield from _text(one, alone)
    elif kind == "csv":
        yield from _table(captioned, regions=regions)
    elif kind == "jsonl":
        for one in captioned:
            yield dump_json(_record(one, nbest))
    elif kind == "json":
        yield dump_json([_record(one, nbest) for one in captioned], indent=1)
    else:
        results = [
            {"image_id": one.photo.image_id, "caption": one.candidates[0].caption}
            for one in captioned
            if one.candidates
        ]
        yield dump_json(results)


def _text(one: CaptionResult, alone: bool) -> Iterator[str]:
    prefix = "" if alone else show_path(one.photo.path) + "\t"
    for candidate in one.candidates:
        yield prefix + candidate.caption
    for region in one.regions or ():
        yield f"{prefix}{region.caption}\t{','.join(f'{side:g}' for side in _rounded(region.box))}"


def _record(one: CaptionResult, nbest: int) -> dict[str, Any]:
    best = one.candidates[0] if one.candidates else None
    record: dict[str, Any] = {
        "path": one.photo.path,
        "image_id": one.photo.image_id,
        "caption": best.caption if best else None,
        "logprob": best.logprob if best else None,
    }
    if nbest > 1:
        record["candidates"] = [{"caption": c.caption, "logprob": c.logprob} for c in one.candidates]
    if one.regions is not None:
        record["regions"] = [
            {"box": _rounded(region.box), "caption": region.caption, "logprob": region.logprob}
            for region in one.regions
        ]
    return record | {"error": one.error}


def _table(captioned: Iterable[CaptionResult], *, regions: bool) -> Iterator[str]:
    sides = _SIDES if regions else ()
    yield _row("path", "image_id", "caption", "logprob", *sides, "error")
    for one in captioned:
        name = (one.photo.path, one.photo.image_id)
        for candidate in one.candidates:
            yield _row(*name, candidate.caption, candidate.logprob, *("" for _ in sides), one.error)
        for region in one.regions or ():
            yield _row(*name, region.caption, region.logprob, *_rounded(region.box), one.error)
        if not one.candidates:
            yield _row(*name, "", "", *("" for _ in sides), one.error)


def _row(*cells: str | float | None) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["" if cell is None else cell for cell in cells])
    return line.getvalue()


def _rounded(box: Box) -> list[float]:
    """To hundredths of a pixel."""
    return [round(side, 2) for side in box]
