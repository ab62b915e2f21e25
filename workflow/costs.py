"""What a job costs, from what earlier jobs cost: core-seconds = start + amount · a · size^p, for each rule.

``size`` is that of the molecule, ``amount`` how often the job does the same: frames, or steps times replicas. Both are
resources of the job, so that its benchmark file holds them beside the time that it took (``benchmark-extended``).
Measurements that ship, workflow/costs.csv, give p and, until there are others, a; with benchmark files of earlier runs
in the folder a is theirs, for their machine is the one that counts.
"""

from __future__ import annotations

import ast
import csv
import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from families import frames_of
from given_labels import labels_in
from impossible import atomic_numbers

SHIPPED = Path(__file__).parent / "costs.csv"
START_SECONDS = 4.0
"""CPU time of a job that does nothing: Python and its libraries."""

SAFETY = 6.0
"""Run time that is asked for over what is expected: the cores differ, and neighbours are loud."""


@dataclass(frozen=True)
class Work:
    """How much a job does: ``amount`` repetitions on a molecule of ``size``."""

    amount: int
    size: int


@dataclass(frozen=True)
class Measurement:
    """What a job of a rule cost."""

    rule: str
    work: Work
    core_seconds: float
    gpu: bool = False

    @property
    def rate(self) -> float:
        """Core-seconds of one repetition."""
        return max(self.core_seconds - START_SECONDS, 0.01) / self.work.amount


@dataclass(frozen=True)
class Law:
    """core-seconds = START_SECONDS + amount · factor · size^exponent; ``error`` is the factor off, 1.2 for 20 %."""

    factor: float
    exponent: float
    error: float

    def core_seconds(self, work: Work) -> float:
        """Return what a job costs."""
        return START_SECONDS + work.amount * self.factor * work.size**self.exponent


@cache
def _numbers(system: str) -> tuple[int, ...]:
    return tuple(atomic_numbers(json.loads(system)))


@cache
def _functions(basis: str, numbers: tuple[int, ...]) -> int:
    from densnet.basis.basis import Basis

    return Basis.from_name(basis, set(numbers)).n_functions(numbers)


def work(rule: str, config: Mapping[str, Any], system: str) -> Work:
    """Return how much a job of a rule does, from the complete configuration.

    ``size`` counts orbital basis functions where quantum chemistry or integrals are made, atoms elsewhere.
    """
    entry, md = config["systems"][system], config["md"]
    frames, test = frames_of(config, entry), config["sampling"]["n_test"]
    if "labels" in entry:
        held = labels_in(Path(entry["labels"]))
        frames, test = sum(held.sizes.values()), held.sizes["test"]
        numbers = held.numbers
    else:
        named = ("smiles", "xyz", "oligomer", "units", "charge", "multiplicity")
        numbers = _numbers(json.dumps({key: entry[key] for key in named if key in entry}))
    steps = round(1000 * (md["thermalise_ps"] + md["production_ps"]) / md["timestep_fs"]) * md["replicas"]
    amounts = {
        "geometries": frames,
        "atoms": len(set(numbers)),
        "label_shard": math.ceil(frames / min(config["reference"]["shards"], frames)),
        "labels": frames,
        "evaluation": test,
        "trajectory": steps * config["ensemble"],
        "peer_trajectory": steps,
    }
    for model in ("density_model", "energy_model"):
        training = config[model]["training"]
        amounts[model] = training["steps"] * training["batch_size"]
    in_functions = rule in {"atoms", "label_shard", "labels", "evaluation"}
    size = _functions(config["reference"]["basis"], numbers) if in_functions else len(numbers)
    return Work(amounts.get(rule, 1), size)


def shipped() -> list[Measurement]:
    """Return the measurements of workflow/costs.csv."""
    with SHIPPED.open(newline="") as opened:
        rows = csv.DictReader(line for line in opened if not line.startswith("#"))
        return [
            Measurement(row["rule"], Work(1, int(row["size"])), START_SECONDS + float(row["seconds"])) for row in rows
        ]


def earlier(results: Path) -> Iterator[Measurement]:
    """Yield a measurement for each benchmark file below ``results`` that says what the job was."""
    for path in sorted(results.glob("**/benchmarks/**/*.tsv")):
        with path.open(newline="") as opened:
            for row in csv.DictReader(opened, delimiter="\t"):
                measured = _measured(row)
                if measured is not None:
                    yield measured


