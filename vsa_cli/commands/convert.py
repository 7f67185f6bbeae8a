"""`vsa convert`: regions to the file formats of other programs, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A regions.h5, a .tsv, a SPLIT_ims.npy, or a folder of these.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Output: a .tsv, a folder, or a regions.h5.")
    ],
    corpus: Annotated[
        Path | None,
        typer.Argument(metavar="[CORPUS]", help="The corpus.json of the photographs; not needed for h5 to .tsv."),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="SPLIT", help="Split to convert: train, tune, val, test or all.")
    ] = "all",
    cnn: Annotated[
        str,
        typer.Option("--cnn", metavar="NAME", help="Name for the network that computed imported descriptors."),
    ] = "unknown",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Convert regions.h5 to the file formats of other programs, and back.

    The suffix of a name determines the format. A .tsv is bottom-up-attention's: image_id, image_w, image_h,
    num_boxes, boxes and features (base64 of float32, also as Python's b'...'), a photograph a line. A folder is
    SCAN's: SPLIT_ims.npy and SPLIT_caps.txt, with SPLIT_ids.txt, which names the photograph of each row, and
    SPLIT_boxes.npy.

    Imported regions are used with a corpus.json of the same photographs, for training, align, retrieve, and caption
    with --corpus and --regions-file. A model trained on them cannot encode new photographs, since the network behind
    the descriptors is not available; --cnn names such a network. If no box is the whole image, the mean of the
    regions describes it. If there are no boxes, as in SCAN's own files, every region has the box of the whole image.
    Descriptors become float16.

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
        console.note(f"note: {made.unmatched} entries are not of a photograph in {searched}: left out")
    for note in made.notes:
        console.note(f"note: {note}")
    if json:
        print_data(dump_json(made.summary()))
    console.note(f"wrote {output}: {made.images} images, {made.regions} regions of {made.descriptor_size} numbers")
    if made.failed:
        raise typer.Exit(3)
