"""`vsa doctor`: what this machine has of what is needed."""

from __future__ import annotations

import typer

from vsa_cli import options


def doctor(cache_dir: options.CacheDir = None, json: options.Json = False) -> None:
    """Tell what is here of what vsa needs, and how fast this machine captions.

    Looks at versions, processor, GPU, Java, the CNNs' weights, the bundled models and the cache, and captions some
    drawn photographs to see how long that takes. A line for each: + is here, - is not, and is not needed to
    caption, ! is missing, with what to do about it. The exit code is 4 when anything is missing, else 0.

    Example: vsa doctor --json
    """
    from dataclasses import asdict

    from vsa_cli.core.doctor import examine
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.output.console import print_data

    findings = []
    for finding in examine(cache_dir):
        findings.append(finding)
        if not json:
            mark = {"ok": "+", "absent": "-", "missing": "!"}[finding.state]
            remedy = f" ({finding.remedy})" if finding.remedy else ""
            print_data(f"{mark} {finding.name}: {finding.found}{remedy}")
    well = all(finding.state != "missing" for finding in findings)
    if json:
        print_data(dump_json({"ok": well, "findings": [asdict(finding) for finding in findings]}, indent=1))
    if not well:
        raise typer.Exit(4)
