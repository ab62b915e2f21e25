"""Raman activities of water beside those of an independent program, at the same level of theory."""

from __future__ import annotations

import numpy as np
import pytest
from pyscf import gto, scf

from densnet.potential import Array, Potential, Quantities
from densnet.spectra.harmonic import harmonic
from densnet.spectra.raman_modes import raman_modes
from densnet.units import (
    BOHR_IN_ANGSTROM,
    HARTREE_IN_EV,
    HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM,
    POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV,
)

NUMBERS = np.array([8, 1, 1])
MASSES = np.array([15.99491, 1.00783, 1.00783])
"""Of the commonest isotopes, as Gaussian takes them."""
RELAXED = np.array([[0.0, 0.0, 0.108947], [0.0, 0.754062, -0.464474], [0.0, -0.754062, -0.464474]])
FIELD = 2e-3
"""Atomic units."""


class Water(Potential):
    """PySCF's RHF/6-31G(d), d functions Cartesian as Gaussian's are; polarizabilities from dipoles in finite fields."""

    name = "hf"
    numbers = NUMBERS
    quantities = frozenset({"energy", "forces", "dipole"})

    def __init__(self) -> None:
        self.density: Array | None = None

    def solved(self, positions: Array, field: Array | None = None) -> scf.hf.RHF:
        atoms = [(int(z), r) for z, r in zip(NUMBERS, positions, strict=True)]
        mole = gto.M(atom=atoms, basis="6-31G*", cart=True, verbose=0)
        solver = scf.RHF(mole)
        if field is not None:
            # electrons are negative, and the field pushes them with +F·r
            core = solver.get_hcore() + np.einsum("x,xij->ij", field, mole.intor("int1e_r"))
            solver.get_hcore = lambda *_: core
        # all geometries are much alike: each begins where the last one ended
        solver.chkfile, solver.conv_tol, solver.conv_tol_grad = None, 1e-12, 1e-8
        solver.kernel(self.density)
        self.density = solver.make_rdm1()
        return solver

    def dipole(self, positions: Array, field: Array | None = None) -> Array:
        return np.asarray(self.solved(positions, field).dip_moment(unit="AU", verbose=0))

    def __call__(self, positions: Array) -> Quantities:
        solved = [self.solved(r) for r in positions]
        gradients = np.array([field.nuc_grad_method().kernel() for field in solved])
        dipoles = np.array([field.dip_moment(unit="AU", verbose=0) for field in solved])
        return {
            "energy": np.array([field.e_tot for field in solved]) * HARTREE_IN_EV,
            "forces": -gradients * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM,
            "dipole": dipoles * BOHR_IN_ANGSTROM,
        }

    def polarizability(self, positions: Array) -> Array:
        steps = FIELD * np.eye(3)
        alpha = [[(self.dipole(r, f) - self.dipole(r, -f)) / (2 * FIELD) for f in steps] for r in positions]
        # fields stand before components, and α is symmetric
        return np.array(alpha) * POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV


def test_water_scatters_as_gaussian_says() -> None:
    """Gaussian 16's output hf_631gd_frq.gauout in github.com/yamnor/molbox-data (coupled perturbed Hartree-Fock)."""
    modes = harmonic(Water(), RELAXED, MASSES)
    scattering = raman_modes(Water(), RELAXED, MASSES, modes.modes)
    np.testing.assert_allclose(modes.wavenumber, [1826.7716, 4070.4769, 4188.5883], atol=1.0)
    # differences of 0.005 Å and 0.002 a.u. are off by some parts in 10⁴, as are Gaussian's geometry and ours apart
    np.testing.assert_allclose(scattering.activity, [5.7258, 75.5313, 39.1015], rtol=1e-3)
    np.testing.assert_allclose(scattering.depolarisation, [0.5299, 0.1830, 0.7500], atol=3e-4)
    expected = np.array([2.77836623, 6.67810704, 4.80851243])
    found = Water().polarizability(RELAXED[None])[0] / POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV
    assert np.diag(found) == pytest.approx(expected, rel=1e-3)
