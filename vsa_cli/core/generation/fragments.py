"""Snippets of an alignment as training pairs: a region, and the words that were aligned with it (paper, section 4.4).

Knows the file that `vsa align` writes (`vsa-snippets`, see `alignment.snippets`), not how it was made. The file may
hold more splits than are asked for; what is of other images is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.generation.batches import Pairs
from vsa_cli.core.io.envelope import SNIPPETS, VERSIONS, Envelope, require_there
from vsa_cli.core.io.json import parse, read_lines
from vsa_cli.core.regions.store import RegionStore


@dataclass(frozen=True)
class Fragment:
    """One line of the file: the words of one region of an image."""

    image_id: str
    region: int
    words: tuple[str, ...]


def read_fragments(path: Path, corpus: Corpus, regions: RegionStore) -> list[Fragment]:
    """All snippets of a file, which must have been cut from this corpus and these regions.

    Raises:
        DataError: the file cannot be read.
        ArtifactError: it is damaged, of another kind, or made from another corpus or other regions.
    """
    require_there(path, SNIPPETS)
    try:
        with path.open("rb") as file:
            lines = read_lines(file, str(path))
            _, first = next(lines, ("", b""))
            envelope = Envelope.from_dict(parse(first), str(path), SNIPPETS, VERSIONS[SNIPPETS])
            _require_parents(envelope, corpus, regions, path)
            return [_fragment(parse(line), where, regions) for where, line in lines]
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def _require_parents(envelope: Envelope, corpus: Corpus, regions: RegionStore, path: Path) -> None:
    for role, sha256 in (("corpus", corpus.sha256), ("regions", regions.sha256)):
        if envelope.parents.get(role, {}).get("sha256") != sha256:
            raise ArtifactError(f"{path}: was cut from another {role} file; run `vsa align` anew")


def fragment_pairs(
    fragments: list[Fragment], corpus: Corpus, regions: RegionStore, split: str, vocabulary: Vocabulary, *, beside: bool
) -> Pairs | None:
    """The snippets of a split with the descriptors of their regions; those without a known word are dropped.

    Args:
        fragments: of any images.
        corpus: says which images are of the split.
        regions: the descriptors.
        split: of the corpus.
        vocabulary: of the model.
        beside: give each region with its whole image beside it, (2, D), rather than alone, (D,).

    Returns:
        The pairs; None where no snippet is of the split.
    """
    keys = tuple(image.key for image in corpus.split(split))
    row_of = {key: row for row, key in enumerate(keys)}
    known = [
        (row_of[fragment.image_id], fragment.region, words)
        for fragment in fragments
        if fragment.image_id in row_of and (words := tuple(vocabulary.encode(fragment.words)))
    ]
    if not known:
        return None
    descriptors = torch.from_numpy(regions.padded(keys))  # (K, R, D)
    places, place = torch.unique(torch.tensor([known_[:2] for known_ in known]), dim=0, return_inverse=True)
    of_region, of_whole = descriptors[places[:, 0], places[:, 1]], descriptors[places[:, 0], 0]
    seen = torch.stack([of_region, of_whole], 1) if beside else of_region
    return Pairs(seen, place, tuple(words for _, _, words in known))


def _fragment(entry: Any, where: str, regions: RegionStore) -> Fragment:
    if not isinstance(entry, dict):
        raise ArtifactError(f"{where}: not a JSON object")
    image, region, words = (entry.get(key) for key in ("image_id", "region", "words"))
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words) or type(region) is not int:
        raise ArtifactError(f"{where}: damaged (region or words)")
    if not isinstance(image, str | int) or str(image) not in regions:
        raise ArtifactError(f"{where}: is of an image without regions")
    if not 0 <= region < regions.count_of(str(image)):
        raise ArtifactError(f"{where}: {image} has no region {region}")
    return Fragment(str(image), region, tuple(words))
