"""The stage ``densnet fit``: Kohn-Sham orbitals of every frame become fitted densities with known errors."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.error import GRID_LEVEL, DensityGrid
from densnet.density.fit import density_self_energy, fit_density
from densnet.density.fit_basis import NATURAL, describe_basis, named_fit_basis, natural_fit_bases
from densnet.density.label_files import FreeAtoms, Labels, read_atoms, read_labels
from densnet.density.prior import fit_free_atom, superposition
from densnet.density.process_pool import map_in_processes, report_progress
from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import variable
from densnet.io.parts import Parts
from densnet.units import BOHR_IN_ANGSTROM, E_BOHR_IN_DEBYE, HARTREE_IN_MILLIHARTREE

METHOD_VERSION: int = 2

Array = NDArray[np.float64]

ORTHONORMALITY_TOLERANCE = 1e-6
"""Largest |CᵀSC - 1|; bases of two programs agree to 1e-9, a wrong order of functions gives numbers near 1."""
DIPOLE_TOLERANCE_DEBYE = 1e-6
CHARGE_TOLERANCE = 1e-8


@dataclass(frozen=True)
class FitSettings:
    """How densities are fitted."""

    fit_basis: str = NATURAL
    """Gaussian basis that densities are fitted in: natural (made from the training frames), even-tempered-2-l4, the
    path of a .json file, or a library's name (def2-SVP-JKFIT, cc-pVTZ-JKFIT, aug-cc-pVQZ-JKFIT ...)."""
    natural_primitives: str = "even-tempered-2-l4"
    """Large uncontracted basis that a natural one is contracted from; any name that fit_basis may have."""
    natural_share: float = 0.9997
    """Share of the electrostatic energy of the density's difference from free atoms that the natural functions keep."""
    natural_frames: int = 24
    """Training frames, evenly spread, that the natural functions are made from."""
    ridge: float = 1e-5
    """Hold the atoms' own electrostatic energies down by this share, so that coefficients are smooth; 0 for none."""
    max_failed_share: float = 0.05
    """Share of frames that may fail, in Psi4 or in the fit, before the stage stops."""
    grid_level: int = GRID_LEVEL
    """Grid on which errors are measured, 0 (coarse) to 9 (fine)."""
    eigenvalue_cutoff: float | None = None
    """For a redundant fit basis only: leave out eigenvectors of the scaled Coulomb matrix below this."""

    self_energy: bool = True
    """Measure the Coulomb self-energy of what the fit leaves; costs most of the stage's time for large molecules."""

    def __post_init__(self) -> None:
        if not 0.0 < self.natural_share < 1.0:
            raise DensnetError(f"natural_share: expected a share between 0 and 1, got {self.natural_share}")
        if self.natural_frames < 1:
            raise DensnetError(f"natural_frames: expected at least 1 frame, got {self.natural_frames}")
        if self.natural_primitives == NATURAL:
            raise DensnetError("natural_primitives: expected a basis that exists, such as even-tempered-2-l4")
        if not 0.0 <= self.ridge < 1.0:
            raise DensnetError(f"ridge: expected a small number from 0 to below 1, such as 1e-5, got {self.ridge}")
        if not 0.0 <= self.max_failed_share < 1.0:
            raise DensnetError(f"max_failed_share: expected a share from 0 to below 1, got {self.max_failed_share}")
        if not 0 <= self.grid_level <= 9:
            raise DensnetError(f"grid_level: expected 0 (coarse) to 9 (fine), got {self.grid_level}")
        if self.eigenvalue_cutoff is not None and not 0.0 < self.eigenvalue_cutoff < 1.0:
            raise DensnetError(f"eigenvalue_cutoff: expected a number between 0 and 1, got {self.eigenvalue_cutoff}")


@dataclass(frozen=True)
class Molecule:
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


@dataclass(frozen=True)
class FittedFrame:
    """One frame's result, in the units of the file; ``failure`` is empty or one line that says what went wrong."""

    failure: str
    coefficients: Array
    floor_nmae: float = float("nan")
    floor_dipole_error: float = float("nan")
    floor_self_energy: float = float("nan")
    prior_nmae: float = float("nan")
    condition_number: float = float("nan")


def fit_frame(frame: Frame, *, molecule: Molecule, settings: FitSettings) -> FittedFrame:
    """Fit one frame, check it against its label and measure its errors; a frame that cannot be fitted says why."""
    nothing = np.full(len(molecule.prior), np.nan)
    try:
        return _fit_frame(frame, molecule, settings)
    except DensnetError as error:
        return FittedFrame(failure=f"fit: {error}", coefficients=nothing)


