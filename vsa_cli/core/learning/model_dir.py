"""Model directories, such as `embed/` and `gen/`: a trained model with everything that it needs for new photographs.

The files, each replaced atomically, `config.json` before the weights that refer to it::

    model.safetensors      the weights; the metadata hold the SHA-256 of config.json
    config.json            the envelope, and the entries below
    training.safetensors   what a resumed run needs (see `learning.checkpoint`)

`config.json` holds::

    envelope     format vsa-embedding or vsa-generator; config: {"model": ..., "training": ...}, the dataclasses
                 of `core.config`; parents: corpus, regions
    vocabulary   {"words", "counts", "unknown"}
    regions      the FeatureSpec of the training images: a RegionConfig, the CNN's sha256, descriptor_size, and
                 tail_sha256 if the CNN's tail was tuned; its weights are then `cnn.*` in model.safetensors
    trained_on   {"split", "images", "sentences"}
    scores       {"split", ...}: metrics of the saved weights on the validation split; {} without one
    calibration  of a caption generator, if it was packed with one (see `generation.confidence`)

`pack_model` stores a model in float16, as the bundled models are. The only module that uses safetensors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError, DataError, MissingError, reason
from vsa_cli.core.io.envelope import VERSIONS, Config, Envelope, from_dict, remedy
from vsa_cli.core.io.files import atomic_path, check_regular_file, file_sha256, write_text
from vsa_cli.core.io.json import dump_json, is_plain, read_json
from vsa_cli.core.regions.efficientnet_lite import LiteTail
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.tail import new_tail, ready, rounded, tail_sha256

WEIGHTS, _CONFIG, TRAINING = "model.safetensors", "config.json", "training.safetensors"
_TAIL = "cnn."  # prefix of the names of a tuned tail's weights
_ANY_VERSION = 1 << 30  # what all formats share is read from every version, and packing keeps the version

ModelT = TypeVar("ModelT", bound=nn.Module)


@dataclass(frozen=True)
class Trained(Generic[ModelT]):
    """A trained model and the other contents of its directory.

    Attributes:
        model: the model on its device, in evaluation mode.
        vocabulary: the words that the model knows.
        feature_spec: how descriptors for the model are extracted from a photograph.
        envelope: the envelope of the model directory.
        facts: `trained_on`, `scores`, and `calibration` if there is one.
        sha256: the hash of the weights file.
        tail: the tuned tail of the CNN, on the device of the model; None for a published CNN.
    """

    model: ModelT
    vocabulary: Vocabulary
    feature_spec: FeatureSpec
    envelope: Envelope
    facts: Mapping[str, Any]
    sha256: str
    tail: LiteTail | None = None


def tail_tensors(tail: LiteTail) -> dict[str, Tensor]:
    """The weights of a CNN's tail by their names in a model."""
    return {_TAIL + name: value for name, value in tail.state_dict().items()}


