"""`vsa align`: words and the regions that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.artifacts import refuse_existing
from vsa_cli.core.config import AlignConfig


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
    scores: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write each word's score for each region, for vsa evaluate.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the visual importance of each word, JSON Lines.")
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Give each word of every sentence the region of its photograph that it belongs to.

    Neighbouring words with one region become a snippet: image, sentence, box, words, score. The assignment is the
    best there is, found by dynamic programming.

    Example: vsa align embed/ corpus.json regions.h5 --beta 0.05 -o snippets.jsonl
    """
    for path in (output, scores, words):
        if path is not None:
            refuse_existing(path, force=force)
    from vsa_cli.console import Console
    from vsa_cli.core.alignment.write import write_alignments
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.embedding.artifact import read_embedding
    from vsa_cli.core.regions.store import RegionStore

    set_threads(threads)
    read, store = read_corpus(corpus), RegionStore(regions)
    trained = read_embedding(embedding, resolve_device(device))
    console = Console(quiet=quiet)
    total = sum(len(image.sentences) for image in read.split(split))
    with console.progress("align", total, "sentences") as bar:
        done = write_alignments(
            trained, read, store, split, beta, snippets=output, scores=scores, words=words, watch=bar.advance
        )
    console.say(f"{output}: {done.snippets} snippets of {done.sentences} sentences; {done.wordless} had no known word")
