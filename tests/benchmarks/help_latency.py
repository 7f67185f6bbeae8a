"""Wall time of help: the median of ten runs, and its ratio to `python -c pass`.

python -m tests.benchmarks.help_latency
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time

import typer.main

from vsa_cli.app import app


def median_seconds(command: list[str], runs: int = 10) -> float:
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    vsa = shutil.which("vsa") or sys.exit("vsa is not on the PATH")
    bare = median_seconds([sys.executable, "-c", "pass"])
    print(f"{'python -c pass':32} {bare:.3f} s")
    names = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for arguments in ([], *([name] for name in names)):
        seconds = median_seconds([vsa, *arguments, "--help"])
        print(f"{' '.join(['vsa', *arguments, '--help']):32} {seconds:.3f} s  {seconds / bare:.1f} x")


if __name__ == "__main__":
    main()
