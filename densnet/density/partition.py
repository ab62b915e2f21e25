"""Atoms in a molecule: charges and dipoles by Hirshfeld's and the iterated stockholder partition.

Both give atom i the share w_i(r) = ρ_i(r) / Σ_j ρ_j(r) of the density at each point. Hirshfeld takes free atoms for
ρ_i (Theor. Chim. Acta 44, 129 (1977)); the iterated stockholder asks that ρ_i is the spherical average of its own share
(Lillestolen, Wheatley, Chem. Commun. 2008, 5909; J. Chem. Phys. 131, 144101 (2009)) and needs no free atoms.

Integrals over a share are taken of its difference from ρ_i, which is smooth at the nuclei:
N_i = ∫ ρ_i + ∫ (w_i ρ - ρ_i). Letters: i atoms, s radial shells, g points; atomic units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from densnet.basis import integrals, point_values
from densnet.density.electrostatics import ChargeDistribution
from densnet.errors import DensnetError

Array = NDArray[np.float64]

GRID_LEVEL = 2
"""Of Becke's grid for the shares' integrals."""
SHELLS = 120
"""Radial shells of an atom in the iterated stockholder partition."""
POINTS_A_SHELL = 194
"""Of Lebedev's grid on each shell; with finer grids and more shells ethanol's charges change by less than 1e-3 e."""
MOST_ITERATIONS = 2000
CONVERGED = 1e-6
"""Largest change of an atom's electrons in one iteration at which the iteration ends."""
NO_DENSITY = 1e-30
"""e/bohr³, added to every atom so that shares are defined where there is nothing to share."""
NOT_SHARED = 1e-9
"""e/bohr³; a point of less density counts as its own atom's, which saves half the work for some 1e-6 e."""
REACH = 10.0
"""bohr; on another atom's shells an atom counts up to this distance."""
POINTS_AT_ONCE = 20_000


@dataclass(frozen=True)
class AtomicMoments:
    """Charges and dipoles of the atoms in a molecule.

    Attributes:
        charges: (i,), in e; their sum is the molecule's charge.
        dipoles: (i, 3), each about its own nucleus, in e times the unit of length asked for;
            Σ (q_i R_i + μ_i) is the molecule's dipole, to quadrature.
        residual: electrons that the quadrature missed; they are spread evenly over the atoms.
    """

    charges: Array
    dipoles: Array
    residual: float

    def in_units(self, bohr: float) -> AtomicMoments:
        """Return the same with dipoles in e times the unit of which one bohr has so many."""
        return replace(self, dipoles=self.dipoles * bohr)


def hirshfeld(charges: ChargeDistribution, prior: Array, *, grid_level: int = GRID_LEVEL) -> AtomicMoments:
    """Return Hirshfeld's charges and dipoles (e bohr).

    Args:
        prior: coefficients of the free atoms side by side, (k,).
        grid_level: 0 (coarse) to 9 (fine).

    Raises:
        DensnetError: no such grid level.
    """
    numbers, positions = charges.numbers, charges.positions

    def free_atoms(points: Array) -> Array:
        return point_values.atomic_densities(charges.basis, numbers, positions, prior, points)

    q, atom_of = integrals.charges(charges.basis, numbers), charges.basis.layout(numbers).atom
    electrons = np.array([(prior * q)[atom_of == i].sum() for i in range(len(positions))])
    return _moments_of_shares(charges, free_atoms, electrons, grid_level)


def iterated_stockholder(
    charges: ChargeDistribution, *, grid_level: int = GRID_LEVEL, most_iterations: int = MOST_ITERATIONS
) -> AtomicMoments:
    """Return charges and dipoles (e bohr) of the iterated stockholder partition.

    Raises:
        DensnetError: no such grid level, or the iteration does not end within ``most_iterations``.
    """
    radii, quadrature, atoms = stockholder_atoms(charges, most_iterations=most_iterations)

    def spherical_atoms(points: Array) -> Array:
        distances = cdist(charges.positions, points)
        return np.array([_at_distances(radii, atom, d) for d, atom in zip(distances, atoms, strict=True)])

    return _moments_of_shares(charges, spherical_atoms, atoms @ quadrature, grid_level)


