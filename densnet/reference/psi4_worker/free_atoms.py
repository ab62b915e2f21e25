"""Free atoms with Psi4's integrals and grid."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from spherical_atoms import spherical_atom
from theory import ContractedShell, clean, molecule, orbital_basis, prepare, set_scf_options, shells_of
from worker_jobs import save


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
    density, energy = spherical_atom(
        number,
        configuration,
        [shell.l for shell in shells],
        np.asarray(wavefunction.H()),
        np.asarray(wavefunction.S()),
        lambda orbitals: fock_matrix(psi4, wavefunction, orbitals),
        level,
    )
    return density, shells, energy


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
