"""Man pages in roff, generated from the app. Lines are short and characters escaped, as mandoc's lint requires."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from vsa_cli.core.errors import EXIT_CODES
from vsa_cli.options import panel_of
from vsa_cli.reference.completion.model import choices_of
from vsa_cli.reference.examples import ENVIRONMENT, EXAMPLES, FILES
from vsa_cli.version import __version__

_RELEASED = "2026-11-28"  # with the version; no other date, so that pages change only with the app
_WIDTH = 70  # characters of a line of source


def overview(root: Any) -> str:
    """The page of `vsa` itself; `root` is the app's command tree."""
    lines = [*_title("vsa"), *_section("NAME"), f"vsa \\- {_roff(_summary(root.help))}"]
    lines += [*_section("SYNOPSIS"), "\\fBvsa\\fR [\\fIOPTION\\fR] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]"]
    lines += [*_section("DESCRIPTION"), *_paragraphs(root.help), *_section("COMMANDS")]
    for name, command in root.commands.items():
        lines += [".TP", f"\\fBvsa\\-{_roff(name)}\\fR(1)", *_text(_summary(command.help))]
    lines += [*_options(root), *_section("EXAMPLES"), *_example("One photograph:", _example_of(root))]
    return "\n".join([*lines, *_tail([f"vsa-{name}" for name in root.commands])]) + "\n"


def page(name: str, command: Any) -> str:
    """The page of a command."""
    full = f"vsa-{name}"
    operands = "".join(f" \\fI{_roff(_operand(p))}\\fR" for p in command.params if p.param_type_name == "argument")
    lines = [*_title(full), *_section("NAME"), *_text(f"{full} - {_summary(command.help)}")]
    lines += [*_section("SYNOPSIS"), f"\\fBvsa {_roff(name)}\\fR [\\fIOPTION\\fR ...]{operands}"]
    lines += [*_section("DESCRIPTION"), *_paragraphs(command.help), *_arguments(command), *_options(command)]
    first, *others = EXAMPLES.get(name, (("", _example_of(command)),))
    lines += [*_section("EXAMPLES"), *_example(*first)]
    for purpose, line in others:
        lines += [".PP", *_example(purpose, line)]
    return "\n".join([*lines, *_tail(["vsa"])]) + "\n"


def _title(name: str) -> list[str]:
    return [f'.TH {_roff(name.upper())} 1 {_RELEASED} "vsa {__version__}" "User Commands"']


def _section(name: str) -> list[str]:
    return [f".SH {name}"]


def _summary(text: str) -> str:
    return text.strip().split("\n")[0].rstrip(".")


def _example_of(command: Any) -> str:
    return " ".join(command.epilog.removeprefix("Example: ").split())


def _text(text: str) -> list[str]:
    """A text in lines; a dot or a quote at the start of one is escaped, because roff takes it for a request."""
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
    """The section of options: those without a panel, then each panel under its heading, as in the help."""
    panels: dict[str, list[str]] = {"Options": []}
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            panels.setdefault(panel_of(parameter), []).extend(_option(command, parameter))
    panels["Options"] += [".TP", "\\fB\\-h\\fR, \\fB\\-\\-help\\fR", "Show the help and exit."]
    usual = panels.pop("Options")
    others = [line for heading, lines in panels.items() for line in (f".SS {_roff(heading)}", *lines)]
    return [*_section("OPTIONS"), *usual, *others]


def _option(command: Any, parameter: Any) -> list[str]:
    names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in _names(parameter))
    value = "" if parameter.is_flag else f" \\fI{_roff(_value(command, parameter))}\\fR"
    return [".TP", names + value, *_text(_explanation(parameter))]


def _names(parameter: Any) -> list[str]:
    return [*sorted(parameter.opts, key=len), *parameter.secondary_opts]  # the latter turn a switch off


def _value(command: Any, parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    words = choices_of(command.callback, parameter.name)
    assert words, f"--{parameter.name} has neither a metavariable nor choices"
    return "|".join(words)


def _explanation(parameter: Any) -> str:
    text: str = parameter.help or ""
    if parameter.required:
        text += " Required."
    default = parameter.default
    if not parameter.is_flag and default is not None and default != () and not callable(default):
        text += f" Default: {default}."
    return text


def _example(purpose: str, line: str) -> list[str]:
    """A command line; a long one is continued as in a shell."""
    pieces = textwrap.wrap(line, _WIDTH - 6, break_long_words=False, break_on_hyphens=False)
    shown = [("    " if i else "") + _roff(piece) for i, piece in enumerate(pieces)]
    return [*_text(purpose), ".RS 4", ".nf", *(piece + " \\e" for piece in shown[:-1]), shown[-1], ".fi", ".RE"]


def _listed(entries: Mapping[str, str], font: str) -> list[str]:
    return [line for name, text in entries.items() for line in (".TP", f"\\f{font}{_roff(name)}\\fR", *_text(text))]


def _tail(others: list[str]) -> list[str]:
    codes = {str(code.value): meaning[0].upper() + meaning[1:] + "." for code, meaning in EXIT_CODES.items()}
    pages = ",\n".join(f"\\fB{_roff(name)}\\fR(1)" for name in others)
    return [
        *_section("EXIT STATUS"), *_listed(codes, "B"), *_section("ENVIRONMENT"), *_listed(ENVIRONMENT, "B"),
        *_section("FILES"), *_listed(FILES, "I"), *_section("SEE ALSO"), pages,
    ]  # fmt: skip


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("~", "\\(ti")
    escaped = escaped.replace("^", "\\(ha").replace("`", "\\(ga")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped
