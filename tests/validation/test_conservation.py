"""Energy conservation: Verlet's fluctuations grow with the square of the step, and forces of no energy make a drift."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.potential import Array, Potential, Quantities
from densnet.validation.conservation import (
    beyond_error,
    conservation,
    conservation_findings,
    energy_line,
    mean_and_error,
)
from densnet.validation.settings import ConservationSettings

NUMBERS = np.array([6, 8])
MASSES = np.array([12.011, 15.999])
REST = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.2]])
SETTINGS = ConservationSettings(picoseconds=0.5, thermalise_ps=0.1, reversal_steps=100)


@dataclass
class Oscillators(Potential):
    """Each atom on a spring of its own, E = k/2 |x - x0|² - 10 eV; a force that turns about z has no energy.

    Attributes:
        turning: eV/Å², of that force, (-y, x, 0).
        lost: replicas that have no energy after this many calls.
    """

    stiffness: float = 30.0
    turning: float = 0.0
    lost: tuple[int, ...] = ()
    after: int = 0
    name: str = "oscillators"
    calls: int = 0

    @property
    def numbers(self) -> NDArray[np.int64]:  # type: ignore[override]
        return NUMBERS

    def __call__(self, positions: Array) -> Quantities:
        self.calls += 1
        off = positions - REST
        turned = np.stack([-off[..., 1], off[..., 0], np.zeros(off.shape[:2])], axis=-1)
        energy = 0.5 * self.stiffness * (off**2).sum(axis=(1, 2)) - 10.0
        energy[list(self.lost if self.calls > self.after else ())] = np.nan
        return {"energy": energy, "forces": -self.stiffness * off + self.turning * turned}


def test_verlet_fluctuates_with_the_square_of_the_step_and_does_not_drift() -> None:
    conserved = conservation(Oscillators(), REST, MASSES, SETTINGS)
    # ω of the carbon is 0.155 / fs: the next order of the energy's error is (ω dt)² / 4 = 0.15 % at the longer step
    assert conserved.ratio.mean() == pytest.approx(4, abs=0.1)
    for line in conserved.lines:
        assert not beyond_error(line.drift)
    tripled = conservation(Oscillators(), REST, MASSES, replace(SETTINGS, ratio=3, timestep_fs=0.2))
    assert [line.timestep for line in tripled.lines] == pytest.approx([0.2, 0.6])
    assert tripled.ratio.mean() == pytest.approx(9, abs=0.2)


def test_verlet_goes_back_the_way_it_came() -> None:
    conserved = conservation(Oscillators(), REST, MASSES, SETTINGS)
    # rounding of 200 steps
    assert 0 < conserved.displacement.max() < 1e-12


def test_a_force_without_an_energy_drifts_beyond_its_error() -> None:
    # what turns with the force gains from it and what turns against it loses, but only the gain grows
    conserved = conservation(Oscillators(turning=0.6), REST, MASSES, replace(SETTINGS, replicas=64))
    for line in conserved.lines:
        assert beyond_error(line.drift) and line.drift.mean() > 0
    # the drift is that of the force, not of the step
    short, long = (line.drift.mean() for line in conserved.lines)
    assert long == pytest.approx(short, rel=0.05)


def test_a_line_is_found_in_what_is_one() -> None:
    time = 0.5e-3 * np.arange(101)
    wave = 1e-3 * (-1.0) ** np.arange(101)
    line = energy_line(np.stack([-20.0 + 0.02 * time + wave, -20.0 - 0.04 * time], axis=1), 0.5, NUMBERS)
    # eV of two atoms: 0.02 eV/ps is 10 meV/atom/ps, a wave of 1 meV 0.5 meV/atom
    np.testing.assert_allclose(line.drift, [10.0, -20.0], atol=1e-9)
    np.testing.assert_allclose(line.fluctuation, [0.5, 0.0], atol=1e-4)
    assert line.relative[1] == pytest.approx(0.04 * time[1:].mean() / 20.0)


def test_the_relative_measure_depends_on_the_zero_of_energy_and_the_others_do_not() -> None:
    energy = -20.0 + 0.01 * np.random.default_rng(1).normal(size=(50, 3))
    line, shifted = (energy_line(energy + shift, 0.5, NUMBERS) for shift in (0.0, -1000.0))
    np.testing.assert_allclose(shifted.drift, line.drift)
    np.testing.assert_allclose(shifted.fluctuation, line.fluctuation)
    assert (line.relative > 40 * shifted.relative).all()


def test_the_standard_error_is_that_of_a_mean() -> None:
    mean, error = mean_and_error(np.array([1.0, 3.0]))
    assert (mean, error) == (2.0, 1.0)
    assert not beyond_error(np.array([1.0, 3.0])) and beyond_error(np.array([1.9, 2.0, 2.1]))


def test_a_lost_replica_is_counted_and_the_others_are_as_without_it() -> None:
    whole = conservation(Oscillators(), REST, MASSES, SETTINGS)
    fewer = conservation(Oscillators(lost=(2,), after=900), REST, MASSES, SETTINGS)
    assert fewer.lost == 1
    others = np.arange(SETTINGS.replicas) != 2
    for line, expected in zip(fewer.lines, whole.lines, strict=True):
        np.testing.assert_allclose(line.drift, expected.drift[others], rtol=1e-9)  # sums of other order
    assert np.isfinite([finding.value for finding in conservation_findings(fewer)]).all()
    with pytest.raises(DensnetError, match="1 of 8 replicas keep a finite energy, expected 2 or more"):
        conservation(Oscillators(lost=tuple(range(1, 8)), after=900), REST, MASSES, SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("timestep_fs", 0.0), ("timestep_fs", -0.5), ("picoseconds", 0.005), ("replicas", 1), ("ratio", 1)],
)
def test_impossible_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(DensnetError, match=f"{name}: expected"):
        replace(SETTINGS, **{name: value})  # type: ignore[arg-type]
