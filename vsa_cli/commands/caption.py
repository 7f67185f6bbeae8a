"""`vsa caption`: captions for photographs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsa_cli import options
from vsa_cli.commands import caption_options as declared
from vsa_cli.core.config import CaptionFormat, DecodingConfig, RegionCaptionConfig
from vsa_cli.core.device import available_cores
from vsa_cli.core.errors import ExitCode
from vsa_cli.core.generation.decoding import resolve_decoding
from vsa_cli.options import UsageError

if TYPE_CHECKING:
    from vsa_cli.core.generation.results import CaptionResult
    from vsa_cli.core.io.sources import FailedPhoto, Photo
    from vsa_cli.output.caption_writer import CaptionWriter
    from vsa_cli.output.console import Bar, Console

_STORED_SPLIT = "--corpus with its --regions-file"


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
    null: options.Null = False,
    batch_size: declared.BatchSize = 32,
    cnn_weights: options.CnnWeights = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    detector: declared.Detector = "auto",
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: Annotated[int, options.seed("Random seed of --sample.")] = 0,
    quiet: options.Quiet = False,
    regions: declared.Regions = False,
) -> None:
    """Caption photographs.

    Prints one line per photograph: its path, a tab and the caption; for a single photograph, only the caption. A
    photograph that cannot be read is named on stderr, and the others are captioned (exit code 3). In folders, links are
    followed; hidden files, and pages and annotated copies written by vsa, are skipped. See also vsa-caption(1).

    Example: vsa caption photo.jpg
    """
    names = photos or []
    _check_renamed(regions=regions, model_given=model is not None)
    kind = _resolve_format(format, json=json)
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
    _check_input(
        names,
        corpus=corpus is not None,
        regions_file=regions_file is not None,
        split=split is not None,
        baseline=baseline is not None,
    )
    if baseline is not None:
        _check_baseline(
            decoding, region_captions=region_captions, objects=objects, min_confidence=min_confidence is not None
        )
    if corpus is not None and detector != "auto":
        raise UsageError("--detector is for photographs; the regions of --regions-file are already extracted")
    if objects and kind not in ("json", "jsonl", "html"):
        raise UsageError("--objects requires --format json, jsonl or html")
    _check_regions(kind, region_captions=region_captions, filters=filters, annotate=annotate is not None)
    _check_files(kind, photos=bool(names), output=output is not None, sidecar=sidecar is not None, resume=resume)
    from vsa_cli.core.device import quick_imports, resolve_device, set_threads

    with quick_imports():
        from vsa_cli.core.generation.captioner import load_captioner
    from vsa_cli.core.io.sources import read_list
    from vsa_cli.output.caption_writer import CaptionWriter
    from vsa_cli.output.console import Console

    set_threads(threads)
    settings = None
    if names and (sidecar is not None or (output is not None and kind == "jsonl")):
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
    console, workers = Console(quiet=quiet), threads or available_cores()
    writer = CaptionWriter.open(
        kind,
        output,
        sidecar=sidecar,
        annotate=annotate,
        nbest=nbest,
        regions=region_captions,
        withholds=min_confidence is not None,
        alone=len(names) == 1 and names != ["-"] and not os.path.isdir(names[0]),  # noqa: PTH112  names may be too long
        source=baseline or ("sampled" if decoding.sample else f"beam {beam}"),
        force=force,
        resume=resume,
        workers=workers,
        batch_size=batch_size,
        warn=console.warn,
        settings=settings,
    )
    remaining, total = _remaining(writer, names, read_list(sys.stdin.buffer, b"\0" if null else b"\n"))
    stored = None
    if corpus is not None and regions_file is not None:
        from vsa_cli.core.corpus.corpus import read_corpus
        from vsa_cli.core.regions.store import RegionStore

        stored = read_corpus(corpus), RegionStore(regions_file)
    if baseline is not None and stored is not None:
        from vsa_cli.core.generation.baseline import caption_by_neighbours

        results = caption_by_neighbours(
            *stored,
            remaining if names else None,
            split or "val",
            nbest=nbest,
            batch_size=batch_size,
            device=resolve_device(device),
            workers=workers,
            cnn_weights=cnn_weights,
        )
    else:
        cache = False if no_cache else cache_dir or True
        captioner = load_captioner(
            model, device=device, cache=cache, threads=threads, cnn_weights=cnn_weights, detector=detector
        )
        kept = RegionCaptionConfig(
            min_logprob=RegionCaptionConfig.min_logprob if min_logprob is None else min_logprob,
            top=top_regions or RegionCaptionConfig.top,
        )
        if stored is None:
            results = captioner.stream(
                remaining,
                decoding,
                regions=kept if region_captions else None,
                objects=objects,
                min_confidence=min_confidence,
                batch_size=batch_size,
                done=writer.kept,
                seed=seed,
            )
        else:
            results = captioner.stream_split(
                *stored,
                split or "val",
                decoding,
                regions=kept if region_captions else None,
                objects=objects,
                min_confidence=min_confidence,
                batch_size=batch_size,
                seed=seed,
            )
    target = output or (f"*{sidecar}" if sidecar is not None else None)
    with console.progress("caption", total, "photographs", printing=output is None) as bar:
        captioned, withheld, failed = _write(results, writer, console, bar)
    if "-" in names and not (captioned or withheld or failed or writer.skipped):
        console.note("note: the list of photographs is empty")
    if target is not None:
        before = f", {writer.skipped:,} captioned before" if writer.skipped else ""
        console.note(f"{target}: {captioned:,} photographs captioned, {failed:,} failed{before}")
    if withheld:
        whole = captioned + withheld
        console.note(f"{withheld:,} of {whole:,} captions withheld: confidence below {min_confidence:g}")
    if failed or writer.missing_pictures:
        raise typer.Exit(ExitCode.SOME_FAILED if captioned or withheld or writer.skipped else ExitCode.FAILED)


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


def _check_renamed(*, regions: bool, model_given: bool) -> None:
    """Refuse the option and the environment variable that earlier versions had.

    Raises:
        UsageError: one of them is used.
    """
    if regions:
        raise UsageError("--regions has been renamed to --region-captions")
    if not model_given and os.environ.get("VSA_MODEL"):
        raise UsageError("the environment variable VSA_MODEL has been renamed to VSA_GEN_MODEL")


def _resolve_format(kind: CaptionFormat | None, *, json: bool) -> CaptionFormat:
    """The output format.

    Raises:
        UsageError: two different ones are requested.
    """
    if json and kind not in (None, "json"):
        raise UsageError(f"--json and --format {kind} contradict each other")
    return "json" if json else kind or "text"


def _check_input(photos: Sequence[str], *, corpus: bool, regions_file: bool, split: bool, baseline: bool) -> None:
    """Check that either photographs or a split of a corpus are named.

    Raises:
        UsageError: neither or both are named, or a corpus without its regions.
    """
    if corpus != regions_file:
        raise UsageError("--corpus and --regions-file go together")
    if baseline and not corpus:
        raise UsageError(f"--baseline takes its sentences from a corpus: name {_STORED_SPLIT}")
    if not baseline and bool(photos) == corpus:
        raise UsageError(f"name photographs (files, folders, - for a list), or a {_STORED_SPLIT}")
    if split and photos:
        raise UsageError("--split names a split of --corpus to caption; it cannot be combined with photographs")
    if "-" in photos and sys.stdin.isatty():
        raise UsageError("- reads file names from a pipe, and stdin is a terminal")


def _check_baseline(decoding: DecodingConfig, *, region_captions: bool, objects: bool, min_confidence: bool) -> None:
    """Check that no setting of a model is given with a baseline.

    Raises:
        UsageError: one is given.
    """
    if region_captions or objects or min_confidence:
        needing = "--region-captions, --objects and --min-confidence"
        raise UsageError(f"{needing} need a model; they cannot be combined with --baseline")
    if decoding != DecodingConfig(nbest=decoding.nbest):
        raise UsageError("--baseline does not search: of the search options it takes --nbest only")


def _check_regions(kind: CaptionFormat, *, region_captions: bool, filters: bool, annotate: bool) -> None:
    """Check that captions of regions are requested if they are filtered, and that the output has a place for them.

    Raises:
        UsageError: filters without captions of regions, or a format without a place for them.
    """
    if filters and not region_captions:
        raise UsageError("--min-logprob and --top-regions require --region-captions")
    if region_captions and kind == "coco" and not annotate:
        raise UsageError("--format coco has no place for --region-captions; use json, jsonl, csv or html")


def _check_files(kind: CaptionFormat, *, photos: bool, output: bool, sidecar: bool, resume: bool) -> None:
    """Check that sidecars have photographs, and that a run to resume has a record of what is done.

    Raises:
        UsageError: a sidecar is requested without photographs, or a resumed run without such a record.
    """
    if sidecar and not photos:
        raise UsageError("--sidecar requires photographs; a --corpus has none to write beside")
    lines = kind == "jsonl" and output
    if resume and (not photos or lines == sidecar or (output and not lines)):
        raise UsageError(
            "--resume needs photographs and either -o FILE with --format jsonl, or --sidecar (one of them, not both)"
        )


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


def _write(results: Iterable[CaptionResult], writer: CaptionWriter, console: Console, bar: Bar) -> tuple[int, int, int]:
    """Write results as they come and report those that failed.

    Returns:
        How many photographs were captioned, how many captions were withheld, and how many photographs failed.
    """
    captioned = withheld = failed = 0
    with writer:
        for result in results:
            written = writer.write(result)
            if written is not None and written.error is not None:
                failed += 1
                console.warn(written.error)
            elif written is not None and written.withheld is not None:
                withheld += 1
            elif written is not None:
                captioned += 1
            bar.advance()
    return captioned, withheld, failed
