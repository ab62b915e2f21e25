"""The stage ``densnet fit``: Kohn-Sham orbitals of every frame become fitted densities with known errors."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.error import DensityGrid
from densnet.errors import DensnetError
from densnet.fitting.fit import density_self_energy, fit_density
from densnet.fitting.fit_basis import describe_basis, named_fit_basis, natural_fit_bases
from densnet.fitting.kohn_sham_labels import (
    FreeAtoms,
    KohnShamLabels,
    evenly_spread,
    read_atoms,
    read_kohn_sham_labels,
)
from densnet.fitting.label_content import FittedFrame, label_content
from densnet.fitting.prior import fit_free_atom, superposition
from densnet.fitting.settings import NATURAL, FitSettings
from densnet.io.fingerprint import fingerprint
from densnet.io.parts import Parts
from densnet.oligomer import VARIABLES
from densnet.processes.pool import map_in_processes, one_thread, report_progress
from densnet.units import BOHR_IN_ANGSTROM, E_BOHR_IN_DEBYE, EV_IN_MEV, HARTREE_IN_MILLIHARTREE

METHOD_VERSION: int = 2

Array = NDArray[np.float64]

ORTHONORMALITY_TOLERANCE = 1e-6
"""Largest |CᵀSC - 1|; bases of two programs agree to 1e-9, a wrong order of functions gives numbers near 1."""
DIPOLE_TOLERANCE_DEBYE = 1e-6
CHARGE_TOLERANCE = 1e-8


@dataclass(frozen=True)
class FitProblem:
    """What all frames share: numbers (i,), both bases, the prior's coefficients (k,), number of electrons."""

    numbers: NDArray[np.int64]
    fit_basis: Basis
    orbital_basis: Basis
    prior: Array
    n_electrons: int


@dataclass(frozen=True)
class Frame:
    """One frame's label: positions (i, 3) in bohr, orbitals (m, o) canonical, dipole (3,) of the molecule in e bohr."""

    index: int
    positions: Array
    orbitals: Array
    dipole: Array


def fit_frame(frame: Frame, *, problem: FitProblem, settings: FitSettings) -> FittedFrame:
    """Fit one frame, check it against its label and measure its errors; a frame that cannot be fitted says why."""
    nothing = np.full(len(problem.prior), np.nan)
    try:
        return _fit_frame(frame, problem, settings)
    except DensnetError as error:
        return FittedFrame(failure=f"fit: {error}", coefficients=nothing)


def _fit_frame(frame: Frame, problem: FitProblem, settings: FitSettings) -> FittedFrame:
    basis, orbital_basis, numbers = problem.fit_basis, problem.orbital_basis, problem.numbers
    positions, C = frame.positions, frame.orbitals
    if not (np.isfinite(C).all() and np.isfinite(positions).all()):
        raise DensnetError("the label holds NaN; label this frame again")
    deviation = np.abs(C.T @ integrals.overlap(orbital_basis, numbers, positions) @ C - np.eye(C.shape[1])).max()
    if deviation > ORTHONORMALITY_TOLERANCE:
        raise DensnetError(
            f"orbitals are not orthonormal (off by {deviation:.1e}); basis, order or geometry do not match"
        )
    D = 2.0 * C @ C.T
    of_density = density_self_energy(orbital_basis, numbers, positions, D) if settings.self_energy else float("nan")
    fitted = fit_density(
        basis,
        orbital_basis,
        numbers,
        positions,
        D,
        prior=problem.prior,
        ridge=settings.ridge,
        density_self_energy=of_density,
        eigenvalue_cutoff=settings.eigenvalue_cutoff,
    )
    c = fitted.coefficients
    charge_error = abs(float(integrals.charges(basis, numbers) @ c) - problem.n_electrons)
    dipole = numbers @ positions - c @ integrals.dipoles(basis, numbers, positions)
    dipole_error = float(np.abs(dipole - frame.dipole).max()) * E_BOHR_IN_DEBYE
    if charge_error > CHARGE_TOLERANCE or dipole_error > DIPOLE_TOLERANCE_DEBYE:
        raise DensnetError(f"charge is off by {charge_error:.1e} e, dipole by {dipole_error:.1e} D from the label's")
    grid = DensityGrid.around(numbers, positions, settings.grid_level)
    rho, rho_prior = grid.fitted(basis, np.stack([c, problem.prior]))
    unconstrained_error = np.linalg.norm(fitted.unconstrained_dipole - fitted.dipole)
    return FittedFrame(
        failure="",
        coefficients=c,
        floor_nmae=grid.nmae(rho, grid.kohn_sham(orbital_basis, C), problem.n_electrons),
        floor_dipole_error=float(unconstrained_error) * E_BOHR_IN_DEBYE,
        floor_self_energy=fitted.self_energy * HARTREE_IN_MILLIHARTREE,
        prior_nmae=grid.nmae(rho_prior, rho, problem.n_electrons),
        condition_number=fitted.condition_number,
    )


