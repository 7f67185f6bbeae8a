"""Feeds `vsa` hundreds of hostile and broken files, each through the command that reads it, and prints a table.

    python -m tests.survival.hostile

Each goes to a process of its own (a fork of an interpreter that has loaded PyTorch; every twentieth is a new
interpreter, under strace where that is installed, which sees what C libraries open). It must end with its
documented exit code and one line a failure on stderr, no traceback, within 2 GB, having touched nothing that was not
named, and with no code of the input run. Ends in 1 where one did not survive.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.survival import (
    hostile_artifacts,
    hostile_captions,
    hostile_models,
    hostile_names,
    hostile_pictures,
    hostile_scores,
)
from tests.survival.cases import Case, Shelf, Trap, run
from tests.survival.material import Material, make
from tests.survival.nursery import Finished, Nursery
from tests.survival.traced import has_strace, trace

Source = Callable[[Material, Shelf, Trap], Iterator[Case]]

FAMILIES: dict[str, Source] = {
    "pictures": lambda made, shelf, trap: hostile_pictures.cases(made, shelf),
    "names": hostile_names.cases,
    "captions": hostile_captions.cases,
    "artifacts": hostile_artifacts.cases,
    "models": hostile_models.cases,
    "scores": hostile_scores.cases,
}
"""What makes the cases."""


def every_case(
    made: Material, folder: Path, trap: Trap, only: str | None = None, *, largest: bool = True
) -> Iterator[Case]:
    """Every case, its files written to `folder`; those that take long to make only where the `largest` are wanted."""
    for name, source in FAMILIES.items():
        if only in (None, name):
            yield from source(made, Shelf(folder / name, largest=largest), trap)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=FAMILIES, help="one family")
    parser.add_argument("--match", default="", help="cases with this in their name")
    parser.add_argument("--verbose", action="store_true", help="a line a case")
    arguments = parser.parse_args()
    ended: dict[str, list[Finished]] = defaultdict(list)
    faults: dict[str, list[str]] = defaultdict(list)
    cold: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory(prefix="vsa-hostile-") as scratch, Nursery() as nursery:
        made = make(Path(scratch) / "made", nursery)
        trap = Trap(Path(scratch) / "trap")
        cases = [case for case in every_case(made, Path(scratch), trap, arguments.only) if arguments.match in str(case)]
        for number, case in enumerate(cases):
            is_cold = number % 20 == 10
            finished, wrong = (trace if is_cold else run)(nursery, case, trap, made)
            if arguments.verbose or wrong:
                said = " | ".join(finished.lines)[:160]
                print(
                    f"{case}: {finished.code}, {finished.seconds:.1f} s, {finished.peak_mib:.0f} MiB: {said}",
                    flush=True,
                )
            cold[case.family] += is_cold
            ended[case.family].append(finished)
            faults[case.family] += wrong
    print(f"\n{'family':10} {'cases':>5} {'cold':>4} {'faults':>6} {'slowest s':>9} {'peak MiB':>8}  exit codes")
    for family, of in ended.items():
        codes = {code: sum(one.code == code for one in of) for code in sorted({one.code for one in of})}
        told = ", ".join(f"{count} x {code}" for code, count in codes.items())
        slowest, largest = max(one.seconds for one in of), max(one.peak_mib for one in of)
        wrong = len(faults[family])
        print(f"{family:10} {len(of):5} {cold[family]:4} {wrong:6} {slowest:9.1f} {largest:8.0f}  {told}")
    print(f"{sum(map(len, ended.values()))} cases; cold ones {'under' if has_strace() else 'WITHOUT'} strace")
    for fault in (fault for found in faults.values() for fault in found):
        print(fault)
    raise SystemExit(any(faults.values()))


if __name__ == "__main__":
    main()
