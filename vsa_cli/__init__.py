"""Image captioning, image–text retrieval and word-to-region alignment, from the command line (`vsa`) and from Python.

    import vsa_cli as vsa

    captioner = vsa.load_captioner()
    for result in captioner.caption("photos/", beam=7):
        print(result.path, result.caption, result.logprob)

    embedder = vsa.load_embedder()
    for found in embedder.search("a dog in the snow", "photos/", top=3):
        print(found.path, found.score)

Importing this package does not import PyTorch: each public name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vsa_cli.version import __version__ as __version__

if TYPE_CHECKING:
    from vsa_cli.core.alignment.embedder import load_embedder as load_embedder
    from vsa_cli.core.generation.captioner import load_captioner as load_captioner


_PUBLIC = {
    "load_captioner": "vsa_cli.core.generation.captioner",
    "load_embedder": "vsa_cli.core.alignment.embedder",
}
"""The public names and the modules that define them."""

__all__ = ["__version__", "load_captioner", "load_embedder"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
