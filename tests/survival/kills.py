"""Kills long commands with SIGKILL at random moments, continues them, and compares with a run that nobody touched.

    python -m tests.survival.kills --times 30
    python -m tests.survival.kills --times 100 --interrupt

Each command is killed so many times, at moments drawn evenly over its run: as a process group; in every third round by
a signal to one worker thread alone (vsa's workers are threads, so this takes the process with it: there is nothing that
could go on without its worker); in every tenth as a new interpreter rather than a fork of one that has loaded PyTorch.
Half of the continued runs are killed again. After each kill, whatever stands under its final name must be whole; at the
end, ids, captions, descriptors and weights must be those of the uninterrupted run, to the byte. Then come a full disk,
a read-only one and an input that vanishes (`scarcity`). Ends in 1 where anything did not survive.

With --interrupt it is Ctrl-C that comes, never to one thread alone, and never to a new interpreter, whose first moments
are Python's own: within a minute the command must have ended with 130 and no traceback.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.survival.jobs import Job, jobs
from tests.survival.material import make
from tests.survival.nursery import Finished, Nursery


@dataclass
class Tally:
    """What became of a command's rounds."""

    kills: int = 0
    by_worker: int = 0
    cold: int = 0
    rounds: int = 0
    missed: int = 0
    left_nothing: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Rounds:
    """Kills one command again and again.

    Args:
        job: the command.
        reference: the folder with what an uninterrupted run made.
        seconds: that it took.
        cold: that it took as a new interpreter.
        interrupt: by Ctrl-C.
    """

    def __init__(
        self, nursery: Nursery, job: Job, reference: Path, seconds: float, cold: float, seed: int, *, interrupt: bool
    ) -> None:
        self._nursery, self._job, self._reference = nursery, job, reference / job.output
        self._seconds, self._cold, self._interrupt = seconds, cold, interrupt
        self._random = random.Random(f"{seed} {job.name}")
        self.tally = Tally()

    def run(self, folder: Path, *, cold: bool, by_worker: bool) -> None:
        """One round: kill, continue, maybe kill again, and compare."""
        tally, job, out = self.tally, self._job, folder / self._job.output
        folder.mkdir()
        tally.rounds += 1
        resume = False
        while True:
            last = resume and self._random.random() < 0.5
            finished = self._once(folder, resume=resume, cold=cold and not resume, by_worker=by_worker, last=last)
            if finished is not None:
                break
            self._require(f"round {tally.rounds}", [*job.wholeness(out, self._reference)])
            resume = True
            if not job.resumes and out.exists():
                break  # it was done before it died
        if finished is not None and finished.code:
            self._require(f"round {tally.rounds}", [f"exit code {finished.code}: {finished.stderr.decode()[-300:]}"])
            return
        self._require(f"round {tally.rounds}", [*job.comparison(out, self._reference)])
        strays = sorted(path.name for path in folder.rglob("*") if path.name.endswith(".part"))
        if finished is not None:  # prep, done before it died, had no chance to tidy up
            self._require(f"round {tally.rounds}", [f"leaves {name}" for name in strays])
        shutil.rmtree(folder)

    def _once(self, folder: Path, *, resume: bool, cold: bool, by_worker: bool, last: bool) -> Finished | None:
        """Run once; None where it was killed before its end."""
        tally = self.tally
        running = self._nursery.start(*self._job.command(folder, resume=resume), cold=cold)
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
        said = ended.stderr.decode("utf-8", "replace")
        if ended.code != (130 if self._interrupt else -9) or "Traceback" in said:
            self._require(f"round {tally.rounds}", [f"ended with {ended.code}: {said[-600:]}"])
        tally.kills += 1
        tally.cold += cold
        tally.left_nothing += not any(folder.iterdir())
        return None

    def _require(self, where: str, faults: list[str]) -> None:
        self.tally.faults += [f"{self._job.name}, {where}: {fault}" for fault in faults]


def kill_often(
    nursery: Nursery,
    job: Job,
    scratch: Path,
    times: int,
    seed: int = 0,
    *,
    cold: bool = True,
    interrupt: bool = False,
) -> Tally:
    """Kill a command `times` times; what happened.

    Args:
        nursery: starts it.
        job: the command.
        scratch: an empty folder.
        times: kills.
        seed: of the moments.
        cold: whether some rounds start a new interpreter.
        interrupt: by Ctrl-C.
    """
    started = time.monotonic()
    reference = scratch / "reference"
    reference.mkdir(parents=True)
    done = nursery.run(*job.command(reference))
    if done.code:
        raise RuntimeError(f"{job.name}: {done.stderr.decode()}")
    warm = scratch / "again"
    warm.mkdir()
    again = nursery.run(*job.command(warm), cold=cold)
    rounds = Rounds(nursery, job, reference, done.seconds, again.seconds, seed, interrupt=interrupt)
    rounds._require("a second uninterrupted run", [*job.comparison(warm / job.output, reference / job.output)])
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
    parser.add_argument("--copies", type=int, default=6, help="of the 24 drawn pictures")
    parser.add_argument("--only", help="one command")
    parser.add_argument("--interrupt", action="store_true", help="by Ctrl-C instead")
    arguments = parser.parse_args()
    from tests.survival.scarcity import check_all

    faults: list[str] = []
    with tempfile.TemporaryDirectory() as scratch, Nursery() as nursery:
        made = make(Path(scratch) / "made", nursery, copies=arguments.copies)
        wanted = [job for job in jobs(made) if arguments.only in (None, job.name)]
        print(f"{'command':16} kills worker cold rounds too late faults      s")
        for job in wanted:
            place = Path(scratch) / job.name
            tally = kill_often(nursery, job, place, arguments.times, arguments.seed, interrupt=arguments.interrupt)
            faults += tally.faults
            numbers = f"{tally.kills:5} {tally.by_worker:6} {tally.cold:4} {tally.rounds:6} {tally.missed:8}"
            print(f"{job.name:16} {numbers} {len(tally.faults):6} {tally.seconds:6.0f}", flush=True)
        if arguments.only is None and not arguments.interrupt:
            faults += check_all(nursery, made, Path(scratch) / "scarcity")
    for fault in faults:
        print(fault)
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
