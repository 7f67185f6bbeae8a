"""The architecture: layers and parts of core, no import cycles, few importers of outside libraries, sizes of files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

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

GROUND = {"errors", "config", "ranks", "device", "onednn", "openvino", "boxes", "io"}
CORPUS = GROUND | {"metrics", "corpus"}
LEARNING = CORPUS | {"regions", "learning"}
PARTS = {
    "errors": set(),
    "config": {"errors"},
    "ranks": {"errors"},
    "device": {"errors", "ranks", "openvino"},
    "onednn": set(),
    "openvino": {"errors"},
    "boxes": {"errors"},
    "io": {"errors", "config"},
    "metrics": GROUND,
    "corpus": GROUND,
    "regions": CORPUS,
    "learning": CORPUS | {"regions"},
    "labels": LEARNING,
    "embedding": LEARNING | {"labels"},
    "alignment": LEARNING | {"embedding"},
    "library": LEARNING | {"embedding", "alignment"},
    "generation": LEARNING | {"alignment", "labels"},
    "evaluation": CORPUS,
    "inspect": LEARNING | {"embedding", "alignment", "library", "labels", "generation", "evaluation"},
    "doctor": LEARNING | {"embedding", "alignment", "generation", "evaluation"},
}
"""Folder or file of core: what else of core it may import."""

IMPORTERS = {
    "PIL": {"core/io/images.py", "output/annotate.py"},
    "pillow_heif": {"core/io/images.py"},
    "h5py": {"core/regions/store.py", "core/regions/store_writer.py"},
    "cv2": {"core/regions/proposals.py", "core/regions/ssd.py"},
    "safetensors": {"core/learning/model_dir.py"},
    "torchvision": {"core/regions/cnn.py", "core/regions/features.py", "core/regions/detectors.py"},
    "pycocoevalcap": {"core/metrics/captioning.py"},
    "sqlite3": {"core/regions/cache.py"},
    "rich": {"output/console.py"},
    "waitress": {"core/io/web_server.py"},
    "openvino": {"core/openvino.py"},
    "jinja2": {"output/html/template.py"},
    "concurrent": {"core/io/threads.py"},
}
"""Library: the files that may import it. Pillow reads and draws; torchvision has classifiers, RoIAlign and detectors;
OpenCV has selective search and runs SSD; only one thread pool survives Ctrl-C."""

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


def faulty(found: Mapping[str, Collection[str]]) -> dict[str, Collection[str]]:
    """The files in which something was found."""
    return {name: what for name, what in found.items() if what}


def part(path: Path) -> str:
    """The layer of a file or, for a file of core, its part of core."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[1] if parts[0] == "core" and len(parts) > 1 else parts[0]


def test_layers_import_only_lower_layers() -> None:
    higher = {}
    for path in FILES:
        layer = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if layer in LAYERS and path.stem != "__main__":
            used = {other.relative_to(PACKAGE).with_suffix("").parts[0] for other in imported_files(path)}
            higher[where(path)] = used - LAYERS[layer]
    assert faulty(higher) == {}


def test_parts_of_core_import_only_lower_parts() -> None:
    higher = {}
    for path in CORE:
        own = part(path)
        if own != "__init__":
            higher[where(path)] = {part(other) for other in imported_files(path)} - {own} - PARTS[own]
    assert faulty(higher) == {}


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


def test_core_names_no_option() -> None:
    named = {where(path): [text for text in strings(path) if re.search(r"(?<![\w-])--[a-z]", text)] for path in CORE}
    assert faulty(named) == {}, "a setting is named by its parameter: `max_length`"


def test_outside_libraries_are_imported_by_few_files() -> None:
    for path in FILES:
        for name in imported_names(path):
            library = name.split(".")[0]
            assert where(path) in IMPORTERS.get(library, {where(path)}), f"{where(path)} imports {library}"
            if library in ("typer", "click"):
                assert path not in CORE, f"{where(path)} imports {library}"


def test_one_file_talks_to_other_processes_of_a_run() -> None:
    talking = [path for path in FILES if re.search(r"torch\.distributed\b", path.read_text(encoding="utf-8"))]
    assert list(map(where, talking)) == ["core/learning/distributed.py"]


def test_formats_of_artifacts_are_declared_in_one_place() -> None:
    formats = set(re.findall(r'"(vsa-[a-z-]+)"', (PACKAGE / "core" / "io" / "envelope.py").read_text(encoding="utf-8")))
    assert len(formats) >= 9
    declared = {where(path): formats.intersection(strings(path)) for path in FILES}
    assert declared.pop("core/io/envelope.py") == formats
    assert faulty(declared) == {}


def test_nothing_that_threads_run_parses_python() -> None:
    parsing = {}
    for path in CORE:
        used = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
        used |= {name for imported in imported_names(path) for name in imported.split(".")}
        parsing[where(path)] = used & PARSES_PYTHON
    assert {name for name, used in parsing.items() if used} <= MAIN_THREAD_ONLY, parsing


def test_files_are_neither_long_nor_fragments() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert [where(path) for path, count in lines.items() if count > 400] == []
    assert [where(path) for path, count in lines.items() if count < 40 and path.stem not in SMALL] == []


def test_no_pickle_and_one_reader_of_weight_files() -> None:
    readers = [path for path in FILES if "torch.load(" in path.read_text(encoding="utf-8")]
    assert list(map(where, readers)) == ["core/regions/cnn.py"]
    assert "weights_only=True" in readers[0].read_text(encoding="utf-8")
    assert [where(path) for path in FILES if {"pickle", "shelve", "marshal"} & imported_names(path)] == []


def test_no_private_names_of_typer_or_click() -> None:
    outside_core = [path for path in FILES if path not in CORE]
    assert [where(path) for path in outside_core if "type_descriptor" in path.read_text(encoding="utf-8")] == []
    private = {
        where(path): [name for name in imported_names(path) if name.startswith(("typer._", "click._"))]
        for path in outside_core
    }
    assert faulty(private) == {}


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, vsa_cli.app; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "h5py", "numpy", "nltk", "PIL", "cv2", "rich", "jinja2", "sqlite3", *IMPORTERS} - {"concurrent"}
    assert not heavy & set(loaded)
