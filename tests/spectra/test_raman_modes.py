"""Raman activities of harmonic modes: of a spring in closed form, of methane by symmetry, and as a spectrum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from raman_examples import ISOTROPIC, TEMPERATURE, TRACELESS, polar_trajectory, thermal_polarizability

from densnet.cli import displace
from densnet.cli import harmonic as verb
from densnet.cli.harmonic import harmonic_modes
from densnet.dynamics.settings import DynamicsSettings
from densnet.dynamics.simulation import simulate
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.mechanics.relaxation import relaxed
from densnet.molecule import Molecule, from_smiles
from densnet.potential import Array, Potential, Quantities
from densnet.potentials import named
from densnet.potentials.reference import ReferencePotential
from densnet.reference.labels import label_shard
from densnet.reference.level import LevelOfTheory
from densnet.spectra.harmonic import displaced, harmonic
from densnet.spectra.minimum import minimum
from densnet.spectra.raman import cross_section_factor, raman_of_trajectory
from densnet.spectra.raman_modes import RamanModes, raman_harmonic_spectrum, raman_modes
from densnet.spectra.settings import SpectrumSettings

COULOMB = 14.399645
"""e²/(4π ε0) in eV Å, from tables."""
MASSES = np.array([1.0, 3.0])
REDUCED = 0.75


class Bond(Potential):
    """A diatomic on a spring; along the bond u and across its polarizability grows by a slope with its length."""

    name = "bond"
    numbers = np.array([1, 1])
    quantities = frozenset({"energy", "forces", "dipole"})

    def __init__(self, along: float = 0.5, across: float = 0.2) -> None:
        self.along, self.across = along, across

    def __call__(self, positions: Array) -> Quantities:
        bond = positions[:, 1] - positions[:, 0]
        length = np.linalg.norm(bond, axis=1)
        pull = (30.0 * (length - 1.1) / length)[:, None] * bond
        energy = 15.0 * (length - 1.1) ** 2
        return {"energy": energy, "forces": np.stack([pull, -pull], axis=1), "dipole": 0.0 * bond}

    def polarizability(self, positions: Array) -> Array:
        bond = positions[:, 1] - positions[:, 0]
        length = np.linalg.norm(bond, axis=1)[:, None, None]
        uu = bond[:, :, None] * bond[:, None, :] / length**2
        return np.asarray((1.0 + self.along * length) * uu + (0.5 + self.across * length) * (np.eye(3) - uu))


def modes_of(potential: Potential, positions: Array, masses: Array) -> RamanModes:
    return raman_modes(potential, positions, masses, harmonic(potential, positions, masses).modes)


@pytest.mark.parametrize(("along", "across"), [(0.5, 0.2), (0.3, 0.3), (0.4, -0.2)], ids=["both", "a", "b"])
def test_a_bond_has_the_activity_of_its_slopes(along: float, across: float) -> None:
    direction = np.array([1.0, -2.0, 0.5]) / np.sqrt(5.25)
    found = modes_of(Bond(along, across), np.stack([0 * direction, 1.1 * direction]) + 0.7, MASSES)
    a2 = COULOMB**2 * ((along + 2 * across) / 3) ** 2 / REDUCED
    gamma2 = COULOMB**2 * (along - across) ** 2 / REDUCED
    # of central differences: the length is quadratic in steps across, some 1e-5
    assert found.activity == pytest.approx([45 * a2 + 7 * gamma2], rel=1e-4)
    assert found.depolarisation == pytest.approx([3 * gamma2 / (45 * a2 + 4 * gamma2)], rel=1e-4, abs=1e-7)
    assert 0 <= found.depolarisation[0] <= 0.75 + 1e-7


class BondSum(Potential):
    """GFN2-xTB's forces with a sum of bonds' polarizabilities: exact by symmetry whatever its numbers are."""

    def __init__(self, molecule: Molecule) -> None:
        self.gfn2 = named("gfn2-xtb")(molecule)
        self.name, self.numbers, self.quantities = "bonds", molecule.numbers, self.gfn2.quantities

    def __call__(self, positions: Array) -> Quantities:
        return self.gfn2(positions)

    def polarizability(self, positions: Array) -> Array:
        pairs = [np.stack([positions[:, 0], positions[:, n]], axis=1) for n in range(1, positions.shape[1])]
        return np.sum([Bond().polarizability(pair) for pair in pairs], axis=0)


@pytest.fixture(scope="module")
def methane() -> RamanModes:
    molecule = from_smiles("C")
    positions, modes = minimum(BondSum(molecule), molecule.positions, molecule.atomic_masses)
    return raman_modes(BondSum(molecule), positions, molecule.atomic_masses, modes.modes)


def test_symmetry_says_what_methane_scatters(methane: RamanModes) -> None:
    """Softest first f2, e, a1, f2: all may scatter; a1 alone is polarised, and of a cubic molecule wholly (ρ = 0)."""
    order = np.argsort(methane.depolarisation)
    # relaxation stops at small forces, a little off Td, where some per cent of a1 mix into the f2 stretches
    assert methane.depolarisation[order[0]] == pytest.approx(0.0, abs=2e-3)
    assert methane.depolarisation[order[1:]] == pytest.approx(np.full(8, 0.75), abs=2e-3)
    assert order[0] in range(5, 9) and methane.activity[order[0]] > 10.0


def test_activities_do_not_depend_on_the_frame(methane: RamanModes) -> None:
    molecule = from_smiles("C")
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))
    turned = Molecule(molecule.numbers, molecule.positions @ turn.T + [1.0, -2.0, 3.0])
    positions, modes = minimum(BondSum(turned), turned.positions, turned.atomic_masses)
    again = raman_modes(BondSum(turned), positions, turned.atomic_masses, modes.modes)
    # degenerate modes mix, their sums do not change; the relaxation stops at small forces
    for shell in (slice(0, 3), slice(3, 5)):
        assert again.activity[shell].sum() == pytest.approx(methane.activity[shell].sum(), rel=1e-2)
    assert again.activity[5:].sum() == pytest.approx(methane.activity[5:].sum(), rel=1e-2)


def test_dynamics_of_an_oscillator_has_the_area_of_its_harmonic_line() -> None:
    """The same derivative with respect to the normal coordinate, by differences and by dynamics at k_B T."""
    slope = ISOTROPIC + TRACELESS
    settings = SpectrumSettings(resolution=15.0, correct_timestep=False)
    dynamics = raman_of_trajectory(polar_trajectory(thermal_polarizability([1500.0], [slope])), settings)
    a2 = COULOMB**2 * 0.09
    gamma2 = COULOMB**2 * 1.5 * (TRACELESS**2).sum()
    modes = xr.Dataset(
        {
            "wavenumber": ("mode", [-50.0, 1500.0]),
            "intensity": ("mode", [1.0, 1.0]),
            "raman_activity": ("mode", [1e3, 45 * a2 + 7 * gamma2]),
        },
        attrs={"method": "by hand/none"},
    )
    x = dynamics["wavenumber"].values
    lines = raman_harmonic_spectrum(modes, x, 15.0, settings.raman_laser_nm, TEMPERATURE)
    areas = [float(np.trapezoid(spectrum["intensity"], x)) for spectrum in (dynamics, lines)]
    # the factor changes by 3 % over the width of the line
    assert areas[0] == pytest.approx(areas[1], rel=2e-3)
    assert lines["line_wavenumber"].values.tolist() == [1500.0] and lines.attrs["kind"] == "raman"
    with pytest.raises(DensnetError, match=r"expected Raman activities, found none; run 'densnet harmonic --raman'"):
        raman_harmonic_spectrum(modes.drop_vars("raman_activity"), x, 15.0, 532.0, None)
    assert cross_section_factor(np.array([]), 532.0, None).shape == (0,)


def test_labels_in_shards_give_the_same(tmp_path: Path) -> None:
    level, water = LevelOfTheory(functional="HF", basis="STO-3G", program="pyscf"), from_smiles("O")
    geometries = displaced(relaxed(ReferencePotential(water, level, tmp_path / "relaxed"), water.positions))
    frames = xr.Dataset(
        {
            "numbers": variable(("atom",), water.numbers, "1", "atomic numbers"),
            "positions": variable(("frame", "atom", "x"), geometries, "angstrom", "positions"),
            "split": variable(("frame",), np.full(len(geometries), "test"), "1", "split"),
        },
        attrs={"charge": 0, "multiplicity": 1, "molecule": "water"},
    )
    write_dataset(frames, tmp_path / "d.nc", stage="sample", method_version=1, settings={})
    shards = [tmp_path / "0.nc", tmp_path / "1.nc"]
    for shard, path in enumerate(shards):
        labels, _ = label_shard(frames, level, shard=shard, shards=2, output=path)
        write_dataset(labels, path, stage="label", method_version=1, settings=level.decisive())
    displace.modes(displacements=tmp_path / "d.nc", shards=shards, output=tmp_path / "m.nc", raman=True)
    found = read_dataset(tmp_path / "m.nc", stage="harmonic")
    expected = modes_of(ReferencePotential(water, level, tmp_path / "direct"), geometries[0], water.atomic_masses)
    np.testing.assert_allclose(found["raman_activity"], expected.activity, rtol=1e-4)
    np.testing.assert_allclose(found["raman_depolarisation"], expected.depolarisation, atol=1e-4)


def test_from_dynamics_to_the_spectrum(tmp_path: Path) -> None:
    """A bond's ᾱ is linear in its length r: the area of a² is (dᾱ/dr)² ⟨(dr/dt)²⟩ / k_B T however it turns."""
    start = np.zeros((6, 2, 3))
    start[:, 1, 2] = 1.1
    settings = DynamicsSettings(replicas=6, thermalise_ps=0.5, production_ps=2.5, timestep_fs=0.25, stride=4)
    simulate(Bond(), start, settings, output=tmp_path / "t.nc", provenance={}, masses=MASSES)
    trajectory = read_dataset(tmp_path / "t.nc", stage="md")
    found = raman_of_trajectory(trajectory, SpectrumSettings())
    apart, velocity = (trajectory[name].diff("atom").isel(atom=0).values for name in ("positions", "velocities"))
    r = np.linalg.norm(apart, axis=2)
    rate = ((apart * velocity).sum(axis=2) / r) ** 2
    # eV in Da Å²/fs²
    thermal = 8.617333e-5 * settings.temperature * 9.648533e-3
    expected = (COULOMB * (0.5 + 2 * 0.2) / 3) ** 2 * rate.mean() / thermal
    # Verlet's velocities are lower than the rate of its positions by 2/3 (ω Δt/2)² = 0.4 %
    assert float(np.trapezoid(found["isotropic"], found["wavenumber"])) == pytest.approx(expected, rel=0.01)
    stretch = harmonic(Bond(), start[0], MASSES).wavenumber[-1]
    # rotation stretches the bond a little; γ² has wings and its maxima there
    assert float(found["isotropic"].idxmax("wavenumber")) == pytest.approx(stretch, abs=10.0)


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(DensnetError, match=r"gfn2-xtb: gives no polarizability, needed for Raman activities; choose"):
        harmonic_modes(output=tmp_path / "none.nc", potential="gfn2-xtb", smiles="C", raman=True)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(verb, "named", lambda name: BondSum)
    harmonic_modes(output=tmp_path / "h.nc", potential="bonds", smiles="C", raman=True)
    table = capsys.readouterr().err.splitlines()
    assert table[0].split()[:4] == ["1/cm", "km/mol", "Å⁴/Da", "depolarisation"]
    found = read_dataset(tmp_path / "h.nc", stage="harmonic")
    assert found["raman_activity"].dims == ("mode",) and found["raman_activity"].attrs["units"] == "angstrom4 Da-1"
    assert float(found["raman_depolarisation"].min()) == pytest.approx(0.0, abs=1e-4)
