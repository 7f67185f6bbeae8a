r"""The token rules of coco-caption's Penn Treebank tokenizer.

Written from the observed behaviour of that tokenizer: of all rules that match at a position the longest match wins,
including the context that a pattern requires after its token; of equally long ones, the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

APOS = r"(?:['\u0092\u2019]|&apos;)"
TICK = rf"(?:{APOS}|[`\u0091\u2018\u201B])"
"""Characters used as an apostrophe within a word."""
_MARKS = (
    r"\u0300-\u036F\u0483-\u0487\u0591-\u05C7\u0615-\u061A\u064B-\u065E\u0670\u06D6-\u06ED\u0711\u0730-\u074A"
    r"\u07A6-\u07B0\u07EB-\u07F3\u0900-\u0903\u093C-\u094E\u0951-\u0955\u0962\u0963\u0981-\u0983\u09BC-\u09CD\u09D7"
    r"\u0A01-\u0A03\u0A3C-\u0A4D\u0A81-\u0A83\u0ABC-\u0ACD\u0BBE-\u0BCD\u0C01-\u0C03\u0C3E-\u0C56\u0D3E-\u0D48"
    r"\u0E31-\u0E3A\u0E47-\u0E4E\u0EB1-\u0EBC\u0EC8-\u0ECD"
)
"""Combining accents and vowel signs."""
_PLAIN = (
    r"[^\W\d_\u00B2\u00B3\u00B9\u00BC-\u00BE\u2070\u2074-\u2079\u2080-\u2089\u2150-\u2188\u2460-\u249B\u24EA-\u24FF"
    r"\u2776-\u2793]"
)
r"""Letters: Python's `\w` without digits, superscripts, fractions and circled numbers."""
LETTER = rf"(?:{_PLAIN}|&[aeiou](?:acute|grave|uml);|[\u00AD\u02C2-\u02DF\u02E5-\u02FF{_MARKS}])"
ALNUM = rf"(?:{LETTER}|\d)"
SPACE = r"[ \t\u00A0\u2000-\u200A\u3000]"
HYPHEN = r"[-_\u058A\u2010\u2011]"

_TITLES = (
    "mr|mrs|ms|drs?|profs?|sens?|reps?|attys?|lt|col|gen|messrs|govs?|adm|rev|maj|sgt|cpl|pvt|capt|ste?|ave|pres|"
    "lieut|hon|brig|co?mdr|pfc|spc|supts?|det|mme|mlle|mt|vs|alex|wm|jos|cie|cf|adj|adv"
)
_DATES = "jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tues?|wed|thu|thurs|fri"
_STATES = (
    "ala|ariz|calif|colo|conn|ct|dak|fla|ga|ind|kans?|ky|md|mich|minn|mo|mont|neb|nev|okla|penn|tenn|va|vt|wisc?|wyo"
)
_CAPITALISED = "[A]z|[A]rk|[D]el|[I]ll|[L]a|[M]ass|[M]iss|[O]re|[P]a|[T]ex|[W]ash|[T]reas"
"""Abbreviations only if capitalised: in lower case they are ordinary words."""
_COMPANIES = "inc|cos?|corp|pp?t[ye]s?|ltd|plc|bancorp|dept|bhd|assn|univ|intl|sys|invt|elec|natl|m[ft]g"
_OTHERS = r"tel|est|ext|sq|ft|jr|sr|bros|ed\.d|ph\.d|ph|blvd|rd|esq|etc|al|seq|bldg|a\.k\.a"
ABBREVIATION = rf"(?:(?i:{_TITLES}|{_DATES}|{_STATES}|{_COMPANIES}|{_OTHERS})|(?:{_CAPITALISED}))"
_STARTERS = (
    "About|According|Additionally|After|An|A|As|At|But|Earlier|He|Her|Here|However|If|In|It|Last|Many|More|Mr\\.|Ms\\.|"
    "Now|Once|One|Other|Our|She|Since|So|Some|Such|That|The|Their|Then|There|These|They|This|We|When|While|What|Yet|You"
)
"""Words that start a sentence, so that a full stop before them is not part of an abbreviation."""
_TAG = (
    r"<(?:[!?][A-Za-z-][^>\r\n]*|/?[A-Za-z][A-Za-z0-9:.-]*"
    r"(?: +(?:[A-Za-z][A-Za-z0-9:.-]*(?: *= *(?:'[^'\r\n]*'|\"[^\"\r\n]*\"|[A-Za-z0-9]+))?|"
    r"'[^'\r\n]*'|\"[^\"\r\n]*\"))*[ \t]*/?[ \t]*)>"
)
_EXTENSION = (
    "bat|bmp|bz2|class|cgi|cpp|c|dll|docx|doc|exe|gif|gz|html|htm|h|java|jar|jpeg|jpg|mov|mp3|pdf|php|pl|png|pptx|ppt|"
    "ps|py|sql|tar|txt|wav|xml|x|zip|wasm"
)
_WORD = rf"{LETTER}{ALNUM}*(?:[.!?]{LETTER}{ALNUM}*)*"
_ENDING = rf"{APOS}(?:[msd]|re|ve|ll)"
_NOT = rf"n{TICK}t"
_NUMBER = r"[-+]?(?:\d*(?:[.:,\u00AD]\d+)+|\d+)"
_PREFIX = rf"(?:[dol]{TICK}{_PLAIN})?"
_PIECE = rf"(?:{_PLAIN}|\d)+"
_HYPHENED = r"[a-z0-9][a-z0-9.,\u00AD]*(?:-(?:[a-z0-9\u00AD]+|[a-z](?:\.[a-z])+\.))+"
_PATH = r"""(?:/[^ \t\n\f\r"<>|()]+[^ \t\n\f\r"<>|.!?(){},-])?"""


