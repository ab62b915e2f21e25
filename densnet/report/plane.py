"""The plane of a molecule that its maps are drawn in, and how they are drawn."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from densnet.report.palette import DIVERGING

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
        return flat, np.abs(relative @ self.normal)

    @property
    def normal(self) -> Array:
        """Return the unit vector (3,) that points to the viewer."""
        return np.asarray(np.cross(*self.axes))

    def points(self, x: Array, y: Array) -> Array:
        """Return the points (m, n, 3) with coordinates x (n,) and y (m,) in the plane, in the order of an image."""
        return np.asarray(self.origin + x[None, :, None] * self.axes[0] + y[:, None, None] * self.axes[1])


@dataclass(frozen=True)
class View:
    """A test frame, with positions (i, 3) in Å, in the plane of its molecule, and what captions say of both."""

    frame: xr.Dataset
    numbers: NDArray[np.int64]
    positions: Array
    plane: Plane
    words: dict[str, Any]


def median_view(evaluation: xr.Dataset, errors: Array) -> View:
    """Return the test frame whose error, of one (frame,) each, is the median."""
    row = int(np.argsort(errors)[len(errors) // 2])
    frame = evaluation.isel(frame=row)
    numbers, positions = evaluation["numbers"].values.astype(np.int64), frame["positions"].values.astype(float)
    plane = best_plane(numbers, positions)
    number = int(frame["frame"]) if "frame" in frame.coords else row
    return View(frame, numbers, positions, plane, {"frame": number, "plane": plane.name(numbers)})


def best_plane(numbers: NDArray[np.int64], positions: Array) -> Plane:
    """Return the plane through three atoms that do not lie on a line: greatest nuclear charge, then closest together.

    A linear molecule gets any plane that holds it.
    """
    merits: dict[tuple[int, ...], tuple[float, float]] = {}
    for triple in itertools.combinations(range(len(numbers)), 3):
        a, b, c = positions[list(triple)]
        sides = sorted(pdist([a, b, c]))
        if np.linalg.norm(np.cross(b - a, c - a)) >= 0.2 * sides[0] * sides[1]:
            merits[triple] = float(numbers[list(triple)].sum()), -float(sum(sides))
    chosen = max(merits, key=merits.__getitem__, default=())
    if chosen:
        origin = positions[chosen[0]]
        u = positions[chosen[1]] - origin
        normal = np.cross(u, positions[chosen[2]] - origin)
    else:
        origin = positions[0]
        u = positions[-1] - origin if len(positions) > 1 else np.array([1.0, 0.0, 0.0])
        normal = np.cross(u, np.eye(3)[np.argmin(np.abs(u))])
    normal /= np.linalg.norm(normal)
    relative = positions - origin
    flat = relative - np.outer(relative @ normal, normal)
    long_axis = np.linalg.svd(flat - flat.mean(axis=0))[2][0] if len(positions) > 1 else u / np.linalg.norm(u)
    return Plane(origin, np.stack([long_axis, np.cross(normal, long_axis)]), chosen)


def draw_nuclei(axes: Axes, view: View) -> None:
    """Write the symbols of the nuclei in the plane, a faint dot for the others."""
    flat, height = view.plane.coordinates(view.positions)
    for number, (x, y), distance in zip(view.numbers, flat, height, strict=True):
        if distance < 0.4:
            axes.text(
                x, y, chemical_symbols[number], ha="center", va="center", fontsize=8, fontweight="bold",
                bbox={"boxstyle": "circle,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.75},
            )  # fmt: skip
        else:
            axes.plot(x, y, "o", ms=3, mfc="none", mec="#666666", mew=0.6)


def draw_difference(axes: Axes, x: Array, y: Array, values: Array, scale: float, levels: Array, label: str) -> None:
    """Draw values (m, n) of both signs up to a scale, with contours at levels of it; NaN is left white."""
    scale = scale if scale > 0 else 1e-12
    image = axes.pcolormesh(x, y, values, cmap=DIVERGING, vmin=-scale, vmax=scale, shading="nearest", rasterized=True)
    axes.contour(x, y, values, levels=scale * levels, colors="k", linewidths=0.4)
    colour_bar(axes, image, label).ax.locator_params(nbins=5)


def colour_bar(axes: Axes, image: Any, label: str) -> Colorbar:
    """Draw the scale of an image below it, whose axes are lengths."""
    axes.set_aspect("equal")
    return axes.figure.colorbar(image, ax=axes, location="bottom", shrink=0.9, pad=0.02, aspect=30, label=label)
