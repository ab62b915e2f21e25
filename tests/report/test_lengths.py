"""Errors against length: means by model and length, by unit and by torsion, of evaluations made up for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from chain_examples import evaluation

from densnet.cli.lengths import lengths
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.report.length_figures import along_trajectories
from densnet.report.lengths import COLUMNS, lengths_table
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
    assert lines[0] == ",".join(["model", "units", "trained", "n_test", *list(COLUMNS)[4:]])
    assert lines[2].startswith('"delta, 1-2 units",3,0,2,')
    for name in ("lengths", "chain_ends", "torsions"):
        assert "pe: errors" in read_picture(tmp_path / f"{name}.png").caption
    along = read_picture(tmp_path / "along_trajectories.png").caption
    assert "frames of the model's own dynamics" in along
    assert all(f"n = {n}, 2 frames: too few for either" in along for n in (3, 4)) and "n = 1" not in along


def test_frames_along_a_trajectory_are_told_by_their_numbers() -> None:
    trained = moving(5)
    shown = along_trajectories([evaluation(1), trained], "pe")
    assert "held-out frames of the longest length" in shown.caption
    assert "n = 2, 5 frames: 1.000, 25 %, " in shown.caption
    unseen = trained.assign_attrs(units_trained="[1]")
    again = along_trajectories([unseen], "pe")
    assert "dynamics" in again.caption and again.png != shown.png
