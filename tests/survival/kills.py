"""Kills long-running commands with SIGKILL at random moments, resumes them, and compares with an uninterrupted run.

    python -m tests.survival.kills --times 30
    python -m tests.survival.kills --times 100 --interrupt

Each command is killed `--times` times, at moments distributed uniformly over its run: as a process group; in every
third round by a signal to one worker thread (which ends the process, since workers are threads); in every tenth round
as a new interpreter instead of a fork of one that has loaded PyTorch. Half of the resumed runs are killed again. After
each kill, every file under its final name must be complete; at the end, ids, captions, descriptors and weights must
equal those of the uninterrupted run byte for byte. Then follow a full disk, a read-only disk and vanishing input
(`scarcity`). Exits with code 1 if there is a fault.

With --interrupt, SIGINT (Ctrl-C) is sent instead, always to the whole process, and never to a new interpreter, whose
start is not under vsa's control: the command must end within a minute with exit code 130 and without a traceback.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.survival.fork_server import Finished, ForkServer
from tests.survival.jobs import Job, jobs
from tests.survival.material import make


@dataclass
class Tally:
    """Counts of the rounds of a command, and the faults found."""

    kills: int = 0
    by_worker: int = 0
    cold: int = 0
    rounds: int = 0
    missed: int = 0
    left_nothing: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Uninterrupted:
    """Two uninterrupted runs of a command.

    Attributes:
        reference: folder with the output of the first.
        seconds: duration of the first.
        cold: duration of the second, which may have been a new interpreter.
        faults: differences between the outputs.
    """

    reference: Path
    seconds: float
    cold: float
    faults: list[str]


def run_twice(server: ForkServer, job: Job, scratch: Path, *, cold: bool = True) -> Uninterrupted:
    """Run a command twice in new folders of `scratch`; `cold`: the second time as a new interpreter."""
    reference, second = scratch / "reference", scratch / "again"
    for folder in (reference, second):
        folder.mkdir(parents=True)
    done = server.run(*job.command(reference))
    if done.code:
        raise RuntimeError(f"{job.name}: {done.stderr.decode()}")
    again = server.run(*job.command(second), cold=cold)
    return Uninterrupted(
        reference, done.seconds, again.seconds, [*job.check_finished(second / job.output, reference / job.output)]
    )


class Rounds:
    """Kills one command repeatedly.

    Args:
        server: starts the command.
        job: the command.
        whole: uninterrupted runs.
        seed: random seed of the moments.
        interrupt: whether to send SIGINT instead of SIGKILL.
    """

    def __init__(self, server: ForkServer, job: Job, whole: Uninterrupted, seed: int, *, interrupt: bool) -> None:
        self._server, self._job, self._reference = server, job, whole.reference / job.output
        self._seconds, self._cold, self._interrupt = whole.seconds, whole.cold, interrupt
        self._random = random.Random(f"{seed} {job.name}")
        self.tally = Tally()

    def run(self, folder: Path, *, cold: bool, by_worker: bool) -> None:
        """One round: kill, resume, possibly kill again, and compare."""
        tally, job, out = self.tally, self._job, folder / self._job.output
        folder.mkdir()
        tally.rounds += 1
        resume = False
        while True:
            last = resume and self._random.random() < 0.5
            finished = self._once(folder, resume=resume, cold=cold and not resume, by_worker=by_worker, last=last)
            if finished is not None:
                break
            self.add_faults(f"round {tally.rounds}", [*job.check_killed(out, self._reference)])
            resume = True
            if not job.resumes and out.exists():
                break  # it had finished before it was killed
        if finished is not None and finished.code:
            self.add_faults(f"round {tally.rounds}", [f"exit code {finished.code}: {finished.stderr.decode()[-300:]}"])
            return
        self.add_faults(f"round {tally.rounds}", [*job.check_finished(out, self._reference)])
        leftovers = sorted(path.name for path in folder.rglob("*") if path.name.endswith(".part"))
        if finished is not None:  # if prep had finished before it was killed, it could not clean up
            self.add_faults(f"round {tally.rounds}", [f"leaves {name}" for name in leftovers])
        shutil.rmtree(folder)

    def _once(self, folder: Path, *, resume: bool, cold: bool, by_worker: bool, last: bool) -> Finished | None:
        """Run the command once; None if it was killed before it ended."""
        tally = self.tally
        running = self._server.start(*self._job.command(folder, resume=resume), cold=cold)
        if last:
            return running.wait()
        time.sleep(self._random.uniform(0, self._cold if cold else self._seconds))
        finished = running.ended(0)
        if finished is not None:
            tally.missed += 1
            return finished
        if self._interrupt:
            running.interrupt()
        else:
            tally.by_worker += by_worker and running.kill_worker()
            running.kill()
        ended = running.wait(60)
        if ended.code == 0:
            tally.missed += 1
            return ended
        errors = ended.stderr.decode("utf-8", "replace")
        if ended.code != (130 if self._interrupt else -9) or "Traceback" in errors:
            self.add_faults(f"round {tally.rounds}", [f"ended with {ended.code}: {errors[-600:]}"])
        tally.kills += 1
        tally.cold += cold
        tally.left_nothing += not any(folder.iterdir())
        return None

    def add_faults(self, where: str, faults: list[str]) -> None:
        self.tally.faults += [f"{self._job.name}, {where}: {fault}" for fault in faults]


def kill_often(
    server: ForkServer,
    job: Job,
    scratch: Path,
    times: int,
    seed: int = 0,
    *,
    cold: bool = True,
    interrupt: bool = False,
    whole: Uninterrupted | None = None,
) -> Tally:
    """Kill a command `times` times, and return what happened.

    Args:
        server: starts the command.
        job: the command.
        scratch: an empty folder.
        times: number of kills.
        seed: random seed of the moments.
        cold: whether some rounds start a new interpreter.
        interrupt: whether to send SIGINT instead of SIGKILL.
        whole: uninterrupted runs to compare with; by default, the command is run twice.
    """
    started = time.monotonic()
    whole = whole or run_twice(server, job, scratch, cold=cold)
    scratch.mkdir(parents=True, exist_ok=True)
    rounds = Rounds(server, job, whole, seed, interrupt=interrupt)
    rounds.add_faults("a second uninterrupted run", whole.faults)
    while rounds.tally.kills < times and rounds.tally.rounds < 10 * times:
        number = rounds.tally.rounds
        fresh = cold and number % 10 == 9 and not interrupt
        rounds.run(scratch / f"{number:04d}", cold=fresh, by_worker=number % 3 == 2)
    rounds.tally.seconds = time.monotonic() - started
    return rounds.tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--copies", type=int, default=6, help="copies of the 24 generated images")
    parser.add_argument("--only", help="only this command")
    parser.add_argument("--interrupt", action="store_true", help="send SIGINT (Ctrl-C) instead of SIGKILL")
    arguments = parser.parse_args()
    from tests.survival.scarcity import check_all

    faults: list[str] = []
    with tempfile.TemporaryDirectory() as scratch, ForkServer() as server:
        made = make(Path(scratch) / "made", server, copies=arguments.copies)
        selected = [job for job in jobs(made) if arguments.only in (None, job.name)]
        print(f"{'command':16} kills worker new rounds too late faults      s")
        for job in selected:
            folder = Path(scratch) / job.name
            tally = kill_often(server, job, folder, arguments.times, arguments.seed, interrupt=arguments.interrupt)
            faults += tally.faults
            numbers = f"{tally.kills:5} {tally.by_worker:6} {tally.cold:3} {tally.rounds:6} {tally.missed:8}"
            print(f"{job.name:16} {numbers} {len(tally.faults):6} {tally.seconds:6.0f}", flush=True)
        if arguments.only is None and not arguments.interrupt:
            faults += check_all(server, made, Path(scratch) / "scarcity")
    for fault in faults:
        print(fault)
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
