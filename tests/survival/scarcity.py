"""Missing resources: a disk that becomes full at several sizes, a read-only disk, and input files that vanish.

    python -m tests.survival.scarcity

Full and read-only disks are small file systems in memory, which only root can mount; without that right these checks
are skipped, and that is printed. (A folder without write permission does not replace them, because root can write to
it.)
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.survival.fork_server import Finished, ForkServer
from tests.survival.jobs import Job, jobs
from tests.survival.material import Material, make

SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
"""Size of the disk, as a share of all that a command writes."""


@contextmanager
def disk(folder: Path, kib: int) -> Iterator[bool]:
    """Mount a file system of `kib` KiB in memory on a new folder; yields whether that was permitted."""
    folder.mkdir(parents=True)
    mounted = _mount("-t", "tmpfs", "-o", f"size={max(kib, 4)}k", "vsa-survival", str(folder))
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(folder: Path, options: str) -> None:
    """Remount a file system with other options: `size=8m`, `ro`."""
    if not _mount("-o", f"remount,{options}", str(folder)):
        raise RuntimeError(f"{folder}: cannot be remounted")


def _mount(*words: str) -> bool:
    if shutil.which("mount") is None:
        return False
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


def one_line(finished: Finished, code: int, *words: str) -> list[str]:
    """The faults of a run that should have failed with one clear message."""
    faults = []
    if finished.code != code:
        faults.append(f"exit code {finished.code}, not {code}: {finished.stderr.decode('utf-8', 'replace')[-300:]}")
    if b"Traceback" in finished.stderr or b"Exception ignored" in finished.stderr:
        faults.append(f"a traceback: {finished.stderr.decode('utf-8', 'replace')[-300:]}")
    lines = [line for line in finished.lines if line.startswith("vsa: ")]
    if len(lines) != 1:
        faults.append(f"{len(lines)} error messages: {lines[:3]}")
    return faults + [f"{word!r} is not in {lines[:1]}" for word in words if not any(word in line for line in lines)]


def full_disk(
    server: ForkServer, job: Job, reference: Path, scratch: Path, shares: Sequence[float] = SHARES
) -> list[str] | None:
    """Let the disk become full at several sizes, enlarge it, and resume; None without the right to mount a disk."""
    faults: list[str] = []
    written = sum(path.stat().st_size for path in reference.rglob("*") if path.is_file()) // 1024
    for share in shares:
        folder = scratch / f"{job.name}-{share}"
        with disk(folder, int(written * share)) as mounted:
            if not mounted:
                return None
            where = f"{job.name}, disk of {share:.0%}"
            finished = server.run(*job.command(folder))
            if finished.code == 0:  # it needs less than the size of the disk
                faults += [
                    f"{where}: {fault}" for fault in job.check_finished(folder / job.output, reference / job.output)
                ]
                continue
            faults += [f"{where}: {fault}" for fault in one_line(finished, 1, "No space left on device")]
            faults += [f"{where}: {fault}" for fault in job.check_killed(folder / job.output, reference / job.output)]
            resize(folder, "size=64m")
            finished = server.run(*job.command(folder, resume=True))
            if finished.code:
                faults.append(f"{where}, enlarged: {finished.code}: {finished.stderr.decode()[-300:]}")
                continue
            again = [*job.check_finished(folder / job.output, reference / job.output)]
            faults += [f"{where}, enlarged: {fault}" for fault in again]
    return faults


def read_only(server: ForkServer, job: Job, scratch: Path) -> list[str] | None:
    """Write to a read-only disk; None without the right to mount one."""
    folder = scratch / f"{job.name}-read-only"
    with disk(folder, 64) as mounted:
        if not mounted:
            return None
        resize(folder, "ro")
        finished = server.run(*job.command(folder))
        return [f"{job.name}, read-only: {fault}" for fault in one_line(finished, 1, "Read-only file system")]


def full_stdout(server: ForkServer, made: Material) -> list[str]:
    """Print to a device that is always full."""
    faults = []
    photo = made.photos / "000.png"
    for words in (
        ("caption", photo, "--model", made.gen, "--threads", 1),
        ("info", made.corpus),
        ("evaluate", made.rankings),
        ("retrieve", "a red square", photo, "--model", made.embed, "--no-cache", "--threads", 1),
    ):
        finished = server.run(*words, stdout=Path("/dev/full"))
        faults += [f"{words[0]} > /dev/full: {fault}" for fault in one_line(finished, 1, "No space left")]
    return faults


def vanishing_input(server: ForkServer, made: Material, scratch: Path) -> list[str]:
    """Move images away while they are captioned: finished captions must stay, and a resumed run must do the rest."""
    faults: list[str] = []
    for job in jobs(made, batch=8):
        if job.name != "caption":
            continue
        folder = scratch / job.name
        folder.mkdir(parents=True)
        photos = folder / "photos"
        shutil.copytree(made.photos, photos)
        command = [photos if word == made.photos else word for word in job.command(folder)]
        running = server.start(*command)
        part = folder / f"{job.output}.part"
        while (finished := running.ended(0.002)) is None and not (part.exists() and part.read_bytes().count(b"\n") > 8):
            pass
        photos.rename(folder / "away")
        finished = finished or running.wait()
        lost = [line for line in finished.lines if "No such file" in line]
        done = (folder / job.output).read_bytes().count(b'"error": null')
        total = len([*made.photos.iterdir()])
        if finished.code != 3 or b"Traceback" in finished.stderr or len(lost) + done != total:
            faults.append(
                f"{job.name}, images moved away: {finished.code}, {done} captioned, {len(lost)} reported, of {total}"
            )
        (folder / "away").rename(photos)
        finished = server.run(*command, "--resume")
        lines = (folder / job.output).read_bytes().splitlines()
        if finished.code or len(lines) != total or not all(b'"error": null' in line for line in lines):
            faults.append(f"{job.name}, images moved back: {finished.code}, {len(lines)} lines of {total}")
    return faults


def check_all(server: ForkServer, made: Material, scratch: Path) -> list[str]:
    """Run all checks of this module, printing the results, and return the faults."""
    faults: list[str] = []
    skipped = "SKIPPED: no right to mount a file system"
    for job in jobs(made):
        reference = scratch / f"{job.name}-reference"
        reference.mkdir(parents=True)
        server.run(*job.command(reference))
        for what, found in (
            ("a full disk", full_disk(server, job, reference, scratch)),
            ("a read-only disk", read_only(server, job, scratch)),
        ):
            print(f"{job.name:16} {what}: {skipped if found is None else f'{len(found)} faults'}", flush=True)
            faults += found or []
    for what, found in (
        ("full stdout", full_stdout(server, made)),
        ("vanishing images", vanishing_input(server, made, scratch / "vanishing")),
    ):
        print(f"{what}: {len(found)} faults", flush=True)
        faults += found
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ForkServer() as server:
        made = make(Path(scratch) / "made", server, copies=6)
        faults = check_all(server, made, Path(scratch) / "scarcity")
    for fault in faults:
        print(fault)
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
