"""Description of an artifact: its format, configuration, source files and sizes. Nothing in core imports this."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.envelope import (
    ALIGNMENTS,
    CALIBRATION,
    CORPUS,
    FREQUENCIES,
    GENERATOR,
    LABELLER,
    RANKINGS,
    SNIPPETS,
    SWEEP,
    VERSIONS,
    Envelope,
    open_lines,
)
from vsa_cli.core.io.files import HDF5_START, file_sha256
from vsa_cli.core.io.json import read_json
from vsa_cli.core.learning.model_dir import model_format
from vsa_cli.core.library.manifest import MANIFEST, is_library

if TYPE_CHECKING:
    import torch

_LINES = frozenset({SNIPPETS, ALIGNMENTS, RANKINGS, SWEEP})
"""Formats of JSON Lines whose first line is the envelope."""
_FORMAT = re.compile(rb'"format": ?"(vsa-[a-z-]+)"')
_HEAD_BYTES = 512


def describe_artifact(path: Path) -> dict[str, Any]:
    """Describe an artifact as one flat object: its envelope, its sizes, its SHA-256.

    Args:
        path: a `corpus.json`, a `regions.h5`, a model directory, an index, document frequencies, a
            calibration, or a file of JSON Lines that vsa wrote, such as `snippets.jsonl`.

    Raises:
        DataError: the file is missing or cannot be read.
        ArtifactError: the file is not an artifact, or it is damaged.
    """
    if path.is_dir():
        return _index(path) if is_library(path) else _model(path)
    if not path.exists():
        raise DataError(f"{path}: no such file")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(HDF5_START):
        return _regions(path)
    match = _FORMAT.search(head)
    format_name = match.group(1).decode() if match is not None else ""
    if format_name in _LINES:
        return _lines(path, format_name)
    if format_name in _DOCUMENTS:
        return _DOCUMENTS[format_name](path)
    expected = (
        "corpus.json, regions.h5, a model directory, snippets, word scores, rankings, document frequencies or a "
        "calibration"
    )
    raise ArtifactError(f"{path}: not a vsa artifact (expected {expected})")


def _lines(path: Path, format_name: str) -> dict[str, Any]:
    with open_lines(path, format_name) as (envelope, lines):
        return {**envelope.to_dict(), "lines": sum(1 for _ in lines), "sha256": file_sha256(path)}


def _corpus(path: Path) -> dict[str, Any]:
    from vsa_cli.core.corpus.corpus import read_corpus

    corpus = read_corpus(path, needs_photographs=False)
    return {
        **corpus.envelope.to_dict(),
        "images": len(corpus.images),
        "photographs": len(corpus.images) if corpus.has_photographs else 0,
        "sentences": sum(len(image.sentences) for image in corpus.images),
        "splits": corpus.split_sizes(),
        "vocabulary_size": corpus.vocabulary.size if corpus.vocabulary else None,
        "sha256": corpus.sha256,
    }


def _frequencies(path: Path) -> dict[str, Any]:
    from vsa_cli.core.evaluation.frequencies import read_frequencies

    frequencies = read_frequencies(path)
    envelope = Envelope.from_dict(read_json(path), str(path), FREQUENCIES, VERSIONS[FREQUENCIES])
    return {
        **envelope.to_dict(),
        "images": frequencies.images,
        "ngrams": len(frequencies.counts),
        "sha256": file_sha256(path),
    }


def _calibration(path: Path) -> dict[str, Any]:
    from vsa_cli.core.generation.calibration import read_calibration

    envelope, calibration = read_calibration(path)
    return {**envelope.to_dict(), **_brief(calibration.to_dict()), "sha256": file_sha256(path)}


def _brief(calibration: dict[str, Any]) -> dict[str, Any]:
    """A stored calibration with the number of its names in place of them."""
    return {**calibration, "names": len(calibration["names"]["names"])}


_DOCUMENTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    CORPUS: _corpus,
    FREQUENCIES: _frequencies,
    CALIBRATION: _calibration,
}
"""Readers of the formats that are one JSON object."""


def _regions(path: Path) -> dict[str, Any]:
    from vsa_cli.core.regions.store import RegionStore

    store = RegionStore(path)
    facts = {
        **store.envelope.to_dict(),
        "images": len(store),
        "regions": len(store.boxes),
        "descriptor_size": store.descriptor_size,
        "label_names": len(store.label_names),
        **({"map_bytes": store.map_bytes} if store.has_maps else {}),
        **({"mirrored": True} if store.has_mirrored else {}),
        "sha256": store.sha256,
    }
    store.close()
    return facts


def _index(path: Path) -> dict[str, Any]:
    from vsa_cli.core.library.library import open_index

    manifest = open_index(path).manifest
    items = manifest.config.items
    return {
        **manifest.envelope.to_dict(),
        items: manifest.valid,
        "regions" if items == "photographs" else "words": sum(record.vectors for record in manifest.segments),
        "deleted": sum(len(record.deleted) for record in manifest.segments),
        "segments": len(manifest.segments),
        "bytes": sum(record.bytes for record in manifest.segments),
        "sha256": file_sha256(path / MANIFEST),
    }


def _model(path: Path) -> dict[str, Any]:
    import torch

    from vsa_cli.core.embedding.model import TrainedEmbedding, read_embedding
    from vsa_cli.core.generation.confidence import KEY, calibration_of
    from vsa_cli.core.generation.decoder import read_generator
    from vsa_cli.core.generation.model import SentenceModel
    from vsa_cli.core.learning.model_dir import Trained
    from vsa_cli.core.regions.tail import tail_weights

    cpu = torch.device("cpu")
    if model_format(path) == LABELLER:
        return _labeller(path, cpu)
    is_generator = model_format(path) == GENERATOR
    trained: Trained[SentenceModel] | TrainedEmbedding = (
        read_generator(path, cpu) if is_generator else read_embedding(path, cpu)
    )
    labeller, bank = (trained.labeller, trained.model.bank) if isinstance(trained, TrainedEmbedding) else (None, None)
    facts = dict(trained.facts)
    if (calibration := calibration_of(facts, str(path))) is not None:
        facts[KEY] = _brief(calibration.to_dict())
    return {
        **_counted(trained.envelope),
        "vocabulary_size": trained.vocabulary.size,
        "parameters": sum(parameter.numel() for parameter in trained.model.parameters()),
        **({} if trained.tail is None else {"tuned_cnn_parameters": len(tail_weights(trained.tail))}),
        **({} if labeller is None else {"labeller": {"names": len(labeller.names), "sha256": labeller.sha256}}),
        **({} if bank is None else {"bank": {"images": len(bank.images.regions), "sentences": bank.sentences.count}}),
        "bytes": sum(file.stat().st_size for file in path.iterdir() if file.is_file()),
        "regions": trained.feature_spec.to_dict(),
        **facts,
        "sha256": trained.sha256,
    }


def _labeller(path: Path, device: torch.device) -> dict[str, Any]:
    from vsa_cli.core.labels.labeller import read_labeller

    trained = read_labeller(path, device)
    return {
        **_counted(trained.envelope),
        "parameters": sum(parameter.numel() for parameter in trained.model.parameters()),
        "bytes": sum(file.stat().st_size for file in path.iterdir() if file.is_file()),
        "regions": trained.feature_spec.to_dict(),
        **trained.facts,
        "sha256": trained.sha256,
    }


def _counted(envelope: Envelope) -> dict[str, Any]:
    """The envelope of a model, with the number of its names, which are hundreds, in place of them."""
    described = envelope.to_dict()
    config = described["config"].get("model", {})
    if "names" in config:
        described["config"]["model"] = {**config, "names": len(config["names"])}
    return described
