"""Model directories, `embed/` and `gen/`: a trained model with everything that it needs for new photographs.

The files are those of `learning.checkpoint`. `config.json` holds::

    envelope     format vsa-embedding or vsa-generator; config: {"model": ..., "training": ...}, the dataclasses
                 of `core.config`; parents: corpus, regions
    vocabulary   {"words", "counts", "unknown"}
    regions      the FeatureSpec of the training images: a RegionConfig, the CNN's sha256, descriptor_size
    trained_on   {"split", "images", "sentences"}
    scores       {"split", ...}: metrics of the saved weights on the validation split; {} without one

Models can be packed in float16; packed ones are installed with this package.
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
    """A trained model and the other contents of its directory.

    Attributes:
        model: the model on its device, in evaluation mode.
        vocabulary: the words that the model knows.
        feature_spec: how descriptors for the model are extracted from a photograph.
        envelope: the envelope of the model directory.
        facts: `trained_on` and `scores`.
        sha256: the hash of the weights file.
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
        DataError: a file cannot be written.
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
        device: the device to put the model on.
        format_name: the required format.
        config_type: the dataclass of the model's configuration.
        build: makes a model from its configuration, the descriptor size D and the vocabulary size V.

    Raises:
        DataError: the folder is not a model directory.
        ArtifactError: a file is damaged, of another format, or inconsistent with the others.
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
        with torch.device("meta"), _SkipInit():  # a configuration from a file must not make it allocate memory
            model = build(config, feature_spec.descriptor_size, vocabulary.size)
        model.load_state_dict(weights, assign=True)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        raise ArtifactError(f"{where}: its weights do not fit its configuration") from error
    sha256 = file_sha256(folder / WEIGHTS)
    return Trained(model.to(device).eval(), vocabulary, feature_spec, envelope, contents, sha256)


class _SkipInit(TorchFunctionMode):
    """Skips weight initialisation: the weights are replaced anyway, and it would import torch's compiler (1 s)."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `function`, unless it initialises a tensor."""
        if getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


_ANY_VERSION = 1 << 30  # packing keeps the version that a model has


def pack_model(source: Path, target: Path) -> tuple[int, int]:
    """Copy a model directory with the matrices in float16 and without the training state.

    Returns:
        The bytes of the weights before and after.

    Raises:
        DataError: the source is not a model directory, or the target cannot be written.
        ArtifactError: the source is damaged, or a weight is beyond the range of float16.
    """
    envelope, contents, weights = read_model(source, model_format(source), _ANY_VERSION)
    packed = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in weights.items()}
    for name, tensor in packed.items():
        if not torch.isfinite(tensor).all():
            raise ArtifactError(f"{source}: {name} has numbers beyond the range of float16")
    write_model(target, envelope, contents, packed)
    before, after = (sum(t.nbytes for t in tensors.values()) for tensors in (weights, packed))
    return before, after


Bundled = Literal["embed", "gen"]

BUNDLE = Path(__file__).parents[2] / "bundled"
"""The folder of the models that are installed with this package, and of their model card."""


def bundled_model(name: Bundled) -> Path:
    """The directory of a model that is installed with this package.

    Raises:
        MissingError: the model is not installed.
    """
    folder = BUNDLE / name
    if not folder.is_dir():
        raise MissingError(f"{folder}: the bundled model is missing; reinstall vsa, or give another one as `model`")
    return folder
