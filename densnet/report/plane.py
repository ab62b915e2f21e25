"""The plane of a molecule that its maps are drawn in."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """A plane through the molecule.

    Attributes:
        origin: (3,) Å.
        axes: (2, 3) orthonormal, the longer extent of the molecule first.
        atoms: the three atoms that define it, or none if a line does.
    """

    origin: Array
    axes: Array
    atoms: tuple[int, ...]

    def name(self, numbers: NDArray[np.int64]) -> str:
        """Return the elements of the atoms that define it, O–C–C."""
        return "–".join(chemical_symbols[numbers[atom]] for atom in self.atoms) or "the molecule's axis"

    def coordinates(self, points: Array) -> tuple[Array, Array]:
        """Return coordinates (g, 2) in the plane and distances (g,) from it, Å."""
        relative = points - self.origin
        flat = relative @ self.axes.T
        return flat, np.abs(relative @ np.cross(self.axes[0], self.axes[1]))


def best_plane(numbers: NDArray[np.int64], positions: Array) -> Plane:
    """Return the plane through three atoms that do not lie on a line: greatest nuclear charge, then closest together.

    A linear molecule gets any plane that holds it.
    """
    best: tuple[float, float] = (0.0, 0.0)
    chosen: tuple[int, ...] = ()
    for triple in itertools.combinations(range(len(numbers)), 3):
        a, b, c = positions[list(triple)]
        sides = sorted((np.linalg.norm(b - a), np.linalg.norm(c - b), np.linalg.norm(a - c)))
        area = 0.5 * np.linalg.norm(np.cross(b - a, c - a))
        if area < 0.1 * sides[0] * sides[1]:
            continue
        merit = (float(numbers[list(triple)].sum()), -float(sum(sides)))
        if merit > best:
            best, chosen = merit, triple
    if chosen:
        origin = positions[chosen[0]]
        u = positions[chosen[1]] - origin
        normal = np.cross(u, positions[chosen[2]] - origin)
        normal /= np.linalg.norm(normal)
    else:
        origin = positions[0]
        u = positions[-1] - origin if len(positions) > 1 else np.array([1.0, 0.0, 0.0])
        normal = np.cross(u, np.eye(3)[np.argmin(np.abs(u))])
        normal /= np.linalg.norm(normal)
    flat = (positions - origin) - np.outer((positions - origin) @ normal, normal)
    long_axis = np.linalg.svd(flat - flat.mean(axis=0))[2][0] if len(positions) > 1 else u / np.linalg.norm(u)
    return Plane(origin, np.stack([long_axis, np.cross(normal, long_axis)]), chosen)


def draw_nuclei(axes: Axes, numbers: NDArray[np.int64], flat: Array, height: Array) -> None:
    """Write the symbols of the nuclei in the plane, a faint dot for the others."""
    for number, (x, y), distance in zip(numbers, flat, height, strict=True):
        if distance < 0.4:
            axes.text(
                x, y, chemical_symbols[number], ha="center", va="center", fontsize=8, fontweight="bold",
                bbox={"boxstyle": "circle,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.75},
            )  # fmt: skip
        else:
            axes.plot(x, y, "o", ms=3, mfc="none", mec="#666666", mew=0.6)
