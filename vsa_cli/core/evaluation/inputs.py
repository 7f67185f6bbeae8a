"""The front desk: opens the file to evaluate and tells by its first line what it holds.

A first line that is an envelope says it: `vsa-rankings` or `vsa-alignments`, whose lines are then read one at a
time. Anything else should be captions.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.evaluation.results import Mode
from vsa_cli.core.io.envelope import ALIGNMENTS, RANKINGS, VERSIONS, Envelope
from vsa_cli.core.io.json import MAX_JSON_BYTES, parse
from vsa_cli.core.io.text import MAX_LINE_BYTES, decode_text, numbered_lines

MODES: dict[str, Mode] = {RANKINGS: "rankings", ALIGNMENTS: "alignments"}
STDIN = Path("-")


@dataclass(frozen=True)
class Document:
    """A file that was opened.

    Attributes:
        where: its name, for messages.
        mode: what it holds.
        envelope: of rankings and alignments.
        text: of captions, the whole of it.
        path: of rankings and alignments, which are read a line at a time, where the file can be opened again.
        rest: of the same, what follows the envelope, where it cannot (a pipe).
    """

    where: str
    mode: Mode
    envelope: Envelope | None = None
    text: str = ""
    path: Path | None = None
    rest: bytes = b""

    @property
    def split(self) -> str | None:
        """The split that the envelope names."""
        found = self.envelope.config.get("split") if self.envelope is not None else None
        return found if isinstance(found, str) else None

    def entries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The lines after the envelope with their place, each an object.

        Raises:
            ArtifactError: a line is not a JSON object.
            DataError: a line is too long.
        """
        with self._open() as file:
            lines = numbered_lines(file, self.where)
            if self.path is not None:
                next(lines, None)  # the envelope; what came through a pipe is without it
            for where, line in lines:
                entry = parse(line)
                if not isinstance(entry, dict):
                    raise ArtifactError(f"{where}: not a JSON object")
                yield where, entry

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb") if self.path is not None else io.BytesIO(b"\n" + self.rest)
        except OSError as error:
            raise DataError(f"{self.where}: {reason(error)}") from error


def open_document(path: Path) -> Document:
    """Open a file to evaluate, or for `-` standard input; captions are read at once, others as they are asked for.

    Raises:
        DataError: it cannot be read, is too large, or is empty.
        ArtifactError: it is an artifact of another kind or version.
    """
    where = "standard input" if path == STDIN else str(path)
    try:
        with nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as file:
            first = file.readline(MAX_LINE_BYTES)
            envelope = _envelope(parse(first), where)
            again = envelope is not None and path != STDIN and path.is_file()
            rest = b"" if again else file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise DataError(f"{where}: {reason(error)}") from error
    if len(rest) > MAX_JSON_BYTES:
        raise DataError(f"{where}: more than {MAX_JSON_BYTES} bytes; at most those are read")
    if envelope is not None:
        mode = MODES[envelope.format]
        return Document(where, mode, envelope, path=path if again else None, rest=rest)
    if not (first + rest).strip():
        raise DataError(f"{where}: is empty")
    return Document(where, "captions", text=decode_text(first + rest, where))


def _envelope(first: object, where: str) -> Envelope | None:
    if not isinstance(first, dict) or not isinstance(first.get("format"), str) or "version" not in first:
        return None
    if first["format"] not in MODES:
        raise ArtifactError(f"{where}: is {first['format']}; evaluate takes captions, rankings and alignments")
    return Envelope.from_dict(first, where, first["format"], VERSIONS[first["format"]])
