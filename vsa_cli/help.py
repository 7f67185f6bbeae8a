"""What help shows, on the screen and in man pages: usage, explanations with defaults and ranges, headings of options.

typer's own help shows Python types and bare ranges, and breaks lines inside the names of options.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

FORMS: dict[str, tuple[str, ...]] = {
    "caption": ("PHOTO|DIR|-...", "--corpus FILE --regions-file FILE"),
    "retrieve": (
        "QUERY PHOTO|DIR|-...",
        "QUERY --index DIR",
        "--serve --index DIR",
        "--image FILE --sentences FILE",
        "--corpus FILE --regions-file FILE",
    ),
    "index": ("PHOTO|DIR|-... -o DIR", "--corpus FILE --regions-file FILE -o DIR"),
    "align": ("PHOTO SENTENCE...", "--corpus FILE --regions-file FILE"),
    "prep": ("CAPTIONS... [--images DIR]",),
    "evaluate": ("FILE", "--compare OLD NEW"),
    "convert": ("IN [CORPUS] -o OUT",),
    "pack": ("MODEL -o DIR",),
    "calibrate": ("CORPUS REGIONS --model DIR",),
}
"""The forms of a command, where its arguments alone do not show how it is called."""

HELP_FLAGS, HELP_TEXT = "-h, --help", "Show this help and exit."

UNLIMITED = 1000
"""An upper limit from here on only catches mistakes, and help does not show it."""

_LONGEST_LABEL = 25
"""Characters of an option and its value beside its explanation; a longer one has a line of its own."""


def usages(name: str, command: Any) -> tuple[str, ...]:
    """Each form of a command's arguments, after the options."""
    operands = " ".join(str(p.metavar) for p in command.params if p.param_type_name == "argument")
    return FORMS.get(name, (operands,))


def panel_of(entry: Any) -> str:
    """The heading under which help shows an option or a command."""
    return str(getattr(entry, "rich_help_panel", None) or "Options")


def explanation(parameter: Any) -> str:
    """The help of a parameter, followed by whether it is required, its default and its range in brackets."""
    is_option = parameter.param_type_name == "option"
    default = shown_default(parameter)
    facts = [
        "required" if is_option and parameter.required else "",
        f"default: {default}" if default else "",
        _range(parameter),
    ]
    shown = "; ".join(filter(None, facts))
    return (parameter.help or "") + (f"  [{shown}]" if shown else "")


def shown_default(parameter: Any) -> str:
    """The default as help shows it; empty if there is none to show."""
    default = parameter.default
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if getattr(parameter, "is_flag", False):
        off = parameter.secondary_opts
        return "" if not off else parameter.opts[0] if default else off[0]
    if default is None or default == () or callable(default):
        return ""
    return shown_value(default)


def shown_value(value: object) -> str:
    """A setting as a user would type it: 0.001, 2e-5, gru."""
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else str(value)


def shown_presets(presets: Mapping[str, Sequence[object]], name: str) -> str:
    """The values that presets give a setting, as in `12 (best), 9 (paper)`; one value if they agree.

    Args:
        presets: the configurations of each preset, the default preset first.
        name: a field of one of the configurations.
    """
    values = {
        preset: next(shown_value(getattr(config, name)) for config in configs if hasattr(config, name))
        for preset, configs in presets.items()
    }
    agreeing: dict[str, list[str]] = {}
    for preset, value in values.items():
        agreeing.setdefault(value, []).append(preset)
    if len(agreeing) == 1:
        return next(iter(agreeing))
    return ", ".join(f"{value} ({', '.join(names)})" for value, names in agreeing.items())


def _range(parameter: Any) -> str:
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if high is not None and high < UNLIMITED:
        return f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
    return f"at least {low:g}" if low not in (None, 0, 1) else ""  # 0 and 1 are where counts start


def page(path: str, command: Any, sections: Mapping[str, Sequence[tuple[str, str]]], width: int) -> str:
    """The help of a command or of the whole app.

    Args:
        path: the words that call it, such as `vsa caption`.
        command: the command, with its help and its example.
        sections: by heading, the label and the explanation of each entry.
        width: characters of a line.
    """
    parts = [usage(path, command, width), *_paragraphs(command.help, width)]
    parts += [f"{heading}:\n{_rows(rows, width)}" for heading, rows in sections.items() if rows]
    return "\n\n".join([*parts, _wrap(" ".join(command.epilog.split()), width, "  ", "    ")])


def usage(path: str, command: Any, width: int) -> str:
    """The usage lines of a command."""
    forms = usages(command.name, command) if not hasattr(command, "commands") else ("COMMAND [ARGUMENT]...",)
    heads = ["Usage: ", *[" " * len("Usage: ")] * (len(forms) - 1)]
    lines = [f"{head}{path} [OPTIONS] {form}".rstrip() for head, form in zip(heads, forms, strict=True)]
    return "\n".join(_wrap(line.lstrip(), width, line[: len(line) - len(line.lstrip())], " " * 9) for line in lines)


def blocks(text: str) -> Iterator[str | list[tuple[str, str]]]:
    """The paragraphs of a description; one of indented lines is a list, of terms and what they mean."""
    for part in text.strip("\n").split("\n\n"):
        if not part.startswith("  "):
            yield " ".join(part.split())
            continue
        terms: list[tuple[str, str]] = []
        for line in part.split("\n"):
            term, _, meaning = line.strip().partition("  ")
            if line.startswith("   "):  # continues the meaning above
                terms[-1] = (terms[-1][0], f"{terms[-1][1]} {line.strip()}")
            else:
                terms.append((term, meaning.strip()))
        yield terms


def _paragraphs(text: str, width: int) -> list[str]:
    return [
        _wrap(block, width, "  ", "  ") if isinstance(block, str) else _rows(block, width, indent="    ")
        for block in blocks(text)
    ]


def _rows(rows: Sequence[tuple[str, str]], width: int, indent: str = "  ") -> str:
    """Labels, and explanations beside them."""
    column = len(indent) + 2 + max((len(label) for label, _ in rows if len(label) <= _LONGEST_LABEL), default=2)
    lines = []
    for label, text in rows:
        head = f"{indent}{label}".ljust(column)
        if len(indent) + len(label) + 2 > column:
            lines.append(head.rstrip())
            head = " " * column
        lines.append(_wrap(text, width, head, " " * column))
    return "\n".join(lines)


def _wrap(text: str, width: int, first: str, others: str) -> str:
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
