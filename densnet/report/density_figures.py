"""The density and its error: a map in a plane of the molecule, a bar a kind of error, a profile over the distance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.density import Density
from densnet.density.error import DensityGrid, kohn_sham_density
from densnet.report.metrics import of_pair
from densnet.report.palette import COMPARED, FLOOR, MODEL, PRIOR
from densnet.report.plane import colour_bar, draw_difference, draw_nuclei, median_view
from densnet.report.sources import Sources, kohn_sham_of, n_electrons_of
from densnet.report.style import Drawn, drawing, legend_above, lettered_panels
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]

MARGIN = 1.8
"""Space around the nuclei in a map, Å."""
SPACING = 0.04
"""Of the points of a map, Å."""
CONTOURS = np.array([-0.5, -0.1, 0.1, 0.5])
"""Of a map, over the end of its scale."""
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
    view = median_view(evaluation, evaluation["nmae"].values)
    frame, numbers, positions, plane = view.frame, view.numbers, view.positions, view.plane
    basis = Basis.from_json(evaluation.attrs["fit_basis"])
    flat, _ = plane.coordinates(positions)
    low, high = flat.min(axis=0) - MARGIN, flat.max(axis=0) + MARGIN
    x, y = (np.arange(low[n], high[n] + SPACING, SPACING) for n in range(2))
    points = plane.points(x, y).reshape(-1, 3)
    fitted, predicted = frame["coefficients"].values, frame["coefficients_predicted"].values
    values = [
        Density(basis, numbers, positions, coefficients).at(points)
        for coefficients in (predicted, fitted - evaluation["prior"].values, predicted - fitted)
    ]
    true = kohn_sham_of(sources.labels, frame)
    if true is not None:
        bohr = (positions / BOHR_IN_ANGSTROM, true.orbitals, points / BOHR_IN_ANGSTROM)
        rho = kohn_sham_density(true.orbital_basis, numbers, *bohr) / BOHR_IN_ANGSTROM**3
        values.append(values[0] - values[2] - rho)
    figure, panels = _map_panels(len(values), float((high[1] - low[1]) / (high[0] - low[0])))
    # The sharp features at the nuclei would hide the bonds: the scale ends where all but 1 % of the area lies below.
    scales = [float(np.quantile(np.abs(value), 0.99)) for value in values]
    scales[2:] = [max(scales[2:])] * len(scales[2:])
    images = [value.reshape(len(y), len(x)) for value in values]
    _draw_density(panels[0], x, y, images[0], "ρ model  [e/Å³]")
    labels = ("ρ fit − ρ atoms  [e/Å³]", "ρ model − ρ fit  [e/Å³]", "ρ fit − ρ Kohn–Sham  [e/Å³]")
    for axes, image, scale, label in zip(panels[1:], images[1:], scales[1:], labels, strict=False):
        draw_difference(axes, x, y, image, scale, CONTOURS, label)
    for axes in panels:
        draw_nuclei(axes, view)
    words = {
        "ratio": scales[1] / scales[2] if scales[2] > 0 else np.inf,
        "fit_basis": basis.name,
        "floor": FLOOR_NOTE if true is not None else "",
    }
    return figure, sources.words | view.words | words


def _map_panels(number: int, height_to_width: float) -> tuple[Figure, NDArray[np.object_]]:
    """Return a figure with three maps in a row, or four in a square; axes labelled at its rim."""
    rows, columns, width = (1, 3, 10.0) if number == 3 else (2, 2, 8.4)
    height = float(np.clip((width - 0.8 * columns) / columns * height_to_width, 1.8, 4.5)) + 0.9
    figure, panels = lettered_panels(width, rows * height, rows, columns, sharex=True, sharey=True)
    for axes in panels:
        axes.set(xlabel="x [Å]", ylabel="y [Å]")
        axes.label_outer()
    return figure, panels


def _draw_density(axes: Axes, x: Array, y: Array, density: Array, label: str) -> None:
    """Draw a density with contours of powers of two."""
    levels = np.arange(-8.0, 6.0)
    shown = np.log2(np.maximum(density, 2.0 ** (levels[0] - 1)))
    image = axes.contourf(x, y, shown, levels=levels, cmap="Blues", extend="both")
    axes.contour(x, y, shown, levels=levels, colors="k", linewidths=0.3, linestyles="-")
    ticks = levels[::3].tolist()
    colour_bar(axes, image, label).set_ticks(ticks, labels=[f"{2.0**tick:.3g}" for tick in ticks])


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
    figure, (left, middle, right) = lettered_panels(11.0, 3.5, 1, 3, width_ratios=[1.25, 1.0, 0.9])
    _draw_kinds(left, sources.evaluation)
    n_radial = _draw_radial(middle, sources)
    _draw_elements(right, sources.evaluation)
    return figure, sources.words | {"n_radial": n_radial}


def _draw_kinds(axes: Axes, evaluation: xr.Dataset) -> None:
    """Draw each frame's NMAE, a column a pair of densities, with the medians."""
    rng = np.random.default_rng(0)
    for place, (pair, (_, colour)) in enumerate(COMPARED.items()):
        values = of_pair(evaluation, "nmae", pair).values
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
    axes.set(yscale="log", xlim=(-0.5, len(COMPARED) - 0.1), ylabel="NMAE [%]")
    axes.set_xticks(range(len(COMPARED)), [label for label, _ in COMPARED.values()])
    axes.grid(axis="y")


