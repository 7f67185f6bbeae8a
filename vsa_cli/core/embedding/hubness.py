"""Hubness: some images have a high score for every sentence, and some sentences for every image, whatever is in them.

Such hubs come before the right results of many queries. How near to everything an image k or a sentence l is can be
measured with a bank of other sentences or images, those that a model was trained on, and subtracted from each score
(querybank normalisation: Bogolin et al., CVPR 2022; earlier corrections: Dinu et al. 2015, Lample et al. 2018)::

    h_k = T (log mean_b exp(S_kb / T) - c_k)     S'_kl = S_kl - w h_k - w h_l

The bank's vectors are kept in the few directions in which they differ most, and of an image those regions that are the
best for most words, which changes S_kb by little. A bank is the file `bank.safetensors` in the folder of a model::

    axes, whole_axes     (H, d)     float16   directions of the vectors of words and regions, and of whole ones
    regions              (B, R, d)  float16   of B images, along the axes
    words                (N, d)     float16   of M sentences, in random order
    sentence             (N,)       int32     the sentence of each word
    whole_images, whole_sentences   (B, d) and (M, d) float16
    centres              (2,)       float32   c of images and of sentences: their mean over the bank itself

without those of whole images and sentences for a model that has none. Its metadata name the model's weights.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding.compare import EncodedImages, EncodedSentences, compare
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.learning.model_dir import read_tensors, write_tensors

BANK = "bank.safetensors"
"""The file, in the folder of an alignment model, of its bank."""

DIRECTIONS, REGIONS = 64, 10
"""Directions of the vectors that are kept, and regions of an image."""

_TEMPERATURE, _WEIGHT = 0.02, 0.5  # selected on tune, see tests/benchmarks/README.md
_MOST = 1 << 16  # images and sentences of a bank that is read
_TOGETHER = 500  # images compared with the bank together


@dataclass(frozen=True)
class Bank:
    """Images and sentences to measure hubness with, in short vectors.

    Attributes:
        config: the configuration of the model.
        axes: (H, d) directions of the vectors of words and regions.
        whole_axes: (H, d) directions of the vectors of whole images and sentences; None for a model without them.
        images: B images.
        sentences: M sentences.
        centres: (2,) c of images and of sentences.
    """

    config: EmbedConfig
    axes: Tensor
    whole_axes: Tensor | None
    images: EncodedImages
    sentences: EncodedSentences
    centres: Tensor

    def with_hubness_of_images(self, images: EncodedImages) -> EncodedImages:
        """The same K images, with w h_k of each."""
        whole = None if images.whole is None or self.whole_axes is None else images.whole.float() @ self.whole_axes
        parts = []
        for first in range(0, len(images.regions), _TOGETHER):
            rows = slice(first, first + _TOGETHER)
            short = EncodedImages(images.regions[rows].float() @ self.axes, None if whole is None else whole[rows])
            parts.append(_soft_maximum(compare(self.config, self.sentences, short), 0))
        hubness = torch.cat(parts) if parts else images.regions.new_empty(0)
        return replace(images, hubness=_WEIGHT * (hubness - self.centres[0]))

    def with_hubness_of_sentences(self, sentences: EncodedSentences) -> EncodedSentences:
        """The same L sentences, with w h_l of each."""
        whole = sentences.whole
        short = EncodedSentences(
            sentences.words.float() @ self.axes,
            sentences.sentence,
            sentences.count,
            None if whole is None or self.whole_axes is None else whole.float() @ self.whole_axes,
        )
        hubness = _soft_maximum(compare(self.config, short, self.images), 1)
        return replace(sentences, hubness=_WEIGHT * (hubness - self.centres[1]))


def _soft_maximum(scores: Tensor, dim: int) -> Tensor:
    """T log mean exp(S / T) along a dimension."""
    total: Tensor = torch.logsumexp(scores.float() / _TEMPERATURE, dim)
    maximum: Tensor = _TEMPERATURE * (total - math.log(scores.shape[dim]))
    return maximum


def build_bank(config: EmbedConfig, images: Sequence[EncodedImages], sentences: Sequence[EncodedSentences]) -> Bank:
    """The bank of the images and sentences of several corpora.

    Args:
        config: the configuration of the model.
        images: the images of each corpus, with full vectors.
        sentences: the sentences of each corpus, with full vectors.

    Raises:
        ConfigError: the model compares by inner products, whose scores have no fixed scale.
    """
    if config.similarity != "cosine":
        raise ConfigError("a bank is for models that compare by cosine; this one compares by inner products")
    words = torch.cat([one.words for one in sentences])
    starts = torch.tensor([0, *(one.count for one in sentences)]).cumsum(0)
    sentence = torch.cat([one.sentence.cpu() + start for one, start in zip(sentences, starts, strict=False)])
    mixed = torch.randperm(len(words), generator=torch.Generator().manual_seed(0))  # nobody reads sentences from it
    words, sentence = words[mixed], sentence[mixed]
    regions = torch.cat([_best_regions(one.regions, words) for one in images])
    axes = _axes(torch.cat([regions.flatten(0, 1), words]))
    whole_images = [one.whole for one in images if one.whole is not None]
    whole_sentences = [one.whole for one in sentences if one.whole is not None]
    whole_axes = _axes(torch.cat(whole_images + whole_sentences)) if whole_images else None

    def short(vectors: Sequence[Tensor]) -> Tensor | None:
        if whole_axes is None:
            return None
        shortened: Tensor = (torch.cat(list(vectors)) @ whole_axes).half().float()
        return shortened

    kept_images = EncodedImages((regions @ axes).half().float(), short(whole_images))
    kept = EncodedSentences((words @ axes).half().float(), sentence, int(starts[-1]), short(whole_sentences))
    scores = compare(config, kept, kept_images)
    centres = torch.stack([_soft_maximum(scores, dim).mean() for dim in (0, 1)])
    return Bank(config, axes, whole_axes, kept_images, kept, centres)


def _axes(vectors: Tensor) -> Tensor:
    """(H, d): orthonormal columns along the principal axes of vectors, in the precision of float16."""
    moments = vectors.double().T @ vectors.double()
    largest: Tensor = torch.linalg.eigh(moments).eigenvectors.flip(1)[:, :DIRECTIONS]
    return largest.half().float()


def _best_regions(regions: Tensor, words: Tensor) -> Tensor:
    """(B, `REGIONS`, H): the regions of each image that are the best for most words; of fewer, the first again."""
    if regions.shape[1] <= REGIONS:
        return torch.cat([regions, regions[:, :1].expand(-1, REGIONS - regions.shape[1], -1)], 1)
    asked = words[:: max(1, len(words) // 1000)]
    chosen = []
    for image in regions:
        wins = torch.bincount((asked @ image.T).argmax(1), minlength=len(image))
        chosen.append(image[wins.argsort(descending=True, stable=True)[:REGIONS].sort().values])
    return torch.stack(chosen)


def write_bank(path: Path, bank: Bank, model_sha256: str) -> None:
    """Write a bank for the model whose weights have this hash.

    Raises:
        DataError: the file cannot be written.
    """
    tensors = {
        "axes": bank.axes.half(),
        "regions": bank.images.regions.half(),
        "words": bank.sentences.words.half(),
        "sentence": bank.sentences.sentence.int(),
        "centres": bank.centres.float(),
    }
    if bank.whole_axes is not None and bank.images.whole is not None and bank.sentences.whole is not None:
        tensors["whole_axes"] = bank.whole_axes.half()
        tensors["whole_images"], tensors["whole_sentences"] = bank.images.whole.half(), bank.sentences.whole.half()
    write_tensors(path, tensors, {"model_sha256": model_sha256})


def read_bank(path: Path, config: EmbedConfig, model_sha256: str, device: torch.device) -> tuple[Bank, str]:
    """Read the bank of a model.

    Args:
        path: the file.
        config: the configuration of the model.
        model_sha256: the hash of its weights.
        device: the device to put the bank on.

    Returns:
        The bank, and a hash of it and the model.

    Raises:
        DataError: the file is missing.
        ArtifactError: it is damaged, or of another model.
    """
    tensors, metadata = read_tensors(path)
    if metadata.get("model_sha256") != model_sha256:
        raise ArtifactError(f"{path}: the bank of another model; remove it, and make one with `bank` of `vsa pack`")
    _check(path, config, tensors)
    digest = hashlib.sha256(model_sha256.encode())
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    whole = config.whole_weight > 0
    values = {name: one.to(device) if name == "sentence" else one.to(device).float() for name, one in tensors.items()}
    sentence = values["sentence"].long()
    bank = Bank(
        config,
        values["axes"],
        values["whole_axes"] if whole else None,
        EncodedImages(values["regions"], values["whole_images"] if whole else None),
        EncodedSentences(
            values["words"], sentence, int(sentence.max()) + 1, values["whole_sentences"] if whole else None
        ),
        values["centres"],
    )
    return bank, digest.hexdigest()


def _check(path: Path, config: EmbedConfig, tensors: dict[str, Tensor]) -> None:
    """Check the types, shapes and numbers of an untrusted bank.

    Raises:
        ArtifactError: they are not those of a bank for the model.
    """
    damage = ArtifactError(f"{path}: damaged; `bank` of `vsa pack` makes the bank again")
    names = {"axes", "regions", "words", "sentence", "centres"}
    whole = {"whole_axes", "whole_images", "whole_sentences"} if config.whole_weight > 0 else set()
    if set(tensors) != names | whole:
        raise damage
    sentence, regions = tensors["sentence"], tensors["regions"]
    if sentence.dtype != torch.int32 or sentence.ndim != 1 or regions.ndim != 3 or not len(sentence):
        raise damage
    d, images, words, last = min(DIRECTIONS, config.size), len(regions), len(sentence), int(sentence.max())
    shapes = {
        "axes": (config.size, d),
        "regions": (images, REGIONS, d),
        "words": (words, d),
        "centres": (2,),
        "whole_axes": (config.size, d),
        "whole_images": (images, d),
        "whole_sentences": (last + 1, d),
    }
    if not (0 < images <= _MOST and 0 <= last < _MOST and words <= 64 * _MOST):
        raise damage
    if int(sentence.min()) < 0 or bool((torch.bincount(sentence, minlength=last + 1) == 0).any()):
        raise damage
    for name in (names | whole) - {"sentence"}:
        one = tensors[name]
        if tuple(one.shape) != shapes[name] or not one.is_floating_point() or not bool(torch.isfinite(one).all()):
            raise damage
