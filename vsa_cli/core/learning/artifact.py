"""A trained model with all it needs to meet a new photograph or sentence: `embed/` or `gen/`.

A model directory (see `training.checkpoint`). Its `config.json`::

    envelope     format vsa-embedding or vsa-generator; config: {"model": ..., "training": ...}, the dataclasses
                 of `core.config`; parents: corpus, regions
    vocabulary   {"words", "counts", "unknown"}
    regions      what described the training photographs: a RegionConfig, the CNN's sha256, descriptor_size
    trained_on   {"split", "images", "sentences"}
    scores       {"split", ...}: of the weights kept, on the split that was held out; {} without one
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vsa_cli.core.artifacts import Envelope, file_sha256
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.regions.recipe import Recipe
from vsa_cli.core.stored import Config, from_dict
from vsa_cli.core.training.checkpoint import WEIGHTS, read_model, write_model

VERSION = 1

ModelT = TypeVar("ModelT", bound=nn.Module)


@dataclass(frozen=True)
class Trained(Generic[ModelT]):
    """A model and what it was made with.

    Attributes:
        model: on its device, in evaluation mode.
        vocabulary: its words.
        recipe: how photographs must be described for it.
        envelope: who it is.
        facts: `trained_on` and `scores`.
        sha256: of its weights' file.
    """

    model: ModelT
    vocabulary: Vocabulary
    recipe: Recipe
    envelope: Envelope
    facts: Mapping[str, Any]
    sha256: str


def write_trained(
    folder: Path,
    envelope: Envelope,
    vocabulary: Vocabulary,
    recipe: Recipe,
    facts: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> None:
    """Write a model directory.

    Raises:
        DataError: it cannot be written.
    """
    contents = {"vocabulary": vocabulary.to_dict(), "regions": recipe.to_dict(), **facts}
    write_model(folder, envelope, contents, weights)


def read_trained(
    folder: Path,
    device: torch.device,
    format_name: str,
    config_type: type[Config],
    build: Callable[[Config, int, int], ModelT],
) -> Trained[ModelT]:
    """Read a model directory.

    Args:
        folder: the directory.
        device: where the model goes.
        format_name: what it must be.
        config_type: the model's configuration.
        build: makes a model from its configuration, the descriptor size D and the vocabulary size V.

    Raises:
        DataError: it is not there.
        ArtifactError: it is damaged, of another kind, or inconsistent.
    """
    envelope, contents, weights = read_model(folder, format_name, VERSION)
    where = str(folder)
    model_config = envelope.config.get("model")
    if not isinstance(model_config, dict):
        raise ArtifactError(f"{where}: damaged envelope (no model configuration)")
    config = from_dict(config_type, model_config, where)
    vocabulary = Vocabulary.from_dict(contents.pop("vocabulary", None), where)
    recipe = Recipe.from_dict(contents.pop("regions", None), where)
    try:
        with torch.device("meta"), _Undrawn():  # nothing is allocated by what a configuration claims
            model = build(config, recipe.descriptor_size, vocabulary.size)
        model.load_state_dict(weights, assign=True)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        raise ArtifactError(f"{where}: its weights do not fit its configuration") from error
    sha256 = file_sha256(folder / WEIGHTS)
    return Trained(model.to(device).eval(), vocabulary, recipe, envelope, contents, sha256)


class _Undrawn(TorchFunctionMode):
    """Leaves first weights undrawn: read ones replace them, and to draw them imports torch's compiler (a second)."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `function`, unless it fills a tensor with first weights."""
        if getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))
