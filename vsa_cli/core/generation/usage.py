"""Which options of `vsa caption` go together, told before anything is read. Knows no files and no models."""

from __future__ import annotations

from dataclasses import dataclass

from vsa_cli.core.config import Baseline, CaptionFormat, DecodingConfig
from vsa_cli.core.errors import ConfigError


@dataclass(frozen=True)
class Usage:
    """What was asked for; where nothing more is needed, whether it was."""

    photos: bool
    corpus: bool
    regions_file: bool
    split: bool
    baseline: Baseline | None
    decoding: DecodingConfig
    regions: bool
    region_options: bool
    kind: CaptionFormat
    output: bool
    sidecar: bool
    annotate: bool
    resume: bool


def check_usage(asked: Usage) -> None:
    """See that options agree with one another.

    Raises:
        UsageError: they do not.
    """
    if asked.corpus != asked.regions_file:
        raise ConfigError("--corpus and --regions-file go together")
    if asked.baseline is not None:
        _check_baseline(asked)
    elif asked.photos == asked.corpus:
        raise ConfigError("name photographs (files, folders, - for a list), or a --corpus with its --regions-file")
    if asked.split and asked.photos:
        raise ConfigError("--split chooses what to caption of a --corpus; with photographs there is nothing to choose")
    if asked.region_options and not asked.regions:
        raise ConfigError("--min-logprob and --top-regions go with --regions")
    if asked.regions and asked.kind == "coco" and not asked.annotate:
        raise ConfigError("--format coco has no place for --regions; take json, jsonl, csv or html")
    if asked.sidecar and not asked.photos:
        raise ConfigError("--sidecar goes with photographs, not with a --corpus")
    if asked.resume:
        _check_resume(asked)


def _check_baseline(asked: Usage) -> None:
    if not asked.corpus:
        raise ConfigError("--baseline takes its sentences from a --corpus with its --regions-file: name them")
    if asked.regions:
        raise ConfigError("--regions are captioned by a model, not by --baseline")
    if asked.decoding != DecodingConfig(nbest=asked.decoding.nbest):
        raise ConfigError("--baseline searches nothing: of the options of the search it takes --nbest alone")


def _check_resume(asked: Usage) -> None:
    lines = asked.kind == "jsonl" and asked.output
    if not asked.photos or lines == asked.sidecar or (asked.output and not lines):
        raise ConfigError(
            "--resume goes on with photographs by -o FILE of --format jsonl, or by --sidecar: by one of them"
        )
