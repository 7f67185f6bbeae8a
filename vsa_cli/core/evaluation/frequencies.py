"""The document frequencies file: CIDEr's n-gram counts, saved by one evaluation and used by others.

The file is one JSON object: the envelope (`vsa-document-frequencies`), `"images"`, the number of images counted, and
`"counts"`, which maps an n-gram (PTB tokens joined by spaces) to the number of images whose references contain it.
N-grams of a single image are omitted, since CIDEr weights them like unseen ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.envelope import FREQUENCIES, VERSIONS, Envelope
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json, read_json
from vsa_cli.core.metrics.captioning import DocumentFrequencies


def write_frequencies(path: Path, frequencies: DocumentFrequencies, config: dict[str, Any]) -> None:
    """Write document frequencies, with `config` as the configuration in their envelope.

    Raises:
        DataError: the file cannot be written.
    """
    counts = {" ".join(ngram): int(count) for ngram, count in sorted(frequencies.counts.items())}
    envelope = Envelope(FREQUENCIES, VERSIONS[FREQUENCIES], config).to_dict()
    write_text(path, dump_json({**envelope, "images": frequencies.images, "counts": counts}) + "\n")


def read_frequencies(path: Path) -> DocumentFrequencies:
    """Read document frequencies.

    Raises:
        DataError: the file cannot be read, or is not JSON.
        ArtifactError: the file has another format, or is damaged.
    """
    data, where = read_json(path), str(path)
    Envelope.from_dict(data, where, FREQUENCIES, VERSIONS[FREQUENCIES])
    images, counts = data.get("images"), data.get("counts")
    if type(images) is not int or not 1 <= images < 2**53 or not isinstance(counts, dict):
        raise ArtifactError(f"{where}: damaged (images or counts)")
    if not all(type(count) is int and 0 < count <= images for count in counts.values()):
        raise ArtifactError(f"{where}: damaged (a count is not between 1 and {images})")
    return DocumentFrequencies(images, {tuple(ngram.split(" ")): count for ngram, count in counts.items()})
