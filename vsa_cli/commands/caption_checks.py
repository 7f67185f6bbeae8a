"""Checks of the options of `vsa caption`, before anything heavy is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from vsa_cli.core.config import CaptionFormat, DecodingConfig
from vsa_cli.options import UsageError

_STORED_SPLIT = "--corpus with its --regions-file"


def check_renamed(*, regions: bool, model_given: bool) -> None:
    """Refuse the option and the environment variable that earlier versions had.

    Raises:
        UsageError: one of them is used.
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
    """Check that either photographs or a split of a corpus are named.

    Raises:
        UsageError: neither or both are named, or a corpus without its regions.
    """
    if corpus != regions_file:
        raise UsageError("--corpus and --regions-file go together")
    if baseline and not corpus:
        raise UsageError(f"--baseline takes its sentences from a corpus: name {_STORED_SPLIT}")
    if not baseline and bool(photos) == corpus:
        raise UsageError(f"name photographs (files, folders, - for a list), or a {_STORED_SPLIT}")
    if split and photos:
        raise UsageError("--split names a split of --corpus to caption; it cannot be combined with photographs")
    if "-" in photos and sys.stdin.isatty():
        raise UsageError("- reads file names from a pipe, and stdin is a terminal")


def check_baseline(decoding: DecodingConfig, *, region_captions: bool, objects: bool, min_confidence: bool) -> None:
    """Check that no setting of a model is given with a baseline.

    Raises:
        UsageError: one is given.
    """
    if region_captions or objects or min_confidence:
        needing = "--region-captions, --objects and --min-confidence"
        raise UsageError(f"{needing} need a model; they cannot be combined with --baseline")
    if decoding != DecodingConfig(nbest=decoding.nbest):
        raise UsageError("--baseline does not search: of the search options it takes --nbest only")


def check_regions(kind: CaptionFormat, *, region_captions: bool, filters: bool, annotate: bool) -> None:
    """Check that captions of regions are requested if they are filtered, and that the output has a place for them.

    Raises:
        UsageError: filters without captions of regions, or a format without a place for them.
    """
    if filters and not region_captions:
        raise UsageError("--min-logprob and --top-regions require --region-captions")
    if region_captions and kind == "coco" and not annotate:
        raise UsageError("--format coco has no place for --region-captions; use json, jsonl, csv or html")


def check_files(
    kind: CaptionFormat, *, photos: bool, output: bool, sidecar: bool, resume: bool, is_shared: bool
) -> None:
    """Check that sidecars have photographs, and that a run to resume has a record of what is done.

    Raises:
        UsageError: a sidecar is requested without photographs, or a resumed run without such a record.
    """
    if sidecar and not photos:
        raise UsageError("--sidecar requires photographs; a --corpus has none to write beside")
    lines = kind == "jsonl" and output
    if resume and not is_shared and (not photos or lines == sidecar or (output and not lines)):
        raise UsageError(
            "--resume needs photographs and either -o FILE with --format jsonl, or --sidecar (one of them, not both)"
        )
