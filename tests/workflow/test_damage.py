"""Results that were cut in half are set aside, whole ones and what is kept for restarts are left alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure
from operations import damage

from densnet.io.netcdf import variable, write_dataset, write_text
from densnet.report.style import picture, write_picture


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of each kind, written as the stages write them."""
    monkeypatch.chdir(tmp_path)
    water = Path("results/run/water")
    numbers = xr.Dataset({"energy": variable(("frame",), np.arange(5000.0), "eV", "energy")})
    for name in ("labels.nc", "shards/0.nc"):
        write_dataset(numbers, water / name, stage="fit", method_version=1, settings={})
    torch.save({"weights": torch.arange(1000.0)}, water / "model.pt")
    write_text(water / "metrics.json", json.dumps({"n_train": 6}, indent=2) + "\n")
    write_text(water / "density.csv", "step,seconds\r\n10,0.25\r\n")
    write_picture(picture(Figure(), "timings", "Title", "Caption."), water / "figures")
    write_text(water / "report.html", "<!doctype html>\n<html><body>...</body>\n</html>")
    return water.parent


KINDS = ("labels.nc", "shards/0.nc", "model.pt", "metrics.json", "density.csv", "figures/timings.png", "report.html")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("left", [0.5, 0.0])
def test_what_was_cut_is_set_aside_and_named(
    run: Path, name: str, left: float, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "water" / name
    os.truncate(path, int(left * path.stat().st_size))
    damage.set_damaged_aside(run)
    assert capsys.readouterr().err == (
        f"densnet: {path} is cut short; set aside as {path.name}.damaged and made again\n"
    )
    assert [other for other in KINDS if not (run / "water" / other).exists()] == [name]
    damage.set_damaged_aside(run)
    assert capsys.readouterr().err == ""


def test_what_is_kept_for_restarts_and_logs_are_left_alone(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    water = run / "water"
    for name in ("trajectory.nc.parts/ready.json", ".labels.nc.k3.nc", "logs/labels.log", "density.pt.checkpoint"):
        (water / name).parent.mkdir(exist_ok=True)
        (water / name).write_text("{")
    damage.set_damaged_aside(run)
    assert capsys.readouterr().err == ""
    assert not list(run.rglob("*.damaged"))


def test_a_run_that_has_not_begun_has_nothing_damaged(tmp_path: Path) -> None:
    damage.set_damaged_aside(tmp_path / "nowhere")
