"""Harmonic frequencies and intensities: against PySCF's analytic Hessian, and by what must not matter."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import ase.data
import numpy as np
import pytest
import xarray as xr
from pyscf import gto, scf
from pyscf.hessian import thermo
from spectra_examples import trajectory_dataset
from tblite.ase import TBLite

from densnet.cli.compare import compare
from densnet.cli.displace import displace, modes
from densnet.cli.harmonic import harmonic_modes
from densnet.cli.label import label
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.mechanics.relaxation import relaxed
from densnet.molecule import Molecule
from densnet.potential import Array, Potential, Quantities
from densnet.potentials.ase import AsePotential
from densnet.reference.level import LevelOfTheory
from densnet.spectra.assignment import PARTS
from densnet.spectra.harmonic import INTENSITY, harmonic, harmonic_dataset, harmonic_spectrum, normal_modes
from densnet.spectra.infrared import spectrum_of_trajectory
from densnet.spectra.minimum import minimum
from densnet.spectra.settings import SpectrumSettings
from densnet.units import (
    BOHR_IN_ANGSTROM,
    HARTREE_IN_EV,
    HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM,
    SPEED_OF_LIGHT_IN_CM_PER_FS,
)

NUMBERS = np.array([8, 1, 1])
MASSES = ase.data.atomic_masses[NUMBERS]
WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]])


def field(positions: np.ndarray) -> scf.hf.RHF:
    mole = gto.M(atom=[(int(z), r) for z, r in zip(NUMBERS, positions, strict=True)], basis="STO-3G", verbose=0)
    return scf.RHF(mole).run(conv_tol=1e-12)


class HartreeFock(Potential):
    """PySCF's RHF/STO-3G of water."""

    name = "hf"
    numbers = NUMBERS
    quantities = frozenset({"energy", "forces", "dipole"})

    def __call__(self, positions: Array) -> Quantities:
        fields = [field(r) for r in positions]
        gradients = [one.nuc_grad_method().kernel() for one in fields]
        return {
            "energy": np.array([one.e_tot for one in fields]) * HARTREE_IN_EV,
            "forces": -np.array(gradients) * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM,
            "dipole": np.array([one.dip_moment(unit="AU", verbose=0) for one in fields]) * BOHR_IN_ANGSTROM,
        }


class Spring(Potential):
    """A diatomic of charges ± 0.4 e on a spring of 30 eV/Angstrom²."""

    name = "spring"
    quantities = frozenset({"forces", "dipole"})

    def __call__(self, positions: Array) -> Quantities:
        bond = positions[:, 1] - positions[:, 0]
        length = np.linalg.norm(bond, axis=1, keepdims=True)
        pull = 30.0 * (length - 1.1) * bond / length
        return {"forces": np.stack([pull, -pull], axis=1), "dipole": 0.4 * bond}


@pytest.fixture(scope="module")
def water() -> np.ndarray:
    return relaxed(HartreeFock(), WATER)


@pytest.fixture(scope="module")
def analytic(water: np.ndarray) -> np.ndarray:
    """PySCF's own frequencies of water, 1/cm."""
    solved = field(water)
    hessian = solved.Hessian().kernel()
    found = thermo.harmonic_analysis(solved.mol, hessian)
    # PySCF takes isotopes' masses, ours are the elements' means: frequencies of the same Hessian with ours
    flat = hessian.transpose(0, 2, 1, 3).reshape(9, 9) * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM / BOHR_IN_ANGSTROM
    ours = normal_modes(flat, np.zeros((9, 3)), water, MASSES, 0.0)
    np.testing.assert_allclose(ours.wavenumber, found["freq_wavenumber"], rtol=3e-3)
    return ours.wavenumber


def test_water_has_the_frequencies_of_the_analytic_hessian(water: np.ndarray, analytic: np.ndarray) -> None:
    found = harmonic(HartreeFock(), water, MASSES)
    assert found.wavenumber.shape == (3,), "translations and rotations are projected out"
    # of central differences: some parts in 10⁵
    np.testing.assert_allclose(found.wavenumber, analytic, rtol=1e-4)
    np.testing.assert_allclose(found.modes @ found.modes.T, np.eye(3), atol=1e-12)
    shares = harmonic_dataset(found, NUMBERS, water, MASSES)["share"].values
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-9)
    assert shares[0, PARTS.index("bend")] > 0.95
    assert (shares[1:, PARTS.index("stretch")] > 0.95).all()


def test_frequencies_and_intensities_do_not_depend_on_the_frame(water: np.ndarray) -> None:
    found = harmonic(HartreeFock(), water, MASSES)
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))
    moved = harmonic(HartreeFock(), water @ turn.T + [1.0, -2.0, 3.0], MASSES)
    np.testing.assert_allclose(moved.wavenumber, found.wavenumber, atol=0.3)
    np.testing.assert_allclose(moved.intensity, found.intensity, atol=0.05)


def test_one_oscillator_is_one_line_of_known_place_and_strength() -> None:
    masses, k, charge = np.array([1.0, 3.0]), 30.0, 0.4
    found = harmonic(Spring(), np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 1.4]]), masses)
    reduced = 0.75
    # ω² = k/μ: 1 eV/Å²/Da is 9.6485e-3 /fs²
    omega = np.sqrt(k / reduced * 9.648533e-3)
    assert found.wavenumber == pytest.approx([omega / (2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS)], rel=1e-4)
    assert found.intensity == pytest.approx([INTENSITY * charge**2 / reduced], rel=1e-4)
    # the factor of (D/Å)²/u that tables give, 42.256 km/mol
    assert pytest.approx(42.256, rel=1e-4) == INTENSITY / 4.8032**2


