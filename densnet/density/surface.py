"""Points around a molecule on its scaled van der Waals spheres, where its electrostatic potential acts on others.

The construction of Singh and Kollman, J. Comput. Chem. 5, 129 (1984): spheres of 1.4, 1.6, 1.8 and 2.0 times the van
der Waals radii, without what lies inside another atom's sphere of the same scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from ase.data import vdw_radii as bondi
from ase.data.vdw_alvarez import vdw_radii as alvarez
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from densnet.errors import DensnetError
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]
Numbers = Sequence[int] | NDArray[np.integer]

SCALES = (1.4, 1.6, 1.8, 2.0)
"""Of the van der Waals radii."""
POINTS_PER_SQUARE_ANGSTROM = 1.0
"""The usual density of Merz-Kollman points."""


@dataclass(frozen=True)
class Surface:
    """Points on merged spheres; each stands for the same area.

    Attributes:
        points: (g, 3) in bohr.
        scale: (g,) of the van der Waals radii.
        atom: (g,) on whose sphere a point lies.
    """

    points: Array
    scale: Array
    atom: NDArray[np.int64]

    @classmethod
    def around(
        cls,
        numbers: Numbers,
        positions: Array,
        scales: Sequence[float] = SCALES,
        per_square_angstrom: float = POINTS_PER_SQUARE_ANGSTROM,
    ) -> Surface:
        """Return the points around a molecule.

        Args:
            positions: (i, 3) in bohr.
            scales: of the van der Waals radii.
            per_square_angstrom: points per Å² of a sphere.

        Raises:
            DensnetError: no radius is known for an element; a scale or the density of points is not positive.
        """
        if not (min(scales) > 0 and per_square_angstrom > 0):
            raise DensnetError(
                f"surface: expected positive scales and points per Å², got {tuple(scales)} and {per_square_angstrom}"
            )
        positions = np.asarray(positions, dtype=float)
        radii = van_der_waals_radii(numbers)
        points, scale, atom = [], [], []
        for factor in scales:
            for i, (centre, radius) in enumerate(zip(positions, factor * radii, strict=True)):
                area = 4.0 * np.pi * (radius * BOHR_IN_ANGSTROM) ** 2
                sphere = centre + radius * fibonacci_sphere(max(1, round(per_square_angstrom * area)))
                outside = cdist(sphere, positions) >= factor * radii
                outside[:, i] = True
                exposed = sphere[outside.all(axis=1)]
                points.append(exposed)
                scale.append(np.full(len(exposed), factor))
                atom.append(np.full(len(exposed), i))
        return cls(np.concatenate(points), np.concatenate(scale), np.concatenate(atom))


def van_der_waals_radii(numbers: Numbers) -> Array:
    """Return radii in bohr, (i,): Bondi's, J. Phys. Chem. 68, 441 (1964), with the additions in ASE's table.

    Elements that it lacks have those of Alvarez, Dalton Trans. 42, 8617 (2013).

    Raises:
        DensnetError: neither has the element.
    """
    known = np.where(np.isfinite(bondi), bondi, alvarez)
    radii = np.array([known[z] if z < len(known) else np.nan for z in numbers])
    unknown = sorted({chemical_symbols[z] for z in np.asarray(numbers)[~np.isfinite(radii)]})
    if unknown:
        raise DensnetError(
            f"van der Waals radius: none known for {', '.join(unknown)}; the potential's error on the surface needs it"
        )
    return radii / BOHR_IN_ANGSTROM


def fibonacci_sphere(n: int) -> Array:
    """Return n points on the unit sphere, (n, 3), each for the same area: a spiral by the golden angle.

    González, Math. Geosci. 42, 49 (2010).
    """
    index = np.arange(n)
    z = 1.0 - (2.0 * index + 1.0) / n
    angle = np.pi * (3.0 - np.sqrt(5.0)) * index
    ring = np.sqrt(1.0 - z * z)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
