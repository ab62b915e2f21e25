"""``densnet kernel``: its table, networks beside, and labels that do not suffice."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from kernel_examples import BASIS, WATER, frames, water

from densnet.cli.kernel import kernel
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.kernel.kernel_files import read_kernel
from densnet.units import KCAL_PER_MOL_IN_EV


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Labels of 24 waters, 6 of them for the test."""
    known = frames(WATER, water(24))
    t, xyz = ("frame",), ("frame", "atom", "x")
    values = {
        "positions": variable(xyz, known.positions, "angstrom", "positions"),
        "numbers": variable(("atom",), WATER, "1", "atomic numbers"),
        "split": variable(t, np.repeat(["train", "test"], [18, 6]), "1", "split"),
        "distance_to_train": variable(t, np.zeros(24), "angstrom", "distance"),
        "energy": variable(t, known.energy, "eV", "energy"),
        "forces": variable(xyz, np.zeros((24, 3, 3)), "eV/angstrom", "forces"),
        "dipole": variable(("frame", "x"), np.zeros((24, 3)), "e angstrom", "dipole"),
        "coefficients": variable(("frame", "k"), known.coefficients, "bohr^-1.5", "coefficients"),
        "prior": variable(("k",), known.coefficients[0], "bohr^-1.5", "prior"),
        "atomic_energy": variable(("element",), np.zeros(2), "eV", "energies"),
        "element": variable(("element",), np.array([1, 8]), "1", "elements"),
    }
    attrs = {"charge": 0, "fit_basis": BASIS.to_json(), "coefficient_convention": "densnet"}
    dataset = xr.Dataset(values, coords={"frame": np.arange(24)}, attrs=attrs)
    write_dataset(dataset, tmp_path / "labels.nc", stage="fit", method_version=1, settings={})
    return tmp_path / "labels.nc"


def evaluation(labels: Path, path: Path, *, n_train: int, error: float) -> Path:
    """An outcome of "evaluate" whose energies are all wrong by as much, in eV."""
    test = read_dataset(labels, stage="fit").isel(frame=slice(18, None))
    named = {
        "energy_reference": test["energy"].values,
        "energy_predicted": test["energy"].values + error,
        "nmae": np.full(6, 0.5),
    }
    values = {name: variable(("frame",), value, "1", name) for name, value in named.items()}
    for name in ("forces_reference", "forces_predicted"):
        values[name] = variable(("frame", "atom", "x"), test["forces"].values, "eV/angstrom", name)
    dataset = xr.Dataset(values, coords={"frame": test["frame"].values}, attrs={"n_train": n_train})
    write_dataset(dataset, path, stage="evaluate", method_version=1, settings={})
    return path


def test_errors_fall_with_the_points_and_networks_stand_beside(labels: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    networks = [evaluation(labels, tmp_path / f"{n}.nc", n_train=n, error=0.1 * n) for n in (12, 18)]
    table, model = tmp_path / "kernel.csv", tmp_path / "kernel.nc"
    kernel(labels=labels, output=table, m=(12, 4), model=model, evaluation=tuple(networks))
    few, many, network_alone = csv.DictReader(table.read_text().splitlines())
    assert [row["m"] for row in (few, many, network_alone)] == ["4", "12", "18"]
    for name in few:
        if name.startswith(("hk_energy", "ks_energy", "hk_density")):
            assert 0 < float(many[name]) < 0.5 * float(few[name])
    # the forces of these labels are all zero, which no map can know
    assert float(many["hk_force_mae_mev_per_angstrom"]) > 100
    assert few["network_energy_mae_kcal_per_mol"] == network_alone["hk_energy_mae_kcal_per_mol"] == ""
    assert float(many["network_energy_mae_kcal_per_mol"]) == pytest.approx(1.2 / KCAL_PER_MOL_IN_EV, rel=1e-3)
    assert read_kernel(model).n_points == 12


def test_what_does_not_suffice_is_one_line_and_leaves_no_file(labels: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    table = tmp_path / "kernel.csv"
    with pytest.raises(DensnetError, match="m: expected at most 18, the training frames that have labels, found 19"):
        kernel(labels=labels, output=table, m=(4, 19))
    strange = evaluation(labels, tmp_path / "strange.nc", n_train=4, error=0.0)
    dataset = read_dataset(strange, stage="evaluate")
    dataset["energy_reference"] += 1.0
    write_dataset(dataset, strange, stage="evaluate", method_version=1, settings={})
    with pytest.raises(DensnetError, match=r"strange.nc: expected the test frames of the labels, found others"):
        kernel(labels=labels, output=table, m=(4,), evaluation=(strange,))
    without = read_dataset(labels, stage="fit").drop_vars("coefficients")
    write_dataset(without, tmp_path / "without.nc", stage="fit", method_version=1, settings={})
    with pytest.raises(DensnetError, match=r"without.nc: the variable\(s\) \['coefficients'\] are missing"):
        kernel(labels=tmp_path / "without.nc", output=table, m=(4,))
    assert not table.exists()