def test_a_geometry_that_is_no_minimum_is_refused() -> None:
    with pytest.raises(DensnetError, match=r"harmonic: expected a relaxed geometry, found a force of"):
        harmonic(HartreeFock(), 1.1 * WATER, MASSES)


def test_from_a_saddle_point_it_goes_on_downhill() -> None:
    """Ammonia, flat: by symmetry no force leads out of the plane, and relaxation stays in it."""
    numbers, masses = np.array([7, 1, 1, 1]), ase.data.atomic_masses[np.array([7, 1, 1, 1])]
    angles = 2 * np.pi * np.arange(3) / 3
    flat = np.vstack([np.zeros(3), np.stack([np.cos(angles), np.sin(angles), np.zeros(3)], axis=1)])
    gfn2 = AsePotential(TBLite(method="GFN2-xTB", accuracy=0.01, verbosity=0), Molecule(numbers, flat))
    stuck = relaxed(gfn2, flat)
    assert np.ptp(stuck[:, 2]) < 0.01
    assert harmonic(gfn2, stuck, masses).wavenumber[0] < -100
    positions, found = minimum(gfn2, flat, masses)
    assert found.wavenumber[0] > 500, "the umbrella"
    assert np.ptp(positions[:, 2]) > 0.2


@pytest.mark.psi4
@pytest.mark.skipif(
    not (os.environ.get("CI") or os.environ.get("DENSNET_PSI4") or shutil.which("psi4")), reason="needs Psi4"
)
def test_psi4_by_the_same_scheme(water: np.ndarray, analytic: np.ndarray, tmp_path: Path) -> None:
    lines = [f"{symbol} {' '.join(f'{x:.6f}' for x in r)}" for symbol, r in zip("OHH", water, strict=True)]
    (tmp_path / "water.xyz").write_text("\n".join(["3", "", *lines, ""]))
    level = LevelOfTheory("HF", "STO-3G", energy_convergence=1e-10, density_convergence=1e-9)
    harmonic_modes(output=tmp_path / "h.nc", xyz=tmp_path / "water.xyz", level=level)
    found = read_dataset(tmp_path / "h.nc", stage="harmonic")
    np.testing.assert_allclose(found["wavenumber"], analytic, atol=1.0)
    assert found.attrs["method"] == "HF/STO-3G"
    assert list(tmp_path.glob("*.parts")) == []

    # the same in two shards: relaxed already, so that both have the same displacements
    displace(geometry=tmp_path / "h.nc", output=tmp_path / "d.nc", level=level)
    shards = [tmp_path / f"{number}.nc" for number in (0, 1)]
    for number, path in enumerate(shards):
        label(geometries=tmp_path / "d.nc", output=path, shard=number, shards=2, level=level)
    modes(displacements=tmp_path / "d.nc", shards=shards[::-1], output=tmp_path / "m.nc")
    again = read_dataset(tmp_path / "m.nc", stage="harmonic")
    np.testing.assert_allclose(again["wavenumber"], found["wavenumber"], atol=0.5)
    np.testing.assert_allclose(again["intensity"], found["intensity"], atol=0.1)
    assert again.attrs["method"] == "HF/STO-3G"
    with pytest.raises(DensnetError, match="expected the labels of the 19 displaced geometries, found 9"):
        modes(displacements=tmp_path / "d.nc", shards=shards[1:], output=tmp_path / "m.nc")


def test_a_model_by_the_same_scheme_and_what_is_refused(water_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match="expected one of --smiles, --xyz, --oligomer and --geometry"):
        harmonic_modes(output=tmp_path / "h.nc", model=water_run / "model.pt")
    with pytest.raises(DensnetError, match=r"atomic numbers: .*found \[6\]"):
        harmonic_modes(output=tmp_path / "h.nc", model=water_run / "model.pt", smiles="CO")


def test_lines_become_a_spectrum_of_the_same_areas(tmp_path: Path) -> None:
    modes = xr.Dataset(
        {
            "wavenumber": variable(("mode",), np.array([-300.0, 1650.0, 3700.0]), "cm-1", "wavenumber"),
            "intensity": variable(("mode",), np.array([90.0, 60.0, 4.0]), "km/mol", "intensity"),
        },
        attrs={"method": "PBE/def2-SVP"},
    )
    x = np.arange(100.0, 4500.0)
    spectrum = harmonic_spectrum(modes, x, 20.0)
    for low, high, area in ((100, 1000, 0.0), (1500, 1800, 60.0), (3500, 3900, 4.0)):
        inside = (x > low) & (x < high)
        assert np.trapezoid(spectrum["intensity"].values[inside], x[inside]) == pytest.approx(area, abs=1e-6)
    assert spectrum["line_wavenumber"].values.tolist() == [1650.0, 3700.0]
    # beside dynamics with the same lines it is a peer, with intervals by the replicas of the dynamics alone
    trajectory = trajectory_dataset([1650.0, 3700.0], n_replicas=4, n_times=6000)
    dynamics = spectrum_of_trajectory(trajectory, SpectrumSettings(correct_timestep=False))
    write_dataset(dynamics, tmp_path / "spectrum.nc", stage="spectrum", method_version=1, settings={})
    write_dataset(modes, tmp_path / "harmonic.nc", stage="harmonic", method_version=1, settings={})
    compare(spectrum=tmp_path / "spectrum.nc", harmonic=[tmp_path / "harmonic.nc"], output=tmp_path / "comparison.nc")
    scored = read_dataset(tmp_path / "comparison.nc", stage="compare")
    assert scored["reference"].values.tolist() == ["harmonic-PBE-def2-SVP"]
    assert float(scored["scaling_factor"][0]) == pytest.approx(1.0, abs=0.001)
    assert np.isfinite(scored["pearson_interval"].values).all()
