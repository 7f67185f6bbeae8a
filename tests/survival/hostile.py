"""Gives `vsa` hundreds of hostile and broken files, each through the command that reads it, and prints a table.

    python -m tests.survival.hostile

Each file is given to a process of its own: a fork of an interpreter that has loaded PyTorch, or every twentieth time a
new interpreter, under strace if installed, which also shows files opened by C libraries. The process must end with its
documented exit code and one line per failure on stderr, without a traceback, within 2 GB of memory; it must not access
files that were not named, nor execute code from the input. Exits with code 1 if there is a fault.
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
    hostile_indices,
    hostile_models,
    hostile_names,
    hostile_pictures,
    hostile_scores,
)
from tests.survival.cases import Case, CaseFolders, Trap, run
from tests.survival.fork_server import Finished, ForkServer
from tests.survival.material import Material, make
from tests.survival.traced import has_strace, trace

Source = Callable[[Material, CaseFolders, Trap], Iterator[Case]]

FAMILIES: dict[str, Source] = {
    "pictures": lambda made, folders, trap: hostile_pictures.cases(made, folders),
    "names": hostile_names.cases,
    "captions": hostile_captions.cases,
    "artifacts": hostile_artifacts.cases,
    "models": hostile_models.cases,
    "indices": hostile_indices.cases,
    "scores": hostile_scores.cases,
}
"""The functions that create the cases, by family."""


def every_case(
    made: Material, folder: Path, trap: Trap, only: str | None = None, *, largest: bool = True
) -> Iterator[Case]:
    """All cases, with their files written to `folder`; those that take long to write only if `largest` is set."""
    for name, source in FAMILIES.items():
        if only in (None, name):
            yield from source(made, CaseFolders(folder / name, largest=largest), trap)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=FAMILIES, help="only this family")
    parser.add_argument("--match", default="", help="only cases whose name contains this")
    parser.add_argument("--verbose", action="store_true", help="print a line per case")
    arguments = parser.parse_args()
    ended: dict[str, list[Finished]] = defaultdict(list)
    faults: dict[str, list[str]] = defaultdict(list)
    cold: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory(prefix="vsa-hostile-") as scratch, ForkServer() as server:
        made = make(Path(scratch) / "made", server)
        trap = Trap(Path(scratch) / "trap")
        cases = [case for case in every_case(made, Path(scratch), trap, arguments.only) if arguments.match in str(case)]
        for number, case in enumerate(cases):
            is_cold = number % 20 == 10
            finished, wrong = (trace if is_cold else run)(server, case, trap, made)
            if arguments.verbose or wrong:
                errors = " | ".join(finished.lines)[:160]
                print(
                    f"{case}: {finished.code}, {finished.seconds:.1f} s, {finished.peak_mib:.0f} MiB: {errors}",
                    flush=True,
                )
            cold[case.family] += is_cold
            ended[case.family].append(finished)
            faults[case.family] += wrong
    print(f"\n{'family':10} {'cases':>5} {'cold':>4} {'faults':>6} {'slowest s':>9} {'peak MiB':>8}  exit codes")
    for family, runs in ended.items():
        codes = {code: sum(one.code == code for one in runs) for code in sorted({one.code for one in runs})}
        counts = ", ".join(f"{count} x {code}" for code, count in codes.items())
        slowest, largest = max(one.seconds for one in runs), max(one.peak_mib for one in runs)
        wrong = len(faults[family])
        print(f"{family:10} {len(runs):5} {cold[family]:4} {wrong:6} {slowest:9.1f} {largest:8.0f}  {counts}")
    print(f"{sum(map(len, ended.values()))} cases; new interpreters {'under' if has_strace() else 'WITHOUT'} strace")
    for fault in (fault for found in faults.values() for fault in found):
        print(fault)
    raise SystemExit(any(faults.values()))


if __name__ == "__main__":
    main()
