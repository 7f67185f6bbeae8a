"""`vsa train-embed`: the alignment model."""

from __future__ import annotations

from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli import options
from vsa_cli.core.config import EMBED_PRESETS, EmbedPreset, Encoder, Loss
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.io.files import check_output

if TYPE_CHECKING:
    from vsa_cli.core.embedding.word_vectors import WordVectors
    from vsa_cli.output.console import Console


def train_embed(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus.json, from vsa prep.")],
    regions: Annotated[Path, typer.Argument(metavar="REGIONS", help="A regions.h5, from vsa extract-regions.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write.")] = Path("embed"),
    preset: Annotated[
        EmbedPreset, typer.Option(help="The paper's model to the letter, or the strongest known here.")
    ] = "best",
    split: Annotated[str, typer.Option("--split", metavar="SPLIT", help="Train on this split.")] = "train",
    validate: Annotated[
        str,
        typer.Option(
            "--validate",
            metavar="SPLIT",
            help="Choose the best epoch on this split; auto takes tune, else val; or none.",
        ),
    ] = "auto",
    keep_last: Annotated[
        bool, typer.Option("--keep-last", help="Train for all epochs and keep the last, whatever validation says.")
    ] = False,
    encoder: Annotated[Encoder | None, typer.Option(help="Of sentences; the preset's by default.")] = None,
    loss: Annotated[Loss | None, typer.Option(help="The preset's by default.")] = None,
    size: Annotated[
        int | None, typer.Option(min=1, max=8192, metavar="N", help="Of the shared space; the preset's by default.")
    ] = None,
    hidden_size: Annotated[
        int | None,
        typer.Option(min=1, max=8192, metavar="N", help="Units of each recurrence; the preset's by default."),
    ] = None,
    whole_weight: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="W", help="Share of the whole image in the score.")
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(min=0, max=0.95, metavar="P", help="Of every non-recurrent layer.")
    ] = None,
    word_dropout: Annotated[
        float | None, typer.Option(min=0, max=0.95, metavar="P", help="Share of words hidden in training.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(min=1e-4, max=1e6, metavar="T", help="Of the contrastive loss; the preset's by default."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, max=1e6, metavar="RATE", help="At the start; half a cosine takes it to zero.")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(min=0, max=1e6, metavar="RATE", help="The preset's by default.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, max=1_000_000, metavar="N", help="Pairs a step.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Passes over the sentences, at most.")] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after this many epochs without better recalls.")
    ] = None,
    word_vectors: Annotated[
        Path | None,
        typer.Option(
            "--word-vectors", metavar="FILE", help="Start words from these: word2vec's .bin or .txt, or GloVe's."
        ),
    ] = None,
    fixed_words: Annotated[
        bool, typer.Option("--fixed-words/--tuned-words", help="Keep them as they are (the paper), or let them learn.")
    ] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="First cross-validate learning rate and weight decay, then train the best.")
    ] = False,
    sweep_rates: Annotated[
        str | None,
        typer.Option("--sweep-rates", metavar="A,B,...", help="Learning rates to try; four by default."),
    ] = None,
    sweep_decays: Annotated[
        str | None,
        typer.Option("--sweep-decays", metavar="A,B,...", help="Weight decays to try with each; three by default."),
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    dry_run: options.DryRun = False,
) -> None:
    """Train the alignment model: regions and words in one space.

    Each epoch prints the loss, recalls and median ranks both ways on held-out images; the best weights are kept
    in the output folder. A run that was interrupted goes on with --resume, to the same weights. --sweep gives many
    learning rates and weight decays a short training, the best third a longer one, and the winner the whole.

    Example: vsa train-embed corpus.json regions.h5 -o embed/
    """
    rates, decays = _numbers(sweep_rates, "--sweep-rates"), _numbers(sweep_decays, "--sweep-decays")
    _refuse(bool(rates or decays) and not sweep, "--sweep-rates and --sweep-decays go with --sweep")
    _refuse(bool(rates) and learning_rate is not None, "--learning-rate and --sweep-rates: choose one")
    _refuse(bool(decays) and weight_decay is not None, "--weight-decay and --sweep-decays: choose one")
    _refuse(fixed_words and word_vectors is None, "--fixed-words keeps what --word-vectors gives, and that is not here")
    check_output(output, force=force, resume=resume, folder=True)
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.corpus.splits import validation_split
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.embedding.halving import plan_sweep
    from vsa_cli.core.embedding.sweep import sweep_embedding
    from vsa_cli.core.embedding.train import train_embedding
    from vsa_cli.core.embedding.word_vectors import read_word_vectors
    from vsa_cli.core.learning.run import Request, vocabulary_of
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.console import Console
    from vsa_cli.output.reports import report_plan, report_request, report_sweep, report_training

    set_threads(threads)
    read = read_corpus(corpus)
    model, training = EMBED_PRESETS[preset]
    model = replace(
        model,
        **options.given(
            encoder=encoder, size=size, hidden_size=hidden_size, whole_weight=whole_weight, dropout=dropout,
            word_dropout=word_dropout,
        ),
    )  # fmt: skip
    training = replace(
        training,
        **options.given(
            loss=loss, temperature=temperature, learning_rate=learning_rate, weight_decay=weight_decay,
            batch_size=batch_size, epochs=epochs, patience=patience,
        ),
        tune_words=not fixed_words,
    )  # fmt: skip
    held_out = validation_split(read, validate)
    plan = plan_sweep(training, held_out, rates, decays) if sweep else None
    console = Console(quiet=quiet)
    given = read_word_vectors(word_vectors, vocabulary_of(read)) if word_vectors is not None else None
    if given is not None:
        model = replace(model, word_size=given.size)
        _report_words(console, given)
    keep = keep_last or held_out is None
    request = Request(output, model, training, split, held_out, keep, seed, resolve_device(device), resume)
    if dry_run:
        report_request(console, request, as_json=json, **({} if plan is None else {"sweep": asdict(plan)}))
        if plan is not None:
            report_plan(console, plan)
        return
    store = RegionStore(regions)
    if plan is not None:
        trials = sweep_embedding(read, store, request, plan, given)
        report_sweep(console, trials, plan, output=output, as_json=json)
    else:
        records = train_embedding(read, store, request, given)
        report_training(console, records, output=output, unit="pairs", as_json=json)
    console.suggest("align", "photo.jpg", "what it shows", "--model", output)


def _refuse(wrong: bool, message: str) -> None:
    if wrong:
        raise ConfigError(message)


def _numbers(text: str | None, option: str) -> tuple[float, ...]:
    """`1e-3,3e-3` as numbers; none where the option is not given."""
    if text is None:
        return ()
    try:
        numbers = tuple(map(float, text.split(",")))
    except ValueError as error:
        raise ConfigError(f"{option} {text}: not numbers with commas between them") from error
    _refuse(not all(0 <= number < inf for number in numbers), f"{option} {text}: a number is negative or not finite")
    return numbers


def _report_words(console: Console, given: WordVectors) -> None:
    share = f"{given.covered:,} of {given.words:,} words ({100 * given.covered / given.words:.1f} %)"
    console.say(f"word vectors: {share}, {given.size} numbers each; the others start at random")
    if given.strange:
        console.say(f"word vectors: {given.strange:,} words of the file are not UTF-8 and were passed over")
