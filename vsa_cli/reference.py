"""Man pages and completion scripts, written from the app itself.

`python -m vsa_cli.reference` writes `man/*.1` and `completions/*`; with `--check` it writes nothing and fails
where a file differs from what it would write. The output has no dates, so it changes only with the app.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer.main

from vsa_cli import __version__
from vsa_cli.app import EXIT_CODES, Shell, app
from vsa_cli.completion import Command, bash, commands_of, fish, zsh

COMPLETIONS: dict[Shell, str] = {"bash": "vsa.bash", "zsh": "_vsa", "fish": "vsa.fish"}
SCRIPTS: dict[Shell, Callable[[Sequence[Command]], str]] = {
    "bash": bash.script,
    "zsh": zsh.script,
    "fish": fish.script,
}

ENVIRONMENT = {
    "NO_COLOR": "When set, progress is drawn without colour.",
    "TORCH_HOME": "Where torch keeps downloaded weights; vsa looks there for CNNs other than the Lite ones.",
    "VSA_MODEL": "The model that vsa caption uses when --model is not given.",
}


def reference_files() -> dict[str, str]:
    """Every generated file: its path below the project's root, and its text."""
    root: Any = typer.main.get_command(app)
    files = {"man/vsa.1": _overview(root)}
    for name, command in root.commands.items():
        files[f"man/vsa-{name}.1"] = _page(name, command)
    for shell, name in COMPLETIONS.items():
        files[f"completions/{name}"] = completion(shell)
    return files


def completion(shell: Shell) -> str:
    """The completion script for a shell."""
    return SCRIPTS[shell](commands_of(typer.main.get_command(app)))


def _overview(root: Any) -> str:
    lines = [_title("vsa"), *_section("NAME"), f"vsa \\- {_roff(_summary(root))}"]
    lines += [*_section("SYNOPSIS"), "\\fBvsa\\fR [\\fB\\-\\-version\\fR] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]"]
    lines += [*_section("DESCRIPTION"), *_paragraphs(root.help)]
    lines += _section("COMMANDS")
    for name, command in root.commands.items():
        lines += [".TP", f"\\fBvsa\\-{_roff(name)}\\fR(1)", _roff(_summary(command))]
    return "\n".join([*lines, *_options(root), *_common_tail(list(root.commands))]) + "\n"


def _page(name: str, command: Any) -> str:
    full = f"vsa-{name}"
    operands = "".join(f" \\fI{_roff(_operand(p))}\\fR" for p in command.params if p.param_type_name == "argument")
    lines = [_title(full), *_section("NAME"), f"{_roff(full)} \\- {_roff(_summary(command))}"]
    lines += [*_section("SYNOPSIS"), f"\\fBvsa {_roff(name)}\\fR [\\fIOPTION\\fR ...]{operands}"]
    body, _, example = command.help.partition("Example:")
    lines += [*_section("DESCRIPTION"), *_paragraphs(body), *_arguments(command), *_options(command)]
    lines += [*_section("EXAMPLE"), ".nf", _roff(" ".join(example.split())), ".fi"]
    return "\n".join([*lines, *_common_tail([])]) + "\n"


def _title(name: str) -> str:
    return f'.TH {_roff(name.upper())} 1 "" "vsa {__version__}" "User Commands"'


def _section(name: str) -> list[str]:
    return [f".SH {name}"]


def _summary(command: Any) -> str:
    first: str = command.help.strip().split("\n")[0]
    return first.rstrip(".")


def _paragraphs(text: str) -> list[str]:
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return [line for part in paragraphs for line in (".PP", _roff(part))][1:]


def _operand(parameter: Any) -> str:
    name: str = parameter.metavar or parameter.name.upper()
    return name


def _arguments(command: Any) -> list[str]:
    found = [p for p in command.params if p.param_type_name == "argument"]
    lines = _section("ARGUMENTS") if found else []
    for parameter in found:
        lines += [".TP", f"\\fI{_roff(_operand(parameter))}\\fR", _roff(parameter.help or "")]
    return lines


def _options(command: Any) -> list[str]:
    lines = _section("OPTIONS")
    for parameter in command.params:
        if parameter.param_type_name != "option" or parameter.hidden:
            continue
        names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in _names(parameter))
        value = "" if parameter.is_flag else f" \\fI{_roff(_value(parameter))}\\fR"
        lines += [".TP", names + value, _roff(_explain(parameter))]
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
    default = parameter.default
    if not parameter.is_flag and default is not None and default != () and not callable(default):
        text += f" Default: {default}."
    return text


def _common_tail(commands: list[str]) -> list[str]:
    lines = _section("EXIT STATUS")
    for code, meaning in EXIT_CODES.items():
        lines += [".TP", f"\\fB{code}\\fR", _roff(meaning[0].upper() + meaning[1:] + ".")]
    lines += _section("ENVIRONMENT")
    for name, meaning in ENVIRONMENT.items():
        lines += [".TP", f"\\fB{_roff(name)}\\fR", _roff(meaning)]
    others = [f"vsa-{name}" for name in commands] or ["vsa"]
    pages = ",\n".join(f"\\fB{_roff(name)}\\fR(1)" for name in others)
    return [*lines, *_section("SEE ALSO"), pages]


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + escaped if escaped.startswith(".") else escaped


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` name those that are out of date; the process's exit code."""
    root = Path(__file__).resolve().parent.parent
    stale = []
    for name, text in reference_files().items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        typer.echo(f"{name}: {'out of date' if '--check' in arguments else 'written'}", err=True)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
