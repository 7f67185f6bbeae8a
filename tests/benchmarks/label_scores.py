"""How often names of things are right: precision and recall against what the sentences of photographs mention.

    python -m tests.benchmarks.label_scores corpus.json regions.h5 --split val [--labels labels/] [--names-of ssd.h5]

Scores the labeller, or without `--labels` the labels in the regions file, which a detector made. A name is right if a
sentence of the photograph mentions it. Counts are summed over photographs and names; only names that the source knows
count.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.generation.tags import mentions_of, probabilities_of, with_labels
from vsa_cli.core.labels.labeller import read_labeller
from vsa_cli.core.labels.names import read_names
from vsa_cli.core.regions.store import RegionStore

THRESHOLDS = (0.1, 0.2, 0.33, 0.5, 0.7, 0.8)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("regions", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--names-of", type=Path, help="count only the names of the labels in this regions file")
    arguments = parser.parse_args()
    corpus, store = read_corpus(arguments.corpus), RegionStore(arguments.regions)
    images = [image for image in corpus.split(arguments.split) if image.sentences]
    keys = [image.key for image in images]
    if arguments.labels is None:
        names = read_names()
        found = torch.zeros(len(keys), len(names.names))
        found = with_labels(found, [store.labels_of(key) for key in keys], names.names)
        known = torch.tensor([name in store.label_names for name in names.names])
    else:
        trained = read_labeller(arguments.labels, torch.device("cpu"))
        names = trained.names
        found = probabilities_of(trained.model, torch.from_numpy(store.padded(keys)))
        known = torch.ones(len(names.names), dtype=torch.bool)
    if arguments.names_of is not None:
        compared = RegionStore(arguments.names_of).label_names
        known &= torch.tensor([name in compared for name in names.names])
    is_mentioned = torch.zeros(found.shape, dtype=torch.bool)
    sentences = [[sentence.tokens for sentence in image.sentences] for image in images]
    for row, mentioned in enumerate(mentions_of(sentences, names)):
        is_mentioned[row, list(mentioned)] = True
    print(f"{len(keys)} photographs of {arguments.split}, {int(known.sum())} names")
    print("at least   precision   recall   names per photograph")
    for threshold in THRESHOLDS:
        is_found = (found >= threshold) & known
        right = int((is_found & is_mentioned).sum())
        precision = right / max(1, int(is_found.sum()))
        recall = right / max(1, int((is_mentioned & known).sum()))
        print(f"{threshold:8.2f} {precision:11.1%} {recall:8.1%} {int(is_found.sum()) / len(keys):12.2f}")


if __name__ == "__main__":
    main()
