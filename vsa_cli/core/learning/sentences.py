"""The sentences of a split as word ids, beside the images that they are of."""

from __future__ import annotations

from dataclasses import dataclass

from vsa_cli.core.corpus.corpus import Corpus, Image
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.regions.store import RegionStore


@dataclass(frozen=True)
class Sentences:
    """What is said of the images of a split.

    Attributes:
        images: K of them.
        words: M lists of word ids, none empty.
        image: M indices into `images`.
        ids: M sentence ids.
        wordless: (index into `images`, sentence id) of those left with no word.
    """

    images: tuple[Image, ...]
    words: tuple[tuple[int, ...], ...]
    image: tuple[int, ...]
    ids: tuple[str, ...]
    out_of_vocabulary: tuple[tuple[int, str], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The images' ids as text."""
        return tuple(image.key for image in self.images)


def require_same_photograph(image: Image, regions: RegionStore) -> None:
    """See that regions under an image's name, if there are any, are of its photograph.

    Raises:
        ArtifactError: they describe another file.
    """
    if image.key in regions and regions.hash_of(image.key) != image.sha256:
        raise ArtifactError(f"{regions.path}: {image.key} is another photograph there than in the corpus; extract anew")


def read_sentences(corpus: Corpus, regions: RegionStore, split: str, vocabulary: Vocabulary) -> Sentences:
    """The sentences of a split, whose photographs must be those that the regions describe.

    Raises:
        ArtifactError: the regions describe another file under an image's name.
        DataError: the split has no image, or no sentence with a known word.
    """
    images = tuple(corpus.split(split))
    known: list[tuple[int, ...]] = []
    rows: list[int] = []
    ids: list[str] = []
    out_of_vocabulary: list[tuple[int, str]] = []
    for row, image in enumerate(images):
        require_same_photograph(image, regions)
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
