"""Energy, gradient, dipole and occupied orbitals of frames."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from theory import check_gradient, clean, molecule, orbital_basis, prepare, set_scf_options, shells_of
from worker_jobs import JobError, one_line, save

COARSE_GRID = {"dft_spherical_points": 110, "dft_radial_points": 24}
COARSE_CONVERGENCE = 1e-4
COARSE_ITERATIONS = 25


@contextlib.contextmanager
def shared_integrals(psi4: Any) -> Iterator[None]:
    """Let all wave functions that are made inside, of one molecule and level, use the first one's fitted integrals."""
    initialize = psi4.core.HF.initialize_jk
    first: list[Any] = []

    def take_over(self: Any, memory: int, jk: Any = None) -> None:
        if first:
            self.set_jk(first[0])
            return
        initialize(self, memory, jk)
        first.append(self.jk())

    psi4.core.HF.initialize_jk = take_over
    try:
        yield
    finally:
        psi4.core.HF.initialize_jk = initialize


def scf_gradient(psi4: Any, level: dict[str, Any], mol: Any, two_grids: bool) -> tuple[np.ndarray, Any]:
    """Return the wave function with its gradient, converged on Psi4's default grid.

    With ``two_grids`` the iterations start from orbitals converged on a small grid: the same solution, half the time.
    """
    name = level["functional"]
    if two_grids:
        set_scf_options(
            psi4,
            level,
            e_convergence=COARSE_CONVERGENCE,
            d_convergence=COARSE_CONVERGENCE,
            maxiter=min(COARSE_ITERATIONS, level["max_iterations"]),
            fail_on_maxiter=False,
            **COARSE_GRID,
        )
        psi4.energy(name, molecule=mol)
        set_scf_options(psi4, level, guess="read")
    else:
        set_scf_options(psi4, level)
    gradient, wavefunction = psi4.gradient(name, molecule=mol, return_wfn=True, dertype="gradient")
    return np.array(gradient), wavefunction


def dipole_moment(
    psi4: Any, wavefunction: Any, occupied: np.ndarray, numbers: np.ndarray, positions: np.ndarray
) -> np.ndarray:
    """Return sum_i Z_i R_i - 2 sum_mn D_mn <m|r|n>, (3,), e bohr; Psi4's dipole integrals carry the electron's sign."""
    integrals = psi4.core.MintsHelper(wavefunction.basisset()).ao_dipole()
    electrons = [2.0 * np.einsum("mj,mn,nj->", occupied, np.asarray(integral), occupied) for integral in integrals]
    return np.asarray(numbers, dtype=float) @ positions + np.array(electrons)


def label_frame(
    psi4: Any, job: dict[str, Any], numbers: np.ndarray, positions: np.ndarray, needs_grid: bool
) -> dict[str, Any]:
    """Return the arrays of one frame's part; what the geometry is to blame for is a status, not an error.

    Raises:
        JobError: of anything else, a full disk for instance, which Psi4's C++ reports as a RuntimeError as well.
    """
    started = time.time()
    level = job["level"]
    try:
        mol = molecule(psi4, numbers, positions, job["charge"], job["multiplicity"])
        try:
            with shared_integrals(psi4):
                gradient, wavefunction = scf_gradient(psi4, level, mol, needs_grid)
        except Exception:
            # The small grid must never be the reason why a frame fails.
            if not needs_grid:
                raise
            clean(psi4)
            gradient, wavefunction = scf_gradient(psi4, level, mol, False)
    except (MemoryError, OSError):  # the machine's fault, not the frame's
        raise
    except Exception as error:  # SCFConvergenceError, or a RuntimeError from Psi4's C++
        if not re.search(job["failures_of_geometries"], str(error), re.IGNORECASE):
            raise JobError(
                "psi4: " + one_line(error) + ": not the geometry's fault, so the frame is not given up; see to the "
                "machine (memory, the disk of PSI_SCRATCH) and run again, finished frames are kept"
            ) from error
        return {"status": "Psi4: " + one_line(error), "wall_time": time.time() - started}
    occupied = np.array(wavefunction.Ca_subset("AO", "OCC"))
    variables = psi4.core.variables()
    return {
        "status": "ok",
        "energy": float(wavefunction.energy()),
        "gradient": gradient,
        "dipole": dipole_moment(psi4, wavefunction, occupied, numbers, positions),
        "orbitals": occupied,
        "own_dispersion": float(variables.get("DISPERSION CORRECTION ENERGY", 0.0)),
        "wall_time": time.time() - started,
    }


def label(psi4: Any, job: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Label the frames ``job["frames"]`` of the geometries in ``job["geometries"]``."""
    with np.load(job["geometries"]) as stored:
        numbers, positions = stored["numbers"], stored["positions"]
    mol = molecule(psi4, numbers, positions[0], job["charge"], job["multiplicity"])
    basis, ready = prepare(psi4, job, mol)
    check_gradient(psi4, job["level"]["functional"])
    shells = shells_of(basis)
    ready["orbital_basis"] = orbital_basis(job["level"]["basis"], list(numbers), shells)
    ready["shells"] = [[shell.atom, shell.l] for shell in shells]
    say(ready)
    for frame in job["frames"]:
        say({"event": "start", "item": frame})
        part = label_frame(psi4, job, numbers, positions[frame], ready["needs_grid"])
        clean(psi4)
        save(os.path.join(job["parts"], f"frame-{frame:06d}.npz"), part)
        say({"event": "done", "item": frame, "status": part["status"], "wall_time": part["wall_time"]})
