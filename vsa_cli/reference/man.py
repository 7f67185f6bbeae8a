"""Man pages in roff, generated from the app. Lines are short and characters escaped, as mandoc's lint requires."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from vsa_cli.core.errors import EXIT_CODES, ExitCode
from vsa_cli.help import HELP_TEXT, blocks, explanation, panel_of, usages
from vsa_cli.reference.completion.model import choices_of
from vsa_cli.reference.examples import (
    ENVIRONMENT,
    EXAMPLES,
    FILES,
    NEEDS,
    NOTES,
    ONLY,
    RARE_CODES,
    SEE_ALSO,
)
from vsa_cli.version import __version__

_RELEASED = "2026-11-28"  # with the version; no other date, so that pages change only with the app
_WIDTH = 70  # characters of a line of source


def overview(root: Any) -> str:
    """The page of `vsa` itself; `root` is the app's command tree."""
    lines = [*_title("vsa"), *_section("NAME"), f"vsa \\- {_roff(_summary(root.help))}"]
    lines += [*_section("SYNOPSIS"), "\\fBvsa\\fR [OPTIONS] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]"]
    lines += [*_section("DESCRIPTION"), *_paragraphs(root.help), *_section("COMMANDS")]
    panel = None
    for name, command in root.commands.items():
        if panel_of(command) != panel:
            panel = panel_of(command)
            lines.append(f".SS {_roff(panel)}")
        lines += [".TP", f"\\fBvsa\\-{_roff(name)}\\fR(1)", *_text(_summary(command.help))]
    lines += [*_options(root), *_section("EXAMPLES"), *_example("Caption one photograph:", _example_of(root))]
    lines += _tail(EXIT_CODES, ENVIRONMENT, FILES, [f"vsa-{name}" for name in root.commands])
    return "\n".join(lines) + "\n"


def page(name: str, command: Any) -> str:
    """The page of a command."""
    full = f"vsa-{name}"
    lines = [*_title(full), *_section("NAME"), *_text(f"{full} - {_summary(command.help)}"), *_section("SYNOPSIS")]
    forms = [f"\\fBvsa {_roff(name)}\\fR [OPTIONS] {_form(form)}".rstrip() for form in usages(name, command)]
    lines += [line for form in forms for line in (form, ".br")][:-1]
    lines += [*_section("DESCRIPTION"), *_paragraphs(command.help), *_arguments(command), *_options(command)]
    lines += [*_section("NOTES"), *_paragraphs(NOTES[name])] if name in NOTES else []
    first, *others = EXAMPLES[name]
    lines += [*_section("EXAMPLES"), *_example(*first)]
    for purpose, line in others:
        lines += [".PP", *_example(purpose, line)]
    codes = {code: text for code, text in EXIT_CODES.items() if name in RARE_CODES.get(code, (name,))}
    variables, files = (_used(entries, name, command) for entries in (ENVIRONMENT, FILES))
    lines += _tail(codes, variables, files, [*SEE_ALSO.get(name, ()), "vsa"])
    return "\n".join(lines) + "\n"


def _used(entries: Mapping[str, str], name: str, command: Any) -> dict[str, str]:
    """The variables or files that a command reads or writes: those of its options, and its own."""
    parameters = {parameter.name for parameter in command.params}
    variables = {parameter.envvar for parameter in command.params}
    return {
        entry: text
        for entry, text in entries.items()
        if entry in variables or NEEDS.get(entry) in parameters or name in ONLY.get(entry, ())
    }


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
    lines: list[str] = []
    for block in blocks(text):
        if isinstance(block, str):
            lines += [".PP", *_text(block)]
        else:
            lines += [line for term, meaning in block for line in (".TP", f"\\fB{_roff(term)}\\fR", *_text(meaning))]
    return lines[1:]


def _form(text: str) -> str:
    """Arguments and options as a manual sets them: literal words bold, names of values in italics, brackets plain."""
    pieces = re.split(r"(--?[a-z][a-z-]*|[A-Z][A-Z]*)", text)
    return "".join(
        _roff(piece) if not number % 2 else f"\\f{'B' if piece.startswith('-') else 'I'}{_roff(piece)}\\fR"
        for number, piece in enumerate(pieces)
    )


def _arguments(command: Any) -> list[str]:
    found = [p for p in command.params if p.param_type_name == "argument"]
    lines = _section("ARGUMENTS") if found else []
    for parameter in found:
        lines += [".TP", _form(parameter.metavar), *_text(explanation(parameter))]
    return lines


def _options(command: Any) -> list[str]:
    """The section of options: those without a panel, then each panel under its heading, as in the help."""
    panels: dict[str, list[str]] = {"Options": []}
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            panels.setdefault(panel_of(parameter), []).extend(_option(command, parameter))
    list(filter(None, panels.values()))[-1].extend([".TP", "\\fB\\-h\\fR, \\fB\\-\\-help\\fR", HELP_TEXT])
    usual = panels.pop("Options")
    others = [line for heading, lines in panels.items() for line in (f".SS {_roff(heading)}", *lines)]
    return [*_section("OPTIONS"), *usual, *others]


def _option(command: Any, parameter: Any) -> list[str]:
    names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in _names(parameter))
    value = "" if parameter.is_flag else f" {_value(command, parameter)}"
    return [".TP", names + value, *_text(explanation(parameter))]


def _names(parameter: Any) -> list[str]:
    return [*sorted(parameter.opts, key=len), *parameter.secondary_opts]  # the latter turn a switch off


def _value(command: Any, parameter: Any) -> str:
    literal = (parameter.metavar or "").startswith("<")
    if parameter.metavar and not literal:
        return _form(parameter.metavar)
    words = parameter.metavar.strip("<>").split("|") if literal else choices_of(command.callback, parameter.name)
    assert words, f"--{parameter.name} has neither a metavariable nor choices"
    return "|".join(f"\\fB{_roff(word)}\\fR" for word in words)


def _example(purpose: str, line: str) -> list[str]:
    """A command line; a long one is continued as in a shell."""
    pieces = textwrap.wrap(line, _WIDTH - 6, break_long_words=False, break_on_hyphens=False)
    shown = [("    " if i else "") + _roff(piece) for i, piece in enumerate(pieces)]
    return [*_text(purpose), ".RS 4", ".nf", *(piece + " \\e" for piece in shown[:-1]), shown[-1], ".fi", ".RE"]


def _listed(entries: Mapping[str, str], font: str) -> list[str]:
    return [line for name, text in entries.items() for line in (".TP", f"\\f{font}{_roff(name)}\\fR", *_text(text))]


def _tail(
    codes: Mapping[ExitCode, str], variables: Mapping[str, str], files: Mapping[str, str], others: Sequence[str]
) -> list[str]:
    meanings = {str(code.value): meaning[0].upper() + meaning[1:] + "." for code, meaning in codes.items()}
    pages = ",\n".join(f"\\fB{_roff(name)}\\fR(1)" for name in others)
    lines = [*_section("EXIT STATUS"), *_listed(meanings, "B")]
    lines += [*_section("ENVIRONMENT"), *_listed(variables, "B")] if variables else []
    lines += [*_section("FILES"), *_listed(files, "I")] if files else []
    return [*lines, *_section("SEE ALSO"), pages]


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("~", "\\(ti")
    escaped = escaped.replace("^", "\\(ha").replace("`", "\\(ga")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped
