"""The sentences of a split as word ids, and the image that each describes."""

from __future__ import annotations

from dataclasses import dataclass

from vsa_cli.core.corpus.corpus import Corpus, Image
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.regions.store import RegionStore


@dataclass(frozen=True)
class Sentences:
    """The images of a split and their sentences.

    Attributes:
        images: the K images.
        words: the word ids of M sentences, none empty.
        image: for each of the M sentences, the index of its image.
        ids: the ids of the M sentences.
        out_of_vocabulary: (image index, sentence id) of each sentence with no known word; it is not among the M.
    """

    images: tuple[Image, ...]
    words: tuple[tuple[int, ...], ...]
    image: tuple[int, ...]
    ids: tuple[str, ...]
    out_of_vocabulary: tuple[tuple[int, str], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The image ids as text, by which regions are stored."""
        return tuple(image.key for image in self.images)


def check_same_photograph(image: Image, regions: RegionStore) -> None:
    """Check that the regions stored for an image, if any, were extracted from its photograph.

    Raises:
        ArtifactError: they were extracted from another file.
    """
    if image.key in regions and regions.hash_of(image.key) != image.sha256:
        raise ArtifactError(
            f"{regions.path}: the photograph {image.key} differs from that of the corpus; extract the regions again"
        )


def read_sentences(corpus: Corpus, regions: RegionStore, split: str, vocabulary: Vocabulary) -> Sentences:
    """Read the sentences of a split, and check that its regions belong to the same photographs.

    Raises:
        ArtifactError: the regions of an image were extracted from another file.
        DataError: the split has no image, or no sentence with a known word.
    """
    images = tuple(corpus.split(split))
    known: list[tuple[int, ...]] = []
    rows: list[int] = []
    ids: list[str] = []
    out_of_vocabulary: list[tuple[int, str]] = []
    for row, image in enumerate(images):
        check_same_photograph(image, regions)
        for sentence in image.sentences:
            words = tuple(vocabulary.encode(sentence.tokens))
            if words:
                known.append(words)
                rows.append(row)
                ids.append(sentence.sentence_id)
            else:
                out_of_vocabulary.append((row, sentence.sentence_id))
    if not known:
        raise DataError(f"split {split}: no sentence with a word of the vocabulary")
    return Sentences(images, tuple(known), tuple(rows), tuple(ids), tuple(out_of_vocabulary))
