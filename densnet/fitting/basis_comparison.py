"""How well several fitting bases hold the same Kohn-Sham densities: the floor below which no model can learn."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.error import GRID_LEVEL, DensityGrid
from densnet.density.potential_error import PotentialError, fitted_potential, kohn_sham_potential
from densnet.density.surface import Surface
from densnet.errors import DensnetError
from densnet.fitting.determinants import Determinants
from densnet.fitting.fit import density_self_energy, fit_density
from densnet.fitting.fit_basis import named_fit_basis, natural_fit_bases
from densnet.fitting.prior import fit_free_atom, superposition
from densnet.fitting.settings import NATURAL
from densnet.io.netcdf import variable
from densnet.processes.pool import map_in_processes, report_progress
from densnet.units import E_BOHR_IN_DEBYE, HARTREE_IN_EV, HARTREE_IN_MILLIHARTREE

Array = NDArray[np.float64]

METHOD_VERSION: int = 1

MEASURES = {
    "floor_nmae": ("%", "NMAE of the fit against the Kohn-Sham density"),
    "dipole_error": ("D", "dipole error of the fit without dipole constraint"),
    "self_energy": ("mHa", "Coulomb self-energy (d|d) of the fit's residual"),
    "potential_error": ("mV", "root mean square error of the potential at 1.4 to 2.0 van der Waals radii"),
    "on_one_atom": ("1", "the atoms' own electrostatic energies of Δρ over that of Δρ: above 1, atoms cancel"),
    "condition_number": ("1", "condition number of the scaled Coulomb matrix"),
    "wall_time": ("s", "time of one fit, the four-centre integrals of (d|d) left out"),
}


@dataclass(frozen=True)
class Candidate:
    """A basis to try, and the coefficients of the superposed free atoms in it, (k,)."""

    label: str
    basis: Basis
    prior: Array


def named_candidates(
    names: Sequence[str], determinants: Determinants, free_atoms: Mapping[int, Array]
) -> list[Candidate]:
    """Return bases by name, see :func:`densnet.fitting.fit_basis.named_fit_basis`.

    Args:
        determinants: whose densities will be fitted.
        free_atoms: density matrices by atomic number, (m, m), in the same orbital basis.

    Raises:
        DensnetError: an unknown basis, or ``natural``, which is made from densities.
    """
    if NATURAL in names:
        raise DensnetError(f"fit_basis: a {NATURAL} basis is asked for by the share it keeps; give --natural-share")
    bases = [(name, named_fit_basis(name, determinants.numbers, determinants.orbital_basis)) for name in names]
    return [Candidate(label, basis, _prior(basis, determinants, free_atoms)) for label, basis in bases]


def natural_candidates(
    shares: Sequence[float],
    primitives: str,
    learned_from: Determinants,
    free_atoms: Mapping[int, Array],
    *,
    ridge: float,
    processes: int,
) -> list[Candidate]:
    """Return natural bases that keep different shares, made from other geometries than those that are to be fitted.

    Raises:
        DensnetError: an unknown basis, an impossible share, or a fit that fails.
    """
    large = named_fit_basis(primitives, learned_from.numbers, learned_from.orbital_basis)
    made = natural_fit_bases(
        large,
        learned_from.orbital_basis,
        learned_from.numbers,
        free_atoms,
        learned_from.frames(),
        retained_shares=shares,
        ridge=ridge,
        processes=processes,
    )
    return [
        Candidate(f"{NATURAL} {share:g}", basis, _prior(basis, learned_from, free_atoms))
        for share, basis in zip(shares, made, strict=True)
    ]


def compare_bases(
    tried: Sequence[Candidate],
    determinants: Determinants,
    *,
    ridge: float,
    grid_level: int = GRID_LEVEL,
    self_energy: bool = True,
    processes: int = 1,
) -> xr.Dataset:
    """Fit every frame in every basis and measure what the fits miss.

    Returns:
        A data set over (basis, frame) with ``floor_nmae``, ``dipole_error``, ``self_energy``, ``potential_error``,
        ``on_one_atom``, ``condition_number``, ``wall_time``, and ``n_functions`` over (basis).

    Raises:
        DensnetError: a fit fails; the message names the basis.
    """
    frames = determinants.frames()
    work = functools.partial(
        _measure_frame, determinants=determinants, ridge=ridge, grid_level=grid_level, self_energy=self_energy
    )
    jobs = [(candidate, frame) for candidate in tried for frame in frames]
    rows: list[tuple[float, ...]] = []
    for row in map_in_processes(work, jobs, processes=processes):
        rows.append(row)
        report_progress("basis", len(rows), len(jobs))
    table = np.array(rows).reshape(len(tried), len(frames), len(MEASURES))
    measured = {
        name: variable(("basis", "frame"), table[..., column], *MEASURES[name]) for column, name in enumerate(MEASURES)
    }
    sizes = np.array([c.basis.n_functions(determinants.numbers) for c in tried])
    return xr.Dataset(
        measured
        | {"n_functions": variable(("basis",), sizes, "1", "functions, so learned coefficients")}
        | {"content": variable(("basis",), np.array([c.basis.to_json() for c in tried]), "1", "the basis as JSON")},
        coords={"basis": variable(("basis",), np.array([c.label for c in tried]), "1", "fitting basis")},
        attrs={"molecule": determinants.formula, "level": determinants.level, "ridge": ridge},
    )


def table_of(comparison: xr.Dataset) -> str:
    """Return means over frames as a table of text, one line a basis."""
    names = [str(label) for label in comparison["basis"].values]
    heads = ("functions", "NMAE %", "dipole D", "(d|d) mHa", "potential mV", "on one atom", "condition", "s/fit")
    width = max(len("fitting basis"), *map(len, names))
    lines = [f"{'fitting basis':<{width}}" + "".join(f"{head:>14}" for head in heads)]
    means = comparison[list(MEASURES)].mean("frame")
    for index, name in enumerate(names):
        values = [float(means[measure][index]) for measure in MEASURES]
        shown = [
            f"{int(comparison['n_functions'][index])}",
            *(f"{value:.3g}" for value in values[:5]),
            f"{values[5]:.0e}",
            f"{values[6]:.2f}",
        ]
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>14}" for cell in shown))
    return "\n".join(lines)


def _prior(basis: Basis, determinants: Determinants, free_atoms: Mapping[int, Array]) -> Array:
    fitted = {z: fit_free_atom(basis, determinants.orbital_basis, z, D) for z, D in free_atoms.items()}
    return superposition(basis, determinants.numbers, fitted)


def _measure_frame(
    job: tuple[Candidate, tuple[Array, Array]],
    *,
    determinants: Determinants,
    ridge: float,
    grid_level: int,
    self_energy: bool,
) -> tuple[float, ...]:
    """Return the values of :data:`MEASURES`, in their order."""
    candidate, (positions, C) = job
    basis, numbers, orbital_basis = candidate.basis, determinants.numbers, determinants.orbital_basis
    D = 2.0 * C @ C.T
    energy = density_self_energy(orbital_basis, numbers, positions, D) if self_energy else float("nan")
    started = time.perf_counter()
    try:
        fit = fit_density(
            basis, orbital_basis, numbers, positions, D, prior=candidate.prior, ridge=ridge, density_self_energy=energy
        )
    except DensnetError as error:
        raise DensnetError(f"{candidate.label}: {error}") from error
    elapsed = time.perf_counter() - started
    grid = DensityGrid.around(numbers, positions, grid_level)
    points = Surface.around(numbers, positions).points
    potential = PotentialError.of(
        fitted_potential(basis, numbers, positions, fit.coefficients, points),
        kohn_sham_potential(orbital_basis, numbers, positions, C, points),
    )
    return (
        grid.nmae(grid.fitted(basis, fit.coefficients), grid.kohn_sham(orbital_basis, C), 2.0 * C.shape[1]),
        float(np.linalg.norm(fit.unconstrained_dipole - fit.dipole)) * E_BOHR_IN_DEBYE,
        fit.self_energy * HARTREE_IN_MILLIHARTREE,
        potential.rms * HARTREE_IN_EV * 1e3,
        fit.on_one_atom,
        fit.condition_number,
        elapsed,
    )
