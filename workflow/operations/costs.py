"""What a job costs, from what earlier jobs cost: core-seconds = start + amount · f(size), for each rule.

``size`` is that of the molecule, ``amount`` how often the job does the same: frames, or steps times replicas. Both are
resources of the job, so that its benchmark file holds them beside the time that it took (``benchmark-extended``).
f is a line in the logarithms from one measured size to the next, and goes on as it ends: labels of small molecules grow
with a lower power of the size than those of large ones. Measurements that ship, costs.csv beside this file, give f;
benchmark files of earlier runs in the folder give a factor to it, for their machine is the one that counts.
"""

from __future__ import annotations

import ast
import csv
import math
import statistics
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from given_benchmarks import benchmark_numbers
from given_labels import labels_in
from impossible import atomic_numbers
from stages import RELAXATION, STAGES
from validators import SCANNED, evaluations

from densnet.potentials import named_class

SHIPPED = Path(__file__).parent / "costs.csv"
START_SECONDS = 4.0
"""CPU time of a job that does nothing: Python and its libraries."""

STRAIN_STEPS = 15
"""Energies that a strained frame takes: halvings of an interval (densnet.reference.strain)."""

MANY = 1000
"""Repetitions of the measurements that ship."""
SAFETY = 6.0
"""Run time that is asked for over what is expected: the cores differ, and neighbours are loud."""
LONGEST_MINUTES = 1440


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
    """core-seconds = START_SECONDS + amount · f(size).

    Attributes:
        points: (ln size, ln core-seconds of one repetition), sizes ascending; f runs through them.
        error: the usual factor between cost and prediction, 1.2 for 20 %.
    """

    points: tuple[tuple[float, float], ...]
    error: float

    def rate(self, size: float) -> float:
        """Return f(size); where one size was measured, f grows as the size."""
        at, known = math.log(size), self.points
        if len(known) == 1:
            return math.exp(known[0][1] + at - known[0][0])
        upper = min(max(bisect([x for x, _ in known], at), 1), len(known) - 1)
        (x0, y0), (x1, y1) = known[upper - 1], known[upper]
        return math.exp(y0 + (y1 - y0) * (at - x0) / (x1 - x0))

    def core_seconds(self, work: Work) -> float:
        """Return what a job costs."""
        return START_SECONDS + (work.amount * self.rate(work.size) if self.points else 0.0)


@cache
def _numbers_of(system: tuple[tuple[str, Any], ...]) -> tuple[int, ...]:
    return tuple(atomic_numbers(dict(system)))


def _numbers(system: Mapping[str, Any]) -> tuple[int, ...]:
    if "labels" in system:
        return labels_in(Path(system["labels"])).numbers
    if "rmd17" in system:
        return benchmark_numbers(system["rmd17"])
    keys = ("smiles", "xyz", "oligomer", "units", "charge", "multiplicity")
    return _numbers_of(tuple((key, system[key]) for key in keys if key in system))


@cache
def _functions(basis: str, numbers: tuple[int, ...]) -> int:
    from densnet.basis.basis import Basis

    return Basis.from_name(basis, set(numbers)).n_functions(numbers)


