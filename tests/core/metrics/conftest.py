"""One METEOR process for all tests of this folder, because it takes seconds to start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pycocoevalcap
import pytest

from vsa_cli.core.metrics.meteor import Meteor


def installed_files() -> set[Path]:
    """The files of pycocoevalcap, to which no test should add any."""
    folder = Path(next(iter(pycocoevalcap.__path__)))
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture(scope="session")
def jar() -> Iterator[Meteor]:
    """A running METEOR; checks at the end that no file was left behind."""
    before = installed_files()
    with Meteor() as process:
        yield process
        process.statistics([("a dog", ["a dog"])])
        assert installed_files() == before
    assert process._process.poll() is not None
