"""Package data: every file beside the modules is installed."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_data_files_are_installed() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    line = re.search(r"\[tool\.setuptools\.package-data\]\nvsa_cli = \[(.*)\]", settings)
    assert line is not None
    patterns = re.findall(r'"([^"]+)"', line.group(1))
    listed = subprocess.run(["git", "ls-files", "vsa_cli"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = [name.removeprefix("vsa_cli/") for name in listed.stdout.splitlines()] or [
        path.relative_to(ROOT / "vsa_cli").as_posix() for path in (ROOT / "vsa_cli").rglob("*") if path.is_file()
    ]
    data = [name for name in names if not name.endswith((".py", ".pyc"))]
    assert data
    assert [name for name in data if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_bundled_models_are_data_files() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f'"{pattern}"' in settings for pattern in ("bundled/*", "bundled/*/*"))
