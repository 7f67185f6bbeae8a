"""Tokens as coco-caption has them: Penn Treebank tokenisation, lower case, punctuation dropped.

The result is that of Stanford's tokenizer (CoreNLP 3.4.1, `-preserveLines -lowerCase`) followed by coco-caption's
list of dropped punctuation, without Java. Knows no metric.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import itemgetter

from vsa_cli.core.metrics.ptb_rules import APOS, RULES, Kind, Rule

DROPPED = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";")
)
"""coco-caption's list. The brackets' names never meet it: they are lower-cased before; so brackets survive."""

_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "{": "-lcb-", "}": "-rcb-", "[": "-lsb-", "]": "-rsb-"}
_SYMBOLS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "¢": "cents", "£": "#"} | dict.fromkeys(
    "\u0080\u00a4\u20a0\u20ac", "$"
)
_QUOTES = str.maketrans(
    dict.fromkeys("\u2018\u201b\u2039\u0091", "`")
    | dict.fromkeys("\u201c\u00ab\u0093", "``")
    | dict.fromkeys("\u2019\u203a\u0092", "'")
    | dict.fromkeys("\u201d\u00bb\u0094", "''")
)
_SPLIT_WORDS = frozenset(("cannot", "gonna", "gotta", "lemme", "gimme", "wanna"))
_CROSSING = re.compile(r"[<\u00A0\u0085]|(?:\d|\))\s+[\d(]|\.\s+\.")
"""Where a token may hold white space (tags, `1 1/2`, telephone numbers, `. . .`)."""
_BREAKS = re.compile(r"[\r\n\u000B\u000C\u0085\u2028\u2029]+")
_FOLLOWERS = ("", " a", " A", " 5", " The ", "\na", "\nA", "\n5", "\nThe ")
"""What may stand after a piece between white space; where it changes the tokens, the piece is read in its line."""


class Tokenizer:
    """Tokenises sentences; remembers the pieces that it has seen, of which captions have few.

    A piece is what stands between white space. Nearly all are tokenised alike wherever they stand.
    """

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def tokenize(self, sentences: Iterable[str]) -> list[str]:
        """Each sentence as its tokens, joined by single spaces; an empty text where nothing is left.

        A few shapes (`'90s` at the end) depend on the start of the line below, as in the original, which reads
        all lines as one text.
        """
        lines = [_BREAKS.sub(" ", sentence) for sentence in sentences]
        return [self._line(line, lines[place : place + 2]) for place, line in enumerate(lines, start=1)]

    def _line(self, line: str, following: list[str]) -> str:
        if _CROSSING.search(line) is None:
            known = self._known
            tokens = []
            for piece in line.split():
                found = known.get(piece, "?")
                if found == "?":
                    found = self._learn(piece)
                if found is None:
                    break
                if found:
                    tokens.append(found)
            else:
                return " ".join(tokens)
        return " ".join(keep(scan(line, "\n".join(["", *following]))))

    def _learn(self, piece: str) -> str | None:
        found: str | None = piece.lower()
        if not (piece.isascii() and piece.isalpha()) or found in _SPLIT_WORDS:
            readings = {" ".join(keep(scan(piece, follower))) for follower in _FOLLOWERS}
            found = readings.pop() if len(readings) == 1 else None
        self._known[piece] = found
        return found


def keep(tokens: Iterable[str]) -> list[str]:
    """Tokens without those that coco-caption drops."""
    return [token for token in tokens if token not in DROPPED]


def scan(line: str, following: str = "") -> list[str]:
    """The tokens of one line; of the punctuation only what coco-caption does not drop for sure.

    Args:
        line: without line breaks.
        following: the text after it, which may decide where its last token ends.
    """
    text, place, tokens = line + following, 0, []
    while place < len(line):
        if line[place].isspace():
            place += 1
            continue
        length, end, kind = max((_reach(rule, text, place) for rule in RULES), key=itemgetter(0))
        if length and kind != "dropped":
            tokens.append(_WRITE[kind](text[place:end]).replace("\u00ad", "").lower() or "-")
        place = max(end, place + 1)
    return tokens


def _reach(rule: Rule, text: str, place: int) -> tuple[int, int, Kind]:
    """How far a rule looks from a place (0: it does not match), where its token ends, and how it is written."""
    match = rule.pattern.match(text, place)
    if match is None:
        return 0, place, rule.kind
    return match.end() - place, match.end(rule.pattern.groups) - rule.split, rule.kind


def _plain_quotes(token: str) -> str:
    return re.sub(APOS, "'", token).translate(_QUOTES)


def _plain_entities(token: str) -> str:
    return token.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")


_WRITE: dict[Kind, Callable[[str], str]] = {
    "text": lambda token: _SYMBOLS.get(token, token),
    "ending": lambda token: re.sub(APOS, "'", token),
    "brackets": lambda token: "".join(_BRACKETS.get(character, character) for character in token),
    "face": lambda token: token.replace("(", "-lrb-").replace(")", "-rrb-"),
    "quotes": _plain_quotes,
    "spaced": lambda token: token.replace(" ", "\u00a0"),
    "phone": lambda token: token.replace(" ", "\u00a0").replace("(", "-lrb-").replace(")", "-rrb-"),
    "entities": _plain_entities,
}