def _fit_frame(frame: Frame, molecule: Molecule, settings: FitSettings) -> FittedFrame:
    basis, orbital_basis, numbers, positions = (
        molecule.fit_basis,
        molecule.orbital_basis,
        molecule.numbers,
        frame.positions,
    )
    C = frame.orbitals
    if not (np.isfinite(C).all() and np.isfinite(positions).all()):
        raise DensnetError("the label holds NaN; label this frame again")
    deviation = np.abs(C.T @ integrals.overlap(orbital_basis, numbers, positions) @ C - np.eye(C.shape[1])).max()
    if deviation > ORTHONORMALITY_TOLERANCE:
        raise DensnetError(
            f"orbitals are not orthonormal (off by {deviation:.1e}); basis, order or geometry do not match"
        )
    D = 2.0 * C @ C.T
    own = density_self_energy(orbital_basis, numbers, positions, D) if settings.self_energy else float("nan")
    fitted = fit_density(
        basis,
        orbital_basis,
        numbers,
        positions,
        D,
        prior=molecule.prior,
        ridge=settings.ridge,
        density_self_energy=own,
        eigenvalue_cutoff=settings.eigenvalue_cutoff,
    )
    c = fitted.coefficients
    charge_error = abs(float(integrals.charges(basis, numbers) @ c) - molecule.n_electrons)
    dipole = numbers @ positions - c @ integrals.dipoles(basis, numbers, positions)
    dipole_error = float(np.abs(dipole - frame.dipole).max()) * E_BOHR_IN_DEBYE
    if charge_error > CHARGE_TOLERANCE or dipole_error > DIPOLE_TOLERANCE_DEBYE:
        raise DensnetError(f"charge is off by {charge_error:.1e} e, dipole by {dipole_error:.1e} D from the label's")
    grid = DensityGrid.around(numbers, positions, settings.grid_level)
    rho, rho_prior = grid.fitted(basis, np.stack([c, molecule.prior]))
    unconstrained_error = np.linalg.norm(fitted.unconstrained_dipole - fitted.dipole)
    return FittedFrame(
        failure="",
        coefficients=c,
        floor_nmae=grid.nmae(rho, grid.kohn_sham(orbital_basis, C), molecule.n_electrons),
        floor_dipole_error=float(unconstrained_error) * E_BOHR_IN_DEBYE,
        floor_self_energy=fitted.self_energy * HARTREE_IN_MILLIHARTREE,
        prior_nmae=grid.nmae(rho_prior, rho, molecule.n_electrons),
        condition_number=fitted.condition_number,
    )


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
    """Fit every labelled frame; return the content of ``labels.nc``, the same for any number of processes.

    Args:
        shards: files of ``densnet label`` that together hold every frame of ``geometries`` once.
        geometries: file of ``densnet sample``.
        atoms: file of ``densnet atoms``, at the shards' level of theory.
        sizes: how many frames of each split to take, all of those that are not named.
        parts: where finished frames are kept and found again, from :func:`fit_parts`.

    Raises:
        DensnetError: a file is truncated, foreign or belongs to other geometries or another level; the fit basis is
            unknown or lacks an element; more than ``max_failed_share`` of the frames failed.
    """
    labels = read_labels(shards, geometries, sizes)
    numbers = labels.numbers
    free = read_atoms(atoms, numbers, labels.orbital_basis, labels.level)
    basis = _fit_basis(labels, free, settings, processes, parts)
    priors = {
        number: fit_free_atom(basis, labels.orbital_basis, number, matrix)
        for number, matrix in free.density_matrices.items()
    }
    molecule = Molecule(numbers, basis, labels.orbital_basis, superposition(basis, numbers, priors), labels.n_electrons)
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
    results = _fitted_frames(frames, molecule, settings, processes, parts)
    failures |= {f.index: r.failure for f, r in zip(frames, results, strict=True) if r.failure}
    _judge_failures(dict(sorted(failures.items())), len(status), settings.max_failed_share)
    good = [(f.index, r) for f, r in zip(frames, results, strict=True) if not r.failure]
    return _dataset(
        labels, molecule, [i for i, _ in good], [r for _, r in good], dict(sorted(failures.items())), free.energies
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
    frames: Sequence[Frame], molecule: Molecule, settings: FitSettings, processes: int, parts: Parts | None
) -> list[FittedFrame]:
    """Fit the frames that are not among the parts, and return all in order."""
    found = {} if parts is None else {f.index: done for f in frames if (done := _read_frame(parts, f.index))}
    if found:
        print(f"densnet fit: {len(found)} of {len(frames)} frames were done before; going on", file=sys.stderr)
    missing = [frame for frame in frames if frame.index not in found]
    work = functools.partial(fit_frame, molecule=molecule, settings=settings)
    for frame, result in zip(missing, map_in_processes(work, missing, processes=processes), strict=True):
        found[frame.index] = result
        if parts is not None:
            parts.write(f"frame-{frame.index:06d}", asdict(result))
        report_progress("fit", len(found), len(frames))
    return [found[frame.index] for frame in frames]


