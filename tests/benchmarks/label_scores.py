"""Precision and recall of names, against what the sentences of photographs mention.

    python -m tests.benchmarks.label_scores corpus.json regions.h5 --labels labels/ --split tune
    python -m tests.benchmarks.label_scores corpus.json regions.h5 --teacher ssd.h5 --split tune [--names-of ssd.h5]

Scores a labeller, or the labels that a detector gave (a teacher of `vsa train-labels`), at several thresholds. A name
is right if a sentence of the photograph mentions it; counts are summed over photographs and names. A teacher is scored
on the names that it gives at all; `--names-of` limits a labeller to those of a teacher. `--worst N` lists the N names
with the most false findings at 0.33.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.labels.labeller import read_labeller
from vsa_cli.core.labels.names import Names, read_names
from vsa_cli.core.labels.scores import agreement, mean_average_precision
from vsa_cli.core.regions.store import RegionStore

THRESHOLDS = (0.1, 0.2, 0.33, 0.4, 0.5, 0.6, 0.7, 0.8)


def taught_names(names: Names, teacher: RegionStore) -> list[int]:
    """The numbers of the names that a teacher gives."""
    return sorted({number for label in teacher.label_names for number in names.of_label(label)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("regions", type=Path)
    parser.add_argument("--split", default="tune")
    parser.add_argument("--labels", type=Path, help="a labeller")
    parser.add_argument("--teacher", type=Path, help="regions file with labels, to be scored instead of a labeller")
    parser.add_argument("--names-of", type=Path, help="regions file with labels: count only the names that it gives")
    parser.add_argument("--worst", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    corpus, store = read_corpus(arguments.corpus), RegionStore(arguments.regions)
    labeller = read_labeller(arguments.labels, torch.device("cpu")) if arguments.labels else None
    names = labeller.names if labeller is not None else read_names()
    teacher = RegionStore(arguments.teacher) if arguments.teacher else None
    photographs = teacher if labeller is None and teacher is not None else store
    images = [image for image in corpus.split(arguments.split) if image.sentences and image.key in photographs]
    shown, scores = (torch.zeros(len(images), len(names)) for _ in range(2))
    for row, image in enumerate(images):
        for sentence in image.sentences:
            shown[row, list(names.mentions(sentence.tokens))] = 1
    counted = list(range(len(names)))
    if labeller is not None:
        descriptors = torch.from_numpy(store.padded([image.key for image in images]))
        with torch.inference_mode():
            scores = torch.cat([labeller.model.of_images(part.float()) for part in torch.split(descriptors, 100)])
    elif teacher is not None:
        counted = taught_names(names, teacher)
        for row, image in enumerate(images):
            for label in teacher.labels_of(image.key):
                for number in names.of_label(label.name):
                    scores[row, number] = max(float(scores[row, number]), label.score)
    else:
        parser.error("one of --labels and --teacher is needed")
    if arguments.names_of is not None:
        counted = taught_names(names, RegionStore(arguments.names_of))
    scores, shown = scores[:, counted], shown[:, counted]
    average = mean_average_precision(scores, shown, torch.ones_like(shown, dtype=torch.bool))
    print(f"{len(images)} photographs of {arguments.split}, {len(counted)} names, mean average precision {average:.4f}")
    print("at least  precision  recall  found per photograph")
    for threshold in THRESHOLDS:
        counts = agreement(scores, shown, threshold)
        print(
            f"{threshold:8.2f} {100 * counts.precision:10.1f} {100 * counts.recall:7.1f} "
            f"{counts.found / len(images):10.2f}"
        )
    false = ((scores >= 0.33) & ~shown.bool()).sum(0).numpy()
    for place in np.argsort(-false)[: arguments.worst]:
        found = int((scores[:, place] >= 0.33).sum())
        print(f"{names.names[counted[place]]}: {false[place]} of {found} not mentioned")


if __name__ == "__main__":
    main()
