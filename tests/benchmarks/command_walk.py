"""The files of the package that a command enters, and how often it crosses from one into another.

    python -m tests.benchmarks.command_walk [caption] [retrieve] [train-embed]

Runs the named commands (all three by default) in this process, on drawn photographs: `vsa caption PHOTO` and
`vsa retrieve QUERY PHOTO` with the bundled models, and one epoch of `vsa train-embed`. Each is followed by
`sys.setprofile`, in all threads. Importing is not counted: every module is imported first. A crossing is a call, or the
resumption of a generator, from one file of the package into another. Prints each file with the number of crossings into
it, in the order in which they are entered; exits with 1 if a command enters more files than its budget.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

import numpy as np
from PIL import Image

import vsa_cli
from tests.drawn import write_corpus

BUDGETS = {"caption": 32, "retrieve": 38, "train-embed": 28}
PACKAGE = f"{Path(vsa_cli.__file__).parent}/"


class Walk:
    """What was entered from where.

    Attributes:
        entered: the files, in the order of their first call.
        crossings: how often each file was called from each other file.
    """

    def __init__(self) -> None:
        self.entered: dict[str, None] = {}
        self.crossings: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Note a call, if it is one into the package."""
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(PACKAGE):
            return
        here = name.removeprefix(PACKAGE)
        self.entered.setdefault(here)
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(PACKAGE):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != name:
            self.crossings[caller.f_code.co_filename.removeprefix(PACKAGE), here] += 1


def vsa(*arguments: object) -> None:
    """Run `vsa` in this process."""
    from vsa_cli.app import app

    app([str(argument) for argument in arguments], prog_name="vsa", standalone_mode=False)


def walk(*arguments: object) -> Walk:
    """Run `vsa` in this process and follow it."""
    for module in pkgutil.walk_packages(vsa_cli.__path__, "vsa_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    followed = Walk()
    threading.setprofile(followed)
    sys.setprofile(followed)
    try:
        vsa(*arguments)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return followed


def photograph(folder: Path) -> Path:
    """Noise of the size of an ordinary photograph."""
    path = folder / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(path)
    return path


def arguments_of(command: str, folder: Path) -> list[object]:
    """The command's arguments, after its inputs have been made in `folder`."""
    if command == "caption":
        return [photograph(folder), "--cache-dir", folder]
    if command == "retrieve":
        return ["a dog runs", photograph(folder), "--cache-dir", folder]
    corpus, regions = folder / "corpus.json", folder / "regions.h5"
    write_corpus(folder)
    vsa("prep", folder / "captions.csv", "--images", folder / "photos", "-o", corpus, "--min-count", 1)
    vsa("extract-regions", corpus, "-o", regions, "--detector", "grid", "--top", 3, "--side", 96)
    return [corpus, regions, "-o", folder / "embed", "--epochs", 1, "--size", 64, "--hidden-size", 48]


def main(commands: list[str]) -> int:
    over = 0
    for command in commands or BUDGETS:
        with tempfile.TemporaryDirectory() as folder:
            followed = walk(command, *arguments_of(command, Path(folder)))
        for file in followed.entered:
            into = sum(count for (_, there), count in followed.crossings.items() if there == file)
            print(f"{into:5d}  {file}")
        files, arrows, crossings = len(followed.entered), len(followed.crossings), followed.crossings.total()
        budget = BUDGETS[command]
        print(
            f"{command}: {files} files entered (budget {budget}), {arrows} arrows between them, {crossings} crossings"
        )
        over += files > budget
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
