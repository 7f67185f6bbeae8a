"""`vsa convert`: regions to what other programs read, and theirs to ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A regions.h5, a .tsv, a SPLIT_ims.npy, or a folder of these.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="A .tsv or a folder; or a regions.h5.")],
    corpus: Annotated[
        Path | None,
        typer.Argument(metavar="[CORPUS]", help="The corpus.json of the photographs; only h5 to .tsv goes without."),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="SPLIT", help="Only this split: train, tune, val, test or all.")
    ] = "all",
    cnn: Annotated[
        str,
        typer.Option("--cnn", metavar="NAME", help="What to call the network that described imported regions."),
    ] = "unknown",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Convert regions.h5 to the files of other programs, and theirs to regions.h5.

    The names say what is what. A .tsv is bottom-up-attention's: image_id, image_w, image_h, num_boxes, boxes and
    features (base64 of float32), a photograph a line. A folder is SCAN's: SPLIT_ims.npy and SPLIT_caps.txt, with
    SPLIT_ids.txt, which says what photographs the rows are, and SPLIT_boxes.npy.

    Imported regions fit a corpus.json of the same photographs: train, align, retrieve, and caption with --corpus and
    --regions-file. A model that has learnt from them takes no photographs, for the network that described them is not
    here; --cnn tells such networks apart. Where no box is the whole image's, the mean of the regions stands for it.
    Where the boxes are lost, as in SCAN's own files, every region takes the whole image's. Descriptors become float16.

    Example: vsa convert trainval_36.tsv corpus.json -o regions.h5 --cnn bottom-up
    """
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.core.regions.interchange.convert import Request, plan_conversion
    from vsa_cli.core.regions.interchange.imported import Converted
    from vsa_cli.output.console import Console, print_data

    console = Console(quiet=quiet)
    conversion = plan_conversion(Request(source, corpus, output, split, cnn, force))
    with console.progress("photographs", conversion.images, "images") as bar:
        made = Converted(tick=bar.advance)
        conversion.run(made)
    for failure in made.failures:
        console.warn(failure)
    if made.failed > len(made.failures):
        console.warn(f"and {made.failed - len(made.failures)} more")
    if made.unmatched:
        asked = "the corpus" if split == "all" else f"the corpus's split {split}"
        console.say(f"note: {made.unmatched} entries are of no photograph in {asked}: left out")
    for note in made.notes:
        console.say(f"note: {note}")
    if json:
        print_data(dump_json(made.summary()))
    console.say(f"wrote {output}: {made.images} images, {made.regions} regions of {made.descriptor_size} numbers")
    if made.failed:
        raise typer.Exit(3)
