"""Integrals and grid values of a basis, by PySCF (libcint), in atomic units and canonical order.

ρ(r) = Σ_k c_k χ_k(r). Letters: i atoms, k auxiliary functions, m and n orbital functions, g grid points.
Sun, J. Comput. Chem. 36, 1664 (2015) for the integral library.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.basis.basis import Basis, Shell
from densnet.basis.conventions import from_canonical, to_canonical
from densnet.errors import DensnetError

Array = NDArray[np.float64]
Numbers = Sequence[int] | NDArray[np.integer]

BLOCK_BYTES = 128 * 2**20
"""Most memory that one block of three-centre integrals or of grid values may take."""


def pyscf_mole(basis: Basis, numbers: Numbers, positions: Array) -> Any:
    """Return PySCF's ``Mole`` with exactly these shells, in this order, on these atoms.

    Its charge and spin mean nothing: only integrals are taken from it. Its functions run in PySCF's order.

    Args:
        positions: (i, 3) in bohr.

    Raises:
        DensnetError: the basis lacks an element.
    """
    from pyscf import gto

    shells = {chemical_symbols[number]: _pyscf_basis(basis.of(number)) for number in sorted({int(z) for z in numbers})}
    return gto.M(
        atom=[(chemical_symbols[int(z)], tuple(r)) for z, r in zip(numbers, np.asarray(positions), strict=True)],
        basis=shells,
        unit="Bohr",
        cart=False,
        spin=None,
        verbose=0,
        parse_arg=False,
        dump_input=False,
    )


def shells_of(basis: Basis, numbers: Numbers) -> list[tuple[int, int]]:
    """Return (atom, l) of each shell of a molecule, in canonical order."""
    return [(atom, shell.l) for atom, number in enumerate(numbers) for shell in basis.of(int(number))]


def charges(basis: Basis, numbers: Numbers) -> Array:
    """Return q_k = ∫ χ_k dr, (k,), in e; zero unless l = 0. They do not depend on the geometry."""
    return _by_shell(basis, numbers, 0)


def onsite_dipoles(basis: Basis, numbers: Numbers) -> Array:
    """Return p_k = ∫ (r - R_i) χ_k dr, (k, 3), in e bohr, R_i the function's own nucleus; zero unless l = 1."""
    layout = basis.layout(numbers)
    moments = _by_shell(basis, numbers, 1)
    axis = np.array([1, 2, 0])[np.clip(layout.m, -1, 1) + 1]
    return np.where(np.arange(3) == axis[:, None], moments[:, None], 0.0)


def dipoles(basis: Basis, numbers: Numbers, positions: Array) -> Array:
    """Return d_k = ∫ r χ_k dr = q_k R_i + p_k, (k, 3), in e bohr (positive charge, as the functions have)."""
    atom = basis.layout(numbers).atom
    return charges(basis, numbers)[:, None] * np.asarray(positions)[atom] + onsite_dipoles(basis, numbers)


def coulomb(basis: Basis, numbers: Numbers, positions: Array) -> Array:
    """Return J_kl = (k|l) = ∫∫ χ_k(r) χ_l(r') / |r - r'|, (k, k), in hartree."""
    return _square(basis, numbers, positions, "int2c2e_sph")


def overlap(basis: Basis, numbers: Numbers, positions: Array) -> Array:
    """Return S_kl = ∫ χ_k χ_l, (k, k)."""
    return _square(basis, numbers, positions, "int1e_ovlp_sph")


def position_matrix(basis: Basis, numbers: Numbers, positions: Array) -> Array:
    """Return X_xmn = ∫ χ_m r_x χ_n, (3, m, m), in bohr."""
    return _square(basis, numbers, positions, "int1e_r_sph")


def onsite_coulomb(basis: Basis, number: int, l: int) -> Array:
    """Return B_nn' = (χ_nlm|χ_n'lm) of one element's shells of angular momentum ``l``, (n, n); the same for every m.

    Raises:
        DensnetError: the basis lacks the element.
    """
    layout = basis.layout([number])
    chosen = np.flatnonzero((layout.l == l) & (layout.m == 0))
    return coulomb(basis, [number], np.zeros((1, 3)))[np.ix_(chosen, chosen)]


