"""What a test of orientation prints."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from densnet.report.table import plain_table
from densnet.validation.conservation import mean_and_error
from densnet.validation.reorientation import OrientationalOrder, Reorientation

AT_RANDOM = 0.8
"""Times 1/√N: the mean of P₂ of N molecules that point anywhere, by trials (0.87 for four, 0.80 for a thousand)."""
ALIKE = 0.1
"""Of the larger moment: moments nearer to each other do not say which axis is which in another molecule."""


def reorientation_text(turning: Sequence[Reorientation]) -> str:
    """Return C₂ at some times, and the correlation time of each axis."""
    first, count = turning[0], len(turning[0].replicas)
    rows = [
        [
            f"{first.time[step]:.3g}",
            *(_value(each.mean[step], None if each.error is None else each.error[step]) for each in turning),
        ]
        for step in first.shown
    ]
    heads = [f"{each.axis} ({each.moment:.3g})" for each in turning]
    lines = ["C2 of the axes of inertia, with their moments in Da Å²", "", plain_table(["τ [ps]", *heads], rows), ""]
    lines += [_decay(each) for each in turning]
    if count > 1:
        lines.append(f"± is the standard error over {count} replicas.")
    else:
        lines.append("One replica: no standard errors.")
    return "\n".join([*lines, *_linear(len(turning))])


def alignment_text(aligned: Sequence[OrientationalOrder]) -> str:
    """Return the mean of P₂ over frames for each axis."""
    first = aligned[0]
    rows = [[f"{each.axis} moment", f"{each.moment:.3g}", _value(each.mean, each.error)] for each in aligned]
    lines = [
        f"{first.molecules} molecules, {first.frames.size} frames",
        "",
        plain_table(["axis of the", "moment [Da Å²]", "P2"], rows),
        "",
        f"1: all parallel. {first.molecules} molecules at random have about {AT_RANDOM * first.molecules**-0.5:.2f}, "
        "not 0.",
    ]
    if first.error is None:
        lines.append("Too few frames for a standard error.")
    for lower, upper in pairwise(aligned):
        if upper.moment - lower.moment < ALIKE * upper.moment:
            lines.append(
                f"The {lower.axis} and the {upper.axis} moment are nearly the same: which axis is which is not certain."
            )
    return "\n".join([*lines, *_linear(len(aligned))])


def _decay(each: Reorientation) -> str:
    integrals = each.correlation_times
    if integrals is None:
        return (
            f"Axis of the {each.axis} moment: C2 has not decayed to zero in {each.time[-1]:.3g} ps, half of the "
            f"trajectory, or comes back; its last value is {each.mean[-1]:.2f}. It has no correlation time."
        )
    mean, error = mean_and_error(integrals) if len(integrals) > 1 else (float(integrals[0]), None)
    return f"Axis of the {each.axis} moment: the integral correlation time is {_value(mean, error)} ps."


def _value(value: float, error: float | None) -> str:
    """Return a value with as many decimals as its error needs for two digits."""
    if error is None:
        return f"{value:.3f}"
    decimals = 3 if error <= 0 else int(np.clip(1 - np.floor(np.log10(error)), 0, 4))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def _linear(axes: int) -> list[str]:
    return ["A linear molecule has one axis; the others are not defined."] if axes == 1 else []
