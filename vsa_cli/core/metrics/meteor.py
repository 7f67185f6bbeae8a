"""METEOR, computed by the Java program that pycocoevalcap contains, in one process that exchanges lines.

pycocoevalcap's own class is not used: it sends one caption at a time, can hang after an error (its destructor waits for
a lock that is still held), and fails where the locale has decimal commas. Here the locale is fixed, every text is sent
as exactly one line, and the process always ends with the `with` block. No file is written.
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
_BATCH = 64
"""Requests sent before answers are read. Their answers (200 bytes each) fit in the pipe's buffer: no deadlock."""
_MAX_REASON = 200  # characters
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
"""METEOR 1.5's parameters for English, and its weights of exact, stem, synonym and paraphrase matches."""
_LENGTHS, _FUNCTION, _MATCHES, _CHUNKS, _MATCHED = slice(0, 2), slice(2, 4), slice(4, 20), 20, slice(21, 23)
_STATISTICS = 23


class Meteor:
    """A running METEOR process, to be used in a `with` block.

    Raises:
        MissingError: Java or the jar is not installed, no temporary file can be made, or the process does not start.
    """

    def __init__(self) -> None:
        java, jar = shutil.which("java"), _find_jar()
        if java is None:
            raise MissingError("METEOR needs a Java runtime: no java on the PATH")
        if jar is None:
            raise MissingError("pycocoevalcap is installed without METEOR's jar; reinstall it")
        try:
            self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        except OSError as error:
            raise MissingError("METEOR needs a folder for temporary files: set TMPDIR to one") from error
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
            raise MissingError(f"cannot start METEOR: {error.strerror}") from error

    def __enter__(self) -> Meteor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:  # the process ended first; the exception being raised reports it
                    continue
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def statistics(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
        """METEOR's counts for each caption, as the text that the program prints.

        Args:
            pairs: captions with their references, as PTB tokens joined by spaces.

        Raises:
            MissingError: the process ended.
        """
        requests = [_request(caption, references) for caption, references in pairs]
        return [answer for batch in _batches(requests) for answer in self._exchange(batch, len(batch))]

    def scores(self, statistics: Sequence[str]) -> tuple[list[float], float]:
        """The METEOR score of each caption, and of the corpus, from 0 to 1.

        Raises:
            MissingError: the process ended, or an answer is not a number.
        """
        answers = self._exchange([" ||| ".join(["EVAL", *statistics])], len(statistics) + 1)
        try:
            *each, corpus = map(float, answers)
        except ValueError as error:
            raise MissingError(f"METEOR did not return a number: {answers[-1][:_MAX_REASON]}") from error
        return each, corpus

    def _exchange(self, requests: Sequence[str], answers: int) -> list[str]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write("".join(request + "\n" for request in requests).encode("utf-8", "replace"))
            stdin.flush()
        except BrokenPipeError as error:
            raise MissingError(self._failure()) from error
        lines = [stdout.readline() for _ in range(answers)]
        if not lines[-1]:
            raise MissingError(self._failure())
        return [line.decode("utf-8", "replace").strip() for line in lines]

    def _failure(self) -> str:
        self._errors.seek(0)
        output = " ".join(self._errors.read().decode("utf-8", "replace").split())
        return f"METEOR stopped: {output[:_MAX_REASON] or 'no error message'}"


def additive_counts(statistics: Sequence[str]) -> NDArray[np.float64]:
    """METEOR's counts (N, 23) of captions; the sum of rows is METEOR's aggregate count over those captions.

    Columns: words of the caption and of the reference (2); function words of both (2); for each of the four kinds of
    match, the matched content words of both and function words of both (16); chunks (1); matched words of both (2).

    Raises:
        MissingError: a line does not hold METEOR's counts.
    """
    try:
        counts = np.array([line.split() for line in statistics], dtype=np.float64).reshape(-1, _STATISTICS)
    except ValueError as error:
        raise MissingError("METEOR did not return its counts") from error
    # METEOR gives a caption that equals its reference no fragmentation penalty: its only chunk does not count.
    whole = (counts[:, _LENGTHS] == counts[:, _MATCHED]).all(axis=1) & (counts[:, 0] == counts[:, 1])
    counts[whole & (counts[:, _CHUNKS] == 1), _CHUNKS] = 0
    return counts


def score_counts(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The METEOR scores (S,) of sums (S, 23) of `additive_counts`, as the program computes its corpus score.

    Denkowski & Lavie 2014: the harmonic mean of precision and recall, weighted by alpha, times a fragmentation penalty.
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
    """The version of the Java runtime on the PATH, as it reports it; None if there is none that runs."""
    java = shutil.which("java")
    if java is None:
        return None
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    # Java first repeats the options that it takes from the environment
    lines = [line.strip() for line in output.splitlines() if "Picked up " not in line]
    return next((line for line in lines if " version " in line), "unknown version")


def _find_jar() -> Path | None:
    # located, not imported: only metrics.captioning imports pycocoevalcap
    spec = importlib.util.find_spec("pycocoevalcap")
    folders = spec.submodule_search_locations if spec is not None else None
    jars = (Path(folder) / "meteor" / "meteor-1.5.jar" for folder in folders or ())
    return next((jar for jar in jars if jar.is_file()), None)


def _request(caption: str, references: Sequence[str]) -> str:
    # Captions are cleaned as in coco-caption, which leaves references as they are (the tokenizer splits "|||").
    # Line breaks are replaced because an extra line would shift every later answer.
    plain = caption.replace("|||", "").replace("  ", " ")
    return re.sub(r"[\r\n]", " ", " ||| ".join(["SCORE", *references, plain]))


def _batches(requests: Sequence[str]) -> Iterator[Sequence[str]]:
    return (requests[start : start + _BATCH] for start in range(0, len(requests), _BATCH))
