"""One METEOR for all tests of this room: its start takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pycocoevalcap
import pytest

from vsa_cli.core.metrics.meteor import Meteor


def installed() -> set[Path]:
    """The files of pycocoevalcap, which neither METEOR nor anyone else should add to."""
    folder = Path(next(iter(pycocoevalcap.__path__)))
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture(scope="session")
def jar() -> Iterator[Meteor]:
    """A running METEOR, which at its end has left no file behind."""
    before = installed()
    with Meteor() as process:
        yield process
        process.statistics([("a dog", ["a dog"])])
        assert installed() == before
    assert process._process.poll() is not None
