"""The electrostatic potential around the molecule: a view of a surface, the error on it, the error over distance."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.potential_error import fitted_potential, kohn_sham_potential
from densnet.density.surface import SCALES, van_der_waals_radii
from densnet.report.palette import COMPARED
from densnet.report.plane import Plane, draw_difference, draw_nuclei, median_view
from densnet.report.sources import Sources, kohn_sham_of
from densnet.report.style import Drawn, drawing, lettered_panels
from densnet.units import BOHR_IN_ANGSTROM, EV_IN_MEV, HARTREE_IN_EV

Array = NDArray[np.float64]

SCALE = SCALES[0]
"""Of the van der Waals radii, for the surface that is shown."""
N_POINTS = 7000
"""Of the shown surface, about: Kohn-Sham potentials of large molecules are slow."""
MILLIVOLT = HARTREE_IN_EV * EV_IN_MEV
"""Of an atomic unit of potential."""


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
    view = median_view(evaluation, evaluation["potential_rms_error"].sel(pair="model-fit").values)
    frame, numbers = view.frame, view.numbers
    basis = Basis.from_json(evaluation.attrs["fit_basis"])
    radii = BOHR_IN_ANGSTROM * SCALE * van_der_waals_radii(numbers)
    x, y, surface = front_of_spheres(view.plane, view.positions, radii, N_POINTS)
    seen = np.isfinite(surface).all(axis=-1)
    true = kohn_sham_of(sources.labels, frame)
    place, points = (numbers, view.positions / BOHR_IN_ANGSTROM), surface[seen] / BOHR_IN_ANGSTROM
    if true is None:
        reference, name = fitted_potential(basis, *place, frame["coefficients"].values, points), "fitted density"
    else:
        reference = kohn_sham_potential(true.orbital_basis, *place, true.orbitals, points)
        name = "Kohn–Sham density"
    error = fitted_potential(basis, *place, frame["coefficients_predicted"].values, points) - reference
    figure, (left, middle, right) = lettered_panels(11.0, 3.6, 1, 3, width_ratios=[1.0, 1.0, 0.85])
    labels = ("potential  [V]", f"model − {'fit' if true is None else 'Kohn–Sham'}  [mV]")
    for axes, values, label in zip((left, middle), (HARTREE_IN_EV * reference, MILLIVOLT * error), labels, strict=True):
        image = np.full(seen.shape, np.nan)
        image[seen] = values
        draw_difference(axes, x, y, image, float(np.abs(values).max()), np.linspace(-0.8, 0.8, 9), label)
        draw_nuclei(axes, view)
        axes.set_xlabel("x [Å]")
    left.set_ylabel("y [Å]")
    _draw_distance(right, evaluation)
    words = {
        "scale": SCALE,
        "reference": name,
        "rms": MILLIVOLT * float(np.sqrt(np.mean(error**2))),
        "relative": float(evaluation["potential_relative_error"].sel(pair="model-fit").mean()),
    }
    return figure, sources.words | view.words | words


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
    flat, height = (centres - plane.origin) @ plane.axes.T, (centres - plane.origin) @ plane.normal
    low, high = (flat - radii[:, None]).min(axis=0), (flat + radii[:, None]).max(axis=0)
    counts = np.ceil((high - low) / np.sqrt((high - low).prod() / n_points)).astype(int)
    x, y = (low[n] + (high - low)[n] * (np.arange(counts[n]) + 0.5) / counts[n] for n in range(2))
    away = (x[None, :, None] - flat[:, 0]) ** 2 + (y[:, None, None] - flat[:, 1]) ** 2
    with np.errstate(invalid="ignore"):
        tops = np.where(away < radii**2, height + np.sqrt(radii**2 - away), -np.inf).max(axis=-1)
    top = np.where(np.isfinite(tops), tops, np.nan)[..., None]
    return x, y, plane.points(x, y) + top * plane.normal


def _draw_distance(axes: Axes, evaluation: xr.Dataset) -> None:
    """Draw the RMS error on each scaled surface, mean and range over the frames, for each pair of densities."""
    scale = evaluation["scale"].values
    for pair, (label, colour) in COMPARED.items():
        values = evaluation["potential_rms_by_scale"].sel(pair=pair).values
        values = values[np.isfinite(values).all(axis=1)]
        if not values.size:
            continue
        axes.fill_between(scale, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, lw=0)
        # the two errors of the model may lie on each other: the broader line below shows at both sides
        width, name = 3.5 if pair == "model-true" else 1.4, label.replace("\n", " ")
        axes.plot(scale, values.mean(axis=0), "o-", ms=4, lw=width, color=colour, label=name)
    axes.set(yscale="log", xticks=scale)
    axes.set(xlabel="distance [van der Waals radii]", ylabel="RMS error of the potential [mV]")
    axes.grid()
    below = axes.legend(fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.17), columnspacing=1.0)
    # the bars of colours beside it leave the room
    below.set_in_layout(False)