def _read_frame(parts: Parts, index: int) -> FittedFrame | None:
    part = parts.read(f"frame-{index:06d}")
    if part is None:
        return None
    measured = {name: float(value) for name, value in part.items() if name not in ("failure", "coefficients")}
    return FittedFrame(str(part["failure"]), part["coefficients"], **measured)


def _fit_basis(labels: Labels, free: FreeAtoms, settings: FitSettings, processes: int, parts: Parts | None) -> Basis:
    """Return the basis that the settings name; a natural one is made from training frames, evenly spread."""
    if settings.fit_basis != NATURAL:
        return named_fit_basis(settings.fit_basis, labels.numbers, labels.orbital_basis)
    made = parts.read("basis") if parts is not None else None
    basis = _natural_basis(labels, free, settings, processes) if made is None else Basis.from_json(str(made["json"]))
    if parts is not None:
        parts.write("basis", {"json": basis.to_json()})
    print(f"densnet fit: {describe_basis(basis, labels.numbers)}", file=sys.stderr, flush=True)
    return basis


def _natural_basis(labels: Labels, free: FreeAtoms, settings: FitSettings, processes: int) -> Basis:
    data = labels.dataset
    usable = np.flatnonzero((data["status"].values == "ok") & (data["split"].values == "train"))
    if not len(usable):
        raise DensnetError("fit_basis: natural needs training frames with labels, found none; name another fit basis")
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, settings.natural_frames).round().astype(int))]
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
    said = f"{len(failures)} of {total} frames failed, the first is frame {first} ({failures[first]})"
    if len(failures) == total or len(failures) / total > max_failed_share:
        raise DensnetError(
            f"{said}; max_failed_share allows {max_failed_share:g}: look at the geometries and the level of theory"
        )
    print(f"densnet: warning: {said}; they are left out", file=sys.stderr, flush=True)


def _dataset(
    labels: Labels,
    molecule: Molecule,
    kept: list[int],
    results: list[FittedFrame],
    failures: dict[int, str],
    atomic_energies: dict[int, float],
) -> xr.Dataset:
    rows = np.flatnonzero(np.isin(labels.dataset["frame"].values, kept))
    source = labels.dataset.isel(frame=rows)
    copied = {name: source[name] for name in COPIED}
    elements = np.array(sorted(atomic_energies), dtype=np.int64)
    energies = np.array([atomic_energies[int(z)] for z in elements])

    def measured(field: str, units: str, long_name: str) -> tuple[tuple[str, ...], Array, dict[str, str]]:
        return variable(("frame",), np.array([getattr(r, field) for r in results]), units, long_name)

    per_bohr = "bohr^-1.5"
    new = {
        "orbitals": variable(
            ("frame", "ao", "occupied"), labels.orbitals[rows], per_bohr, "occupied Kohn-Sham orbitals, canonical order"
        ),
        "coefficients": variable(
            ("frame", "k"), np.array([r.coefficients for r in results]), per_bohr, "fitted density coefficients c"
        ),
        "prior": variable(("k",), molecule.prior, per_bohr, "coefficients of the superposed free atoms"),
        "atomic_energy": variable(("element",), energies, "eV", "energy of the free atom"),
        "floor_nmae": measured("floor_nmae", "percent", "NMAE of the fit against the Kohn-Sham density"),
        "floor_dipole_error": measured("floor_dipole_error", "D", "dipole error of the fit without dipole constraint"),
        "floor_self_energy": measured("floor_self_energy", "mHa", "Coulomb self-energy (d|d) of the fit's residual"),
        "prior_nmae": measured("prior_nmae", "percent", "NMAE of the free atoms against the fit"),
        "condition_number": measured("condition_number", "1", "condition number of the scaled Coulomb matrix"),
    }
    element = variable(("element",), elements, "1", "atomic number")
    dataset = xr.Dataset(copied | new, coords={"frame": source["frame"], "element": element})
    return dataset.assign_attrs(
        labels.level
        | {
            "title": f"fitted densities of {_formula(molecule.numbers)}",
            "fit_basis": molecule.fit_basis.to_json(),
            "orbital_basis": molecule.orbital_basis.to_json(),
            "coefficient_convention": "densnet",
            "failed_frames": json.dumps(failures),
        }
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


def _formula(numbers: NDArray[np.int64]) -> str:
    symbols = [chemical_symbols[z] for z in numbers]
    return "".join(f"{s}{symbols.count(s) if symbols.count(s) > 1 else ''}" for s in sorted(set(symbols)))
