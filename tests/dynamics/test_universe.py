"""Trajectories opened by MDAnalysis and written for other programs: positions, times and dipoles stay what they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import ase.io
import MDAnalysis
import numpy as np
import pytest
import xarray as xr
from ase.data import atomic_masses, atomic_numbers

import densnet
from densnet.cli.main import app
from densnet.errors import DensnetError
from densnet.io.netcdf import variable, write_dataset
from densnet.molecule import from_smiles

REPLICAS, FRAMES, DT_FS = 3, 8, 2.0
PAGE = Path(__file__).parents[2] / "docs" / "trajectories.md"
EXAMPLE = "results/demo/ethanol/trajectory.nc"


@dataclass(frozen=True)
class Written:
    path: Path
    data: xr.Dataset
    bonds: int


@pytest.fixture(params=[("O", 2), ("CCO", 8)], ids=["water", "ethanol"])
def written(tmp_path: Path, request: pytest.FixtureRequest) -> Written:
    """A trajectory of a molecule that trembles."""
    smiles, bonds = request.param
    molecule, random = from_smiles(smiles), np.random.default_rng(1)
    numbers = molecule.numbers
    vector, scalar = (REPLICAS, FRAMES, len(numbers), 3), (REPLICAS, FRAMES)
    frame = ("replica", "time")
    moved = xr.Dataset(
        {
            "positions": variable(
                (*frame, "atom", "x"),
                (molecule.positions + 0.02 * random.standard_normal(vector)).astype(np.float32),
                "angstrom",
                "positions",
            ),
            "velocities": variable(
                (*frame, "atom", "x"), random.standard_normal(vector).astype(np.float32), "angstrom/fs", "velocities"
            ),
            "dipole": variable((*frame, "x"), random.standard_normal((*scalar, 3)), "e angstrom", "dipole"),
            "energy_potential": variable(frame, random.standard_normal(scalar) - 4210, "eV", "potential energy"),
            "numbers": variable(("atom",), numbers, "1", "numbers"),
            "masses": variable(("atom",), atomic_masses[numbers], "Da", "masses"),
        },
        coords={"time": variable(("time",), DT_FS * np.arange(FRAMES), "fs", "time")},
    )
    write_dataset(moved, tmp_path / "trajectory.nc", stage="md", method_version=1, settings={})
    return Written(tmp_path / "trajectory.nc", moved, bonds)


def export(written: Written, output: Path, *more: str) -> None:
    app(["export", "trajectory", str(written.path), "--output", str(output), *more], result_action="return_value")


def test_a_universe_has_atoms_bonds_frames_and_dipoles(written: Written) -> None:
    universe = densnet.universe(written.path, replica=2)
    data = written.data.isel(replica=2)
    assert [atomic_numbers[symbol] for symbol in universe.atoms.elements] == data["numbers"].values.tolist()
    assert len(set(universe.atoms.names)) == len(universe.atoms)
    np.testing.assert_array_equal(universe.atoms.masses, data["masses"])
    assert len(universe.bonds) == written.bonds and len(universe.atoms.fragments) == 1
    assert universe.dimensions is None
    assert universe.trajectory.dt == pytest.approx(DT_FS / 1000)
    for step, ts in enumerate(universe.trajectory):
        assert ts.time == pytest.approx(DT_FS * step / 1000)
        np.testing.assert_array_equal(ts.positions, data["positions"][step])
        np.testing.assert_allclose(ts.velocities, 1000 * data["velocities"][step], rtol=1e-6)
        np.testing.assert_array_equal(ts.aux.dipole, data["dipole"][step])
        assert ts.aux.energy_potential == data["energy_potential"][step]


def test_replicas_follow_each_other(written: Written) -> None:
    universe = densnet.universe(written.path)
    assert len(universe.trajectory) == REPLICAS * FRAMES
    for universe_of_any in (universe, universe.copy()):
        found = universe_of_any.trajectory[2 * FRAMES + 3]
        np.testing.assert_array_equal(found.positions, written.data["positions"][2, 3])
        np.testing.assert_array_equal(found.aux.dipole, written.data["dipole"][2, 3])


@pytest.mark.parametrize(("suffix", "tolerance"), [(".dcd", 0.0), (".xtc", 1e-4)])
def test_binary_formats_come_back(written: Written, tmp_path: Path, suffix: str, tolerance: float) -> None:
    output = tmp_path / f"moved{suffix}"
    export(written, output, "--stride", "3")
    found = MDAnalysis.Universe(output.with_suffix(".pdb"), output)
    expected = written.data["positions"].values[:, ::3].reshape(-1, len(found.atoms), 3)
    np.testing.assert_allclose([ts.positions.copy() for ts in found.trajectory], expected, atol=tolerance, rtol=0)
    assert found.trajectory.dt == pytest.approx(3 * DT_FS / 1000, rel=1e-6)
    assert found.dimensions is None
    assert len(found.bonds) == written.bonds
    assert [atomic_numbers[symbol] for symbol in found.atoms.elements] == written.data["numbers"].values.tolist()


def test_extended_xyz_comes_back_with_energies_and_dipoles(written: Written, tmp_path: Path) -> None:
    export(written, tmp_path / "moved.xyz", "--replica", "1")
    images = ase.io.read(tmp_path / "moved.xyz", ":")
    data = written.data.isel(replica=1)
    assert len(images) == FRAMES
    for step, atoms in enumerate(images):
        assert atoms.numbers.tolist() == data["numbers"].values.tolist()
        np.testing.assert_allclose(atoms.positions, data["positions"][step], atol=1e-8)
        assert atoms.get_potential_energy() == pytest.approx(float(data["energy_potential"][step]), abs=1e-9)
        np.testing.assert_allclose(atoms.get_dipole_moment(), data["dipole"][step], atol=1e-12)
        assert (atoms.info["time_fs"], atoms.info["replica"]) == (DT_FS * step, 1)
        assert not atoms.pbc.any() and atoms.cell.rank == 0


@pytest.mark.parametrize(
    ("output", "more", "message"),
    [
        ("moved.mol2", (), r"^output: expected a name that ends in \.xyz, \.extxyz, \.dcd, \.xtc, got .*moved\.mol2$"),
        ("moved.dcd", ("--replica", "3"), "^replica: expected 0 to 2, as .*trajectory.nc has, got 3$"),
        ("moved.dcd", ("--replica", "-1"), "^replica: expected 0 to 2"),
        ("moved.xyz", ("--stride", "0"), "^stride: expected at least 1, got 0$"),
        ("trajectory.nc/moved.xyz", (), "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_said(
    written: Written, tmp_path: Path, output: str, more: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DensnetError, match=message):
        export(written, tmp_path / output, *more)
    assert [path.name for path in tmp_path.iterdir()] == ["trajectory.nc"]


def test_the_page_runs(written: Written, capsys: pytest.CaptureFixture) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert EXAMPLE in block
    exec(compile(block.replace(EXAMPLE, str(written.path)), str(PAGE), "exec"), {})
    assert re.match(r"O-H 0\.9\d+ Å, .*\ndipole \S+ e·Å, over 0\.01 ps$", capsys.readouterr().out)


def test_a_file_that_is_no_trajectory(tmp_path: Path) -> None:
    (tmp_path / "some.nc").write_text("no netCDF")
    for name, message in (("some.nc", "not a readable netCDF file"), ("none.nc", "no such file.*'densnet md'")):
        with pytest.raises(DensnetError, match=message):
            densnet.universe(tmp_path / name)
