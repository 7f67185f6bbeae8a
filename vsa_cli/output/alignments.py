"""Alignments as files, written as they are computed, and as lines of text or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from vsa_cli.core.alignment.align import Alignment
from vsa_cli.core.alignment.snippets import Importance, envelope, scores_of, snippet_records
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.io.envelope import ALIGNMENTS, SNIPPETS
from vsa_cli.core.io.files import atomic_path, write_text
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.regions.store import RegionStore


class AlignmentWriter:
    """Writes alignments, one after the other; `alignment_writer` opens its files.

    Attributes:
        snippets: the number of snippets written.
        sentences: the number of sentences written.
        out_of_vocabulary: the number of sentences without a known word.
    """

    def __init__(self, snippet_file: IO[str], score_file: IO[str] | None) -> None:
        self._snippet_file, self._score_file = snippet_file, score_file
        self.importance = Importance()
        self.snippets = self.sentences = self.out_of_vocabulary = 0

    def write(self, alignment: Alignment) -> None:
        """Write the next alignment."""
        for snippet in snippet_records(alignment):
            self._snippet_file.write(dump_json(snippet) + "\n")
            self.snippets += 1
        if self._score_file is not None:
            self._score_file.write(dump_json(scores_of(alignment)) + "\n")
        self.importance.add(alignment)
        self.sentences += 1
        self.out_of_vocabulary += not alignment.positions


@contextmanager
def alignment_writer(
    trained: Trained[Embedding],
    corpus: Corpus,
    regions: RegionStore,
    split: str,
    config: AlignConfig,
    *,
    snippets: Path,
    scores: Path | None,
    words: Path | None,
) -> Iterator[AlignmentWriter]:
    """Open the files of a split's alignments; each appears, complete, only if the block ends without an error.

    Args:
        trained: the model.
        corpus: the corpus of the sentences.
        regions: the regions of the images.
        split: the corpus split.
        config: the settings of the alignment.
        snippets: the snippets file.
        scores: the word-scores file; None writes none.
        words: the file of the importance of words; None writes none.

    Raises:
        DataError: a file cannot be written.
    """
    with ExitStack() as stack:

        def open_with_envelope(path: Path, kind: str) -> IO[str]:
            file = stack.enter_context(stack.enter_context(atomic_path(path)).open("w", encoding="utf-8"))
            file.write(dump_json(envelope(kind, trained, corpus, regions, split, config)) + "\n")
            return file

        snippet_file = open_with_envelope(snippets, SNIPPETS)
        writer = AlignmentWriter(snippet_file, open_with_envelope(scores, ALIGNMENTS) if scores is not None else None)
        yield writer
    if words is not None:
        write_text(words, "".join(dump_json(row) + "\n" for row in writer.importance.table()))


def format_alignments(
    alignments: Sequence[Alignment], unknown: Sequence[Sequence[str]], *, as_json: bool
) -> Iterator[str]:
    """The snippets as one JSON array, or as lines of words, box in pixels and score, separated by tabs.

    In JSON, each snippet of a sentence with unknown words lists them as `unknown`. A sentence without a known word is
    one record, without words, whose region, box and score are null.

    Args:
        alignments: the alignments of sentences.
        unknown: the unknown words of each sentence.
        as_json: whether to return JSON.
    """
    if as_json:
        records = [record for pair in zip(alignments, unknown, strict=True) for record in _records(*pair)]
        yield dump_json(records, indent=1)
        return
    snippets = [snippet for alignment in alignments for snippet in snippet_records(alignment)]
    for snippet in snippets:
        box = " ".join(f"{side:.0f}" for side in snippet["box"])
        yield f"{' '.join(snippet['words'])}\t{box}\t{snippet['score']:.3f}"


def _records(alignment: Alignment, unknown: Sequence[str]) -> Iterator[dict[str, Any]]:
    more = {"unknown": list(unknown)} if unknown else {}
    if not alignment.positions:
        names = {"image_id": alignment.image.image_id, "sentence_id": alignment.sentence.sentence_id}
        yield {**names, "region": None, "box": None, "words": [], "start": 0, "end": 0, "score": None, **more}
    for snippet in snippet_records(alignment):
        yield {**snippet, **more}
