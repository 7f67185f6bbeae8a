"""The front door: the Typer app, its commands in pipeline order, and the one place that speaks errors.

Nothing heavy is imported on the way to `--help`: each command imports core inside its function.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from types import FrameType
from typing import Annotated, Any, Literal

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from vsa_cli import __version__
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
from vsa_cli.core.errors import VsaError, one_line, reason
from vsa_cli.output.console import drop_stdout

Shell = Literal["bash", "zsh", "fish"]

EXIT_CODES = {
    0: "done (also when the reader of a pipe has left)",
    1: "failed, or every input failed",
    2: "wrong usage",
    3: "finished, but some inputs failed; each is named on stderr",
    4: "a dependency, a device or weights are missing",
    5: "a --fail-under threshold was missed",
    130: "interrupted",
}
"""What the process's exit codes mean; the man pages print this."""


@contextmanager
def _told() -> Iterator[None]:
    """The boundary between core and shell: what is raised within becomes what a shell expects.

    Raises:
        typer.Exit: after one line on stderr, or none where the reader of a pipe has left.
    """
    try:
        yield
        sys.stdout.flush()
    except VsaError as error:
        typer.echo(f"vsa: {error}", err=True)
        raise typer.Exit(error.exit_code) from error
    except BrokenPipeError as error:
        drop_stdout()  # the reader has all it wanted (`| head -1`)
        raise typer.Exit(0) from error
    except OSError as error:  # a name too long, a folder that may not be entered: nowhere else foreseen
        what = reason(error) if error.filename is None else f"{error.filename}: {error.strerror}"
        if error.filename is None:
            drop_stdout()  # a help that a full disk does not take; what is left of it would fail again at exit
        typer.echo(f"vsa: {one_line(what)}", err=True)
        raise typer.Exit(1) from error


class VsaGroup(TyperGroup):
    """The front desk: parsing already may print, of `--version` and the like, so it is within the boundary too."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Parse."""
        with _told():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _told():
            return super().invoke(ctx)


class VsaCommand(TyperCommand):
    """A command whose help is shown before arguments are parsed: parsing imports much that help does not need."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Parse; `main` may have come here without the group."""
        with _told():
            return super().make_context(*args, **extra)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands behind the name in the usage: arguments as they are called, which tells what may be left out."""
        return ["[OPTIONS]", *(str(p.metavar) for p in self.params if p.param_type_name == "argument")]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help where it is asked for; otherwise parse."""
        if asks_for_help(args):
            typer.echo(ctx.get_help())
            raise typer.Exit
        return super().parse_args(ctx, args)


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Whether `-h` or `--help` stands among a command's options."""
    return not {"-h", "--help"}.isdisjoint(takewhile(lambda argument: argument != "--", arguments))


app = typer.Typer(
    cls=VsaGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,  # by scripts of our own, which know our files and start no Python
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"vsa {__version__}")
        raise typer.Exit


def _show_completion(shell: Shell | None) -> None:
    if shell is not None:
        from vsa_cli.reference.__main__ import completion

        typer.echo(completion(shell), nl=False)
        raise typer.Exit


@app.callback()
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
    """Look at photographs and sentences together.

    Prepare a corpus, describe the regions of its photographs, train on them, and caption photographs.

    Example: vsa caption photo.jpg
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
    app.command(_name, cls=VsaCommand)(_function)


def _keep_streams() -> None:
    """Put something in the place of a standard stream that a shell has closed, or the next file opened takes it.

    Reading a list from such a stdin fails, and so does printing to such a stdout; talk goes nowhere.
    """
    for number, (name, flags, mode) in enumerate(
        (("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w"))
    ):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, flags)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode))


class _Interrupts:
    """Ctrl-C raises KeyboardInterrupt, as it does in Python where nobody ignores it, until all is over.

    One that strikes in a destructor or a library's callback, where Python can only print and forget it, comes again.
    """

    def __init__(self) -> None:
        self.came = self.over = False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._raise)
            sys.unraisablehook = self._not_raised

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        if not self.over:
            raise KeyboardInterrupt

    def _not_raised(self, what: sys.UnraisableHookArgs) -> None:
        if not issubclass(what.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(what)
            return
        later = threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))  # wakes its sleep
        later.daemon = True
        later.start()


def main() -> None:
    """Run `vsa` as a process."""
    _keep_streams()
    # Pillow warns about oddities in files that it goes on to read; a file that cannot be read is an error.
    warnings.filterwarnings("ignore", module=r"PIL\b")
    # Data are UTF-8 whatever the locale, and a file name that is not comes out with the bytes it has.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    interrupts = _Interrupts()
    try:
        if len(sys.argv) > 2 and sys.argv[1] in COMMANDS and asks_for_help(sys.argv[2:]):
            # straight to the command, past the group's own options, whose parsing would double the time of a help
            group: Any = typer.main.get_command(app)
            group.commands[sys.argv[1]].main(["--help"], prog_name=f"vsa {sys.argv[1]}")
        app(prog_name="vsa")
    except BaseException as end:
        interrupts.over = True  # by the first instruction here: what is done cannot be interrupted any more
        # Typer answers KeyboardInterrupt so as well, once it is ready; and libraries may have made another error of it
        done = isinstance(end, SystemExit) and not end.code
        if interrupts.came and not done:
            sys.exit(130)
        raise
