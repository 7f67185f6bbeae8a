"""The architecture: layers and parts of core, no import cycles, few importers of outside libraries, sizes of files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vsa_cli"
FILES = sorted(PACKAGE.rglob("*.py"))
CORE = [path for path in FILES if path.is_relative_to(PACKAGE / "core")]

LAYERS = {
    "core": {"core"},
    "output": {"core", "output"},
    "options": {"core"},
    "help": {"core", "options"},
    "process": {"core"},
    "commands": {"core", "output", "options", "help", "commands"},
    "reference": {"core", "options", "help", "reference"},
    "app": {"core", "output", "options", "help", "process", "commands", "reference"},
}
"""Folder or file of the package: what it may import. `__init__` and `__main__` may import all."""

GROUND = {"errors", "config", "device", "boxes", "io"}
CORPUS = GROUND | {"metrics", "corpus"}
LEARNING = CORPUS | {"regions", "learning"}
PARTS = {
    "errors": set(),
    "config": {"errors"},
    "device": {"errors"},
    "boxes": {"errors"},
    "io": {"errors", "config"},
    "metrics": GROUND,
    "corpus": GROUND,
    "regions": CORPUS,
    "learning": CORPUS | {"regions"},
    "embedding": LEARNING,
    "alignment": LEARNING | {"embedding"},
    "generation": LEARNING | {"alignment"},
    "evaluation": CORPUS,
    "inspect": LEARNING | {"embedding", "alignment", "generation", "evaluation"},
    "doctor": LEARNING | {"embedding", "alignment", "generation", "evaluation"},
}
"""Folder or file of core: what else of core it may import."""

IMPORTERS = {
    "PIL": {"core/io/images.py", "output/annotate.py"},
    "pillow_heif": {"core/io/images.py"},
    "h5py": {"core/regions/store.py"},
    "cv2": {"core/regions/proposals.py"},
    "safetensors": {"core/learning/model_dir.py"},
    "torchvision": {"core/regions/cnn.py", "core/regions/features.py", "core/regions/detectors.py"},
    "pycocoevalcap": {"core/metrics/captioning.py"},
    "sqlite3": {"core/regions/cache.py"},
    "rich": {"output/console.py"},
    "jinja2": {"output/html/template.py"},
    "concurrent": {"core/io/threads.py"},
}
"""Library: the files that may import it. Pillow reads and draws; torchvision has classifiers, RoIAlign and detectors;
only one thread pool survives Ctrl-C."""

SMALL = {
    "__init__",
    "__main__",
    "tokenizer",
    "evidence",
    "optim",
    "version",
    "diversity",
    "thumbnails",
    "pack",
    "doctor",
    "info",
}
"""Files that may have fewer than 40 lines: their names are terms of the paper or of the user."""

PARSES_PYTHON = {"ast", "literal_eval", "np.load", "numpy.load", "eval", "exec"}
"""Python 3.11 counts the depth of its parser for all threads together, and raises SystemError when several parse."""

MAIN_THREAD_ONLY: set[str] = {"core/regions/interchange/scan.py"}
"""Files that may read `.npy` with numpy, because only the main thread enters them."""


def where(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported_names(path: Path) -> frozenset[str]:
    """Everything that a file imports: at its top, inside functions, or for type checking only."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@cache
def imported_files(path: Path) -> frozenset[Path]:
    """The package's own files that a file imports; the version, a constant, does not count."""
    names = imported_names(path) - {"vsa_cli.version", "vsa_cli.version.__version__"}
    modules = (name if name in MODULES else name.rpartition(".")[0] for name in names)
    return frozenset(MODULES[name] for name in modules if name in MODULES)


def strings(path: Path) -> Iterator[str]:
    """Every string of a file, docstrings and the fixed parts of f-strings included."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def part(path: Path) -> str:
    """The layer of a file or, for a file of core, its part of core."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[1] if parts[0] == "core" and len(parts) > 1 else parts[0]


@pytest.mark.parametrize("path", FILES, ids=where)
def test_layers_import_only_lower_layers(path: Path) -> None:
    layer = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if layer in LAYERS and path.stem != "__main__":
        used = {other.relative_to(PACKAGE).with_suffix("").parts[0] for other in imported_files(path)}
        assert used <= LAYERS[layer]


@pytest.mark.parametrize("path", CORE, ids=where)
def test_parts_of_core_import_only_lower_parts(path: Path) -> None:
    own = part(path)
    if own != "__init__":
        assert {part(other) for other in imported_files(path)} - {own} <= PARTS[own]


def test_no_import_cycle() -> None:
    """No file imports itself through others; imports inside functions and for type checking count as well."""
    reached = {path: reach(path) for path in FILES}
    cycles = {
        tuple(sorted(where(other) for other in reached[path] if path in reached[other]))
        for path in FILES
        if path in reached[path]
    }
    assert cycles == set()


def reach(start: Path) -> set[Path]:
    """All files that a file imports, directly or not."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        new = imported_files(waiting.pop()) - found
        found |= new
        waiting += new
    return found


@pytest.mark.parametrize("path", CORE, ids=where)
def test_core_names_no_option(path: Path) -> None:
    named = [text for text in strings(path) if re.search(r"(?<![\w-])--[a-z]", text)]
    assert named == [], "a setting is named by its parameter: `max_length`"


@pytest.mark.parametrize("path", FILES, ids=where)
def test_outside_libraries_are_imported_by_few_files(path: Path) -> None:
    for name in imported_names(path):
        library = name.split(".")[0]
        assert where(path) in IMPORTERS.get(library, {where(path)}), f"{where(path)} imports {library}"
        if library in ("typer", "click"):
            assert path not in CORE, f"{where(path)} imports {library}"


@pytest.mark.parametrize("path", FILES, ids=where)
def test_formats_of_artifacts_are_declared_in_one_place(path: Path) -> None:
    formats = set(re.findall(r'"(vsa-[a-z-]+)"', (PACKAGE / "core" / "io" / "envelope.py").read_text(encoding="utf-8")))
    assert len(formats) >= 9
    if where(path) != "core/io/envelope.py":
        assert formats.isdisjoint(strings(path))


@pytest.mark.parametrize("path", CORE, ids=where)
def test_nothing_that_threads_run_parses_python(path: Path) -> None:
    used = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    used |= {name for imported in imported_names(path) for name in imported.split(".")}
    if where(path) not in MAIN_THREAD_ONLY:
        assert used.isdisjoint(PARSES_PYTHON)


@pytest.mark.parametrize("path", FILES, ids=where)
def test_files_are_neither_long_nor_fragments(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400
    assert lines >= 40 or path.stem in SMALL


def test_no_pickle_and_one_reader_of_weight_files() -> None:
    readers = [path for path in FILES if "torch.load(" in path.read_text(encoding="utf-8")]
    assert list(map(where, readers)) == ["core/regions/cnn.py"]
    assert "weights_only=True" in readers[0].read_text(encoding="utf-8")
    assert [where(path) for path in FILES if {"pickle", "shelve", "marshal"} & imported_names(path)] == []


@pytest.mark.parametrize("path", [path for path in FILES if not path.is_relative_to(PACKAGE / "core")], ids=where)
def test_no_private_names_of_typer_or_click(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "type_descriptor" not in text
    assert not [name for name in imported_names(path) if name.startswith(("typer._", "click._"))]


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, vsa_cli.app; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "h5py", "numpy", "nltk", "PIL", "cv2", "rich", "jinja2", "sqlite3", *IMPORTERS} - {"concurrent"}
    assert not heavy & set(loaded)