@one_thread()
def fit_labels(
    shards: Sequence[Path],
    geometries: Path,
    atoms: Path,
    settings: FitSettings,
    *,
    processes: int,
    sizes: Mapping[str, int] | None = None,
    parts: Parts | None = None,
) -> xr.Dataset:
    """Fit every labelled frame; return the content of ``labels.nc``, the same for any number of processes and cores.

    Args:
        shards: files of ``densnet label`` that together hold every frame of ``geometries`` once.
        geometries: file of ``densnet sample``.
        atoms: file of ``densnet atoms``, at the shards' level of theory.
        sizes: how many frames of each split to take, all of those that are not named.
        parts: where finished frames are kept and found again, from :func:`fit_parts`.

    Raises:
        DensnetError: a file is truncated, foreign or belongs to other geometries or another level; energies or forces
            that came with the geometries contradict the labels'; the fit basis is unknown or lacks an element; more
            than ``max_failed_share`` of the frames failed.
    """
    labels = read_kohn_sham_labels(shards, geometries, sizes)
    _say_what_was_given(labels)
    numbers = labels.numbers
    free = read_atoms(atoms, numbers, labels.orbital_basis, labels.level)
    basis = _fit_basis(labels, free, settings, processes, parts)
    priors = {
        number: fit_free_atom(basis, labels.orbital_basis, number, matrix)
        for number, matrix in free.density_matrices.items()
    }
    problem = FitProblem(
        numbers, basis, labels.orbital_basis, superposition(basis, numbers, priors), labels.n_electrons
    )
    status = labels.dataset["status"].values.astype(str)
    failures = {
        int(t): str(line) for t, line in zip(labels.dataset["frame"].values, status, strict=True) if line != "ok"
    }
    frames = [
        Frame(
            index=int(labels.dataset["frame"].values[t]),
            positions=labels.dataset["positions"].values[t] / BOHR_IN_ANGSTROM,
            orbitals=labels.orbitals[t],
            dipole=labels.dataset["dipole"].values[t] / BOHR_IN_ANGSTROM,
        )
        for t in np.flatnonzero(status == "ok")
    ]
    results = _fitted_frames(frames, problem, settings, processes, parts)
    failures |= {f.index: r.failure for f, r in zip(frames, results, strict=True) if r.failure}
    _judge_failures(dict(sorted(failures.items())), len(status), settings.max_failed_share)
    good = {f.index: r for f, r in zip(frames, results, strict=True) if not r.failure}
    return _dataset(labels, problem, good, dict(sorted(failures.items())), free.energies)


def _say_what_was_given(labels: KohnShamLabels) -> None:
    """Say whose energies and forces the labels have, if they came with the geometries, and how far off ours were."""
    level = labels.level
    if "given_force_difference_ev_per_angstrom" in level:
        forces, energy = level["given_force_difference_ev_per_angstrom"], level["given_energy_difference_ev"]
        print(
            f"densnet fit: energies and forces: {level['energies_and_forces_given_by']}; those that came with the "
            f"orbitals differ by {EV_IN_MEV * forces:.2g} meV/Å and {EV_IN_MEV * energy:.2g} meV (after the mean)",
            file=sys.stderr,
            flush=True,
        )


def fit_parts(
    shards: Sequence[Path], geometries: Path, atoms: Path, settings: FitSettings, sizes: Mapping[str, int], output: Path
) -> Parts:
    """Return the folder beside ``output`` where this fit's finished frames are kept.

    Raises:
        DensnetError: an input cannot be read, or the folder cannot be made.
    """
    files = [*shards, geometries, atoms]
    files += [Path(name) for name in (settings.fit_basis, settings.natural_primitives) if name.endswith(".json")]
    identity = {"version": METHOD_VERSION, "settings": asdict(settings), "sizes": dict(sizes)}
    return Parts(output, identity | {"files": [fingerprint(path) for path in files]})


