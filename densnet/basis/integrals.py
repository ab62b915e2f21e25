"""Integrals and grid values of a basis, by PySCF (libcint), in atomic units and canonical order.

ρ(r) = Σ_k c_k χ_k(r). Letters: i atoms, k auxiliary functions, m and n orbital functions, g grid points.
Sun, J. Comput. Chem. 36, 1664 (2015) for the integral library.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import gamma

from densnet.basis import point_values
from densnet.basis.basis import Basis, Shell
from densnet.basis.conventions import from_canonical, to_canonical
from densnet.errors import DensnetError

Array = NDArray[np.float64]
Numbers = Sequence[int] | NDArray[np.integer]

BLOCK_BYTES = 128 * 2**20
"""Most memory that one block of three-centre integrals or of grid values may take."""
NEGLIGIBLE = 1e-12
"""Products of two orbital functions that weigh less than this in a density, and values of functions, are left out."""
FEW = 4
"""So many vectors are expanded one by one; more of them together, by PySCF's grid values of all functions."""


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
    return np.sqrt(4.0 * np.pi) * _radial_moments(basis, numbers, 0, 2)


def onsite_dipoles(basis: Basis, numbers: Numbers) -> Array:
    """Return p_k = ∫ (r - R_i) χ_k dr, (k, 3), in e bohr, R_i the function's own nucleus; zero unless l = 1."""
    layout = basis.layout(numbers)
    moments = np.sqrt(4.0 * np.pi / 3.0) * _radial_moments(basis, numbers, 1, 3)
    axis = np.array([1, 2, 0])[np.clip(layout.m, -1, 1) + 1]
    return np.where(np.arange(3) == axis[:, None], moments[:, None], 0.0)


def dipoles(basis: Basis, numbers: Numbers, positions: Array) -> Array:
    """Return d_k = ∫ r χ_k dr = q_k R_i + p_k, (k, 3), in e bohr (positive charge, as the functions have)."""
    atom = basis.layout(numbers).atom
    return charges(basis, numbers)[:, None] * np.asarray(positions)[atom] + onsite_dipoles(basis, numbers)


def onsite_second_moments(basis: Basis, numbers: Numbers) -> Array:
    """Return Θ_k = ∫ (r - R_i)(r - R_i)ᵀ χ_k dr, (k, 3, 3), in e bohr²; zero unless l = 0 or 2."""
    layout = basis.layout(numbers)
    moments = np.zeros((len(layout), 3, 3))
    radial = functools.partial(_radial_moments, basis, numbers, power=4)
    s, d = layout.l == 0, layout.l == 2
    moments[s] = np.sqrt(4.0 * np.pi) / 3.0 * radial(0)[s, None, None] * np.eye(3)
    xx, xy, xz, yy, yz, zz = point_values.cartesian_harmonics(2)
    # ∫ x_a x_b x_c x_d over angles is 4π/15 (δ_ab δ_cd + δ_ac δ_bd + δ_ad δ_bc), and a harmonic has no trace.
    shape = np.array([[2 * xx, xy, xz], [xy, 2 * yy, yz], [xz, yz, 2 * zz]]).transpose(2, 0, 1) * 4.0 * np.pi / 15.0
    moments[d] = radial(2)[d, None, None] * shape[layout.m[d] + 2]
    return moments


def second_moments(basis: Basis, numbers: Numbers, positions: Array) -> Array:
    """Return ∫ r rᵀ χ_k dr = q_k R Rᵀ + R p_kᵀ + p_k Rᵀ + Θ_k, (k, 3, 3), in e bohr² (positive charge)."""
    R = np.asarray(positions)[basis.layout(numbers).atom]
    p = np.einsum("kx,ky->kxy", R, onsite_dipoles(basis, numbers))
    q = np.einsum("k,kx,ky->kxy", charges(basis, numbers), R, R)
    return q + p + p.transpose(0, 2, 1) + onsite_second_moments(basis, numbers)


def coulomb(basis: Basis, numbers: Numbers, positions: Array) -> Array:
    """Return J_kl = (k|l) = ∫∫ χ_k(r) χ_l(r') / |r - r'|, (k, k), in hartree."""
    return _square(basis, numbers, positions, "int2c2e_sph")


