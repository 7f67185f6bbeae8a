"""Kinds of files, as a shell can tell them: by the ends of their names and by what their beginnings say."""

from __future__ import annotations

FILES: dict[str, tuple[tuple[str, ...], str]] = {
    "corpus": (("json",), "vsa-corpus"),
    "snippets": (("jsonl",), "vsa-snippets"),
    "regions": (("h5", "hdf5"), ""),
    "lines": (("jsonl",), "vsa-"),
    "photo": (("avif", "bmp", "gif", "heic", "heif", "jpe", "jpeg", "jpg", "png", "ppm", "tif", "tiff", "webp"), ""),
    "sentences": (("json", "jsonl", "csv", "tsv", "txt", "token", "tar", "gz"), ""),
    "results": (("json", "jsonl", "csv", "tsv"), ""),
    "boxes": (("json", "jsonl", "gz"), ""),
    "features": (("tsv", "npy"), ""),
    "weights": (("pth", "pt"), ""),
    "vectors": (("txt", "bin", "vec", "gz"), ""),
    "text": (("txt",), ""),
}
"""Kind of file: the ends of its name, in lower case, and a word that stands in its first `HEAD` bytes."""

FOLDERS: dict[str, str] = {"generator": "vsa-generator", "embedding": "vsa-embedding", "model": "vsa-"}
"""Kind of model folder: a word in the first `HEAD` bytes of its config.json."""

HEAD = 400
"""Bytes of a file that are looked at."""


def suffixes(kind: str) -> list[str]:
    """The ends of a kind's names, as they are and in capitals."""
    return [end for suffix in FILES[kind][0] for end in (suffix, suffix.upper())]


def posix_test() -> str:
    """`_vsa_is KIND PATH`, for bash and zsh: whether a path is of a kind."""
    lines = ["_vsa_is() {", "  case $1 in"]
    for kind, (_, word) in FILES.items():
        names = "|".join(f"*.{end}" for end in suffixes(kind))
        found = f'head -c {HEAD} -- "$2" 2>/dev/null | grep -q {word}' if word else "true"
        lines.append(f"    ({kind}) case $2 in ({names}) {found} ;; (*) false ;; esac ;;")
    for kind, word in FOLDERS.items():
        lines.append(f'    ({kind}) head -c {HEAD} -- "$2/config.json" 2>/dev/null | grep -q {word} ;;')
    return "\n".join([*lines, '    (folder) [ -d "$2" ] ;;', "    (*) true ;;", "  esac", "}"])
