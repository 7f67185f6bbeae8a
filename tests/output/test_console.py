"""Progress on a terminal, plain lines elsewhere, data on stdout only."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Drawn
from tests.survival.fork_server import ForkServer
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.output.console import Bar, Console, settings_named
from vsa_cli.output.reports import report_training

Process = Callable[..., subprocess.CompletedProcess[bytes]]
Terminal = Callable[..., tuple[int, bytes]]

pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")

COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
FORCING = ({"GITHUB_ACTIONS": "true"}, {"FORCE_COLOR": "1"}, {"PY_COLORS": "1"}, {"CLICOLOR_FORCE": "1"})
BARE = {
    name: value for name, value in os.environ.items() if "COLOR" not in name and name not in ("GITHUB_ACTIONS", "CI")
}
PLAIN = {**BARE, "TERM": "xterm-256color"}


@pytest.fixture
def on_a_terminal(server: ForkServer) -> Terminal:
    """Run `vsa` with its stderr on a terminal: the exit code, and what the terminal was sent."""

    def run(arguments: list[object], **environment: str) -> tuple[int, bytes]:
        ours, theirs = pty.openpty()
        process = server.start(*arguments, stderr=Path(os.ttyname(theirs)), environment={**PLAIN, **environment})
        sent, finished = b"", None
        try:
            while finished is None:
                finished = process.ended(0)
                while select.select([ours], [], [], 0.01)[0]:
                    sent += os.read(ours, 1 << 16)
        finally:
            os.close(ours)
            os.close(theirs)
        return finished.code, sent

    return run


def captioning(drawn: Drawn, output: Path, *options: object, photographs: int = 48) -> list[object]:
    photos = sorted(drawn.photos.iterdir())[:photographs]
    return [
        "caption", *photos, "--model", drawn.model, "--format", "jsonl", "-o", output, "--batch-size", 8, "--no-cache",
        *options,
    ]  # fmt: skip


def test_terminal_shows_rate_and_remaining_time(on_a_terminal: Terminal, drawn: Drawn, tmp_path: Path) -> None:
    code, sent = on_a_terminal(captioning(drawn, tmp_path / "c.jsonl"))
    assert code == 0
    assert re.search(rb"\d+\.\d photographs/s", sent)
    assert re.search(rb"0:00:\d\d", sent)
    assert COLOUR.search(sent)
    assert sent.rstrip().endswith(b"c.jsonl: 48 photographs captioned, 0 failed")


def test_resumed_training_shows_its_current_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[tuple[str, int | None]] = []

    @contextmanager
    def progress(self: Console, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        shown.append((label, total))
        yield Bar(None, None)

    monkeypatch.setattr(Console, "progress", progress)
    records = [record for n in (7, 8) for record in (Step(n, 1, 5, 2.0), Epoch(n, 2.0, {}, True, 1.0, 5))]
    report_training(Console(quiet=False), records, output=tmp_path, unit="words", as_json=True)
    assert shown == [("epoch 7", 5), ("epoch 8", 5)]
    assert [epoch["number"] for epoch in json.loads(capsys.readouterr().out)["epochs"]] == [7, 8]


def test_epoch_line_is_short_and_has_the_main_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directions = {f"{way}_{name}": 1000 / 7 for way in ("i2t", "t2i") for name in ("R@1", "R@5", "R@10", "medr")}
    epoch = Epoch(12, 3.14159, {**directions, "rsum": 210.123}, True, 61.2, 30000)
    report_training(Console(quiet=False), [epoch], output=tmp_path, unit="pairs", as_json=False)
    line = capsys.readouterr().err.splitlines()[0]
    assert line == "epoch  12  loss 3.1416  rsum 210.1  i2t_R@1 142.9  t2i_R@1 142.9 *  61 s  490 pairs/s"


def test_messages_name_settings_by_options_of_the_running_command_only(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=False)
    with settings_named(lambda: {"max_length": "--max-len"}):
        console.warn("`max_length` is less than `min_length`")
        console.note("`max_length`: see `vsa caption`")
    console.warn("`max_length` is 3")
    assert capsys.readouterr().err.splitlines() == [
        "vsa: --max-len is less than `min_length`",
        "--max-len: see `vsa caption`",
        "vsa: `max_length` is 3",
    ]


def test_no_color_is_respected(on_a_terminal: Terminal, drawn: Drawn, tmp_path: Path) -> None:
    code, sent = on_a_terminal(captioning(drawn, tmp_path / "c.jsonl"), NO_COLOR="1")
    assert code == 0
    assert b"photographs/s" in sent
    assert not COLOUR.search(sent)


@pytest.mark.parametrize(("options", "environment"), [(("--quiet",), {}), ((), {"TERM": "dumb"})])
def test_no_progress_when_quiet_or_on_a_dumb_terminal(
    on_a_terminal: Terminal, drawn: Drawn, tmp_path: Path, options: tuple[str, ...], environment: dict[str, str]
) -> None:
    code, sent = on_a_terminal(captioning(drawn, tmp_path / "c.jsonl", *options, photographs=9), **environment)
    assert code == 0
    assert b"\x1b" not in sent
    assert sent.count(b"\n") == (0 if options else 1)


@pytest.mark.parametrize("environment", FORCING, ids=lambda environment: next(iter(environment)))
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0), (["caption", "--help"], 0), (["captoin"], 2), (["caption", "--bem", "3"], 2),
        (["caption", "nothing.jpg", "--model", "nowhere"], 1), ([], 2),
    ],
    ids=str,
)  # fmt: skip
def test_pipe_gets_no_escapes_whatever_the_environment_requests(
    vsa_process: Process, arguments: list[str], code: int, environment: dict[str, str]
) -> None:
    done = vsa_process(*arguments, env={**PLAIN, **environment})
    assert done.returncode == code
    assert b"\x1b" not in done.stdout + done.stderr


def test_captioning_in_ci_prints_one_plain_line(vsa_process: Process, drawn: Drawn, tmp_path: Path) -> None:
    environment = {**PLAIN, "GITHUB_ACTIONS": "true", "CI": "true"}
    done = vsa_process(*captioning(drawn, tmp_path / "c.jsonl", photographs=9), env=environment)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == f"{tmp_path / 'c.jsonl'}: 9 photographs captioned, 0 failed\n"


def test_terminal_shows_the_next_command(on_a_terminal: Terminal, drawn: Drawn, tmp_path: Path) -> None:
    output = tmp_path / "my corpus.json"
    arguments = ["prep", drawn.captions, "--images", drawn.photos, "-o", output]
    code, sent = on_a_terminal(arguments)
    assert code == 0
    assert sent.decode().splitlines()[-1] == f"next: vsa extract-regions '{output}'"
    assert on_a_terminal([*arguments, "--force", "--quiet"]) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "maker"),
    [
        (["extract-regions", "none.json"], "`vsa prep`"),
        (["train-gen", "none.json", "none.h5"], "`vsa prep`"),
        (["caption", "a.jpg", "--model", "none"], "`vsa train-gen`"),
        (["retrieve", "a dog", "a.jpg", "--model", "none"], "`vsa train-embed`"),
    ],
)
def test_missing_artifact_is_reported_with_the_command_that_makes_it(
    vsa_process: Process, tmp_path: Path, arguments: list[str], maker: str
) -> None:
    done = vsa_process(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert f"{maker} makes one" in done.stderr.decode()
