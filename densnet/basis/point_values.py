"""Values at points of f(r) = Σ_k c_k χ_k(r) and of the potential it makes, with their derivatives, in atomic units.

A function is a solid harmonic times Gaussians, S_lm(d) Σ_p w_p exp(-α_p d²) with d = r - R_i, and its potential keeps
that form: ∫ S_lm(d') exp(-α d'²) / |d - d'| = (2π/α) S_lm(d) F_l(α d²), F_l Boys' function. Both are here one sum over
Cartesian monomials whose weights depend on d² alone,

    f(r) = Σ_i Σ_l Σ_{a+b+c=l} x^a y^b z^c w_abc(d²),   w_abc(d²) = Σ_p W_p,abc h_l(α_p, d²),

summed by Horner's rule. Since ∂h/∂(d²) is known in closed form, so are gradient and Laplacian. The coefficients are
folded into W first, so that the cost is one of primitives and not of functions. Helgaker, Jørgensen, Olsen, Molecular
Electronic-Structure Theory (2000), chapters 6.4 and 9.8. Letters: g points, p primitives, a Cartesian monomials.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import eval_legendre, gamma, gammainc

from densnet.basis.basis import Basis, Shell
from densnet.basis.conventions import to_canonical

Array = NDArray[np.float64]
Numbers = Sequence[int] | NDArray[np.integer]

NEGLECTED = 1e-13
"""An atom is left out where its functions add less than this to a density (e/bohr³; per bohr, bohr² to derivatives)."""
POINTS_A_BLOCK = 2048
"""So few that a block's intermediate values (about a megabyte) stay in the processor's cache."""
FAR = 60.0
"""Beyond this argument Boys' function is that of a point multipole to double precision."""


@dataclass(frozen=True)
class _Atom:
    """One atom's share of f: centre (3,), distinct exponents (p,), and by l the weights W (p, a)."""

    centre: Array
    exponents: Array
    weights: tuple[Array, ...]

    def reaches(self, derivative: int) -> Array:
        """Return the distances in bohr beyond which each exponent adds less than :data:`NEGLECTED`, (p,)."""
        r = np.linspace(0.1, 60.0, 600)[:, None]
        bound = np.zeros((len(r), len(self.exponents)))
        for l, W in enumerate(self.weights):
            slope = (l / r + 2.0 * self.exponents * r) ** derivative
            bound += r**l * slope * np.exp(-self.exponents * r * r) * np.abs(W).sum(axis=1)
        return np.where(bound >= NEGLECTED, r, 0.0).max(axis=0) + 0.1

    def within(self, distance: float, reaches: Array) -> _Atom:
        """Return the atom with those exponents alone that reach as far as this."""
        reaching = reaches > distance
        if reaching.all():
            return self
        return _Atom(self.centre, self.exponents[reaching], tuple(W[reaching] for W in self.weights))


Radial = Callable[[int, int], Array]
"""(l, n) -> the n-th derivative of h_l with respect to d², (p, g)."""
Kernel = Callable[[Array, Array, int], Radial]
"""(exponents (p,), d² (g,), highest l + n) -> Radial."""


def density(basis: Basis, numbers: Numbers, positions: Array, coefficients: Array, points: Array) -> Array:
    """Return Σ_k c_k χ_k(r_g), (g,), in e/bohr³.

    Args:
        positions: (i, 3) in bohr.
        coefficients: c, (k,), canonical order.
        points: (g, 3) in bohr.
    """
    atoms = _atoms(basis, numbers, positions, coefficients)
    return _sum_over_atoms(atoms, points, _value, _gaussian, 0)


def atomic_densities(basis: Basis, numbers: Numbers, positions: Array, coefficients: Array, points: Array) -> Array:
    """Return the share of each atom's own functions in :func:`density`, (i, g), in e/bohr³; all of it is held."""
    points = np.asarray(points, dtype=float)
    atoms = _atoms(basis, numbers, positions, coefficients)
    values = np.zeros((len(atoms), len(points)))
    for block, i, atom, d, square in _near_pairs(atoms, points, 0):
        values[i, block] = _value(atom, d, square, _gaussian)
    return values


