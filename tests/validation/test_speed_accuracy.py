"""Errors and times of potentials of which both are known, and dynamics in a day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from densnet.errors import DensnetError
from densnet.mechanics import timing
from densnet.mechanics.timing import WARMING, milliseconds_in_turns, nanoseconds_a_day
from densnet.molecule import Molecule
from densnet.potential import Array, Potential, Quantities
from densnet.units import E_ANGSTROM_IN_DEBYE
from densnet.validation.settings import ChartSettings
from densnet.validation.speed_accuracy import (
    CALLS_ALONE,
    CALLS_IN_BATCH,
    HeldOutFrames,
    accuracy_between,
    contestant,
    costs,
)

WATER = Molecule(np.array([8, 1, 1]), np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]]))
T = 5
SETTINGS = ChartSettings(batch=8, rounds=3)


@dataclass
class Clock:
    """A processor's time that potentials move on, in seconds, and who moved it."""

    seconds: float = 0.0
    calls: list[str] = field(default_factory=list)


class Timed(Potential):
    """Wrong by known amounts; calls and geometries take known times, in the second of three turns ten times as long."""

    def __init__(self, clock: Clock, name: str, call_ms: float, geometry_ms: float, *, dipole: bool = True) -> None:
        self.clock, self.name, self.call_ms, self.geometry_ms = clock, name, call_ms, geometry_ms
        self.numbers = WATER.numbers
        self.dipole = dipole

    def __call__(self, positions: Array) -> Quantities:
        per_round = WARMING + (CALLS_ALONE if len(positions) == 1 else CALLS_IN_BATCH)
        loud = self.clock.calls.count(self.name) // per_round % 3 == 1
        self.clock.calls.append(self.name)
        self.clock.seconds += 1e-3 * (10 if loud else 1) * (self.call_ms + self.geometry_ms * len(positions))
        said = {"energy": np.full(len(positions), 3.0), "forces": np.full(positions.shape, 0.02)}
        return said | ({"dipole": np.tile([0.0, 0.3, 0.4], (len(positions), 1))} if self.dipole else {})


@dataclass
class Making:
    """Makes the potentials that it is given, one after the other."""

    made: Iterator[Potential]
    name: str = "made"
    batch: int | None = 1

    def __call__(
        self, molecule: Molecule, replicas: int = 1, *, lasting: bool = False, double: bool = False
    ) -> Potential:
        assert replicas in (1, SETTINGS.batch)
        return next(self.made)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The processor's time as the potentials say it."""
    clock = Clock()
    monkeypatch.setattr(timing.time, "process_time", lambda: clock.seconds)
    return clock


def held_out(dipole: float = 0.0) -> HeldOutFrames:
    positions = np.repeat(WATER.positions[None], T, axis=0)
    return HeldOutFrames(WATER, positions, np.zeros(T), np.zeros(positions.shape), np.full((T, 3), dipole))


def test_errors_are_of_force_components_and_of_the_length_of_the_dipole(clock: Clock) -> None:
    potentials = [Timed(clock, "alone", 1.0, 1.0), Timed(clock, "together", 1.0, 1.0)]
    accuracy = contestant(Making(iter(potentials)), held_out(), SETTINGS).accuracy
    assert accuracy.force_mae == pytest.approx(20.0)
    assert accuracy.dipole_mae == pytest.approx(0.5 * E_ANGSTROM_IN_DEBYE)
    assert accuracy.n_frames == T
    # labels of others may have no dipole, and some potentials have none
    for dipole, given in ((True, np.nan), (False, 0.0)):
        potentials = [Timed(clock, name, 1.0, 1.0, dipole=dipole) for name in ("alone", "together")]
        assert contestant(Making(iter(potentials)), held_out(given), SETTINGS).accuracy.dipole_mae is None


def test_the_labels_own_program_is_compared_on_the_frames_that_it_computed() -> None:
    accuracy = accuracy_between(np.full((2, 3, 3), -0.001), np.tile([0.3, 0.4, 0.0], (2, 1)), held_out())
    assert (accuracy.force_mae, accuracy.n_frames) == (pytest.approx(1.0), 2)
    assert accuracy.dipole_mae == pytest.approx(0.5 * E_ANGSTROM_IN_DEBYE)


def test_a_batch_shares_the_cost_of_a_call_and_a_loud_round_does_not_count(clock: Clock) -> None:
    sharing = contestant(Making(iter([Timed(clock, "a", 4.0, 1.0), Timed(clock, "b", 4.0, 1.0)])), held_out(), SETTINGS)
    serial = contestant(Making(iter([Timed(clock, "c", 0.0, 2.0), Timed(clock, "d", 0.0, 2.0)])), held_out(), SETTINGS)
    clock.calls.clear()
    of_sharing, of_serial = costs([sharing, serial], held_out(), SETTINGS)
    assert of_sharing.alone_ms == pytest.approx(5.0)
    assert of_sharing.together_ms == pytest.approx(4.0 / SETTINGS.batch + 1.0)
    assert of_serial.alone_ms == of_serial.together_ms == pytest.approx(2.0)


def test_contestants_take_turns(clock: Clock) -> None:
    potentials = [Timed(clock, "a", 1.0, 0.0), Timed(clock, "b", 1.0, 0.0)]
    milliseconds_in_turns(potentials, WATER.positions[None], rounds=2, repetitions=4)
    turn = WARMING + 4
    assert clock.calls == (["a"] * turn + ["b"] * turn) * 2


def test_dynamics_in_a_day() -> None:
    # 86 400 steps of a second are 86 400 fs with a time step of 1 fs
    assert nanoseconds_a_day(1e3, 1.0) == pytest.approx(86_400e-6)
    # half the time a step, or twice the time step: twice as far
    assert nanoseconds_a_day(4.0, 0.5) == pytest.approx(2 * nanoseconds_a_day(8.0, 0.5))
    assert nanoseconds_a_day(4.0, 1.0) == pytest.approx(2 * nanoseconds_a_day(4.0, 0.5))
    # its own inverse but for a constant, as the chart's upper axis takes it
    assert nanoseconds_a_day(nanoseconds_a_day(3.0, 0.5), 0.5) == pytest.approx(3.0)


def test_settings_that_cannot_be() -> None:
    for wrong, said in (
        ({"batch": 1}, "batch: expected a whole number of at least 2, found 1"),
        ({"timestep_fs": 0.0}, "timestep_fs: expected a number of more than 0"),
        ({"rounds": 0}, "rounds: expected a whole number of at least 1"),
    ):
        with pytest.raises(DensnetError, match=said):
            ChartSettings(**wrong)  # type: ignore[arg-type]
