"""The electrostatic potential around the molecule: a view of a surface, the error on it, the error over distance."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.potential_error import fitted_potential, kohn_sham_potential
from densnet.density.surface import SCALES, van_der_waals_radii
from densnet.report.plane import Plane, best_plane, draw_nuclei
from densnet.report.sources import Sources, kohn_sham_of
from densnet.report.style import DIVERGING, FLOOR, MODEL, PRIOR, TRUE, Drawn, drawing, new_figure, panel_letter
from densnet.units import BOHR_IN_ANGSTROM, EV_IN_MEV, HARTREE_IN_EV

Array = NDArray[np.float64]

SCALE = SCALES[0]
"""Of the van der Waals radii, for the surface that is shown."""
N_POINTS = 7000
"""Of the shown surface, about: Kohn-Sham potentials of large molecules are slow."""


@drawing(
    5,
    "Electrostatic potential around the molecule",
    "{system}, test frame {frame} (the one with the median error), seen along the normal of the plane of {plane}: "
    "the nearer side of the merged spheres of {scale:g} van der Waals radii. (a) Electrostatic potential of the "
    "{reference}. (b) The potential of the predicted density less that (RMS {rms:.3g} mV here). (c) RMS error on "
    "surfaces of 1.4 to 2.0 van der Waals radii (Singh and Kollman's points), mean and range of {n_test} test "
    "frames; the model deviates by {relative:.3g} % of the potential from the fit. Reference {level}.",
)
def potential(sources: Sources) -> Drawn:
    """Draw the potential on a surface of the test frame of median error, its error, and the error over the distance."""
    evaluation = sources.evaluation
    of_model = evaluation["potential_rms_error"].sel(pair="model-fit").values
    row = int(np.argsort(of_model)[len(of_model) // 2])
    frame = evaluation.isel(frame=row)
    numbers = evaluation["numbers"].values.astype(np.int64)
    bohr = frame["positions"].values.astype(float) / BOHR_IN_ANGSTROM
    basis = Basis.from_json(evaluation.attrs["fit_basis"])
    plane = best_plane(numbers, bohr)
    x, y, surface = front_of_spheres(plane, bohr, SCALE * van_der_waals_radii(numbers), N_POINTS)
    seen = np.isfinite(surface).all(axis=-1)
    true, place, points = kohn_sham_of(sources.labels, frame), (numbers, bohr), surface[seen]
    if true is None:
        reference, name = fitted_potential(basis, *place, frame["coefficients"].values, points), "fitted density"
    else:
        reference = kohn_sham_potential(true.orbital_basis, *place, true.orbitals, points)
        name = "Kohn–Sham density"
    error = fitted_potential(basis, *place, frame["coefficients_predicted"].values, points) - reference
    figure = new_figure(11.0, 3.6)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.0, 1.0, 0.85])
    labels = ("potential  [V]", f"model − {'fit' if true is None else 'Kohn–Sham'}  [mV]")
    for axes, values, label in zip(
        (left, middle), (HARTREE_IN_EV * reference, HARTREE_IN_EV * EV_IN_MEV * error), labels, strict=True
    ):
        image = np.full(seen.shape, np.nan)
        image[seen] = values
        _draw_surface(figure, axes, BOHR_IN_ANGSTROM * x, BOHR_IN_ANGSTROM * y, image, label)
        flat, height = plane.coordinates(bohr)
        draw_nuclei(axes, numbers, BOHR_IN_ANGSTROM * flat, BOHR_IN_ANGSTROM * height)
        axes.set_xlabel("x [Å]")
    left.set_ylabel("y [Å]")
    _draw_distance(right, evaluation)
    for axes, letter in zip((left, middle, right), "abc", strict=True):
        panel_letter(axes, letter)
    words = {
        "frame": int(frame["frame"]) if "frame" in frame.coords else row,
        "plane": plane.name(numbers),
        "scale": SCALE,
        "reference": name,
        "rms": HARTREE_IN_EV * EV_IN_MEV * float(np.sqrt(np.mean(error**2))),
        "relative": float(evaluation["potential_relative_error"].sel(pair="model-fit").mean()),
    }
    return figure, sources.words | words


def front_of_spheres(plane: Plane, centres: Array, radii: Array, n_points: int) -> tuple[Array, Array, Array]:
    """Return what one sees of merged spheres from far above a plane.

    Args:
        plane: in the unit of the centres.
        centres: (i, 3).
        radii: (i,).
        n_points: of the rectangle that holds them, about.

    Returns:
        Coordinates x (n,) and y (m,) in the plane, and the points (m, n, 3) of the spheres that lie above them on top;
        NaN beside the spheres.
    """
    normal = np.cross(plane.axes[0], plane.axes[1])
    flat, height = (centres - plane.origin) @ plane.axes.T, (centres - plane.origin) @ normal
    low, high = (flat - radii[:, None]).min(axis=0), (flat + radii[:, None]).max(axis=0)
    counts = np.ceil((high - low) / np.sqrt((high - low).prod() / n_points)).astype(int)
    x, y = (low[n] + (high - low)[n] * (np.arange(counts[n]) + 0.5) / counts[n] for n in range(2))
    away = (x[None, :, None] - flat[:, 0]) ** 2 + (y[:, None, None] - flat[:, 1]) ** 2
    with np.errstate(invalid="ignore"):
        tops = np.where(away < radii**2, height + np.sqrt(radii**2 - away), -np.inf).max(axis=-1)
    top = np.where(np.isfinite(tops), tops, np.nan)[..., None]
    points = plane.origin + x[None, :, None] * plane.axes[0] + y[:, None, None] * plane.axes[1] + top * normal
    return x, y, points


def _draw_surface(figure: Figure, axes: Axes, x: Array, y: Array, image: Array, label: str) -> None:
    """Draw values on a surface as seen from above, NaN left white, zero in the middle of the colours."""
    largest = float(np.nanmax(np.abs(image)))
    scale = largest if largest > 0 else 1e-12
    colours = axes.pcolormesh(x, y, image, cmap=DIVERGING, vmin=-scale, vmax=scale, shading="nearest", rasterized=True)
    axes.contour(x, y, image, levels=scale * np.linspace(-0.8, 0.8, 9), colors="k", linewidths=0.4)
    bar = figure.colorbar(colours, ax=axes, location="bottom", shrink=0.9, pad=0.02, aspect=30)
    bar.ax.locator_params(nbins=5)
    bar.set_label(label)
    axes.set_aspect("equal")


def _draw_distance(axes: Axes, evaluation: xr.Dataset) -> None:
    """Draw the RMS error on each scaled surface, mean and range over the frames, for each pair of densities."""
    kinds = (
        ("prior-fit", "prior vs fit", PRIOR),
        ("model-true", "model vs Kohn–Sham", TRUE),
        ("model-fit", "model vs fit", MODEL),
        ("fit-true", "fit vs Kohn–Sham (floor)", FLOOR),
    )
    scale = evaluation["scale"].values
    for pair, label, colour in kinds:
        values = evaluation["potential_rms_by_scale"].sel(pair=pair).values
        values = values[np.isfinite(values).all(axis=1)]
        if not values.size:
            continue
        axes.fill_between(scale, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, lw=0)
        # the two errors of the model may lie on each other: the broader line below shows at both sides
        axes.plot(scale, values.mean(axis=0), "o-", ms=4, lw=3.5 if colour == TRUE else 1.4, color=colour, label=label)
    axes.set_yscale("log")
    axes.set_xticks(scale)
    axes.set_xlabel("distance [van der Waals radii]")
    axes.set_ylabel("RMS error of the potential [mV]")
    axes.grid()
    axes.legend(fontsize=7)
