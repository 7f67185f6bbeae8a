"""`vsa align`: words and the regions that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli import options
from vsa_cli.commands import embedder_options
from vsa_cli.core.config import AlignConfig, Evidence
from vsa_cli.core.corpus.split_names import resolve_split
from vsa_cli.core.device import available_cores
from vsa_cli.core.io.files import check_distinct, check_output
from vsa_cli.options import OUTPUT, STORED_SPLIT, UsageError

if TYPE_CHECKING:
    from vsa_cli.core.alignment.embedder import Embedder


def align(
    photo: Annotated[
        str | None, typer.Argument(metavar="[PHOTO]", help="Photograph to align the sentences with.")
    ] = None,
    sentences: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SENTENCE]...", help="One or more sentences that describe the photograph."),
    ] = None,
    model: embedder_options.Model = None,
    beta: Annotated[
        float,
        typer.Option(
            min=0,
            max=1e6,
            metavar="B",
            help="Weight β of the MRF's pairwise term: larger values give longer snippets, 0 assigns each word "
            "independently. Use about 0.5 with --evidence contained and 0.05 with own.",
        ),
    ] = AlignConfig.beta,
    evidence: Annotated[
        Evidence,
        typer.Option(
            help="Score of a region for a word. own: its own score alone, as in Karpathy & Fei-Fei; contained: "
            "with the scores of the regions inside it, which favours whole objects, with those of the word alone, and "
            "with what the model's labeller sees, if it has one."
        ),
    ] = AlignConfig.evidence,
    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Align the sentences of this corpus.json, instead of PHOTO and SENTENCE.",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = None,
    regions_file: embedder_options.RegionsFile = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="Split to align: train, tune, val, test or all. For train-gen --snippets, use all, or train if it "
            "runs with --validate none.",
            show_default="train",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the score of each word and region to FILE, for vsa evaluate --boxes.",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write each word's visual importance (the norm of its vector, averaged over its occurrences) to FILE.",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = None,
    html_limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Maximum number of photographs on the --html pages.",
            show_default="all",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Output file.",
            show_default="stdout, or snippets.jsonl with --corpus",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also write HTML pages with the photographs, boxes and coloured words to this folder.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print the snippets of a photograph as one JSON array.", rich_help_panel=OUTPUT),
    ] = False,
    strict: embedder_options.Strict = False,
    cnn_weights: options.CnnWeights = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    device: options.Device = "auto",
    runtime: options.RuntimeName = "torch",
    threads: options.Threads = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Assign each word of a sentence to the image region that the word describes.

    Consecutive words assigned to the same region form a snippet, which has a box, words and a score. The assignment is
    the exact optimum of the chain Markov random field (MRF) of Karpathy & Fei-Fei (CVPR 2015), found by dynamic
    programming. For a photograph and sentences, prints one line per snippet: its words, its box in pixels and its
    score, separated by tabs. With --corpus and --regions-file, aligns the sentences of a split, and writes their
    snippets as JSON Lines.

    Words that the model does not know are assigned to no region; they are listed on stderr, in the JSON output and on
    the HTML page.

    Example: vsa align photo.jpg "a man in a red shirt climbs a rock" --html out/
    """
    embedder_options.check_model_variable(model)
    _check_form(photo, sentences, corpus, regions_file)
    config = AlignConfig(beta=beta, evidence=evidence)
    open_embedder = partial(
        embedder_options.open_embedder,
        model, device=device, runtime=runtime, cache_dir=cache_dir, no_cache=no_cache, threads=threads,
        cnn_weights=cnn_weights,
    )  # fmt: skip
    failed = 0
    if corpus is not None and regions_file is not None:
        if json:
            raise UsageError("--json goes with a photograph; the snippets of a split are JSON Lines")
        if strict:
            raise UsageError("--strict goes with a photograph; a split always has words that a model does not know")
        if html is None and html_limit is not None:
            raise UsageError("--html-limit goes with --html")
        snippets = output or Path("snippets.jsonl")
        _check_split_outputs([path for path in (snippets, scores, words) if path is not None], html, force=force)
        failed = _align_split(
            open_embedder, corpus, regions_file, resolve_split(split or "train"), config,
            snippets=snippets, scores=scores, words=words, html=html, html_limit=html_limit,
            threads=threads, quiet=quiet,
        )  # fmt: skip
    elif photo is not None and sentences:
        _check_no_split_options({"--split": split, "--scores": scores, "--words": words, "--html-limit": html_limit})
        _check_photo_outputs(output, html, force=force)
        failed = _align_photo(
            open_embedder(), photo, sentences, config,
            output=output, as_json=json, html=html, threads=threads, quiet=quiet, strict=strict,
        )  # fmt: skip
    if failed:
        raise typer.Exit(3)