@dataclass(frozen=True)
class Task:
    """What there is to do for a system of a complete configuration; the table of stages says what of it a job does."""

    config: Mapping[str, Any]
    system: Mapping[str, Any]
    potential: str | None = None
    test: str | None = None

    @property
    def atoms(self) -> int:
        return len(_numbers(self.system))

    @property
    def elements(self) -> int:
        return len(set(_numbers(self.system)))

    @property
    def functions(self) -> int:
        """Orbital basis functions."""
        return _functions(self.config["reference"]["basis"], _numbers(self.system))

    @property
    def frames(self) -> dict[str, int]:
        return _frames(self.config, self.system)

    @property
    def n_frames(self) -> int:
        return sum(self.frames.values())

    @property
    def n_test(self) -> int:
        return self.frames["test"]

    @property
    def n_responses(self) -> int:
        """Frames whose response to a field is computed."""
        return sum(min(self.config["response"][f"n_{split}"], n) for split, n in self.frames.items())

    @property
    def shards(self) -> int:
        return int(self.config["reference"]["shards"])

    @property
    def frames_of_a_shard(self) -> int:
        return math.ceil(self.n_frames / min(self.shards, max(self.n_frames, 1)))

    @property
    def sampling_steps(self) -> int:
        return _sampling_steps(self.config["sampling"], self.frames)

    @property
    def steps(self) -> int:
        """Steps of dynamics, of all replicas."""
        md = self.config["md"]
        return round(1000 * (md["thermalise_ps"] + md["production_ps"]) / md["timestep_fs"]) * int(md["replicas"])

    @property
    def peer_steps(self) -> int:
        """Steps of GFN2-xTB that take as long as those of the potential that runs beside the model."""
        return round(self.steps * (named_class(self.potential).cost if self.potential else 1))

    @property
    def tested_steps(self) -> int:
        """Steps of dynamics that take as long as a test, of the model or of another potential."""
        judged = self.frames["validation"] + self.frames["test"]
        asked = evaluations(str(self.test), self.config["validation"], atoms=self.atoms, judged=judged)
        return max(round(asked * (named_class(self.potential).cost if self.potential else 1)), 1)

    @property
    def scanned(self) -> int:
        """Geometries that a reference computes for the tests."""
        return RELAXATION + SCANNED * self.atoms

    @property
    def kept_steps(self) -> int:
        """Steps of dynamics that a trajectory keeps."""
        md = self.config["md"]
        return round(1000 * md["production_ps"] / md["timestep_fs"] / md["stride"]) * int(md["replicas"])

    @property
    def active(self) -> Mapping[str, Any]:
        return dict(self.config["active"])

    @property
    def explored_steps(self) -> int:
        """Steps in which active learning looks for frames, and those that judging them is worth."""
        active = self.active
        judged = active["members"] * active["timestep_fs"] / active["interval_fs"]
        steps = len(active["temperatures"]) * active["replicas"] * active["picoseconds"] * 1e3 / active["timestep_fs"]
        return round(steps * (1 + judged))

    @property
    def round_shards(self) -> int:
        return min(self.shards, int(self.active["frames"]))

    @property
    def members(self) -> int:
        return int(self.config["ensemble"])

    @property
    def _learned_from(self) -> list[tuple[int, int]]:
        """Training frames and atoms of each molecule that a model learns from: this one, or its family's lengths."""
        family, every = self.system.get("family"), self.config["systems"].values()
        lengths = [self.system]
        if family:
            lengths = [length for length in every if length.get("family") == family and not length["unseen"]]
        return [(_frames(self.config, length)["train"], len(_numbers(length))) for length in lengths]

    @property
    def learned_atoms(self) -> int:
        """Mean atoms of the frames that a model learns from."""
        frames = sum(count for count, _ in self._learned_from)
        return round(sum(count * atoms for count, atoms in self._learned_from) / max(frames, 1))

    def learned(self, model: str) -> int:
        """Return how many molecules a model sees in training: "density_model", "energy_model" or "response_model"."""
        training = self.config[model]["training"]
        return training["steps"] * min(training["batch_size"], sum(count for count, _ in self._learned_from))


def work(
    rule: str, config: Mapping[str, Any], system: str, potential: str | None = None, test: str | None = None
) -> Work:
    """Return how much a job of a rule, of a potential that runs beside the model, and of a test does."""
    stage, task = STAGES[rule], Task(config, config["systems"][system], potential, test)
    return Work(stage.amount(task) if stage.amount else 1, int(getattr(task, stage.size)))


def _frames(config: Mapping[str, Any], system: Mapping[str, Any]) -> dict[str, int]:
    """Return how many frames of each split a system has; of an unseen length, those that it is judged by."""
    if "labels" in system:
        held = labels_in(Path(system["labels"])).sizes
        return {split: system["frames"].get(f"n_{split}", n) for split, n in held.items()}
    if system.get("unseen"):
        return {"train": 0, "validation": 0, "test": system["unseen"]}
    budget = system.get("budget", config["sampling"])
    return {split: budget[f"n_{split}"] for split in ("train", "validation", "test")}


