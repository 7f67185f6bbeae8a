"""The dependency rule, one door per outside library, and no heavy import on the way to help."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vsa_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))

GROUND = {
    "errors", "config", "stored", "json_lines", "artifacts", "outputs", "formats", "pictures", "drawing",
    "device", "workers", "metrics", "recurrence", "training",
}  # fmt: skip
"""Rooms and files of core that every room may use, and that use only one another."""

ROOMS = {
    "corpus": GROUND,
    "regions": GROUND | {"corpus"},
    "pages": GROUND | {"corpus"},
    "learning": GROUND | {"corpus", "regions"},
    "embedding": GROUND | {"corpus", "regions", "learning", "pages"},
    "alignment": GROUND | {"corpus", "regions", "learning", "embedding", "pages"},
    "generation": GROUND | {"corpus", "regions", "learning", "pages"},
    "evaluation": GROUND | {"corpus"},
    "doctor": GROUND | {"regions", "learning", "embedding", "generation"},
    "inspect": GROUND | {"corpus", "regions", "learning", "embedding", "generation", "evaluation"},
}
"""Room of core: what else of core it may import. This table is the architecture."""

DOORS = {
    "PIL": {"core/pictures.py", "core/drawing.py"},
    "pillow_heif": {"core/pictures.py"},
    "h5py": {"core/regions/store.py", "core/regions/writer.py"},
    "cv2": {"core/regions/selective_search.py"},
    "safetensors": {"core/training/checkpoint.py"},
    "torchvision": {"core/regions/cnn.py", "core/regions/describe.py", "core/regions/detectors.py"},
    "pycocoevalcap": {"core/metrics/captioning.py"},
    "rich": {"console.py"},
    "concurrent": {"core/workers.py"},
}
"""Library: the modules that may import it. Pillow reads and draws; torchvision is three: classifiers, RoIAlign,
detectors; threads of Python's own hang after Ctrl-C."""

STREET = {"app.py", "console.py", "options.py", "reference.py"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_of(names: set[str]) -> set[str]:
    return {name.split(".")[2] for name in names if name.startswith("vsa_cli.core.")}


@pytest.mark.parametrize("path", [p for p in MODULES if p.is_relative_to(PACKAGE / "core")], ids=str)
def test_core_imports_only_upstream(path: Path) -> None:
    room = path.relative_to(PACKAGE / "core").parts[0].removesuffix(".py")
    used = rooms_of(imports(path)) - {room}
    assert used <= ROOMS.get(room, GROUND)
    inside = {name for name in imports(path) if name.startswith("vsa_cli.") and not name.startswith("vsa_cli.core")}
    assert inside <= {"vsa_cli.__version__"}, "core knows nothing of the command line"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_every_outside_library_has_its_door(path: Path) -> None:
    where = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        library = name.split(".")[0]
        assert where in DOORS.get(library, {where}), f"{where} imports {library}"
        if library == "typer":
            assert where in STREET or where.startswith("commands/")


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_files_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_no_pickle_and_one_reader_of_weight_files() -> None:
    readers = [p for p in MODULES if "torch.load(" in p.read_text(encoding="utf-8")]
    assert [p.relative_to(PACKAGE).as_posix() for p in readers] == ["core/regions/cnn.py"]
    assert "weights_only=True" in readers[0].read_text(encoding="utf-8")


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, vsa_cli.app; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "torchvision", "h5py", "numpy", "nltk", "PIL", "cv2", "rich", "safetensors", "pycocoevalcap"}
    assert not heavy & set(loaded)
