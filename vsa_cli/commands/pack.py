"""`vsa pack`: write a smaller copy of a trained model for sharing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.io.files import check_output


def pack(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Trained model: a directory such as gen/ or embed/.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Model directory to write.")],
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="FILE",
            help="Calibration of a caption generator, from vsa calibrate: each caption then has a confidence, the "
            "probability that it is right.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="DIR",
            help="Labeller for an alignment model, from vsa train-labels on descriptors of the same CNN: vsa align, "
            "and vsa retrieve without --index, then place words such as dog by what it sees, too.",
        ),
    ] = None,
    bank: Annotated[
        list[str] | None,
        typer.Option(
            "--bank",
            metavar="CORPUS,REGIONS",
            help="Corpus and regions file from whose training split the bank of an alignment model is made. With it, "
            "vsa retrieve lowers the scores of photographs that match almost every sentence, and of sentences that "
            "match almost every photograph, so that they do not come before the right ones. Can be given several "
            "times.",
        ),
    ] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a smaller copy of a trained model for sharing: float16, without training state.

    The copy is used like the original, but its training cannot be continued with --resume. Weights that are float16
    already stay as they are.

    Example: vsa pack gen/ -o gen16/
    """
    check_output(output, force=force, folder=True)
    from vsa_cli.core.io.envelope import EMBEDDING, LABELLER
    from vsa_cli.core.learning.model_dir import model_format, pack_model
    from vsa_cli.output.console import Console

    console, entries = Console(quiet=quiet), {}
    if calibration is not None:
        from vsa_cli.core.generation.calibration import read_for
        from vsa_cli.core.generation.confidence import KEY

        entries[KEY] = (found := read_for(model, calibration)).to_dict()
        if found.scores.sibling:
            console.note(
                f"note: {calibration} was measured on another model; it applies if both were trained in the same way"
            )
    kind = model_format(model)
    if labels is not None and kind != EMBEDDING:
        raise options.UsageError("--labels goes with an alignment model, from vsa train-embed")
    if bank and kind != EMBEDDING:
        raise options.UsageError("--bank goes with an alignment model, from vsa train-embed")
    if kind == EMBEDDING:
        from vsa_cli.core.corpus.corpus import read_corpus
        from vsa_cli.core.embedding.pack import pack_embedding
        from vsa_cli.core.regions.store import RegionStore

        files = [options.corpus_and_regions(one, "--bank") for one in bank or ()]
        read = [(read_corpus(corpus), RegionStore(regions)) for corpus, regions in files]
        before, after = pack_embedding(model, output, labels, read)
    elif kind == LABELLER:
        from vsa_cli.core.labels.labeller import pack_labeller

        before, after = pack_labeller(model, output)
    else:
        before, after = pack_model(model, output, entries)
    console.note(f"{output}: {after / 1e6:.1f} MB of weights, reduced from {before / 1e6:.1f}")
