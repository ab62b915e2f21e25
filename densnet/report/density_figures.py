"""The density and its error: a map in a plane of the molecule, a bar a kind of error, a profile over the distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.density import Density
from densnet.density.error import DensityGrid, kohn_sham_density
from densnet.report.plane import best_plane, draw_nuclei
from densnet.report.sources import Sources, kohn_sham_of, n_electrons_of
from densnet.report.style import DIVERGING, FLOOR, MODEL, PRIOR, TRUE, Drawn, drawing, new_figure, panel_letter
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]

MARGIN = 1.8
"""Space around the nuclei in a map, Å."""
SPACING = 0.04
"""Of the points of a map, Å."""
N_RADIAL_FRAMES = 5
FLOOR_NOTE = " (d) What the fitting basis loses, on the same scale: fitted less Kohn–Sham density."


@drawing(
    3,
    "Electron density in a plane",
    "{system}, test frame {frame} (the one with the median error), in the plane of {plane}. (a) Predicted "
    "density. (b) What is learned: the fitted density less the superposed free atoms. (c) The model's error: "
    "predicted less fitted density, on a scale {ratio:.2g} times finer than (b).{floor} Reference {level}; density "
    "fitted in {fit_basis}. Symbols mark nuclei within 0.4 Å of the plane.",
)
def density_map(sources: Sources) -> Drawn:
    """Draw predicted density, learned difference and errors in a plane of the test frame of median error."""
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
    true = kohn_sham_of(sources.labels, frame)
    if true is not None:
        bohr, flat_points = positions / BOHR_IN_ANGSTROM, points.reshape(-1, 3) / BOHR_IN_ANGSTROM
        rho = kohn_sham_density(true.orbital_basis, numbers, bohr, true.orbitals, flat_points) / BOHR_IN_ANGSTROM**3
        values.append(values[0] - values[2] - rho.reshape(points.shape[:2]))
    figure, panels = _panels(len(values), float((high[1] - low[1]) / (high[0] - low[0])))
    # The sharp features at the nuclei would hide the bonds: the scale ends where all but 1 % of the area lies below.
    scales = [float(np.quantile(np.abs(v), 0.99)) for v in values]
    scales[2:] = [max(scales[2:])] * len(scales[2:])
    labels = ("ρ model  [e/Å³]", "ρ fit − ρ atoms  [e/Å³]", "ρ model − ρ fit  [e/Å³]", "ρ fit − ρ Kohn–Sham  [e/Å³]")
    for number, (axes, value, scale) in enumerate(zip(panels, values, scales, strict=True)):
        _draw_map(figure, axes, x, y, value, scale, labels[number], signed=number > 0)
        draw_nuclei(axes, numbers, flat, height)
        panel_letter(axes, "abcd"[number])
    words = {
        "frame": int(frame["frame"]) if "frame" in frame.coords else row,
        "plane": plane.name(numbers),
        "ratio": scales[1] / scales[2] if scales[2] > 0 else np.inf,
        "fit_basis": basis.name,
        "floor": FLOOR_NOTE if true is not None else "",
    }
    return figure, sources.words | words


def _panels(number: int, height_to_width: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with three maps in a row, or four in a square; axes labelled at its rim."""
    rows, columns = (1, 3) if number == 3 else (2, 2)
    width = 10.0 if columns == 3 else 8.4
    panel = (width - 0.8 * columns) / columns
    figure = new_figure(width, rows * (float(np.clip(panel * height_to_width, 1.8, 4.5)) + 0.9))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid[:, 0]:
        axes.set_ylabel("y [Å]")
    for axes in grid[-1]:
        axes.set_xlabel("x [Å]")
    return figure, list(grid.flat)


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


@drawing(
    4,
    "Error of the density",
    "{system}, {n_test} test frames, model trained on {n_train} (seed {seed}). (a) Normalised mean absolute "
    "error of each frame: superposed free atoms against the fitted density (prior), the model against the "
    "Kohn–Sham and the fitted density, and the fit against Kohn–Sham (floor); bars are medians. (b) Where the "
    "error sits: share of the electrons misplaced within a shell around the nearest nucleus, mean of "
    "{n_radial} frames. (c) Electrons misplaced in the cell (Becke) of an atom of each element, and the share of "
    "the whole error that all its atoms have. Reference {level}.",
)
def density_error(sources: Sources) -> Drawn:
    """Draw how wrong the density is, and where: by distance from the nuclei and by element."""
    figure = new_figure(11.0, 3.5)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.25, 1.0, 0.9])
    _draw_kinds(left, sources.evaluation)
    n_radial = _draw_radial(middle, sources)
    _draw_elements(right, sources.evaluation)
    for axes, letter in zip((left, middle, right), "abc", strict=True):
        panel_letter(axes, letter)
    return figure, sources.words | {"n_radial": n_radial}


