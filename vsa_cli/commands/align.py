"""`vsa align`: words and the regions that they belong to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.artifacts import refuse_existing
from vsa_cli.core.config import AlignConfig, Evidence
from vsa_cli.core.errors import UsageError


def align(
    embedding: Annotated[Path, typer.Argument(metavar="EMBED", help="An alignment model, from vsa train-embed.")],
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus.json, from vsa prep.")],
    regions: Annotated[Path, typer.Argument(metavar="REGIONS", help="A regions.h5, from vsa extract-regions.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write snippets.")] = Path(
        "snippets.jsonl"
    ),
    split: Annotated[str, typer.Option("--split", metavar="SPLIT", help="Align this split's sentences.")] = "train",
    beta: Annotated[
        float, typer.Option(min=0, metavar="B", help="Reward of neighbouring words for one region; 0 takes each alone.")
    ] = AlignConfig.beta,
    evidence: Annotated[
        Evidence, typer.Option(help="A region speaks for itself (own, the paper), or with those inside its box.")
    ] = AlignConfig.evidence,
    scores: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write each word's score for each region, for vsa evaluate.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the visual importance of each word, JSON Lines.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write pages there: photographs, boxes and words in colours.")
    ] = None,
    html_limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --html: show the first N photographs; all by default.")
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Give each word of every sentence the region of its photograph that it belongs to.

    Neighbouring words with one region become a snippet: image, sentence, box, words, score. The assignment is the
    best there is, found by dynamic programming. --html makes an album that any browser opens, with small copies of
    the photographs in it.

    Example: vsa align embed/ corpus.json regions.h5 --split val -o snippets.jsonl --html album/
    """
    if html is None and html_limit is not None:
        raise UsageError("--html-limit goes with --html")
    files = [path for path in (output, scores, words) if path is not None]
    for path in files:
        refuse_existing(path, force=force)
    if html is not None:
        from vsa_cli.core.pages.album import refuse_folder

        refuse_folder(html, *files, force=force)
    from vsa_cli.console import Console
    from vsa_cli.core.alignment.show import Pages
    from vsa_cli.core.alignment.write import write_alignments
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.embedding.artifact import read_embedding
    from vsa_cli.core.regions.store import RegionStore

    set_threads(threads)
    read, store = read_corpus(corpus), RegionStore(regions)
    trained = read_embedding(embedding, resolve_device(device))
    console = Console(quiet=quiet)
    pages = Pages(html, html_limit, threads or os.cpu_count() or 1, console.warn) if html is not None else None
    total = sum(len(image.sentences) for image in read.split(split))
    with console.progress("align", total, "sentences") as bar:
        done = write_alignments(
            trained,
            read,
            store,
            split,
            AlignConfig(beta=beta, evidence=evidence),
            snippets=output,
            scores=scores,
            words=words,
            pages=pages,
            watch=bar.advance,
        )
    console.say(f"{output}: {done.snippets} snippets of {done.sentences} sentences; {done.wordless} had no known word")
    if html is not None:
        console.say(
            f"{html / 'index.html'}: {done.shown} photographs, {done.unreadable} of which can no longer be read"
        )
    if done.unreadable:
        raise typer.Exit(3)