def write_trained(
    folder: Path,
    envelope: Envelope,
    vocabulary: Vocabulary,
    feature_spec: FeatureSpec,
    facts: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> None:
    """Write a model directory.

    Args:
        folder: the directory.
        envelope: its envelope.
        vocabulary: the words that the model knows.
        feature_spec: how the descriptors of its training images were extracted before any tuning.
        facts: `trained_on` and `scores`.
        weights: the weights of the model, and of a tuned tail of its CNN, see `tail_tensors`; its matrices are rounded
            to float16.

    Raises:
        DataError: a file cannot be written.
    """
    weights, of_tail = _split(weights)
    if of_tail:
        tail = rounded(assign_weights(lambda: new_tail(feature_spec.config.cnn), of_tail, str(folder)))
        feature_spec = replace(feature_spec, tail_sha256=tail_sha256(tail))
        weights |= {name: value.half() if value.ndim > 1 else value for name, value in tail_tensors(tail).items()}
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
    weights, of_tail = _split(weights)
    tail = _tail(feature_spec, of_tail, where)
    model = assign_weights(lambda: build(config, feature_spec.descriptor_size, vocabulary.size), weights, where)
    sha256 = file_sha256(folder / WEIGHTS)
    on_device = None if tail is None else tail.to(device)
    return Trained(model.to(device).eval(), vocabulary, feature_spec, envelope, contents, sha256, on_device)


def read_tail(folder: Path) -> tuple[FeatureSpec, LiteTail]:
    """The tuned tail of a model's CNN, of any format, and how descriptors are extracted with it.

    Raises:
        DataError: the folder is not a model directory.
        ArtifactError: a file is damaged, or the model's CNN was not tuned.
    """
    _, contents, weights = read_model(folder, model_format(folder), _ANY_VERSION)
    spec = FeatureSpec.from_dict(contents.get("regions"), str(folder))
    tail = _tail(spec, _split(weights)[1], str(folder))
    if tail is None:
        raise ArtifactError(f"{folder}: its CNN was not tuned; `tune_cnn` of `vsa train-embed` tunes one")
    return spec, tail


def _split(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of a model, and those of its CNN's tail by their names there."""
    own = {name: value for name, value in weights.items() if not name.startswith(_TAIL)}
    return own, {name.removeprefix(_TAIL): value for name, value in weights.items() if name.startswith(_TAIL)}


def _tail(spec: FeatureSpec, weights: Mapping[str, Tensor], where: str) -> LiteTail | None:
    """The tuned tail of a model; None without one.

    Raises:
        ArtifactError: its weights are missing or not those that the specification names.
    """
    if not weights and not spec.tail_sha256:
        return None
    tail = ready(assign_weights(lambda: new_tail(spec.config.cnn), weights, where))
    if tail_sha256(tail) != spec.tail_sha256:
        raise ArtifactError(f"{where}: the weights of its CNN are not those that its configuration names")
    return tail


def assign_weights(build: Callable[[], ModelT], weights: Mapping[str, Tensor], where: str) -> ModelT:
    """A model with the weights of a file.

    Args:
        build: makes the model, from a configuration that is not trusted.
        weights: the weights by their names in the model.
        where: the model's name, for messages.

    Raises:
        ArtifactError: the weights do not fit the configuration.
    """
    try:
        with torch.device("meta"), _SkipInit():  # a configuration from a file must not make it allocate memory
            model = build()
        model.load_state_dict(weights, assign=True)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        raise ArtifactError(f"{where}: its weights do not fit its configuration") from error
    return model


def widened(trained: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The weights of a trained model, in the shapes of one for longer descriptors (those with `regions.details`).

    It computes the same at first: new columns of matrices are 0. Mean and scale of new numbers are those of `model`.

    Raises:
        ValueError: a shape differs in another way.
    """

    def fitted(weights: Tensor, own: Tensor, *, learns: bool) -> Tensor:
        if weights.shape == own.shape:
            return weights
        if weights.shape[:-1] != own.shape[:-1] or weights.shape[-1] > own.shape[-1]:
            raise ValueError(f"weights of the shape {tuple(weights.shape)} cannot start those of {tuple(own.shape)}")
        wide = own.new_zeros(own.shape) if learns else own.clone()
        wide[..., : weights.shape[-1]] = weights
        return wide

    learnt = dict(model.named_parameters())
    return {name: fitted(trained[name], own, learns=name in learnt) for name, own in model.state_dict().items()}


class _SkipInit(TorchFunctionMode):
    """Skips weight initialisation: the weights are replaced anyway, and it would import torch's compiler (1 s)."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `function`, unless it initialises a tensor."""
        if getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


def write_model(folder: Path, envelope: Envelope, contents: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Write a model directory; a training state in it is kept.

    Raises:
        DataError: a file cannot be written.
    """
    config = dump_json({"envelope": envelope.to_dict(), **contents}, indent=1)
    write_text(folder / _CONFIG, config)
    digest = hashlib.sha256(config.encode()).hexdigest()
    write_tensors(folder / WEIGHTS, weights, {"config_sha256": digest})


def read_model(folder: Path, expected: str, version: int) -> tuple[Envelope, dict[str, Any], dict[str, Tensor]]:
    """Read a model directory.

    Args:
        folder: the directory.
        expected: the required format, such as `vsa-generator`.
        version: the newest version of the format that is accepted.

    Returns:
        The envelope, the other entries of `config.json`, and the weights on the CPU in float32.

    Raises:
        DataError: a file is missing.
        ArtifactError: a file is damaged or of another format, or the two files do not belong together.
    """
    if not (folder / _CONFIG).is_file():
        raise DataError(f"{folder}: not a model directory (it has no {_CONFIG}){remedy(expected)}")
    contents = read_json(folder / _CONFIG)
    if not isinstance(contents, dict):
        raise ArtifactError(f"{folder / _CONFIG}: not a vsa artifact")
    envelope = Envelope.from_dict(contents.pop("envelope", None), str(folder), expected, version)
    if not is_plain(contents):
        raise ArtifactError(f"{folder / _CONFIG}: damaged (a number that is not finite, or too deep)")
    weights, metadata = read_tensors(folder / WEIGHTS)
    if metadata.get("config_sha256") != file_sha256(folder / _CONFIG):
        fix = "resume its training" if has_training(folder) else "train it again"
        raise ArtifactError(f"{folder}: its weights and {_CONFIG} were not written together; {fix}")
    for name, tensor in weights.items():
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor.float()).all()):
            raise ArtifactError(f"{folder}: {name} has a number that is not finite; train it again")
    return envelope, contents, {name: tensor.float() for name, tensor in weights.items()}


def model_format(folder: Path) -> str:
    """The format that a model directory claims to have; "" if it claims none.

    Raises:
        DataError: the folder is not a model directory.
    """
    if not (folder / _CONFIG).is_file():
        raise DataError(f"{folder}: not a model directory (it has no {_CONFIG})")
    contents = read_json(folder / _CONFIG)
    envelope = contents.get("envelope") if isinstance(contents, dict) else None
    return str(envelope.get("format", "")) if isinstance(envelope, dict) else ""


def weights_sha256(folder: Path) -> str | None:
    """The hash of a model's weights, without reading the model; None if there are none."""
    return file_sha256(folder / WEIGHTS) if (folder / WEIGHTS).is_file() else None


def has_training(folder: Path) -> bool:
    """Whether a model directory has a training state to resume."""
    return (folder / TRAINING).is_file()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file atomically.

    Raises:
        DataError: it cannot be written.
    """
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    try:
        with atomic_path(path) as part:
            part.touch()  # with the usual permissions; those of safetensors are for the owner alone
            mode = part.stat().st_mode
            save_file(kept, part, metadata)
            part.chmod(mode)
    except SafetensorError as error:  # safetensors reports a full disk so, not as an OSError
        raise DataError(f"{path}: cannot write: {reason(error)}") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, on the CPU, and its metadata.

    Raises:
        DataError: the file is missing.
        ArtifactError: it cannot be read.
    """
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, whose tensors are not read; raises like `read_tensors`."""
    with _opened(path) as file:
        return file.metadata() or {}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        check_regular_file(path)
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (OSError, SafetensorError) as error:
        kind = DataError if isinstance(error, FileNotFoundError) else ArtifactError
        raise kind(f"{path}: cannot be read ({reason(error)[:160]})") from error


def pack_model(source: Path, target: Path, entries: Mapping[str, Any] | None = None) -> tuple[int, int]:
    """Copy a model directory with the matrices in float16 and without the training state.

    Args:
        source: the directory.
        target: the copy.
        entries: further entries of the copy's `config.json`.

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
    write_model(target, envelope, {**contents, **(entries or {})}, packed)
    before, after = (sum(t.nbytes for t in tensors.values()) for tensors in (weights, packed))
    return before, after


Bundled = Literal["embed", "gen"]

BUNDLE = Path(__file__).parents[2] / "bundled"
"""The folder of the bundled models and their model card."""


def bundled_model(name: Bundled) -> Path:
    """The directory of a bundled model, one that is installed with this package.

    Raises:
        MissingError: the model is not installed.
    """
    folder = BUNDLE / name
    if not folder.is_dir():
        raise MissingError(f"{folder}: the bundled model is missing; reinstall vsa, or give another one as `model`")
    return folder
