"""`--runtime` in every command that computes the CNN: the same results, and what it cannot be combined with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core import openvino
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
COMMANDS = {
    "caption": ("caption", "a.jpg"),
    "retrieve": ("retrieve", "a dog", "a.jpg"),
    "align": ("align", "a.jpg", "a dog"),
    "index": ("index", "a.jpg", "-o", "library"),
    "extract-regions": ("extract-regions", "photos", "-o", "regions.h5"),
}


@pytest.fixture
def here(drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a photograph and a folder of one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "photos/a.png"):
        (tmp_path / name).write_bytes((drawn.photos / "000.png").read_bytes())
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_openvino_excludes_gpus_and_must_be_installed(
    vsa: Run, here: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = vsa(*COMMANDS[command], "--runtime", "openvino", "--device", "cuda")
    assert result.exit_code == 2
    assert result.stderr == "vsa: --device cuda: --runtime openvino computes on the CPU; use cpu\n"
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    result = vsa(*COMMANDS[command], "--runtime", "openvino")
    assert result.exit_code == 4
    assert result.stderr == (
        "vsa: --runtime openvino: OpenVINO is not installed; pip install 'vsa[openvino]', or use torch\n"
    )
    assert result.stdout == ""


def test_openvino_computes_neither_other_networks_nor_other_precisions(
    vsa: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    extract = (*COMMANDS["extract-regions"], "--runtime", "openvino")
    result = vsa(*extract, "--cnn", "vgg16")
    assert (result.exit_code, "but the CNN is vgg16; use torch" in result.stderr) == (2, True)
    result = vsa(*extract, "--precision", "bf16")
    assert (result.exit_code, "--runtime openvino computes in float32" in result.stderr) == (2, True)


@pytest.mark.skipif(not openvino.is_installed(), reason=f"no OpenVINO: {openvino.REMEDY}")
def test_regions_and_captions_are_those_of_pytorch(vsa: Run, drawn: Drawn, here: Path) -> None:
    found, captions = {}, set()
    for runtime in ("torch", "openvino"):
        options = ("--cnn", "efficientnet_lite0", "--side", 96, "--top", 3, "--runtime", runtime)
        assert vsa("extract-regions", "photos", "-o", f"{runtime}.h5", *options).exit_code == 0
        found[runtime] = RegionStore(here / f"{runtime}.h5")["a.png"]
        captioned = vsa("caption", "photos", "--model", drawn.model, "--no-cache", "--runtime", runtime)
        assert captioned.exit_code == 0
        captions.add(captioned.stdout)
    one, other = found["torch"], found["openvino"]
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_allclose(one.descriptors.astype(np.float32), other.descriptors, rtol=2e-3, atol=2e-3)
    assert len(captions) == 1
