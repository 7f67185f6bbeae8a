"""Completion scripts, written from the app itself: what a shell offers after Tab, without starting Python.

Each shell's module turns the same `Command`s into its own language. The scripts know what kinds of files an option
takes: of a `corpus.json` or a model's folder they read the beginning, to see that it is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from vsa_cli.reference.completion.kinds import FILES, FOLDERS

_SPLITS = ("train", "tune", "val", "test", "all")
_WORDS = {
    "split": _SPLITS,
    "validate": ("auto", *_SPLITS[:-1], "none"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "cnn": ("efficientnet_lite2", "efficientnet_lite0", "alexnet", "vgg16"),
    "sidecar": (".txt",),
    "metric": ("BLEU", "METEOR", "ROUGE-L", "CIDEr"),
}
"""What may be said for a parameter of any command whose type does not tell."""

_KINDS: dict[str, tuple[str, ...]] = {
    "captions": ("sentences",), "images": ("folder",), "splits": ("text",), "source": ("corpus", "folder"),
    "boxes": ("boxes",), "detector_weights": ("weights",), "cnn_weights": ("weights",), "corpus": ("corpus",),
    "regions": ("regions",), "regions_file": ("regions",), "word_vectors": ("vectors",), "snippets": ("snippets",),
    "self_critical": ("generator",), "model": ("embedding",), "cache_dir": ("folder",), "html": ("folder",),
    "annotate": ("folder",), "photos": ("photo", "folder"), "image": ("photo",), "sentences": ("text",),
    "inputs": ("photo", "embedding", "corpus", "regions"), "file": ("results",), "references": ("sentences",),
    "compare": ("results",), "baseline": ("results",), "artifact": ("model", "corpus", "regions", "lines"),
}  # fmt: skip
"""The kinds of files that a parameter of any command takes; "file" is any, and so is what is not named here."""

_KINDS_OF_ONE: dict[tuple[str, str], tuple[str, ...]] = {
    ("caption", "model"): ("generator",),
    ("pack", "model"): ("model",),
    ("convert", "source"): ("regions", "features"),
}


@dataclass(frozen=True)
class Value:
    """What an option or an argument takes: words, files of some kinds, or something that no shell can guess."""

    words: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def only_models(self) -> bool:
        """Whether nothing but model folders will do."""
        return bool(self.kinds) and all(kind in FOLDERS for kind in self.kinds)


@dataclass(frozen=True)
class Option:
    """An option: its names, what it is for, its value (None for a switch), and whether it may be repeated."""

    names: tuple[str, ...]
    says: str
    value: Value | None
    label: str
    repeated: bool


@dataclass(frozen=True)
class Command:
    """A command: its options, and what its arguments are, the last of which may go on for ever."""

    name: str
    says: str
    options: tuple[Option, ...]
    arguments: tuple[Value, ...]
    endless: bool


HELP = Option(("-h", "--help"), "Show the help and exit.", None, "", False)


def commands_of(root: Any) -> list[Command]:
    """Every command of the app, as completion sees it."""
    return [_command(name, command) for name, command in root.commands.items()]


def _command(name: str, command: Any) -> Command:
    options = [_option(name, p) for p in command.params if p.param_type_name == "option" and not p.hidden]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    says = command.help.strip().split("\n")[0].rstrip(".")
    values = tuple(_value(name, p) for p in arguments)
    return Command(name, says, (*options, HELP), values, bool(arguments) and arguments[-1].nargs < 0)


def _option(command: str, parameter: Any) -> Option:
    names = (*sorted(parameter.opts, key=len), *parameter.secondary_opts)
    value = None if parameter.is_flag else _value(command, parameter)
    return Option(names, parameter.help or "", value, parameter.metavar or parameter.name.upper(), parameter.multiple)


def _value(command: str, parameter: Any) -> Value:
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return Value(words=tuple(map(str, get_args(annotation))))
    if parameter.name in _WORDS:
        return Value(words=_WORDS[parameter.name])
    kinds = _KINDS_OF_ONE.get((command, parameter.name)) or _KINDS.get(parameter.name)
    if kinds is None and not any(word in (parameter.metavar or "") for word in ("FILE", "DIR", "OUT")):
        return Value()
    return Value(kinds=kinds or ("file",))


__all__ = ["FILES", "FOLDERS", "HELP", "Command", "Option", "Value", "commands_of"]
