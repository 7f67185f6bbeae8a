"""The benchmark of GPUs, which runs at a tiny size on a CPU, and needs a GPU otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.benchmarks.gpu import main


def test_every_figure_is_printed_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "cpu", "--folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for precision in ("float32", "bf16"):
        for figure in (
            f"photographs, {precision}: the CNN alone",
            f"photographs, {precision}: encoder, together / the slower part",
            f"photographs, {precision}: peak memory",
            f"CPU float32 against cpu {precision}: largest difference",
            f"train-embed, {precision}: peak memory",
            f"train-gen, {precision}: mean loss",
        ):
            assert printed.count(figure) == 1
    assert not list(tmp_path.iterdir())


def test_without_a_gpu_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["--folder", str(tmp_path)]) == 4
    assert capsys.readouterr() == ("", "gpu: `device` cuda: no CUDA device found; use cpu\n")


@pytest.mark.cuda
def test_all_differences_on_a_gpu_are_within_their_tolerances(tmp_path: Path) -> None:
    assert main(["--folder", str(tmp_path)]) == 0
