"""The figure of active learning: errors and failures against the labels spent."""

from __future__ import annotations

import xarray as xr
from matplotlib.ticker import MaxNLocator

from densnet.report.palette import MODEL, PEER, PINK, PRIOR, SKY, TRUE
from densnet.report.style import Drawn, drawing, legend_outside, lettered_panels, logarithmic_heights

COLOURS = (TRUE, PINK, PRIOR, SKY)
"""Of temperatures."""


@drawing(
    4,
    "Active learning",
    "{system}: active learning, a point for each round. (a) Errors of the forces against the training frames: on the "
    "test frames, which stay the same, and on the frames that dynamics of the round's models found, before they were "
    "labelled and learned from. (b) How often a replica broke or left the training frames for good in 100 ps of that "
    "dynamics.",
    of="rounds",
)
def rounds(table: xr.Dataset, system: str) -> Drawn:
    """Draw errors and failures of every round."""
    figure, (errors, failures) = lettered_panels(9.0, 3.6, 1, 2, sharex=True)
    labels = table["n_train"].values
    errors.plot(labels, table["test"], "o-", color=MODEL, label="test frames")
    errors.plot(labels, table["found"], "s--", color=PEER, label="frames found")
    errors.set(xlabel="training frames", ylabel="error of the forces [meV/Å]")
    logarithmic_heights(errors)
    rate = 100 * table["explored_failures"] / table["explored_time"]
    for number, (temperature, colour) in enumerate(zip(table["temperature"].values, COLOURS, strict=False)):
        failures.plot(labels, rate.values[:, number], "o-", color=colour, label=f"{temperature:g} K")
    failures.set(xlabel="training frames", ylabel="failures in 100 ps", ylim=(0, None))
    for panel in (errors, failures):
        panel.grid(which="both")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_outside(figure, (errors, failures))
    return figure, {"system": system}
