"""Errors against length: means by model and length, by unit and by torsion, of evaluations made up for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from densnet.cli.lengths import lengths
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.oligomer import oligomer
from densnet.report.lengths import ERRORS, lengths_table
from densnet.report.style import read_picture
from densnet.units import E_ANGSTROM_IN_DEBYE


def moving(frames: int) -> xr.Dataset:
    """Return an evaluation whose energies and dipoles change from frame to frame, the predictions half as much."""
    one = evaluation(2)
    found = one.isel(frame=np.zeros(frames, dtype=int)).copy(deep=True)
    steps = np.arange(float(frames))
    found["energy_reference"].values[:] = steps
    found["energy_predicted"].values[:] = 100.0 + 0.5 * steps
    found["dipole_reference"].values[:] = steps[:, None] * [1.0, 0.0, -1.0]
    found["dipole_predicted"].values[:] = 7.0 + 0.5 * steps[:, None] * [1.0, 0.0, -1.0]
    return found


def test_what_changes_from_frame_to_frame_is_judged_apart_from_means() -> None:
    table = lengths_table([moving(5)])
    assert float(table["energy_correlation"][0]) == pytest.approx(1.0)
    # half of the amplitude is missed, a quarter of the variance
    assert float(table["dipole_fluctuation_missed_percent"][0]) == pytest.approx(25.0)
    few = lengths_table([moving(2)])
    assert np.isnan(few["energy_correlation"][0])


def evaluation(units: int, *, target: str = "delta", trained: str = "[1, 2]", error: float = 1.0) -> xr.Dataset:
    """Return two test frames of ethylene chains, whose errors all follow from one number."""
    chain = oligomer("*CC*", units, count=1)
    numbers = chain.molecules[0].numbers
    frame, n = ("frame",), len(numbers)
    positions = np.stack([chain.molecules[0].positions] * 2)
    forces = np.zeros((2, n, 3))
    forces[:, :, 0] = 0.003 * error * (1 + chain.unit)
    by_atom = np.zeros((2, 2, n))
    by_atom[0] = error * numbers / numbers.sum() * (1 + chain.unit)
    xyz = ("frame", "atom", "x")
    data = {
        "positions": variable(xyz, positions, "angstrom", "positions"),
        "numbers": variable(("atom",), numbers, "1", "numbers"),
        "unit": variable(("atom",), chain.unit, "1", "unit"),
        "torsion": variable(("link", "corner"), chain.torsions, "1", "torsions"),
        "energy_reference": variable(frame, np.zeros(2), "eV", "energy"),
        "energy_predicted": variable(frame, 0.001 * error * n * np.array([1, -1]), "eV", "energy"),
        "forces_reference": variable(xyz, np.zeros((2, n, 3)), "eV/angstrom", "forces"),
        "forces_predicted": variable(xyz, forces, "eV/angstrom", "forces"),
        "dipole_reference": variable(("frame", "x"), np.zeros((2, 3)), "e angstrom", "dipole"),
        "dipole_predicted": variable(("frame", "x"), error * np.array([[3.0, 4.0, 0.0]] * 2), "e angstrom", "dipole"),
        "nmae": variable(frame, by_atom[0].sum(1), "%", "NMAE"),
        "nmae_true": variable(frame, 2 * by_atom[0].sum(1), "%", "NMAE"),
        "floor_nmae": variable(frame, np.full(2, 0.1), "%", "floor"),
        "nmae_by_atom": variable(("pair", "frame", "atom"), by_atom, "%", "NMAE by atom"),
    }
    coords = {"pair": variable(("pair",), ["model-fit", "fit-true"], "1", "pair")}
    attrs = {"charge": 0, "target": target, "units_trained": trained}
    found = xr.Dataset(data, coords, attrs)
    return found if units > 1 else found.drop_vars("torsion")


def test_a_row_is_a_model_and_a_length_with_its_means() -> None:
    table = lengths_table([evaluation(4, error=2.0), evaluation(2), evaluation(2, target="direct", error=3.0)])
    assert table["model"].values.tolist() == ["delta, 1-2 units"] * 2 + ["direct, 1-2 units"]
    assert table["units"].values.tolist() == [2, 4, 2]
    assert table["trained"].values.tolist() == [1, 0, 1]
    np.testing.assert_allclose(table["energy_mae_mev_per_atom"], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(table["dipole_mae_debye"], 5 * E_ANGSTROM_IN_DEBYE * np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(table["density_nmae_true_percent"], 2 * table["density_nmae_percent"])


def test_errors_by_unit_are_those_of_its_own_electrons_and_atoms() -> None:
    table = lengths_table([evaluation(3), evaluation(1)])
    # unit u was given an NMAE of u + 1 percent of its electrons, and one component in three of 3 (u + 1) meV/Å
    np.testing.assert_allclose(table["nmae_by_unit"][1], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(table["force_by_unit"][1], [1.0, 2.0, 3.0])
    assert np.isnan(table["nmae_by_unit"][0].values).tolist() == [False, True, True]


def test_errors_by_link_come_with_its_torsion() -> None:
    table = lengths_table([evaluation(1), evaluation(3)])
    assert table["link_row"].values.tolist() == [1] * 4
    assert (np.abs(table["torsion"]) > 165).all(), "anti throughout"
    assert 1.0 < table["link_nmae"].values[0] < 2.0 < table["link_nmae"].values[1] < 3.0


def test_what_is_no_chain_is_refused() -> None:
    with pytest.raises(DensnetError, match="expected evaluations of chains"):
        lengths_table([evaluation(2, trained="[]")])
    with pytest.raises(DensnetError, match="at least one evaluation"):
        lengths_table([])


def test_the_verb_writes_table_and_figures(tmp_path: Path) -> None:
    paths = []
    for number, one in enumerate([evaluation(1), evaluation(3), evaluation(1, target="direct"), evaluation(4)]):
        paths.append(tmp_path / f"{number}.nc")
        write_dataset(one, paths[-1], stage="evaluate", method_version=1, settings={})
    lengths(name="pe", evaluations=paths, output=tmp_path / "l.nc", csv=tmp_path / "l.csv", figures=tmp_path)
    assert read_dataset(tmp_path / "l.nc", stage="lengths").sizes["row"] == 4
    lines = (tmp_path / "l.csv").read_text().splitlines()
    assert lines[0] == ",".join(["model", "units", "trained", "n_test", *ERRORS])
    assert lines[2].startswith('"delta, 1-2 units",3,0,2,')
    for name in ("lengths", "chain_ends", "torsions"):
        assert "pe: errors" in read_picture(tmp_path / f"{name}.png").caption
