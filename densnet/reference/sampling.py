"""Geometries to learn from and to be tested on: conformers, GFN2-xTB dynamics, a diverse choice, strained frames."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.io.parts import Parts, digest_of
from densnet.molecule import Molecule, sorted_distances
from densnet.potential import Make
from densnet.processes.pool import as_they_end
from densnet.reference.selection import distance_to_nearest, farthest_points
from densnet.reference.settings import SamplingSettings
from densnet.reference.strain import StrainPlan, strained_frames
from densnet.reference.trajectories import TrajectoryPlan, run_trajectory

METHOD_VERSION: int = 3
LEARNING, TESTING, CHOICE, STRAIN = 0, 1, 2, 3
"""Branches of the seed: random numbers of the kinds of trajectories, of the choice and of strain never meet."""
STRAINED_TOGETHER = 25
"""Strained frames that are made, and kept when a run is stopped, at a time."""

UNSTRAINED = "none"

Plan = TrajectoryPlan | StrainPlan


def plan_trajectories(starts: Sequence[Molecule], settings: SamplingSettings) -> list[TrajectoryPlan]:
    """Lay out all trajectories: those to learn from, then those for testing, at each temperature.

    Learning trajectories start at the conformers in order of energy; those for testing in the opposite order, with
    random numbers from another branch of the seed, so that they share nothing but the molecule.
    """
    plans: list[TrajectoryPlan] = []
    chosen = settings.n_train - settings.n_strained + settings.n_validation
    candidates = math.ceil(chosen * settings.candidates_per_frame)
    testing = settings.test_temperatures or settings.temperatures
    kinds = (
        (LEARNING, starts, settings.temperatures, settings.n_trajectories, candidates, settings.interval_fs),
        (TESTING, starts[::-1], testing, settings.n_test_trajectories, settings.n_test, settings.test_interval_fs),
    )
    for kind, order, temperatures, count, frames, interval in kinds:
        total = count * len(temperatures)
        for number in range(total):
            share = frames // total + (number < frames % total)
            if not share:
                continue
            plans.append(
                TrajectoryPlan(
                    index=len(plans),
                    molecule=order[number // len(temperatures) % len(order)],
                    temperature=temperatures[number % len(temperatures)],
                    timestep=settings.timestep_fs,
                    friction=settings.friction_per_fs,
                    equilibration_steps=round(settings.equilibration_fs / settings.timestep_fs),
                    frames=share,
                    stride=max(1, round(interval / settings.timestep_fs)),
                    seed=(settings.seed, kind, number),
                    reactive=settings.reactive,
                )
            )
    return plans


def plan_strain(starts: Sequence[Molecule], settings: SamplingSettings) -> list[StrainPlan]:
    """Lay out the strained frames: some at a time from each conformer in turn."""
    left, plans = settings.n_strained, list[StrainPlan]()
    # so that small samples have frames of all conformers too
    together = min(STRAINED_TOGETHER, -(-left // len(starts)))
    while left > 0:
        number = len(plans)
        plans.append(
            StrainPlan(
                index=number,
                molecule=starts[number % len(starts)],
                frames=min(together, left),
                energy=settings.strain_energy,
                temperature=max(settings.temperatures),
                seed=(settings.seed, STRAIN, number),
            )
        )
        left -= plans[-1].frames
    return plans


def sample_geometries(
    starts: Sequence[Molecule], settings: SamplingSettings, make: Make, *, processes: int, output: Path
) -> tuple[xr.Dataset, Parts]:
    """Sample training, validation and test geometries of a molecule.

    Training and validation frames are the most diverse candidates (:func:`farthest_points` on inverse sorted distances,
    which weigh bonds and close contacts most), dealt at random between the two; among the training frames are strained
    ones (:mod:`densnet.reference.strain`), at random places; test frames are every n-th of independent trajectories, as
    dynamics meets them. Finished trajectories are kept in ``<output>.parts``: a restart
    runs only the others and ends at the same result.

    Args:
        starts: conformers of one molecule, the most stable first.
        settings: how many, how hot, how strained.
        make: makes the potential that moves them: GFN2-xTB.
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
    plans: list[Plan] = [*plan_trajectories(starts, settings), *plan_strain(starts, settings)]
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
    counts = Counter(_kind(plan) for plan in plans)
    with closing(as_they_end(partial(_run, make=make), missing, processes=processes)) as ended:
        for plan, arrays in ended:
            parts.write(_part(plan), arrays)
            done += plan.frames
            ordinal, seconds = f"{plan.index + 1} of {counts[_kind(plan)]}", time.monotonic() - started
            text = f"{_kind(plan)} {ordinal} done, {done}/{total} frames, {seconds:.0f} s"
            print(f"densnet sample: {text}", file=sys.stderr, flush=True)
    results: list[dict[str, Any]] = []
    for plan in plans:
        result = parts.read(_part(plan))
        if result is None:
            raise DensnetError(f"{parts.folder}: {_part(plan)} has vanished; run again")
        results.append(result)
    return _assemble(starts[0], plans, results, settings), parts


