"""Is a geometry that of one closed-shell molecule, in Angstrom? If not, what is it?

Distances are judged by sums of covalent radii, energies by GFN2-xTB (Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput.
15, 1652 (2019)).
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from numpy.typing import NDArray

from densnet.bonds import bonded, distances, fragments, made_whole, sums_of_radii
from densnet.errors import DensnetError
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

UNITS = (
    ("bohr", BOHR_IN_ANGSTROM),
    ("nanometres", 10.0),
    ("picometres", 0.01),
    ("units of 1.89 Angstrom, as if Angstrom had been taken for bohr", 1.0 / BOHR_IN_ANGSTROM),
)
"""What coordinates that are no Angstrom may be, and how many Angstrom that is."""
FRAMES_TO_LOOK_AT = 10
CLOSEST = 0.6
"""Of the sum of covalent radii; atoms are never closer (the shortest bonds of hydrogen are at 0.85)."""
STRETCHED = 1.6
"""Of the sum of covalent radii: a bond of a strained geometry may be as long."""
CROWDED = 1.2
"""Of the sum of covalent radii: atoms that are not bonded are farther apart (bicyclopentane's carbons at 1.22)."""
LARGE_ATOM = 1.25
"""Angstrom; around a covalent radius beyond it (metals) atoms crowd without bonds."""
HOT_ELECTRONS = 3000.0
"""K; with them the self-consistent field converges even where atoms lie on top of each other."""
TRIPLET_BELOW = -0.3
"""eV; error of GFN2-xTB's singlet-triplet gaps of small molecules, all of which it has with the right sign beyond."""
MAX_ATOMS_FOR_SPIN = 24
"""Larger molecules take seconds, and none of them hides a triplet that its drawing does not show."""
TRANSITION_METALS = frozenset({*range(21, 31), *range(39, 49), *range(57, 81)})
"""For which GFN2-xTB does not tell spin states apart."""


def check_one_molecule(name: str, numbers: Numbers, positions: Array, cell: Array | None = None) -> None:
    """Refuse a geometry that is not that of one molecule, and say what it looks like.

    Args:
        name: of the molecule or its file, for the message.
        positions: (i, x), Angstrom.
        cell: lattice vectors (3, 3), Angstrom, if it is periodic.

    Raises:
        DensnetError: a single atom, several molecules, a molecule that is wrapped in its cell, a solid, atoms on top of
            each other, coordinates in other units.
    """
    if len(numbers) < 2:
        raise DensnetError(f"{name}: {chemical_symbols[numbers[0]]} is a single atom; expected a molecule")
    if cell is not None:
        check_cell(name, numbers, positions, cell)
    parts = fragments(bonded(numbers, positions))
    near = distances(positions) / sums_of_radii(numbers)
    np.fill_diagonal(near, np.inf)
    if parts.max() == 0 and near.min() > CLOSEST:
        return
    apart = np.where(parts[:, None] != parts, near, np.inf)
    suspect = _pair(numbers, positions, near if near.min() <= CLOSEST else apart)
    if units := other_units(numbers, positions):
        raise DensnetError(f"{name}: no molecule in Angstrom ({suspect}), but one in {units}; convert the coordinates")
    if near.min() <= CLOSEST:
        raise DensnetError(f"{name}: {suspect}, far too close; correct the geometry")
    if apart.min() > STRETCHED:
        raise DensnetError(
            f"{name}: expected one molecule, found {parts.max() + 1} fragments; the nearest, "
            f"{suspect}; give one alone, or make whole what a periodic cell has cut"
        )


def other_units(numbers: Numbers, positions: Array) -> str:
    """Return in which other units positions (i, x) are those of one molecule; "" if in none, or if in Angstrom.

    Args:
        positions: what is taken for Angstrom.
    """
    near = distances(positions) / sums_of_radii(numbers)
    np.fill_diagonal(near, np.inf)
    for units, factor in (("", 1.0), *UNITS):
        if near.min() * factor > CLOSEST and fragments(bonded(numbers, positions * factor)).max() == 0:
            return units
    return ""


def check_unit(name: str, numbers: Numbers, positions: Array) -> None:
    """Refuse frames that are no molecule in Angstrom, but one in the same other unit, in every frame looked at.

    Frames of broken bonds pass: they are frames all the same. So do two atoms, which may be far apart on purpose.

    Args:
        name: of the file, for the message.
        positions: (t, i, x), what is taken for Angstrom.

    Raises:
        DensnetError: they are in another unit.
    """
    rows = np.linspace(0, len(positions) - 1, min(FRAMES_TO_LOOK_AT, len(positions))).astype(int)
    units = {other_units(numbers, positions[t]) for t in rows}
    if len(numbers) > 2 and len(units) == 1 and (unit := units.pop()):
        raise DensnetError(
            f"{name}: the positions are no molecule in Angstrom, but one in {unit}; correct their unit (Angstrom; in "
            "QCSchema bohr)"
        )


def check_cell(name: str, numbers: Numbers, positions: Array, cell: Array) -> None:
    """Refuse a periodic structure whose bonds cross the cell: a molecule that is wrapped, or a solid.

    Args:
        name: of the molecule or its file, for the message.
        positions: (i, x), Angstrom.
        cell: lattice vectors, (3, 3), Angstrom.

    Raises:
        DensnetError: it is one of them, or the vectors span no cell.
    """
    if abs(np.linalg.det(cell)) < 1.0:
        raise DensnetError(f"{name}: Lattice= spans no cell; correct it or leave it out")
    whole = made_whole(numbers, positions, cell)
    if whole is None:
        raise DensnetError(f"{name}: its atoms are bonded across the periodic cell; expected a molecule, not a solid")
    pieces = fragments(bonded(numbers, positions)).max() + 1
    if pieces > fragments(bonded(numbers, whole)).max() + 1:
        raise DensnetError(
            f"{name}: the molecule is wrapped: its periodic cell cuts it into {pieces} pieces; make it whole "
            "(unwrap it)"
        )


def _pair(numbers: Numbers, positions: Array, near: Array) -> str:
    """Name the pair of atoms for which ``near`` is smallest, and their distance."""
    i, k = np.unravel_index(int(near.argmin()), near.shape)
    symbols = f"{chemical_symbols[numbers[i]]} and {chemical_symbols[numbers[k]]}"
    return f"atoms {i} and {k} ({symbols}) are {distances(positions)[i, k]:.2f} Angstrom apart"


def misplaced(numbers: Numbers, positions: Array, bonds: NDArray[np.bool_]) -> str:
    """Return what contradicts the bonds that a molecule should have, (i, i), in words; "" if nothing does."""
    near = distances(positions) / sums_of_radii(numbers)
    large = covalent_radii[numbers] > LARGE_ATOM
    exempt = bonds | np.eye(len(numbers), dtype=bool) | large[:, None] | large
    contacts = np.where(exempt, np.inf, near)
    if contacts.min() < CROWDED:
        return f"{_pair(numbers, positions, contacts)} without a bond"
    lengths = np.where(bonds, -near, np.inf)
    if lengths.min() < -STRETCHED:
        return f"{_pair(numbers, positions, lengths)}, too far for their bond"
    return ""


def relaxed(numbers: Numbers, positions: Array, charge: int, *, hot: bool = False) -> Array | None:
    """Return the geometry that GFN2-xTB relaxes to, (i, x), Angstrom; None where it has no answer.

    Args:
        hot: let electrons be at :data:`HOT_ELECTRONS`, for starts that are far from any molecule.
    """
    from ase.calculators.calculator import CalculationFailed
    from ase.optimize import FIRE
    from tblite.ase import TBLite

    atoms = Atoms(numbers, positions)
    atoms.calc = TBLite(
        method="GFN2-xTB", charge=charge, verbosity=0, electronic_temperature=HOT_ELECTRONS if hot else 300.0
    )
    try:
        FIRE(atoms, logfile=None, maxstep=0.1).run(fmax=0.1, steps=200)
    except (CalculationFailed, RuntimeError, ValueError):
        return None
    return np.asarray(atoms.positions)


def what_is_wrong(numbers: Numbers, positions: Array, charge: int) -> str:
    """Return what becomes of a start in a GFN2-xTB relaxation, in words; "" if its bonds stay as they are."""
    before, end = bonded(numbers, positions), relaxed(numbers, positions, charge, hot=True)
    if end is None:
        return "GFN2-xTB does not converge at the start itself"
    after = bonded(numbers, end)
    changed = np.argwhere(np.triu(before != after))
    if not len(changed):
        return ""
    i, k = changed[0]
    symbols = f"{chemical_symbols[numbers[i]]} and {chemical_symbols[numbers[k]]}"
    start, stop = (distances(place)[i, k] for place in (positions, end))
    return (
        f"the start is not the molecule: when GFN2-xTB relaxes it, {len(changed)} bonds break or form, first atoms {i} "
        f"and {k} ({symbols}) from {start:.2f} to {stop:.2f} Angstrom"
    )


def check_spin(name: str, numbers: Numbers, positions: Array, charge: int) -> None:
    """Refuse a small molecule whose ground state is a triplet, by spin-polarised GFN2-xTB.

    Molecules of more than :data:`MAX_ATOMS_FOR_SPIN` atoms, with transition metals, or with atoms that GFN2-xTB does
    not know, are not judged.

    Raises:
        DensnetError: the triplet lies below the singlet.
    """
    if len(numbers) > MAX_ATOMS_FOR_SPIN or TRANSITION_METALS & set(numbers.tolist()):
        return
    from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError
    from tblite.interface import Calculator

    energies: list[float] = []
    try:
        for unpaired in (0, 2):
            calculator = Calculator("GFN2-xTB", numbers, positions / BOHR_IN_ANGSTROM, charge=charge, uhf=unpaired)
            calculator.set("verbosity", 0)
            calculator.add("spin-polarization", 1.0)
            energies.append(float(calculator.singlepoint().get("energy")) * HARTREE_IN_EV)
    except (TBLiteRuntimeError, TBLiteValueError):
        return
    gap = energies[1] - energies[0]
    if gap < TRIPLET_BELOW:
        raise DensnetError(
            f"{name}: {int(numbers.sum()) - charge} electrons, two of them unpaired: its triplet lies {-gap:.1f} eV "
            "below the singlet (GFN2-xTB); only closed shells are supported"
        )