def _draw_kinds(axes: Axes, evaluation: xr.Dataset) -> None:
    """Draw each frame's NMAE, a column a pair of densities, with the medians."""
    kinds = [
        ("prior\nvs fit", "prior_nmae", PRIOR),
        ("model\nvs Kohn–Sham", "nmae_true", TRUE),
        ("model\nvs fit", "nmae", MODEL),
        ("fit vs\nKohn–Sham\n(floor)", "floor_nmae", FLOOR),
    ]
    rng = np.random.default_rng(0)
    for place, (_, name, colour) in enumerate(kinds):
        values = evaluation[name].values
        values = values[np.isfinite(values)]
        if not values.size:
            axes.text(place, 0.5, "not\navailable", ha="center", color=colour, transform=axes.get_xaxis_transform())
            continue
        spread = place + rng.uniform(-0.18, 0.18, len(values))
        axes.plot(spread, values, "o", ms=3.5, color=colour, alpha=0.5, mew=0)
        median = float(np.median(values))
        axes.plot([place - 0.3, place + 0.3], [median, median], color=colour, lw=2.5, solid_capstyle="butt")
        axes.annotate(
            f"{median:.3g} %", (place + 0.32, median), fontsize=8, va="center", color=colour, annotation_clip=False
        )
    axes.set_yscale("log")
    axes.set_xlim(-0.5, len(kinds) - 0.1)
    axes.set_xticks(range(len(kinds)), [kind[0] for kind in kinds])
    axes.set_ylabel("NMAE [%]")
    axes.grid(axis="y")


def _draw_elements(axes: Axes, evaluation: xr.Dataset) -> None:
    """Draw the misplaced electrons per atom of each element, the share of the whole error written on each bar."""
    numbers = evaluation["numbers"].values.astype(int)
    elements = sorted(set(numbers.tolist()))
    parts = evaluation["nmae_by_atom"].mean("frame")
    shown = [("model-fit", "model", MODEL), ("fit-true", "floor", FLOOR)]
    shown = [kind for kind in shown if np.isfinite(parts.sel(pair=kind[0]).values).all()]
    width = 0.8 / len(shown)
    for column, (pair, label, colour) in enumerate(shown):
        by_atom = parts.sel(pair=pair).values / 100.0 * n_electrons_of(evaluation)
        heights = np.array([by_atom[numbers == z].mean() for z in elements])
        shares = [100.0 * by_atom[numbers == z].sum() / by_atom.sum() for z in elements]
        places = np.arange(len(elements)) + (column - (len(shown) - 1) / 2) * width
        bars = axes.bar(places, 1e3 * heights, 0.94 * width, color=colour, label=label)
        axes.bar_label(bars, [f"{share:.0f} %" for share in shares], fontsize=7, color=colour, padding=1)
    counts = [int((numbers == z).sum()) for z in elements]
    names = [
        f"{chemical_symbols[z]} × {n}" if n > 1 else chemical_symbols[z] for z, n in zip(elements, counts, strict=True)
    ]
    axes.set_xticks(range(len(elements)), names)
    axes.set_ylabel("misplaced electrons [10⁻³ e per atom]")
    axes.margins(y=0.15)
    axes.grid(axis="y")
    axes.legend()


def _draw_radial(axes: Axes, sources: Sources) -> int:
    """Draw 100/N ∫ |Δρ| δ(r - distance to the nearest nucleus), per Å; return how many frames were averaged."""
    evaluation = sources.evaluation
    basis = Basis.from_json(evaluation.attrs["fit_basis"])
    numbers = evaluation["numbers"].values.astype(np.int64)
    radius = np.linspace(0.02, 3.0, 150)
    rows = np.linspace(0, evaluation.sizes["frame"] - 1, min(N_RADIAL_FRAMES, evaluation.sizes["frame"])).astype(int)
    profiles: dict[str, Array] = {}
    for row in rows:
        frame = evaluation.isel(frame=int(row))
        grid = DensityGrid.around(numbers, frame["positions"].values / BOHR_IN_ANGSTROM)
        distance = BOHR_IN_ANGSTROM * grid.distance_to_nucleus()
        # Points of an atomic grid sit on shells: each is smeared over about the distance to the next shell.
        width = 0.03 + 0.09 * distance
        kernel = np.exp(-0.5 * ((radius[:, None] - distance) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
        names = ("coefficients", "coefficients_predicted")
        prior, fitted, predicted = grid.fitted(
            basis, np.stack([evaluation["prior"].values, *(frame[name].values for name in names)])
        )
        differences = {"prior": prior - fitted, "model": predicted - fitted}
        true = kohn_sham_of(sources.labels, frame)
        if true is not None:
            differences["floor"] = fitted - grid.kohn_sham(true.orbital_basis, true.orbitals)
        for label, difference in differences.items():
            share = 100.0 / n_electrons_of(evaluation) * grid.weights * np.abs(difference)
            profiles[label] = profiles.get(label, np.zeros(len(radius))) + kernel @ share / len(rows)
    for label, profile in profiles.items():
        axes.plot(radius, profile, color={"prior": PRIOR, "model": MODEL, "floor": FLOOR}[label], label=label)
    axes.set_yscale("log")
    every = np.concatenate(list(profiles.values()))
    axes.set_ylim(max(float(every[every > 0].min()), float(every.max()) * 1e-5) / 1.5, float(every.max()) * 2)
    axes.set_xlim(0, 3.0)
    axes.set_xlabel("distance to the nearest nucleus [Å]")
    axes.set_ylabel("misplaced electrons [% per Å]")
    axes.grid()
    axes.legend()
    return len(rows)
