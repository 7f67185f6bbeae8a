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
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError, MissingError
from vsa_cli.core.io.envelope import VERSIONS, Config, Envelope, from_dict
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.learning.checkpoint import WEIGHTS, model_format, read_model, write_model
from vsa_cli.core.regions.feature_spec import FeatureSpec

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
    feature_spec: FeatureSpec
    envelope: Envelope
    facts: Mapping[str, Any]
    sha256: str


def write_trained(
    folder: Path,
    envelope: Envelope,
    vocabulary: Vocabulary,
    feature_spec: FeatureSpec,
    facts: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> None:
    """Write a model directory.

    Raises:
        DataError: it cannot be written.
    """
    contents = {"vocabulary": vocabulary.to_dict(), "regions": feature_spec.to_dict(), **facts}
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
    envelope, contents, weights = read_model(folder, format_name, VERSIONS[format_name])
    where = str(folder)
    model_config = envelope.config.get("model")
    if not isinstance(model_config, dict):
        raise ArtifactError(f"{where}: damaged envelope (no model configuration)")
    config = from_dict(config_type, model_config, where)
    vocabulary = Vocabulary.from_dict(contents.pop("vocabulary", None), where)
    feature_spec = FeatureSpec.from_dict(contents.pop("regions", None), where)
    try:
        with torch.device("meta"), _Undrawn():  # nothing is allocated by what a configuration claims
            model = build(config, feature_spec.descriptor_size, vocabulary.size)
        model.load_state_dict(weights, assign=True)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        raise ArtifactError(f"{where}: its weights do not fit its configuration") from error
    sha256 = file_sha256(folder / WEIGHTS)
    return Trained(model.to(device).eval(), vocabulary, feature_spec, envelope, contents, sha256)


class _Undrawn(TorchFunctionMode):
    """Leaves first weights undrawn: read ones replace them, and to draw them imports torch's compiler (a second)."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `function`, unless it fills a tensor with first weights."""
        if getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


_NEWEST = 1 << 30  # whatever version it has, packing keeps it

Bundled = Literal["embed", "gen"]

BUNDLE = Path(__file__).parents[2] / "bundled"
"""Where the models lie that are installed with this package, beside their model card."""


def pack_model(source: Path, target: Path) -> tuple[int, int]:
    """Write a model directory again with its matrices in float16.

    Returns:
        Bytes of the weights before and after.

    Raises:
        DataError: the source is no model directory, or the target cannot be written.
        ArtifactError: the source is damaged, or holds a number that float16 cannot.
    """
    envelope, contents, weights = read_model(source, model_format(source), _NEWEST)
    packed = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in weights.items()}
    for name, tensor in packed.items():
        if not torch.isfinite(tensor).all():
            raise ArtifactError(f"{source}: {name} holds numbers beyond float16")
    write_model(target, envelope, contents, packed)
    before, after = (sum(t.nbytes for t in tensors.values()) for tensors in (weights, packed))
    return before, after


def bundled_model(name: Bundled) -> Path:
    """The folder of a model that is installed with this package.

    Raises:
        MissingError: this installation lacks it.
    """
    folder = BUNDLE / name
    if not folder.is_dir():
        raise MissingError(f"{folder}: the bundled model is missing; reinstall vsa, or name one with --model DIR")
    return folder
