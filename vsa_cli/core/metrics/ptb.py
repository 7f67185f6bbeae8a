"""The tokenizer of coco-caption without Java: Penn Treebank tokens in lower case, without punctuation.

The result equals that of Stanford's tokenizer (CoreNLP 3.4.1, `-preserveLines -lowerCase`) followed by coco-caption's
list of dropped punctuation; the tests compare the two. Published scores are computed on these tokens, and NLTK's
Treebank tokenizer gives others, so the rules are written here. This module does not depend on the metrics.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import itemgetter

from vsa_cli.core.metrics.ptb_rules import APOS, RULES, Kind, Rule

DROPPED = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";")
)
"""coco-caption's list. It names brackets in upper case, but is applied to lower-case tokens, so brackets are kept."""

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
"""Where a token may contain white space (tags, `1 1/2`, telephone numbers, `. . .`)."""
_BREAKS = re.compile(r"[\r\n\u000B\u000C\u0085\u2028\u2029]+")
_FOLLOWERS = ("", " a", " A", " 5", " The ", "\na", "\nA", "\n5", "\nThe ")
"""Examples of what may follow a piece. If one of them changes its tokens, the piece is tokenized within its line."""


class Tokenizer:
    """Tokenizes sentences, and caches the tokens of each piece between white space.

    Captions have few different pieces, and nearly all have the same tokens in every context.
    """

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def tokenize(self, sentences: Iterable[str]) -> list[str]:
        """Each sentence as its tokens, joined by single spaces; an empty string if no token is left.

        A few tokens (`'90s` at the end of a line) depend on the start of the next sentence, as in the original, which
        reads all sentences as one text.
        """
        lines = [_BREAKS.sub(" ", sentence) for sentence in sentences]
        return [self._line(line, lines[position : position + 2]) for position, line in enumerate(lines, start=1)]

    def _line(self, line: str, following: list[str]) -> str:
        if _CROSSING.search(line) is None:
            known = self._known
            tokens = []
            for piece in line.split():
                found = known.get(piece, "?")
                if found == "?":
                    found = self._tokenize_piece(piece)
                if found is None:
                    break
                if found:
                    tokens.append(found)
            else:
                return " ".join(tokens)
        return " ".join(drop_punctuation(scan(line, "\n".join(["", *following]))))

    def _tokenize_piece(self, piece: str) -> str | None:
        found: str | None = piece.lower()
        if not (piece.isascii() and piece.isalpha()) or found in _SPLIT_WORDS:
            variants = {" ".join(drop_punctuation(scan(piece, follower))) for follower in _FOLLOWERS}
            found = variants.pop() if len(variants) == 1 else None
        self._known[piece] = found
        return found


def drop_punctuation(tokens: Iterable[str]) -> list[str]:
    """The tokens without those in coco-caption's list of punctuation."""
    return [token for token in tokens if token not in DROPPED]


def scan(line: str, following: str = "") -> list[str]:
    """The tokens of one line, without white space and the punctuation that the rules themselves discard.

    `drop_punctuation` removes the other punctuation.

    Args:
        line: a text without line breaks.
        following: the text after the line, which may decide where its last token ends.
    """
    text, position, tokens = line + following, 0, []
    while position < len(line):
        if line[position].isspace():
            position += 1
            continue
        length, end, kind = max((_match(rule, text, position) for rule in RULES), key=itemgetter(0))
        if length and kind != "dropped":
            tokens.append(_WRITE[kind](text[position:end]).replace("\u00ad", "").lower() or "-")
        position = max(end, position + 1)
    return tokens


def _match(rule: Rule, text: str, position: int) -> tuple[int, int, Kind]:
    """The length of a rule's match, context included (0: no match), where its token ends, and how it is written."""
    match = rule.pattern.match(text, position)
    if match is None:
        return 0, position, rule.kind
    return match.end() - position, match.end(rule.pattern.groups) - rule.split, rule.kind


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
