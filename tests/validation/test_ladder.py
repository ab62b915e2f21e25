"""Errors by condition, and alarms and correlations of which the outcome is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.potential import Array, Potential, Quantities
from densnet.units import E_ANGSTROM_IN_DEBYE
from densnet.validation.findings import Finding
from densnet.validation.ladder import (
    JudgedFrames,
    alarms,
    correlations,
    joined_frames,
    judged_frames,
    ladder_findings,
)

NUMBERS = np.array([6, 8])
T = 20
CONDITION = np.array(["300 K"] * 12 + ["1000 K"] * 8)
TEST = np.arange(T) < 12


@dataclass
class Off(Potential):
    """Zero everywhere but for errors that grow with the first coordinate of the first atom, x, in meV/Å.

    Attributes:
        refused: row of a batch that has no answer; none of -1.
    """

    spread: bool = False
    refused: int = -1
    name: str = "off"

    @property
    def numbers(self) -> NDArray[np.int64]:  # type: ignore[override]
        return NUMBERS

    def __call__(self, positions: Array) -> Quantities:
        size = 1e-3 * positions[:, 0, 0]
        forces = np.full(positions.shape, size[:, None, None])
        if self.refused >= 0:
            forces[self.refused] = np.nan
        said = {"energy": 7.0 + 2 * size, "forces": forces, "dipole": np.outer(size, [0.0, 3.0, 4.0])}
        if self.spread:
            said |= {"energy_spread": size, "forces_spread": np.outer(size, [1.0, 2.0]), "dipole_spread": -size}
        return said

    def domain_distance(self, positions: Array) -> Array:
        return np.maximum(positions[:, 0, 0] - 20.0, 0.0)


def judged(sizes: Array, potential: Potential, batch: int | None = 7, *, remove_offset: bool = False) -> JudgedFrames:
    positions = np.zeros((T, 2, 3))
    positions[:, 0, 0] = sizes
    zero = {"energy": np.zeros(T), "forces": np.zeros((T, 2, 3)), "dipole": np.zeros((T, 3))}
    return judged_frames(
        potential, positions, zero, condition=CONDITION, test=TEST, batch=batch, remove_offset=remove_offset
    )


SIZES = np.concatenate([np.linspace(1.0, 3.0, 12), np.linspace(8.0, 64.0, 8)])
"""meV/Å; the median of the test frames is 2, so more than 10 is far off: all but the first of the last eight."""


def value(findings: list[Finding], what: str, condition: str) -> float:
    (number,) = [finding.value for finding in findings if (finding.what, finding.condition) == (what, condition)]
    return number


def test_errors_are_those_of_each_condition_in_the_units_shown() -> None:
    findings = ladder_findings(judged(SIZES, Off()))
    assert value(findings, "mean error of the forces", "300 K") == pytest.approx(2.0)
    assert value(findings, "largest error of the forces of a frame", "1000 K") == pytest.approx(64.0)
    assert value(findings, "mean error of the forces", "all") == pytest.approx(SIZES.mean())
    # a length of 5 times the size in e Å, an energy of two atoms off by 7 eV and twice the size in meV
    assert value(findings, "mean error of the dipole", "300 K") == pytest.approx(0.01 * E_ANGSTROM_IN_DEBYE)
    assert value(findings, "mean error of the energy", "300 K") == pytest.approx(3500 + 2.0)
    assert value(findings, "frames", "1000 K") == 8


def test_the_zero_of_energy_can_be_left_open() -> None:
    frames = judged(SIZES, Off(), remove_offset=True)
    assert np.median(frames.errors["energy"]) < 10
    np.testing.assert_allclose(frames.errors["energy"], np.abs(SIZES - np.median(SIZES)), atol=1e-9)


def test_alarms_catch_what_lies_outside_and_are_false_elsewhere() -> None:
    (alarm,) = alarms(judged(SIZES, Off()))
    # 8, 16, 24, ..., 64: seven are far off, six of them beyond 20
    assert (alarm.far, alarm.false) == (7, 0.0)
    assert alarm.caught == pytest.approx(6 / 7)
    domain, spread = alarms(judged(SIZES, Off(spread=True)))
    assert domain == alarm
    # a spread that is the error itself makes no mistake
    assert (spread.far, spread.caught, spread.false) == (7, 1.0, 0.0)
    usual = replace(judged(SIZES, Off()), domain_distance=np.where(TEST, 1.0, 0.0))
    assert (alarms(usual)[0].caught, alarms(usual)[0].false) == (0.0, 12 / 13)


def test_rank_correlations_are_those_of_the_order() -> None:
    found = correlations(judged(SIZES, Off(spread=True)))
    assert found["spread", "forces"] == found["spread", "energy"] == pytest.approx(1)
    assert found["spread", "dipole"] == pytest.approx(-1)
    assert 0 < found["domain distance", "forces"] < 1
    inside = correlations(judged(np.linspace(1, 2, T), Off()))
    assert np.isnan(inside["domain distance", "forces"])


def test_frames_without_an_answer_are_counted_and_left_out() -> None:
    frames = judged(SIZES, Off(refused=13), batch=None)
    assert (frames.unanswered, len(frames.condition), frames.test.sum()) == (1, T - 1, 12)
    assert value(ladder_findings(frames), "frames", "1000 K") == 7
    with pytest.raises(DensnetError, match="an energy for none of the 20 frames"):
        judged(SIZES, Off(refused=0), batch=1)


def test_frames_of_two_files_are_those_of_both() -> None:
    frames = judged(SIZES, Off())
    both = joined_frames([frames, replace(frames, domain_distance=None)])
    assert len(both.condition) == 2 * T and both.domain_distance is None
    assert alarms(both) == []