def _fitted_frames(
    frames: Sequence[Frame], problem: FitProblem, settings: FitSettings, processes: int, parts: Parts | None
) -> list[FittedFrame]:
    """Fit the frames that are not among the parts, and return all in order."""
    fitted = {} if parts is None else {f.index: done for f in frames if (done := _read_frame(parts, f.index))}
    if fitted:
        print(f"densnet fit: {len(fitted)} of {len(frames)} frames were done before; going on", file=sys.stderr)
    missing = [frame for frame in frames if frame.index not in fitted]
    work = functools.partial(fit_frame, problem=problem, settings=settings)
    for frame, result in zip(missing, map_in_processes(work, missing, processes=processes), strict=True):
        fitted[frame.index] = result
        if parts is not None:
            parts.write(f"frame-{frame.index:06d}", asdict(result))
        report_progress("fit", len(fitted), len(frames))
    return [fitted[frame.index] for frame in frames]


def _read_frame(parts: Parts, index: int) -> FittedFrame | None:
    part = parts.read(f"frame-{index:06d}")
    if part is None:
        return None
    measured = {name: float(value) for name, value in part.items() if name not in ("failure", "coefficients")}
    return FittedFrame(str(part["failure"]), part["coefficients"], **measured)


def _fit_basis(
    labels: KohnShamLabels, free: FreeAtoms, settings: FitSettings, processes: int, parts: Parts | None
) -> Basis:
    """Return the basis that the settings name; a natural one is made from training frames, evenly spread."""
    if settings.fit_basis != NATURAL:
        return named_fit_basis(settings.fit_basis, labels.numbers, labels.orbital_basis)
    made = parts.read("basis") if parts is not None else None
    basis = _natural_basis(labels, free, settings, processes) if made is None else Basis.from_json(str(made["json"]))
    if parts is not None:
        parts.write("basis", {"json": basis.to_json()})
    print(f"densnet fit: {describe_basis(basis, labels.numbers)}", file=sys.stderr, flush=True)
    return basis


def _natural_basis(labels: KohnShamLabels, free: FreeAtoms, settings: FitSettings, processes: int) -> Basis:
    data = labels.dataset
    usable = np.flatnonzero((data["status"].values == "ok") & (data["split"].values == "train"))
    if not len(usable):
        raise DensnetError("fit_basis: natural needs training frames with labels, found none; name another fit basis")
    chosen = evenly_spread(usable, settings.natural_frames)
    (basis,) = natural_fit_bases(
        named_fit_basis(settings.natural_primitives, labels.numbers, labels.orbital_basis),
        labels.orbital_basis,
        labels.numbers,
        free.density_matrices,
        [(data["positions"].values[t] / BOHR_IN_ANGSTROM, labels.orbitals[t]) for t in chosen],
        retained_shares=[settings.natural_share],
        ridge=settings.ridge,
        processes=processes,
    )
    return basis


def _judge_failures(failures: dict[int, str], total: int, max_failed_share: float) -> None:
    if not failures:
        return
    first = next(iter(failures))
    message = f"{len(failures)} of {total} frames failed, the first is frame {first} ({failures[first]})"
    if len(failures) == total or len(failures) / total > max_failed_share:
        raise DensnetError(
            f"{message}; max_failed_share allows {max_failed_share:g}: look at the geometries and the level of theory"
        )
    print(f"densnet: warning: {message}; they are left out", file=sys.stderr, flush=True)


def _dataset(
    labels: KohnShamLabels,
    problem: FitProblem,
    good: Mapping[int, FittedFrame],
    failures: Mapping[int, str],
    atomic_energies: Mapping[int, float],
) -> xr.Dataset:
    rows = np.flatnonzero(np.isin(labels.dataset["frame"].values, list(good)))
    source = labels.dataset.isel(frame=rows)
    return label_content(
        {name: source[name] for name in (*COPIED, *VARIABLES) if name in source},
        list(good.values()),
        frame=source["frame"],
        numbers=problem.numbers,
        fit_basis=problem.fit_basis,
        prior=problem.prior,
        atomic_energies=atomic_energies,
        orbital_basis=problem.orbital_basis,
        orbitals=labels.orbitals[rows],
        failures=failures,
        level=labels.level,
    )


COPIED = (
    "split",
    "numbers",
    "positions",
    "temperature",
    "distance_to_train",
    "energy",
    "forces",
    "dipole",
    "wall_time",
)
"""Variables that labels.nc takes over from the shards and the geometries as they are."""
