"""The options of `vsa caption`: names, ranges, help, and the heading they appear under."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli.core import config
from vsa_cli.core.generation.decoding import MOST_LENGTH_NORM, MOST_REQUIRED
from vsa_cli.options import OUTPUT, RUNTIME, STORED_SPLIT

_REGIONS, _SEARCH = "Regions", "Search and sampling"

Photos = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PHOTO|DIR|-]...", help="Photographs, folders of photographs, or - for file names on stdin."
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        metavar="DIR",
        envvar="VSA_GEN_MODEL",
        help="Caption generator.",
        show_default="$VSA_GEN_MODEL, else the bundled one",
    ),
]
Beam = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Beam size; 1 is greedy decoding.")]
Nbest = Annotated[
    int, typer.Option(min=1, max=1000, metavar="N", help="Number of captions per photograph, best first.")
]
Format = Annotated[
    config.CaptionFormat | None,
    typer.Option(
        "--format",
        rich_help_panel=OUTPUT,
        help="json: one array; jsonl: one object per line.",
        show_default="text",
    ),
]
Json = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Short for --format json.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|DIR",
        rich_help_panel=OUTPUT,
        help="Output file; for html, a folder unless named *.html.",
        show_default="stdout",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        rich_help_panel=OUTPUT,
        help="Continue an interrupted run with -o FILE --format jsonl, or --sidecar.",
    ),
]
Objects = Annotated[
    bool,
    typer.Option(
        "--objects", rich_help_panel=OUTPUT, help="In json, jsonl and html, also name the things that photographs show."
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="P",
        rich_help_panel=OUTPUT,
        help="Withhold captions of lower confidence; see vsa calibrate.",
    ),
]
Style = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_SEARCH,
        help="Style, such as coco.",
        show_default="the corpus's, or the likeliest",
    ),
]
Detector = Annotated[
    config.CaptionDetector,
    typer.Option(rich_help_panel=RUNTIME, help="Source of regions; auto prefers ssd, from vsa[detector]."),
]
Repetition = Annotated[
    bool | None,
    typer.Option(
        "--repeat/--no-repeat",
        rich_help_panel=_SEARCH,
        help="Let captions mention a thing twice.",
        show_default="the model's",
    ),
]
RegionCaptions = Annotated[
    bool,
    typer.Option(
        "--region-captions",
        rich_help_panel=_REGIONS,
        help="Also caption the regions, and keep the likely, distinct captions.",
    ),
]
MinLogprob = Annotated[
    float | None,
    typer.Option(
        max=0,
        metavar="L",
        rich_help_panel=_REGIONS,
        help="Minimum mean log-probability per word, in nats.",
        show_default=str(config.RegionCaptionConfig.min_logprob),
    ),
]
TopRegions = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1000,
        metavar="N",
        rich_help_panel=_REGIONS,
        help="Maximum number per photograph, the surest first.",
        show_default=str(config.RegionCaptionConfig.top),
    ),
]
Consensus = Annotated[
    bool | None,
    typer.Option(
        "--consensus/--likeliest",
        rich_help_panel=_SEARCH,
        help="Take the caption most like the others.",
        show_default="the model's",
    ),
]
LengthNorm = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=MOST_LENGTH_NORM,
        metavar="ALPHA",
        rich_help_panel=_SEARCH,
        help="Rank by log p / length^ALPHA.",
        show_default="the model's",
    ),
]
MinLength = Annotated[
    int,
    typer.Option(
        "--min-len",
        "--min-length",
        min=0,
        max=200,
        metavar="N",
        rich_help_panel=_SEARCH,
        help="Minimum number of words.",
    ),
]
MaxLength = Annotated[
    int,
    typer.Option(
        "--max-len",
        "--max-length",
        min=1,
        max=200,
        metavar="N",
        rich_help_panel=_SEARCH,
        help="Maximum number of words.",
    ),
]
NoRepeatNgram = Annotated[
    int,
    typer.Option(
        min=0,
        max=200,
        metavar="N",
        rich_help_panel=_SEARCH,
        help="Repeat no sequence of N words; 0 is off.",
    ),
]
Avoid = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORD",
        rich_help_panel=_SEARCH,
        help="Exclude WORD from all captions; can be given several times.",
    ),
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORD",
        rich_help_panel=_SEARCH,
        help=f"Force WORD into every caption; can be given up to {MOST_REQUIRED} times.",
    ),
]
Groups = Annotated[
    int,
    typer.Option(
        min=1,
        max=1000,
        metavar="G",
        rich_help_panel=_SEARCH,
        help="Diverse beam search with G groups, dividing --beam.",
    ),
]
Diversity = Annotated[
    float,
    typer.Option(
        min=0,
        max=100,
        metavar="L",
        rich_help_panel=_SEARCH,
        help="Cost of words of earlier groups, in nats.",
    ),
]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample",
        rich_help_panel=_SEARCH,
        help="Sample instead of searching; implied by the next three.",
    ),
]
Temperature = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=100,
        metavar="T",
        rich_help_panel=_SEARCH,
        help="Sampling: sharp below 1, varied above.",
    ),
]
TopK = Annotated[
    int,
    typer.Option(min=0, metavar="K", rich_help_panel=_SEARCH, help="Sample from the K likeliest words; 0 is all."),
]
TopP = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=1,
        metavar="P",
        rich_help_panel=_SEARCH,
        help="Nucleus sampling with total probability P.",
    ),
]
Corpus = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=STORED_SPLIT,
        help="corpus.json whose split is captioned, or whose sentences --baseline uses.",
    ),
]
RegionsFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", rich_help_panel=STORED_SPLIT, help="Regions file of --corpus."),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="SPLIT",
        rich_help_panel=STORED_SPLIT,
        help="Split to caption: train, tune, val, test or all.",
        show_default="val",
    ),
]
Baseline = Annotated[
    config.Baseline | None,
    typer.Option(
        metavar="NAME",
        help="nearest-neighbour: a sentence of the most similar train image of --corpus.",
    ),
]
Sidecar = Annotated[
    str | None,
    typer.Option(
        metavar=".SUFFIX",
        rich_help_panel=OUTPUT,
        help="Write text files beside photographs: with .txt, photo.txt.",
    ),
]
Annotate = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        rich_help_panel=OUTPUT,
        help="Write copies with captions and boxes drawn on them to this folder.",
    ),
]
BatchSize = Annotated[
    int,
    typer.Option(
        min=1,
        max=4096,
        metavar="N",
        rich_help_panel=RUNTIME,
        help="Photographs captioned together; fewer need less memory.",
    ),
]
Regions = Annotated[bool, typer.Option("--regions", hidden=True, help="Renamed to --region-captions.")]
