"""The basis that densities are fitted in: named, even-tempered, from a file, or made for them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.basis.even_tempered import even_tempered_named
from densnet.errors import DensnetError
from densnet.fitting.fit import fit_density
from densnet.fitting.natural import FittedMolecule, natural_basis
from densnet.fitting.prior import fit_free_atom, superposition
from densnet.fitting.settings import NATURAL
from densnet.processes.pool import map_in_processes, one_thread, report_progress

Array = NDArray[np.float64]

"""Name of the basis that is made from the labels themselves."""


def named_fit_basis(name: str, numbers: Sequence[int] | NDArray[np.integer], orbital_basis: Basis) -> Basis:
    """Return a fitting basis by name: even-tempered[-RATIO][-lL], a file NAME.json, or one of the libraries'.

    Args:
        name: ``even-tempered-2-l4``, the path of a file that 'densnet basis' wrote, or a name for
            :meth:`densnet.basis.basis.Basis.from_name`.
        numbers: atomic numbers that it must have.
        orbital_basis: of the densities; an even-tempered basis follows from it.

    Raises:
        DensnetError: no such basis, an unreadable file, or an element that it lacks.
    """
    elements = sorted({int(number) for number in numbers})
    if name.endswith(".json"):
        basis = basis_from_file(Path(name))
    else:
        even_tempered = even_tempered_named(name, orbital_basis)
        if even_tempered is None:
            return _from_library(name, elements)
        basis = even_tempered
    missing = [chemical_symbols[number] for number in elements if number not in basis.shells]
    if missing:
        raise DensnetError(f"fit basis {name!r}: has no functions for {', '.join(missing)}; choose another fit basis")
    return Basis(basis.name, {number: basis.of(number) for number in elements})


@one_thread()
def natural_fit_bases(
    primitives: Basis,
    orbital_basis: Basis,
    numbers: NDArray[np.int64],
    density_matrices: Mapping[int, Array],
    frames: Sequence[tuple[Array, Array]],
    *,
    retained_shares: Sequence[float],
    ridge: float,
    processes: int,
) -> list[Basis]:
    """Return the natural density functions of some frames of one molecule, a basis for each share.

    Args:
        primitives: large uncontracted basis.
        orbital_basis: of the orbitals and of the free atoms.
        density_matrices: of the free atoms, by atomic number, (m, m).
        frames: positions (i, 3) in bohr and occupied orbitals (m, o) of each.
        retained_shares: see :func:`densnet.fitting.natural.natural_basis`.
        ridge: of the fits, see :func:`densnet.fitting.fit.fit_density`; without one, near-redundant primitives
            share the density between atoms in wild ways, and more functions are needed.
        processes: workers; the result does not depend on it.

    Raises:
        DensnetError: a fit fails, or the share is impossible.
    """
    free_atoms = {z: fit_free_atom(primitives, orbital_basis, z, D) for z, D in density_matrices.items()}
    prior = superposition(primitives, numbers, free_atoms)
    work = functools.partial(
        _coefficients, basis=primitives, orbital_basis=orbital_basis, numbers=numbers, prior=prior, ridge=ridge
    )
    coefficients: list[Array] = []
    for c in map_in_processes(work, frames, processes=processes):
        coefficients.append(c)
        report_progress("fit: natural functions", len(coefficients), len(frames))
    fitted = [FittedMolecule(numbers, np.array(coefficients))]
    return [
        natural_basis(
            primitives,
            free_atoms,
            fitted,
            retained_share=share,
            name=f"{NATURAL} ({share:g} of {primitives.name})",
        )
        for share in retained_shares
    ]


def describe_basis(basis: Basis, numbers: NDArray[np.int64]) -> str:
    """Return one line: the functions of a molecule and the shells of each element, s/p/d ... as 6/4/3."""
    shells = [
        f"{chemical_symbols[z]} {'/'.join(str(basis.n_radial(z, l)) for l in range(max(s.l for s in basis.of(z)) + 1))}"
        for z in sorted({int(number) for number in numbers})
    ]
    return f"fit basis {basis.name}: {basis.n_functions(numbers)} functions; shells of s/p/d...: {', '.join(shells)}"


def _coefficients(
    frame: tuple[Array, Array],
    *,
    basis: Basis,
    orbital_basis: Basis,
    numbers: NDArray[np.int64],
    prior: Array,
    ridge: float,
) -> Array:
    positions, orbitals = frame
    D = 2.0 * orbitals @ orbitals.T
    return fit_density(basis, orbital_basis, numbers, positions, D, prior=prior, ridge=ridge).coefficients


def basis_from_file(path: Path) -> Basis:
    """Return the basis of a file of 'densnet basis'.

    Raises:
        DensnetError: no such file, or no basis set.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DensnetError(f"fit basis {path}: cannot be read ({error}); give a file of 'densnet basis'") from error
    return Basis.from_json(text)


def _from_library(name: str, elements: list[int]) -> Basis:
    try:
        return Basis.from_name(name, elements)
    except DensnetError as error:
        raise DensnetError(f"{error} (or {NATURAL}, even-tempered-2-l4, or the path of a .json file)") from error
