"""How many processors this process may use: those that exist, less what the system keeps from it.

Containers and batch systems limit a process in two ways: by affinity (which cores it may run on) and by a quota of
processor time (Linux control groups). Threads beyond either only take turns, and each costs memory.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Processor cores that this process may use, at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, cgroup_quota())))


def cgroup_quota() -> float:
    """Cores' worth of processor time that control groups grant, of either version; infinity without a limit."""
    quotas = [math.inf]
    try:
        lines = MEMBERSHIP.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return math.inf  # not Linux
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = CGROUPS / controllers if controllers else CGROUPS
        folder = root / group.lstrip("/")
        # inside a container the group's own path may not be visible: then its root holds the limit
        for place in (folder, *folder.parents):
            if place == CGROUPS.parent:
                break
            quotas.append(_quota_v1(place) if controllers else _quota_v2(place))
    return min(quotas)


def _quota_v2(folder: Path) -> float:
    """`cpu.max` holds "QUOTA PERIOD" in microseconds, or "max PERIOD"."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else math.inf


def _quota_v1(folder: Path) -> float:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")  # -1 is no limit
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
