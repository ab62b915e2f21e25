"""Orientation: rotational diffusion, free rotation, alignment, and molecules that the cell cuts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.build import molecule
from ase.io import write
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from densnet.bonds import bond_tree, made_whole
from densnet.cli.validate.orientation import orientation
from densnet.dynamics.export import export_trajectory
from densnet.errors import DensnetError
from densnet.io.netcdf import variable, write_dataset
from densnet.potential import Array
from densnet.report.orientation_text import alignment_text, reorientation_text
from densnet.validation.molecular_axes import carried_axes, principal_axes, rotations_from, whole_molecules
from densnet.validation.motion import Motion, read_motion
from densnet.validation.reorientation import alignment, block_error, c2, p2, reorientation

WATER = molecule("H2O")
LONG = molecule("CH3CH2OH")
STEP = 0.01
"""Mean square of a component of a step's rotation vector, 2 D Δt."""


def moved(atoms: Atoms, turns: Array, cell: Array | None = None) -> Motion:
    """Return the motion of a rigid molecule by rotation matrices (replica, time, 3, 3), 10 fs apart."""
    positions = np.einsum("rtxy,iy->rtix", turns, atoms.positions)
    cells = np.broadcast_to(np.zeros((3, 3)) if cell is None else cell, (*turns.shape[:2], 3, 3))
    periodic = np.full(3, cell is not None)
    return Motion("made", atoms.numbers, atoms.get_masses(), positions, cells, periodic, 10.0)


def diffusing(replicas: int, frames: int, seed: int) -> Array:
    """Return rotations (replica, time, 3, 3) made of small random steps."""
    steps = np.random.default_rng(seed).normal(0, np.sqrt(STEP), (frames, replicas, 3))
    turns = np.empty((frames, replicas, 3, 3))
    turns[0] = np.eye(3)
    for t in range(1, frames):
        turns[t] = Rotation.from_rotvec(steps[t]).as_matrix() @ turns[t - 1]
    return turns.swapaxes(0, 1)


def scattered(atoms: Atoms, turns: Rotation, cell: Array, seed: int = 0) -> Atoms:
    """Return turned copies of a molecule on a grid in a cell, wrapped into it at random."""
    side = round(len(turns) ** (1 / 3))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3), axis=-1).reshape(-1, 3) / side
    copies = [Atoms(atoms.numbers, turn.apply(atoms.positions)) for turn in turns]
    for copy, place in zip(copies, grid, strict=True):
        copy.positions += place @ cell
    together = copies[0]
    for copy in copies[1:]:
        together += copy
    together.set_cell(cell)
    together.pbc = True
    together.positions += np.random.default_rng(seed).uniform(size=3) @ cell
    together.wrap()
    return together


def findings(path: Path) -> dict[tuple[str, str], float]:
    with path.open(encoding="utf-8") as opened:
        return {(row["what"], row["condition"]): float(row["value"]) for row in csv.DictReader(opened)}


def test_rotational_diffusion_decays_with_six_d() -> None:
    turning = reorientation(whole_molecules(moved(WATER, diffusing(48, 1500, 1))), 10.0, "made")
    assert [each.axis for each in turning] == ["smallest", "middle", "largest"]
    for each in turning:
        expected = np.exp(-3 * STEP * np.arange(len(each.time)))
        assert each.time[1] == pytest.approx(0.01) and each.replicas[:, 0] == pytest.approx(1)
        # steps of a finite size make C2 smaller by 2e-3 at most (exactly, E[χ₂]/5 of a Maxwell distribution of angles)
        off = np.abs(each.mean - expected)[1:] - 2e-3
        # 750 correlated times: four errors are not exceeded by chance
        assert each.error is not None and (off < 4 * each.error[1:]).all()
        assert each.correlation_times is not None
        mean, error = each.correlation_times.mean(), each.correlation_times.std(ddof=1) / np.sqrt(48)
        assert abs(mean - 0.01 / (3 * STEP)) < 3 * error and error < 0.02
    assert "integral correlation time" in reorientation_text(turning)