def _sampling_steps(sampling: Mapping[str, Any], frames: Mapping[str, int]) -> int:
    """Return the steps of all trajectories that geometries come from, as densnet.reference.sampling lays them out.

    A strained frame is worth as many steps as its energy is sought in.
    """
    strained = round(sampling["strained_share"] * frames["train"])
    candidates = math.ceil((frames["train"] - strained + frames["validation"]) * sampling["candidates_per_frame"])
    learning, testing = sampling["temperatures"], sampling["test_temperatures"] or sampling["temperatures"]
    kinds = (
        (sampling["n_trajectories"] * len(learning), candidates, sampling["interval_fs"]),
        (sampling["n_test_trajectories"] * len(testing), frames["test"], sampling["test_interval_fs"]),
    )
    time = sum(min(count, taken) * sampling["equilibration_fs"] + taken * interval for count, taken, interval in kinds)
    return max(round(time / sampling["timestep_fs"]) + STRAIN_STEPS * strained, 1)


def shipped() -> list[Measurement]:
    """Return the measurements that ship."""
    with SHIPPED.open(newline="") as opened:
        rows = csv.DictReader(line for line in opened if not line.startswith("#"))
        # of many repetitions: one of a small molecule is shorter than the least that is told from the start
        return [
            Measurement(row["rule"], Work(MANY, int(row["size"])), START_SECONDS + MANY * float(row["seconds"]))
            for row in rows
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
    """Fit the law of one rule: its shape to what ships, if anything does, a factor to ``own`` where there are any.

    Args:
        measurements: of one rule; those that ship.
        own: of the machine that will compute.
    """
    shipped, here = list(measurements), list(own)
    return Law(_points(shipped, here), _error(shipped, here))


def _points(shipped: list[Measurement], here: list[Measurement]) -> tuple[tuple[float, float], ...]:
    """Return the medians at each size of what ships, moved to what was measured here; of one where the other lacks."""
    rates: dict[int, list[float]] = {}
    for measurement in shipped or here:
        rates.setdefault(measurement.work.size, []).append(measurement.rate)
    points = tuple((math.log(size), math.log(statistics.median(rates[size]))) for size in sorted(rates))
    if not (shipped and here):
        return points
    shape = Law(points, math.nan)
    factor = statistics.median(math.log(m.rate / shape.rate(m.work.size)) for m in here)
    return tuple((x, y + factor) for x, y in points)


def _error(shipped: list[Measurement], here: list[Measurement]) -> float:
    """Return exp of the root mean square error of the logarithm, each measurement being predicted from the others."""
    measured = here or shipped
    if len(measured) < 2:
        return math.nan
    errors = []
    for number, left_out in enumerate(measured):
        others = measured[:number] + measured[number + 1 :]
        law = Law(_points(shipped, others) if here else _points(others, []), math.nan)
        errors.append(math.log(law.rate(left_out.work.size) / left_out.rate))
    return math.exp(math.sqrt(statistics.fmean(error**2 for error in errors)))


def laws(own: Iterable[Measurement] = ()) -> dict[tuple[str, bool], Law]:
    """Return the law of each rule, on CPUs and, where jobs of it have run on GPUs, there."""
    every, here = shipped(), list(own)
    found: dict[tuple[str, bool], Law] = {}
    for rule, gpu in {(m.rule, m.gpu) for m in every + here}:
        theirs = [m for m in every if m.rule == rule and not gpu]
        mine = [m for m in here if (m.rule, m.gpu) == (rule, gpu)]
        found[rule, gpu] = fit(theirs, mine)
    for rule, stage in STAGES.items():
        if stage.costs_like:
            found.setdefault((rule, False), found[stage.costs_like, False])
    return found


@cache
def _shipped_laws() -> dict[tuple[str, bool], Law]:
    return laws()


def minutes(rule: str, work: Work, threads: int, attempt: int) -> int:
    """Return the run time to ask for: generous, and never so short that starting takes it all.

    Where a job goes on from what an earlier one has done it is a day at most, whatever is left to do: partitions have
    limits. Elsewhere it grows with each attempt.
    """
    expected = _shipped_laws()[rule, False].core_seconds(work) / threads
    asked = 20 + math.ceil(SAFETY * expected / 60)
    return min(asked, LONGEST_MINUTES) if STAGES[rule].resumes else asked * attempt


def memory_mb(rule: str, work: Work) -> int:
    """Return the memory to ask for: what a job takes anyway, and what grows with the square of the size."""
    memory = STAGES[rule].memory
    return math.ceil(min(memory.anyway + memory.for_square * work.size**2, memory.at_most))
