"""The file to evaluate: opened, and recognised by its first line.

If the first line is an envelope (`vsa-rankings` or `vsa-alignments`), the file has rankings or word scores, and its
lines are read one at a time. Any other file is read as captions.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.evaluation.results import Mode
from vsa_cli.core.io.envelope import ALIGNMENTS, RANKINGS, VERSIONS, Envelope, open_lines
from vsa_cli.core.io.json import MAX_JSON_BYTES, parse
from vsa_cli.core.io.text import MAX_LINE_BYTES, UTF8, decode_text, encoding_of, numbered_lines, to_utf8

MODES: dict[str, Mode] = {RANKINGS: "rankings", ALIGNMENTS: "alignments"}
STDIN = Path("-")


@dataclass(frozen=True)
class Input:
    """An opened file.

    Attributes:
        where: its name, for messages.
        mode: what it contains.
        text: the whole text of captions; empty for rankings and word scores.
        envelope: the envelope of rankings or word scores; None for captions.
        path: the file of rankings or word scores, if it can be opened again to read its lines.
        rest: the bytes after the envelope, if the file cannot be opened again (a pipe).
    """

    where: str
    mode: Mode
    text: str = ""
    envelope: Envelope | None = None
    path: Path | None = None
    rest: bytes = b""

    @property
    def split(self) -> str | None:
        """The split that the envelope names."""
        split = self.envelope.config.get("split") if self.envelope is not None else None
        return split if isinstance(split, str) else None

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The JSON objects on the lines after the envelope, each with its place ("FILE, line N").

        Raises:
            ArtifactError: a line is not a JSON object.
            DataError: the file cannot be read, or a line is too long.
        """
        if self.path is not None and self.envelope is not None:
            with open_lines(self.path, self.envelope.format) as (_, lines):
                yield from map(_record, lines)
        else:
            first_is_blank = io.BytesIO(b"\n" + self.rest)  # in place of the envelope, so that line numbers are right
            yield from map(_record, numbered_lines(first_is_blank, self.where))


def _record(line: tuple[str, bytes]) -> tuple[str, dict[str, Any]]:
    where, text = line
    record = parse(text)
    if not isinstance(record, dict):
        raise ArtifactError(f"{where}: not a JSON object")
    return where, record


def open_input(path: Path) -> Input:
    """Open a file to evaluate, or standard input for `-`. Captions are read; rankings and word scores are read later.

    Raises:
        DataError: the file cannot be read, is too large, or is empty.
        ArtifactError: the file is an artifact of another kind or version.
    """
    where = "standard input" if path == STDIN else str(path)
    try:
        with nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as file:
            first, rest = file.readline(MAX_LINE_BYTES), b""
            if encoding_of(first) != UTF8:
                first, newline, rest = to_utf8(first + file.read(MAX_JSON_BYTES + 1)).partition(b"\n")
                first += newline
            envelope = _envelope(parse(first), where)
            reopens = envelope is not None and path != STDIN and path.is_file()
            rest += b"" if reopens else file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise DataError(f"{where}: {reason(error)}") from error
    if len(rest) > MAX_JSON_BYTES:
        raise DataError(f"{where}: larger than the limit of {MAX_JSON_BYTES} bytes")
    if envelope is not None:
        mode = MODES[envelope.format]
        return Input(where, mode, envelope=envelope, path=path if reopens else None, rest=rest)
    if not (first + rest).strip():
        raise DataError(f"{where}: is empty")
    return Input(where, "captions", text=decode_text(first + rest))


def _envelope(first: object, where: str) -> Envelope | None:
    if not isinstance(first, dict) or not isinstance(first.get("format"), str) or "version" not in first:
        return None
    if first["format"] not in MODES:
        raise ArtifactError(f"{where}: is {first['format']}, expected captions, rankings or word scores")
    return Envelope.from_dict(first, where, first["format"], VERSIONS[first["format"]])
