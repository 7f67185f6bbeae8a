"""`vsa train-gen`: train the caption generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from vsa_cli import options
from vsa_cli.commands import training_options as shared
from vsa_cli.commands.training_options import MODEL, SOURCES, TRAINING
from vsa_cli.core.config import GENERATOR_PRESETS, SELF_CRITICAL, Cell, GeneratorPreset
from vsa_cli.help import shown_presets
from vsa_cli.options import UsageError

if TYPE_CHECKING:
    from vsa_cli.core.generation.sources import SnippetSource
    from vsa_cli.core.learning.corpora import TextSource

TAGS = 10
"""The default number of tags of an image, with a labeller."""

FINE_TUNING = replace(GENERATOR_PRESETS["best"][1], learning_rate=3e-4, epochs=3, patience=3)
"""Training that starts from a trained generator."""

_PRESETS = {preset: GENERATOR_PRESETS[preset] for preset in get_args(GeneratorPreset)[::-1]}
_RUNS = {**_PRESETS, "--start": (FINE_TUNING,), "--self-critical": (SELF_CRITICAL,)}


def _default(name: str) -> str:
    return shown_presets(_PRESETS, name)


def train_gen(
    corpus: shared.CorpusFile,
    regions: shared.RegionsFile,
    output: shared.ModelFolder = Path("gen"),
    preset: Annotated[
        GeneratorPreset | None,
        typer.Option(
            help="Defaults of the training and model options: the paper's, or the strongest model's (best).",
            show_default="best",
        ),
    ] = None,
    split: shared.Split = "train",
    validate: shared.Validate = "auto",
    snippets: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Train on regions and their snippets, from vsa align --corpus with --split all, instead of whole "
            "images.",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Fine-tune this trained generator on the sources. It keeps its model settings and vocabulary.",
        ),
    ] = None,
    self_critical: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Fine-tune it to maximise CIDEr; of the sources, only --also applies.",
        ),
    ] = None,
    also: shared.Also = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CORPUS[,W]",
            help="Also train on sentences without photographs, from vsa prep without --images; requires --labels. "
            "Can be given several times.",
            rich_help_panel=SOURCES,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Labeller, from vsa train-labels: names things in images (tags).",
            rich_help_panel=SOURCES,
        ),
    ] = None,
    tags: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            metavar="N",
            help="Maximum tags per image; requires --labels.",
            show_default="10",
            rich_help_panel=SOURCES,
        ),
    ] = None,
    also_snippets: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[,W]",
            help="Also train on regions and their snippets, W times per epoch, so that one model captions both.",
            rich_help_panel=SOURCES,
        ),
    ] = None,
    epochs: Annotated[int | None, shared.epochs(_RUNS)] = None,
    patience: Annotated[int | None, shared.patience(_RUNS)] = None,
    keep_last: shared.KeepLast = False,
    mirrored: shared.Mirrored = False,
    learning_rate: Annotated[float | None, shared.learning_rate(_RUNS)] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000,
            metavar="N",
            help="Sentences per step, or images with --self-critical.",
            show_default=shown_presets(_RUNS, "batch_size"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.9,
            metavar="P",
            help="Share of the target probability that is spread evenly over all words.",
            show_default=_default("label_smoothing"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    cell: Annotated[
        Cell | None,
        typer.Option(
            help="Recurrent cell: rnn is the paper's ReLU network. With lstm and rnn, --attention is 0.",
            show_default=_default("cell"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    attention: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=64,
            metavar="HEADS",
            help="Attention heads over the regions, a divisor of --hidden-size; 0 uses only the whole image.",
            show_default=_default("attention"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    word_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8192,
            metavar="N",
            help="Dimension of the word vectors.",
            show_default=_default("word_size"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    hidden_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8192,
            metavar="N",
            help="Hidden units of the recurrent cell.",
            show_default=_default("hidden_size"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.95,
            metavar="P",
            help="Dropout probability on non-recurrent layers.",
            show_default=_default("dropout"),
            rich_help_panel=MODEL,
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
    """Train the caption generator on images and their sentences.

    After each epoch, prints the loss, the perplexity on the validation split (CIDEr with --self-critical) and the
    speed. Keeps the weights of the best epoch. --resume continues an interrupted run and yields the same weights as an
    uninterrupted one. "The paper" is Karpathy & Fei-Fei (CVPR 2015).

    Example: vsa train-gen corpus.json regions.h5 -o gen/
    """
    most = shared.bytes_of(memory)
    ranks = shared.ranks_into(output, force=force, resume=resume)
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.corpus.split_names import resolve_split
    from vsa_cli.core.device import resolve_device, resolve_precision, set_threads
    from vsa_cli.core.generation.decoder import read_generator
    from vsa_cli.core.generation.sources import Sources
    from vsa_cli.core.generation.train import train_generator
    from vsa_cli.core.labels.labeller import read_labeller
    from vsa_cli.core.learning.corpora import PhotographSource
    from vsa_cli.core.learning.distributed import joined
    from vsa_cli.core.learning.reading import Reading, plan_reading
    from vsa_cli.core.learning.run import TrainingRequest
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.console import Console
    from vsa_cli.output.reports import report_request, report_training

    set_threads(threads)
    if snippets is not None and also_snippets is not None:
        raise UsageError("--snippets trains on snippets alone, --also-snippets beside whole images: use one of them")
    if snippets is not None and (also or text):
        raise UsageError("--snippets trains on snippets alone; it cannot be combined with --also or --text")
    if labels is None and (tags is not None or text):
        raise UsageError("--tags and --text require --labels: `vsa train-labels` makes a labeller")
    read = read_corpus(corpus)
    processor = resolve_device(device, ranks)
    model, training = GENERATOR_PRESETS[preset or "best"]
    shape = options.given(cell=cell, attention=attention, word_size=word_size, hidden_size=hidden_size, dropout=dropout)
    if start is not None and (preset or shape or tags is not None):
        raise UsageError(
            "--start keeps the model settings of its DIR: it cannot be combined with --preset, --tags or an option of "
            "the model"
        )
    other = start or preset or shape or label_smoothing is not None or snippets or also_snippets or text or labels
    if self_critical is not None and (other or mirrored):
        raise UsageError(
            "--self-critical takes the model settings of its DIR and trains on whole images: it cannot be combined "
            "with --start, --preset, --snippets, --also-snippets, --text, --labels, --label-smoothing, --mirrored or "
            "an option of the model"
        )
    folder = start or self_critical
    trained = None if folder is None else read_generator(folder, processor)
    if trained is not None:
        model, training = trained.model.config, FINE_TUNING if start else SELF_CRITICAL
    if cell is not None and cell != "gru" and attention is None:
        shape["attention"] = 0  # attention needs a GRU
    if labels is not None and trained is None:
        shape["tags"] = tags or TAGS
    model = replace(model, **shape)
    if model.tags and not model.attention:
        raise UsageError("--labels requires a model with attention, such as --preset best")
    if model.attention and (model.cell != "gru" or model.hidden_size % model.attention):
        raise UsageError("--attention requires --cell gru and a --hidden-size that is a multiple of HEADS")
    training = replace(
        training,
        **options.given(
            label_smoothing=label_smoothing, learning_rate=learning_rate, batch_size=batch_size, epochs=epochs,
            patience=patience,
        ),
    )  # fmt: skip
    held_out = read.validation_split(validate)
    keep = keep_last or held_out is None
    products = resolve_precision(precision, processor)
    request = TrainingRequest(
        output, model, training, resolve_split(split), held_out, keep, seed, processor, resume, ranks, products
    )
    sources = Sources(
        photographs=(PhotographSource(read, RegionStore(regions)), *map(shared.photographs_of, also or ())),
        text=tuple(map(_text, text or ())),
        snippets=_snippets(snippets, also_snippets),
        labeller=None if labels is None else read_labeller(labels, processor),
        reading=Reading(mirrored=mirrored),
    )
    sources.check()
    splits = [one for one in (request.split, held_out) if one is not None]
    size, by_image = sources.region_bytes(splits, all_regions=model.attention > 0), self_critical is not None
    reading = plan_reading(size, most, output if resume else None, by_image=by_image, mirrored=mirrored)
    sources = replace(sources, reading=reading)
    console = Console(quiet=quiet)
    if sources.reading.stream:
        console.note(f"regions: {size / 1e9:.1f} GB, read from their file during training")
    if dry_run:
        report_request(console, request, as_json=json)
        return
    unit = "words" if self_critical is None else "sentences"
    with joined(ranks, processor):
        records = train_generator(sources, request, trained)
        report_training(console, records, output=output, unit=unit, as_json=json)
    console.suggest("caption", "photo.jpg", "--model", output)


def _text(given: str) -> TextSource:
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.learning.corpora import TextSource

    (corpus,), weight = shared.with_weight(given, "--text", "CORPUS[,W]", files=1)
    return TextSource(read_corpus(corpus, needs_photographs=False), weight)


def _snippets(alone: Path | None, beside: str | None) -> SnippetSource | None:
    from vsa_cli.core.generation.sources import SnippetSource

    if beside is None:
        return None if alone is None else SnippetSource(alone)
    (path,), weight = shared.with_weight(beside, "--also-snippets", "FILE[,W]", files=1)
    return SnippetSource(path, weight)
