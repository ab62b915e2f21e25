"""What labels will cost, said before they are made: from measured times, by the number of orbital functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from families import frames_of

from densnet.errors import DensnetError

MEASURED = ((72, 4.5), (94, 5.0), (178, 20.0), (346, 95.0), (682, 570.0))
"""Orbital functions and seconds of one core for a PBE/def2-SVP energy with gradient: ethanol, thiophene chains of 1, 2,
4 and 8 units. In between, and beyond, a straight line through the logarithms."""


def seconds_of_a_label(n_functions: int) -> float:
    """Return the estimated time of one label on one core."""
    x, y = np.log(np.array(MEASURED)).T
    at = np.log(n_functions)
    slope = (y[-1] - y[-2]) / (x[-1] - x[-2])
    beyond = y[-1] + slope * (at - x[-1])
    return float(np.exp(beyond if at > x[-1] else np.interp(at, x, y)))


def label_costs(config: Mapping[str, Any]) -> list[str]:
    """Return a line for each system whose labels are made here, and one for their sum; none if all are given.

    A molecule that cannot be looked at has no line: the checks of the configuration have said why.
    """
    from impossible import atomic_numbers

    from densnet.basis.basis import Basis

    lines, total = [], 0.0
    for name, system in config["systems"].items():
        if "labels" in system:
            continue
        try:
            numbers = atomic_numbers(system)
            n = Basis.from_name(config["reference"]["basis"], numbers).n_functions(np.array(numbers))
        except DensnetError:
            continue
        frames, seconds = frames_of(config, system), seconds_of_a_label(n)
        total += frames * seconds
        lines.append(f"  {name}: {frames} labels of {n} functions, {seconds:.0f} s each: {hours(frames * seconds)}")
    if not lines:
        return []
    level = "an estimate from PBE/def2-SVP; hybrids, diffuse functions and old machines take longer"
    return ["labels, in core-hours:", *lines, f"  together {hours(total)} ({level})"]


def hours(seconds: float) -> str:
    """Return a time in core-hours."""
    return f"{seconds / 3600:.2g} h"
