"""Figures of the tests of a system's potentials: errors by condition, and how long hot replicas last."""

from __future__ import annotations

import numpy as np

from densnet.report.palette import MODEL, PEERS
from densnet.report.sources import Sources
from densnet.report.style import Drawn, drawing, legend_outside, lettered_panels, logarithmic_heights
from densnet.validation.findings import UNFIT
from densnet.validation.ladder import ALL, DENSITY, SHOWN

COLOURS = (MODEL, *PEERS)
APART = 0.12
"""Of the distance of two conditions: how far potentials stand apart, so that none covers another."""

LOWERED = 0.015
"""Each potential's line below that of the one before."""
IN_A_ROW = 4
"""Temperatures."""


@drawing(
    10,
    "Errors from usual to unusual frames",
    "{system}: errors on validation and test frames by the condition that they were sampled under; a mark is the mean, "
    "the line above it ends at the worst frame. Forces: components, the mean of each frame. Energies of other "
    "potentials than the model are compared up to a constant.{of_density}",
    of="ladder",
)
def ladder(sources: Sources) -> Drawn:
    """Draw the mean and the largest errors of every condition."""
    tested = {who: findings for who, findings in sources.ladder.items() if findings[0].what != UNFIT}
    every = (f.condition for findings in tested.values() for f in findings if f.what == "frames" and f.condition != ALL)
    conditions = list(dict.fromkeys(every))
    known = {finding.what for findings in tested.values() for finding in findings}
    names = [name for name in SHOWN if name != DENSITY or f"mean error of the {name}" in known]
    figure, panels = lettered_panels(9.0, 3.1 * (len(names) // 2), len(names) // 2, 2 + len(names) % 2)
    for panel, name in zip(panels, names, strict=True):
        for number, (who, findings) in enumerate(tested.items()):
            values = {(finding.what, finding.condition): finding.value for finding in findings}
            mean, largest = (
                np.array([values.get((what, condition), np.nan) for condition in conditions])
                for what in (f"mean error of the {name}", f"largest error of the {name} of a frame")
            )
            at = np.arange(len(conditions)) + APART * (number - (len(tested) - 1) / 2)
            colour = COLOURS[number % len(COLOURS)]
            panel.errorbar(at, mean, yerr=[np.zeros_like(mean), largest - mean], fmt="o", color=colour, label=who)
        panel.set_xticks(range(len(conditions)), [condition.replace(" (", "\n(") for condition in conditions])
        panel.set(xlim=(-0.5, len(conditions) - 0.5), ylabel=f"error of the {name} [{SHOWN[name].unit}]")
        if conditions:
            logarithmic_heights(panel)
        panel.grid(axis="y")
    legend_outside(figure, panels)
    said = " The error of the density is 100 ∫|ρ̂ − ρ| / N against the fitted density." if DENSITY in names else ""
    return figure, sources.words | {"of_density": said}


@drawing(
    10,
    "Hot dynamics until it fails",
    "{system}: share of the replicas that are still whole, from the start at the minimum to the end of the dynamics, "
    "at each temperature of the test of robustness. Lines are shifted a little, so that none hides another.",
    of="robustness",
)
def survival(sources: Sources) -> Drawn:
    """Draw the share of replicas that last, against time, a panel for each temperature."""
    tested = {who: findings for who, findings in sources.robustness.items() if findings[0].what != UNFIT}
    counts = [f for findings in tested.values() for f in findings if f.what == "replicas that failed"]
    dynamics = dict(finding.condition.split("; ") for finding in counts)
    columns = min(max(len(dynamics), 1), IN_A_ROW)
    rows = max(-(-len(dynamics) // columns), 1)
    figure, panels = lettered_panels(9.0, 0.3 + 2.6 * rows, rows, columns, sharey=True)
    for panel, (temperature, length_of_run) in zip(panels, dynamics.items(), strict=False):
        _, replicas, _, length, _ = length_of_run.split()
        for number, (who, findings) in enumerate(tested.items()):
            failed = sorted(
                f.value for f in findings if f.what == "time of failure" and f.condition.startswith(f"{temperature}; ")
            )
            left = 1 - np.arange(len(failed) + 1) / int(replicas)
            times, shares = [0.0, *failed, float(length)], np.array([*left, left[-1]]) - LOWERED * number
            panel.step(times, shares, where="post", color=COLOURS[number % len(COLOURS)], label=who)
        panel.set(xlabel=f"time at {temperature} [ps]", xlim=(0, float(length)), ylim=(-0.03, 1.06))
        panel.grid()
    for panel in panels[::columns]:
        panel.set_ylabel("replicas left")
    for panel in panels[len(dynamics) :]:
        panel.set_visible(False)
    legend_outside(figure, panels)
    return figure, sources.words
