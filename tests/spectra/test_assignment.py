"""Kinetic energy by kinds of motion: Wilson's vectors against differences, pure motions, sums, one line."""

from __future__ import annotations

from pathlib import Path

import ase.data
import numpy as np
import pytest
import xarray as xr
from ase.data import atomic_numbers
from scipy.spatial.transform import Rotation

from densnet.bonds import bond_name
from densnet.cli.assign import assign_motions
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.oligomer import oligomer, torsion_angles
from densnet.spectra.assignment import PARTS, assign, line_shares, motions
from densnet.spectra.internal_coordinates import InternalCoordinates
from densnet.spectra.settings import SpectrumSettings
from densnet.units import DALTON_ANGSTROM2_PER_FS2_IN_EV, SPEED_OF_LIGHT_IN_CM_PER_FS

WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]])
WATER_NUMBERS = np.array([8, 1, 1])


def chain() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return numbers, a crooked geometry and the units of a bithiophene."""
    found = oligomer("thiophene", 2, count=2, seed=1)
    noise = 0.05 * np.random.default_rng(0).standard_normal(found.molecules[1].positions.shape)
    return found.molecules[1].numbers, found.molecules[1].positions + noise, found.unit


def test_derivatives_are_those_of_the_coordinates() -> None:
    numbers, positions, _ = chain()
    coordinates = InternalCoordinates.of(numbers, positions)
    # 17 bonds of 16 atoms in two rings; carbons have three neighbours and so three bends, sulphurs one
    assert (len(coordinates.stretches), len(coordinates.bends)) == (17, 8 * 3 + 2)

    def angle(r: np.ndarray, i: int, j: int, k: int) -> float:
        u, v = r[i] - r[j], r[k] - r[j]
        return float(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))

    def values(r: np.ndarray) -> dict[str, np.ndarray]:
        i, j = coordinates.stretches.T
        return {
            "stretch": np.linalg.norm(r[i] - r[j], axis=1),
            "bend": np.array([angle(r, *bend) for bend in coordinates.bends]),
            "torsion": np.radians(torsion_angles(r, coordinates.torsions)),
        }

    direction = np.random.default_rng(1).standard_normal(positions.shape)
    step = 1e-5
    ahead, behind = values(positions + step * direction), values(positions - step * direction)
    for kind, derivatives in coordinates.derivatives(positions[None]).items():
        change = ahead[kind] - behind[kind]
        if kind == "torsion":
            change = (change + np.pi) % (2 * np.pi) - np.pi
        np.testing.assert_allclose(derivatives[0] @ direction.ravel(), change / (2 * step), atol=1e-8)


def test_all_motion_but_that_of_the_whole_is_stretches_bends_and_torsions() -> None:
    numbers, positions, _ = chain()
    masses = ase.data.atomic_masses[numbers]
    found = motions(InternalCoordinates.of(numbers, positions), positions[None], masses)
    basis = np.concatenate([e[0] for e in found.of.values()])
    # Löwdin's vectors share redundant motions: their projector is what counts, one for each of 3 · 16 - 6 motions
    projector = basis.T @ basis
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-8)
    assert np.trace(projector) == pytest.approx(3 * len(numbers) - 6)
    root = np.repeat(masses, 3) ** 0.5
    turning = np.cross([0.3, -0.5, 0.2], positions).ravel() * root
    parts = found.components(turning[None])
    assert float(np.abs(parts["rest"] - turning).max()) < 1e-9 * np.abs(turning).max()


def test_out_of_a_plane_is_torsion_however_the_molecule_vibrates() -> None:
    """Thiophene, flat by symmetry, 0.03 Å off its plane: parts still sum to the whole, and the hydrogen's swing is none
    of bends, whose vectors have a little of it wherever their atom is not in the plane."""
    flat = oligomer("thiophene", 1, count=1).molecules[0]
    numbers, masses = flat.numbers, ase.data.atomic_masses[flat.numbers]
    positions = flat.positions + 0.03 * np.random.default_rng(4).standard_normal((40, len(numbers), 3))
    found = motions(InternalCoordinates.of(numbers, flat.positions), positions, masses)
    heavy = flat.positions[numbers > 1]
    normal = np.linalg.svd(heavy - heavy.mean(0))[2][2]
    swing = np.zeros((len(numbers), 3))
    swing[np.flatnonzero(numbers == 1)[0]] = normal
    w = np.broadcast_to(swing.ravel(), (len(positions), swing.size))
    energy = {kind: (part**2).sum(1) for kind, part in found.components(w).items()}
    np.testing.assert_allclose(sum(energy.values()), 1.0, atol=1e-8)
    # the rest turns the molecule about an axis in its plane
    assert energy["torsion"].mean() > 0.8
    assert energy["bend"].mean() < 0.03


@pytest.mark.parametrize("kind", ["stretch", "bend"])
def test_a_pure_motion_is_of_its_kind(kind: str) -> None:
    masses = ase.data.atomic_masses[WATER_NUMBERS]
    coordinates = InternalCoordinates.of(WATER_NUMBERS, WATER)
    found = motions(coordinates, WATER[None], masses)
    for row in found.of[kind][0]:
        parts = found.components(row[None])
        total = sum(float((part**2).sum()) for part in parts.values())
        assert float((parts[kind] ** 2).sum()) == pytest.approx(total)


def trajectory(numbers: np.ndarray, positions: np.ndarray, velocities: np.ndarray, interval: float) -> xr.Dataset:
    vector = ("replica", "time", "atom", "x")
    time = np.arange(positions.shape[1]) * interval
    return xr.Dataset(
        {
            "positions": variable(vector, positions, "angstrom", "positions"),
            "velocities": variable(vector, velocities, "angstrom/fs", "velocities"),
            "numbers": variable(("atom",), numbers, "1", "numbers"),
            "masses": variable(("atom",), ase.data.atomic_masses[numbers], "Da", "masses"),
        },
        coords={"time": variable(("time",), time, "fs", "time")},
    )


def shaken(kind: str, wavenumber: float, amplitude: float) -> xr.Dataset:
    """Return water whose motions of one kind swing with one frequency, 1 ps in steps of 1 fs."""
    time = np.arange(1000.0)
    omega = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * wavenumber
    masses = ase.data.atomic_masses[WATER_NUMBERS]
    e = motions(InternalCoordinates.of(WATER_NUMBERS, WATER), WATER[None], masses).of[kind][0]
    swing = (e[np.argmax(np.linalg.norm(e, axis=1))] / np.repeat(masses, 3) ** 0.5).reshape(3, 3)
    positions = WATER + amplitude * np.sin(omega * time)[:, None, None] * swing
    velocities = amplitude * omega * np.cos(omega * time)[:, None, None] * swing
    return trajectory(WATER_NUMBERS, positions[None], velocities[None], 1.0)


@pytest.mark.parametrize(("kind", "wavenumber"), [("stretch", 3500.0), ("bend", 1600.0)])
def test_one_oscillator_is_one_line_of_its_kind_with_all_its_energy(kind: str, wavenumber: float) -> None:
    amplitude = 1e-3
    found = assign(shaken(kind, wavenumber, amplitude), SpectrumSettings(resolution=100.0))
    total = dict(zip(PARTS, found["kinetic_energy_total"].values, strict=True))
    omega = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * wavenumber
    # ⟨½ (A ω cos)²⟩, A in Å √Da
    expected = 0.25 * (amplitude * omega) ** 2 * DALTON_ANGSTROM2_PER_FS2_IN_EV
    assert total[kind] == pytest.approx(expected, rel=0.02)
    others = sum(energy for name, energy in total.items() if name != kind)
    assert others < 1e-3 * expected
    peak = float(found["wavenumber"][found["kinetic_energy"].sel(kind=kind).argmax()])
    assert abs(peak - wavenumber) < 40
    shares = line_shares(found, np.array([wavenumber]))
    assert shares[0, PARTS.index(kind)] > 0.99


@pytest.mark.parametrize(
    ("first", "second", "length", "name"),
    [
        ("C", "C", 1.54, "C-C"), ("C", "C", 1.40, "C=C"), ("C", "C", 1.20, "C≡C"), ("O", "C", 1.43, "C-O"),
        ("O", "C", 1.21, "C=O"), ("C", "O", 1.16, "C=O"), ("C", "N", 1.36, "C-N"), ("N", "C", 1.16, "C≡N"),
        ("H", "O", 0.96, "O-H"), ("S", "C", 1.72, "C-S"), ("Cl", "C", 1.77, "C-Cl"),
    ],
)  # fmt: skip
def test_bonds_are_named_as_chemists_do(first: str, second: str, length: float, name: str) -> None:
    """Lengths of ethane, benzene, ethyne, ethanol, formaldehyde, CO2, an amide, HCN, water, thiophene, a chloride."""
    assert bond_name(atomic_numbers[first], atomic_numbers[second], length) == name


def test_names_share_the_energy_of_their_kind() -> None:
    numbers, positions, _ = chain()
    rng = np.random.default_rng(7)
    shape = (2, 600, *positions.shape)
    moved = trajectory(numbers, positions + 0.01 * rng.normal(size=shape), 0.01 * rng.normal(size=shape), 1.0)
    found = assign(moved, SpectrumSettings(resolution=200.0))
    names = found["name"].values.astype(str)
    assert {"C-H stretch", "C-S stretch", "C=C stretch", "C-C-H bend", "C-S-C bend"} <= set(names)
    for kind in ("stretch", "bend", "torsion"):
        alike = [name.split()[-1] == kind for name in names]
        parts = found["kinetic_energy_by_name"].values[alike].sum(0)
        np.testing.assert_allclose(parts, found["kinetic_energy"].sel(kind=kind).values, rtol=1e-10)


def test_the_time_steps_shift_is_undone_as_in_the_spectrum() -> None:
    """A line that velocity Verlet shows at ω is one of (2/Δt) sin(ωΔt/2): at 1 fs some 60 1/cm lower."""
    moved = shaken("stretch", 3500.0, 1e-3)
    found = assign(moved, SpectrumSettings(resolution=100.0))
    moved.attrs["timestep_fs"] = 1.0
    undone = assign(moved, SpectrumSettings(resolution=100.0))
    peaks = [
        float(one["wavenumber"][int(one["kinetic_energy"].sum("kind").argmax("wavenumber"))]) for one in (found, undone)
    ]
    half = np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * peaks[0]
    assert peaks[0] - peaks[1] > 55
    assert peaks[1] == pytest.approx(peaks[0] * np.sin(half) / half, rel=1e-9)
    np.testing.assert_allclose(undone["kinetic_energy_total"], found["kinetic_energy_total"])


def test_kinetic_energy_is_whole_by_kind_and_by_unit() -> None:
    numbers, positions, unit = chain()
    random = np.random.default_rng(2)
    velocities = 1e-3 * random.standard_normal((2, 600, len(numbers), 3))
    moved = trajectory(numbers, np.broadcast_to(positions, velocities.shape), velocities, 1.0)
    settings = SpectrumSettings(resolution=200.0, wavenumber_min=0.0, wavenumber_max=20000.0)
    found = assign(moved, settings, unit)
    masses = ase.data.atomic_masses[numbers]
    kinetic = 0.5 * DALTON_ANGSTROM2_PER_FS2_IN_EV * np.einsum("i,rtix->rt", masses, velocities**2).mean()
    # Welch's windows weigh the noise of 600 steps unevenly
    assert float(found["kinetic_energy_total"].sum()) == pytest.approx(kinetic, rel=0.02)
    internal = float(found["kinetic_energy"].sel(kind=list(PARTS[:-1])).sum())
    assert float(found["kinetic_energy_by_unit"].sum()) == pytest.approx(internal, rel=1e-6)
    assert found.sizes["unit"] == 2
    # white noise: each unit has as much of any line as it has of the mass-weighted motion, about half
    shares = line_shares(found, np.array([2000.0, 9000.0]), of="kinetic_energy_by_unit")
    np.testing.assert_allclose(shares.sum(1), 1.0)
    assert ((shares > 0.3) & (shares < 0.7)).all()


def test_the_verb_assigns_lines_and_refuses_units_of_another_molecule(tmp_path: Path) -> None:
    moved = shaken("stretch", 3500.0, 1e-3)
    write_dataset(moved, tmp_path / "t.nc", stage="md", method_version=1, settings={})
    lines = xr.Dataset({"line_wavenumber": variable(("line",), np.array([3500.0]), "cm-1", "line")})
    write_dataset(lines, tmp_path / "s.nc", stage="spectrum", method_version=1, settings={})
    settings = SpectrumSettings(resolution=100.0)
    assign_motions(
        trajectory=tmp_path / "t.nc", output=tmp_path / "a.nc", spectrum=tmp_path / "s.nc", settings=settings
    )
    assert read_dataset(tmp_path / "a.nc", stage="assign")["kind"].values.tolist() == list(PARTS)
    with pytest.raises(DensnetError, match="units: expected one for each of the 3 atoms, found 5"):
        assign(moved, settings, np.zeros(5, dtype=int))
    with pytest.raises(DensnetError, match="resolution"):
        assign(moved, SpectrumSettings(resolution=5.0))


def test_atoms_in_a_row_bend_in_two_directions() -> None:
    """HCN: five of nine motions are rigid, two are stretches, two the bend across the axis; nothing is left over."""
    numbers, positions = np.array([1, 6, 7]), np.array([[0.0, 0, -1.07], [0, 0, 0], [0, 0, 1.15]])
    turned = positions @ Rotation.from_euler("xyz", [0.4, 1.1, -0.7]).as_matrix().T
    coordinates = InternalCoordinates.of(numbers, turned)
    assert len(coordinates.bends) == 0 and len(coordinates.linear) == 1 and len(coordinates.torsions) == 0
    found = coordinates.derivatives(turned[None])
    everything = np.concatenate([found[kind][0] for kind in ("stretch", "bend")])
    assert np.linalg.matrix_rank(everything, tol=1e-8) == 4
    # neither a translation nor a rotation is a bend
    rigid = [np.tile(axis, 3) for axis in np.eye(3)] + [np.cross(axis, turned).ravel() for axis in np.eye(3)]
    np.testing.assert_allclose(everything @ np.array(rigid).T, 0, atol=1e-12)
    assert coordinates.names(numbers, turned[None])["bend"] == ["N-C-H bend"] * 2
