r"""A density as a Molden file: geometry, basis and, where orbitals stand, the coefficients of the density itself.

The format holds orbitals ψ(r) = Σ_k C_k χ_k(r). The one function of our files is ρ(r) = Σ_k c_k χ_k(r): its value at a
point is the density, in e/bohr³, and no square is taken. It is called "density" (``Sym=``) and has occupation zero, so
that a program which sums up squares of occupied orbitals finds nothing instead of ρ².

Contractions are of normalised primitives, functions are spherical and normalised; within a shell p functions run
x, y, z, others m = 0, 1, -1, 2, -2 ... (:mod:`densnet.basis.conventions`). The format has no functions beyond g.
Schaftenaar and Noordik, J. Comput.-Aided Mol. Des. 14, 123 (2000).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from densnet import __version__
from densnet.basis.basis import Basis, Shell
from densnet.basis.conventions import from_canonical, to_canonical
from densnet.basis.integrals import shells_of
from densnet.density.density import Density
from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.molecule import formula
from densnet.units import BOHR_IN_ANGSTROM

LETTERS = "spdfg"
"""Of the angular momenta that the format knows."""
NAME = "density"
"""Of the function, where orbitals have their symmetry."""


def write_molden(path: Path, density: Density) -> None:
    """Write a density with its basis, all digits; lengths in bohr.

    PySCF's own writer keeps 14 digits, has no title, and drops functions beyond g without a word.

    Raises:
        DensnetError: functions beyond g; the file cannot be written.
    """
    basis, numbers = density.basis, density.numbers
    for shell, number in ((shell, z) for z in numbers.tolist() for shell in basis.of(z)):
        if shell.l >= len(LETTERS):
            raise DensnetError(
                f"{path}: format molden: expected functions up to g (l = 4), found l = {shell.l} of "
                f"{chemical_symbols[number]} in the basis {basis.name!r}; write mts or npz, which hold them"
            )
    write_text(path, "\n".join(_lines(density)) + "\n")


def _lines(density: Density) -> Iterator[str]:
    numbers, basis = density.numbers.tolist(), density.basis
    yield "[Molden Format]"
    yield "[Title]"
    yield (
        f"Electron density of {formula(numbers)}, no orbital: the value of the one function at a point is the density "
        f"in e/bohr^3. Basis {basis.name}. densnet {__version__}"
    )
    yield "[Atoms] AU"
    for i, (z, r) in enumerate(zip(numbers, density.positions / BOHR_IN_ANGSTROM, strict=True), start=1):
        yield f"{chemical_symbols[z]:2s} {i:5d} {z:3d} " + _row(r)
    # before the functions: some programs read a file but once
    yield "[5D7F]"
    yield "[9G]"
    yield "[GTO]"
    for i, z in enumerate(numbers, start=1):
        yield f"{i} 0"
        for shell in basis.of(z):
            yield f"{LETTERS[shell.l]} {len(shell.exponents)} 1.00"
            yield from (_row(pair) for pair in zip(shell.exponents, shell.coefficients, strict=True))
        yield ""
    yield from ("[MO]", f"Sym= {NAME}", "Ene= 0.0", "Spin= Alpha", "Occup= 0.0")
    index, sign = from_canonical("molden", shells_of(basis, numbers))
    yield from (f"{k} {c:.16e}" for k, c in enumerate(sign * density.coefficients[index], start=1))


def _row(values: Any) -> str:
    """Return numbers with the 17 digits that give a double back."""
    return " ".join(f"{value:23.16e}" for value in values)


def read_molden(path: Path) -> Density:
    """Read what :func:`write_molden` wrote, by PySCF's reader; the basis is called after the file.

    Raises:
        DensnetError: no such file, none that PySCF can read, orbitals instead of a density, Cartesian functions, or
            atoms of one element with different functions.
    """
    mole, coefficients = _loaded(path)
    numbers = np.array([mole.atom_charge(i) for i in range(mole.natm)], dtype=np.int64)
    listed = [tuple(_shells(mole._basis[mole.atom_symbol(i)])) for i in range(mole.natm)]
    of_element = dict(zip(numbers.tolist(), listed, strict=True))
    for i, (z, shells) in enumerate(zip(numbers.tolist(), listed, strict=True)):
        if shells != of_element[z]:
            raise DensnetError(
                f"{path}: atom {i} has other functions than another {chemical_symbols[z]}; give all atoms of an "
                "element one basis"
            )
    in_file = [(i, shell.l) for i, shells in enumerate(listed) for shell in shells]
    index, sign = to_canonical("pyscf", in_file)
    positions = mole.atom_coords(unit="Bohr") * BOHR_IN_ANGSTROM
    return Density(Basis(path.name, of_element), numbers, positions, sign * coefficients[index])


def _shells(listed: Any) -> Iterator[Shell]:
    """Return the shells of PySCF's list [l, (exponent, coefficient), ...] of each, with all digits of the file."""
    for l, *rows in listed:
        yield Shell(int(l), tuple(row[0] for row in rows), tuple(row[1] for row in rows))


def _loaded(path: Path) -> tuple[Any, Any]:
    """Return PySCF's Mole and the coefficients (k,) of the one function, in PySCF's order."""
    from pyscf.tools import molden

    if not path.is_file():
        raise DensnetError(f"{path}: no such file; expected a Molden file of a density")
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # where it says that it knows no title
            mole, _, coefficients, _, names, _ = molden.load(str(path))
        columns = np.shape(coefficients)[1:]
        cartesian, there = mole.cart, [str(name).lower() for name in names or []]
    except Exception as error:  # PySCF fails in as many ways as files are wrong
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DensnetError(f"{path}: expected a Molden file of a density, cannot be read ({reason})") from error
    if columns != (1,) or there != [NAME]:
        raise DensnetError(
            f"{path}: expected one function called {NAME!r}, found {len(there)} orbitals; give a file of "
            "'densnet export density --format molden'"
        )
    if cartesian or len(coefficients) != mole.nao:
        raise DensnetError(f"{path}: expected spherical functions ([5D7F], [9G]), one coefficient each; write it again")
    return mole, coefficients[:, 0]
