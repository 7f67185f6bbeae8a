"""Packs alignment models: smaller copies, with a labeller and a bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.embedding.batches import pack, read_pairs
from vsa_cli.core.embedding.compare import EncodedImages, EncodedSentences
from vsa_cli.core.embedding.hubness import BANK, Bank, build_bank, write_bank
from vsa_cli.core.embedding.model import LABELS, TrainedEmbedding, check_labeller, read_embedding
from vsa_cli.core.embedding.search import encode_images_in_parts, encode_sentences
from vsa_cli.core.errors import DataError
from vsa_cli.core.labels.labeller import pack_labeller, read_labeller
from vsa_cli.core.learning.model_dir import pack_model, weights_sha256
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import described_for

IMAGES = 1000
"""Images of a corpus in a bank, with a sentence of each, at most; evenly spaced."""


def pack_embedding(
    source: Path, target: Path, labels: Path | None = None, bank: Sequence[tuple[Corpus, RegionStore]] = ()
) -> tuple[int, int]:
    """Copy an alignment model as `pack_model` copies it, with a labeller and a bank.

    Args:
        source: the model's directory.
        target: the copy.
        labels: the directory of a labeller; None copies the one that the model has, if any.
        bank: the corpora whose training split becomes the bank, and their regions; none copies the model's own, if any.

    Returns:
        The bytes of all weights before and after.

    Raises:
        DataError: the source is not a model directory, the target cannot be written, or a corpus has no training split.
        ArtifactError: the source is damaged, a weight is beyond the range of float16, the labeller is for other
            descriptors, or the regions are not those that the model needs.
        ConfigError: a bank is wanted for a model that compares by inner products.
    """
    cpu = torch.device("cpu")
    trained = read_embedding(source, cpu)
    if labels is None and (source / LABELS).exists():
        labels = source / LABELS
    if labels is not None:
        check_labeller(read_labeller(labels, cpu), trained.feature_spec, labels)
    elif (target / LABELS).exists():
        raise DataError(
            f"{target / LABELS}: a labeller of the model that was there; remove it, or name one as `labels`"
        )
    kept = bank_of(trained, bank) if bank else trained.model.bank
    if kept is None and (target / BANK).exists():
        raise DataError(f"{target / BANK}: a bank of the model that was there; remove it, or make one with `bank`")
    sizes = [pack_model(source, target)]
    if labels is not None:
        sizes.append(pack_labeller(labels, target / LABELS))
    if kept is not None:
        write_bank(target / BANK, kept, weights_sha256(target) or "")
        size = (target / BANK).stat().st_size
        sizes.append((0 if bank else size, size))
    return sum(before for before, _ in sizes), sum(after for _, after in sizes)


@torch.no_grad()
def bank_of(trained: TrainedEmbedding, corpora: Sequence[tuple[Corpus, RegionStore]]) -> Bank:
    """The bank of a model: images of the training split of some corpora, and a sentence of each.

    Raises:
        DataError: a corpus has no training images with sentences.
        ArtifactError: the regions are not those that the model needs.
        ConfigError: the model compares by inner products.
    """
    trained.model.bank, found = None, [_encoded(trained, corpus, regions) for corpus, regions in corpora]
    return build_bank(trained.model.config, [images for images, _ in found], [sentences for _, sentences in found])


def _encoded(trained: TrainedEmbedding, corpus: Corpus, regions: RegionStore) -> tuple[EncodedImages, EncodedSentences]:
    """Some training images of a corpus, and of each the first sentence with a known word."""
    described = described_for(trained.feature_spec, trained.tail, regions)
    pairs = read_pairs(corpus, described, "train", trained.vocabulary)
    first: dict[int, int] = {}
    for row, image in enumerate(pairs.image.tolist()):
        first.setdefault(image, row)
    images = sorted(first)[:: -(-len(first) // IMAGES)]
    packed = pack([pairs.sentences[first[image]] for image in images])
    return encode_images_in_parts(trained.model, pairs.regions[torch.tensor(images)]), encode_sentences(
        trained.model, packed
    )
