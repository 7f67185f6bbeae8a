"""`vsa train-embed`: train the alignment model."""

from __future__ import annotations

from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from vsa_cli import options
from vsa_cli.commands import training_options as shared
from vsa_cli.commands.training_options import MODEL, TRAINING
from vsa_cli.core.config import EMBED_PRESETS, EmbedPreset, Encoder, Loss
from vsa_cli.help import shown_presets
from vsa_cli.options import UsageError

if TYPE_CHECKING:
    from vsa_cli.core.embedding.sources import UnpairedSource
    from vsa_cli.core.embedding.word_vectors import WordVectors
    from vsa_cli.output.console import Console

CNN_SHARE = 0.2
"""The default learning rate of a CNN that learns, as a share of that of the model."""

FINE_TUNING = replace(EMBED_PRESETS["best"][1], learning_rate=5e-4, epochs=4)
"""Training that starts from a trained model."""

_PRESETS = {preset: EMBED_PRESETS[preset] for preset in get_args(EmbedPreset)[::-1]}
_RUNS = {**_PRESETS, "--start": (FINE_TUNING,)}


def _default(name: str) -> str:
    return shown_presets(_PRESETS, name)


def train_embed(
    corpus: shared.CorpusFile,
    regions: shared.RegionsFile,
    output: shared.ModelFolder = Path("embed"),
    preset: Annotated[
        EmbedPreset | None,
        typer.Option(help="Defaults: the paper's, or the strongest (best).", show_default="best"),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Continue from a trained model, with its settings and vocabulary."),
    ] = None,
    split: shared.Split = "train",
    validate: shared.Validate = "auto",
    also: shared.Also = None,
    unpaired: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGIONS,TEXT[,W]",
            help="Photographs, W times per epoch, with fitting sentences of TEXT.",
            rich_help_panel=shared.SOURCES,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Labeller from vsa train-labels, for names in these photographs.",
            rich_help_panel=shared.SOURCES,
        ),
    ] = None,
    epochs: Annotated[int | None, shared.epochs(_RUNS)] = None,
    patience: Annotated[int | None, shared.patience(_RUNS)] = None,
    keep_last: shared.KeepLast = False,
    mirrored: shared.Mirrored = False,
    learning_rate: Annotated[float | None, shared.learning_rate(_RUNS)] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1e6,
            metavar="RATE",
            help="Weight decay (best: decoupled).",
            show_default=_default("weight_decay"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=1_000_000,
            metavar="N",
            help="Pairs per step.",
            show_default=_default("batch_size"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    loss: Annotated[
        Loss | None,
        typer.Option(
            help="hinge: the paper's ranking loss; contrastive: a softmax over the batch, both ways.",
            show_default=_default("loss"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=1e-4,
            max=1e6,
            metavar="T",
            help="Temperature of the contrastive loss.",
            show_default=_default("temperature"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    encoder: Annotated[
        Encoder | None,
        typer.Option(
            help="Sentence encoder. brnn: the paper's bidirectional ReLU network; gru: a bidirectional GRU.",
            show_default=_default("encoder"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8192,
            metavar="N",
            help="Dimension of the embedding space.",
            show_default=_default("size"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    hidden_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8192,
            metavar="N",
            help="Hidden units per direction.",
            show_default=_default("hidden_size"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    whole_weight: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="W",
            help="Weight of the similarity of whole sentence and image; 0 uses words and regions only.",
            show_default=_default("whole_weight"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.95,
            metavar="P",
            help="Dropout between layers.",
            show_default=_default("dropout"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    word_dropout: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.95,
            metavar="P",
            help="Share of words dropped.",
            show_default=_default("word_dropout"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    word_vectors: Annotated[
        Path | None,
        typer.Option(
            "--word-vectors",
            metavar="FILE",
            help="Pretrained word vectors of any size: word2vec (.bin or .txt) or GloVe.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    fixed_words: Annotated[
        bool,
        typer.Option(
            "--fixed-words/--tuned-words",
            help="Freeze or fine-tune the word vectors.",
            rich_help_panel=MODEL,
        ),
    ] = False,
    tune_cnn: Annotated[
        bool,
        typer.Option(
            "--tune-cnn",
            help="Also train the CNN's last stages (extract-regions --keep-maps).",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    cnn_rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="The CNN's learning rate.",
            show_default="a fifth of --learning-rate",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep",
            help="Select learning rate and weight decay by successive halving.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    sweep_rates: Annotated[
        str | None,
        typer.Option(
            "--sweep-rates",
            metavar="A,B,...",
            help="Rates to try, replacing --learning-rate.",
            show_default="four around it",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    sweep_decays: Annotated[
        str | None,
        typer.Option(
            "--sweep-decays",
            metavar="A,B,...",
            help="Decays to try, replacing --weight-decay.",
            show_default="three around it",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    device: options.Device = "auto",
    precision: shared.Precision = None,
    threads: options.Threads = 0,
    memory: shared.Memory = None,
    seed: Annotated[int, options.seed("Random seed of initial weights, data order and dropout.")] = 0,
    force: options.ForceRun = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    dry_run: options.DryRun = False,
) -> None:
    """Train the alignment model, which embeds regions and words in one space.

    After each epoch, prints the loss and, on the validation split, R@1 both ways and the sum of recalls, by which
    the best epoch is kept. --resume yields the weights of an uninterrupted run. "The paper" is Karpathy & Fei-Fei
    (CVPR 2015).

    Example: vsa train-embed corpus.json regions.h5 -o embed/
    """
    rates, decays = _numbers(sweep_rates, "--sweep-rates"), _numbers(sweep_decays, "--sweep-decays")
    if (rates or decays) and not sweep:
        raise UsageError("--sweep-rates and --sweep-decays require --sweep")
    if rates and learning_rate is not None:
        raise UsageError("--learning-rate cannot be combined with --sweep-rates")
    if decays and weight_decay is not None:
        raise UsageError("--weight-decay cannot be combined with --sweep-decays")
    if cnn_rate is not None and not tune_cnn:
        raise UsageError("--cnn-rate requires --tune-cnn")
    if cnn_rate is not None and not 0 < cnn_rate < inf:
        raise UsageError(f"--cnn-rate {cnn_rate:g}: must be a positive number")
    if fixed_words and word_vectors is None:
        raise UsageError("--fixed-words requires --word-vectors")
    if labels is not None and not unpaired:
        raise UsageError("--labels requires --unpaired")
    shape = options.given(
        encoder=encoder, size=size, hidden_size=hidden_size, whole_weight=whole_weight, dropout=dropout,
        word_dropout=word_dropout,
    )  # fmt: skip
    if start is not None and (preset or shape or word_vectors or sweep):
        raise UsageError(
            "--start keeps the model settings of its DIR: it cannot be combined with --preset, --word-vectors, --sweep "
            "or an option of the model"
        )
    most = shared.bytes_of(memory)
    ranks = shared.ranks_into(output, force=force, resume=resume)
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.corpus.split_names import resolve_split
    from vsa_cli.core.device import resolve_device, resolve_precision, set_threads
    from vsa_cli.core.embedding.halving import plan_sweep
    from vsa_cli.core.embedding.model import read_embedding
    from vsa_cli.core.embedding.sources import Sources
    from vsa_cli.core.embedding.sweep import sweep_embedding
    from vsa_cli.core.embedding.train import train_embedding
    from vsa_cli.core.embedding.word_vectors import read_word_vectors
    from vsa_cli.core.labels.labeller import read_labeller
    from vsa_cli.core.learning.corpora import PhotographSource
    from vsa_cli.core.learning.distributed import joined
    from vsa_cli.core.learning.reading import Reading, plan_reading
    from vsa_cli.core.learning.run import TrainingRequest
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.console import Console
    from vsa_cli.output.reports import report_plan, report_request, report_sweep, report_training

    set_threads(threads)
    processor = resolve_device(device, ranks)
    read = read_corpus(corpus)
    model, training = EMBED_PRESETS[preset or "best"]
    trained = None if start is None else read_embedding(start, processor)
    if trained is not None:
        model, training = trained.model.config, FINE_TUNING
    model = replace(model, **shape)
    training = replace(
        training,
        **options.given(
            loss=loss, temperature=temperature, learning_rate=learning_rate, weight_decay=weight_decay,
            batch_size=batch_size, epochs=epochs, patience=patience,
        ),
        tune_words=not fixed_words,
    )  # fmt: skip
    if tune_cnn:
        training = replace(training, cnn_rate=cnn_rate or CNN_SHARE * training.learning_rate)
    split, held_out = resolve_split(split), read.validation_split(validate)
    sources = Sources(
        (PhotographSource(read, RegionStore(regions)), *map(shared.photographs_of, also or ())),
        tuple(map(_unpaired, unpaired or ())),
        None if labels is None else read_labeller(labels, processor),
        Reading(mirrored=mirrored),
    )
    sources.check(tune_cnn=tune_cnn)
    size = sources.region_bytes([one for one in (split, held_out) if one is not None])
    resumed = output if resume else None
    sources = replace(sources, reading=plan_reading(size, most, resumed, by_image=tune_cnn, mirrored=mirrored))
    plan = plan_sweep(training, held_out, rates, decays) if sweep else None
    console = Console(quiet=quiet)
    if sources.reading.stream:
        console.note(f"regions: {size / 1e9:.1f} GB, read from their file during training")
    given = None
    if word_vectors is not None:
        given = read_word_vectors(word_vectors, sources.vocabulary(split))
        model = replace(model, word_size=given.size)
        _report_words(console, given)
    keep = keep_last or held_out is None
    products = resolve_precision(precision, processor)
    request = TrainingRequest(output, model, training, split, held_out, keep, seed, processor, resume, ranks, products)
    if dry_run:
        report_request(console, request, as_json=json, **({} if plan is None else {"sweep": asdict(plan)}))
        if plan is not None:
            report_plan(console, plan)
        return
    with joined(ranks, processor):
        if plan is not None:
            trials = sweep_embedding(sources, request, plan, given)
            report_sweep(console, trials, plan, output=output, as_json=json)
        else:
            records = train_embedding(sources, request, given, trained)
            report_training(console, records, output=output, unit="pairs", as_json=json)
    console.suggest("align", "photo.jpg", "what it shows", "--model", output)


def _unpaired(given: str) -> UnpairedSource:
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.embedding.sources import UnpairedSource
    from vsa_cli.core.regions.store import RegionStore

    (regions, corpus), weight = shared.with_weight(given, "--unpaired", "REGIONS,TEXT[,W]", files=2)
    return UnpairedSource(RegionStore(regions), read_corpus(corpus, needs_photographs=False), weight)


def _numbers(text: str | None, option: str) -> tuple[float, ...]:
    """The numbers in `1e-3,3e-3`; none if the option is not given."""
    if text is None:
        return ()
    try:
        numbers = tuple(map(float, text.split(",")))
    except ValueError as error:
        raise UsageError(f"{option} {text}: not a list of numbers separated by commas") from error
    if not all(0 <= number < inf for number in numbers):
        raise UsageError(f"{option} {text}: a number is negative or not finite")
    return numbers


def _report_words(console: Console, given: WordVectors) -> None:
    share = f"{given.covered:,} of {given.words:,} words ({100 * given.covered / given.words:.1f} %)"
    console.note(f"word vectors: {share}, of size {given.size}; the other words start at random")
    if given.undecodable:
        console.note(f"word vectors: skipped {given.undecodable:,} words of the file that are not UTF-8")
