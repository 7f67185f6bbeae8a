"""Names of devices: valid names, invalid names, and devices that the machine does not have."""

from __future__ import annotations

import pytest
import torch

from vsa_cli.core.device import resolve_device
from vsa_cli.core.errors import ConfigError, MissingError


@pytest.mark.parametrize(
    "name", ["", "gpu", "cpu:", "cpu:1", "cpu:\u00b2", "CPU", "cuda:", "cuda:-1", "cuda:\u00b2", "cuda:99999", "mps:0"]
)  # fmt: skip
def test_invalid_device_names_raise(name: str) -> None:
    with pytest.raises(ConfigError, match="not a device"):
        resolve_device(name)


def test_auto_and_cpu_always_resolve() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["cuda", "cuda:9999", "mps"])
def test_device_that_the_machine_does_not_have_raises(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: name == "cuda:9999")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(MissingError, match=f"^`device` {name}: "):
        resolve_device(name)