Kind = Literal["text", "ending", "brackets", "face", "quotes", "spaced", "phone", "entities", "dropped"]


@dataclass(frozen=True)
class Rule:
    """A token rule.

    Attributes:
        pattern: regular expression of the token; if it has a group, the group is the token and the rest is context.
        kind: how the token is written: unchanged (`text`), with a plain apostrophe (`ending`), brackets by name
            (`brackets`; only round ones for a `face`), plain quotation marks (`quotes`), no-break spaces (`spaced`; a
            `phone` number also has brackets by name), decoded `entities`; `dropped` is punctuation to be left out.
        split: number of characters at the end that start the next token (`cannot` is `can` and `not`).
    """

    pattern: re.Pattern[str]
    kind: Kind = "text"
    split: int = 0


def _rule(pattern: str, kind: Kind = "text", *, split: int = 0, exact: bool = False) -> Rule:
    return Rule(re.compile(pattern, 0 if exact else re.IGNORECASE), kind, split)


RULES = (
    _rule("cannot", split=3),
    _rule("(?:gonna|gotta|lemme|gimme|wanna)", split=2),
    _rule(rf"{APOS}tis", split=2),
    _rule(rf"{APOS}twas", split=3),
    _rule(_TAG, "spaced"),
    _rule(r"(?:&(?:MD|mdash|ndash);|[\u0096\u0097\u2013\u2014\u2015])", "dropped"),
    _rule("&amp;", "entities"),
    _rule("&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);"),
    _rule(rf"({_WORD}){_ENDING}"),
    _rule(rf"([A-Z\u00AD]*[A-MO-Z]\u00AD*){_NOT}"),
    _rule(_WORD),
    _rule(
        rf"(?:{APOS}n{APOS}?|[ldj]{APOS}|dunkin{APOS}|somethin{APOS}|ol{APOS}|{APOS}em|c{APOS}mon|{APOS}[2-9]0s|"
        rf"{APOS}till?|{APOS}cause|o{APOS}clock|c{APOS}est|cap{APOS}n)"
    ),
    _rule(rf"{_PLAIN}+[aeiouyAEIOUY]{TICK}[aeiouA-Z]{_PLAIN}*", exact=True),
    _rule(rf"[A-HJ-XZn]{TICK}{_PLAIN}{{2,}}", exact=True),
    _rule(rf"(y{APOS}){_PLAIN}"),
    _rule(r"""https?://[^ \t\n\f\r"<>|(){}]+[^ \t\n\f\r"'<>|.!?(){},-]"""),
    _rule(rf"""www\.(?:[^ \t\n\f\r"<>|.!?()\{{\}},]+\.)+[a-z]{{2,4}}{_PATH}"""),
    _rule(rf"""(?:[^ \t\n\f\r"`'<>|.!?()\{{\}},-_$]+\.)+(?:com|net|org|edu){_PATH}""", exact=True),
    _rule(
        r"""<?[a-z0-9][^ \t\n\f\r"<>|()\u00A0{}]*@(?:[^ \t\n\f\r"<>|(){}.\u00A0]+\.)*[^ \t\n\f\r"<>|(){}.\u00A0]+>?"""
    ),
    _rule(r"[@\uFF20][a-z_][a-z_0-9]*"),
    _rule(rf"#{LETTER}+"),
    _rule(rf"({_ENDING})(?:[^A-Za-z]|$)", "ending"),
    _rule(rf"({_NOT})(?:[^A-Za-z]|$)", "ending"),
    _rule(r"\d{1,2}[-/]\d{1,2}[-/]\d{2,4}"),
    _rule(_NUMBER),
    _rule(r"[\u207A\u207B\u208A\u208B]?(?:[\u2070\u00B9\u00B2\u00B3\u2074-\u2079]+|[\u2080-\u2089]+)"),
    _rule(r"(?:\d{1,4}[- \u00A0])?\d{1,4}\\?/\d{1,4}", "spaced"),
    _rule(r"[\u00BC\u00BD\u00BE\u2153-\u215E]"),
    _rule(r"-(?:RRB|LRB|RCB|LCB|RSB|LSB)-|C\.D\.s|pro-|anti-|S(?:&|&amp;)P-500|S(?:&|&amp;)Ls"),
    _rule(r"[a-z0-9]+(?:-[a-z]+){0,2}(?:\\?/[a-z0-9]+(?:-[a-z]+){0,2}){1,2}"),
    _rule(r"[cf]#"),
    _rule(r"[A-Z]*\$|#|[\u00A2-\u00A5\u0080\u20A0\u20A4\u20AC\uFFE0\uFFE1\uFFE5\uFFE6]", exact=True),
    _rule(rf"(?:{ABBREVIATION})\.", exact=True),
    _rule(r"[a-z](?:\.[a-z])*\."),
    _rule(rf"((?:ca|figs?|prop|nos?|art|pp|op)\.)(?:{SPACE}|\n)?\d"),
    _rule(rf"((?:{_WORD}|{ALNUM}+|{_HYPHENED})\.)[,;:]"),
    _rule(rf"((?i:{_DATES}|{_STATES}|{_COMPANIES}|{_OTHERS})\.)[\s\S]{{2}}"),
    _rule(rf"([A-Za-z])\.[ \t\n\u00A0]+(?:{_STARTERS}|{_TAG})[ \t\n\u00A0]", exact=True),
    _rule(rf"({ALNUM}+(?:\.{ALNUM}+)*\.(?:{_EXTENSION}))(?:[ \n.?!,]|$)"),
    _rule(
        r"(?:\([0-9]{2,3}\)[ \u00A0]?|(?:\+\+?)?(?:[0-9]{2,4}[- \u00A0])?[0-9]{2,4}[- \u00A0])"
        r"[0-9]{3,4}[- \u00A0]?[0-9]{3,5}|(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}",
        "phone",
    ),
    _rule(r"(?:\"|&quot;|&nbsp;)", "dropped"),
    _rule(r"(')[A-Za-z]\S", "dropped"),
    _rule(_ENDING, "ending"),
    _rule(_NOT, "ending"),
    _rule(rf"({APOS}[0-9][0-9])(?:{SPACE}|[\n])"),
    _rule(r"-{1,4}(?!-)", "dropped"),
    _rule(r"-+"),
    _rule(r"\.{3,5}|(?:\.[ \u00A0]){2,4}\.|[\u0085\u2026]", "dropped"),
    _rule(r"@+|#+|_+|\*+|(?:\\\*){1,3}"),
    _rule(r"[,;:\u3001]"),
    _rule(r"[?!]+"),
    _rule(r"(?:E|Yahoo|Jeopardy|OK)!", exact=True),
    _rule(r"([<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]])(?:[^A-Za-z0-9]|$)", "face", exact=True),
    _rule(r"[-^x=~<>']_[-^x=~<>']|\([-^x=~<>'][_.]?[-^x=~<>']\)", "face"),
    _rule(_HYPHENED),
    _rule(rf"{_PREFIX}{_PIECE}(?:{HYPHEN}{_PREFIX}{_PIECE})*"),
    _rule(r"[A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+", "entities", exact=True),
    _rule(rf"''|[`\u2018\u2019\u201A-\u201F\u0091-\u0094\u2039\u203A\u00AB\u00BB]{{1,2}}|{APOS}", "quotes"),
    _rule("<<|>>"),
    _rule(r"&lt;|&gt;", "entities"),
    _rule(r"[\[\](){}<>/=+%&~^|\\.]", "brackets"),
    _rule(
        r"[\u00A1-\u00AC\u00AE-\u00BF\u00D7\u00F7\u037E\u0384-\u0387\u0589\u05BE\u060B\u060C\u061B\u061E\u061F\u066A\u06D4"
        r"\u0964\u0965\u0E3F\u2016-\u2023\u2030-\u203B\u203E-\u2042\u2044\u207A-\u208E\u2100-\u214F\u2190-\u2BFF\u3001"
        r"\u3002\u2460-\u24FF\u2776-\u2793\u3012\u30FB\uFF01-\uFF65]"
    ),
)
"""All rules; they ignore case unless `exact`. A character that no rule matches (an emoji) only separates tokens."""
