"""How much the spectrum still changes with the total time simulated."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from densnet.report.palette import EXPERIMENT, MODEL, PEERS
from densnet.report.sources import Sources
from densnet.report.spectrum_figures import replicas_of
from densnet.report.style import Drawn, drawing, lettered_panels, logarithmic_heights, plain_decimals
from densnet.spectra.convergence import CONVERGED_PEARSON, LEAST_REPLICAS, N_DRAWS, needed_ps


@drawing(
    3,
    "Convergence of the spectrum",
    "{system}: how the infrared spectrum of {length} depends on the total time. At each time {draws} sets of replicas "
    "are drawn with replacement. (a) Pearson's coefficient of their spectra with that of all replicas, median and 95 %."
    " (b) Uncertainty of the areas of the main bands: half the width of the interval that holds 95 % of them, over the "
    "area. {verdict}",
    of="convergence",
)
def convergence(sources: Sources) -> Drawn:
    """Draw Pearson's coefficient and the uncertainty of the bands' areas against the total time."""
    spectrum = sources.spectrum
    figure, (left, right) = lettered_panels(9.4, 3.4, 1, 2)
    total = spectrum["total_time"].values
    low, median, high = spectrum["convergence_pearson"].values.T
    left.fill_between(total, low, high, color=MODEL, alpha=0.25, lw=0)
    left.plot(total, median, "o-", color=MODEL, ms=4)
    left.axhline(CONVERGED_PEARSON, color=EXPERIMENT, lw=0.8, ls="--")
    bottom = np.nanmin([*low, *median, CONVERGED_PEARSON])
    left.set(ylim=(np.floor(10 * bottom - 0.3) / 10, 1.01), ylabel="Pearson's coefficient against all")
    _draw_areas(right, spectrum)
    for axes in (left, right):
        axes.set(xscale="log", xlabel="total time simulated [ps]")
        axes.set_xlim(total[0] / 1.15, total[-1] * 1.15)
        plain_decimals(axes.xaxis, (1, 2, 5))
    return figure, sources.words | {
        "length": replicas_of(spectrum),
        "draws": N_DRAWS,
        "verdict": verdict(spectrum),
    }


def _draw_areas(axes: Axes, spectrum: xr.Dataset) -> None:
    """Draw half the relative width of the interval of each main band's area."""
    total, area = spectrum["total_time"].values, spectrum["band_area"].values
    for edges, (low, middle, high), colour in zip(
        spectrum["band_range"].values, area.transpose(0, 2, 1), (MODEL, *PEERS), strict=False
    ):
        label = f"{edges[0]:.0f}–{edges[1]:.0f} 1/cm"
        axes.plot(total, 50 * (high - low) / middle[-1], "o-", color=colour, ms=3, label=label)
    axes.set_ylabel("uncertainty of the area [%]")
    if not (area.size and np.isfinite(area).all()):
        axes.set_yticks([])
        return
    logarithmic_heights(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def verdict(spectrum: xr.Dataset) -> str:
    """Return in words from which total time on the spectrum is settled, or that the run is too short to say."""
    total, low = float(spectrum["total_time"][-1]), float(spectrum["convergence_pearson"][-1, 0])
    if not spectrum.attrs["infrared_active"]:
        return "Nothing absorbs, so there is nothing that could change."
    n_replicas = int(spectrum.attrs["n_replicas"])
    if n_replicas == 1:
        return (
            "There is one replica, so nothing can be drawn, there are no bands, and the run cannot say how well its "
            "spectrum is known: take more (md.replicas)."
        )
    halves = f"Pearson's coefficient of two halves of the replicas is {float(spectrum['halves_pearson']):.2f}."
    if n_replicas < LEAST_REPLICAS:
        return (
            f"There are {n_replicas} replicas, too few to say how well their spectrum is known: take {LEAST_REPLICAS} "
            f"or more (md.replicas). {halves}"
        )
    settled = float(spectrum["converged_ps"])
    if np.isfinite(settled):
        return (
            f"From {settled:.3g} ps on, the band stays above {CONVERGED_PEARSON:g} (dashed): the shape of the spectrum "
            f"changes no more than that. {halves}"
        )
    longer = f"; that would take roughly {needed_ps(total, low):.2g} ps" if low > 0 else ""
    return (
        f"The run is too short for a settled spectrum: even at {total:.3g} ps the band reaches down to {low:.2f}, "
        f"below {CONVERGED_PEARSON:g} (dashed){longer} (md.replicas, md.production_ps). {halves}"
    )
