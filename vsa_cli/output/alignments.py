"""Writes alignments as they are made, in memory bounded by a few images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vsa_cli.core.alignment.align import align_corpus
from vsa_cli.core.alignment.snippets import Importance, envelope, scores_of, snippets_of
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.io.envelope import ALIGNMENTS, SNIPPETS
from vsa_cli.core.io.files import atomic_path, write_text
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.output.html.from_alignments import Pages, showing


@dataclass(frozen=True)
class Written:
    """How many snippets were written of how many sentences, how many of them had no known word, and what is shown.

    `shown` and `unreadable` count photographs of the album, the latter those without their picture.
    """

    snippets: int
    sentences: int
    out_of_vocabulary: int
    shown: int = 0
    unreadable: int = 0


def write_alignments(
    trained: Trained[Embedding],
    corpus: Corpus,
    regions: RegionStore,
    split: str,
    config: AlignConfig,
    *,
    snippets: Path,
    scores: Path | None,
    words: Path | None,
    pages: Pages | None = None,
    watch: Callable[[], None],
) -> Written:
    """Align a split and write what was asked for; each file appears whole or not at all.

    Args:
        trained: the model.
        corpus: whose sentences.
        regions: of their images.
        split: of the corpus.
        config: of the alignment.
        snippets: the file for snippets.
        scores: the file for scores, if any.
        words: the file for the importance of words, if any.
        pages: the album, if any.
        watch: called for each sentence.

    Raises:
        ArtifactError: model, corpus and regions do not fit.
        DataError: a file cannot be written.
    """
    importance = Importance()
    runs = sentences = out_of_vocabulary = 0
    with ExitStack() as stack:
        shown = stack.enter_context(showing(pages, corpus, split, config)) if pages is not None else None

        def begin(path: Path, kind: str) -> IO[str]:
            file = stack.enter_context(stack.enter_context(atomic_path(path)).open("w", encoding="utf-8"))
            file.write(dump_json(envelope(kind, trained, corpus, regions, split, config)) + "\n")
            return file

        snippet_file = begin(snippets, SNIPPETS)
        score_file = begin(scores, ALIGNMENTS) if scores is not None else None
        for alignment in align_corpus(trained, corpus, regions, split, config):
            for snippet in snippets_of(alignment):
                snippet_file.write(dump_json(snippet) + "\n")
                runs += 1
            if score_file is not None:
                score_file.write(dump_json(scores_of(alignment)) + "\n")
            importance.add(alignment)
            if shown is not None:
                shown.add(alignment)
            sentences += 1
            out_of_vocabulary += not alignment.positions
            watch()
    if words is not None:
        write_text(words, "".join(dump_json(row) + "\n" for row in importance.table()))
    return Written(runs, sentences, out_of_vocabulary, shown.images if shown else 0, shown.unreadable if shown else 0)
