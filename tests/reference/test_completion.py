"""Completion in the shells: what is offered, or completed on the line, after Tab."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import get_args

import pytest
import typer.main

from tests.conftest import Drawn
from tests.survival.fork_server import ForkServer
from vsa_cli.app import Shell, app
from vsa_cli.core.io import image_formats
from vsa_cli.reference.completion import FILES as SCRIPTS
from vsa_cli.reference.completion.kinds import FILES, FOLDERS, HEAD, suffixes
from vsa_cli.reference.completion.model import Value, commands_of

pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")

FOLDER = Path(__file__).parent.parent.parent / "completions"
ALWAYS = {"embed/", "gen/", "my photos/", "plain/"}

CASES = [
    ("vsa cap", {"caption"}),
    ("vsa caption --form", {"--format"}),
    ("vsa caption --format js", {"json", "jsonl"}),
    ("vsa extract-regions --detector gr", {"grid"}),
    ("vsa caption --split t", {"train", "tune", "test"}),
    ("vsa caption --model ", {"gen/"}),
    ("vsa retrieve -m ", {"embed/"}),
    ("vsa pack ", {"gen/", "embed/"}),
    ("vsa train-gen ", {"corpus.json"} | ALWAYS),
    ("vsa train-gen corpus.json ", {"regions.h5"} | ALWAYS),
    ("vsa train-gen -o x --epochs 3 corpus.json re", {"regions.h5"}),
    ("vsa train-gen corpus.json regions.h5 --snippets ", {"snippets.jsonl"} | ALWAYS),
    ("vsa caption ", {"a.jpg", "B.PNG"} | ALWAYS),
    ("vsa caption a.jpg my", {"my photos/"}),
    ("vsa caption --cnn-weights w", {"weights.pth"}),
    ("vsa caption --images-that-are-not", set()),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, drawn: Drawn, embed: Path) -> Path:
    """A folder with artifacts, and other files with the same suffixes."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(drawn.model, folder / "gen")
    shutil.copytree(embed, folder / "embed")
    shutil.copy(drawn.corpus, folder / "corpus.json")
    shutil.copy(drawn.regions, folder / "regions.h5")
    (folder / "plain").mkdir()
    (folder / "my photos").mkdir()
    (folder / "my photos" / "x.jpg").touch()
    (folder / "other.json").write_text('{"format": "another"}')
    (folder / "snippets.jsonl").write_text('{"format": "vsa-snippets", "version": 1}\n')
    (folder / "lines.jsonl").write_text('{"caption": "a dog"}\n')
    for name in ("a.jpg", "B.PNG", "note.txt", "weights.pth"):
        (folder / name).touch()
    return folder


class Terminal:
    """A shell at a pseudo-terminal."""

    def __init__(self, command: list[str], place: Path) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "PS1": "> ", "COLUMNS": "400", "INPUTRC": os.devnull}
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=place, env=environment, start_new_session=True
        )
        os.close(theirs)

    def type(self, text: str, until: str) -> str:
        """Type a text, and read until the output matches a pattern."""
        os.write(self._ours, text.encode())
        seen, deadline = "", time.monotonic() + 20
        while not re.search(until, seen):
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"expected {until!r}, got {seen!r}")
            seen += os.read(self._ours, 1 << 16).decode(errors="replace")
        return seen

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        os.close(self._ours)


def offered_by_fish(line: str, place: Path) -> set[str]:
    command = f"source {FOLDER / SCRIPTS['fish']}; complete -C $argv[1]"
    done = subprocess.run(
        ["fish", "--no-config", "-c", command, "--", line], cwd=place, capture_output=True, text=True, check=True
    )
    return {found.split("\t")[0] for found in done.stdout.splitlines()}


def offered_by_bash(line: str, place: Path) -> set[str]:
    """What readline receives: the function is called in the same way, and folders get a slash as from readline."""
    words = " ".join(f"'{word}'" for word in line.split(" "))
    command = (
        f"source {FOLDER / SCRIPTS['bash']}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _vsa; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "--norc", "-c", command], cwd=place, capture_output=True, text=True, check=True)
    return {found + "/" * (place / found).is_dir() for found in done.stdout.splitlines() if found}


@pytest.mark.parametrize(("line", "offered"), CASES, ids=[line for line, _ in CASES])
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_only_matching_words_and_files_are_offered(shell: str, line: str, offered: set[str], place: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    ask = offered_by_fish if shell == "fish" else offered_by_bash
    assert ask(line, place) == offered


SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
LOAD = {
    "bash": "source {}; bind 'set bell-style none'; echo REA''DY\n",
    "zsh": "autoload -Uz compinit; compinit -u -D; source {}; echo REA''DY\n",
}


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_tab_completes_the_line(shell: str, place: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    terminal = Terminal(SHELLS[shell], place)
    try:
        terminal.type(LOAD[shell].format(FOLDER / SCRIPTS[shell]), r"\nREADY")
        for line, offered in CASES:
            if len(offered) == 1:
                (only,) = offered
                terminal.type("\x15" + line + "\t", re.escape(only.rstrip("/").replace(" ", "\\ ")))
        seen = terminal.type("\x15vsa train-gen \t\t", r"regions|plain")
        assert "corpus.json" in seen
        assert not re.search(r"other\.json|a\.jpg|regions", seen)
    finally:
        terminal.close()


def test_show_completion_prints_the_script(server: ForkServer) -> None:
    assert set(get_args(Shell)) == set(SCRIPTS)
    for shell in SCRIPTS:
        done = server.run("--show-completion", shell)
        assert (done.code, done.stdout) == (0, (FOLDER / SCRIPTS[shell]).read_bytes())


def test_kinds_are_used_and_photographs_are_the_readable_formats() -> None:
    commands = commands_of(typer.main.get_command(app))
    values = [o.value for c in commands for o in c.options if o.value] + [v for c in commands for v in c.arguments]
    used = {kind for value in values for kind in value.kinds}
    assert used <= FILES.keys() | FOLDERS.keys() | {"file", "folder"}
    assert used >= FILES.keys() | FOLDERS.keys(), "a kind that no option takes"
    assert {f".{end.lower()}" for end in suffixes("photo")} == image_formats.SUFFIXES


def test_every_path_option_has_a_kind() -> None:
    for command in commands_of(typer.main.get_command(app)):
        for option in command.options:
            if option.value is not None and re.search("FILE|DIR|CORPUS|REGIONS|GEN|EMBED", option.label):
                assert option.value != Value(), f"{command.name} {option.names}"


def test_artifacts_are_recognised_by_their_beginning(drawn: Drawn, embed: Path) -> None:
    for path, word in (
        (drawn.corpus, FILES["corpus"][1]),
        (drawn.model / "config.json", FOLDERS["generator"]),
        (embed / "config.json", FOLDERS["embedding"]),
    ):
        assert word in path.read_text(encoding="utf-8")[:HEAD]
