"""Energy, gradient, dipole and occupied orbitals of frames."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from theory import field_of, molecule, prepare, set_grid
from worker_jobs import JobError, one_line, save

from densnet.basis.basis import Basis
from densnet.basis.integrals import shells_of

COARSE_GRID = (24, 110)
COARSE_CONVERGENCE = 1e-4
COARSE_ITERATIONS = 25
CLOSEST = 0.1
"""Bohr; atoms that are closer, or upon each other, are no geometry: Psi4 says so itself."""


class NotConvergedError(Exception):
    """The self-consistency did not converge."""


def converged_field(basis: Basis, job: dict[str, Any], numbers: np.ndarray, positions: np.ndarray) -> Any:
    """Return the converged field of a geometry.

    With a functional the iterations start from a density converged on a small grid: the same solution, half the time.
    """
    separations = np.linalg.norm(positions[:, None] - positions, axis=-1) + np.diag(np.full(len(positions), np.inf))
    if not separations.min(initial=np.inf) > CLOSEST:
        raise NotConvergedError("atoms are too close")
    mol = molecule(basis, list(numbers), positions, job["charge"])
    guess, fitted = None, None
    if job["xc"] != "HF":
        coarse = field_of(mol, job)
        set_grid(coarse, COARSE_GRID)
        coarse.do_nlc = lambda: False
        coarse.conv_tol, coarse.conv_tol_grad = COARSE_CONVERGENCE, None
        coarse.max_cycle = min(COARSE_ITERATIONS, job["level"]["max_iterations"])
        coarse.kernel()
        fitted = coarse.with_df
        # the small grid must never be the reason why a frame fails
        guess = coarse.make_rdm1() if coarse.converged else None
    field = field_of(mol, job, fitted)
    field.kernel(dm0=guess)
    if not field.converged:
        raise NotConvergedError(f"the SCF did not converge in {field.max_cycle} iterations")
    return field


def arrays_of(field: Any) -> dict[str, Any]:
    """Return energy, gradient, dipole about the origin and occupied orbitals of a converged field."""
    slope = field.nuc_grad_method()
    slope.verbose = 0
    results: dict[str, Any] = {
        "energy": float(field.e_tot),
        "gradient": np.asarray(slope.kernel()),
        "dipole": np.asarray(field.dip_moment(unit="AU", verbose=0)),
        "orbitals": np.asarray(field.mo_coeff[:, field.mo_occ > 0]),
        "own_dispersion": 0.0,
    }
    if not all(np.isfinite(values).all() for values in results.values()):
        raise NotConvergedError("the SCF ended at nan")
    return results


def label_frame(basis: Basis, job: dict[str, Any], numbers: np.ndarray, positions: np.ndarray) -> dict[str, Any]:
    """Return the arrays of one frame's part; what the geometry is to blame for is a status, not an error.

    Raises:
        JobError: of anything else.
    """
    started = time.time()
    try:
        results = arrays_of(converged_field(basis, job, numbers, positions))
    except (MemoryError, OSError):  # the machine's fault, not the frame's
        raise
    except Exception as error:  # of PySCF's own kinds, LinAlgError among them
        if not re.search(job["failures_of_geometries"], str(error), re.IGNORECASE):
            raise JobError(
                "pyscf: " + one_line(error) + ": not the geometry's fault, so the frame is not given up; see to the "
                "machine (memory, the disk of PYSCF_TMPDIR) and run again, finished frames are kept"
            ) from error
        return {"status": "PySCF: " + one_line(error), "wall_time": time.time() - started}
    return {"status": "ok", **results, "wall_time": time.time() - started}


def label(job: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Label the frames ``job["frames"]`` of the geometries in ``job["geometries"]``."""
    with np.load(job["geometries"]) as stored:
        numbers, positions = stored["numbers"], stored["positions"]
    basis, ready = prepare(job, numbers)
    if (int(numbers.sum()) - job["charge"]) % 2 or job["multiplicity"] != 1:
        raise JobError(
            f"multiplicity: expected 1, a closed shell, found {job['multiplicity']} with "
            f"{int(numbers.sum()) - job['charge']} electrons; correct charge or multiplicity"
        )
    ready["shells"] = shells_of(basis, numbers)
    say(ready)
    for frame in job["frames"]:
        say({"event": "start", "item": frame})
        part = label_frame(basis, job, numbers, positions[frame])
        save(os.path.join(job["parts"], f"frame-{frame:06d}.npz"), part)
        say({"event": "done", "item": frame, "status": part["status"], "wall_time": part["wall_time"]})