def _align_photo(
    embedder: Embedder,
    photo: str,
    sentences: Sequence[str],
    config: AlignConfig,
    *,
    output: Path | None,
    as_json: bool,
    html: Path | None,
    threads: int,
    quiet: bool,
    strict: bool,
) -> int:
    """Align sentences with a photograph; return 1 if it could not be read again for a page, else 0."""
    from vsa_cli.output.alignments import format_alignments
    from vsa_cli.output.console import Console, print_lines
    from vsa_cli.output.unknown_words import alignment_note, unknown_among

    console, queries = Console(quiet=quiet), [embedder.look_up(sentence) for sentence in sentences]
    if any(query.words for query in queries) or strict:
        embedder_options.report_unknown(console, queries, embedder.trained.vocabulary, alignment_note, strict=strict)
    encoded, regions = embedder.encode(photo)
    alignments = embedder.align_encoded(encoded, regions, sentences, config)
    failed = 0
    if html is not None:
        from vsa_cli.output.html.from_alignments import alignment_card, photo_header

        card = alignment_card(encoded.file, alignments)
        header = photo_header(config, unknown_among(queries))
        failed = embedder_options.write_pages(console, header, [card], html, threads)
    print_lines(format_alignments(alignments, [query.unknown for query in queries], as_json=as_json), output)
    return failed


def _align_split(
    open_embedder: Callable[[], Embedder],
    corpus: Path,
    regions: Path,
    split: str,
    config: AlignConfig,
    *,
    snippets: Path,
    scores: Path | None,
    words: Path | None,
    html: Path | None,
    html_limit: int | None,
    threads: int,
    quiet: bool,
) -> int:
    """Align the sentences of a split; return how many photographs for the HTML pages could not be read."""
    from vsa_cli.core.alignment.align import align_corpus
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.alignments import alignment_writer
    from vsa_cli.output.console import Console
    from vsa_cli.output.html.from_alignments import alignment_gallery

    console = Console(quiet=quiet)
    read, store = read_corpus(corpus), RegionStore(regions)
    trained = open_embedder().trained
    total = sum(len(image.sentences) for image in read.split(split))
    gallery = None
    with ExitStack() as stack:
        bar = stack.enter_context(console.progress("align", total, "sentences"))
        if html is not None:
            workers = threads or available_cores()
            gallery = stack.enter_context(
                alignment_gallery(html, read, split, config, limit=html_limit, workers=workers, warn=console.warn)
            )
        writer = stack.enter_context(
            alignment_writer(trained, read, store, split, config, snippets=snippets, scores=scores, words=words)
        )
        for alignment in align_corpus(trained, read, store, split, config):
            writer.write(alignment)
            if gallery is not None:
                gallery.add(alignment)
            bar.advance()
    console.note(
        f"{snippets}: {writer.snippets} snippets of {writer.sentences} sentences; "
        f"{writer.out_of_vocabulary} had no known word"
    )
    if html is not None and gallery is not None:
        console.note(f"{html / 'index.html'}: {gallery.images} photographs, {gallery.unreadable} of them unreadable")
    if split == "all" or (split == "train" and read.validation_split("auto") is None):
        console.suggest("train-gen", corpus, regions, "--snippets", snippets)
    return gallery.unreadable if gallery is not None else 0


def _check_form(photo: str | None, sentences: list[str] | None, corpus: Path | None, regions_file: Path | None) -> None:
    """Check that exactly one form of the command is used, and used in full.

    Raises:
        UsageError: none or several are used, or a part of one is missing.
    """
    named = [photo or "", *(sentences or [])]
    if any(name.lower().endswith(".json") for name in named[:2]):
        raise UsageError(
            "the form [EMBED] CORPUS REGIONS is now --corpus CORPUS --regions-file REGIONS [--model EMBED]"
        )
    if (corpus is None) != (regions_file is None):
        raise UsageError("--corpus and --regions-file go together")
    if (photo is None) == (corpus is None) or (photo is not None and not sentences):
        raise UsageError("name a PHOTO and a SENTENCE, or --corpus and --regions-file")


def _check_no_split_options(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"{name} goes with --corpus and --regions-file")


def _check_photo_outputs(output: Path | None, html: Path | None, *, force: bool) -> None:
    check_distinct(output, html)
    if output is not None:
        check_output(output, force=force)
    if html is not None:
        from vsa_cli.output.html.document import check_pages_output

        check_pages_output(html, 1, force=force)


def _check_split_outputs(files: Sequence[Path], html: Path | None, *, force: bool) -> None:
    check_distinct(*files)
    for path in files:
        check_output(path, force=force)
    if html is not None:
        from vsa_cli.output.html.gallery import check_gallery_folder

        check_gallery_folder(html, *files, force=force)