def _measured(row: Mapping[str, str]) -> Measurement | None:
    """Return a row's measurement; None for what says nothing: an older file, or a job too short to be sampled."""
    try:
        resources = ast.literal_eval(row["resources"])
        work = Work(int(resources["amount"]), int(resources["size"]))
        gpu = bool(resources.get("gpu") or resources.get("gpu_model"))
        # on a GPU it is the time that the card is held which counts
        seconds = float(row["s"]) if gpu else float(row["cpu_time"])
        return Measurement(row["rule_name"], work, seconds, gpu)
    except (KeyError, ValueError, SyntaxError):
        return None


def fit(measurements: Iterable[Measurement], own: Iterable[Measurement] = ()) -> Law:
    """Fit the law of one rule: the exponent to all, the factor to ``own`` where there are any.

    Args:
        measurements: of one rule, at least one; those that ship.
        own: of the machine that will compute.
    """
    shipped, here = list(measurements), list(own)
    every = shipped + here
    exponent = _slope([(math.log(m.work.size), math.log(m.rate)) for m in every])
    factor = _factor(here or shipped, exponent)
    return Law(factor, exponent, _error(here or shipped))


def _factor(measurements: list[Measurement], exponent: float) -> float:
    return statistics.median(m.rate / m.work.size**exponent for m in measurements)


def _slope(points: list[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line; where all sizes are the same, and say nothing of it, 1."""
    if len({x for x, _ in points}) < 2:
        return 1.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _error(measurements: list[Measurement]) -> float:
    """Return exp of the root mean square error of the logarithm, each predicted from the others; NaN of two."""
    if len(measurements) < 3:
        return math.nan
    errors = []
    for index, left_out in enumerate(measurements):
        others = measurements[:index] + measurements[index + 1 :]
        exponent = _slope([(math.log(m.work.size), math.log(m.rate)) for m in others])
        predicted = _factor(others, exponent) * left_out.work.size**exponent
        errors.append(math.log(predicted / left_out.rate))
    return math.exp(math.sqrt(statistics.fmean(error**2 for error in errors)))


def laws(own: Iterable[Measurement] = ()) -> dict[tuple[str, bool], Law]:
    """Return the law of each rule, on CPUs and, where jobs of it have run on GPUs, there."""
    every, here = shipped(), list(own)
    found: dict[tuple[str, bool], Law] = {}
    for rule, gpu in {(m.rule, m.gpu) for m in every + here}:
        theirs = [m for m in every if m.rule == rule and not gpu]
        mine = [m for m in here if (m.rule, m.gpu) == (rule, gpu)]
        found[rule, gpu] = fit(theirs, mine)
    return found


@cache
def _shipped_laws() -> dict[tuple[str, bool], Law]:
    return laws()


MEMORY_MB = {
    "geometries": (2000, 0.1),
    "atoms": (3000, 0.01),
    "label_shard": (3000, 0.02),
    "labels": (4000, 0.02),
    "density_model": (8000, 1.0),
    "energy_model": (8000, 1.0),
    "evaluation": (4000, 0.02),
    "trajectory": (8000, 1.0),
    "peer_trajectory": (4000, 0.1),
}
"""Of each rule: MB that it takes anyway, and MB for each size². Ethanol's jobs took 133 to 515 MB with few frames."""


RESUMES = {"label_shard", "labels", "density_model", "energy_model", "trajectory", "peer_trajectory"}
LONGEST_MINUTES = 1440


def minutes(rule: str, work: Work, threads: int, attempt: int) -> int:
    """Return the run time to ask for: generous, and never so short that starting takes it all.

    Where a job goes on from what an earlier one has done it is a day at most, whatever is left to do: partitions have
    limits. Elsewhere it grows with each attempt.
    """
    expected = _shipped_laws()[rule, False].core_seconds(work) / threads
    asked = 20 + math.ceil(SAFETY * expected / 60)
    return min(asked, LONGEST_MINUTES) if rule in RESUMES else asked * attempt


def memory_mb(rule: str, work: Work) -> int:
    """Return the memory to ask for: what a job takes anyway, and what grows with the square of the size."""
    base, square = MEMORY_MB[rule]
    return math.ceil(base + square * work.size**2)
