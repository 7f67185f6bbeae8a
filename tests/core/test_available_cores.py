from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from vsa_cli.core import device
from vsa_cli.core.ranks import Ranks


def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str]) -> None:
    """A drawn /proc/self/cgroup and /sys/fs/cgroup."""
    root = tmp_path / "sys" / "cgroup"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "membership").write_text(membership)
    monkeypatch.setattr(device, "CGROUPS", root)
    monkeypatch.setattr(device, "MEMBERSHIP", tmp_path / "membership")


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2.0),
        ("0::/not/visible\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("4:cpu,cpuacct:/job\n2:memory:/job\n",
         {"cpu,cpuacct/job/cpu.cfs_quota_us": "300000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"}, 3.0),
        ("4:cpu,cpuacct:/\n",
         {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, math.inf),
        ("garbage\n", {"cpu.max": "x y\n"}, math.inf),
    ],
)  # fmt: skip
def test_quotas_of_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str], quota: float
) -> None:
    groups(tmp_path, monkeypatch, membership, files)
    assert device.cgroup_quota() == quota


def test_cores_are_limited_by_affinity_and_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    groups(tmp_path, monkeypatch, "0::/\n", {"cpu.max": "250000 100000"})
    assert device.available_cores() == 3
    groups(tmp_path, monkeypatch, "0::/\n", {"cpu.max": "max 100000"})
    assert device.available_cores() == 8
    groups(tmp_path, monkeypatch, "0::/\n", {"cpu.max": "1000 100000"})
    assert device.available_cores() == 1


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "max\n", "cpu.max": "1 100000\n"}, 8e9),
        ("0::/a/b\n", {"a/memory.max": "2000000000\n", "a/b/memory.max": "max\n"}, 2e9),
        ("4:memory:/job\n", {"memory/job/memory.limit_in_bytes": "3000000000\n"}, 3e9),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 8e9),
    ],
)
def test_memory_is_limited_by_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str], limit: float
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 2_000_000, "SC_PAGE_SIZE": 4000}.__getitem__, raising=False)
    groups(tmp_path, monkeypatch, membership, files)
    assert device.available_memory() == limit
    assert device.available_memory(Ranks(0, 8, 0, neighbours=4)) == limit / 4, "processes of a machine share it"