def stockholder_atoms(
    charges: ChargeDistribution, *, most_iterations: int = MOST_ITERATIONS
) -> tuple[Array, Array, Array]:
    """Return radii (s,) in bohr, weights 4π r² dr (s,) and the converged spherical atoms ρ_i(r_s), (i, s).

    Each iteration replaces ρ_i(r_s) by the average of its share over the sphere, which keeps all of them positive and
    never increases ∫ ρ ln(ρ / Σ ρ_i) (Bultinck, Cooper, Van Neck, Phys. Chem. Chem. Phys. 11, 3424 (2009)).

    Raises:
        DensnetError: not converged within ``most_iterations``.
    """
    from pyscf.dft import LebedevGrid, radi

    radii, widths = radi.gauss_chebyshev(SHELLS)
    radii, widths = radii[np.argsort(radii)], widths[np.argsort(radii)]
    sphere = LebedevGrid.MakeAngularGrid(POINTS_A_SHELL)
    offsets = (radii[:, None, None] * sphere[:, :3]).reshape(-1, 3)
    points = (charges.positions[:, None] + offsets).reshape(-1, 3)
    rho = np.maximum(_density(charges, points), NO_DENSITY)
    weighted = rho.reshape(-1, SHELLS, POINTS_A_SHELL) * sphere[:, 3]
    # One matrix an atom: together they would need three times the memory while they are made.
    interpolations = [
        _interpolation(charges.positions, i, around, shared, radii)
        for i, (around, shared) in enumerate(
            zip(points.reshape(-1, len(offsets), 3), (rho > NOT_SHARED).reshape(-1, len(offsets)), strict=True)
        )
    ]

    quadrature = 4.0 * np.pi * radii**2 * widths
    atoms = weighted.sum(axis=2)
    electrons = atoms @ quadrature
    for _ in range(most_iterations):
        around = np.array([matrix @ atoms.ravel() for matrix in interpolations]).reshape(weighted.shape)
        total = np.maximum(around, 0.0) + atoms[:, :, None]
        atoms = np.maximum(atoms * (weighted / total).sum(axis=2), NO_DENSITY)
        before, electrons = electrons, atoms @ quadrature
        if np.abs(electrons - before).max() < CONVERGED:
            return radii, quadrature, atoms
    raise DensnetError(
        f"iterated stockholder partition: not converged after {most_iterations} iterations (charges still change by "
        f"{np.abs(electrons - before).max():.1e} e); use Hirshfeld charges for this density"
    )


def _interpolation(positions: Array, i: int, points: Array, shared: NDArray[np.bool_], radii: Array) -> csr_array:
    """Return A, (g, i s), with (A ρ)_g = Σ_j ρ_j(|r_g - R_j|) over the atoms j but i, where ``shared``."""
    rows, columns, values = [], [], []
    for j, centre in enumerate(positions):
        distance = np.linalg.norm(points - centre, axis=1)
        row = np.flatnonzero(shared & (distance < min(REACH, radii[-1]))) if j != i else np.zeros(0, dtype=np.int64)
        nodes = np.clip(np.searchsorted(radii, distance[row]) - 2, 0, len(radii) - 4)[:, None] + np.arange(4)
        rows.append(np.repeat(row, 4))
        columns.append((j * len(radii) + nodes).ravel())
        values.append(_lagrange(radii[nodes], distance[row]).ravel())
    shape = (len(points), len(positions) * len(radii))
    return csr_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _at_distances(radii: Array, values: Array, distances: Array) -> Array:
    nodes = np.clip(np.searchsorted(radii, distances) - 2, 0, len(radii) - 4)[:, None] + np.arange(4)
    rho = np.einsum("gn,gn->g", _lagrange(radii[nodes], distances), values[nodes])
    return np.where(distances < radii[-1], rho, 0.0)


def _lagrange(nodes: Array, at: Array) -> Array:
    """Return the weights (g, 4) of the values at four nodes (g, 4) in the cubic through them, taken at (g,)."""
    weights = np.ones_like(nodes)
    for a in range(4):
        for b in range(4):
            if a != b:
                weights[:, a] *= (at - nodes[:, b]) / (nodes[:, a] - nodes[:, b])
    return weights


def _density(charges: ChargeDistribution, points: Array) -> Array:
    return point_values.density(charges.basis, charges.numbers, charges.positions, charges.coefficients, points)


def _moments_of_shares(
    charges: ChargeDistribution, atoms_at: Callable[[Array], Array], electrons: Array, grid_level: int
) -> AtomicMoments:
    """Integrate the shares; ``atoms_at`` gives ρ_i, (i, g), at points (g, 3), ``electrons`` their integrals, (i,)."""
    positions = charges.positions
    points, weights = integrals.becke_grid(charges.numbers, positions, grid_level)
    rho = _density(charges, points)
    N, first = electrons.copy(), np.zeros((len(positions), 3))
    for start in range(0, len(points), POINTS_AT_ONCE):
        block = slice(start, start + POINTS_AT_ONCE)
        atoms = atoms_at(points[block])
        # Fitted free atoms may be slightly negative far out; shares may not.
        positive = np.maximum(atoms, 0.0) + NO_DENSITY
        beyond = weights[block] * (positive / positive.sum(axis=0) * rho[block] - atoms)
        N += beyond.sum(axis=1)
        first += beyond @ points[block] - beyond.sum(axis=1)[:, None] * positions
    n_electrons = float(charges.coefficients @ integrals.charges(charges.basis, charges.numbers))
    residual = n_electrons - float(N.sum())
    return AtomicMoments(charges.nuclear_charges - N - residual / len(N), -first, residual)
