"""Captions in formats for other programs: text, JSON, JSON Lines, COCO results, CSV.

This module does not depend on models and does not write files.

A record of `json` and `jsonl`::

    {"path", "image_id", "caption", "logprob", "confidence", "candidates": [{"caption", "logprob"}],
     "regions": [{"box": [x1, y1, x2, y2], "caption", "logprob", "confidence"}],
     "objects": [{"name", "score", "box": [x1, y1, x2, y2]}], "withheld", "error"}

`candidates` is present only if several were requested, `regions` and `objects` only if they were requested, and
`withheld` only if captions of low confidence are withheld: it has the reason. `caption` and `logprob` are null if there
is an error or the caption is withheld; the `logprob` of a baseline is null. `confidence` is the probability that the
caption is right, null if the model has no calibration or the caption is sampled. Candidates are sorted by the search
score, which `--length-norm` makes differ from the log-probability; sampled ones are in the order drawn. Regions are
sorted by confidence or, if there is none, by mean log-probability per word, highest first. Boxes are in pixels of the
upright original.

`text` has a line for each candidate, then a line for each region with its box in a further column. `csv` has a row for
each candidate and region; the first row of a photograph is its caption, empty if it has none, and further candidates
have no confidence. The columns `x1` to `y2` are present if regions were requested, and empty in the rows of candidates.
`text` and `coco` leave out photographs without a caption.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from vsa_cli.core.config import CaptionFormat
from vsa_cli.core.generation.results import Box, CaptionResult
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.sources import show_path
from vsa_cli.output.console import name_options

_SIDES = ("x1", "y1", "x2", "y2")


class CaptionFormatter:
    """Formats results as lines of output: those of `header`, of each result, and of `footer`.

    Args:
        kind: the format, any but html.
        nbest: candidates requested for each photograph.
        regions: whether captions of regions were requested.
        alone: whether exactly one file was named: text is then the caption without its path.
        withholds: whether captions of low confidence are withheld.
    """

    def __init__(self, kind: CaptionFormat, *, nbest: int, regions: bool, alone: bool, withholds: bool = False) -> None:
        self._kind, self._nbest, self._regions, self._alone = kind, nbest, regions, alone
        self._withholds = withholds
        self._records: list[dict[str, Any]] = []  # json and coco are one document, written at the end

    def header(self) -> Iterator[str]:
        """The lines before the first result."""
        if self._kind == "csv":
            boxes, withheld = _SIDES if self._regions else (), ("withheld",) if self._withholds else ()
            yield _row("path", "image_id", "caption", "logprob", "confidence", *boxes, *withheld, "error")

    def lines(self, result: CaptionResult) -> Iterator[str]:
        """The lines of a result; none if the format is one document, which `footer` returns."""
        if self._kind == "text":
            yield from _text(result, self._alone)
        elif self._kind == "csv":
            yield from _rows(result, regions=self._regions, withholds=self._withholds)
        elif self._kind == "jsonl":
            yield dump_json(_record(result, self._nbest, withholds=self._withholds))
        elif self._kind == "json":
            self._records.append(_record(result, self._nbest, withholds=self._withholds))
        elif result.caption is not None:
            self._records.append({"image_id": result.photo.image_id, "caption": result.caption})

    def footer(self) -> Iterator[str]:
        """The lines after the last result."""
        if self._kind in ("json", "coco"):
            yield dump_json(self._records, indent=1 if self._kind == "json" else None)


def _text(result: CaptionResult, alone: bool) -> Iterator[str]:
    prefix = "" if alone else show_path(result.path) + "\t"
    for candidate in result.candidates:
        yield prefix + candidate.caption
    for region in result.regions or ():
        yield f"{prefix}{region.caption}\t{','.join(f'{side:g}' for side in _rounded(region.box))}"


def _error(result: CaptionResult) -> str | None:
    return name_options(result.error) if result.error is not None else None


def _record(result: CaptionResult, nbest: int, *, withholds: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "path": result.path,
        "image_id": result.photo.image_id,
        "caption": result.caption,
        "logprob": result.logprob,
        "confidence": result.confidence,
    }
    if nbest > 1:
        record["candidates"] = [{"caption": c.caption, "logprob": c.logprob} for c in result.candidates]
    if result.regions is not None:
        record["regions"] = [
            {
                "box": _rounded(region.box),
                "caption": region.caption,
                "logprob": region.logprob,
                "confidence": region.confidence,
            }
            for region in result.regions
        ]
    if result.objects is not None:
        record["objects"] = [
            {"name": one.name, "score": round(one.score, 4), "box": _rounded(one.box)} for one in result.objects
        ]
    if withholds:
        record["withheld"] = result.withheld
    return record | {"error": _error(result)}


def _rows(result: CaptionResult, *, regions: bool, withholds: bool) -> Iterator[str]:
    name = (result.path, result.photo.image_id)
    no_box = [""] * len(_SIDES) if regions else []
    end = ([result.withheld] if withholds else []) + [_error(result)]
    captions = [(candidate.caption, candidate.logprob) for candidate in result.candidates] or [("", None)]
    for place, (caption, logprob) in enumerate(captions):
        yield _row(*name, caption, logprob, None if place else result.confidence, *no_box, *end)
    for region in result.regions or ():
        yield _row(*name, region.caption, region.logprob, region.confidence, *_rounded(region.box), *end)


def _row(*cells: str | float | None) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["" if cell is None else cell for cell in cells])
    return line.getvalue()


def _rounded(box: Box) -> list[float]:
    """The box in hundredths of a pixel."""
    return [round(side, 2) for side in box]
