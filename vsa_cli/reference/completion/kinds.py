"""Kinds of files as a shell recognises them: by file name and by a word near the beginning of the file."""

from __future__ import annotations

from vsa_cli.core.io.envelope import CALIBRATION, CORPUS, EMBEDDING, GENERATOR, SNIPPETS
from vsa_cli.core.io.image_formats import SUFFIXES

_ANY = "vsa-"
"""The beginning of every artifact format's name."""

_PHOTOS = tuple(sorted(suffix.removeprefix(".") for suffix in SUFFIXES))

FILES: dict[str, tuple[tuple[str, ...], str]] = {
    "corpus": (("json",), CORPUS),
    "snippets": (("jsonl",), SNIPPETS),
    "calibration": (("json",), CALIBRATION),
    "regions": (("h5", "hdf5"), ""),
    "lines": (("jsonl",), _ANY),
    "photo": (_PHOTOS, ""),
    "sentences": (("json", "jsonl", "csv", "tsv", "txt", "token", "tar", "gz"), ""),
    "results": (("json", "jsonl", "csv", "tsv"), ""),
    "boxes": (("json", "jsonl", "gz"), ""),
    "features": (("tsv", "npy"), ""),
    "weights": (("pth", "pt"), ""),
    "vectors": (("txt", "bin", "vec", "gz"), ""),
    "text": (("txt",), ""),
}
"""Kind of file: the suffixes of its name in lower case, and a word in its first `HEAD` bytes."""

FOLDERS: dict[str, str] = {"generator": GENERATOR, "embedding": EMBEDDING, "model": _ANY}
"""Kind of model folder: a word in the first `HEAD` bytes of its config.json."""

HEAD = 400
"""The number of bytes that a script reads."""


def suffixes(kind: str) -> list[str]:
    """The suffixes of a kind's names, in lower case and in capitals."""
    return [end for suffix in FILES[kind][0] for end in (suffix, suffix.upper())]


def posix_test() -> str:
    """The function `_vsa_is KIND PATH` for bash and zsh, which tests whether a path is of a kind."""
    lines = ["_vsa_is() {", "  case $1 in"]
    for kind, (_, word) in FILES.items():
        names = "|".join(f"*.{end}" for end in suffixes(kind))
        found = f'head -c {HEAD} -- "$2" 2>/dev/null | grep -q {word}' if word else "true"
        lines.append(f"    ({kind}) case $2 in ({names}) {found} ;; (*) false ;; esac ;;")
    for kind, word in FOLDERS.items():
        lines.append(f'    ({kind}) head -c {HEAD} -- "$2/config.json" 2>/dev/null | grep -q {word} ;;')
    return "\n".join([*lines, '    (folder) [ -d "$2" ] ;;', "    (*) true ;;", "  esac", "}"])
