"""`vsa extract-regions`: detect regions in photographs and compute their descriptors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli import options
from vsa_cli.commands import shared_work
from vsa_cli.core.config import Describe, Detector, RegionConfig
from vsa_cli.core.device import Precision, own_cores
from vsa_cli.core.io.files import HDF5_START, check_output, starts_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vsa_cli.core.regions.extract import Extracted
    from vsa_cli.core.regions.plan import Extraction


_KEPT = RegionConfig.detector, RegionConfig.top, RegionConfig.photo_side, RegionConfig.details


def extract_regions(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CORPUS|DIR|REGIONS",
            help="corpus.json, a folder of photographs, or with --cnn-of a regions file with maps (keeps its boxes).",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Regions file to write.")] = Path(
        "regions.h5"
    ),
    split: Annotated[
        str, typer.Option("--split", metavar="SPLIT", help="Split to extract: train, tune, val, test or all.")
    ] = "all",
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="DIR",
            help="Folder of the photographs, if it is no longer the one recorded in the corpus.",
        ),
    ] = None,
    detector: Annotated[
        Detector,
        typer.Option(
            help="Source of the boxes: selective search; ssd, which also names the objects that it finds and adds "
            "selective search; Faster R-CNN; your own --boxes; or a grid (for tests)."
        ),
    ] = RegionConfig.detector,
    top: Annotated[
        int, typer.Option(min=0, max=1000, metavar="N", help="Number of boxes per photograph, besides the whole image.")
    ] = RegionConfig.top,
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Your own boxes, for --detector boxes: JSON {"id or file name": [[x1, y1, x2, y2], ...]} in pixels of '
            "the photograph after its EXIF orientation is applied.",
        ),
    ] = None,
    detector_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights (.pth) for --detector fasterrcnn.",
            show_default="those in torch's cache",
        ),
    ] = None,
    cnn: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="CNN that computes the features: efficientnet_lite0, efficientnet_lite2, or a torchvision classifier "
            "such as alexnet, vgg16 or resnet50.",
        ),
    ] = RegionConfig.cnn,
    cnn_weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=options.CNN_WEIGHTS, show_default=options.INSTALLED_WEIGHTS),
    ] = None,
    describe: Annotated[
        Describe,
        typer.Option(
            help="Features of a box. crop: the box is warped to the CNN's input size (R-CNN, as in Karpathy & "
            "Fei-Fei 2015); roi: they are pooled from one feature map of the photograph (Fast R-CNN)."
        ),
    ] = RegionConfig.describe,
    side: Annotated[
        int,
        typer.Option(
            min=0,
            max=2048,
            metavar="PX",
            help="Shorter side of the CNN's input, in pixels; 0 means 320 with roi, the CNN's own size with crop.",
        ),
    ] = RegionConfig.side,
    photo_side: Annotated[
        int,
        typer.Option(
            min=0,
            max=4096,
            metavar="PX",
            help="First shrink photographs whose shorter side exceeds PX to that size; 0 means the median shorter side "
            "of all photographs. Models expect the size that they were trained with.",
        ),
    ] = RegionConfig.photo_side,
    cnn_of: Annotated[
        Path | None,
        typer.Option(
            "--cnn-of",
            metavar="MODEL",
            help="Use the CNN that vsa train-embed --tune-cnn tuned with MODEL, its --describe and --side, and, "
            "unless another is given, its --photo-side.",
        ),
    ] = None,
    keep_maps: Annotated[
        bool,
        typer.Option(
            "--keep-maps",
            help="Also keep the CNN's maps of the photographs, about 130 KB each, for vsa train-embed --tune-cnn.",
        ),
    ] = False,
    details: Annotated[
        bool,
        typer.Option(
            "--details",
            help="Also describe the texture, the colours, the place and the shape of each region, in 167 more numbers.",
        ),
    ] = False,
    mirrored: Annotated[
        bool,
        typer.Option(
            "--mirrored",
            help="Also describe the photographs mirrored left to right, for --mirrored of the training commands.",
        ),
    ] = False,
    device: options.Device = "auto",
    runtime: options.RuntimeName = "torch",
    precision: Annotated[
        Precision,
        typer.Option(
            metavar="TYPE",
            help="Precision of the CNN's products: float32, or bf16, which is faster on GPUs and rounds more.",
            rich_help_panel=options.RUNTIME,
        ),
    ] = "float32",
    threads: options.Threads = 0,
    seed: Annotated[int, options.seed("Seed to record in the file; extraction itself is deterministic.")] = 0,
    force: options.ForceRun = False,
    resume: options.Resume = False,
    shard: shared_work.ShardOption = None,
    join: shared_work.Join = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    dry_run: options.DryRun = False,
) -> None:
    """Detect regions in photographs and compute the CNN features of each region.

    Writes regions.h5: for each photograph, the whole image and the highest-ranked boxes, each with its CNN features
    (the descriptor). --resume continues an interrupted run. Photographs that cannot be read are reported and skipped;
    the exit code is then 3. The weights of the CNN and the detector are never downloaded. Several processes can share
    the work; see vsa-extract-regions(1).

    Example: vsa extract-regions corpus.json -o regions.h5
    """
    usual = RegionConfig.cnn, RegionConfig.describe, RegionConfig.side
    if cnn_of is not None and (cnn, describe, side) != usual:
        raise options.UsageError("--cnn-of cannot be combined with --cnn, --describe or --side")
    share = shared_work.share_of(shard, join=join, force=force, resume=resume)
    if share.joins:
        check_output(output, force=force, resume=resume)

    from vsa_cli.core.device import resolve_device
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.core.learning.model_dir import read_tail
    from vsa_cli.core.regions.extract import SHARD, photographs_in
    from vsa_cli.core.regions.plan import InputFiles, TunedCnn, plan_extraction
    from vsa_cli.core.regions.redescribe import plan_redescription
    from vsa_cli.output.console import Console, name_some, print_data
    from vsa_cli.output.reports import print_extraction, report_extraction

    tuned = None if cnn_of is None else TunedCnn(*read_tail(cnn_of))
    config = RegionConfig(detector, top, cnn, describe, side, photo_side, details)
    files = InputFiles(images, cnn_weights, detector_weights, boxes)
    workers = threads or own_cores(share.ranks)
    if tuned is not None and starts_with(source, HDF5_START):
        if (split, images, detector, top, photo_side, details) != ("all", None, *_KEPT):
            raise options.UsageError(f"{source}: a regions file keeps its photographs and boxes; give --cnn-of alone")
        if precision != "float32":
            raise options.UsageError(f"--precision {precision}: {source} is described in float32, from its maps")
        if runtime != "torch":
            raise options.UsageError(f"--runtime {runtime}: {source} is described by PyTorch, from its maps")
        plan = plan_redescription(source, tuned, seed=seed, keep_maps=keep_maps, mirrored=mirrored)
    else:
        plan = plan_extraction(
            source, split, config, files,
            device=resolve_device(device, share.ranks, runtime), workers=workers, seed=seed, keep_maps=keep_maps,
            mirrored=mirrored, tuned=tuned, precision=precision, runtime=runtime,
        )  # fmt: skip
    console, count = Console(quiet=quiet), len(plan.photos)
    if keep_maps:
        console.note(f"the maps of {count} photographs take about {plan.map_bytes / 1e6:,.0f} MB")
    if plan.mirrored_bytes:
        console.note(f"the mirrored views of {count} photographs take about {plan.mirrored_bytes / 1e6:,.0f} MB")
    if plan.unmatched:
        some = name_some(plan.unmatched)
        console.warn(f"{boxes}: {len(plan.unmatched)} names match no photograph in {source}: {some}")
    if dry_run:
        spec = plan.spec.to_dict()
        console.note(f"would extract the regions of {count} photographs, saved every {SHARD}, as {spec}")
        if json:
            print_data(dump_json({"output": str(output), "photographs": count, "recipe": spec}))
        return
    with shared_work.connected(share.ranks):
        finished = shared_work.first_alone(
            lambda: _prepare(output, plan, share, force=force, resume=resume), share.ranks
        )
        if finished is not None:
            console.note(f"{output}: nothing left to do")
            if json:
                print_extraction(output, finished, count - finished, seconds=0.0)
            return
        corpus = source if source.is_file() and not starts_with(source, HDF5_START) else None
        records = _records(output, plan, share)
        if not share.ranks.first:  # the first process reports for all, and ends with their exit code
            list(records)
            return
        report_extraction(
            console,
            records,
            corpus=corpus if share.joins else None,
            total=count if share.joins else photographs_in(plan, share.part),
            output=output,
            part=shard,
            as_json=json,
        )


def _prepare(output: Path, plan: Extraction, share: shared_work.Share, *, force: bool, resume: bool) -> int | None:
    """Prepare the part folder; return the number of photographs in the output if it is finished already."""
    from vsa_cli.core.io.part_folder import PartFolder
    from vsa_cli.core.regions.extract import part_folder, prepare_output

    if share.only_joins:
        PartFolder(part_folder(output)).require()
        return None
    return prepare_output(output, plan, force=force, resume=resume or share.only_part)


def _records(output: Path, plan: Extraction, share: shared_work.Share) -> Iterator[Extracted]:
    """A record of each shard that this process encodes, and that others do, if it joins them."""
    from vsa_cli.core.regions.extract import extract_shards, join_shards

    if share.computes:
        yield from extract_shards(plan, output, share.part)
    if share.joins:
        own = share.part if share.computes else None
        yield from join_shards(plan, output, own, shared_work.arrivals(share.ranks))
    else:
        shared_work.arrive(share.ranks)
