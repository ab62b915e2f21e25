"""Dynamics of chains: what counts as lost, where torsions are counted, and the figures and the page of a family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from chain_examples import evaluation, geometries, harmonic, spectrum, trajectory, write_chains
from report_examples import write_manifest, write_run

from densnet.cli.chains import chains
from densnet.cli.figures import figures
from densnet.cli.lengths import lengths
from densnet.cli.report import report
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.report.chain_figures import divisors_of
from densnet.report.chains import COLUMNS, chains_table, dynamics_of
from densnet.report.style import read_picture
from densnet.report.wavenumbers import MARGIN, broadened, line_height, ranges_seen


def test_what_rests_is_whole_and_anti() -> None:
    start = geometries(4)
    found = dynamics_of(trajectory(start), start)
    row = found.row
    assert set(row) == set(COLUMNS)
    assert (row["units"], row["replicas"], row["atoms_lost"]) == (4, 2, 0)
    assert row["md_ps_total"] == pytest.approx(2 * 1.1)
    # C-C 1.52 to 1.54 over 1.52, C-H 1.09 to 1.10 over 1.07
    assert 0.98 < row["shortest_bond"] < row["longest_bond"] < 1.05
    # three links, two of them outer; all in the last bin of ten degrees
    np.testing.assert_allclose(found.torsions[:, -1], 0.1)
    np.testing.assert_allclose(found.torsions[:, :-1], 0.0)
    two = geometries(2)
    assert np.isnan(dynamics_of(trajectory(two), two).torsions[1]).all(), "no inner link"


def test_an_atom_that_leaves_is_lost_and_a_stretched_bond_is_measured() -> None:
    start = geometries(2)
    moved = trajectory(start)
    carbon, hydrogen = 0, int(np.flatnonzero(start["numbers"].values == 1)[0])
    bond = moved["positions"].values[0, 0, hydrogen] - moved["positions"].values[0, 0, carbon]
    length = float(np.linalg.norm(bond))
    assert length < 1.2, "the first hydrogen is the first carbon's"
    moved["positions"].values[1, 5, hydrogen] += 0.1 * bond / length
    stretched = dynamics_of(moved, start).row
    assert stretched["atoms_lost"] == 0
    assert stretched["longest_bond"] == pytest.approx((length + 0.1) / 1.07, rel=1e-4)
    moved["positions"].values[1, 5, hydrogen] += 5.0 * bond / length
    assert dynamics_of(moved, start).row["atoms_lost"] == 1


def test_lengths_are_in_order_beside_what_was_trained() -> None:
    starts = [geometries(n) for n in (3, 2)]
    table = chains_table([dynamics_of(trajectory(start), start) for start in starts], starts)
    assert table["units"].values.tolist() == [2, 3]
    assert float(table["torsions_trained"][-1]) == pytest.approx(0.1)
    assert np.isnan(chains_table([dynamics_of(trajectory(starts[0]), starts[0])], [])["torsions_trained"]).all()
    with pytest.raises(DensnetError, match="at least one length"):
        chains_table([], [])
    with pytest.raises(DensnetError, match="expected the dynamics of a chain"):
        dynamics_of(trajectory(starts[0]), starts[1])


def test_axes_leave_out_where_nothing_absorbs() -> None:
    (high, low) = ranges_seen([spectrum(2), spectrum(1)])
    # a Gaussian of that width is below a hundredth, of the higher band, 43 and 40 1/cm off its middle
    assert low == pytest.approx((800 - 40 - MARGIN, 800 + 40 + MARGIN), abs=5)
    assert high == pytest.approx((3000 - 40 - MARGIN, 3000 + 40 + MARGIN), abs=5)
    whole = spectrum(1)
    whole["intensity"].values[:] += 0.1
    assert ranges_seen([whole]) == [(100.0, 3495.0)]


def test_a_broadened_line_keeps_its_intensity_and_height() -> None:
    modes = harmonic(geometries(1)["numbers"], "model").isel(mode=[0])
    grid = np.arange(600.0, 1000.0, 0.5)
    curve = broadened(modes, grid, 20.0)
    assert np.trapezoid(curve, grid) == pytest.approx(40.0, rel=1e-6)
    assert curve.max() == pytest.approx(float(line_height(np.array([40.0]), 20.0)[0]), rel=1e-6)
    assert np.ptp(grid[curve > curve.max() / 2]) == pytest.approx(20.0, abs=1.0)


def test_a_spectrum_far_above_the_others_is_drawn_smaller() -> None:
    assert divisors_of(np.array([9.0, 1.2, 0.8, 1.0])).tolist() == [8, 1, 1, 1]
    assert divisors_of(np.array([2.0, 1.0, 3.0])).tolist() == [1, 1, 1]


def test_the_verb_writes_table_and_figures_for_the_page(tmp_path: Path) -> None:
    files = write_chains(tmp_path, (1, 3, 4))
    folder = tmp_path / "family"
    chains(name="pe", output=tmp_path / "c.nc", csv=tmp_path / "c.csv", figures=folder, **files)
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[2].startswith("3,2,2.2,0,")
    assert read_dataset(tmp_path / "c.nc", stage="chains").sizes["row"] == 3
    caption = read_picture(folder / "spectra.png").caption
    assert "green by model and orange by HF/STO-3G" in caption and "2 replicas of 1.00 ps" in caption
    assert "strongest lines of n = 4" in caption
    assert "outer" in read_picture(folder / "torsion_angles.png").caption
    with pytest.raises(DensnetError, match="expected 3 of each, as many as --geometries, found --spectra 2"):
        short = files | {"spectra": files["spectra"][:2]}
        chains(name="pe", output=tmp_path / "c.nc", csv=tmp_path / "c.csv", figures=folder, **short)

    evaluations = [tmp_path / f"e{units}.nc" for units in (1, 3)]
    for path, units in zip(evaluations, (1, 3), strict=True):
        write_dataset(evaluation(units), path, stage="evaluate", method_version=1, settings={})
    lengths(name="pe", evaluations=evaluations, output=tmp_path / "l.nc", csv=tmp_path / "l.csv", figures=folder)
    run = write_run(tmp_path / "run")
    figures(name="water", output=tmp_path / "water", **run)
    page = tmp_path / "report.html"
    family = {"name": "pe", "lengths": str(tmp_path / "l.nc"), "figures": [str(path) for path in folder.iterdir()]}
    family |= {"chains": str(tmp_path / "c.nc")}
    report(manifest=write_manifest(tmp_path / "m.json", run, tmp_path / "water", families=[family]), output=page)
    text = page.read_text()
    assert (
        text.index("Infrared spectra against length") < text.index("Errors against length") < text.index("water <span")
    )
    assert "drift [meV/atom/ps]" in text
    del family["chains"]
    with pytest.raises(DensnetError, match=r"not the manifest of a run.*chains"):
        report(manifest=write_manifest(tmp_path / "m.json", run, tmp_path / "water", families=[family]), output=page)
