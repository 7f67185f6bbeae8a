"""Man pages in roff, written from the app itself. Lines are short and characters escaped, so that mandoc is content."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from vsa_cli import __version__
from vsa_cli.app import EXIT_CODES
from vsa_cli.reference.examples import ENVIRONMENT, EXAMPLES, FILES

_RELEASED = "2026-11-28"  # with the version; no other date, so that pages change only with the app
_WIDTH = 70  # characters of a line of source


def overview(root: Any) -> str:
    """The page of `vsa` itself."""
    lines = [*_title("vsa"), *_section("NAME"), f"vsa \\- {_roff(_summary(root))}"]
    lines += [*_section("SYNOPSIS"), "\\fBvsa\\fR [\\fIOPTION\\fR] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]"]
    body, _, example = root.help.partition("Example:")
    lines += [*_section("DESCRIPTION"), *_paragraphs(body), *_section("COMMANDS")]
    for name, command in root.commands.items():
        lines += [".TP", f"\\fBvsa\\-{_roff(name)}\\fR(1)", *_text(_summary(command))]
    lines += [*_options(root), *_section("EXAMPLES"), *_example("One photograph:", " ".join(example.split()))]
    return "\n".join([*lines, *_tail([f"vsa-{name}" for name in root.commands])]) + "\n"


def page(name: str, command: Any) -> str:
    """The page of a command."""
    full = f"vsa-{name}"
    operands = "".join(f" \\fI{_roff(_operand(p))}\\fR" for p in command.params if p.param_type_name == "argument")
    lines = [*_title(full), *_section("NAME"), *_text(f"{full} - {_summary(command)}")]
    lines += [*_section("SYNOPSIS"), f"\\fBvsa {_roff(name)}\\fR [\\fIOPTION\\fR ...]{operands}"]
    body, _, example = command.help.partition("Example:")
    lines += [*_section("DESCRIPTION"), *_paragraphs(body), *_arguments(command), *_options(command)]
    first, *others = EXAMPLES.get(name, (("", " ".join(example.split())),))
    lines += [*_section("EXAMPLES"), *_example(*first)]
    for what, line in others:
        lines += [".PP", *_example(what, line)]
    return "\n".join([*lines, *_tail(["vsa"])]) + "\n"


def _title(name: str) -> list[str]:
    return [f'.TH {_roff(name.upper())} 1 {_RELEASED} "vsa {__version__}" "User Commands"']


def _section(name: str) -> list[str]:
    return [f".SH {name}"]


def _summary(command: Any) -> str:
    first: str = command.help.strip().split("\n")[0]
    return first.rstrip(".")


def _text(text: str) -> list[str]:
    """A text in lines; none begins with a dot or a quote, which roff would take for a request."""
    lines = textwrap.wrap(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [_roff(line) for line in lines]


def _paragraphs(text: str) -> list[str]:
    return [line for part in text.strip().split("\n\n") for line in (".PP", *_text(part))][1:]


def _operand(parameter: Any) -> str:
    name: str = parameter.metavar or parameter.name.upper()
    return name


def _arguments(command: Any) -> list[str]:
    found = [p for p in command.params if p.param_type_name == "argument"]
    lines = _section("ARGUMENTS") if found else []
    for parameter in found:
        lines += [".TP", f"\\fI{_roff(_operand(parameter))}\\fR", *_text(parameter.help or "")]
    return lines


def _options(command: Any) -> list[str]:
    lines = _section("OPTIONS")
    for parameter in command.params:
        if parameter.param_type_name != "option" or parameter.hidden:
            continue
        names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in _names(parameter))
        value = "" if parameter.is_flag else f" \\fI{_roff(_value(parameter))}\\fR"
        lines += [".TP", names + value, *_text(_explain(parameter))]
    return [*lines, ".TP", "\\fB\\-h\\fR, \\fB\\-\\-help\\fR", "Show the help and exit."]


def _names(parameter: Any) -> list[str]:
    return [*sorted(parameter.opts, key=len), *parameter.secondary_opts]  # the latter: what turns a switch off


def _value(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    if parameter.metavar:
        return str(parameter.metavar)
    choices = get_args(annotation)
    return "|".join(map(str, choices)) if get_origin(annotation) is Literal else annotation.__name__.upper()


def _explain(parameter: Any) -> str:
    text: str = parameter.help or ""
    if parameter.required:
        text += " Must be given."
    default = parameter.default
    if not parameter.is_flag and default is not None and default != () and not callable(default):
        text += f" Default: {default}."
    return text


def _example(what: str, line: str) -> list[str]:
    """A command, continued as a shell continues it where it is long."""
    pieces = textwrap.wrap(line, _WIDTH - 6, break_long_words=False, break_on_hyphens=False)
    shown = [("    " if i else "") + _roff(piece) for i, piece in enumerate(pieces)]
    return [*_text(what), ".RS 4", ".nf", *(piece + " \\e" for piece in shown[:-1]), shown[-1], ".fi", ".RE"]


def _listed(entries: Mapping[str, str], font: str) -> list[str]:
    return [part for name, says in entries.items() for part in (".TP", f"\\f{font}{_roff(name)}\\fR", *_text(says))]


def _tail(others: list[str]) -> list[str]:
    codes = {str(code): meaning[0].upper() + meaning[1:] + "." for code, meaning in EXIT_CODES.items()}
    pages = ",\n".join(f"\\fB{_roff(name)}\\fR(1)" for name in others)
    return [
        *_section("EXIT STATUS"), *_listed(codes, "B"), *_section("ENVIRONMENT"), *_listed(ENVIRONMENT, "B"),
        *_section("FILES"), *_listed(FILES, "I"), *_section("SEE ALSO"), pages,
    ]  # fmt: skip


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("~", "\\(ti")
    escaped = escaped.replace("^", "\\(ha").replace("`", "\\(ga")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped
