"""The generated corpus and everything made from it, as small as possible: the input of these programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.drawn import write_corpus
from tests.survival.fork_server import ForkServer
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json

REGIONS = ("--detector", "grid", "--top", 3, "--side", 64, "--cnn", "efficientnet_lite0")
"""Options for an extraction that takes a hundredth of a second per image."""

GEN = ("--preset", "paper", "--hidden-size", 48, "--word-size", 24, "--batch-size", 16, "--learning-rate", 3e-3)
EMBED = ("--size", 32, "--hidden-size", 24, "--batch-size", 24, "--learning-rate", 3e-3)
"""Options for models that learn the generated corpus in a second or two."""

TUNED = ("--tune-cnn", "--split", "val", "--validate", "none", "--epochs", 1)

NAMES = {"names": {"circle": ["circle", "circles"], "square": ["square"], "triangle": ["triangle"]}}

CALIBRATION = {
    "format": "vsa-calibration",
    "version": 1,
    "config": {},
    "parents": {},
    "seed": 0,
    "tool": "vsa",
    "calibration": {
        "weights": {"bias": 0.5, "mean_logprob": 1.0, "words": -0.1, "things": -0.5, "support": 0.25},
        "scores": {"captions": 9, "right": 0.5, "brier": 0.2, "ece": 0.1, "split": "val", "model_sha256": "0" * 64},
        "names": NAMES,
    },
}
"""A calibration as `vsa calibrate` writes it."""

KEPT = ("--patience", 99, "--threads", 1)


@dataclass(frozen=True)
class Material:
    """The paths of all files. They are only read."""

    folder: Path

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    @property
    def captions(self) -> Path:
        return self.folder / "captions.csv"

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus.json"

    @property
    def regions(self) -> Path:
        return self.folder / "regions.h5"

    @property
    def gen(self) -> Path:
        return self.folder / "gen"

    @property
    def embed(self) -> Path:
        return self.folder / "embed"

    @property
    def maps(self) -> Path:
        """Regions of the split val, with maps."""
        return self.folder / "maps.h5"

    @property
    def tuned(self) -> Path:
        """An alignment model whose CNN was tuned."""
        return self.folder / "tuned"

    @property
    def library(self) -> Path:
        return self.folder / "library"

    @property
    def sentences(self) -> Path:
        """An index of the corpus's sentences."""
        return self.folder / "sentences"

    @property
    def sentence_list(self) -> Path:
        """Thousands of sentences, one per line."""
        return self.folder / "sentences.txt"

    @property
    def calibration(self) -> Path:
        return self.folder / "calibration.json"

    @property
    def calibrated(self) -> Path:
        """A caption generator with a calibration."""
        return self.folder / "calibrated"

    @property
    def names(self) -> Path:
        """Names for a labeller."""
        return self.folder / "names.json"

    @property
    def snippets(self) -> Path:
        return self.folder / "snippets.jsonl"

    @property
    def rankings(self) -> Path:
        return self.folder / "rankings.jsonl"

    @property
    def scores(self) -> Path:
        return self.folder / "scores.jsonl"

    @property
    def generated(self) -> Path:
        return self.folder / "captions.jsonl"


def make(folder: Path, server: ForkServer, *, copies: int = 2, epochs: int = 4) -> Material:
    """Generate `copies` of 24 images, and run every command that makes something from them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_corpus(folder, copies)
    made = Material(folder)
    both = ("--corpus", made.corpus, "--regions-file", made.regions)
    steps: tuple[tuple[object, ...], ...] = (
        ("prep", made.captions, "--images", made.photos, "-o", made.corpus, "--min-count", 1),
        ("extract-regions", made.corpus, "-o", made.regions, *REGIONS),
        ("train-gen", made.corpus, made.regions, "-o", made.gen, *GEN, *KEPT, "--epochs", epochs),
        ("train-embed", made.corpus, made.regions, "-o", made.embed, *EMBED, *KEPT, "--epochs", epochs),
        ("extract-regions", made.corpus, "-o", made.maps, *REGIONS, "--keep-maps", "--split", "val"),
        ("train-embed", made.corpus, made.maps, "-o", made.tuned, *TUNED, *EMBED, *KEPT),
        ("index", made.photos, "-o", made.library, "--model", made.embed, "--no-cache"),
        ("index", "--sentences", made.corpus, "-o", made.sentences, "--model", made.embed),
        ("pack", made.gen, "--calibration", made.calibration, "-o", made.calibrated),
        ("align", *both, "--model", made.embed, "-o", made.snippets, "--scores", made.scores),
        ("retrieve", *both, "--model", made.embed, "-o", made.rankings),
        ("caption", *both, "--model", made.gen, "--format", "jsonl", "-o", made.generated),
    )
    write_text(made.names, dump_json(NAMES))
    write_text(made.sentence_list, "".join(f"a red circle, number {number}\n" for number in range(3000)))
    write_text(made.calibration, dump_json(CALIBRATION))
    for step in steps:
        finished = server.run(*step)
        if finished.code:
            raise RuntimeError(f"{step[0]}: {finished.code}: {finished.stderr.decode('utf-8', 'replace')}")
    return made
