"""All measures of how wrong a predicted density is at one geometry: four pairs of densities, compared in all ways.

The fit stands between model and truth, so that each error is shown three times: what the model adds (model - fit),
what the fitting basis loses (fit - Kohn-Sham), and both together. The prior shows how much there was to learn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.error import GRID_LEVEL, DensityGrid
from densnet.density.potential_error import PotentialError, fitted_potential, kohn_sham_potential
from densnet.density.surface import SCALES, Surface
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]

PAIRS = ("model-fit", "model-true", "fit-true", "prior-fit")
"""What is compared with what; "true" is the Kohn-Sham density."""

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


@dataclass(frozen=True)
class FrameErrors:
    """Errors at one geometry in atomic units, percent where it says so; ``p`` runs over :data:`PAIRS`.

    What needs Kohn-Sham orbitals is NaN without them.

    Attributes:
        nmae: (p,) 100 ∫|Δρ| / N_e in percent.
        nmae_by_atom: (p, i) in percent, over Becke's cells; they sum to the NMAE.
        nmae_by_shell: (p, n) in percent, over :data:`SHELLS`; they sum to the NMAE.
        coulomb_error: (p,) (Δρ|Δρ) in hartree; NaN against Kohn-Sham, where it would need four-centre integrals.
        overlap_error: (p,) (∫Δρ²)^½ in e bohr^(-3/2).
        overlap_error_relative: (p,) 100 (∫Δρ² / ∫ρ²)^½ in percent, ρ the reference.
        dipole_error: (p,) |Δμ| in e bohr.
        potential_rms_error: (p,) in hartree/e, on the points of :class:`densnet.density.surface.Surface`.
        potential_max_error: (p,) in hartree/e, likewise.
        potential_relative_error: (p,) in percent, likewise: RRMS.
        potential_rms_by_scale: (p, f) in hartree/e, on the points of each scale of the van der Waals radii.
        prior_negative_volume: percentage of the molecule's volume in which the fit lies below the prior.
    """

    nmae: Array
    nmae_by_atom: Array
    nmae_by_shell: Array
    coulomb_error: Array
    overlap_error: Array
    overlap_error_relative: Array
    dipole_error: Array
    potential_rms_error: Array
    potential_max_error: Array
    potential_relative_error: Array
    potential_rms_by_scale: Array
    prior_negative_volume: float


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
    found = _nothing(len(g.numbers))
    for p, (one, other) in enumerate(pair.split("-") for pair in PAIRS):
        found["dipole_error"][p] = np.linalg.norm(dipoles[one] - dipoles[other])
        if other != "true":
            difference = coefficients[one] - coefficients[other]
            found["coulomb_error"][p] = difference @ J @ difference
        if other in densities:
            on_grid = _grid_errors(grid, densities[one], densities[other], g.n_electrons)
            on_surface = _potential_errors(surface, potentials[one], potentials[other])
            for name, value in (on_grid | on_surface).items():
                found[name][p] = value
    negative = grid.negative_volume(densities["fit"] - densities["prior"], densities["fit"])
    return FrameErrors(**found, prior_negative_volume=negative)


def _nothing(n_atoms: int) -> dict[str, Array]:
    last = {"nmae_by_atom": (n_atoms,), "nmae_by_shell": (len(SHELLS),), "potential_rms_by_scale": (len(SCALES),)}
    names = [field.name for field in fields(FrameErrors) if field.name != "prior_negative_volume"]
    return {name: np.full((len(PAIRS), *last.get(name, ())), np.nan) for name in names}


def _grid_errors(grid: DensityGrid, density: Array, reference: Array, n_electrons: float) -> dict[str, float | Array]:
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
