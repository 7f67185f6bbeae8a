"""The options of `vsa caption` that no other command has: names, ranges, help, and the heading they appear under."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli.core import config
from vsa_cli.core.generation.decoding import MOST_LENGTH_NORM

_REGIONS, _SEARCH, _SAMPLING = "Regions", "Search", "Sampling"
_STORED, _OUTPUT, _RUNTIME = "Stored split", "Output", "Runtime"

Photos = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PHOTO|DIR|-]...", help="Photographs, folders of photographs, or - for a list on stdin."),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model", "-m", metavar="DIR", envvar="VSA_GEN_MODEL", help="Trained generator (default: the bundled one)."
    ),
]
Beam = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Beam size; 1 is greedy decoding.")]
Nbest = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Captions for each photograph, best first.")]
Format = Annotated[config.CaptionFormat | None, typer.Option("--format", help="Output format (default: text).")]
Json = Annotated[bool, typer.Option("--json", help="Same as --format json.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE|DIR", help="Output file instead of stdout; a folder for html."),
]
RegionCaptions = Annotated[
    bool,
    typer.Option(
        "--region-captions", rich_help_panel=_REGIONS, help="Caption regions of each photograph too, with boxes."
    ),
]
MinLogprob = Annotated[
    float | None,
    typer.Option(
        max=0,
        metavar="L",
        rich_help_panel=_REGIONS,
        help="Drop region captions whose mean log-probability per word is lower, in nats.",
    ),
]
TopRegions = Annotated[
    int | None,
    typer.Option(
        min=1, max=1000, metavar="N", rich_help_panel=_REGIONS, help="Region captions kept, most confident first."
    ),
]
LengthNorm = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=MOST_LENGTH_NORM,
        metavar="ALPHA",
        rich_help_panel=_SEARCH,
        help="Rank captions by log p / length^ALPHA (default: set by the model).",
    ),
]
MinLength = Annotated[
    int, typer.Option("--min-len", min=0, max=200, metavar="N", rich_help_panel=_SEARCH, help="Minimum words.")
]
MaxLength = Annotated[
    int,
    typer.Option(
        "--max-len", "--max-length", min=1, max=200, metavar="N", rich_help_panel=_SEARCH, help="Maximum words."
    ),
]
NoRepeatNgram = Annotated[
    int,
    typer.Option(
        min=0,
        max=200,
        metavar="N",
        rich_help_panel=_SEARCH,
        help="Allow no N-gram twice in a caption; 0 allows any.",
    ),
]
Avoid = Annotated[
    list[str] | None,
    typer.Option(metavar="WORD", rich_help_panel=_SEARCH, help="Word that no caption contains; repeatable."),
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORD", rich_help_panel=_SEARCH, help="Word that every caption contains; repeatable, up to 5 times."
    ),
]
Groups = Annotated[
    int,
    typer.Option(
        min=1, max=1000, metavar="G", rich_help_panel=_SEARCH, help="Diverse beam search: split the beam into G groups."
    ),
]
Diversity = Annotated[
    float,
    typer.Option(
        min=0,
        max=100,
        metavar="L",
        rich_help_panel=_SEARCH,
        help="With --groups: penalty for a word that earlier groups chose at this position, in nats.",
    ),
]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample",
        rich_help_panel=_SAMPLING,
        help="Sample captions instead of searching; implied by --temperature, --top-k and --top-p.",
    ),
]
Temperature = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=100,
        metavar="T",
        rich_help_panel=_SAMPLING,
        help="Sampling temperature: below 1 sharper, above 1 more random.",
    ),
]
TopK = Annotated[
    int,
    typer.Option(min=0, metavar="K", rich_help_panel=_SAMPLING, help="Sample from the K most likely words; 0 is all."),
]
TopP = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=1,
        metavar="P",
        rich_help_panel=_SAMPLING,
        help="Nucleus sampling: from the smallest set of most likely words with total probability P; 1 is all.",
    ),
]
Corpus = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", rich_help_panel=_STORED, help="Corpus of which a split is captioned, instead of photographs."
    ),
]
RegionsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", rich_help_panel=_STORED, help="The regions.h5 of --corpus.")
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="SPLIT", rich_help_panel=_STORED, help="Split of --corpus: train, tune, val (default), test or all."
    ),
]
Baseline = Annotated[
    config.Baseline | None,
    typer.Option(
        rich_help_panel=_STORED,
        help="Caption without a model: with a sentence of the most similar image in the train split of --corpus.",
    ),
]
Sidecar = Annotated[
    str | None,
    typer.Option(
        metavar=".SUFFIX",
        rich_help_panel=_OUTPUT,
        help="Text file beside each photograph: with .txt, photo.txt for photo.jpg.",
    ),
]
Annotate = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        rich_help_panel=_OUTPUT,
        help="Folder for copies with captions and boxes drawn on them; later runs over folders skip it.",
    ),
]
BatchSize = Annotated[
    int, typer.Option(min=1, max=4096, metavar="N", rich_help_panel=_RUNTIME, help="Photographs per batch.")
]
Regions = Annotated[bool, typer.Option("--regions", hidden=True, help="Renamed to --region-captions.")]
