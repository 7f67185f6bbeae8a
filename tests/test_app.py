"""The app: help, version, errors, exit codes, Ctrl-C."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main
from typer.testing import Result

from tests.conftest import Drawn
from tests.processes import interrupt_when
from tests.survival.fork_server import ForkServer
from vsa_cli.app import app
from vsa_cli.core.errors import ConfigError
from vsa_cli.options import option_names
from vsa_cli.version import __version__

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[bytes]]
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_version_is_printed_on_stdout(vsa: Run) -> None:
    result = vsa("--version")
    assert (result.exit_code, result.stdout) == (0, f"vsa {__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_has_an_example_and_exits_with_0(vsa: Run, command: str, flag: str) -> None:
    result = vsa(command, flag)
    assert result.exit_code == 0
    assert "Example: vsa" in result.stdout


def test_help_shows_the_usual_options_first_and_the_others_under_their_headings(vsa: Run) -> None:
    lines = vsa("extract-regions", "--help").stdout.splitlines()
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings[:2] == ["Arguments:", "Options:"]
    assert {"Runtime:", "Output:"} <= set(headings)
    assert lines.index("Runtime:") < next(number for number, line in enumerate(lines) if "--device" in line)
    assert lines[-1].strip().startswith("Example: vsa extract-regions")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("`json` contradicts `artifact`; `vsa prep` makes one", "--json contradicts ARTIFACT; `vsa prep` makes one"),
        ("`beam` is not a setting of this command", "`beam` is not a setting of this command"),
    ],
)
def test_errors_of_core_name_settings_by_the_options_of_the_running_command(
    vsa: Run, monkeypatch: pytest.MonkeyPatch, message: str, shown: str
) -> None:
    def fail(_: Path) -> None:
        raise ConfigError(message)

    monkeypatch.setattr("vsa_cli.core.inspect.describe_artifact", fail)
    result = vsa("info", "corpus.json")
    assert (result.exit_code, result.stderr) == (2, f"vsa: {shown}\n")


def test_option_names_are_the_first_long_names_and_the_metavariables() -> None:
    parameters = typer.main.get_command(app).commands["caption"].params  # type: ignore[attr-defined]
    names = option_names(parameters)
    assert names["max_length"] == "--max-len"
    assert names["output"] == "--output"
    assert names["photos"] == "PHOTO|DIR|-"


def test_unknown_command_is_a_usage_error_with_a_suggestion(vsa: Run) -> None:
    result = vsa("captoin")
    assert result.exit_code == 2
    assert "caption" in result.stderr


def test_missing_input_is_one_line_on_stderr(vsa_process: Process, tmp_path: Path) -> None:
    done = vsa_process("train-gen", tmp_path / "none.json", tmp_path / "none.h5", "-o", tmp_path / "gen")
    assert done.returncode == 1
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("vsa: ")
    assert "none.json" in lines[0]


def test_existing_output_is_kept_without_force(vsa: Run, drawn: Drawn) -> None:
    before = drawn.corpus.read_bytes()
    result = vsa("prep", drawn.captions, "--images", drawn.photos, "-o", drawn.corpus)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert drawn.corpus.read_bytes() == before


@pytest.mark.parametrize("device", ["cuda:99", "tpu"])
def test_unavailable_device_is_an_error(vsa: Run, drawn: Drawn, device: str) -> None:
    result = vsa("caption", drawn.photos / "000.png", "--model", drawn.model, "--device", device)
    assert result.exit_code == (4 if device.startswith("cuda") else 2)
    assert device in result.stderr


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("train-embed", "--temperature", "inf"),
        ("train-embed", "--learning-rate", "inf"),
        ("train-embed", "--weight-decay", "inf"),
        ("train-embed", "--batch-size", 10**20),
        ("train-embed", "--seed", 10**13),  # times a million, it exceeds what torch accepts
        ("train-gen", "--learning-rate", "inf"),
        ("train-gen", "--batch-size", 10**20),
        ("align", "--beta", "inf"),
        ("align", "--threads", 100_000),
    ],
)
def test_number_out_of_range_is_a_usage_error(
    vsa: Run, drawn: Drawn, tmp_path: Path, command: str, option: str, value: object
) -> None:
    result = vsa(command, drawn.corpus, drawn.regions, "-o", tmp_path / "out", option, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr
    assert not list(tmp_path.iterdir())


def test_closed_pipe_ends_the_command_silently(server: ForkServer, drawn: Drawn, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    running = server.start("caption", drawn.photos, "--batch-size", 1, "--model", drawn.model, stdout=pipe)
    with pipe.open("rb", buffering=0) as reader:
        assert reader.readline().startswith(os.fsencode(drawn.photos))
    done = running.wait()
    assert (done.code, done.stderr) == (0, b"")


def test_unforeseen_os_error_is_one_line(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    for words in (
        ("caption", drawn.photos, "--model", drawn.model, "-o"),
        ("prep", drawn.captions, "--images", "x", "-o"),
    ):
        result = vsa(*words, tmp_path / ("n" * 300))
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert "File name too long" in result.stderr


@pytest.fixture
def light(drawn: Drawn, tmp_path: Path) -> list[str]:
    """A command that prints data from a new interpreter, which need not import PyTorch."""
    captions = tmp_path / "one.csv"
    captions.write_text("image,caption\n000.png,a circle\n")
    options = ("--images", str(drawn.photos), "-o", str(tmp_path / "one.json"), "--min-count", "1", "--json", "--quiet")
    return [sys.executable, "-m", "vsa_cli", "prep", str(captions), *options]


def test_full_disk_behind_stdout_is_one_line(vsa_process: Process, drawn: Drawn, light: list[str]) -> None:
    message = b"vsa: stdout: cannot write: No space left on device\n"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(light, stdout=full, stderr=subprocess.PIPE, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (1, message)
    for words in (("info", drawn.corpus), ("caption", drawn.photos / "000.png", "--model", drawn.model)):
        done = vsa_process(*words, stdout=Path("/dev/full"))
        assert (done.returncode, done.stderr) == (1, message)


@pytest.mark.parametrize("words", ["--help", "--version", "--show-completion zsh", "caption --help"])
def test_help_handles_closed_pipe_and_full_disk_like_data(words: str) -> None:
    command = f"{sys.executable} -m vsa_cli {words}"
    shell = ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}; {command} > /dev/full; echo $?"]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("0\n1\n", "vsa: No space left on device\n")


@pytest.mark.parametrize(
    ("number", "redirection", "code", "message"),
    [(0, "<&-", 0, ""), (2, "2>&-", 0, ""), (1, ">&-", 1, "vsa: stdout: cannot write: Bad file descriptor\n")],
)
def test_closed_standard_stream_affects_only_itself(
    server: ForkServer, drawn: Drawn, light: list[str], number: int, redirection: str, code: int, message: str
) -> None:
    shell = ["bash", "-c", f"{shlex.join(light)} {redirection}"]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (code, message)
    assert bool(done.stdout) == (code == 0)
    warm = server.run("caption", drawn.photos / "000.png", "--model", drawn.model, closed=number)
    assert (warm.code, warm.stderr.decode()) == (code, message)
    assert bool(warm.stdout) == (code == 0)


def test_list_on_a_closed_stdin_is_one_line(server: ForkServer, drawn: Drawn) -> None:
    done = server.run("caption", "-", "--model", drawn.model, closed=0)
    assert (done.code, done.stdout) == (1, b"")
    assert done.stderr == b"vsa: stdin: cannot read: Bad file descriptor\n"


def test_file_names_that_are_not_utf8_keep_their_bytes_in_every_locale(
    server: ForkServer, drawn: Drawn, tmp_path: Path
) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes((drawn.photos / "000.png").read_bytes())
    for encoding, cold in (("utf-8:strict", False), ("ascii", True), ("latin-1", False)):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = server.run("caption", tmp_path, "--model", drawn.model, environment=environment, cold=cold)
        assert (done.code, done.stderr) == (0, b"")
        assert done.stdout.startswith(os.fsencode(tmp_path) + b"/caf\xe9.png\t")


def test_interrupt_exits_with_130_and_leaves_no_partial_file(server: ForkServer, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "gen"
    command = ("train-gen", drawn.corpus, drawn.regions, "-o", out, "--epochs", 5000)
    done = interrupt_when((out / "training.safetensors").exists, server, *command)
    assert done.code == 130
    assert b"Traceback" not in done.stderr
    assert not [path for path in out.iterdir() if path.name.endswith(".part")]


INTERRUPTED = """
import signal, sys, time, types
import typer.main
from vsa_cli import app