def _draw_elements(axes: Axes, evaluation: xr.Dataset) -> None:
    """Draw the misplaced electrons per atom of each element, the share of the whole error written on each bar."""
    numbers = evaluation["numbers"].values.astype(int)
    elements, counts = np.unique(numbers, return_counts=True)
    parts = evaluation["nmae_by_atom"].mean("frame")
    kinds = [("model-fit", "model", MODEL), ("fit-true", "floor", FLOOR)]
    kinds = [kind for kind in kinds if np.isfinite(parts.sel(pair=kind[0]).values).all()]
    width = 0.8 / len(kinds)
    for column, (pair, label, colour) in enumerate(kinds):
        electrons = pd.Series(parts.sel(pair=pair).values / 100.0 * n_electrons_of(evaluation)).groupby(numbers)
        shares = 100.0 * electrons.sum() / electrons.sum().sum()
        places = np.arange(len(elements)) + (column - (len(kinds) - 1) / 2) * width
        bars = axes.bar(places, 1e3 * electrons.mean(), 0.94 * width, color=colour, label=label)
        axes.bar_label(bars, [f"{share:.0f} %" for share in shares], fontsize=7, color=colour, padding=1)
    names = [
        chemical_symbols[z] + (f" × {count}" if count > 1 else "") for z, count in zip(elements, counts, strict=True)
    ]
    axes.set_xticks(range(len(elements)), names)
    axes.set_ylabel("misplaced electrons [10⁻³ e per atom]")
    axes.margins(y=0.15)
    axes.grid(axis="y")
    legend_above(axes, 3)


def _draw_radial(axes: Axes, sources: Sources) -> int:
    """Draw 100/N ∫ |Δρ| δ(r - distance to the nearest nucleus), per Å; return how many frames were averaged."""
    evaluation = sources.evaluation
    basis = Basis.from_json(evaluation.attrs["fit_basis"])
    numbers = evaluation["numbers"].values.astype(np.int64)
    radius, n_frames = np.linspace(0.02, 3.0, 150), evaluation.sizes["frame"]
    rows = np.linspace(0, n_frames - 1, min(N_RADIAL_FRAMES, n_frames)).astype(int)
    profiles: dict[str, Array] = {}
    for row in rows:
        frame = evaluation.isel(frame=int(row))
        grid = DensityGrid.around(numbers, frame["positions"].values / BOHR_IN_ANGSTROM)
        distance = BOHR_IN_ANGSTROM * grid.distance_to_nucleus()
        # Points of an atomic grid sit on shells: each is smeared over about the distance to the next shell.
        width = 0.03 + 0.09 * distance
        kernel = np.exp(-0.5 * ((radius[:, None] - distance) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
        coefficients = [frame[name].values for name in ("prior", "coefficients", "coefficients_predicted")]
        prior, fitted, predicted = grid.fitted(basis, np.stack(coefficients))
        differences = {"prior": prior - fitted, "model": predicted - fitted}
        true = kohn_sham_of(sources.labels, frame)
        if true is not None:
            differences["floor"] = fitted - grid.kohn_sham(true.orbital_basis, true.orbitals)
        for label, difference in differences.items():
            share = 100.0 / n_electrons_of(evaluation) * grid.weights * np.abs(difference)
            profiles[label] = profiles.get(label, np.zeros(len(radius))) + kernel @ share / len(rows)
    for label, profile in profiles.items():
        axes.plot(radius, profile, color={"prior": PRIOR, "model": MODEL, "floor": FLOOR}[label], label=label)
    every = np.concatenate(list(profiles.values()))
    low, high = float(every[every > 0].min()), float(every.max())
    axes.set(yscale="log", ylim=(max(low, high * 1e-5) / 1.5, high * 2), xlim=(0, 3.0))
    axes.set(xlabel="distance to the nearest nucleus [Å]", ylabel="misplaced electrons [% per Å]")
    axes.grid()
    legend_above(axes, 3)
    return len(rows)
