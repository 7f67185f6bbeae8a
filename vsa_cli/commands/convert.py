"""`vsa convert`: convert regions.h5 to and from bottom-up-attention TSV files and SCAN arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="regions.h5, a .tsv, a SPLIT_ims.npy, or a folder with several SPLIT_ims.npy."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="If IN is regions.h5: a .tsv file or a folder. Otherwise: a regions.h5 file.",
        ),
    ],
    corpus: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CORPUS]",
            help="corpus.json of the photographs; optional only for regions.h5 to .tsv without --split.",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="SPLIT", help="Split to convert: train, tune, val, test or all.")
    ] = "all",
    cnn: Annotated[
        str,
        typer.Option(
            "--cnn", metavar="NAME", help="Name to record for the network that computed the imported features."
        ),
    ] = "unknown",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Convert regions.h5 to and from bottom-up-attention TSV files and SCAN arrays.

    The file-name suffixes of IN and OUT determine the direction and the format:

      .tsv    bottom-up-attention: one photograph per line, with the columns image_id, image_w, image_h, num_boxes,
              boxes and features (base64-encoded float32; a Python literal b'...' is accepted too)
      folder  SCAN: SPLIT_ims.npy and SPLIT_caps.txt, and vsa's own SPLIT_ids.txt (the photograph of each row) and
              SPLIT_boxes.npy

    Imported regions can be used for training and, with --corpus and --regions-file, in align, retrieve and caption.
    They need a corpus.json of the same photographs. A model trained on them cannot process new photographs, because vsa
    does not have the network that computed the features; --cnn only records that network's name. If no box covers the
    whole image, the mean of the region features represents it. If there are no boxes, as in SCAN's own files, every
    region is given the whole image as its box. Features are stored as float16.

    Example: vsa convert trainval_36.tsv corpus.json -o regions.h5 --cnn bottom-up
    """
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.core.regions.interchange.convert import ConversionRequest, plan_conversion
    from vsa_cli.core.regions.interchange.imported import Converted
    from vsa_cli.output.console import Console, print_data

    console = Console(quiet=quiet)
    conversion = plan_conversion(ConversionRequest(source, corpus, output, split, cnn, force))
    with console.progress("photographs", conversion.images, "images") as bar:
        made = Converted(tick=bar.advance)
        conversion.run(made)
    for failure in made.failures:
        console.warn(failure)
    if made.failed > len(made.failures):
        console.warn(f"and {made.failed - len(made.failures)} more")
    if made.unmatched:
        searched = "the corpus" if split == "all" else f"the corpus's split {split}"
        console.note(f"note: {made.unmatched} entries match no photograph in {searched} and were left out")
    for note in made.notes:
        console.note(f"note: {note}")
    if json:
        print_data(dump_json(made.summary()))
    console.note(f"wrote {output}: {made.images} images, {made.regions} regions of {made.descriptor_size} numbers")
    if made.failed:
        raise typer.Exit(3)
