"""Calibration of an ensemble: exact for errors that are drawn from its spread."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from report_examples import write_run

from densnet.cli.metrics import metrics
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.quantities import METRICS
from densnet.report import figures
from densnet.report.calibration import MEAN_OF_A_NORMAL, Calibration, calibrations, has_spread
from densnet.report.metrics import RESPONSE, describe, read_metrics
from densnet.report.sources import Sources


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_run(tmp_path_factory.mktemp("run"))


def of_an_ensemble(evaluation: xr.Dataset, scale: float = 1.0) -> xr.Dataset:
    """Give an evaluation the spreads of three members: each its error, less where the scale is more than one."""
    error = {name: evaluation[f"{name}_predicted"] - evaluation[f"{name}_reference"] for name in ("energy", "dipole")}
    forces = evaluation["forces_predicted"] - evaluation["forces_reference"]
    by_atom = evaluation["nmae_by_atom"].sel(pair="model-fit", drop=True)
    spread = {
        "energy_spread": np.abs(error["energy"]),
        "dipole_spread": np.sqrt((error["dipole"] ** 2).sum("x")),
        "forces_spread": np.sqrt((forces**2).mean("x")),
        "density_spread_by_atom": by_atom / MEAN_OF_A_NORMAL,
        "density_spread": by_atom.sum("atom") / MEAN_OF_A_NORMAL,
        "density_pairwise_nmae": by_atom.sum("atom"),
    }
    named = {name: (value / scale).assign_attrs(units="1", long_name=name) for name, value in spread.items()}
    return evaluation.assign(named).assign_attrs(n_members=3)


@pytest.fixture
def ensemble_run(run: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    evaluation = of_an_ensemble(read_dataset(run["evaluation"], stage="evaluate"), scale=2.0)
    found = run | {"evaluation": tmp_path / "evaluation.nc", "metrics": tmp_path / "metrics.json"}
    write_dataset(evaluation, found["evaluation"], stage="evaluate", method_version=1, settings={})
    metrics(
        evaluation=found["evaluation"],
        trajectory=run["trajectory"],
        comparison=run["comparison"],
        output=found["metrics"],
    )
    return found


def test_factor_of_errors_drawn_from_the_spread() -> None:
    """1 for a calibrated spread to the statistical error of 20000 draws, and the number by which one is too small."""
    rng = np.random.default_rng(4)
    sigma = np.exp(rng.normal(size=20000))
    error = np.abs(sigma * rng.normal(size=sigma.size))
    assert Calibration(sigma, error, "D").factor == pytest.approx(1.0, abs=0.02)
    small = Calibration(sigma / 3, error, "D")
    assert small.factor == pytest.approx(3.0, abs=0.06)
    assert 0.5 < (small.correlation or 0.0) < 0.9
    expected, true = small.binned(2000)
    np.testing.assert_allclose(true / expected, 3.0, rtol=0.1)
    assert len(expected) == 10 and (np.diff(expected) > 0).all()


def test_no_number_where_there_is_no_spread() -> None:
    same = Calibration(np.zeros(4), np.arange(4.0), "D")
    assert same.factor is None and same.correlation is None
    assert Calibration(np.ones(2), np.ones(2), "D").correlation is None


def test_each_spread_is_compared_with_its_own_error(run: dict[str, Path]) -> None:
    evaluation = read_dataset(run["evaluation"], stage="evaluate")
    assert not has_spread(evaluation)
    found = calibrations(of_an_ensemble(evaluation))
    assert {name: len(one.error) for name, one in found.items()} == {
        "density": 18,
        "dipole": 6,
        "energy": 6,
        "force": 18,
    }
    for one in found.values():
        np.testing.assert_allclose(one.expected, one.error, rtol=1e-12)
        assert one.factor == pytest.approx(1.0) and one.correlation == pytest.approx(1.0)


def test_metrics_of_an_ensemble(run: dict[str, Path], ensemble_run: dict[str, Path]) -> None:
    single, several = (json.loads(one["metrics"].read_text()) for one in (run, ensemble_run))
    assert {key: several[key] for key in single} == single
    added = {key: several[key] for key in several if key not in single}
    assert added.pop("n_members") == 3
    for name in ("density", "dipole", "energy", "force"):
        assert added.pop(f"{name}_spread_scale") == pytest.approx(2.0)
        assert added.pop(f"{name}_spread_spearman") == pytest.approx(1.0)
    assert added.pop("energy_spread_mev_per_atom") == pytest.approx(single["energy_mae_mev_per_atom"] / 2)
    assert added.pop("dipole_spread_debye") == pytest.approx(single["dipole_mae_debye"] / 2)
    assert set(added) == {
        "density_spread_percent",
        "density_pairwise_nmae_percent",
        "force_spread_mev_per_angstrom",
    }
    assert len(describe(several)) == len(several) and all(
        any(map(metric.match, several)) for metric in METRICS if metric.key not in RESPONSE
    )


def test_figure_is_drawn_for_an_ensemble_only(
    run: dict[str, Path], ensemble_run: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "DRAWINGS", [draw for draw in figures.DRAWINGS if draw.of == "ensemble"])
    assert list(figures.draw_figures(sources(run))) == []
    (shown,) = figures.draw_figures(sources(ensemble_run))
    assert shown.name == "calibration" and shown.png.startswith(b"\x89PNG")
    assert "ensemble of 3 pairs" in shown.caption and "6 test frames" in shown.caption and "{" not in shown.caption


def sources(run: dict[str, Path]) -> Sources:
    log = {"step": np.ones(1)}
    read = {name: read_dataset(run[name], stage=stage) for name, stage in STAGES.items()}
    return Sources(system="water", metrics=read_metrics(run["metrics"]), density_log=log, energy_log=log, **read)


STAGES = {
    "labels": "fit",
    "evaluation": "evaluate",
    "trajectory": "md",
    "spectrum": "spectrum",
    "comparison": "compare",
}
