"""Speed of `vsa evaluate` compared with pycocoevalcap's own tokenizer and scorers, on the same captions in one run.

    python -m tests.benchmarks.evaluation_speed Flickr8k.token.txt --count 5000

Captions are scored by all metrics except METEOR, against all sentences of their image, or without a file of references,
against five random sentences each. pycocoevalcap needs Java. Prints the seconds of both, the largest difference between
their scores, and the ratio (budget: at most 1.00 and 10 s).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from vsa_cli.core.evaluation.evaluate import evaluate
from vsa_cli.core.evaluation.references import read_references

METRICS = ("BLEU", "ROUGE-L", "CIDEr")
SYLLABLES = ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "dra", "fle", "gri", "plo", "stu"]


def pycocoevalcap_scores(captions: dict[str, str], references: dict[str, list[str]]) -> dict[str, float]:
    tokenizer = PTBTokenizer()
    expected = tokenizer.tokenize({key: [{"caption": s} for s in sentences] for key, sentences in references.items()})
    generated = tokenizer.tokenize({key: [{"caption": captions[key]}] for key in references})
    scores = dict(
        zip((f"BLEU-{n}" for n in range(1, 5)), Bleu(4).compute_score(expected, generated, 0)[0], strict=True)
    )
    return {
        **scores,
        "ROUGE-L": Rouge().compute_score(expected, generated)[0],
        "CIDEr": Cider().compute_score(expected, generated)[0],
    }


def read(path: Path, count: int) -> dict[str, list[str]]:
    images = read_references(path).images
    return {key: images[key].sentences for key in list(images)[:count]}


def draw(count: int) -> dict[str, list[str]]:
    """Five random sentences per image, whose word frequencies follow Zipf's law."""
    rng = random.Random(0)
    words = [f"{rng.choice(SYLLABLES)}{rng.choice(SYLLABLES)}{rng.choice(SYLLABLES)}" for _ in range(8000)]
    weights = list(itertools.accumulate(1 / n for n in range(1, len(words) + 1)))
    return {
        str(number): [" ".join(rng.choices(words, cum_weights=weights, k=rng.randint(5, 18))) + " ." for _ in range(5)]
        for number in range(count)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    sentences = read(arguments.references, arguments.count) if arguments.references else draw(arguments.count)
    keys = list(sentences)
    # Captions as a model makes them: often those of a similar image, sometimes right.
    captions = {key: sentences[keys[(number + number % 3) % len(keys)]][-1] for number, key in enumerate(keys)}
    seconds: dict[str, list[float]] = {"pycocoevalcap": [], "vsa evaluate": []}
    with tempfile.TemporaryDirectory() as scratch:
        hypotheses, references = Path(scratch) / "captions.json", Path(scratch) / "references.json"
        hypotheses.write_text(json.dumps([{"image_id": key, "caption": text} for key, text in captions.items()]))
        references.write_text(json.dumps(sentences))
        for _ in range(arguments.runs):
            started = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                golden = pycocoevalcap_scores(captions, sentences)
            seconds["pycocoevalcap"].append(time.perf_counter() - started)
            started = time.perf_counter()
            scores = evaluate(hypotheses, references=references, metric=METRICS).scores
            seconds["vsa evaluate"].append(time.perf_counter() - started)
    print(f"{len(keys)} captions, {sum(map(len, sentences.values()))} references, median of {arguments.runs} runs")
    for name, taken in seconds.items():
        print(f"{name:24}{statistics.median(taken):6.2f} s")
    print(f"{'largest difference':24}{max(abs(scores[name] - golden[name]) for name in golden):.1e}")
    ratio = statistics.median(seconds["vsa evaluate"]) / statistics.median(seconds["pycocoevalcap"])
    print(f"{'ratio':24}{ratio:6.2f}  (budget 1.00)")
    print(f"{'peak memory':24}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:6.0f} MiB (both)")


if __name__ == "__main__":
    main()
