"""How long a potential takes, and how far it comes in a day."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from densnet.potential import Array, Potential

WARMING = 3
"""Calls that are not timed, for the first ones make what the others use."""
Scalar = TypeVar("Scalar", float, Array)
MILLISECONDS_IN_A_DAY = 86_400_000.0
FS_IN_NS = 1e-6


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


def milliseconds_in_turns(
    potentials: Sequence[Potential], positions: Array, *, rounds: int, repetitions: int
) -> list[float]:
    """Return for each potential the median over rounds of :func:`milliseconds` on one thread.

    In a round each has its turn, so that whatever else the machine does disturbs all alike.

    Args:
        potentials: of the same molecule.
        positions: Angstrom, (t, i, x).
        rounds: how often each has its turn.
        repetitions: calls that are timed in a turn.
    """
    times = [
        [milliseconds(potential, positions, repetitions=repetitions) for potential in potentials] for _ in range(rounds)
    ]
    return [statistics.median(turns) for turns in zip(*times, strict=True)]


def nanoseconds_a_day(milliseconds_a_step: Scalar, timestep_fs: float) -> Scalar:
    """Return how long a dynamics a day of steps makes, in ns: the day over the time of a step, times the time step.

    Of several copies that are moved together, with the time of a step of each, it is the sum of all.
    """
    return MILLISECONDS_IN_A_DAY / milliseconds_a_step * timestep_fs * FS_IN_NS
