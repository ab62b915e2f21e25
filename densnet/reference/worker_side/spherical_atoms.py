"""Free atoms, spherical and spin-averaged: a restricted fractional SCF, whoever gives the Fock matrix (numpy only)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from worker_jobs import JobError


def radial_blocks(matrix: np.ndarray, places: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Average a matrix over m: for each l the (n, n) block, given places[l] (n, 2 l + 1) of its functions."""
    return {
        l: np.einsum("amkm->ak", matrix[np.ix_(index.reshape(-1), index.reshape(-1))].reshape(index.shape * 2))
        / index.shape[1]
        for l, index in places.items()
    }


def spherical_matrix(blocks: dict[int, np.ndarray], places: dict[int, np.ndarray], size: int) -> np.ndarray:
    """Spread radial blocks over m, the inverse of :func:`radial_blocks`."""
    matrix = np.zeros((size, size))
    for l, index in places.items():
        for column in range(index.shape[1]):
            matrix[np.ix_(index[:, column], index[:, column])] = blocks[l]
    return matrix


def generalized_eigh(fock: np.ndarray, overlap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solve F C = S C e for symmetric F and S by Loewdin's orthogonalisation."""
    values, vectors = np.linalg.eigh(overlap)
    transform = vectors / np.sqrt(values) @ vectors.T
    energies, rotated = np.linalg.eigh(transform @ fock @ transform)
    return energies, transform @ rotated


def half_occupied_orbitals(
    fock: dict[int, np.ndarray],
    overlap: dict[int, np.ndarray],
    electrons: dict[int, float],
    places: dict[int, np.ndarray],
    size: int,
) -> np.ndarray:
    """Return C sqrt(n / 2), (ao, orbital): the electrons of each l, aufbau, spread evenly over m and both spins."""
    columns = []
    for l, index in places.items():
        left = electrons[l]
        _, coefficients = generalized_eigh(fock[l], overlap[l])
        for orbital in range(len(index)):
            filled = min(left, 2.0 * (2 * l + 1))
            left -= filled
            if filled <= 0:
                break
            for m in range(2 * l + 1):
                column = np.zeros(size)
                column[index[:, m]] = coefficients[:, orbital] * np.sqrt(filled / (2 * (2 * l + 1)))
                columns.append(column)
        if left > 0:
            raise JobError(f"basis: it has too few functions of l = {l} to hold the atom's electrons")
    return np.array(columns).T


def extrapolate(focks: list[np.ndarray], errors: list[np.ndarray]) -> np.ndarray:
    """Pulay's DIIS: the combination of Fock matrices whose commutator is smallest."""
    count = len(focks)
    system = -np.ones((count + 1, count + 1))
    system[count, count] = 0.0
    for i in range(count):
        for j in range(count):
            system[i, j] = np.vdot(errors[i], errors[j])
    scale = system[count - 1, count - 1]
    if scale == 0:  # one function: its Fock matrix commutes with everything
        return focks[-1]
    system[:count, :count] /= scale
    right = np.zeros(count + 1)
    right[count] = -1.0
    weights = np.linalg.lstsq(system, right, rcond=None)[0][:count]
    return np.tensordot(weights, np.array(focks), axes=1)


def places_of(l_of_shells: list[int]) -> dict[int, np.ndarray]:
    """Return for each l the functions of its shells, (n, 2 l + 1)."""
    starts = np.cumsum([0] + [2 * l + 1 for l in l_of_shells])
    return {
        l: np.array([np.arange(starts[s], starts[s + 1]) for s, of_shell in enumerate(l_of_shells) if of_shell == l])
        for l in sorted(set(l_of_shells))
    }


def spherical_atom(
    number: int,
    configuration: list[int],
    l_of_shells: list[int],
    core: np.ndarray,
    overlap: np.ndarray,
    fock_matrix: Callable[[np.ndarray], tuple[np.ndarray, float]],
    level: dict[str, Any],
) -> tuple[np.ndarray, float]:
    """Return the spherical, spin-averaged density matrix (of all electrons) and the energy of a free atom.

    Args:
        number: Z.
        configuration: electrons of each l.
        l_of_shells: of each shell, in the order of the matrices.
        core: H, where the iterations start from.
        overlap: S.
        fock_matrix: gives F and E of C, (ao, orbital), from :func:`half_occupied_orbitals`, D = C C^T per spin.
        level: convergence and iterations.
    """
    size = sum(2 * l + 1 for l in l_of_shells)
    places = places_of(l_of_shells)
    electrons = {l: float(configuration[l]) if l < len(configuration) else 0.0 for l in places}
    if sum(electrons.values()) != number:
        raise JobError(f"basis: it lacks an angular momentum that the atom with Z = {number} occupies")
    radial_overlap = radial_blocks(overlap, places)
    orbitals = half_occupied_orbitals(radial_blocks(core, places), radial_overlap, electrons, places, size)
    focks: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    last = np.inf
    full_overlap = spherical_matrix(radial_overlap, places, size)
    for _ in range(level["max_iterations"]):
        matrix, energy = fock_matrix(orbitals)
        matrix = spherical_matrix(radial_blocks(matrix, places), places, size)
        product = matrix @ (orbitals @ orbitals.T) @ full_overlap
        error = product - product.T
        converged = np.sqrt(np.mean(error**2)) < level["density_convergence"]
        if converged and abs(energy - last) < level["energy_convergence"]:
            return 2.0 * orbitals @ orbitals.T, energy
        last = energy
        focks, errors = [*focks[-7:], matrix], [*errors[-7:], error]
        mixed = radial_blocks(extrapolate(focks, errors), places)
        orbitals = half_occupied_orbitals(mixed, radial_overlap, electrons, places, size)
    raise JobError(
        "atoms: the free atom with Z = {} did not converge in {} iterations (max_iterations)".format(
            number, level["max_iterations"]
        )
    )
