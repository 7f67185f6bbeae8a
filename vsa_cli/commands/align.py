"""`vsa align`: words and the regions that they belong to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli import options
from vsa_cli.core.config import AlignConfig, Evidence
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.io.files import check_distinct, check_output

if TYPE_CHECKING:
    from vsa_cli.core.embedding.model import Embedding
    from vsa_cli.core.learning.model_dir import Trained


def align(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTO SENTENCE... | [EMBED] CORPUS REGIONS",
            help="A photograph and what is said of it; or a corpus.json with its regions.h5.",
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", "-m", metavar="DIR", envvar="VSA_EMBED", help="An alignment model; the bundled one by default."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write: stdout for a photograph, else snippets.jsonl."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="SPLIT", help="Of a corpus: whose sentences; train by default.")
    ] = None,
    beta: Annotated[
        float,
        typer.Option(
            min=0, max=1e6, metavar="B", help="Reward of neighbouring words for one region; 0 takes each alone."
        ),
    ] = AlignConfig.beta,
    evidence: Annotated[
        Evidence, typer.Option(help="A region speaks for itself (own, the paper), or with those inside its box.")
    ] = AlignConfig.evidence,
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of a corpus: write each word's score for each region, for vsa evaluate."),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of a corpus: write the visual importance of each word, JSON Lines."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write pages there: photographs, boxes and words in colours.")
    ] = None,
    html_limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Of a corpus: show the first N photographs; all by default."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Of a photograph: print JSON.")] = False,
    cnn_weights: options.CnnWeights = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Give each word of a sentence the region of its photograph that it belongs to.

    Neighbouring words with one region become a snippet: box, words, score. The assignment is the best there is,
    found by dynamic programming. Of a photograph and sentences about it, a line for each snippet is printed; of a
    corpus, all sentences of a split are aligned and written as JSON Lines. --html makes an album that any browser
    opens, with small copies of the photographs in it.

    Example: vsa align photo.jpg "a man in a red shirt climbs a rock" --html out/
    """
    asked = _Asked(AlignConfig(beta=beta, evidence=evidence), model, output, html, device, threads, force, quiet)
    of_corpus = {"--split": split, "--scores": scores, "--words": words, "--html-limit": html_limit}
    if Path(inputs[0]).suffix.lower() == ".json" or Path(inputs[0]).is_dir():
        if json:
            raise ConfigError("--json goes with a photograph; a corpus's snippets are JSON Lines")
        _align_corpus(asked, inputs, split or "train", scores, words, html_limit)
        return
    misplaced = [name for name, value in of_corpus.items() if value is not None]
    if misplaced or len(inputs) < 2:
        raise ConfigError(
            f"{misplaced[0]} goes with a corpus.json and its regions.h5"
            if misplaced
            else "name a photograph and a sentence, or a corpus.json and its regions.h5"
        )
    from vsa_cli.core.regions.cache import cache_folder

    cache = None if no_cache else cache_dir or cache_folder()
    _align_photograph(asked, Path(inputs[0]), inputs[1:], cnn_weights, cache, as_json=json)


@dataclass(frozen=True)
class _Asked:
    """What both forms of the command are asked for."""

    config: AlignConfig
    model: Path | None
    output: Path | None
    html: Path | None
    device: str
    threads: int
    force: bool
    quiet: bool


def _align_photograph(
    asked: _Asked, photo: Path, said: Sequence[str], cnn_weights: Path | None, cache: Path | None, *, as_json: bool
) -> None:
    check_distinct(asked.output, asked.html)
    if asked.output is not None:
        check_output(asked.output, force=asked.force)
    if asked.html is not None:
        from vsa_cli.output.html.document import check_pages_output

        check_pages_output(asked.html, 1, force=asked.force)
    from vsa_cli.output.console import Console, report_lines
    from vsa_cli.output.html.document import Pages, is_folder
    from vsa_cli.output.photograph_alignments import align_photograph, lines, page
    from vsa_cli.output.search_results import Looking

    console, workers = Console(quiet=asked.quiet), asked.threads or os.cpu_count() or 1
    looking = Looking(cnn_weights, cache, workers, console.warn, console.looking)
    aligned = align_photograph(_model(asked), photo, said, looking, asked.config)
    if asked.html is not None:
        front, card = page(photo, aligned, asked.config)
        pages = Pages(lambda: front, [card], console.warn)
        if is_folder(asked.html):
            pages.fill(asked.html, workers)
        else:
            report_lines(pages.lines(), asked.html)
    report_lines(lines(aligned, as_json=as_json), asked.output)


def _align_corpus(
    asked: _Asked, inputs: Sequence[str], split: str, scores: Path | None, words: Path | None, html_limit: int | None
) -> None:
    *named, corpus, regions = [Path(name) for name in inputs] if len(inputs) > 1 else (Path(), Path())
    if len(inputs) not in (2, 3) or corpus.is_dir():
        raise ConfigError("name a photograph and a sentence, or a corpus.json and its regions.h5")
    if named and asked.model is not None:
        raise ConfigError(f"--model and {named[0]} are two models: name one")
    if asked.html is None and html_limit is not None:
        raise ConfigError("--html-limit goes with --html")
    output = asked.output or Path("snippets.jsonl")
    files = [path for path in (output, scores, words) if path is not None]
    check_distinct(*files)
    for path in files:
        check_output(path, force=asked.force)
    if asked.html is not None:
        from vsa_cli.output.html.gallery import check_gallery_folder

        check_gallery_folder(asked.html, *files, force=asked.force)
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.alignments import write_alignments
    from vsa_cli.output.console import Console
    from vsa_cli.output.html.from_alignments import Pages

    read, store = read_corpus(corpus), RegionStore(regions)
    trained = _model(replace(asked, model=named[0]) if named else asked)
    console, workers = Console(quiet=asked.quiet), asked.threads or os.cpu_count() or 1
    pages = Pages(asked.html, html_limit, workers, console.warn) if asked.html is not None else None
    total = sum(len(image.sentences) for image in read.split(split))
    with console.progress("align", total, "sentences") as bar:
        done = write_alignments(
            trained, read, store, split, asked.config,
            snippets=output, scores=scores, words=words, pages=pages, watch=bar.advance,
        )  # fmt: skip
    console.say(
        f"{output}: {done.snippets} snippets of {done.sentences} sentences; {done.out_of_vocabulary} had no known word"
    )
    if asked.html is not None:
        console.say(
            f"{asked.html / 'index.html'}: {done.shown} photographs, {done.unreadable} of which can no longer be read"
        )
    if split in ("train", "all"):
        console.suggest("train-gen", corpus, regions, "--snippets", output)
    if done.unreadable:
        raise typer.Exit(3)


def _model(asked: _Asked) -> Trained[Embedding]:
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.embedding.model import read_embedding
    from vsa_cli.core.learning.model_dir import bundled_model

    set_threads(asked.threads)
    return read_embedding(asked.model or bundled_model("embed"), resolve_device(asked.device))
