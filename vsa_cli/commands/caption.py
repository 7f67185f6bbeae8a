"""`vsa caption`: captions for photographs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsa_cli import options
from vsa_cli.commands import caption_checks as checks
from vsa_cli.commands import caption_options as declared
from vsa_cli.commands import caption_sharing as sharing
from vsa_cli.commands import shared_work
from vsa_cli.core.config import DecodingConfig, RegionCaptionConfig
from vsa_cli.core.device import own_cores
from vsa_cli.core.errors import ExitCode
from vsa_cli.core.generation.decoding import resolve_decoding
from vsa_cli.options import UsageError

if TYPE_CHECKING:
    from vsa_cli.core.generation.captioner import Captioner
    from vsa_cli.core.generation.results import CaptionResult
    from vsa_cli.core.io.sources import FailedPhoto, Photo
    from vsa_cli.output.caption_writer import CaptionWriter
    from vsa_cli.output.console import Console


def caption(
    photos: declared.Photos = None,
    model: declared.Model = None,
    beam: declared.Beam = DecodingConfig.beam,
    nbest: declared.Nbest = DecodingConfig.nbest,
    format: declared.Format = None,
    json: declared.Json = False,
    output: declared.Output = None,
    objects: declared.Objects = False,
    min_confidence: declared.MinConfidence = None,
    region_captions: declared.RegionCaptions = False,
    min_logprob: declared.MinLogprob = None,
    top_regions: declared.TopRegions = None,
    length_norm: declared.LengthNorm = DecodingConfig.length_norm,
    min_length: declared.MinLength = DecodingConfig.min_length,
    max_length: declared.MaxLength = DecodingConfig.max_length,
    no_repeat_ngram: declared.NoRepeatNgram = DecodingConfig.no_repeat_ngram,
    avoid: declared.Avoid = None,
    require: declared.Require = None,
    consensus: declared.Consensus = DecodingConfig.consensus,
    repetition: declared.Repetition = DecodingConfig.repetition,
    style: declared.Style = DecodingConfig.style,
    groups: declared.Groups = DecodingConfig.groups,
    diversity: declared.Diversity = DecodingConfig.diversity,
    sample: declared.Sample = False,
    temperature: declared.Temperature = DecodingConfig.temperature,
    top_k: declared.TopK = DecodingConfig.top_k,
    top_p: declared.TopP = DecodingConfig.top_p,
    corpus: declared.Corpus = None,
    regions_file: declared.RegionsFile = None,
    split: declared.Split = None,
    baseline: declared.Baseline = None,
    sidecar: declared.Sidecar = None,
    annotate: declared.Annotate = None,
    force: options.Force = False,
    resume: declared.Resume = False,
    shard: shared_work.ShardOption = None,
    join: shared_work.Join = False,
    null: options.Null = False,
    batch_size: declared.BatchSize = 32,
    cnn_weights: options.CnnWeights = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    detector: declared.Detector = "auto",
    device: options.Device = "auto",
    runtime: options.RuntimeName = "torch",
    threads: options.Threads = 0,
    seed: Annotated[int, options.seed("Random seed of --sample.")] = 0,
    quiet: options.Quiet = False,
    regions: declared.Regions = False,
) -> None:
    """Caption photographs.

    Prints a line per photograph: path, tab and caption; for a single one, only the caption. Unreadable photographs are
    named on stderr (exit code 3). In folders, links are followed; hidden files, and pages and copies written by vsa,
    are skipped. See also vsa-caption(1).

    Example: vsa caption photo.jpg
    """
    names = photos or []
    checks.check_renamed(regions=regions, model_given=model is not None)
    kind = checks.resolve_format(format, json=json)
    decoding = resolve_decoding(
        DecodingConfig(
            beam=beam,
            max_length=max_length,
            min_length=min_length,
            nbest=nbest,
            length_norm=length_norm,
            groups=groups,
            diversity=diversity,
            no_repeat_ngram=no_repeat_ngram,
            consensus=consensus,
            repetition=repetition,
            style=style,
            avoid=tuple(avoid or ()),
            require=tuple(require or ()),
            sample=sample,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
        )
    )
    filters = min_logprob is not None or top_regions is not None
    checks.check_input(
        names,
        corpus=corpus is not None,
        regions_file=regions_file is not None,
        split=split is not None,
        baseline=baseline is not None,
    )
    if baseline is not None:
        checks.check_baseline(
            decoding, region_captions=region_captions, objects=objects, min_confidence=min_confidence is not None
        )
    if corpus is not None and detector != "auto":
        raise UsageError("--detector is for photographs; the regions of --regions-file are already extracted")
    if objects and kind not in ("json", "jsonl", "html"):
        raise UsageError("--objects requires --format json, jsonl or html")
    checks.check_regions(kind, region_captions=region_captions, filters=filters, annotate=annotate is not None)
    share = shared_work.share_of(shard, join=join, force=force, resume=resume)
    is_shared = share.is_shared or sharing.is_unfinished(output)
    written = {"output": output is not None, "sidecar": sidecar is not None}
    if is_shared:
        sharing.check_sharing(share, names, corpus=corpus is not None, annotate=annotate is not None, **written)
    checks.check_files(kind, photos=bool(names), resume=resume, is_shared=is_shared, **written)
    from vsa_cli.core.device import quick_imports, resolve_device, set_threads

    with quick_imports():
        from vsa_cli.core.generation.captioner import load_captioner
    from vsa_cli.core.generation.results import group_sizes
    from vsa_cli.core.io.sources import expand, read_list
    from vsa_cli.output.caption_writer import CaptionWriter
    from vsa_cli.output.console import Console

    threads = threads or (0 if share.ranks.alone else own_cores(share.ranks))
    set_threads(threads)
    settings = {}
    if names and (is_shared or sidecar is not None or (output is not None and kind == "jsonl")):
        settings = _settings(
            decoding,
            model,
            baseline=baseline,
            corpus=corpus,
            seed=seed,
            region_captions=region_captions,
            objects=objects,
            min_confidence=min_confidence,
            detector=detector,
            min_logprob=min_logprob,
            top_regions=top_regions,
        )
    console, workers = Console(quiet=quiet), threads or own_cores(share.ranks)
    listed = read_list(sys.stdin.buffer, b"\0" if null else b"\n")

    def open_writer() -> CaptionWriter:
        return CaptionWriter.open(
            kind,
            output,
            sidecar=sidecar,
            annotate=annotate,
            nbest=nbest,
            regions=region_captions,
            withholds=min_confidence is not None,
            alone=len(names) == 1 and names != ["-"] and not os.path.isdir(names[0]),  # noqa: PTH112  long names
            source=baseline or ("sampled" if decoding.sample else f"beam {beam}"),
            force=force,
            resume=sharing.resumes(share, output, kind, resume=resume) if is_shared else resume,
            workers=workers,
            batch_size=batch_size,
            warn=console.warn,
            settings=settings or None,
            prints=share.ranks.alone,
        )

    def caption_photos(photos: Iterable[Photo | FailedPhoto], sizes: Iterable[int]) -> Iterator[CaptionResult]:
        return open_captioner().stream(
            photos,
            decoding,
            regions=kept if region_captions else None,
            objects=objects,
            min_confidence=min_confidence,
            batch_size=batch_size,
            sizes=sizes,
            seed=seed,
        )

    def open_captioner() -> Captioner:
        cache = False if no_cache else cache_dir or True
        return load_captioner(
            model,
            device=str(resolve_device(device, share.ranks, runtime)),
            cache=cache,
            threads=threads,
            cnn_weights=cnn_weights,
            detector=detector,
            runtime=runtime,
        )

    kept = RegionCaptionConfig(
        min_logprob=RegionCaptionConfig.min_logprob if min_logprob is None else min_logprob,
        top=top_regions or RegionCaptionConfig.top,
    )
    target = output or (f"*{sidecar}" if sidecar is not None else None)
    if is_shared:
        work = sharing.Work(share, list(expand(names, listed)), batch_size, settings, console, force, resume)
        if output is not None:
            counts, writer = sharing.caption_shards(work, output, caption_photos, open_writer)
        else:
            counts, writer = sharing.caption_sidecars(work, caption_photos, open_writer())
        if share.ranks.first:
            part = "" if shard is None else f", part {shard}"
            _report(console, f"{target}{part}", counts, writer, min_confidence)
        return
    writer = open_writer()
    remaining, total = _remaining(writer, names, listed)
    stored = None
    if corpus is not None and regions_file is not None:
        from vsa_cli.core.corpus.corpus import read_corpus
        from vsa_cli.core.regions.store import RegionStore

        stored = read_corpus(corpus), RegionStore(regions_file)
    if stored is None:
        results = caption_photos(remaining, group_sizes(batch_size, writer.kept))
    elif baseline is not None:
        from vsa_cli.core.generation.baseline import caption_by_neighbours

        results = caption_by_neighbours(
            *stored,
            remaining if names else None,
            split or "val",
            nbest=nbest,
            batch_size=batch_size,
            device=resolve_device(device, runtime=runtime),
            workers=workers,
            cnn_weights=cnn_weights,
            runtime=runtime,
        )
    else:
        results = open_captioner().stream_split(
            *stored,
            split or "val",
            decoding,
            regions=kept if region_captions else None,
            objects=objects,
            min_confidence=min_confidence,
            batch_size=batch_size,
            seed=seed,
        )
    with console.progress("caption", total, "photographs", printing=output is None) as bar:
        counts = sharing.write(results, writer, console, bar)
    if "-" in names and not (counts.captioned or counts.withheld or counts.failed or writer.skipped):
        console.note("note: the list of photographs is empty")
    _report(console, None if target is None else str(target), counts, writer, min_confidence)


def _report(
    console: Console,
    target: str | None,
    counts: sharing.Counts,
    writer: CaptionWriter | None,
    min_confidence: float | None,
) -> None:
    """Print the counts of a run.

    Raises:
        typer.Exit: if photographs failed.
    """
    captioned, withheld, failed = counts.captioned, counts.withheld, counts.failed
    skipped = 0 if writer is None else writer.skipped
    if target is not None:
        before = f", {skipped:,} captioned before" if skipped else ""
        console.note(f"{target}: {captioned:,} photographs captioned, {failed:,} failed{before}")
    if withheld:
        whole = captioned + withheld
        console.note(f"{withheld:,} of {whole:,} captions withheld: confidence below {min_confidence:g}")
    if failed or (writer is not None and writer.missing_pictures):
        raise typer.Exit(ExitCode.SOME_FAILED if captioned or withheld or skipped else ExitCode.FAILED)


def _settings(
    decoding: DecodingConfig,
    model: Path | None,
    *,
    baseline: str | None,
    corpus: Path | None,
    seed: int,
    region_captions: bool,
    objects: bool,
    min_confidence: float | None,
    detector: str,
    min_logprob: float | None,
    top_regions: int | None,
) -> dict[str, Any]:
    """The settings on which the captions depend; a run with other settings cannot resume this one."""
    from vsa_cli.core.io.files import file_sha256
    from vsa_cli.core.learning.model_dir import bundled_model, weights_sha256

    if baseline is not None and corpus is not None:
        hashed = {"corpus": str(corpus), "corpus_sha256": file_sha256(corpus) if corpus.is_file() else None}
        return {"baseline": baseline, "nbest": decoding.nbest, **hashed}
    sha256 = weights_sha256(bundled_model("gen") if model is None else model)
    settings: dict[str, Any] = {"baseline": None, "model": str(model or "the bundled one"), "model_sha256": sha256}
    settings |= {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(decoding).items()}
    settings["seed"] = seed if decoding.sample else None
    settings |= {"region_captions": region_captions, "objects": objects, "min_confidence": min_confidence}
    if detector == "auto":  # whose choice depends on what is installed
        from vsa_cli.core.regions import ssd

        detector = f"auto {'with' if ssd.is_installed() else 'without'} ssd"
    settings["detector"] = detector
    if region_captions:
        settings |= {"min_logprob": min_logprob, "top_regions": top_regions}
    return settings


def _remaining(
    writer: CaptionWriter, names: Sequence[str], listed: Iterable[str]
) -> tuple[Iterable[Photo | FailedPhoto], int | None]:
    """The photographs to caption, without those that an earlier run has captioned, and their number if it is known.

    Raises:
        ConfigError: outputs would replace files, or one page cannot hold so many photographs.
    """
    from vsa_cli.core.io.sources import FailedPhoto, expand

    def remains(photo: Photo | FailedPhoto) -> bool:
        return isinstance(photo, FailedPhoto) or not writer.skips(photo)

    named = list(expand([name for name in names if name != "-"], ()))
    writer.check([photo for photo in named if not isinstance(photo, FailedPhoto)])
    if "-" in names:  # of any length, and read as it comes
        return filter(remains, expand(names, listed)), None
    remaining = list(filter(remains, named))
    writer.check_count(len(remaining))
    return remaining, len(remaining) if names else None
