"""All measures of how wrong a predicted density is at one geometry: four pairs of densities, compared in all ways.

The fit stands between model and truth, so that each error is shown three times: what the model adds (model - fit),
what the fitting basis loses (fit - Kohn-Sham), and both together. The prior shows how much there was to learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.error import GRID_LEVEL, DensityGrid
from densnet.density.potential_error import PotentialError, fitted_potential, kohn_sham_potential
from densnet.density.surface import SCALES, Surface
from densnet.quantities import MEASURES, PAIRS
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]

SHELLS = (0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.5)
"""Where the shells around the nuclei begin, distance to the nearest nucleus in Å; the last one is open."""


@dataclass(frozen=True)
class Geometry:
    """A molecule at which densities are compared.

    Attributes:
        basis: of the fitted densities.
        numbers: (i,) atomic numbers.
        positions: (i, 3) in bohr.
        n_electrons: number of electrons.
    """

    basis: Basis
    numbers: NDArray[np.int64]
    positions: Array
    n_electrons: float


@dataclass(frozen=True)
class KohnSham:
    """The true density: doubly occupied orbitals (m, o) of a basis, canonical order."""

    orbital_basis: Basis
    orbitals: Array


FrameErrors = dict[str, Array]
"""Errors at one geometry by the names of :data:`densnet.quantities.MEASURES`, in atomic units and percent.

The first dimension runs over :data:`PAIRS`. What needs Kohn-Sham orbitals is NaN without them; so is the Coulomb error
against Kohn-Sham, which would need four-centre integrals. The NMAE of atoms or of shells (:data:`SHELLS`) sum to the
whole; potentials are compared on the points of :class:`densnet.density.surface.Surface`.
"""


def frame_errors(
    geometry: Geometry,
    *,
    model: Array,
    fit: Array,
    prior: Array,
    true: KohnSham | None,
    dipole: Array,
    grid_level: int = GRID_LEVEL,
) -> FrameErrors:
    """Compare the densities of :data:`PAIRS` in all ways.

    Args:
        model, fit, prior: coefficients (k,), canonical order.
        true: the Kohn-Sham density, if the label has it.
        dipole: (3,) of the whole molecule by the label's own program, e bohr; it needs no orbitals.
        grid_level: of the grid.

    Raises:
        DensnetError: no such grid level; an element without a van der Waals radius.
    """
    g = geometry
    coefficients = {"model": model, "fit": fit, "prior": prior}
    grid = DensityGrid.around(g.numbers, g.positions, grid_level)
    densities = dict(zip(coefficients, grid.fitted(g.basis, np.stack(list(coefficients.values()))), strict=True))
    surface = Surface.around(g.numbers, g.positions)
    place = (g.basis, g.numbers, g.positions)
    potentials = {name: fitted_potential(*place, c, surface.points) for name, c in coefficients.items()}
    d = integrals.dipoles(*place)
    dipoles = {name: g.numbers @ g.positions - c @ d for name, c in coefficients.items()} | {"true": dipole}
    if true is not None:
        densities["true"] = grid.kohn_sham(true.orbital_basis, true.orbitals)
        potentials["true"] = kohn_sham_potential(
            true.orbital_basis, g.numbers, g.positions, true.orbitals, surface.points
        )
    J = integrals.coulomb(*place)
    compared: tuple[tuple[dict[str, Array], Callable[[Array, Array], dict[str, float | Array]]], ...] = (
        (coefficients, lambda first, second: {"coulomb_error": (first - second) @ J @ (first - second)}),
        (dipoles, lambda first, second: {"dipole_error": float(np.linalg.norm(first - second))}),
        (densities, partial(_grid_errors, grid, g.n_electrons)),
        (potentials, partial(_potential_errors, surface)),
    )
    errors = unknown_errors(len(g.numbers))
    for p, (first, second) in enumerate(pair.split("-") for pair in PAIRS):
        for kind, compare in compared:
            if second in kind:
                for name, value in compare(kind[first], kind[second]).items():
                    errors[name][p] = value
    negative = grid.negative_volume(densities["fit"] - densities["prior"], densities["fit"])
    return errors | {"prior_negative_volume": np.array(negative)}


def unknown_errors(n_atoms: int) -> FrameErrors:
    """Return NaN for all measures of one geometry of so many atoms."""
    lengths = {"atom": n_atoms, "shell": len(SHELLS), "scale": len(SCALES), "pair": len(PAIRS)}
    return {
        m.name: np.full([lengths[dim] for dim in (*(("pair",) if m.paired else ()), *m.dims)], np.nan) for m in MEASURES
    }


def _grid_errors(grid: DensityGrid, n_electrons: float, density: Array, reference: Array) -> dict[str, float | Array]:
    edges = [edge / BOHR_IN_ANGSTROM for edge in SHELLS]
    overlap = grid.overlap_norm(density, reference)
    return {
        "nmae": grid.nmae(density, reference, n_electrons),
        "nmae_by_atom": grid.nmae_by_atom(density, reference, n_electrons),
        "nmae_by_shell": grid.nmae_by_distance(density, reference, n_electrons, edges),
        "overlap_error": overlap,
        "overlap_error_relative": 100.0 * overlap / grid.overlap_norm(0.0 * reference, reference),
    }


def _potential_errors(surface: Surface, potential: Array, reference: Array) -> dict[str, float | Array]:
    whole = PotentialError.of(potential, reference)
    at_scale = [surface.scale == scale for scale in SCALES]
    return {
        "potential_rms_error": whole.rms,
        "potential_max_error": whole.largest,
        "potential_relative_error": whole.relative,
        "potential_rms_by_scale": np.array([PotentialError.of(potential[at], reference[at]).rms for at in at_scale]),
    }