def coulomb_between(basis: Basis, numbers: Numbers, positions: Array, other: tuple[Basis, Numbers, Array]) -> Array:
    """Return J_kl = (k|l), (k, l), in hartree, of the functions of one molecule with those of another.

    Args:
        other: basis, numbers and positions (bohr) of the second.
    """
    from pyscf import gto

    bra, ket = pyscf_mole(basis, numbers, positions), pyscf_mole(*other)
    row, row_sign = to_canonical("pyscf", shells_of(basis, numbers))
    column, column_sign = to_canonical("pyscf", shells_of(*other[:2]))
    matrix = gto.intor_cross("int2c2e_sph", bra, ket)
    return matrix[np.ix_(row, column)] * (row_sign[:, None] * column_sign)


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

    Products of far functions (:func:`_overlapping`) are left out. Of the others, integrals are made and used a block of
    auxiliary shells at a time, at most :data:`BLOCK_BYTES` of them.

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
    atm, bas, env = gto.mole.conc_env(
        orbital._atm, orbital._bas, orbital._env, auxiliary._atm, auxiliary._bas, auxiliary._env
    )
    optimizer = moleintor.make_cintopt(atm, bas, env, "int3c2e_sph")
    starts, m = auxiliary.ao_loc_nr(), orbital.ao_loc_nr()
    b = np.zeros(starts[-1])
    for first, last in _blocks(starts, max(1, BLOCK_BYTES // (8 * int(np.diff(m).max()) * len(D)))):
        block = slice(starts[first], starts[last])
        for i, j, end in _overlapping(orbital, D):
            slices = (i, i + 1, j, end, orbital.nbas + first, orbital.nbas + last)
            integrals = moleintor.getints("int3c2e_sph", atm, bas, env, slices, cintopt=optimizer)
            b[block] += integrals.reshape(-1, integrals.shape[-1], order="F").T @ _weights(D, m, i, j, end)
    return _canonical(basis, numbers, b)


def attraction(orbital_basis: Basis, numbers: Numbers, positions: Array, density_matrix: Array, points: Array) -> Array:
    """Return ∫ ρ(r) / |r_g - r| dr = Σ_mn D_mn (m| 1/|r_g - r| |n) in hartree/e, (g,), positive for electrons.

    Products of far functions (:func:`_overlapping`) are left out.

    Args:
        positions: (i, 3) in bohr.
        density_matrix: D, (m, m), symmetric, in canonical order.
        points: (g, 3) in bohr.
    """
    mole = pyscf_mole(orbital_basis, numbers, positions)
    D = in_pyscf_order(orbital_basis, numbers, density_matrix)
    m = mole.ao_loc_nr()
    electrons = np.zeros(len(points))
    step = max(1, BLOCK_BYTES // (8 * int(np.diff(m).max()) * len(D)))
    for start in range(0, len(points), step):
        block = slice(start, start + step)
        for i, j, end in _overlapping(mole, D):
            integrals = mole.intor("int1e_grids_sph", shls_slice=(i, i + 1, j, end), grids=points[block])
            electrons[block] += integrals.reshape(len(integrals), -1, order="F") @ _weights(D, m, i, j, end)
    return electrons


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

    With v a fitted c this is the density in e/bohr³ (:func:`densnet.basis.point_values.density`, which leaves distant
    atoms out); with v the occupied orbitals, (k, o), the orbitals' values.

    Args:
        positions: (i, 3) in bohr.
        vectors: (k,) or (k, o), in canonical order.
        points: (g, 3) in bohr.
    """
    v = np.asarray(vectors, dtype=float)
    if v.ndim == 1:
        return point_values.density(basis, numbers, positions, v, points)
    if v.shape[1] <= FEW:
        columns = [point_values.density(basis, numbers, positions, column, points) for column in v.T]
        return np.stack(columns, axis=1) if columns else np.empty((len(points), 0))
    mole = pyscf_mole(basis, numbers, positions)
    back, sign = from_canonical("pyscf", shells_of(basis, numbers))
    v = v[back] * sign[:, None]
    points = np.asarray(points, dtype=float)
    values = np.empty((len(points), v.shape[1]))
    # Short blocks stay in the processor's cache, and few functions reach them.
    step = max(1, min(512, BLOCK_BYTES // (8 * max(1, len(v)))))
    for start in range(0, len(points), step):
        block = slice(start, start + step)
        functions = mole.eval_gto("GTOval_sph", points[block], cutoff=NEGLIGIBLE)
        reach = functions.any(axis=0)
        values[block] = functions[:, reach] @ v[reach]
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


def _radial_moments(basis: Basis, numbers: Numbers, l: int, power: int) -> Array:
    """Return ∫ r^power R_k dr, (k,), of the functions R_k(r) Y_lm with this l, by Gaussian integrals; 0 for others."""
    values = []
    for number in numbers:
        for shell in basis.of(int(number)):
            values.extend([_radial_moment(shell, power) if shell.l == l else 0.0] * (2 * shell.l + 1))
    return np.asarray(values, dtype=float)


def _radial_moment(shell: Shell, power: int) -> float:
    a, half = np.asarray(shell.exponents), (power + shell.l + 1) / 2.0
    norms = np.sqrt(2.0 * (2.0 * a) ** (shell.l + 1.5) / gamma(shell.l + 1.5))
    return float(np.asarray(shell.coefficients) @ (norms * gamma(half) / (2.0 * a**half)))


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


def _overlapping(mole: Any, D: Array) -> Iterator[tuple[int, int, int]]:
    """Yield (i, j, end): shells j to end - 1, none after i, whose products with shell i matter in a density.

    Two s functions R apart overlap by no more than exp(-αβ/(α+β) R²); with the smallest exponents of both shells, and
    times the largest |D_mn| of them, this must exceed :data:`NEGLIGIBLE`.
    """
    starts = mole.ao_loc_nr()[:-1]
    largest = np.maximum.reduceat(np.maximum.reduceat(np.abs(D), starts, axis=0), starts, axis=1)
    exponent = np.array([mole.bas_exp(shell).min() for shell in range(mole.nbas)])
    centre = np.array([mole.bas_coord(shell) for shell in range(mole.nbas)])
    reduced = np.outer(exponent, exponent) / np.add.outer(exponent, exponent)
    matters = largest * np.exp(-reduced * cdist(centre, centre, "sqeuclidean")) > NEGLIGIBLE
    for i in range(mole.nbas):
        partners = np.flatnonzero(matters[i, : i + 1])
        for run in np.split(partners, np.flatnonzero(np.diff(partners) > 1) + 1):
            if len(run):
                yield i, int(run[0]), int(run[-1]) + 1


def _weights(D: Array, starts: NDArray[np.integer], i: int, j: int, end: int) -> Array:
    """Return D_mn of shell i with shells j to end - 1, column by column; what lies off the diagonal counts twice."""
    weights = D[starts[i] : starts[i + 1], starts[j] : starts[end]] * 2.0
    if end == i + 1:
        weights[:, starts[i] - starts[j] :] *= 0.5
    return weights.ravel(order="F")


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
