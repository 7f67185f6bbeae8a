"""METEOR by its own jar, which pycocoevalcap carries: one process, spoken to line by line, closed for sure.

Knows no files but the jar, and writes none. The process is told its locale, so that numbers have decimal points
everywhere, and every text is one line before it is sent.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.errors import MissingError

_OPTIONS = ("-Xmx2G", "-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
_AT_ONCE = 64
"""Requests sent before answers are read; their answers (200 bytes each) fit the pipe, so neither side waits."""
_LONGEST_REASON = 200
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
"""METEOR 1.5's parameters for English; weights of exact, stem, synonym and paraphrase matches."""
_LENGTHS, _FUNCTION, _MATCHES, _CHUNKS, _MATCHED = slice(0, 2), slice(2, 4), slice(4, 20), 20, slice(21, 23)
_STATISTICS = 23


class Meteor:
    """A running METEOR; use it in a `with`.

    Raises:
        MissingError: there is no Java, no jar, or it does not start.
    """

    def __init__(self) -> None:
        java, jar = shutil.which("java"), _find_jar()
        if java is None:
            raise MissingError("METEOR needs a Java runtime, and no java is on the PATH")
        if jar is None:
            raise MissingError("METEOR's jar is not in the installed pycocoevalcap: install it again")
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [java, *_OPTIONS, "-jar", jar.name, "-", "-", "-stdio", "-l", "en", "-norm"],
                cwd=jar.parent,
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        except OSError as error:
            self._errors.close()
            raise MissingError(f"METEOR does not start: {error.strerror}") from error

    def __enter__(self) -> Meteor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:  # it died first, which the exception on its way tells
                    continue
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def statistics(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
        """What METEOR counts for each caption, in its own notation.

        Args:
            pairs: caption and references, as PTB tokens joined by spaces.

        Raises:
            MissingError: the process died.
        """
        requests = [_request(caption, references) for caption, references in pairs]
        return [answer for batch in _batches(requests) for answer in self._ask(batch, len(batch))]

    def scores(self, statistics: Sequence[str]) -> tuple[list[float], float]:
        """METEOR of each caption, and of all of them together, from 0 to 1.

        Raises:
            MissingError: the process died, or answers with something that is no number.
        """
        answers = self._ask([" ||| ".join(["EVAL", *statistics])], len(statistics) + 1)
        try:
            *each, together = map(float, answers)
        except ValueError as error:
            raise MissingError(f"METEOR answers with no number: {answers[-1][:_LONGEST_REASON]}") from error
        return each, together

    def _ask(self, requests: Sequence[str], answers: int) -> list[str]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write("".join(request + "\n" for request in requests).encode("utf-8", "replace"))
            stdin.flush()
        except BrokenPipeError as error:
            raise MissingError(self._last_words()) from error
        lines = [stdout.readline() for _ in range(answers)]
        if not lines[-1]:
            raise MissingError(self._last_words())
        return [line.decode("utf-8", "replace").strip() for line in lines]

    def _last_words(self) -> str:
        self._errors.seek(0)
        words = " ".join(self._errors.read().decode("utf-8", "replace").split())
        return f"METEOR stopped: {words[:_LONGEST_REASON] or 'it gave no reason'}"


def additive(statistics: Sequence[str]) -> NDArray[np.float64]:
    """METEOR's counts (N, 23) of captions, made so that a sum of rows is what METEOR adds up over those captions.

    Columns: words of caption and reference; function words of both; for each of four kinds of match the content
    words of both and the function words of both; chunks; words matched of both.

    Raises:
        MissingError: these are not METEOR's counts.
    """
    try:
        counts = np.array([line.split() for line in statistics], dtype=np.float64).reshape(-1, _STATISTICS)
    except ValueError as error:
        raise MissingError("METEOR answers with something other than its counts") from error
    # A caption that is its reference has one chunk, and no penalty for it: it adds none.
    whole = (counts[:, _LENGTHS] == counts[:, _MATCHED]).all(axis=1) & (counts[:, 0] == counts[:, 1])
    counts[whole & (counts[:, _CHUNKS] == 1), _CHUNKS] = 0
    return counts


def combined(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """METEOR (S,) of sums (S, 23) of `additive` counts, as its jar computes it for many captions together.

    Denkowski & Lavie 2014: the mean of precision and recall, weighted by alpha, less a penalty for fragments.
    """
    share = np.array([_DELTA, _DELTA, 1 - _DELTA, 1 - _DELTA])  # content and function words, of caption and reference
    matches = np.einsum("skc,k,c->sc", sums[:, _MATCHES].reshape(-1, 4, 4), _WEIGHTS, share)
    function = sums[:, _FUNCTION]
    words = _DELTA * (sums[:, _LENGTHS] - function) + (1 - _DELTA) * function  # (S, 2)
    precision, recall = _ratio(matches[:, :2] + matches[:, 2:], words).T
    mean = _ratio(precision * recall, _ALPHA * precision + (1 - _ALPHA) * recall)
    fragments = _ratio(sums[:, _CHUNKS], sums[:, _MATCHED].mean(axis=1))
    score: NDArray[np.float64] = mean * (1 - _GAMMA * fragments**_BETA)
    return score


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    quotient: NDArray[np.float64] = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return quotient


def java_version() -> str | None:
    """What the Java runtime on the PATH says it is; None without one that runs."""
    java = shutil.which("java")
    if java is None:
        return None
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    return told.partition("\n")[0].strip() or "a version that it does not tell"


def _find_jar() -> Path | None:
    # Found without being imported: the package's only door is elsewhere.
    spec = importlib.util.find_spec("pycocoevalcap")
    homes = spec.submodule_search_locations if spec is not None else None
    jars = (Path(home) / "meteor" / "meteor-1.5.jar" for home in homes or ())
    return next((jar for jar in jars if jar.is_file()), None)


def _request(caption: str, references: Sequence[str]) -> str:
    # What coco-caption does to captions, and one line for sure: an extra line would shift every later answer.
    # It leaves the references as they are; the tokenizer lets no "|||" through.
    plain = caption.replace("|||", "").replace("  ", " ")
    return re.sub(r"[\r\n]", " ", " ||| ".join(["SCORE", *references, plain]))


def _batches(requests: Sequence[str]) -> Iterator[Sequence[str]]:
    return (requests[start : start + _AT_ONCE] for start in range(0, len(requests), _AT_ONCE))
