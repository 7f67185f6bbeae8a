"""Caption scores computed by coco-caption's own code: BLEU, METEOR (with Java), ROUGE-L, CIDEr.

    python -m tests.benchmarks.score_captions captions.json corpus.json --split val

`captions.json` is written by `vsa caption --format coco`. Texts are tokenised by Stanford's PTB tokenizer (Java).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from vsa_cli.core.corpus.corpus import read_corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--split", default="val")
    arguments = parser.parse_args()
    corpus = read_corpus(arguments.corpus)
    images = corpus.split(arguments.split)
    captions = {str(c["image_id"]): c["caption"] for c in json.loads(arguments.captions.read_text())}
    tokenizer = PTBTokenizer()
    references = tokenizer.tokenize({i.key: [{"caption": s.raw} for s in i.sentences] for i in images})
    generated = tokenizer.tokenize({i.key: [{"caption": captions[i.key]}] for i in images})
    bleu, _ = Bleu(4).compute_score(references, generated, verbose=0)
    scores = {f"BLEU-{n}": 100 * value for n, value in enumerate(bleu, 1)}
    scores["METEOR"] = 100 * Meteor().compute_score(references, generated)[0]
    scores["ROUGE-L"] = 100 * Rouge().compute_score(references, generated)[0]
    scores["CIDEr"] = Cider().compute_score(references, generated)[0]
    print(f"{arguments.split}: {len(images)} images, {sum(len(i.sentences) for i in images)} references")
    print(
        "  ".join(f"{name} {value:.3f}" if name == "CIDEr" else f"{name} {value:.1f}" for name, value in scores.items())
    )
    texts = [captions[image.key] for image in images]
    known = {" ".join(s.tokens) for image in corpus.split("train") for s in image.sentences}
    copied = sum(text in known for text in texts) / len(texts)
    words = sum(len(text.split()) for text in texts) / len(texts)
    print(f"distinct {len(set(texts))}, copied from train {100 * copied:.0f} %, mean length {words:.1f} words")


if __name__ == "__main__":
    main()
