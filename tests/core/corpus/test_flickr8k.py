from __future__ import annotations

import os
from pathlib import Path

import pytest

from vsa_cli.core.config import PrepConfig
from vsa_cli.core.corpus.prepare import prepare


@pytest.mark.flickr8k
def test_flickr8k_has_the_sizes_of_the_paper() -> None:
    named = os.environ.get("VSA_FLICKR8K")
    if not named:
        pytest.skip("VSA_FLICKR8K does not name the Flickr8k folder, so the paper's sizes are not checked")
    folder = Path(named)
    token_file = folder / "Flickr8k_text" / "Flickr8k.token.txt"
    prepared = prepare([token_file], folder / "Flicker8k_Dataset", PrepConfig())
    sizes = prepared.corpus.split_sizes()
    assert (sizes["train"], sizes["val"]) == (6000, 1000)
    assert prepared.failures == []
    assert prepared.corpus.vocabulary is not None
    assert (len(prepared.corpus.vocabulary.words), prepared.corpus.vocabulary.size) == (2537, 2538)
