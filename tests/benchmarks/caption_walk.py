"""The files of the package that one caption enters, and how often it crosses from one into another.

    python -m tests.benchmarks.caption_walk [PHOTO]

Runs `vsa caption PHOTO` in this process, with the bundled model, and follows it by `sys.setprofile`, in all threads.
Importing is not counted: every module is imported first. A crossing is a call, or the resumption of a generator, from
one file of the package into another. Prints each file with the number of crossings into it, in the order in which they
are entered; exits with 1 if there are more than 32 (budget).
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

BUDGET = 32
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


def walk(arguments: list[str]) -> Walk:
    """Run `vsa` in this process and follow it."""
    for module in pkgutil.walk_packages(vsa_cli.__path__, "vsa_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    from vsa_cli.app import app

    followed = Walk()
    threading.setprofile(followed)
    sys.setprofile(followed)
    try:
        app(arguments, prog_name="vsa", standalone_mode=False)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return followed


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.jpg")
        noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(photo)
        followed = walk(["caption", *(arguments or [str(photo)]), "--cache-dir", folder])
    for file in followed.entered:
        into = sum(count for (_, there), count in followed.crossings.items() if there == file)
        print(f"{into:5d}  {file}")
    files, arrows, crossings = len(followed.entered), len(followed.crossings), followed.crossings.total()
    print(f"{files} files entered (budget {BUDGET}), {arrows} arrows between them, {crossings} crossings")
    return int(files > BUDGET)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
