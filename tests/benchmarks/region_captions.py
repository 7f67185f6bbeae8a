"""Captions of annotated boxes, scored against the phrases annotated for them (Karpathy & Fei-Fei 2015, table 3).

    python -m tests.benchmarks.region_captions corpus.json regions.h5 snippets.jsonl entities.jsonl.gz \\
        --split val --regions-model gen_regions/ --images-model gen/

Each entity that people boxed (Flickr30k Entities; several boxes of one entity as their enclosing rectangle) is encoded
by the models' CNN and captioned by the model of regions, by the model of whole images, and by the words that `vsa
align` assigned to the most similar region of train. Its references are all phrases that people wrote for it. Prints
coco-caption's scores with N, and the mean number of words. METEOR needs Java.
"""

from __future__ import annotations

import argparse
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.alignment.snippets import read_snippets
from vsa_cli.core.config import REGION_STYLE, DecodingConfig, RegionCaptionConfig
from vsa_cli.core.corpus.corpus import Corpus, Sentence, read_corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.device import resolve_device, set_threads
from vsa_cli.core.evaluation.entities import EntityImage, read_entities
from vsa_cli.core.generation.baseline import by_consensus
from vsa_cli.core.generation.batches import snippet_pairs
from vsa_cli.core.generation.decoder import Decoder, read_generator
from vsa_cli.core.generation.region_captions import RegionCaptioner
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.learning.run import vocabulary_of
from vsa_cli.core.metrics.captioning import bleu, cider, meteor, rouge
from vsa_cli.core.metrics.ptb import Tokenizer
from vsa_cli.core.regions.detectors import GivenBoxes
from vsa_cli.core.regions.encoder import PhotoEncoder
from vsa_cli.core.regions.extractor import RegionExtractor, feature_extractor_for
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.fused_lite import fused_tail
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import stored_tail

Things = dict[tuple[float, ...], list[str]]
"""The boxes of a photograph, in its own pixels, and the phrases for each."""


def things_of(entities: EntityImage, width: int, height: int) -> Things:
    """The entities that people boxed in a photograph of this size."""
    scale = np.array([width / entities.width, height / entities.height] * 2)
    found: Things = defaultdict(list)
    for sentence in entities.sentences:
        for phrase in sentence.phrases:
            hull = np.concatenate([phrase.boxes[:, :2].min(0), phrase.boxes[:, 2:].max(0)]) * scale
            words = sentence.words[phrase.start : phrase.end]
            if words:
                found[tuple(hull.tolist())].append(" ".join(words))
    return found


def encode(
    corpus: Corpus, split: str, things: dict[str, Things], store: RegionStore, threads: int
) -> list[ImageRegions]:
    """Each photograph that has boxes: the whole image, then its boxes, as `store` describes regions."""
    feature_spec = FeatureSpec.of(store.envelope, str(store.path))
    feature_extractor = feature_extractor_for(feature_spec, None, resolve_device("cpu"))
    tail = stored_tail(store) if feature_spec.tail_sha256 else None
    boxes = {key: np.array(list(found), np.float32) for key, found in things.items()}
    detector = GivenBoxes(max(len(found) for found in boxes.values()), boxes, Path("the entities"))
    tuned = None if tail is None else fused_tail(tail)
    details = feature_spec.config.details
    extractor = RegionExtractor(
        feature_extractor, detector, feature_spec.config.photo_side, tuned, with_details=details
    )
    images = [image for image in corpus.split(split) if image.key in boxes]
    photos = [Photo(image.file, image.key, corpus.path(image), image.sha256) for image in images]
    found = []
    for _, regions in PhotoEncoder(lambda: extractor, extractor.feature_extractor.device, None, threads).encode_all(
        photos
    ):
        if isinstance(regions, FailedPhoto):
            raise SystemExit(regions.reason)
        found.append(regions)
    return found


