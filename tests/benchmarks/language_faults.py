"""How often captions repeat themselves: "a blue shirt and a blue shirt", "brown and brown", "a man and a man".

    python -m tests.benchmarks.language_faults captions.json [captions.json ...]

Reads COCO results (`vsa caption --format coco`) and counts the captions with a word before and after "and", those with
a phrase of two or more words twice, and those that mention a thing twice by the rule of `vsa caption --no-repeat`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from vsa_cli.core.generation.repetition import is_thing, stem


def has_word_across_and(words: Sequence[str]) -> bool:
    """Whether a word stands before and after "and"."""
    return any(a == c and b == "and" for a, b, c in zip(words, words[1:], words[2:], strict=False))


def has_phrase_twice(words: Sequence[str]) -> bool:
    """Whether two words in a row, one of them a thing, occur twice."""
    phrases = [pair for pair in pairwise(words) if any(map(is_thing, pair))]
    return len(set(phrases)) < len(phrases)


def has_thing_twice(words: Sequence[str]) -> bool:
    """Whether a thing is mentioned twice."""
    things = [stem(word) for word in words if is_thing(word)]
    return len(set(things)) < len(things)


FAULTS: dict[str, Callable[[Sequence[str]], bool]] = {
    "a word across and": has_word_across_and,
    "a phrase twice": has_phrase_twice,
    "a thing twice": has_thing_twice,
}


def main() -> None:
    """Print a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, nargs="+")
    for path in parser.parse_args().captions:
        captions = [entry["caption"].split() for entry in json.loads(path.read_text(encoding="utf-8"))]
        shares = ", ".join(f"{name} {sum(map(test, captions)) / len(captions):.1%}" for name, test in FAULTS.items())
        print(f"{path}: {len(captions)} captions; {shares}")


if __name__ == "__main__":
    main()
