"""What completion knows of a command line: commands, options, and the words and kinds of files that they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vsa_cli.core.corpus.split_names import SPLITS
from vsa_cli.help import HELP_TEXT
from vsa_cli.reference.completion.kinds import FOLDERS

_WORDS = {
    "split": (*SPLITS, "all"),
    "validate": ("auto", *SPLITS, "none"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "cnn": ("efficientnet_lite2", "efficientnet_lite0", "alexnet", "vgg16"),
    "sidecar": (".txt",),
    "metric": ("BLEU", "METEOR", "ROUGE-L", "CIDEr"),
}
"""Words for a parameter of any command whose type does not list them."""

_KINDS: dict[str, tuple[str, ...]] = {
    "captions": ("sentences",), "images": ("folder",), "splits": ("text",), "source": ("corpus", "folder"),
    "boxes": ("boxes",), "detector_weights": ("weights",), "cnn_weights": ("weights",), "corpus": ("corpus",),
    "regions": ("regions",), "regions_file": ("regions",), "word_vectors": ("vectors",), "snippets": ("snippets",),
    "also": ("corpus",), "unpaired": ("regions",), "text": ("corpus",), "also_snippets": ("snippets",),
    "labels": ("model",), "calibration": ("calibration",),
    "teacher": ("regions",), "bank": ("corpus",),
    "self_critical": ("generator",), "model": ("embedding",), "cache_dir": ("folder",), "html": ("folder",),
    "annotate": ("folder",), "photos": ("photo", "folder"), "photo": ("photo",), "image": ("photo",),
    "sentences": ("text",),
    "inputs": ("photo", "embedding", "corpus", "regions"), "file": ("results",), "references": ("sentences",),
    "index": ("folder",), "compare": ("results",), "baseline": ("results",),
    "artifact": ("model", "folder", "corpus", "regions", "lines", "calibration"),
}  # fmt: skip
"""Kinds of files for a parameter of any command; "file" is any file, also for parameters without an entry."""

_KINDS_BY_COMMAND: dict[tuple[str, str], tuple[str, ...]] = {
    ("caption", "model"): ("generator",),
    ("calibrate", "model"): ("generator",),
    ("pack", "model"): ("model",),
    ("index", "output"): ("folder",),
    ("convert", "source"): ("regions", "features"),
}
"""Kinds of files for a parameter of one command."""


@dataclass(frozen=True)
class Value:
    """What an option or an argument takes: words, files of some kinds, or free text (neither)."""

    words: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def only_models(self) -> bool:
        """Whether only model folders are accepted."""
        return bool(self.kinds) and all(kind in FOLDERS for kind in self.kinds)


@dataclass(frozen=True)
class Option:
    """An option.

    Attributes:
        names: short name first, then long names, then those that turn a switch off.
        help: the help text.
        value: what it takes; None for a switch.
        label: the metavariable.
        repeated: whether it may be given more than once.
    """

    names: tuple[str, ...]
    help: str
    value: Value | None
    label: str
    repeated: bool


@dataclass(frozen=True)
class Command:
    """A command; `repeats` is true if its last argument may be repeated."""

    name: str
    summary: str
    options: tuple[Option, ...]
    arguments: tuple[Value, ...]
    repeats: bool


HELP = Option(("-h", "--help"), HELP_TEXT, None, "", False)


def commands_of(root: Any) -> list[Command]:
    """Every command of the app: `root` is its command tree."""
    return [_command(name, command) for name, command in root.commands.items()]


def choices_of(function: Any, parameter: str) -> tuple[str, ...]:
    """The words that a command's function accepts for a parameter, if its type lists them."""
    annotation = get_type_hints(function).get(parameter)
    for member in (annotation, *get_args(annotation)):  # Literal, or a union with one
        if get_origin(member) is Literal:
            return tuple(map(str, get_args(member)))
    return ()


def _command(name: str, command: Any) -> Command:
    options = [_option(name, command, p) for p in command.params if p.param_type_name == "option" and not p.hidden]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    values = tuple(_value(name, command, p) for p in arguments)
    summary = command.short_help.rstrip(".")
    return Command(name, summary, (*options, HELP), values, bool(arguments) and arguments[-1].nargs < 0)


def _option(name: str, command: Any, parameter: Any) -> Option:
    names = (*sorted(parameter.opts, key=len), *parameter.secondary_opts)
    value = None if parameter.is_flag else _value(name, command, parameter)
    return Option(
        names,
        parameter.help or "",
        value,
        (parameter.metavar or parameter.name.upper()).strip("<>"),
        parameter.multiple,
    )


def _value(name: str, command: Any, parameter: Any) -> Value:
    words = choices_of(command.callback, parameter.name) or _WORDS.get(parameter.name)
    if words:
        return Value(words=words)
    kinds = _KINDS_BY_COMMAND.get((name, parameter.name)) or _KINDS.get(parameter.name)
    if kinds is None and not any(word in (parameter.metavar or "") for word in ("FILE", "DIR", "OUT")):
        return Value()
    return Value(kinds=kinds or ("file",))