def test_c2_is_the_average_over_origins() -> None:
    axes = np.random.default_rng(2).normal(size=(2, 21, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    for lag in range(11):
        cosine = np.einsum("rtx,rtx->rt", axes[:, : 21 - lag], axes[:, lag:])
        assert c2(axes)[:, lag] == pytest.approx((1.5 * cosine**2 - 0.5).mean(axis=1))


def test_what_turns_freely_about_one_axis_has_no_correlation_time() -> None:
    angles = 0.05 * np.arange(2000) * np.random.default_rng(3).normal(1, 0.3, (8, 1))
    about_x = np.zeros((8, 2000, 3))
    about_x[..., 0] = angles
    turns = Rotation.from_rotvec(about_x.reshape(-1, 3)).as_matrix().reshape(8, 2000, 3, 3)
    turning = reorientation(whole_molecules(moved(WATER, turns)), 10.0, "made")
    for each in turning:
        # water lies in the plane of y and z: two axes turn as cos φ, P2 = 1/4 + 3/4 cos 2φ, and the third is x
        lies_still = each.axis == "largest"
        assert each.mean[-200:].mean() == pytest.approx(1.0 if lies_still else 0.25, abs=0.05)
        assert each.correlation_times is None
    assert reorientation_text(turning).count("has not decayed to zero") == 3


def test_molecules_that_vibrate_turn_as_their_reference_does() -> None:
    turns = diffusing(1, 50, 4)
    motion = moved(LONG, turns)
    motion.positions[:] += np.random.default_rng(5).normal(0, 0.02, motion.positions.shape)
    motion.positions[0, 0] = LONG.positions + 3.0
    axes = carried_axes(whole_molecules(motion))[0, :, 0]
    still = axes[0] @ turns[0, 0].T
    # 0.02 Å at the ends of a molecule of some 1 to 3 Å
    assert np.abs(axes - np.einsum("txy,ky->tkx", turns[0], still)).max() < 0.1
    assert np.linalg.det(rotations_from(motion.masses, motion.positions[0, 0], motion.positions[0])) == pytest.approx(1)


def test_moments_are_those_of_ase() -> None:
    moments, axes = principal_axes(LONG.get_masses(), LONG.positions)
    assert moments == pytest.approx(LONG.get_moments_of_inertia())
    assert axes @ axes.T == pytest.approx(np.eye(3))


CELL = np.array([[40.0, 0, 0], [5.0, 38.0, 0], [-4.0, 6.0, 42.0]])


def read(atoms: Atoms | list[Atoms], folder: Path) -> Motion:
    write(folder / "frames.xyz", atoms, format="extxyz")
    return read_motion(folder / "frames.xyz")


def test_parallel_molecules_have_p2_of_one_also_where_the_cell_cuts_them(tmp_path: Path) -> None:
    turn = Rotation.random(random_state=1)
    crystal = scattered(LONG, Rotation.concatenate([turn] * 27), CELL)
    motion = read(crystal, tmp_path)
    assert np.abs(np.diff(crystal.positions.reshape(27, 9, 3), axis=1)).max() > 20, "no molecule is cut"
    molecules = whole_molecules(motion)
    for each in alignment(molecules, "crystal"):
        assert each.molecules == 27 and each.mean == pytest.approx(1, abs=1e-6) and each.error is None
    moments, _ = principal_axes(LONG.get_masses(), LONG.positions)
    assert principal_axes(molecules.masses, molecules.positions[0, 0])[0] == pytest.approx(
        np.broadcast_to(moments, (27, 3)), rel=1e-5
    )
    # the axis of a molecule, cut or not, is that of the molecule alone
    axis = turn.apply(principal_axes(LONG.get_masses(), LONG.positions)[1][0])
    assert np.abs(carried_axes(molecules)[0, 0, :, 0] @ axis) == pytest.approx(1, abs=1e-6)
    top = scattered(molecule("CH3CN"), Rotation.concatenate([turn] * 8), CELL)
    aligned = alignment(whole_molecules(read(top, tmp_path)), "crystal")
    assert "The middle and the largest moment are nearly the same" in alignment_text(aligned)
    assert aligned[0].mean == pytest.approx(1, abs=1e-6) and aligned[1].gap == aligned[2].gap < 1e-4 < aligned[0].gap


def test_molecules_at_random_have_p2_near_zero_and_turning_all_changes_nothing(tmp_path: Path) -> None:
    cell = 2 * CELL
    crystal = scattered(WATER, Rotation.random(343, random_state=2), cell)
    before = [each.mean for each in alignment(whole_molecules(read(crystal, tmp_path)), "random")]
    # 0.8 ± 0.3 times 1/√N, by trials; 2.1 is the largest of 2000
    assert all(0 < mean < 2 * 343**-0.5 for mean in before)
    whole = Rotation.random(random_state=3)
    crystal.set_cell(whole.apply(cell))
    crystal.positions = whole.apply(crystal.positions)
    after = [each.mean for each in alignment(whole_molecules(read(crystal, tmp_path)), "turned")]
    # the file has eight decimals
    assert after == pytest.approx(before, abs=1e-6)
    half = np.array([[[1.0, 0, 0]] * 2, [[0, 1.0, 0], [1.0, 0, 0]]])
    assert p2(half) == pytest.approx([1.0, 0.25])


def test_the_error_of_a_correlated_mean_is_that_of_its_blocks() -> None:
    generator = np.random.default_rng(6)
    steps = np.repeat(generator.normal(size=(20, 64)), 16, axis=1)
    error = block_error(steps)
    # 1280 independent values, each 16 times; errors from the fewest blocks, eight or more, scatter by a third
    assert error is not None and 0.9 / np.sqrt(1280) < error < 2 / np.sqrt(1280)
    assert block_error(np.zeros((1, 7))) is None


def test_what_an_export_says_is_what_the_trajectory_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    motion = moved(WATER, diffusing(3, 40, 7))
    shape = motion.positions.shape
    zeros = np.zeros(shape[:2])
    data = {
        "positions": variable(("replica", "time", "atom", "x"), motion.positions, "angstrom", "positions"),
        "velocities": variable(("replica", "time", "atom", "x"), np.zeros(shape), "angstrom/fs", "velocities"),
        "dipole": variable(("replica", "time", "x"), np.zeros((*shape[:2], 3)), "e angstrom", "dipole"),
        "energy_potential": variable(("replica", "time"), zeros, "eV", "energy"),
        "numbers": variable(("atom",), motion.numbers, "1", "atomic numbers"),
        "masses": variable(("atom",), motion.masses, "Da", "masses"),
        "time": variable(("time",), 10.0 * np.arange(shape[1]), "fs", "time"),
    }
    write_dataset(xr.Dataset(data), tmp_path / "md.nc", stage="md", method_version=1, settings={})
    export_trajectory(tmp_path / "md.nc", tmp_path / "md.xyz")
    values = []
    for name in ("md.nc", "md.xyz"):
        orientation(tmp_path / name, output=tmp_path / "orientation.csv")
        read_back = findings(tmp_path / "orientation.csv")
        assert any(what == "C2: standard error" for what, _ in read_back)
        values.append([*read_back.values()])
    # eight decimals of an Angstrom
    assert values[0] == pytest.approx(values[1], abs=1e-5)
    assert "standard error over 3 replicas" in capsys.readouterr().out
    with pytest.raises(DensnetError, match=r"interval-fs: .* says that it is 10 fs"):
        orientation(tmp_path / "md.xyz", interval_fs=10.0)
    with pytest.raises(DensnetError, match="expected two molecules or more for P2, found one, H2O"):
        orientation(tmp_path / "md.nc", order=True)


def test_a_cluster_has_p2_with_an_error_and_formulas_are_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = []
    for seed in range(20):
        cluster = scattered(WATER, Rotation.random(8, random_state=seed), np.eye(3) * 12)
        cluster.positions[:] = whole_molecules(read(cluster, tmp_path)).positions[0, 0].reshape(-1, 3)
        cluster.set_cell(None)
        cluster.pbc = False
        cluster += Atoms("N2", [[50.0, 0, 0], [50.0, 0, 1.1]])
        frames.append(cluster)
    write(tmp_path / "cluster.xyz", frames, format="extxyz")
    for formula in ("H2O", "OH2"):
        orientation(tmp_path / "cluster.xyz", order=True, formula=formula, output=tmp_path / "p2.csv")
    named = {what: value for (what, _), value in findings(tmp_path / "p2.csv").items()}
    assert named["molecules"] == 8 and named["frames"] == 20 and 0 < named["P2: standard error"] < named["P2"] < 1
    orientation(tmp_path / "cluster.xyz", formula="N2", interval_fs=1.0)
    assert "A linear molecule has one axis" in capsys.readouterr().out
    for options, expected in (
        ({"order": True}, "expected molecules of one formula, found 8 H2O, 1 N2; choose one by --formula"),
        ({"order": True, "formula": "CO"}, "formula: expected one of those of .*, 8 H2O, 1 N2, found 'CO'"),
        ({"order": True, "formula": "h2o!"}, "formula: expected one like C2H6O, found 'h2o!'"),
        ({"order": True, "formula": "N2"}, "expected two molecules or more for P2, found one, N2"),
        ({"formula": "H2O", "interval_fs": 1.0}, "expected one molecule, found 8 H2O; use --order"),
        ({"formula": "N2"}, "does not say the time between its frames"),
        ({"formula": "N2", "interval_fs": -1.0}, "interval-fs: expected a positive number"),
    ):
        with pytest.raises(DensnetError, match=expected):
            orientation(tmp_path / "cluster.xyz", **options)  # type: ignore[arg-type]


def broken(frame: Atoms) -> Atoms:
    frame.positions[1] += 5.0
    return frame


def test_what_has_no_molecules_is_one_line(tmp_path: Path) -> None:
    from ase.build import bulk

    other = molecule("CO2")
    for frames, expected in (
        (bulk("C", "diamond", cubic=True), "C8 is bonded to its own periodic image"),
        (Atoms("Ar2", [[0.0, 0, 0], [0, 0, 5.0]]), "Ar is a single atom"),
        (Atoms(), "expected frames with atoms, found none"),
        ([WATER.copy(), other], "expected the atoms of the first frame in each, found others in frame 2"),
        ([WATER.copy(), broken(WATER.copy())], r"the bond O1-H2 of the first frame is .* Å long in frame 2"),
    ):
        write(tmp_path / "frames.xyz", frames, format="extxyz")
        with pytest.raises(DensnetError, match=expected) as refused:
            orientation(tmp_path / "frames.xyz", order=True)
        assert "\n" not in str(refused.value)
    for text, expected in (
        ("", "expected frames with atoms, found none"),
        ("not an xyz", "or extended xyz"),
        ("3\n\nO 0 0 0\n", "or extended xyz"),
        ("1\n\nO nan 0 0\n", "a position in frame 1 is not a finite number"),
        ('2\nLattice="1 0 0 2 0 0 0 0 1"\nH 0 0 0\nH 0 0 .7\n', "Lattice= of frame 1 spans no cell"),
    ):
        (tmp_path / "frames.xyz").write_text(text)
        with pytest.raises(DensnetError, match=expected):
            orientation(tmp_path / "frames.xyz", order=True)
    with pytest.raises(DensnetError, match="no such file"):
        orientation(tmp_path / "gone.xyz", order=True)


def test_a_way_along_bonds_reaches_every_atom_and_undoes_wrapping() -> None:
    crystal = scattered(LONG, Rotation.random(27, random_state=5), CELL)
    tree = bond_tree(crystal.numbers, crystal.positions, CELL, np.ones(3, dtype=bool))
    counted: NDArray[np.int64] = np.bincount(tree.molecule)
    assert counted.tolist() == [9] * 27 and not tree.endless.any()
    assert sorted(atom for level in tree.levels for atom in level[:, 1]) == [i for i in range(243) if i % 9]
    whole = made_whole(crystal.numbers, crystal.positions, CELL)
    assert whole is not None
    lengths = np.linalg.norm(np.diff(whole.reshape(27, 9, 3), axis=1), axis=-1)
    assert lengths == pytest.approx(np.tile(np.linalg.norm(np.diff(LONG.positions, axis=0), axis=-1), (27, 1)))
