"""One photograph and what somebody says of it, aligned without a corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from vsa_cli.core.alignment.align import Alignment, align_image
from vsa_cli.core.alignment.snippets import snippets_of
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import Image, Sentence
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.output.html.cards import Card, Header
from vsa_cli.output.html.from_alignments import READING, card_of
from vsa_cli.output.search_results import Looking

_NO_SPLIT = ""


def align_photograph(
    trained: Trained[Embedding], photo: Path, said: Sequence[str], looking: Looking, config: AlignConfig
) -> tuple[Alignment, ...]:
    """Align sentences with the regions of a photograph, which is looked at on the spot.

    Raises:
        DataError: the photograph cannot be read, or the model knows no word of what was said.
        VsaError: the model's CNN or detector is not here.
    """
    ((shown, regions),) = looking.at(trained, [Photo(str(photo), str(photo), photo)])
    sentences = tuple(Sentence(str(i), raw, tuple(tokenize(raw))) for i, raw in enumerate(said))
    image = Image(shown, photo.name, regions.width, regions.height, regions.sha256, _NO_SPLIT, sentences)
    alignments = tuple(align_image(trained, image, regions, config))
    if not any(alignment.positions for alignment in alignments):
        raise DataError(f"the model knows no word of {' '.join(said)!r}")
    return alignments


def lines(alignments: Sequence[Alignment], *, as_json: bool) -> Iterator[str]:
    """The snippets: as one JSON array, or as words, box in pixels and score, with tabs between."""
    snippets = [snippet for alignment in alignments for snippet in snippets_of(alignment)]
    if as_json:
        yield dump_json(snippets, indent=1)
        return
    for snippet in snippets:
        box = " ".join(f"{side:.0f}" for side in snippet["box"])
        yield f"{' '.join(snippet['words'])}\t{box}\t{snippet['score']:.3f}"


def page(photo: Path, alignments: Sequence[Alignment], config: AlignConfig) -> tuple[Header, Card]:
    """The photograph with its boxes, the sentences in their colours."""
    return Header("Words and their boxes", (f"β {config.beta:g}",), READING), card_of(photo, alignments)
