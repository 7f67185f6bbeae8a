"""`vsa extract-regions`: boxes and descriptors of every photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.config import Describe, Detector, RegionConfig
from vsa_cli.core.io.files import check_output


def extract_regions(
    source: Annotated[Path, typer.Argument(metavar="CORPUS|DIR", help="A corpus.json, or a folder of photographs.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write.")] = Path(
        "regions.h5"
    ),
    split: Annotated[
        str, typer.Option("--split", metavar="SPLIT", help="Of a corpus: train, tune, val, test or all.")
    ] = "all",
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="The photographs' folder, if it has moved.")
    ] = None,
    detector: Annotated[Detector, typer.Option(help="What proposes boxes.")] = RegionConfig.detector,
    top: Annotated[
        int, typer.Option(min=0, max=1000, metavar="N", help="Boxes kept beside the whole image.")
    ] = RegionConfig.top,
    boxes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For --detector boxes: JSON, image id to [[x1,y1,x2,y2]]."),
    ] = None,
    detector_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For --detector fasterrcnn: its weights (.pth).")
    ] = None,
    cnn: Annotated[
        str, typer.Option(metavar="NAME", help="efficientnet_lite0 or _lite2, alexnet, vgg16, resnet50 ...")
    ] = RegionConfig.cnn,
    cnn_weights: options.CnnWeights = None,
    describe: Annotated[
        Describe, typer.Option(help="Pool boxes from one map (roi), or warp each to the CNN's input (crop).")
    ] = RegionConfig.describe,
    side: Annotated[
        int,
        typer.Option(
            min=0, max=2048, metavar="PX", help="The CNN's input; 0 takes 320 for roi, and for crop the CNN's own."
        ),
    ] = RegionConfig.side,
    photo_side: Annotated[
        int,
        typer.Option(
            min=0,
            max=4096,
            metavar="PX",
            help="Reduce larger photographs to this shorter side first; 0 takes their median.",
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
    """Find regions in photographs and describe each with a CNN.

    Writes regions.h5: for every photograph the whole image and its best boxes, each with a descriptor.
    An interrupted run goes on with --resume; a photograph that cannot be read is named, and the rest is done.

    Example: vsa extract-regions corpus.json -o regions.h5
    """
    check_output(output, force=force, resume=resume)
    import os

    from vsa_cli.core.device import resolve_device
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.core.regions.encoder import PhotoEncoder
    from vsa_cli.core.regions.extract import SHARD, extract_regions, prepare_output
    from vsa_cli.core.regions.plan import Files, plan_extraction
    from vsa_cli.output.console import Console, print_data
    from vsa_cli.output.reports import print_extraction, report_extraction

    config = RegionConfig(detector, top, cnn, describe, side, photo_side)
    files = Files(images, cnn_weights, detector_weights, boxes)
    plan = plan_extraction(source, split, config, files, resolve_device(device), seed)
    console = Console(quiet=quiet)
    if dry_run:
        photographs, feature_spec = len(plan.photos), plan.feature_spec.to_dict()
        console.say(f"would describe {photographs} photographs in shards of {SHARD} as {feature_spec}")
        if json:
            print_data(dump_json({"output": str(output), "photographs": photographs, "recipe": feature_spec}))
        return
    finished = prepare_output(output, plan.envelope, force=force, resume=resume)
    if finished is not None:
        console.say(f"{output}: nothing left to do")
        if json:
            print_extraction(output, finished, len(plan.photos) - finished, seconds=0.0)
        return
    workers = threads or os.cpu_count() or 1
    records = extract_regions(
        plan.photos,
        PhotoEncoder(plan.extractor, None, workers),
        plan.envelope,
        output,
        workers=workers,
        size=plan.feature_spec.descriptor_size,
    )
    report_extraction(console, records, source=source, total=len(plan.photos), output=output, as_json=json)
