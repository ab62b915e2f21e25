"""Free atoms with PySCF's integrals and grid."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from spherical_atoms import spherical_atom
from theory import field_of, molecule, prepare
from worker_jobs import save

from densnet.basis.basis import Basis


def free_atom(
    basis: Basis, job: dict[str, Any], number: int, configuration: list[int]
) -> tuple[np.ndarray, list[int], float]:
    """Return the spherical, spin-averaged density matrix (of all electrons), l of each shell, and energy of an atom."""
    # only matrices are taken from this field; an even number of electrons is what PySCF insists on
    mol = molecule(basis, [number], np.zeros((1, 3)), -(number % 2))
    field = field_of(mol, job)
    core = field.get_hcore()

    def fock_matrix(orbitals: np.ndarray) -> tuple[np.ndarray, float]:
        density = 2.0 * orbitals @ orbitals.T
        potential = field.get_veff(mol, density)
        return core + np.asarray(potential), float(field.energy_elec(density, core, potential)[0])

    shells = [shell.l for shell in basis.of(number)]
    configured = job["level"]
    density, energy = spherical_atom(number, configuration, shells, core, field.get_ovlp(), fock_matrix, configured)
    return density, shells, energy


def atoms(job: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Compute the free atoms ``job["configurations"]``: {Z: electrons of each l}."""
    numbers = sorted(int(number) for number in job["configurations"])
    basis, ready = prepare(job, numbers)
    say(ready)
    for number in numbers:
        say({"event": "start", "item": number})
        started = time.time()
        density, shells, energy = free_atom(basis, job, number, job["configurations"][str(number)])
        part = {"density_matrix": density, "energy": energy, "shells": np.array(shells)}
        save(os.path.join(job["parts"], f"element-{number:03d}.npz"), part)
        say({"event": "done", "item": number, "status": "ok", "wall_time": time.time() - started})
