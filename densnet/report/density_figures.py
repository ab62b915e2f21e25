"""The density and its error: a map in a plane of the molecule, a bar a kind of error, a profile over the distance."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.density import Density
from densnet.density.error import DensityGrid
from densnet.report.captions import CAPTIONS, TITLES
from densnet.report.sources import Sources, level_of_theory
from densnet.report.style import DIVERGING, FLOOR, MODEL, PRIOR, TRUE, Picture, new_figure, panel_letter, picture
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]

MARGIN = 1.8
"""Space around the nuclei in a map, Å."""
SPACING = 0.04
"""Of the points of a map, Å."""
N_RADIAL_FRAMES = 5


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


def density_map(sources: Sources) -> Picture:
    """Draw predicted density, learned difference and error in a plane of the test frame of median error."""
    evaluation = sources.evaluation
    row = int(np.argsort(evaluation["nmae"].values)[evaluation.sizes["frame"] // 2])
    frame = evaluation.isel(frame=row)
    numbers = evaluation["numbers"].values.astype(np.int64)
    positions = frame["positions"].values.astype(float)
    basis = Basis.from_json(evaluation.attrs["fit_basis"])
    plane = best_plane(numbers, positions)
    flat, height = plane.coordinates(positions)
    low, high = flat.min(axis=0) - MARGIN, flat.max(axis=0) + MARGIN
    x, y = (np.arange(low[n], high[n] + SPACING, SPACING) for n in range(2))
    points = plane.origin + (
        x[None, :, None] * plane.axes[0] + y[:, None, None] * plane.axes[1]
    )  # (y, x, 3) in the order of an image
    fitted, predicted = frame["coefficients"].values, frame["coefficients_predicted"].values
    values = [
        Density(basis, numbers, positions, c).at(points.reshape(-1, 3)).reshape(points.shape[:2])
        for c in (predicted, fitted - evaluation["prior"].values, predicted - fitted)
    ]
    width = 10.0
    panel = (width - 2.4) / 3
    figure = new_figure(width, float(np.clip(panel * (high[1] - low[1]) / (high[0] - low[0]), 1.8, 4.5)) + 0.9)
    panels = figure.subplots(1, 3, sharey=True)
    # The sharp features at the nuclei would hide the bonds: the scale ends where all but 1 % of the area lies below.
    scales = [float(np.quantile(np.abs(v), 0.99)) for v in values]
    labels = ("ρ model  [e/Å³]", "ρ fit − ρ atoms  [e/Å³]", "ρ model − ρ fit  [e/Å³]")
    for number, (axes, value, scale, label) in enumerate(zip(panels, values, scales, labels, strict=True)):
        _draw_map(figure, axes, x, y, value, scale, label, signed=number > 0)
        _draw_nuclei(axes, numbers, flat, height)
        panel_letter(axes, "abc"[number])
        axes.set_xlabel("x [Å]")
    panels[0].set_ylabel("y [Å]")
    names = [chemical_symbols[numbers[atom]] for atom in plane.atoms]
    caption = CAPTIONS["density_map"].format(
        system=sources.system,
        frame=int(frame["frame"]) if "frame" in frame.coords else row,
        plane="–".join(names) if names else "the molecule's axis",
        ratio=scales[1] / scales[2] if scales[2] > 0 else np.inf,
        level=level_of_theory(sources.labels),
        fit_basis=basis.name,
    )
    return picture(figure, "density_map", TITLES["density_map"], caption)


def _draw_map(
    figure: Figure, axes: Axes, x: Array, y: Array, value: Array, scale: float, label: str, *, signed: bool
) -> None:
    """Draw one field: contours of powers of two for a density, a symmetric scale for a difference."""
    scale = scale if scale > 0 else 1e-12
    image: Any
    if signed:
        image = axes.pcolormesh(
            x, y, value, cmap=DIVERGING, vmin=-scale, vmax=scale, shading="nearest", rasterized=True
        )
        axes.contour(x, y, value, levels=np.array([-0.5, -0.1, 0.1, 0.5]) * scale, colors="k", linewidths=0.4)
    else:
        levels = 2.0 ** np.arange(-8, 6)
        shown = np.log2(np.maximum(value, levels[0] / 2))
        image = axes.contourf(x, y, shown, levels=np.log2(levels), cmap="Blues", extend="both")
        axes.contour(x, y, shown, levels=np.log2(levels), colors="k", linewidths=0.3, linestyles="-")
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.9, pad=0.02, aspect=30)
    if not signed:
        ticks = [-8.0, -5.0, -2.0, 1.0, 4.0]
        bar.set_ticks(ticks, labels=[f"{2.0**t:.3g}" for t in ticks])
    else:
        bar.ax.locator_params(nbins=5)
    bar.set_label(label)
    axes.set_aspect("equal")


def _draw_nuclei(axes: Axes, numbers: NDArray[np.int64], flat: Array, height: Array) -> None:
    """Write the symbols of the nuclei in the plane, a faint dot for the others."""
    for number, (x, y), distance in zip(numbers, flat, height, strict=True):
        if distance < 0.4:
            axes.text(
                x, y, chemical_symbols[number], ha="center", va="center", fontsize=8, fontweight="bold",
                bbox={"boxstyle": "circle,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.75},
            )  # fmt: skip
        else:
            axes.plot(x, y, "o", ms=3, mfc="none", mec="#666666", mew=0.6)


def density_error(sources: Sources) -> Picture:
    """Draw the NMAE of every test frame by kind, and the error over the distance to the nearest nucleus."""
    evaluation = sources.evaluation
    figure = new_figure(8.6, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1.0])
    kinds = [
        ("prior\nvs fit", "prior_nmae", PRIOR),
        ("model\nvs Kohn–Sham", "nmae_true", TRUE),
        ("model\nvs fit", "nmae", MODEL),
        ("fit vs\nKohn–Sham\n(floor)", "floor_nmae", FLOOR),
    ]
    rng = np.random.default_rng(0)
    for place, (_, name, colour) in enumerate(kinds):
        values = evaluation[name].values
        spread = place + rng.uniform(-0.18, 0.18, len(values))
        left.plot(spread, values, "o", ms=3.5, color=colour, alpha=0.5, mew=0)
        median = float(np.median(values))
        left.plot([place - 0.3, place + 0.3], [median, median], color=colour, lw=2.5, solid_capstyle="butt")
        left.annotate(
            f"{median:.3g} %", (place + 0.32, median), fontsize=8, va="center", color=colour, annotation_clip=False
        )
    left.set_yscale("log")
    left.set_xlim(-0.5, len(kinds) - 0.1)
    left.set_xticks(range(len(kinds)), [kind[0] for kind in kinds])
    left.set_ylabel("NMAE [%]")
    left.grid(axis="y")
    panel_letter(left, "a")
    n_radial = _draw_radial(right, evaluation)
    panel_letter(right, "b")
    caption = CAPTIONS["density_error"].format(
        system=sources.system,
        n_test=sources.metrics["n_test"],
        n_train=sources.metrics["n_train"],
        seed=sources.metrics["seed"],
        n_radial=n_radial,
        level=level_of_theory(sources.labels),
    )
    return picture(figure, "density_error", TITLES["density_error"], caption)


def _draw_radial(axes: Axes, evaluation: xr.Dataset) -> int:
    """Draw 100/N ∫ |Δρ| δ(r - distance to the nearest nucleus), per Å; return how many frames were averaged."""
    basis = Basis.from_json(evaluation.attrs["fit_basis"])
    numbers = evaluation["numbers"].values.astype(np.int64)
    n_electrons = float(numbers.sum()) - float(evaluation.attrs.get("charge", 0))
    radius = np.linspace(0.02, 3.0, 150)
    rows = np.linspace(0, evaluation.sizes["frame"] - 1, min(N_RADIAL_FRAMES, evaluation.sizes["frame"])).astype(int)
    profiles = np.zeros((2, len(radius)))
    for row in rows:
        frame = evaluation.isel(frame=int(row))
        grid = DensityGrid.around(numbers, frame["positions"].values / BOHR_IN_ANGSTROM)
        distance = BOHR_IN_ANGSTROM * np.sqrt(
            ((grid.points[:, None, :] - grid.positions[None, :, :]) ** 2).sum(axis=2).min(axis=1)
        )
        # Points of an atomic grid sit on shells: each is smeared over about the distance to the next shell.
        width = 0.03 + 0.09 * distance
        kernel = np.exp(-0.5 * ((radius[:, None] - distance) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
        fitted = frame["coefficients"].values
        others = (evaluation["prior"].values, frame["coefficients_predicted"].values)
        for number, other in enumerate(others):
            share = 100.0 / n_electrons * grid.weights * np.abs(grid.fitted(basis, other - fitted))
            profiles[number] += kernel @ share / len(rows)
    for profile, label, colour in zip(profiles, ("prior", "model"), (PRIOR, MODEL), strict=True):
        axes.plot(radius, profile, color=colour, label=label)
    axes.set_yscale("log")
    positive = profiles[profiles > 0]
    axes.set_ylim(max(float(positive.min()), float(profiles.max()) * 1e-5) / 1.5, float(profiles.max()) * 2)
    axes.set_xlim(0, 3.0)
    axes.set_xlabel("distance to the nearest nucleus [Å]")
    axes.set_ylabel("misplaced electrons [% per Å]")
    axes.grid()
    axes.legend()
    return len(rows)
