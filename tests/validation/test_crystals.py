"""Crystals: dynamics in a cell, distances between molecules, and what no longer is the crystal that it was."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.build import bulk, make_supercell, molecule
from ase.calculators.calculator import Calculator
from ase.io import read, write
from ase.neighborlist import neighbor_list
from ase.spacegroup import Spacegroup

from densnet.cli.validate.crystal import crystal
from densnet.cli.validate.options import PotentialOptions
from densnet.errors import DensnetError
from densnet.potential import Array
from densnet.potentials.crystal import CrystalPotential
from densnet.potentials.gfn1 import gfn1_xtb
from densnet.validation.conservation import drift_error, energy_line
from densnet.validation.intactness import intactness
from densnet.validation.molecular_axes import tree_of
from densnet.validation.motion import Motion, read_motion
from densnet.validation.radial_distribution import l1_distance, radial_distributions
from densnet.validation.settings import CrystalSettings

RESORCINOL = Path(__file__).parents[2] / "data" / "crystals" / "resorcinol_gfn1.xyz"
BOND, STIFFNESS, HEIGHT, WIDTH = 1.1, 100.0, 10.0, 1.5
EDGE = 5.66
SHORT = CrystalSettings(replicas=2, picoseconds=0.05, thermalise_ps=0.02, reversal_steps=5, frame_every=5)


class Springs(Calculator):
    """N2: springs within molecules, Gaussians between atoms of different ones, in the cell."""

    implemented_properties = ("energy", "forces")

    def calculate(self, *given: object, **options: object) -> None:
        """Compute energy and forces."""
        super().calculate(*given, **options)  # type: ignore[arg-type]
        first, r, vector = neighbor_list("idD", self.atoms, 5 * WIDTH)
        bonded = r < 1.5 * BOND
        gauss = np.where(bonded, 0.0, HEIGHT * np.exp(-((r / WIDTH) ** 2)))
        energy = np.where(bonded, 0.5 * STIFFNESS * (r - BOND) ** 2, gauss)
        slope = np.where(bonded, STIFFNESS * (r - BOND), -2 * r / WIDTH**2 * gauss)
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, first, (slope / r)[:, None] * vector)
        self.results = {"energy": energy.sum() / 2, "forces": forces}


class Blind(Springs):
    """Does not know of the cell."""

    def calculate(self, atoms: Atoms | None = None, *given: object, **options: object) -> None:
        """Compute energy and forces of the atoms alone."""
        alone = Atoms(atoms.numbers, atoms.positions)  # type: ignore[union-attr]
        super().calculate(alone, *given, **options)


def nitrogen() -> Atoms:
    """Return N2 as in its α form: molecules on the places of a face-centred cell, along its four diagonals."""
    along = np.array([[1, 1, 1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1]]) / 3**0.5
    places = EDGE / 2 * np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]])
    positions = np.concatenate([[p - BOND / 2 * u, p + BOND / 2 * u] for p, u in zip(places, along, strict=True)])
    atoms = Atoms("N8", positions, cell=[EDGE] * 3, pbc=True)
    atoms.wrap()
    return atoms


def motion_of(frames: Atoms | list[Atoms], folder: Path) -> Motion:
    write(folder / "frames.xyz", frames, format="extxyz")
    return read_motion(folder / "frames.xyz")


def numbers_of(path: Path) -> dict[tuple[str, str], float]:
    with path.open(encoding="utf-8") as opened:
        return {(row["what"], row["condition"].split("; ")[-1]): float(row["value"]) for row in csv.DictReader(opened)}


@pytest.fixture
def alpha(tmp_path: Path) -> Path:
    write(tmp_path / "alpha.xyz", nitrogen(), format="extxyz")
    return tmp_path / "alpha.xyz"


def test_the_page_of_a_run_is_that_of_its_trajectory(
    alpha: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crystal(
        alpha,
        tested=PotentialOptions(calculator=f"{__name__}:Springs"),
        settings=SHORT,
        trajectory_output=tmp_path / "run.xyz",
        rdf_output=tmp_path / "g.nc",
        output=tmp_path / "run.csv",
    )
    said = capsys.readouterr().out
    assert "4 N2, constant energy, 300 K, 2 replicas of 0.05 ps" in said
    assert "The volume is 181.32 Å³ in all of them." in said and "No molecule is broken" in said
    found = numbers_of(tmp_path / "run.csv")
    ratio = next(value for (what, _), value in found.items() if what.startswith("ratio"))
    # velocity Verlet: the square of the ratio of both steps; a bond of 100 eV/Å² has a period of 14 fs
    assert ratio == pytest.approx(4, abs=0.4)
    crystal(tmp_path / "run.xyz", rdf_output=tmp_path / "again.nc", output=tmp_path / "again.csv")
    again = numbers_of(tmp_path / "again.csv")
    for what in ("P2", "P2: standard error", "molecules in the cell", "frames", "volume of the cell, mean"):
        assert [value for (name, _), value in again.items() if name == what] == pytest.approx(
            [value for (name, _), value in found.items() if name == what], abs=1e-6
        )
    g, g_again = (xr.load_dataset(tmp_path / name) for name in ("g.nc", "again.nc"))
    # the file's eight decimals may move a pair to the next bin
    assert l1_distance(g["g"].values, g_again["g"].values) < 0.01
    assert g["g"].attrs["units"] == "1" and g.attrs["settings"]
    written = read(tmp_path / "run.xyz", ":")
    total = np.array([frame.get_total_energy() for frame in written]).reshape(2, -1)
    # the run's own energies are constant to the fluctuation of its short time step, and a file's units can be wrong
    fluctuation = found["fluctuation of the total energy about its line, root mean square", "0.5 fs"]
    assert 1e3 * np.ptp(total, axis=1).max() / 8 < 20 * fluctuation
    assert any(what == "drift of the total energy: standard error" for what, _ in again)


def test_molecules_along_the_four_diagonals_have_no_order(alpha: Path, tmp_path: Path) -> None:
    crystal(alpha, output=tmp_path / "alpha.csv")
    # Σ u uᵀ over the diagonals of a cube is 4/3; the file has eight decimals
    (p2,) = (value for (what, _), value in numbers_of(tmp_path / "alpha.csv").items() if what == "P2")
    assert p2 == pytest.approx(0, abs=1e-6)


def counts(atoms: Atoms, folder: Path, r_max: float = 8.0) -> tuple[Array, Array]:
    motion = motion_of(atoms, folder)
    (each,) = radial_distributions(motion, tree_of(motion), r_max, 0.1)
    return each.g, each.mean_number


def test_shells_of_a_face_centred_cell_whatever_its_vectors(tmp_path: Path) -> None:
    argon = bulk("Ar", "fcc", a=5.27)
    g, number = counts(argon, tmp_path)
    shells = 5.27 * np.sqrt([0.5, 1, 1.5, 2])
    between = (shells[:-1] + shells[1:]) / 2
    assert number[(between / 0.1).astype(int)] == pytest.approx([12, 18, 42])
    density, r = 4 / 5.27**3, 0.1 * np.arange(81)
    shell = 4 / 3 * np.pi * np.diff(r**3)
    # the repeated cell is large, so that an atom that is left out of its own shells does not count
    assert np.cumsum(g * shell * density)[39] == pytest.approx(12, rel=1e-5)
    skewed = make_supercell(argon, [[1, 2, 0], [0, 1, 0], [1, 0, 1]])
    left_handed = make_supercell(argon, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    for other in (bulk("Ar", "fcc", a=5.27, cubic=True), skewed, left_handed):
        other.positions += [0.3, 11.0, -7.0]
        assert counts(other, tmp_path)[1] == pytest.approx(number, abs=1e-6)


def test_a_gas_has_no_structure_and_a_molecule_is_not_its_own_neighbour(tmp_path: Path) -> None:
    places = np.random.default_rng(1).uniform(size=(2000, 3)) * 60
    motion = motion_of(Atoms("He2000", places, cell=[60, 60, 60], pbc=True), tmp_path)
    (each,) = radial_distributions(motion, tree_of(motion), 20.0, 1.0)
    pairs = 4 * np.pi * each.r[3:] ** 2 * 2000 / 60**3 * 1000
    # Poisson: four errors are not exceeded by chance in seventeen shells
    assert (np.abs(each.g[3:] - 1) < 4 / np.sqrt(pairs)).all()
    motion = motion_of(nitrogen(), tmp_path)
    (between,) = radial_distributions(motion, tree_of(motion), 4.0, 0.1)
    assert between.mean_number[14] == 0 < between.mean_number[-1]
    assert between.scatter is None


def test_another_trajectory_is_as_far_as_its_distances_are(alpha: Path, tmp_path: Path) -> None:
    same, wider = nitrogen(), nitrogen()
    wider.set_cell(wider.cell * 1.2, scale_atoms=True)
    for name, other in (("same", same), ("wider", wider)):
        other.positions[:] += 1.0
        write(tmp_path / "other.xyz", [other, other], format="extxyz")
        crystal(alpha, against=tmp_path / "other.xyz", output=tmp_path / f"{name}.csv", rdf_to=5.0)
    away = [
        numbers_of(tmp_path / f"{name}.csv")["L1 distance of g(r) from the reference", "N-N"]
        for name in ("same", "wider")
    ]
    # distances on a bin's edge fall to either side
    assert away[0] < 0.2 and away[1] > 1


def broken(frame: Atoms) -> None:
    frame.positions[1] += 3.0


def joined(frame: Atoms) -> None:
    frame.positions[2:4] += frame.positions[1] + 0.7 - frame.positions[2]


def test_what_breaks_ends_what_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for change, said in ((broken, "N1-N2 broken, "), (joined, "N2-N3 of two molecules too close, ")):
        frames = [nitrogen() for _ in range(4)]
        frames[0].set_cell(frames[0].cell * 1.01)
        change(frames[2])
        write(tmp_path / "frames.xyz", frames, format="extxyz")
        crystal(tmp_path / "frames.xyz", output=tmp_path / "frames.csv")
        assert said in (text := capsys.readouterr().out) and "what follows is of the 2 frames before" in text
        values = {what: value for (what, _), value in numbers_of(tmp_path / "frames.csv").items()}
        assert values["frames in which all molecules are whole"] == 2 and values["frames of the trajectory"] == 4
        assert values["largest relative change of the volume"] == pytest.approx(1 - 1.01**-3)


def test_a_hydrogen_that_goes_to_another_molecule_is_seen(tmp_path: Path) -> None:
    pair = molecule("H2O")
    other = molecule("H2O")
    other.positions += [0, 0, 2.7]
    pair += other
    pair.set_cell([9, 9, 9])
    pair.pbc = True
    away = pair.copy()
    oxygen, acceptor = (pair.positions[i] for i in (0, 3))
    away.positions[1] = oxygen + 0.62 * (acceptor - oxygen)
    motion = motion_of([pair, away], tmp_path)
    assert intactness(motion, tree_of(motion)).fault == "H2 gone to O4 in frame 2"


def test_the_error_of_a_drift_is_that_of_many_runs() -> None:
    generator = np.random.default_rng(3)
    numbers = np.ones(1, dtype=np.int64)
    for memory in (0.0, 0.9):
        noise = generator.normal(size=(400, 1024))
        for t in range(1, noise.shape[1]):
            noise[:, t] += memory * noise[:, t - 1]
        scatter = energy_line(noise.T, 1.0, numbers).drift.std(ddof=1)
        errors = np.array([drift_error(each, 1.0, numbers) for each in noise])
        # the largest of the errors of eight block sizes is above the right one, of as few as eight blocks by half of it
        assert 1.0 < np.median(errors) / scatter < 1.8
    assert drift_error(np.zeros(7), 1.0, numbers) is None


def test_forces_in_a_cell_are_the_gradient_of_gfn1() -> None:
    dioxide = molecule("CO2")
    dioxide.set_cell([4.0, 4.2, 6.5])
    dioxide.pbc = True
    dioxide.rotate(20, "x")
    potential = CrystalPotential(gfn1_xtb(), dioxide, "gfn1-xtb")
    step = np.zeros_like(dioxide.positions)
    step[1, 2] = 1e-3
    up, down = (float(potential((dioxide.positions + sign * step)[None])["energy"][0]) for sign in (1, -1))
    force = potential(dioxide.positions[None])["forces"][0, 1, 2]
    # central differences, and a self-consistency that stops at 1e-6 Hartree
    assert -(up - down) / 2e-3 == pytest.approx(force, abs=5e-3)
    far = dioxide.copy()
    far.set_cell([30.0] * 3)
    alone = CrystalPotential(gfn1_xtb(), far, "gfn1-xtb")
    assert (
        abs(float(alone(dioxide.positions[None])["energy"][0] - potential(dioxide.positions[None])["energy"][0])) > 0.01
    )


def test_the_crystal_that_ships_is_relaxed_and_has_its_space_group() -> None:
    resorcinol: Atoms = read(RESORCINOL)
    assert resorcinol.cell.cellpar() == pytest.approx([10.53, 9.53, 5.66, 90, 90, 90])
    potential = CrystalPotential(gfn1_xtb(), resorcinol, "gfn1-xtb")
    forces = potential(resorcinol.positions[None])["forces"][0]
    # relaxed to 0.005 eV/Å; the file has eight decimals, and self-consistency another start
    assert np.linalg.norm(forces, axis=1).max() < 0.007
    places = resorcinol.get_scaled_positions()
    for rotation, translation in Spacegroup(33).get_symop():
        apart = (places @ rotation.T + translation)[:, None] - places
        apart = np.linalg.norm((apart - apart.round()) @ resorcinol.cell.array, axis=-1)
        nearest = apart.argmin(axis=1)
        assert (resorcinol.numbers[nearest] == resorcinol.numbers).all()
        # what rounding leaves of the symmetry of the start
        assert apart.min(axis=1).max() < 0.02


def test_what_is_no_molecular_crystal_is_one_line_before_any_work(tmp_path: Path) -> None:
    alone, slab, springs = nitrogen(), nitrogen(), PotentialOptions(calculator=f"{__name__}:Springs")
    alone.pbc, slab.pbc = False, [True, True, False]
    for frames, options, expected in (
        (alone, {}, "expected a crystal, Lattice=.* found no cell; give its cell"),
        (slab, {}, 'found pbc="T T F"'),
        (bulk("Cu", cubic=True), {}, "is bonded to its own periodic image"),
        (bulk("Cu", cubic=True), {"tested": springs}, "is bonded to its own periodic image"),
        (nitrogen(), {"tested": PotentialOptions(calculator="gfn2-xtb")}, "gfn2-xtb: moves molecules without a cell"),
        (nitrogen(), {"tested": PotentialOptions(model=tmp_path / "model.pt")}, "moves molecules without a cell"),
        (
            nitrogen(),
            {"tested": PotentialOptions(calculator=f"{__name__}:Blind")},
            "expected a calculator that knows of",
        ),
        (nitrogen(), {"rdf_to": -1.0}, "rdf-to: expected"),
        (nitrogen(), {"rdf_to": 500.0, "bin_width": 1.0}, "rdf-to: 500.0 Å asks for .* atoms in the repeated cell"),
        (nitrogen(), {"rdf_output": tmp_path / "g.csv"}, r"rdf-output: expected the name of a netCDF file \(.nc\)"),
        (nitrogen(), {"trajectory_output": tmp_path / "t.xyz"}, "there are no dynamics without --calculator"),
        (nitrogen(), {"formula": "CO"}, "formula: expected one of those of"),
    ):
        write(tmp_path / "frames.xyz", frames, format="extxyz")
        with pytest.raises(DensnetError, match=expected) as refused:
            crystal(tmp_path / "frames.xyz", **options)  # type: ignore[arg-type]
        assert "\n" not in str(refused.value)
    torn = [nitrogen(), nitrogen()]
    broken(torn[1])
    for replica, frame in enumerate(torn):
        frame.info["replica"] = replica
    write(tmp_path / "torn.xyz", torn, format="extxyz")
    with pytest.raises(DensnetError, match=r"N1-N2 broken, .* in frame 1 of replica 2; expected whole molecules"):
        crystal(tmp_path / "torn.xyz")
    water = molecule("H2O")
    water.set_cell([5, 5, 5])
    water.pbc = True
    write(tmp_path / "water.xyz", water, format="extxyz")
    with pytest.raises(DensnetError, match=r"against: expected a trajectory of 4 N2, .* found 1 H2O in"):
        crystal(tmp_path / "frames.xyz", against=tmp_path / "water.xyz")