def captions_by(model: Path, images: Sequence[ImageRegions]) -> list[str]:
    """The caption of every box, by a generator."""
    trained = read_generator(model, resolve_device("cpu"))
    decoder = Decoder(trained, DecodingConfig(), 0)
    trained_on_regions = "snippets" in trained.envelope.config
    style = REGION_STYLE if REGION_STYLE in trained.model.config.styles else None
    captioner = RegionCaptioner(decoder, RegionCaptionConfig(), trained_on_regions=trained_on_regions, style=style)
    return [of_box[0].caption for of_image in captioner.caption_all(images) for of_box in of_image]


def nearest(
    corpus: Corpus, store: RegionStore, snippets: Path, vocabulary: Vocabulary, images: Sequence[ImageRegions]
) -> list[str]:
    """The words aligned with the most similar region of train; of several, those that agree most with the others."""
    pairs = snippet_pairs(
        read_snippets(snippets, corpus, store), corpus, store, "train", vocabulary, with_whole_image=False
    )
    assert pairs is not None, "the snippets hold none of train"
    known = torch.nn.functional.normalize(pairs.descriptors.float(), dim=-1)
    sentences: dict[int, list[Sentence]] = defaultdict(list)
    for place, words in zip(pairs.image.tolist(), pairs.sentences, strict=True):
        text = vocabulary.decode(words)
        sentences[place].append(Sentence("", text, tuple(text.split())))
    captions = []
    for image in images:
        queries = torch.nn.functional.normalize(torch.from_numpy(image.descriptors[1:]).float(), dim=-1)
        captions += [by_consensus(sentences[place])[0] for place in (queries @ known.T).argmax(1).tolist()]
    return captions


def scores_of(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """coco-caption's scores, BLEU and METEOR and ROUGE in percent."""
    tokenizer = Tokenizer()
    tokenized = [tokenizer.tokenize(list(phrases)) for phrases in references]
    pairs = list(zip(tokenizer.tokenize(list(captions)), tokenized, strict=True))
    measures = [bleu, rouge, cider, *([meteor] if shutil.which("java") else [])]
    scores = {name: value for measure in measures for name, value in measure(pairs).scores.items()}
    return {name: value if name == "CIDEr" else 100 * value for name, value in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("corpus", "regions", "snippets", "entities"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--regions-model", type=Path, action="append", default=[])
    parser.add_argument("--images-model", type=Path, action="append", default=[])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="number of boxes to print with their captions")
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    corpus, store = read_corpus(arguments.corpus), RegionStore(arguments.regions)
    entities = read_entities(arguments.entities)
    things = {
        image.key: found
        for image in corpus.split(arguments.split)
        if image.file in entities and (found := things_of(entities[image.file], image.width, image.height))
    }
    images = encode(corpus, arguments.split, things, store, arguments.threads or 2)
    references = [phrases for image in images for phrases in things[image.image_id].values()]
    rows: dict[str, list[str]] = {
        str(m): captions_by(m, images) for m in arguments.regions_model + arguments.images_model
    }
    rows["nearest neighbour"] = nearest(corpus, store, arguments.snippets, vocabulary_of(corpus), images)
    words = np.mean([len(phrase.split()) for phrases in references for phrase in phrases])
    print(f"{arguments.split}: {len(images)} photographs, {len(references)} boxes, phrases of {words:.1f} words")
    for name, captions in rows.items():
        found = scores_of(captions, references)
        length = np.mean([len(caption.split()) for caption in captions])
        print(f"{name}: " + ", ".join(f"{k} {v:.3g}" for k, v in found.items()) + f"; {length:.1f} words")
    chosen: NDArray[np.int64] = np.random.default_rng(0).permutation(len(references))[: arguments.show]
    for place in chosen.tolist():
        print(
            " / ".join(references[place]),
            *(f"  {name}: {captions[place]}" for name, captions in rows.items()),
            sep="\n",
        )


if __name__ == "__main__":
    main()
