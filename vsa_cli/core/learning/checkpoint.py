"""Models and training states on disk: safetensors and JSON, no pickle. The only module that uses safetensors.

A model is a directory::

    model.safetensors      the weights; the metadata hold the SHA-256 of config.json
    config.json            the envelope, and the entries that the model's room adds
    training.safetensors   what a resumed run needs: weights, best weights, optimiser; the history, and the settings
                           of the run (`plan`), as JSON in the metadata

Each file is replaced atomically, `config.json` before the weights that refer to it. Independent of the models.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.io.envelope import Envelope, remedy
from vsa_cli.core.io.files import atomic_path, check_regular_file, file_sha256, write_text
from vsa_cli.core.io.json import dump_json, is_number, is_plain, read_json
from vsa_cli.core.learning.loop import Epoch, TrainingState

WEIGHTS, _CONFIG, _TRAINING = "model.safetensors", "config.json", "training.safetensors"


def write_model(folder: Path, envelope: Envelope, contents: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Write a model directory; a training state in it is kept.

    Raises:
        DataError: a file cannot be written.
    """
    config = dump_json({"envelope": envelope.to_dict(), **contents}, indent=1)
    write_text(folder / _CONFIG, config)
    digest = hashlib.sha256(config.encode()).hexdigest()
    _write_tensors(folder / WEIGHTS, weights, {"config_sha256": digest})


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
    weights, metadata = _read_tensors(folder / WEIGHTS)
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


def write_training(folder: Path, state: TrainingState, settings: Mapping[str, Any]) -> None:
    """Save everything that a resumed run needs, in one file.

    Args:
        folder: the model directory.
        state: the state of the training.
        settings: the settings of the run; a resumed run must have the same.

    Raises:
        DataError: the file cannot be written.
    """
    tensors = {f"model/{name}": value for name, value in state.model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    for index, slots in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    history = [dataclasses.asdict(epoch) for epoch in state.history]
    metadata = {"plan": dump_json(settings), "history": dump_json(history)}
    _write_tensors(folder / _TRAINING, tensors, metadata)


def has_training(folder: Path) -> bool:
    """Whether a model directory has a training state to resume."""
    return (folder / _TRAINING).is_file()


def read_training(folder: Path, state: TrainingState, settings: Mapping[str, Any]) -> None:
    """Load a saved training state into a new one.

    Raises:
        ArtifactError: the saved state is damaged, does not fit the model, or its run had other settings.
    """
    path = folder / _TRAINING
    tensors, metadata = _read_tensors(path)
    try:
        saved = dict(json.loads(metadata["plan"]))
        history = [_epoch(entry) for entry in json.loads(metadata["history"])]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path}: damaged training state ({reason(error)})") from error
    check_same_settings(path, saved, settings)
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = value
    try:
        state.model.load_state_dict(groups["model"])
        _load_optimizer(state.optimizer, groups["optimizer"])
        shapes = {name: value.shape for name, value in groups["model"].items()}
        if {name: value.shape for name, value in groups["best"].items()} != shapes:
            raise ValueError("the best weights have other shapes")
    except (RuntimeError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path}: does not fit this model ({reason(error)[:120]})") from error
    state.best, state.history = groups["best"], history


def check_same_settings(path: Path, saved: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Check that a run is resumed with the settings that it was started with.

    Raises:
        ArtifactError: a setting differs.
    """
    # A newer version of vsa may resume the run of an older one.
    names = {*saved, *settings} - {"tool"}
    differing = sorted(name for name in names if saved.get(name) != settings.get(name))
    if differing:
        raise ArtifactError(
            f"{path}: cannot resume: the saved run differs in {', '.join(differing)}; `force` starts over"
        )


def _epoch(entry: Mapping[str, Any]) -> Epoch:
    epoch = Epoch(**entry)
    whole = (type(epoch.number), type(epoch.items), type(epoch.best)) == (int, int, bool)
    if not whole or not all(map(is_number, (epoch.loss, epoch.seconds, *epoch.validation.values()))):
        raise ValueError("malformed epoch in the history")
    return epoch


_SLOTS = {"AdamW": {"step", "exp_avg", "exp_avg_sq"}, "SGD": {"momentum_buffer"}, "RMSprop": {"step", "square_avg"}}
"""The state that each optimiser keeps for a parameter."""


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, slot = name.partition("/")
        slots.setdefault(int(index), {})[slot] = value
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, kept in slots.items():
        shapes = {value.shape for name, value in kept.items() if name != "step"}
        if not 0 <= number < len(parameters) or shapes != {parameters[number].shape}:
            raise ValueError("the optimiser's state has other shapes")
        if kept.keys() != _SLOTS.get(type(optimizer).__name__, kept.keys()):
            raise ValueError("the state is of another optimiser")
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def _write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    try:
        with atomic_path(path) as part:
            part.touch()  # with the usual permissions; those of safetensors are for the owner alone
            mode = part.stat().st_mode
            save_file(kept, part, metadata)
            part.chmod(mode)
    except SafetensorError as error:  # safetensors reports a full disk so, not as an OSError
        raise DataError(f"{path}: cannot write: {reason(error)}") from error


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        check_regular_file(path)
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        kind = DataError if isinstance(error, FileNotFoundError) else ArtifactError
        raise kind(f"{path}: cannot be read ({reason(error)[:160]})") from error
