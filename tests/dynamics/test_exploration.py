"""Hot dynamics of an ensemble's members: what they meet, what is left out, and that a stopped search goes on alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from densnet.dynamics import exploration
from densnet.dynamics.exploration import Excursion, explore, plan
from densnet.dynamics.settings import ExplorationSettings
from densnet.dynamics.simulation import GONE
from densnet.potential import Array, Potential, Quantities

WATER = np.array([8, 1, 1])
START = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
SETTINGS = ExplorationSettings(temperatures=(300.0, 1000.0), replicas=4, picoseconds=0.05, interval_fs=5.0)


class Springs(Potential):
    """Springs between all atoms, of the start's lengths; of negative stiffness they push the molecule apart."""

    name = "springs"
    quantities = frozenset({"energy", "forces", "forces_spread"})

    def __init__(self, stiffness: float) -> None:
        self.numbers, self.stiffness = WATER, stiffness

    def __call__(self, positions: Array) -> Quantities:
        difference = positions[:, :, None] - positions[:, None]
        length = np.linalg.norm(difference, axis=3) + np.eye(3)
        rest = np.linalg.norm(START[:, None] - START[None], axis=2) + np.eye(3)
        pull = self.stiffness * (length - rest)
        forces = -np.einsum("tij,tijx->tix", pull / length, difference)
        energy = 0.25 * self.stiffness * ((length - rest) ** 2).sum(axis=(1, 2))
        return {"energy": energy, "forces": forces, "forces_spread": np.abs(length - rest).sum(axis=2)}

    def domain_distance(self, positions: Array) -> Array:
        return np.abs(np.linalg.norm(positions[:, 0] - positions[:, 1], axis=1) - 0.96)


def member(stiffness: tuple[float, ...], number: int) -> Potential:
    return Springs(stiffness[number])


def found(tmp_path: Path, *stiffness: float, settings: ExplorationSettings = SETTINGS) -> exploration.Explored:
    explored, parts = explore(
        plan(np.stack([START, START + 0.01]), WATER, None, len(stiffness), settings),
        partial(member, stiffness),
        partial(member, (30.0,), 0),
        settings,
        processes=1,
        output=tmp_path / "geometries.nc",
        provenance={},
    )
    parts.remove()
    return explored


def test_every_replica_is_judged_at_each_interval_and_hotter_ones_go_farther(tmp_path: Path) -> None:
    explored = found(tmp_path, 30.0, 30.0)
    # 4 replicas, 0.05 ps every 5 fs, at both temperatures
    assert len(explored.positions) == 2 * 4 * 10
    assert explored.picoseconds == {300.0: pytest.approx(0.2), 1000.0: pytest.approx(0.2)}
    assert explored.failures == {300.0: 0, 1000.0: 0}
    cold, hot = (explored.spread[explored.temperature == t].mean() for t in (300.0, 1000.0))
    assert hot > cold


def test_a_member_that_breaks_the_molecule_is_counted_and_leaves_no_ruins(tmp_path: Path) -> None:
    settings = ExplorationSettings(temperatures=(1000.0,), replicas=4, picoseconds=0.2, interval_fs=5.0)
    explored = found(tmp_path, 30.0, -30.0, settings=settings)
    assert explored.failures[1000.0] > 0
    assert explored.domain_distance.max() <= GONE
    distances = np.linalg.norm(explored.positions[:, :, None] - explored.positions[:, None], axis=3) + 9 * np.eye(3)
    # no hydrogen is farther from all others than twice the sum of covalent radii
    assert distances[:, 1:].min(axis=2).max() < 2 * 0.97


def test_a_search_that_was_stopped_ends_at_the_same_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(tmp_path / "whole", 30.0, 30.0)

    def stopped(
        run: Callable[[Excursion], Any], excursions: Sequence[Excursion], *, processes: int
    ) -> Iterator[tuple[Excursion, Any]]:
        for excursion in excursions[:2]:
            yield excursion, run(excursion)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(exploration, "as_they_end", stopped)
        found(tmp_path / "again", 30.0, 30.0)
    assert len(list((tmp_path / "again" / "geometries.nc.parts").glob("member*"))) == 2
    again = found(tmp_path / "again", 30.0, 30.0)
    np.testing.assert_array_equal(again.positions, whole.positions)
