"""The Typer app: its commands, their help, and the one place that reports errors.

Nothing heavy is imported on the way to `--help`: each command imports core inside its function.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Annotated, Any, Literal

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from vsa_cli.commands.align import align
from vsa_cli.commands.calibrate import calibrate
from vsa_cli.commands.caption import caption
from vsa_cli.commands.convert import convert
from vsa_cli.commands.doctor import doctor
from vsa_cli.commands.evaluate import evaluate
from vsa_cli.commands.extract_regions import extract_regions
from vsa_cli.commands.index import index
from vsa_cli.commands.info import info
from vsa_cli.commands.pack import pack
from vsa_cli.commands.prep import prep
from vsa_cli.commands.retrieve import retrieve
from vsa_cli.commands.train_embed import train_embed
from vsa_cli.commands.train_gen import train_gen
from vsa_cli.commands.train_labels import train_labels
from vsa_cli.core.errors import ExitCode, VsaError, reason
from vsa_cli.core.ranks import ranks_of
from vsa_cli.help import HELP_FLAGS, HELP_TEXT, explanation, page, panel_of, usage
from vsa_cli.options import option_names
from vsa_cli.output.console import core_warnings_shown, drop_stdout, settings_named, warn
from vsa_cli.process import is_reporter, prepare_streams, run_interruptible, silence
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
        if is_reporter(error):
            warn(str(error))
        raise typer.Exit(error.exit_code) from error
    except BrokenPipeError as error:
        drop_stdout()  # the reader has all it wanted (`| head -1`)
        raise typer.Exit(ExitCode.DONE) from error
    except OSError as error:  # a name that is too long, a folder without permission
        if error.filename is None:
            drop_stdout()  # help on a full disk; what is left in the buffer would fail again at exit
        if is_reporter(error):
            warn(reason(error) if error.filename is None else f"{error.filename}: {error.strerror}")
        raise typer.Exit(ExitCode.FAILED) from error


class VsaCommand(TyperCommand):
    """A command whose help shows its options under headings, and ends with the example."""

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

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """The usage lines, also shown with an error."""
        formatter.write(usage(ctx.command_path, self, formatter.width) + "\n")

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options without a panel, then each panel under its heading."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.params:
            record = parameter.get_help_record(ctx)
            if record is not None and parameter.param_type_name == "argument":
                sections["Arguments"].append((str(parameter.metavar), explanation(parameter)))
            elif record is not None:
                sections.setdefault(panel_of(parameter), []).append((record[0], explanation(parameter)))
        list(filter(None, sections.values()))[-1].append((HELP_FLAGS, HELP_TEXT))
        formatter.write(page(ctx.command_path, self, sections, formatter.width))


class VsaGroup(TyperGroup):
    """The app as a whole."""

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Parse the options before the command, which may print (`--version`)."""
        with error_boundary():
            return super().make_context(*args, **settings)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The commands under their headings, then the options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            sections.setdefault(panel_of(command), []).append((name, str(getattr(command, "short_help", ""))))
        records = [(option, option.get_help_record(ctx)) for option in self.params]
        sections["Options"] = [(record[0], explanation(option)) for option, record in records if record is not None]
        sections["Options"].append((HELP_FLAGS, HELP_TEXT))
        formatter.write(page(ctx.command_path, self, sections, formatter.width))


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
            help='Print a completion script for bash, zsh or fish, as in eval "$(vsa --show-completion bash)".',
        ),
    ] = None,
) -> None:
    """Image captioning, image-text retrieval and word-to-region alignment.

    vsa implements Karpathy & Fei-Fei, "Deep Visual-Semantic Alignments for Generating Image Descriptions" (CVPR 2015),
    and adds stronger models.

    Trained models are included: caption, retrieve and align work on photographs without any preparation. The other
    commands prepare a dataset, train and evaluate models, and inspect, convert or share files.
    """


PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Commands for photographs": {"caption": caption, "retrieve": retrieve, "index": index, "align": align},
    "Commands for training and evaluation": {
        "prep": prep,
        "extract-regions": extract_regions,
        "train-labels": train_labels,
        "train-embed": train_embed,
        "train-gen": train_gen,
        "calibrate": calibrate,
        "evaluate": evaluate,
    },
    "Other commands": {"info": info, "convert": convert, "pack": pack, "doctor": doctor},
}
"""The commands under each heading of the help: first those that need no preparation, then the pipeline in order."""

SHARED = {"train-labels", "train-embed", "train-gen", "extract-regions", "caption", "index"}
"""The commands that several processes, started by `torchrun`, run together."""

COMMANDS = {name: function for commands in PANELS.values() for name, function in commands.items()}

for _panel, _commands in PANELS.items():
    for _name, _function in _commands.items():
        _help, _, _example = (inspect.getdoc(_function) or "").partition("Example: ")
        app.command(
            _name,
            cls=VsaCommand,
            help=_help,
            short_help=_help.split("\n")[0],
            epilog=f"Example: {_example}",
            context_settings=HELP,
            rich_help_panel=_panel,
        )(_function)


def main() -> None:
    """Run `vsa` as a process."""
    run_interruptible(_run)


def _run() -> None:
    prepare_streams()
    if not SHARED.isdisjoint(sys.argv[1:2]) and not ranks_of(os.environ).first:
        silence()
    if len(sys.argv) > 2 and sys.argv[1] in COMMANDS and asks_for_help(sys.argv[2:]):
        # straight to the command: parsing the group's own options would double the time of help
        group: Any = typer.main.get_command(app)
        group.commands[sys.argv[1]].main(["--help"], prog_name=f"vsa {sys.argv[1]}")
    app(prog_name="vsa")
