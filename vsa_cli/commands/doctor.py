"""`vsa doctor`: check the installation."""

from __future__ import annotations

import typer

from vsa_cli import options


def doctor(cache_dir: options.CacheDir = None, json: options.Json = False) -> None:
    """Check the installation and measure captioning speed.

    Reports versions, processor, GPU, Java, HEIC support, CNN weights, the bundled models, the feature cache, and the
    time needed to caption some synthetic test images. Each line starts with + (found), - (not found, but optional) or !
    (required but missing); a remedy follows in brackets if there is one. The exit code is 4 if anything required is
    missing, else 0.

    Example: vsa doctor --json
    """
    from dataclasses import asdict

    from vsa_cli.core.doctor import check_installation
    from vsa_cli.core.errors import ExitCode
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.output.console import name_options, print_data

    findings = []
    for finding in check_installation(cache_dir):
        findings.append(finding)
        if not json:
            mark = {"ok": "+", "absent": "-", "missing": "!"}[finding.state]
            remedy = f" ({finding.remedy})" if finding.remedy else ""
            print_data(name_options(f"{mark} {finding.name}: {finding.found}{remedy}"))
    complete = all(finding.state != "missing" for finding in findings)
    if json:
        print_data(name_options(dump_json({"ok": complete, "findings": list(map(asdict, findings))}, indent=1)))
    if not complete:
        raise typer.Exit(ExitCode.MISSING)
