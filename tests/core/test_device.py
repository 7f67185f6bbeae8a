"""Names of devices: valid names, invalid names, and devices that the machine does not have."""

from __future__ import annotations

import pytest
import torch

from vsa_cli.core.device import products_in, resolve_device, resolve_precision, to_device
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


def test_products_have_the_precision_that_was_asked_for() -> None:
    cpu = torch.device("cpu")
    for precision, dtype in (("bf16", torch.bfloat16), ("float32", torch.float32)):
        with products_in(resolve_precision(precision, cpu), cpu):  # type: ignore[arg-type]
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_bf16_on_a_gpu_without_it_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    cuda = torch.device("cuda")
    with pytest.raises(MissingError, match=r"^`precision` bf16: not supported by the device cuda; use float32"):
        resolve_precision("bf16", cuda)
    for fast, precision in ((False, "float32"), (True, "bf16")):
        monkeypatch.setattr("vsa_cli.core.device.has_fast_bfloat16", lambda _, fast=fast: fast)
        assert resolve_precision(None, cuda) == precision


class Recorded:
    """A tensor that records how it is moved."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def pin_memory(self) -> Recorded:
        self.calls.append("pinned")
        return self

    def to(self, device: torch.device, non_blocking: bool = False) -> Recorded:
        self.calls.append((device.type, non_blocking))
        return self


def test_copies_to_a_gpu_start_from_page_locked_memory_and_do_not_block() -> None:
    for device, calls in (("cuda", ["pinned", ("cuda", True)]), ("cpu", [("cpu", False)])):
        tensor = Recorded()
        to_device(tensor, torch.device(device))  # type: ignore[arg-type]
        assert tensor.calls == calls
