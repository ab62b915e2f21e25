"""Free atoms, spherical and spin-averaged: a restricted fractional SCF with Psi4's integrals and grid."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from theory import ContractedShell, JobError, clean, molecule, orbital_basis, prepare, save, set_scf_options, shells_of


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


def fock_matrix(psi4: Any, wavefunction: Any, orbitals: np.ndarray) -> tuple[np.ndarray, float]:
    """Return F and E of the density D = C C^T per spin (C from :func:`half_occupied_orbitals`), restricted Kohn-Sham.

    F = H + 2 J[D] - a K[D] - b K_w[D] + V_xc,  E = 2 H.D + 2 J.D - a K.D - b K_w.D + E_xc.
    """
    functional, jk = wavefunction.functional(), wavefunction.jk()
    jk.C_clear()
    jk.C_left_add(psi4.core.Matrix.from_array(orbitals))
    jk.compute()
    density = orbitals @ orbitals.T
    core = np.asarray(wavefunction.H())
    two_electron = 2.0 * np.asarray(jk.J()[0])
    if functional.is_x_hybrid():
        two_electron = two_electron - functional.x_alpha() * np.asarray(jk.K()[0])
    if functional.is_x_lrc():
        two_electron = two_electron - functional.x_beta() * np.asarray(jk.wK()[0])
    energy = 2.0 * np.vdot(core, density) + np.vdot(two_electron, density)
    fock = core + two_electron
    if functional.needs_xc():
        potential = wavefunction.V_potential()
        matrix = psi4.core.Matrix(len(density), len(density))
        potential.set_D([psi4.core.Matrix.from_array(density)])
        potential.compute_V([matrix])
        fock = fock + np.asarray(matrix)
        values = potential.quadrature_values()
        energy += values["FUNCTIONAL"] + values.get("VV10", 0.0)
    return fock, float(energy)


def free_atom(
    psi4: Any, level: dict[str, Any], number: int, configuration: list[int]
) -> tuple[np.ndarray, list[ContractedShell], float]:
    """Return the spherical, spin-averaged density matrix (of all electrons), shells and energy of a free atom."""
    # Only grid and integrals are taken from this object: the charge makes it a closed shell, which Psi4 insists on.
    mol = molecule(psi4, [number], np.zeros((1, 3)), -(number % 2), 1)
    set_scf_options(psi4, level, guess="core")
    base = psi4.core.Wavefunction.build(mol, psi4.core.get_global_option("BASIS"))
    from psi4.driver.procrouting.proc import scf_wavefunction_factory

    reference = "RHF" if level["functional"].lower() in ("hf", "scf") else "RKS"
    psi4.core.set_global_option("REFERENCE", reference)
    wavefunction = scf_wavefunction_factory(level["functional"], base, reference)
    wavefunction.initialize()
    shells = shells_of(wavefunction.basisset())
    size = sum(2 * shell.l + 1 for shell in shells)
    starts = np.cumsum([0] + [2 * shell.l + 1 for shell in shells])
    places = {
        l: np.array([np.arange(starts[s], starts[s + 1]) for s, shell in enumerate(shells) if shell.l == l])
        for l in sorted({shell.l for shell in shells})
    }
    electrons = {l: float(configuration[l]) if l < len(configuration) else 0.0 for l in places}
    if sum(electrons.values()) != number:
        raise JobError(f"basis: it lacks an angular momentum that the atom with Z = {number} occupies")
    overlap = radial_blocks(np.asarray(wavefunction.S()), places)
    fock = radial_blocks(np.asarray(wavefunction.H()), places)
    orbitals = half_occupied_orbitals(fock, overlap, electrons, places, size)
    focks: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    last = np.inf
    full_overlap = spherical_matrix(overlap, places, size)
    for _ in range(level["max_iterations"]):
        matrix, energy = fock_matrix(psi4, wavefunction, orbitals)
        matrix = spherical_matrix(radial_blocks(matrix, places), places, size)
        product = matrix @ (orbitals @ orbitals.T) @ full_overlap
        error = product - product.T
        converged = np.sqrt(np.mean(error**2)) < level["density_convergence"]
        if converged and abs(energy - last) < level["energy_convergence"]:
            return 2.0 * orbitals @ orbitals.T, shells, energy
        last = energy
        focks, errors = [*focks[-7:], matrix], [*errors[-7:], error]
        mixed = radial_blocks(extrapolate(focks, errors), places)
        orbitals = half_occupied_orbitals(mixed, overlap, electrons, places, size)
    raise JobError(
        "atoms: the free atom with Z = {} did not converge in {} iterations (max_iterations)".format(
            number, level["max_iterations"]
        )
    )


def atoms(psi4: Any, job: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Compute the free atoms ``job["configurations"]``: {Z: electrons of each l}."""
    numbers = sorted(int(number) for number in job["configurations"])
    spaced = np.arange(len(numbers), dtype=float)[:, None] * np.array([[0.0, 0.0, 10.0]])
    mol = molecule(psi4, numbers, spaced, -(sum(numbers) % 2), 1)
    basis, ready = prepare(psi4, job, mol)
    ready["orbital_basis"] = orbital_basis(job["level"]["basis"], numbers, shells_of(basis))
    say(ready)
    for number in numbers:
        say({"event": "start", "item": number})
        started = time.time()
        density, shells, energy = free_atom(psi4, job["level"], number, job["configurations"][str(number)])
        part = {"density_matrix": density, "energy": energy, "shells": np.array([shell.l for shell in shells])}
        clean(psi4)
        save(os.path.join(job["parts"], f"element-{number:03d}.npz"), part)
        say({"event": "done", "item": number, "status": "ok", "wall_time": time.time() - started})
