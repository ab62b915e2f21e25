"""Geometries to learn from and to be tested on: conformers, GFN2-xTB dynamics, a diverse choice."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.io.parts import Parts, digest_of
from densnet.molecule import Molecule
from densnet.reference.selection import distance_to_nearest, farthest_points, sorted_distances
from densnet.reference.trajectories import TrajectoryPlan, run_trajectories

METHOD_VERSION: int = 1
LEARNING, TESTING = 0, 1
"""Branches of the seed: random numbers of the two kinds of trajectories never meet."""


@dataclass(frozen=True)
class SamplingSettings:
    """How geometries are sampled."""

    n_train: int = 150
    """Training geometries, chosen for diversity."""
    n_validation: int = 20
    """Validation geometries, a random part of the same choice."""
    n_test: int = 40
    """Test geometries, from trajectories of their own, unchosen."""
    temperatures: tuple[float, ...] = (500.0,)
    """Temperatures of the dynamics, K; each has its own trajectories and an equal share of the frames."""
    seed: int = 0
    """Seed of conformers, dynamics and choice."""
    n_conformers: int = 8
    """Conformers to start from (SMILES only)."""
    n_trajectories: int = 4
    """Trajectories for training and validation at each temperature."""
    n_test_trajectories: int = 2
    """Trajectories for the test frames at each temperature."""
    candidates_per_frame: float = 2.0
    """Candidates that are sampled for each training or validation geometry."""
    timestep_fs: float = 1.0
    """Time step of the sampling dynamics, fs; its error is far below the gap between GFN2-xTB and the reference."""
    friction_per_fs: float = 0.02
    """Langevin friction, 1/fs."""
    equilibration_fs: float = 300.0
    """Time that each trajectory runs before frames are kept, fs."""
    interval_fs: float = 20.0
    """Time between candidates, fs."""
    test_interval_fs: float = 50.0
    """Time between test frames, fs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperatures", tuple(float(value) for value in self.temperatures))
        for field, least in (("n_train", 1), ("n_validation", 0), ("n_test", 0), ("seed", 0)):
            if getattr(self, field) < least:
                raise DensnetError(f"{field}: expected an integer >= {least}, got {getattr(self, field)}")
        for field in ("n_conformers", "n_trajectories", "n_test_trajectories"):
            if getattr(self, field) < 1:
                raise DensnetError(f"{field}: expected an integer >= 1, got {getattr(self, field)}")
        for field in ("timestep_fs", "friction_per_fs", "interval_fs", "test_interval_fs"):
            _positive(field, getattr(self, field))
        if not self.temperatures:
            raise DensnetError("temperatures: expected at least one, got none")
        for temperature in self.temperatures:
            _positive("temperatures", temperature)
        if not (math.isfinite(self.equilibration_fs) and self.equilibration_fs >= 0):
            raise DensnetError(f"equilibration_fs: expected a number >= 0, got {self.equilibration_fs}")
        if not (math.isfinite(self.candidates_per_frame) and self.candidates_per_frame >= 1):
            raise DensnetError(f"candidates_per_frame: expected a number >= 1, got {self.candidates_per_frame}")


