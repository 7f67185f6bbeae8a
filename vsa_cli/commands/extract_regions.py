"""`vsa extract-regions`: boxes and descriptors of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.config import Describe, Detector, RegionConfig
from vsa_cli.core.device import available_cores
from vsa_cli.core.io.files import check_output


def extract_regions(
    source: Annotated[Path, typer.Argument(metavar="CORPUS|DIR", help="A corpus.json, or a folder of photographs.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Output file.")] = Path("regions.h5"),
    split: Annotated[
        str, typer.Option("--split", metavar="SPLIT", help="Split of the corpus: train, tune, val, test or all.")
    ] = "all",
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Folder of the photographs, if they have moved.")
    ] = None,
    detector: Annotated[Detector, typer.Option(help="Source of the boxes.")] = RegionConfig.detector,
    top: Annotated[
        int, typer.Option(min=0, max=1000, metavar="N", help="Boxes to keep besides the whole image.")
    ] = RegionConfig.top,
    boxes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Boxes for --detector boxes: JSON, image id or file to [[x1,y1,x2,y2]]."),
    ] = None,
    detector_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weight file (.pth) for --detector fasterrcnn.")
    ] = None,
    cnn: Annotated[
        str, typer.Option(metavar="NAME", help="CNN: efficientnet_lite0 or _lite2, alexnet, vgg16, resnet50 ...")
    ] = RegionConfig.cnn,
    cnn_weights: options.CnnWeights = None,
    describe: Annotated[
        Describe,
        typer.Option(
            help="CNN features of a box: pooled from one feature map (roi), or of the box warped to the "
            "CNN's input (crop)."
        ),
    ] = RegionConfig.describe,
    side: Annotated[
        int,
        typer.Option(
            min=0,
            max=2048,
            metavar="PX",
            help="Shorter side of the CNN's input; 0 is 320 for roi, the CNN's own for crop.",
        ),
    ] = RegionConfig.side,
    photo_side: Annotated[
        int,
        typer.Option(
            min=0,
            max=4096,
            metavar="PX",
            help="Reduce photographs with a longer shorter side to this one; 0 is the median of the photographs.",
        ),
    ] = RegionConfig.photo_side,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    dry_run: options.DryRun = False,
) -> None:
    """Find regions in photographs and compute CNN features of each.

    Writes regions.h5: for every photograph the whole image and its best boxes, each with a descriptor.
    An interrupted run continues with --resume. Photographs that cannot be read are reported and skipped.

    Example: vsa extract-regions corpus.json -o regions.h5
    """
    check_output(output, force=force, resume=resume)

    from vsa_cli.core.device import resolve_device
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.core.regions.extract import SHARD, prepare_output
    from vsa_cli.core.regions.extract import extract_regions as extract
    from vsa_cli.core.regions.plan import InputFiles, plan_extraction
    from vsa_cli.output.console import Console, name_some, print_data
    from vsa_cli.output.reports import print_extraction, report_extraction

    config = RegionConfig(detector, top, cnn, describe, side, photo_side)
    files = InputFiles(images, cnn_weights, detector_weights, boxes)
    workers = threads or available_cores()
    plan = plan_extraction(source, split, config, files, device=resolve_device(device), workers=workers, seed=seed)
    console, count = Console(quiet=quiet), len(plan.photos)
    if plan.unmatched:
        some = name_some(plan.unmatched)
        console.warn(f"{boxes}: {len(plan.unmatched)} names match no photograph in {source}: {some}")
    if dry_run:
        spec = plan.spec.to_dict()
        console.note(f"would describe {count} photographs in shards of {SHARD} as {spec}")
        if json:
            print_data(dump_json({"output": str(output), "photographs": count, "recipe": spec}))
        return
    finished = prepare_output(output, plan.envelope, force=force, resume=resume)
    if finished is not None:
        console.note(f"{output}: nothing left to do")
        if json:
            print_extraction(output, finished, count - finished, seconds=0.0)
        return
    report_extraction(console, extract(plan, output), source=source, total=count, output=output, as_json=json)
