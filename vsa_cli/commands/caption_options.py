"""Which options of `vsa caption` exclude or require each other, checked before anything is read."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from vsa_cli.core.config import CaptionFormat, DecodingConfig
from vsa_cli.options import UsageError

_STORED = "--corpus with its --regions-file"


def check_renamed(*, regions: bool, model_given: bool) -> None:
    """Refuse the spellings of earlier versions.

    Raises:
        UsageError: one is used.
    """
    if regions:
        raise UsageError("--regions has been renamed to --region-captions")
    if not model_given and os.environ.get("VSA_MODEL"):
        raise UsageError("the environment variable VSA_MODEL has been renamed to VSA_GEN_MODEL")


def resolve_format(kind: CaptionFormat | None, *, json: bool) -> CaptionFormat:
    """The output format.

    Raises:
        UsageError: two different ones are requested.
    """
    if json and kind not in (None, "json"):
        raise UsageError(f"--json and --format {kind} contradict each other")
    return "json" if json else kind or "text"


def check_input(photos: Sequence[str], *, corpus: bool, regions_file: bool, split: bool, baseline: bool) -> None:
    """See that either photographs or a stored split are named.

    Raises:
        UsageError: neither, both, or only half of a stored split.
    """
    if corpus != regions_file:
        raise UsageError("--corpus and --regions-file go together")
    if baseline and not corpus:
        raise UsageError(f"--baseline takes its sentences from a corpus: name {_STORED}")
    if not baseline and bool(photos) == corpus:
        raise UsageError(f"name photographs (files, folders, - for a list), or a {_STORED}")
    if split and photos:
        raise UsageError("--split names a split of --corpus to caption; it cannot be combined with photographs")
    if "-" in photos and sys.stdin.isatty():
        raise UsageError("- reads file names from a pipe, and stdin is a terminal")


def check_baseline(decoding: DecodingConfig, *, region_captions: bool) -> None:
    """See that a baseline is not given settings of a model.

    Raises:
        UsageError: it is.
    """
    if region_captions:
        raise UsageError("--region-captions needs a model; it cannot be combined with --baseline")
    if decoding != DecodingConfig(nbest=decoding.nbest):
        raise UsageError("--baseline does not search: of the search options it takes --nbest only")


def check_regions(kind: CaptionFormat, *, region_captions: bool, filters: bool, annotate: bool) -> None:
    """See that captions of regions are requested where they are filtered, and have a place in the output.

    Raises:
        UsageError: they are not, or have none.
    """
    if filters and not region_captions:
        raise UsageError("--min-logprob and --top-regions require --region-captions")
    if region_captions and kind == "coco" and not annotate:
        raise UsageError("--format coco has no place for --region-captions; use json, jsonl, csv or html")


def check_files(kind: CaptionFormat, *, photos: bool, output: bool, sidecar: bool, resume: bool) -> None:
    """See that sidecars have photographs to go beside, and that a run to resume has a record of what is done.

    Raises:
        UsageError: they have not.
    """
    if sidecar and not photos:
        raise UsageError("--sidecar requires photographs; a --corpus has none to write beside")
    lines = kind == "jsonl" and output
    if resume and (not photos or lines == sidecar or (output and not lines)):
        raise UsageError(
            "--resume needs photographs and either -o FILE with --format jsonl, or --sidecar (one of them, not both)"
        )