def density_gradient(basis: Basis, numbers: Numbers, positions: Array, coefficients: Array, points: Array) -> Array:
    """Return ∇ Σ_k c_k χ_k(r_g), (g, 3), in e/bohr⁴; arguments as :func:`density`."""
    atoms = _atoms(basis, numbers, positions, coefficients)
    return _sum_over_atoms(atoms, points, _gradient, _gaussian, 1)


def density_laplacian(basis: Basis, numbers: Numbers, positions: Array, coefficients: Array, points: Array) -> Array:
    """Return ∇² Σ_k c_k χ_k(r_g), (g,), in e/bohr⁵; arguments as :func:`density`."""
    atoms = _atoms(basis, numbers, positions, coefficients)
    return _sum_over_atoms(atoms, points, _laplacian, _gaussian, 2)


def potential(basis: Basis, numbers: Numbers, positions: Array, coefficients: Array, points: Array) -> Array:
    """Return Σ_k c_k ∫ χ_k(r') / |r_g - r'| dr', (g,), in hartree/e, of the functions alone (positive charge).

    Arguments as :func:`density`. Nothing is left out: a potential has no end.
    """
    atoms = _atoms(basis, numbers, positions, coefficients)
    return _sum_over_atoms(atoms, points, _value, _coulomb, None)


def potential_gradient(basis: Basis, numbers: Numbers, positions: Array, coefficients: Array, points: Array) -> Array:
    """Return the gradient of :func:`potential`, (g, 3), in hartree/(e bohr)."""
    atoms = _atoms(basis, numbers, positions, coefficients)
    return _sum_over_atoms(atoms, points, _gradient, _coulomb, None)


def spherical_average(
    basis: Basis, numbers: Numbers, positions: Array, coefficients: Array, centre: Array, radii: Array
) -> Array:
    """Return the average of the density over spheres, (n,), in e/bohr³, in closed form but for one smooth integral.

    Turning about the axis D from the centre to a nucleus leaves of S_lm(d) only S_lm(u) d^l P_l(cos γ), u the unit
    vector from the nucleus to the centre and γ the angle there. With the distance d as variable the average is

        S_lm(u) / (2 r D) ∫ d^(l+1) exp(-α d²) P_l((d² + D² - r²) / (2 d D)) dd   from |r - D| to r + D,

    which resolves a nucleus on the sphere, as a grid of points does not.

    Args:
        centre: (3,) in bohr.
        radii: (n,) in bohr; the other arguments as :func:`density`.
    """
    radii = np.maximum(np.asarray(radii, dtype=float), 1e-6)
    total = np.zeros(len(radii))
    for atom in _atoms(basis, numbers, positions, coefficients):
        axis = np.asarray(centre, dtype=float) - atom.centre
        distance = float(np.linalg.norm(axis))
        if distance < 1e-8:
            total += np.exp(-np.outer(radii**2, atom.exponents)) @ atom.weights[0][:, 0]
            continue
        for l, W in enumerate(atom.weights):
            towards = np.array([np.prod((axis / distance) ** power) for power in _monomials(l)])
            total += _averages(l, atom.exponents, distance, radii) @ (W @ towards)
    return total


def _averages(l: int, exponents: Array, distance: float, radii: Array) -> Array:
    """Return the average of d^l P_l(cos γ) exp(-α d²) over each sphere, (n, p)."""
    nodes, weights = np.polynomial.legendre.leggauss(48)
    first = np.abs(radii - distance)[:, None]
    # Beyond 7 widths of the Gaussian nothing is left of it.
    last = np.minimum(radii[:, None] + distance, first + 7.0 / np.sqrt(exponents))
    half = (last - first)[..., None] / 2.0
    d = first[..., None] + half * (1.0 + nodes)
    cosine = np.clip((d**2 + distance**2 - radii[:, None, None] ** 2) / (2.0 * d * distance), -1.0, 1.0)
    integrand = d ** (l + 1) * np.exp(-exponents[:, None] * d**2) * eval_legendre(l, cosine)
    return np.einsum("npq,q->np", integrand * half, weights) / (2.0 * radii[:, None] * distance)


