"""The alignment model ready for use: search photographs, rank sentences, align words with regions.

`Embedder` combines a trained model with the encoder of new photographs. Results are plain records: paths, scores, boxes
and words.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vsa_cli.core.alignment.align import Alignment, Box, WordBox, align_photo, locate_words
from vsa_cli.core.alignment.snippets import snippet_records
from vsa_cli.core.config import AlignConfig, Evidence
from vsa_cli.core.device import Runtime, available_cores, resolve_device, set_threads
from vsa_cli.core.embedding.model import TrainedEmbedding, read_embedding
from vsa_cli.core.embedding.search import Query, look_up, read_query, search_images, search_sentences
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.sources import FailedPhoto, Photo, expand, named_photo
from vsa_cli.core.learning.model_dir import bundled_model
from vsa_cli.core.regions.cache import cache_folder
from vsa_cli.core.regions.image_regions import ImageRegions

if TYPE_CHECKING:
    from vsa_cli.core.regions.encoder import PhotoEncoder

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class FoundPhoto:
    """A photograph found by a search.

    Attributes:
        photo: the photograph.
        score: how well it matches the query.
        words: the best box of each known word of the query; empty unless requested.
        size: width and height of the upright original, in pixels.
        sha256: SHA-256 of its file.
        row: its row in the index that was searched; None without an index.
    """

    photo: Photo
    score: float
    words: tuple[WordBox, ...]
    size: tuple[int, int]
    sha256: str
    row: int | None = None

    @property
    def path(self) -> str:
        """The path of the photograph, as given or as found in a folder."""
        return self.photo.path


@dataclass(frozen=True)
class RankedSentence:
    """A sentence ranked for a photograph.

    Attributes:
        sentence: the sentence.
        score: how well it matches the photograph; None if the model knows no word of it. Such sentences are last.
        words: the best box of each of its known words; empty unless requested.
        unknown: its words that the model does not know, each once.
    """

    sentence: str
    score: float | None
    words: tuple[WordBox, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snippet:
    """Neighbouring words of a sentence that were aligned with one region.

    Attributes:
        words: the words that the model knows.
        box: the region's box, in pixels of the upright original.
        score: the sum of v_i . s_t over the words.
    """

    words: tuple[str, ...]
    box: Box
    score: float


@dataclass(frozen=True)
class AlignedSentence:
    """A sentence and its snippets, in order.

    Attributes:
        sentence: the sentence.
        snippets: its snippets; empty if the model knows no word of it.
        unknown: its words that the model does not know, each once.
    """

    sentence: str
    snippets: tuple[Snippet, ...]
    unknown: tuple[str, ...] = ()


class Embedder:
    """An alignment model with the encoder of new photographs; `load_embedder` makes one.

    Args:
        trained: the model.
        workers: photographs encoded at the same time.
        cache: the folder of the feature cache; None encodes every photograph again.
        cnn_weights: the CNN's weight file, if it is not the one installed with its package.
        runtime: what computes the CNN.
    """

    def __init__(
        self,
        trained: TrainedEmbedding,
        *,
        workers: int,
        cache: Path | None,
        cnn_weights: Path | None = None,
        runtime: Runtime = "torch",
    ) -> None:
        self.trained, self._runtime = trained, runtime
        self._workers, self._cache, self._cnn_weights = workers, cache, cnn_weights

    @cached_property
    def _encoder(self) -> PhotoEncoder:
        # not needed for an index or a stored split; it imports OpenCV
        from vsa_cli.core.regions.encoder import photo_encoder

        return photo_encoder(
            self.trained.feature_spec,
            device=self.trained.model.W_m.weight.device,
            workers=self._workers,
            weights=self._cnn_weights,
            cache=self._cache,
            tail=self.trained.tail,
            runtime=self._runtime,
        )

    def search(
        self, query: str, paths: StrPath | Iterable[StrPath], top: int = 10, *, explain: bool = False
    ) -> list[FoundPhoto]:
        """The photographs that a sentence describes best, best first.

        Photographs that cannot be read, and words of the query that the model does not know, are left out with a
        warning. `encode_all` yields such a photograph as a `FailedPhoto`; `read_query` returns such words.

        Args:
            query: the sentence.
            paths: a photograph or a folder of photographs, or several of them.
            top: the number of photographs to return, at most.
            explain: whether to find the best box of each known word.

        Raises:
            DataError: the model knows no word of the query, or no photograph can be read.
            MissingError: the weights of the model's CNN or detector are not installed.
        """
        known = self.read_query(query)
        if known.unknown:
            hints = self.trained.vocabulary.describe_unknown(known.unknown)
            warnings.warn(f"searched for {' '.join(known.words)!r}; the model does not know {hints}", stacklevel=2)
        encoded: list[tuple[Photo, ImageRegions]] = []
        names = [os.fspath(path) for path in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]
        for photo, regions in self.encode_all(expand(names, ["-"])):
            if isinstance(regions, FailedPhoto):
                warnings.warn(regions.reason, stacklevel=2)
            else:
                encoded.append((photo, regions))
        return self.search_encoded(known, encoded, top, explain=explain)

    def rank_sentences(
        self, path: StrPath, sentences: Sequence[str], top: int = 10, *, explain: bool = False
    ) -> list[RankedSentence]:
        """The sentences that describe a photograph best, best first; those without a known word are last.

        Args:
            path: the photograph.
            sentences: the sentences.
            top: the number of sentences to return, at most.
            explain: whether to find the best box of each known word.

        Raises:
            DataError: the photograph cannot be read.
            MissingError: the weights of the model's CNN or detector are not installed.
        """
        _, regions = self.encode(path)
        return self.rank_encoded(regions, sentences, top, explain=explain)

    def align(
        self,
        path: StrPath,
        sentences: str | Sequence[str],
        *,
        beta: float = AlignConfig.beta,
        evidence: Evidence = AlignConfig.evidence,
    ) -> list[AlignedSentence]:
        """Assign the words of sentences to regions of a photograph.

        Args:
            path: the photograph.
            sentences: a sentence, or several.
            beta: the reward for neighbouring words that share a region (paper, section 3.1.4).
            evidence: `own` scores each region by itself (as in the paper); `contained` also counts the regions inside
                it.

        Raises:
            DataError: the photograph cannot be read, or the model knows no word of the sentences.
            MissingError: the weights of the model's CNN or detector are not installed.
        """
        texts = [sentences] if isinstance(sentences, str) else sentences
        photo, regions = self.encode(path)
        alignments = self.align_encoded(photo, regions, texts, AlignConfig(beta=beta, evidence=evidence))
        return [
            AlignedSentence(text, tuple(map(_snippet, snippet_records(alignment))), self.look_up(text).unknown)
            for text, alignment in zip(texts, alignments, strict=True)
        ]

    def read_query(self, text: str) -> Query:
        """Tokenise a query; words that the model does not know are in `unknown`.

        Raises:
            DataError: the model knows no word of it.
        """
        return read_query(text, self.trained.vocabulary)

    def look_up(self, sentence: str) -> Query:
        """Tokenise a sentence; it may have no word that the model knows."""
        return look_up(sentence, self.trained.vocabulary)

    def encode(self, path: StrPath) -> tuple[Photo, ImageRegions]:
        """Find and describe the regions of one photograph.

        Raises:
            DataError: the photograph cannot be read.
            MissingError: the weights of the model's CNN or detector are not installed.
        """
        name = os.fspath(path)
        ((photo, regions),) = self.encode_all([named_photo(name)])
        if isinstance(regions, FailedPhoto):
            raise DataError(regions.reason)
        return photo, regions

    def encode_all(self, photos: Iterable[Photo | FailedPhoto]) -> Iterator[tuple[Photo, ImageRegions | FailedPhoto]]:
        """Find and describe the regions of photographs, in the order given, each as soon as it is done.

        Raises:
            MissingError: the weights of the model's CNN or detector are not installed.
        """
        return self._encoder.encode_all(photos)

    def search_encoded(
        self, query: Query, images: Sequence[tuple[Photo, ImageRegions]], top: int, *, explain: bool
    ) -> list[FoundPhoto]:
        """`search` among photographs that are encoded already.

        Raises:
            DataError: `images` is empty.
        """
        if not images:
            raise DataError("none of the photographs could be read")
        found: list[FoundPhoto] = []
        for hit in search_images(self.trained, query, images, top):
            regions = images[hit.index][1]
            words = locate_words(self.trained, query, regions) if explain else ()
            found.append(FoundPhoto(hit.photo, hit.score, words, (regions.width, regions.height), regions.sha256))
        return found

    def rank_encoded(
        self, regions: ImageRegions, sentences: Sequence[str], top: int, *, explain: bool
    ) -> list[RankedSentence]:
        """`rank_sentences` for a photograph that is encoded already."""
        scores = search_sentences(self.trained, regions, sentences)
        ranked: list[RankedSentence] = []
        for i in np.argsort(-scores, kind="stable")[:top].tolist():
            query = self.look_up(sentences[i])
            words = locate_words(self.trained, query, regions) if explain and query.words else ()
            score = float(scores[i]) if query.words else None
            ranked.append(RankedSentence(sentences[i], score, words, query.unknown))
        return ranked

    def align_encoded(
        self, photo: Photo, regions: ImageRegions, sentences: Sequence[str], config: AlignConfig
    ) -> tuple[Alignment, ...]:
        """`align` for a photograph that is encoded already, with all scores.

        Raises:
            DataError: the model knows no word of the sentences.
        """
        return align_photo(self.trained, photo, regions, sentences, config)


def _snippet(record: Mapping[str, Any]) -> Snippet:
    left, top, right, bottom = record["box"]
    return Snippet(tuple(record["words"]), (left, top, right, bottom), record["score"])


def load_embedder(
    model: StrPath | None = None,
    *,
    device: str = "auto",
    cache: bool | StrPath = True,
    threads: int = 0,
    cnn_weights: StrPath | None = None,
    runtime: Runtime = "torch",
) -> Embedder:
    """Load an alignment model for search and alignment.

    Args:
        model: the folder of an alignment model; None loads the bundled one.
        device: where the model and the CNN run: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        cache: the folder that keeps the regions of photographs, by the content of their files; True uses the default
            folder, False keeps nothing.
        threads: CPU threads of the process, and photographs encoded at the same time; 0 uses every core.
        cnn_weights: the CNN's weight file, if it is not the one installed with its package.
        runtime: what computes the CNN: PyTorch, or OpenVINO on the CPU.

    Raises:
        ConfigError: `device` is not the name of a device, or `runtime` cannot use it.
        MissingError: the device, the bundled model or OpenVINO is missing.
        DataError: the model does not exist or cannot be read.
        ArtifactError: the model is damaged, or of another format or version.
    """
    set_threads(threads)
    where = resolve_device(device, runtime=runtime)
    trained = read_embedding(Path(model) if model is not None else bundled_model("embed"), where)
    folder = cache_folder() if cache is True else None if cache is False else Path(cache)
    weights = Path(cnn_weights) if cnn_weights is not None else None
    workers = threads or available_cores()
    return Embedder(trained, workers=workers, cache=folder, cnn_weights=weights, runtime=runtime)
