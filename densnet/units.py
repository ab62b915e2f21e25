"""Conversion factors between atomic units and the units of the outside, from CODATA (scipy).

Outside (files, Python interface) the units are ASE's: eV, Angstrom, e Angstrom, fs;
inside, where the formulas want them, atomic units.
Multiply by ``X_IN_Y`` to go from X to Y.
"""

from __future__ import annotations

from scipy import constants

_CODATA = constants.physical_constants

BOHR_IN_ANGSTROM: float = _CODATA["Bohr radius"][0] * 1e10
HARTREE_IN_EV: float = _CODATA["Hartree energy in eV"][0]
HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM: float = HARTREE_IN_EV / BOHR_IN_ANGSTROM
HARTREE_IN_MILLIHARTREE: float = 1e3
EV_IN_MEV: float = 1e3
KCAL_PER_MOL_IN_EV: float = 1e3 * constants.calorie / (constants.Avogadro * constants.elementary_charge)
"""Thermochemical calories: 4.184 kJ/mol."""

E_ANGSTROM_IN_DEBYE: float = constants.elementary_charge * 1e-10 * constants.speed_of_light * 1e21
"""1 D = 1e-21 C m^2/s / c."""
E_BOHR_IN_DEBYE: float = E_ANGSTROM_IN_DEBYE * BOHR_IN_ANGSTROM

POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV: float = BOHR_IN_ANGSTROM**2 / HARTREE_IN_EV
"""1 bohr^3 (in Gaussian units; e^2 bohr^2 / Hartree) in e^2 Angstrom^2 / eV."""
E2_ANGSTROM2_PER_EV_IN_ANGSTROM3: float = HARTREE_IN_EV * BOHR_IN_ANGSTROM
"""1 e^2 Angstrom^2 / eV as a polarizability volume: e^2 / (4 pi epsilon_0) in eV Angstrom."""

BOLTZMANN_IN_EV_PER_K: float = _CODATA["Boltzmann constant in eV/K"][0]
EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2: float = (
    constants.elementary_charge / 1e-10 / constants.atomic_mass * 1e10 * 1e-30
)
"""Acceleration: 1 eV/Angstrom/Da in Angstrom/fs^2."""
DALTON_ANGSTROM2_PER_FS2_IN_EV: float = 1.0 / EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2

PS_IN_FS: float = 1e3

SPEED_OF_LIGHT_IN_CM_PER_FS: float = constants.speed_of_light * 1e2 * 1e-15
PLANCK_TIMES_C_IN_EV_CM: float = _CODATA["Planck constant in eV/Hz"][0] * constants.speed_of_light * 1e2
"""h c: energy in eV of one wavenumber in 1/cm."""