# in place of the module that describes artifacts, which imports PyTorch
inspect = sys.modules["vsa_cli.core.inspect"] = types.ModuleType("vsa_cli.core.inspect")

class Interrupting:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def raise_it(*_):
    signal.raise_signal(signal.SIGINT)

def replace_it(*_):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ValueError from None

def lose_it(*_):
    Interrupting()
    time.sleep(60)

{where} = {interrupt}
sys.argv = ["vsa", "info", "corpus.json"]
app.main()
"""


@pytest.mark.parametrize("interrupt", ["raise_it", "replace_it", "lose_it"])
@pytest.mark.parametrize("where", ["inspect.describe_artifact", "typer.main.get_command"])
def test_interrupt_anywhere_exits_with_130(where: str, interrupt: str) -> None:
    code = INTERRUPTED.format(where=where, interrupt=interrupt)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_interrupt_after_the_end_has_no_effect() -> None:
    code = (
        "import signal, sys; from vsa_cli import app; sys.argv = ['vsa', '--version']\n"
        "try: app.main()\n"
        "finally: signal.raise_signal(signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"vsa {__version__}\n", "")


def test_help_is_fast() -> None:
    """By processor time, which other programs hardly change; the benchmark measures the time of a clock."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    subprocess.run([sys.executable, "-m", "vsa_cli", "--help"], capture_output=True, check=True, env=dict(os.environ))
    assert spent() - before < 1.0  # an import of torch takes longer


def test_captioning_imports_neither_compiler_nor_detectors(drawn: Drawn, embed: Path) -> None:
    photo = str(drawn.photos / "000.png")
    commands = (
        ["caption", photo, "--model", str(drawn.model)],
        ["align", photo, "a red circle", "--model", str(embed)],
    )
    code = (
        "import sys; from typer.testing import CliRunner; from vsa_cli.app import app\n"
        f"for words in {commands!r}:\n"
        "    done = CliRunner().invoke(app, words)\n"
        "    print(words[0], done.exit_code, {'torch._dynamo', 'sympy', 'torchvision'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = ["caption 0 set()", "align 0 set()"]
    assert done.stdout.splitlines() == expected, "each adds a second or more to the first caption"