def three_center(
    basis: Basis, orbital_basis: Basis, numbers: Numbers, positions: Array, density_matrix: Array
) -> Array:
    """Return b_k = Σ_mn (k|mn) D_mn, (k,), in hartree.

    The integrals are made and used a block of auxiliary shells at a time, at most :data:`BLOCK_BYTES` of them.

    Args:
        basis: of the functions k.
        orbital_basis: of the functions m and n.
        positions: (i, 3) in bohr.
        density_matrix: D, (m, m), symmetric, in canonical order.
    """
    from pyscf import gto
    from pyscf.gto import moleintor

    orbital = pyscf_mole(orbital_basis, numbers, positions)
    auxiliary = pyscf_mole(basis, numbers, positions)
    D = in_pyscf_order(orbital_basis, numbers, density_matrix)
    D = D + D.T
    packed = D[np.tril_indices_from(D)]
    packed[np.cumsum(np.arange(1, len(D) + 1)) - 1] *= 0.5

    atm, bas, env = gto.mole.conc_env(
        orbital._atm, orbital._bas, orbital._env, auxiliary._atm, auxiliary._bas, auxiliary._env
    )
    optimizer = moleintor.make_cintopt(atm, bas, env, "int3c2e_sph")
    starts = auxiliary.ao_loc_nr()
    b = np.empty(starts[-1])
    for first, last in _blocks(starts, max(1, BLOCK_BYTES // (8 * len(packed)))):
        slices = (0, orbital.nbas, 0, orbital.nbas, orbital.nbas + first, orbital.nbas + last)
        integrals = moleintor.getints("int3c2e_sph", atm, bas, env, slices, 1, 0, "s2ij", cintopt=optimizer)
        b[starts[first] : starts[last]] = packed @ integrals.reshape(len(packed), -1)
    return _canonical(basis, numbers, b)


def in_pyscf_order(basis: Basis, numbers: Numbers, matrix: Array) -> Array:
    """Return a matrix of canonical order, (m, m), as PySCF's :func:`pyscf_mole` wants it."""
    back, sign = from_canonical("pyscf", shells_of(basis, numbers))
    return np.asarray(matrix)[np.ix_(back, back)] * (sign[:, None] * sign)


def evaluate(basis: Basis, numbers: Numbers, positions: Array, points: Array) -> Array:
    """Return χ_k(r_g), (g, k), in bohr^(-3/2); points (g, 3) in bohr. All of it is held: see :func:`expand`."""
    mole = pyscf_mole(basis, numbers, positions)
    index, sign = to_canonical("pyscf", shells_of(basis, numbers))
    return mole.eval_gto("GTOval_sph", np.asarray(points, dtype=float))[:, index] * sign


def expand(basis: Basis, numbers: Numbers, positions: Array, vectors: Array, points: Array) -> Array:
    """Return f_g = Σ_k χ_k(r_g) v_k, (g, ...), a block of points at a time (at most :data:`BLOCK_BYTES` of values).

    With v a fitted c this is the density in e/bohr³; with v the occupied orbitals, (k, o), the orbitals' values.

    Args:
        positions: (i, 3) in bohr.
        vectors: (k,) or (k, o), in canonical order.
        points: (g, 3) in bohr.
    """
    mole = pyscf_mole(basis, numbers, positions)
    back, sign = from_canonical("pyscf", shells_of(basis, numbers))
    v = np.asarray(vectors, dtype=float)[back]
    v = v * sign.reshape((-1,) + (1,) * (v.ndim - 1))
    points = np.asarray(points, dtype=float)
    values = np.empty((len(points), *v.shape[1:]))
    # Short blocks stay in the processor's cache.
    step = max(1, min(512, BLOCK_BYTES // (8 * max(1, len(v)))))
    for start in range(0, len(points), step):
        block = slice(start, start + step)
        values[block] = mole.eval_gto("GTOval_sph", points[block]) @ v
    return values


def potential(basis: Basis, numbers: Numbers, positions: Array, coefficients: Array, points: Array) -> Array:
    """Return Σ_k c_k ∫ χ_k(r') / |r_g - r'| dr', (g,), in hartree/e, of the functions alone (positive charge).

    Args:
        positions: (i, 3) in bohr.
        coefficients: c, (k,), in canonical order.
        points: (g, 3) in bohr.
    """
    from pyscf import gto

    mole = pyscf_mole(basis, numbers, positions)
    back, sign = from_canonical("pyscf", shells_of(basis, numbers))
    c = np.asarray(coefficients, dtype=float)[back] * sign
    points = np.asarray(points, dtype=float)
    values = np.empty(len(points))
    step = max(1, min(4096, BLOCK_BYTES // (8 * len(c))))
    for start in range(0, len(points), step):
        block = slice(start, start + step)
        # A Gaussian of exponent 1e16 is a point charge to the last digit; its integral is in closed form.
        charges_at_points = gto.fakemol_for_charges(points[block])
        values[block] = c @ gto.intor_cross("int2c2e_sph", mole, charges_at_points)
    return values


def becke_grid(numbers: Numbers, positions: Array, level: int) -> tuple[Array, Array]:
    """Return points (g, 3) in bohr and weights (g,) in bohr³ of PySCF's atom-centred grid: see :func:`becke_cells`."""
    points, weights, _ = becke_cells(numbers, positions, level)
    return points, weights


def becke_cells(numbers: Numbers, positions: Array, level: int) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return points (g, 3) in bohr, weights (g,) in bohr³ and atoms (g,) of PySCF's atom-centred grid.

    The points of one atom integrate over its own fuzzy cell alone: Σ_{g of i} w_g f(r_g) = ∫ w_i f dr with Σ_i w_i = 1.
    Becke, J. Chem. Phys. 88, 2547 (1988), Treutler-Ahlrichs radial grids, pruned Lebedev angular grids.

    Args:
        level: 0 (coarse) to 9 (fine).

    Raises:
        DensnetError: no such level.
    """
    from pyscf.dft import gen_grid

    if not 0 <= level <= 9:
        raise DensnetError(f"grid level: expected 0 (coarse) to 9 (fine), got {level}")
    any_function = {int(number): (Shell(0, (1.0,), (1.0,)),) for number in numbers}
    mole = pyscf_mole(Basis(name="grid", shells=any_function), numbers, positions)
    grid = gen_grid.Grids(mole)
    grid.level = level
    grid.build()
    real = grid.weights != 0.0  # the rest are points that PySCF adds far away to align its blocks
    return grid.coords[real], grid.weights[real], grid.atm_idx[real].astype(np.int64)


def _by_shell(basis: Basis, numbers: Numbers, l: int) -> Array:
    """Radial moment of every function with this l, (k,); zero for the others."""
    values = []
    for number in numbers:
        for shell in basis.of(int(number)):
            values.extend([_radial_moment(shell) if shell.l == l else 0.0] * (2 * shell.l + 1))
    return np.asarray(values, dtype=float)


def _radial_moment(shell: Shell) -> float:
    """∫ χ for an s shell, ∫ x χ_x for a p shell, by Gaussian integrals."""
    a = np.asarray(shell.exponents)
    if shell.l == 0:
        moments = (2.0 * a / np.pi) ** 0.75 * (np.pi / a) ** 1.5
    else:
        norms = np.sqrt(4.0 * a) * (2.0 * a / np.pi) ** 0.75
        moments = norms * (np.pi / a) ** 1.5 / (2.0 * a)
    return float(np.asarray(shell.coefficients) @ moments)


def _pyscf_basis(shells: Sequence[Shell]) -> list[list[Any]]:
    """Shells as PySCF's ``Mole`` wants them; neighbours of the same exponents as one general contraction.

    libcint then makes the primitives' integrals once for all of them; the order of the functions stays.
    """
    runs = itertools.groupby(shells, key=lambda shell: (shell.l, shell.exponents))
    return [
        [l, *([exponent, *row] for exponent, row in zip(exponents, columns, strict=True))]
        for (l, exponents), run in runs
        for columns in [zip(*(shell.coefficients for shell in run), strict=True)]
    ]


def _square(basis: Basis, numbers: Numbers, positions: Array, name: str) -> Array:
    mole = pyscf_mole(basis, numbers, positions)
    index, sign = to_canonical("pyscf", shells_of(basis, numbers))
    matrix = mole.intor(name)
    return matrix[..., index[:, None], index] * (sign[:, None] * sign)


def _canonical(basis: Basis, numbers: Numbers, vector: Array) -> Array:
    index, sign = to_canonical("pyscf", shells_of(basis, numbers))
    return vector[index] * sign


def _blocks(starts: NDArray[np.integer], most: int) -> Iterator[tuple[int, int]]:
    """Cut shells into runs of at most ``most`` functions (one shell at least)."""
    first = 0
    while first < len(starts) - 1:
        last = first + 1
        while last < len(starts) - 1 and starts[last + 1] - starts[first] <= most:
            last += 1
        yield first, last
        first = last