def _positive(field: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise DensnetError(f"{field}: expected a number > 0, got {value}")


def plan_trajectories(starts: Sequence[Molecule], settings: SamplingSettings) -> list[TrajectoryPlan]:
    """Lay out all trajectories: those to learn from, then those for testing, at each temperature.

    Learning trajectories start at the conformers in order of energy; those for testing in the opposite order, with
    random numbers from another branch of the seed, so that they share nothing but the molecule.
    """
    plans: list[TrajectoryPlan] = []
    candidates = math.ceil((settings.n_train + settings.n_validation) * settings.candidates_per_frame)
    kinds = (
        (LEARNING, list(starts), settings.n_trajectories, candidates, settings.interval_fs),
        (TESTING, list(reversed(starts)), settings.n_test_trajectories, settings.n_test, settings.test_interval_fs),
    )
    for kind, order, count, frames, interval in kinds:
        total = count * len(settings.temperatures)
        for number in range(total):
            share = frames // total + (number < frames % total)
            if not share:
                continue
            plans.append(
                TrajectoryPlan(
                    index=len(plans),
                    molecule=order[number // len(settings.temperatures) % len(order)],
                    temperature=settings.temperatures[number % len(settings.temperatures)],
                    timestep=settings.timestep_fs,
                    friction=settings.friction_per_fs,
                    equilibration_steps=round(settings.equilibration_fs / settings.timestep_fs),
                    frames=share,
                    stride=max(1, round(interval / settings.timestep_fs)),
                    seed=(settings.seed, kind, number),
                )
            )
    return plans


def sample_geometries(
    starts: Sequence[Molecule], settings: SamplingSettings, *, processes: int, output: Path
) -> tuple[xr.Dataset, Parts]:
    """Sample training, validation and test geometries of a molecule.

    Training and validation frames are the most diverse candidates (:func:`farthest_points` on inverse sorted distances,
    which weigh bonds and close contacts most), dealt at random between the two; test frames are every n-th of
    independent trajectories, as dynamics meets them. Finished trajectories are kept in ``<output>.parts``: a restart
    runs only the others and ends at the same result.

    Args:
        starts: conformers of one molecule, the most stable first.
        processes: trajectories at a time; it does not change the result.
        output: where the data set will be written; decides only where the parts are.

    Returns:
        The data set, and the parts, to be removed once it is written.

    Raises:
        DensnetError: a single atom, or a molecule that falls apart at this temperature.
    """
    numbers = starts[0].numbers
    if len(numbers) < 2:
        raise DensnetError(f"sampling: {starts[0].name!r} is a single atom; expected a molecule")
    plans = plan_trajectories(starts, settings)
    fingerprint = {
        "version": METHOD_VERSION,
        "settings": asdict(settings),
        "starts": digest_of(numbers, *(start.positions for start in starts)),
        "charge": starts[0].charge,
    }
    parts = Parts(output, fingerprint)
    missing = [plan for plan in plans if parts.read(_part(plan)) is None]
    started, total, done = time.monotonic(), sum(plan.frames for plan in plans), 0
    done = total - sum(plan.frames for plan in missing)

    def on_done(plan: TrajectoryPlan, result: dict[str, NDArray[np.float64]]) -> None:
        nonlocal done
        parts.write(_part(plan), result)
        done += plan.frames
        seconds = time.monotonic() - started
        text = f"trajectory {plan.index + 1} of {len(plans)} done, {done}/{total} frames, {seconds:.0f} s"
        print(f"densnet sample: {text}", file=sys.stderr, flush=True)

    run_trajectories(missing, processes, on_done)
    results: list[dict[str, Any]] = []
    for plan in plans:
        result = parts.read(_part(plan))
        if result is None:
            raise DensnetError(f"{parts.folder}: the part of trajectory {plan.index} has vanished; run again")
        results.append(result)
    return _assemble(starts[0], plans, results, settings), parts


def _part(plan: TrajectoryPlan) -> str:
    return f"trajectory-{plan.index:04d}"


def choose(
    numbers: NDArray[np.int64], positions: NDArray[np.float64], settings: SamplingSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the training and of the validation geometries among the candidates, (t, i, x)."""
    random = np.random.default_rng(np.random.SeedSequence([settings.seed, 2]))
    wanted = settings.n_train + settings.n_validation
    descriptors = 1.0 / sorted_distances(numbers, positions)
    chosen = farthest_points(descriptors, wanted, first=int(random.integers(len(positions))))
    dealt = random.permutation(chosen)
    return dealt[: settings.n_train], dealt[settings.n_train :]


def _assemble(
    molecule: Molecule, plans: Sequence[TrajectoryPlan], results: Sequence[dict[str, Any]], settings: SamplingSettings
) -> xr.Dataset:
    positions, energy, times = (
        np.concatenate([result[name] for result in results]) for name in ("positions", "energy", "time")
    )
    trajectory = np.concatenate([np.full(plan.frames, plan.index) for plan in plans])
    temperature = np.concatenate([np.full(plan.frames, plan.temperature) for plan in plans])
    testing = np.concatenate([np.full(plan.frames, plan.seed[1] == TESTING) for plan in plans])
    candidates = np.flatnonzero(~testing)
    train, validation = choose(molecule.numbers, positions[candidates], settings)
    rows = np.concatenate([candidates[train], candidates[validation], np.flatnonzero(testing)])
    split = np.repeat(["train", "validation", "test"], [len(train), len(validation), int(testing.sum())])
    descriptors = sorted_distances(molecule.numbers, positions[rows])
    distance = np.full(len(rows), np.nan)
    others = split != "train"
    distance[others] = distance_to_nearest(descriptors[others], descriptors[~others])
    return xr.Dataset(
        {
            "positions": variable(
                ("frame", "atom", "x"), positions[rows], "angstrom", "positions, centre of mass at 0"
            ),
            "numbers": variable(("atom",), molecule.numbers, "1", "atomic numbers"),
            "split": variable(("frame",), split.astype(str), "1", "train, validation or test"),
            "temperature": variable(("frame",), temperature[rows], "K", "temperature of the trajectory"),
            "trajectory": variable(("frame",), trajectory[rows], "1", "trajectory that the frame comes from"),
            "time": variable(("frame",), times[rows], "fs", "time since the end of the trajectory's equilibration"),
            "energy_gfn2": variable(("frame",), energy[rows], "eV", "GFN2-xTB energy"),
            "distance_to_train": variable(
                ("frame",),
                distance,
                "angstrom",
                "root mean square difference of sorted distances to nearest train frame",
            ),
        },
        attrs={"molecule": molecule.name, "charge": molecule.charge, "multiplicity": molecule.multiplicity},
    )
