"""`vsa calibrate`: measure how often a generator's captions are right."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.commands import training_options as shared
from vsa_cli.core.io.files import check_output


def calibrate(
    corpus: shared.CorpusFile,
    regions: shared.RegionsFile,
    model: Annotated[Path, typer.Option("--model", "-m", metavar="DIR", help="Caption generator, from vsa train-gen.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Calibration to write.", rich_help_panel=options.OUTPUT),
    ] = Path("calibration.json"),
    split: Annotated[
        str,
        typer.Option(
            metavar="SPLIT",
            help="Split to caption: tune, val, test, train or all. The model must not have been trained on it.",
        ),
    ] = "val",
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="CORPUS,REGIONS", help="Further corpus with that split. Can be given several times."),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The things that count, with the words that mention them, as for vsa train-labels.",
            show_default="the names installed with vsa",
        ),
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(min=1, max=4096, metavar="N", help="Images captioned together.", rich_help_panel=options.RUNTIME),
    ] = 32,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Measure how often a generator's captions are right, so that each caption can have a confidence.

    Captions the images of a split and compares each caption with the references. A caption is right if it mentions at
    least one thing, and nothing that no reference mentions; colours, numbers and actions do not count. Then fits the
    probability that a caption is right, given its log-probability per word, its length, the things that it mentions,
    and how certain the model is that they are in the photograph.

    Prints the share of right captions; the Brier score and the expected calibration error (ECE) of captions that were
    held out; and how many captions remain with each vsa caption --min-confidence. vsa pack --calibration adds the
    calibration to the model, or to one that was trained in the same way on more images.

    Example: vsa calibrate corpus.json regions.h5 --model gen/ --split val -o calibration.json
    """
    check_output(output, force=force)
    sources = [(corpus, regions), *(options.corpus_and_regions(one, "--also") for one in also or ())]
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.corpus.split_names import resolve_split
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.generation import calibration as core
    from vsa_cli.core.generation.decoder import read_generator
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.core.labels.names import NAMES_FILE, read_names
    from vsa_cli.core.learning.corpora import PhotographSource
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.console import Console, print_data
    from vsa_cli.output.tables import calibration_table

    set_threads(threads)
    console, wanted, known = Console(quiet=quiet), resolve_split(split), read_names(names or NAMES_FILE)
    read = [PhotographSource(read_corpus(one), RegionStore(its_regions)) for one, its_regions in sources]
    trained = read_generator(model, resolve_device(device))
    read = core.described_by(trained, read)
    core.check_unseen(trained, read, wanted)
    judged = []
    total = sum(len(core.images_of(source, wanted)) for source in read)
    with console.progress("calibrate", total, "images") as bar:
        for caption in core.judge_captions(trained, read, wanted, known, batch_size):
            judged.append(caption)
            bar.advance()
    found, bins = core.calibrate(judged, known, wanted, trained.sha256)
    core.write_calibration(output, found, read)
    if json:
        record = {"output": str(output), "weights": asdict(found.weights), **asdict(found.scores)}
        print_data(dump_json({**record, "bins": [asdict(one) for one in bins]}))
    else:
        for line in calibration_table(found.scores, bins):
            print_data(line)
    if found.scores.captions < core.FEW:
        console.warn(f"{found.scores.captions} captions are few: the calibration is uncertain")
    console.note(f"{output}: written")
    console.suggest("pack", model, "--calibration", output, "-o", f"{model.name}-calibrated")
