"""How long a potential takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from densnet.potential import Array, Potential

WARMING = 3
"""Calls that are not timed, for the first ones make what the others use."""


def milliseconds(potential: Potential, positions: Array, *, repetitions: int, on_one_thread: bool = True) -> float:
    """Return the median time of a call in ms; each starts from scratch.

    Args:
        potential: what is timed.
        positions: Angstrom, (t, i, x).
        repetitions: calls that are timed.
        on_one_thread: take the CPU's time, which others on the machine do not disturb; else that on the wall.
    """
    clock: Callable[[], float] = time.process_time if on_one_thread else time.perf_counter
    times = []
    for _ in range(WARMING + repetitions):
        potential.forget()
        began = clock()
        potential(positions)
        times.append(1e3 * (clock() - began))
    return statistics.median(times[WARMING:])