def boys(highest: int, x: Array) -> Array:
    """Return F_n(x) = ∫_0^1 t^2n exp(-x t²) dt for n = 0 .. highest, (n, ...).

    The highest from the incomplete gamma function, the others by downward recursion, which loses no digits.
    """
    F = np.empty((highest + 1, *x.shape))
    order = highest + 0.5
    safe = np.maximum(x, 1e-6)
    inverse = 1.0 / safe
    F[highest] = gamma(order) / 2.0 * np.sqrt(inverse)
    for _ in range(highest):
        F[highest] *= inverse
    near = x < FAR
    F[highest][near] *= gammainc(order, safe[near])
    tiny = x < 1e-6
    F[highest][tiny] = 1.0 / (2 * highest + 1) - x[tiny] / (2 * highest + 3)
    decay = np.zeros(x.shape)
    decay[near] = np.exp(-x[near])
    for n in range(highest, 0, -1):
        F[n - 1] = (2.0 * x * F[n] + decay) / (2 * n - 1)
    return F


def cartesian_harmonics(l: int) -> Array:
    """Return the real solid harmonics r^l Y_lm as sums of monomials, (a, m).

    Monomials run xx, xy, xz, yy, yz, zz: powers of x descending, then of y; m = -l .. l.
    """
    from pyscf import gto

    index, sign = to_canonical("pyscf", [(0, l)])
    return np.asarray(gto.cart2sph(l, normalized=None))[:, index] * sign


def _atoms(basis: Basis, numbers: Numbers, positions: Array, coefficients: Array) -> list[_Atom]:
    atoms, start = [], 0
    for number, centre in zip(numbers, np.asarray(positions, dtype=float), strict=True):
        shells = basis.of(int(number))
        n = sum(2 * shell.l + 1 for shell in shells)
        atoms.append(_atom(shells, centre, np.asarray(coefficients, dtype=float)[start : start + n]))
        start += n
    return atoms


def _atom(shells: Sequence[Shell], centre: Array, coefficients: Array) -> _Atom:
    from pyscf.gto import gto_norm

    exponents = np.unique([exponent for shell in shells for exponent in shell.exponents])
    spherical = [np.zeros((len(exponents), 2 * l + 1)) for l in range(shells[-1].l + 1)]
    start = 0
    for shell in shells:
        of_shell = np.asarray(shell.exponents)
        radial = np.asarray(shell.coefficients) * gto_norm(shell.l, of_shell)
        c = coefficients[start : start + 2 * shell.l + 1]
        np.add.at(spherical[shell.l], np.searchsorted(exponents, of_shell), np.outer(radial, c))
        start += 2 * shell.l + 1
    weights = tuple(W @ cartesian_harmonics(l).T for l, W in enumerate(spherical))
    return _Atom(centre, exponents, weights)


def _sum_over_atoms(
    atoms: Sequence[_Atom],
    points: Array,
    part: Callable[[_Atom, Array, Array, Kernel], Array],
    kernel: Kernel,
    derivative: int | None,
) -> Array:
    """Sum ``part`` of each atom over the points in its reach (all of them if ``derivative`` is None)."""
    points = np.asarray(points, dtype=float)
    vector = part is _gradient
    values = np.zeros((len(points), 3) if vector else len(points))
    for block, _, atom, d, square in _near_pairs(atoms, points, derivative):
        values[block] += part(atom, d, square, kernel).T
    return values


def _near_pairs(
    atoms: Sequence[_Atom], points: Array, derivative: int | None
) -> Iterator[tuple[NDArray[np.int64], int, _Atom, Array, Array]]:
    """Yield blocks of points with each atom that reaches them: (indices, i, atom, d (3, g), d² (g,))."""
    reaches = [None if derivative is None else atom.reaches(derivative) for atom in atoms]
    for block in _compact_blocks(points):
        r = np.ascontiguousarray(points[block].T)
        for i, (atom, reach) in enumerate(zip(atoms, reaches, strict=True)):
            d = r - atom.centre[:, None]
            square = np.einsum("xg,xg->g", d, d)
            near = atom if reach is None else atom.within(float(np.sqrt(square.min())), reach)
            if len(near.exponents):
                yield block, i, near, d, square