def _run(plan: Plan, make: Make) -> dict[str, NDArray[Any]]:
    return strained_frames(plan, make) if isinstance(plan, StrainPlan) else run_trajectory(plan, make)


def _part(plan: Plan) -> str:
    return f"{_kind(plan)}-{plan.index:04d}"


def _kind(plan: Plan) -> str:
    return "strain" if isinstance(plan, StrainPlan) else "trajectory"


def choose(
    numbers: NDArray[np.int64], positions: NDArray[np.float64], settings: SamplingSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the training and of the validation geometries among the candidates, (t, i, x)."""
    random = np.random.default_rng(np.random.SeedSequence([settings.seed, CHOICE]))
    n_train = settings.n_train - settings.n_strained
    descriptors = 1.0 / sorted_distances(numbers, positions)
    chosen = farthest_points(descriptors, n_train + settings.n_validation, first=int(random.integers(len(positions))))
    dealt = random.permutation(chosen)
    return dealt[:n_train], dealt[n_train:]


def _assemble(
    molecule: Molecule, plans: Sequence[Plan], results: Sequence[dict[str, Any]], settings: SamplingSettings
) -> xr.Dataset:
    positions, energy = (np.concatenate([result[name] for result in results]) for name in ("positions", "energy"))
    columns = [_origin(plan, result) for plan, result in zip(plans, results, strict=True)]
    strain, trajectory, temperature, times, testing = (np.concatenate(column) for column in zip(*columns, strict=True))
    strained = np.flatnonzero(strain != UNSTRAINED)
    candidates = np.flatnonzero(~testing & (strain == UNSTRAINED))
    train, validation = choose(molecule.numbers, positions[candidates], settings)
    random = np.random.default_rng(np.random.SeedSequence([settings.seed, STRAIN]))
    # mixed, so that the first so many training frames have their share
    train = random.permutation(np.concatenate([candidates[train], strained])) if len(strained) else candidates[train]
    rows = np.concatenate([train, candidates[validation], np.flatnonzero(testing)])
    split = np.repeat(["train", "validation", "test"], [len(train), len(validation), int(testing.sum())])
    descriptors = sorted_distances(molecule.numbers, positions[rows])
    distance = np.full(len(rows), np.nan)
    held_out = split != "train"
    distance[held_out] = distance_to_nearest(descriptors[held_out], descriptors[~held_out])
    isotopes = {}
    if molecule.masses is not None:
        isotopes["masses"] = variable(("atom",), molecule.masses, "Da", "masses of the isotopes, for dynamics")
    return xr.Dataset(
        isotopes
        | {
            "positions": variable(
                ("frame", "atom", "x"), positions[rows], "angstrom", "positions, centre of mass at 0"
            ),
            "numbers": variable(("atom",), molecule.numbers, "1", "atomic numbers"),
            "split": variable(("frame",), split.astype(str), "1", "train, validation or test"),
            "temperature": variable(
                ("frame",), temperature[rows], "K", "temperature of the trajectory, NaN if the frame is strained"
            ),
            "strain": variable(("frame",), strain[rows].astype(str), "1", "none, or how the frame is strained"),
            "trajectory": variable(
                ("frame",), trajectory[rows], "1", "trajectory that the frame comes from, -1 if it is strained"
            ),
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


def _origin(plan: Plan, result: dict[str, Any]) -> tuple[NDArray[Any], ...]:
    """Return of each frame of a plan: strain, trajectory, temperature, time, and whether it is for testing."""
    n = plan.frames
    if isinstance(plan, StrainPlan):
        return result["kind"], np.full(n, -1), np.full(n, np.nan), np.full(n, np.nan), np.full(n, False)
    testing = np.full(n, plan.seed[1] == TESTING)
    return np.full(n, UNSTRAINED), np.full(n, plan.index), np.full(n, plan.temperature), result["time"], testing
