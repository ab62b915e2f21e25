"""Checks of labels made elsewhere: are order, basis, normalisation and units what they are said to be?"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.constants import calorie

from densnet.basis import integrals
from densnet.basis.conventions import CONVENTIONS
from densnet.errors import DensnetError
from densnet.fitting.fitted_labels import ORTHONORMALITY_TOLERANCE
from densnet.reference.imported_data import ImportedData
from densnet.reference.imported_frames import ImportedFrames
from densnet.units import BOHR_IN_ANGSTROM, E_ANGSTROM_IN_DEBYE, HARTREE_IN_EV, KCAL_PER_MOL_IN_EV

Array = NDArray[np.float64]

ORBITAL_DIPOLE_TOLERANCE_DEBYE = 1e-3
"""Between the given dipole and that of the orbitals: programs print four digits or more."""


class FitTolerance(NamedTuple):
    """How far coefficients may be off: their dipole from the given one in debye, q·c from N_e as a share of it."""

    dipole_debye: float
    charge: float


IN_ORDER = FitTolerance(0.1, 2e-3)
"""Of a vector whose order is to be checked: a fit without constraint is off by 0.003-0.03 D and 1e-5 to 1e-4."""
LABELLED = FitTolerance(0.3, 5e-3)
"""Of coefficients that the file labels, so that their order cannot be wrong: the published fit of C2H2O3 in the overlap
metric (def2-universal-jfit) is off by 0.18 D and 2.4e-3."""
MOVED_CHARGE = 1e-3
"""Share of N_e beyond which it is said that coefficients are moved to the exact charge."""
OVERLAP_TOLERANCE = 1e-6
ROUNDED = 1e-9
"""Beyond it orbitals, or half of the charge of all of them, were written with few digits: the fit wants 1e-8 of it."""
BINDING_TOLERANCE_EV = 60.0
"""Per atom, between the energy and the sum of free atoms: bonds and charges are a few eV, a wrong unit is hundreds."""

ENERGY_UNITS = {
    "a number in hartree": HARTREE_IN_EV,
    "a number in kcal/mol": KCAL_PER_MOL_IN_EV,
    "a number in kJ/mol": KCAL_PER_MOL_IN_EV / calorie,
    "a number in eV that was taken for hartree": 1.0 / HARTREE_IN_EV,
    "a number in eV that was taken for kcal/mol": 1.0 / KCAL_PER_MOL_IN_EV,
}
"""eV of what energies may be."""


def canonical_orbitals(data: ImportedData) -> Array:
    """Return the orbitals in canonical order, (t, m, o), checked frame by frame: Cᵀ S C = 1 with a recomputed S.

    Orbitals that pass but were written with few digits are made orthonormal, for the fit asks for more.

    Raises:
        DensnetError: they are not orthonormal; the order that would make them so is named if there is one.
    """
    functions, orbitals = data.orbital_functions, data.orbitals
    if functions is None or orbitals is None:
        raise DensnetError(f"{data.source}: holds no orbitals; give 'orbitals' or use its coefficients")
    canonical = functions.canonical(orbitals, 1)
    mended: list[float] = []
    for frame, C in enumerate(canonical):
        S = integrals.overlap(functions.basis, data.numbers, data.positions[frame] / BOHR_IN_ANGSTROM)
        error = _orthonormality(C, S)
        if error <= ORTHONORMALITY_TOLERANCE:
            if max(error, abs(np.trace(C.T @ S @ C) - C.shape[1])) > ROUNDED:
                canonical[frame] = orthonormalised(C, S)
                mended.append(error)
            continue
        right = [
            order
            for order in CONVENTIONS
            if _orthonormality(functions.canonical(orbitals[frame], 0, order), S) <= ORTHONORMALITY_TOLERANCE
        ]
        remedy = (
            f"in the order {right[0]!r} they are: set ao_order"
            if right
            else "check orbital_basis, ao_shells and units (Å)"
        )
        raise DensnetError(
            f"{data.source}: frame {frame}: orbitals are not orthonormal in {functions.basis.name!r} with ao_order "
            f"{functions.order!r} (off by {error:.1e}); {remedy}"
        )
    if mended:
        print(
            f"densnet import: {data.source}: orbitals of {len(mended)} of {len(canonical)} frames have few digits "
            f"(off by up to {max(mended):.0e}): made orthonormal (Löwdin)",
            file=sys.stderr,
        )
    return canonical


def orthonormalised(C: Array, S: Array) -> Array:
    """Return the orthonormal orbitals nearest to those given, C (CᵀSC)^(-1/2), (m, o).

    P.-O. Löwdin, J. Chem. Phys. 18, 365 (1950).
    """
    values, vectors = np.linalg.eigh(C.T @ S @ C)
    return np.asarray(C @ (vectors / np.sqrt(values)) @ vectors.T)


def _orthonormality(C: Array, S: Array) -> float:
    return float(np.abs(C.T @ S @ C - np.eye(C.shape[1])).max())


def orbital_dipoles(data: ImportedData, orbitals: Array) -> Array:
    """Return the dipoles of the orbitals' densities, (t, 3), e Å: μ = Σ_i Z_i R_i - 2 Σ_o ⟨o|r|o⟩.

    Args:
        orbitals: (t, m, o), canonical order.

    Raises:
        DensnetError: a given dipole is another one.
    """
    if data.orbital_functions is None:
        raise DensnetError(f"{data.source}: holds no orbitals; give 'orbitals' or use its coefficients")
    dipoles = np.empty((len(orbitals), 3))
    for frame, C in enumerate(orbitals):
        bohr = data.positions[frame] / BOHR_IN_ANGSTROM
        X = integrals.position_matrix(data.orbital_functions.basis, data.numbers, bohr)
        dipoles[frame] = (data.numbers @ bohr - 2.0 * np.einsum("mo,xmn,no->x", C, X, C)) * BOHR_IN_ANGSTROM
    if data.dipoles is not None:
        check_dipoles(data, dipoles, data.dipoles, ORBITAL_DIPOLE_TOLERANCE_DEBYE)
    return dipoles


def check_dipoles(data: ImportedFrames, dipoles: Array, expected: Array, tolerance: float) -> None:
    """Compare the densities' dipoles, (t, 3) in e Å, with those expected; tolerance in debye.

    Raises:
        DensnetError: a frame's differ.
    """
    errors = np.linalg.norm(dipoles - expected, axis=1) * E_ANGSTROM_IN_DEBYE
    if errors.max() > tolerance:
        frame = int((errors > tolerance).argmax())
        raise DensnetError(
            f"{data.frames}: frame {frame}: the given dipole differs from the density's by {errors[frame]:.1e} D (at "
            f"most {tolerance:g} D); give it in e Å about the origin of the positions, of the same density, or leave "
            "it out"
        )


def check_energies(data: ImportedFrames, atomic_energies: Mapping[int, float]) -> None:
    """Compare energies with those of the free atoms, eV: a wrong unit or another level of theory shows.

    Raises:
        DensnetError: a frame is further than :data:`BINDING_TOLERANCE_EV` an atom from its free atoms.
    """
    free = sum(atomic_energies[int(number)] for number in data.numbers)
    binding = (data.energies - free) / len(data.numbers)
    if np.abs(binding).max() > BINDING_TOLERANCE_EV:
        frame = int((np.abs(binding) > BINDING_TOLERANCE_EV).argmax())
        raise DensnetError(
            f"{data.frames}: frame {frame}: its energy {data.energies[frame]:.6g} eV lies {binding[frame]:.3g} eV an "
            f"atom from the free atoms' {free:.6g} eV{_looks_like(data.energies[frame], free, len(data.numbers))}; "
            "give both in eV, as total energies of the same level of theory"
        )


def _looks_like(energy: float, free: float, atoms: int) -> str:
    """Return the unit that the energy of a frame seems to be in, as part of a message; "" if in none."""
    name, factor = min(ENERGY_UNITS.items(), key=lambda unit: abs(unit[1] * energy - free))
    near = abs(factor * energy - free) < BINDING_TOLERANCE_EV * atoms
    return f" and looks like {name}" if near else ""


def check_overlap(data: ImportedData, scale: Array) -> None:
    """Compare the given overlap of the first frame's fitting functions with ours: order, signs, normalisation of each.

    Args:
        scale: w of each function, (k,), canonical order: χ_given = w χ with ∫χ² = 1.

    Raises:
        DensnetError: they differ; the first function concerned is named.
    """
    functions = data.fit_functions
    if functions is None or data.overlap is None:
        return
    computed = integrals.overlap(functions.basis, data.numbers, data.positions[0] / BOHR_IN_ANGSTROM)
    stored = functions.canonical(functions.canonical(data.overlap, 0), 1) / np.outer(scale, scale)
    off = np.abs(stored - computed)
    if off.max() <= OVERLAP_TOLERANCE:
        return
    lengths = np.abs(np.diag(stored) - 1.0)
    scaled_wrongly = bool(lengths.max() > OVERLAP_TOLERANCE)
    wrong = lengths if scaled_wrongly else off.max(axis=1)
    k = int((wrong > OVERLAP_TOLERANCE).argmax())
    layout = functions.basis.layout(data.numbers)
    atom = int(layout.atom[k])
    culprit = "normalisation, fit_basis" if scaled_wrongly else "order, shells, fit_basis"
    raise DensnetError(
        f"{data.source}: frame 0: the overlap matrix is not that of {functions.basis.name!r} with order "
        f"{functions.order!r} and normalisation {data.normalisation!r} (off by {off.max():.1e}, first at l = "
        f"{layout.l[k]}, m = {layout.m[k]} of atom {atom}, {chemical_symbols[data.numbers[atom]]}); check {culprit}"
    )


def function_lengths(data: ImportedData) -> Array:
    """Return w of each function, (k,), canonical order, with χ_given = w χ, ∫χ² = 1; so c = w c_given.

    Raises:
        DensnetError: "unnormalised" functions of a contracted shell.
    """
    functions = data.fit_functions
    if functions is None:
        raise DensnetError(f"{data.source}: holds no coefficients; give 'coefficients' or use its orbitals")
    basis, numbers = functions.basis, data.numbers
    if data.normalisation == "coulomb":
        # (χ|χ) does not depend on where the function sits.
        return 1.0 / np.sqrt(np.diag(integrals.coulomb(basis, numbers, data.positions[0] / BOHR_IN_ANGSTROM)))
    if data.normalisation == "normalised":
        return np.ones(basis.n_functions(numbers))
    lengths: list[float] = []
    for number in numbers:
        for shell in basis.of(int(number)):
            if len(shell.exponents) != 1:
                raise DensnetError(
                    f"{data.source}: normalisation 'unnormalised' has no meaning for the contracted shells of "
                    f"{basis.name!r}; give coefficients of normalised functions"
                )
            lengths += [primitive_length(shell.l, shell.exponents[0])] * (2 * shell.l + 1)
    return np.array(lengths)


def primitive_length(l: int, exponent: float) -> float:
    """Return (∫ r^(2l+2) exp(-2 α r²) dr)^(1/2), the length of r^l exp(-α r²) Y_lm with ∫|Y|² dΩ = 1."""
    from scipy.special import gamma

    return float(np.sqrt(gamma(l + 1.5) / (2.0 * (2.0 * exponent) ** (l + 1.5))))
