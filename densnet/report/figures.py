"""All figures of one system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from densnet.report.calibration import has_spread
from densnet.report.calibration_figures import calibration
from densnet.report.density_figures import density_error, density_map
from densnet.report.dynamics_figures import energy_conservation
from densnet.report.learning_figures import learning_density, learning_energy, parity
from densnet.report.motion_figures import motions
from densnet.report.potential_figures import potential
from densnet.report.sources import Sources
from densnet.report.spectrum_figures import spectrum
from densnet.report.style import Picture, style
from densnet.report.timing_figures import read_benchmarks, timings

DRAWINGS = (
    density_map,
    density_error,
    potential,
    learning_density,
    learning_energy,
    parity,
    energy_conservation,
    spectrum,
)


def draw_figures(sources: Sources, benchmarks: Path | None = None) -> Iterator[Picture]:
    """Yield the figures one by one; calibration only of an ensemble, motions and timings only if they are known."""
    more = [calibration] if has_spread(sources.evaluation) else []
    more += [motions] if sources.assignment is not None else []
    for draw in (*DRAWINGS, *more):
        with style():
            yield draw(sources)
    if benchmarks is not None:
        costs = read_benchmarks(benchmarks)
        with style():
            yield timings(sources.system, costs)