def _compact_blocks(points: Array) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of neighbouring points, so that most blocks are far from most nuclei."""
    if not len(points):
        return
    order = cKDTree(points, leafsize=POINTS_A_BLOCK, compact_nodes=False, balanced_tree=False).indices
    for start in range(0, len(points), POINTS_A_BLOCK):
        yield order[start : start + POINTS_A_BLOCK]


def _gaussian(exponents: Array, square: Array, highest: int) -> Radial:
    values = np.exp(-exponents[:, None] * square)
    return lambda l, n: values if n == 0 else (-exponents[:, None]) ** n * values


def _coulomb(exponents: Array, square: Array, highest: int) -> Radial:
    F = boys(highest, exponents[:, None] * square)
    return lambda l, n: (2.0 * np.pi * (-1.0) ** n * exponents ** (n - 1.0))[:, None] * F[l + n]


def _value(atom: _Atom, d: Array, square: Array, kernel: Kernel) -> Array:
    radial = kernel(atom.exponents, square, len(atom.weights) - 1)
    return _horner([W.T @ radial(l, 0) for l, W in enumerate(atom.weights)], d)


def _gradient(atom: _Atom, d: Array, square: Array, kernel: Kernel) -> Array:
    """∇(x^a y^b z^c w) = w ∇(x^a y^b z^c) + 2 d x^a y^b z^c w'; (3, g)."""
    radial = kernel(atom.exponents, square, len(atom.weights))
    w = [W.T @ radial(l, 0) for l, W in enumerate(atom.weights)]
    slope = _horner([W.T @ radial(l, 1) for l, W in enumerate(atom.weights)], d)
    gradient = 2.0 * d * slope
    for axis in range(3):
        lowered = [power[:, None] * w[l][rows] for l in range(1, len(w)) for rows, power in [_lowered(l, axis)]]
        if lowered:
            gradient[axis] += _horner(lowered, d)
    return gradient


def _laplacian(atom: _Atom, d: Array, square: Array, kernel: Kernel) -> Array:
    """∇²(S_l h(d²)) = S_l [(4 l + 6) h' + 4 d² h''], for S_l is harmonic."""
    radial = kernel(atom.exponents, square, len(atom.weights) + 1)
    return _horner(
        [W.T @ ((4 * l + 6) * radial(l, 1) + 4.0 * square * radial(l, 2)) for l, W in enumerate(atom.weights)],
        d,
    )


def _horner(w: list[Array], d: Array) -> Array:
    """Return Σ_l Σ_a w_l,a (g) times its monomial, (g,), for w_l of shape (a, g) and l = 0, 1 ... in turn.

    All monomials of degree l are x times those of l - 1, then y times those without x, then z times the pure z.
    """
    x, y, z = d
    total = w[-1]
    for l in range(len(w) - 1, 0, -1):
        n = l * (l + 1) // 2
        below = w[l - 1] + x * total[:n]
        below[n - l :] += y * total[n : n + l]
        below[-1] += z * total[-1]
        total = below
    return total[0]


@functools.cache
def _lowered(l: int, axis: int) -> tuple[NDArray[np.int64], Array]:
    """Return, for each monomial of degree l - 1, which of degree l it is the derivative of, and the power in front."""
    powers = list(_monomials(l))
    index = {power: row for row, power in enumerate(powers)}
    rows = []
    for power in _monomials(l - 1):
        raised = list(power)
        raised[axis] += 1
        rows.append(index[(raised[0], raised[1], raised[2])])
    return np.array(rows, dtype=np.int64), np.array([float(powers[row][axis]) for row in rows])


def _monomials(l: int) -> Iterator[tuple[int, int, int]]:
    for a in range(l, -1, -1):
        for b in range(l - a, -1, -1):
            yield a, b, l - a - b
