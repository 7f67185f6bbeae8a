"""The Typer app: its commands in pipeline order, their help, and the one place that reports errors.

Nothing heavy is imported on the way to `--help`: each command imports core inside its function.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Annotated, Any, Literal

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from vsa_cli.commands.align import align
from vsa_cli.commands.caption import caption
from vsa_cli.commands.convert import convert
from vsa_cli.commands.doctor import doctor
from vsa_cli.commands.evaluate import evaluate
from vsa_cli.commands.extract_regions import extract_regions
from vsa_cli.commands.info import info
from vsa_cli.commands.pack import pack
from vsa_cli.commands.prep import prep
from vsa_cli.commands.retrieve import retrieve
from vsa_cli.commands.train_embed import train_embed
from vsa_cli.commands.train_gen import train_gen
from vsa_cli.core.errors import ExitCode, VsaError, reason
from vsa_cli.options import option_names, panel_of
from vsa_cli.output.console import core_warnings_shown, drop_stdout, settings_named, warn
from vsa_cli.process import prepare_streams, run_interruptible
from vsa_cli.version import __version__

Shell = Literal["bash", "zsh", "fish"]


@contextmanager
def error_boundary() -> Iterator[None]:
    """Report an error as one line on stderr, and end with its exit code.

    Raises:
        typer.Exit: after any error that a user can fix; silently if the reader of a pipe has closed it.
    """
    try:
        yield
        sys.stdout.flush()
    except VsaError as error:
        warn(str(error))
        raise typer.Exit(error.exit_code) from error
    except BrokenPipeError as error:
        drop_stdout()  # the reader has all it wanted (`| head -1`)
        raise typer.Exit(ExitCode.DONE) from error
    except OSError as error:  # a name that is too long, a folder without permission
        if error.filename is None:
            drop_stdout()  # help on a full disk; what is left in the buffer would fail again at exit
        warn(reason(error) if error.filename is None else f"{error.filename}: {error.strerror}")
        raise typer.Exit(ExitCode.FAILED) from error


class VsaCommand(TyperCommand):
    """A command whose help has its options under the headings of their panels, and ends with the example."""

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Parse the arguments."""
        with error_boundary():
            return super().make_context(*args, **settings)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show help before anything else is parsed: parsing imports much that help does not need."""
        if asks_for_help(args):
            typer.echo(ctx.get_help())
            raise typer.Exit
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; its messages name settings by its own options."""
        with settings_named(lambda: option_names(self.params)), core_warnings_shown(), error_boundary():
            return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line: metavariables show which arguments are optional."""
        return ["[OPTIONS]", *(str(p.metavar) for p in self.params if p.param_type_name == "argument")]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options without a panel, then each panel under its heading."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                section = "Arguments" if parameter.param_type_name == "argument" else panel_of(parameter)
                sections.setdefault(section, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


class VsaGroup(TyperGroup):
    """The app as a whole."""

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Parse the options before the command, which may print (`--version`)."""
        with error_boundary():
            return super().make_context(*args, **settings)


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Whether `-h` or `--help` is among a command's options."""
    return not {"-h", "--help"}.isdisjoint(takewhile(lambda argument: argument != "--", arguments))


HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Context settings of the group and of each command, because help may be shown without the group."""

app = typer.Typer(
    cls=VsaGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,  # vsa_cli.reference generates scripts that know the files' kinds and do not start Python
    context_settings=HELP,
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"vsa {__version__}")
        raise typer.Exit


def _show_completion(context: typer.Context, shell: Shell | None) -> None:
    if shell is not None:
        from vsa_cli.reference.completion import completion

        typer.echo(completion(context.command, shell), nl=False)
        raise typer.Exit


@app.callback(epilog="Example: vsa caption photo.jpg")
def vsa(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    show_completion: Annotated[
        Shell | None,
        typer.Option(
            callback=_show_completion,
            is_eager=True,
            metavar="SHELL",
            help="Print the completion script for bash, zsh or fish, and exit.",
        ),
    ] = None,
) -> None:
    """Image captioning, image-text retrieval and word-to-region alignment.

    Trained models are included: caption, retrieve and align work on photographs without any preparation. The other
    commands prepare a dataset, extract its regions, and train and evaluate models on it.
    """


COMMANDS: dict[str, Callable[..., None]] = {
    "prep": prep,
    "extract-regions": extract_regions,
    "train-embed": train_embed,
    "align": align,
    "train-gen": train_gen,
    "caption": caption,
    "retrieve": retrieve,
    "evaluate": evaluate,
    "info": info,
    "convert": convert,
    "pack": pack,
    "doctor": doctor,
}
"""Every command, in pipeline order."""

for _name, _function in COMMANDS.items():
    _help, _, _example = (inspect.getdoc(_function) or "").partition("Example: ")
    app.command(
        _name,
        cls=VsaCommand,
        help=_help,
        short_help=_help.split("\n")[0],
        epilog=f"Example: {_example}",
        context_settings=HELP,
    )(_function)


def main() -> None:
    """Run `vsa` as a process."""
    prepare_streams()
    run_interruptible(_run)


def _run() -> None:
    if len(sys.argv) > 2 and sys.argv[1] in COMMANDS and asks_for_help(sys.argv[2:]):
        # straight to the command: parsing the group's own options would double the time of help
        group: Any = typer.main.get_command(app)
        group.commands[sys.argv[1]].main(["--help"], prog_name=f"vsa {sys.argv[1]}")
    app(prog_name="vsa")
