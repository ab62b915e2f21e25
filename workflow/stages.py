"""The stages of the pipeline in one table: rules, sweeps, costs and ``make plan`` read it.

A rule in workflow/rules says how a stage is made; all that several of them need to know of it is here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from densnet.fitting.settings import FitSettings
from densnet.reference.level import LevelOfTheory
from densnet.settings import rules

if TYPE_CHECKING:
    from operations.costs import Task

LEVEL, FIT = (tuple(f"reference.{key}" for key in rules(kind)["properties"]) for kind in (LevelOfTheory, FitSettings))
SIZES = ("n_train", "n_validation", "n_test")
GIVEN_HARMONIC = "harmonic_psi4.nc"
"""Psi4's harmonic frequencies, which a folder of labels may hold: ``harmonic.psi4`` then needs no gradients."""
RELAXATION = 50
"""Gradients of a relaxation: bithiophene takes 20 of GFN2-xTB's from its force field's geometry, four units 48."""
CHARTED = 25_000
"""Steps of dynamics that take as long as a chart of speed and accuracy: 85 s of ethanol."""


@dataclass(frozen=True)
class Memory:
    """Memory of a job in MB: what it takes anyway, what it takes for each size², and what suffices for any size."""

    anyway: float
    for_square: float = 0.0
    at_most: float = math.inf


@dataclass(frozen=True)
class Stage:
    """What is known of a stage, whatever the configuration.

    Attributes:
        after: the stages whose files it takes; what they read counts for it too.
        beside: stages whose files it takes as they are, or only waits for; what they read does not count.
        reads: the keys of config.yaml, or whole sections, that it reads itself.
        version: the module whose METHOD_VERSION says when its files are stale; "" if they never are.
        made_for: which systems have it, by the names in rules/common.smk; "run" if it is made once.
        each: the wildcards of its jobs of one system.
        shared: a family has it once, for all its lengths.
        makes: the stage whose files it makes instead, in another way.
        given: the file that a folder of labels holds instead.
        psi4: it runs Psi4.
        priority: jobs of higher priority start first; of a family, the longest before, up to 9 above.
        threads: the most that it uses well.
        amount: repetitions in a job, from which its cost follows; None if it takes seconds.
        size: what of the molecule the cost of a repetition grows with: "atoms", orbital basis "functions", or the mean
            "learned_atoms" of all that a model learns from.
        memory: to ask for; ethanol's jobs took 133 to 515 MB with few frames.
        minutes: run time to ask for where nothing is known of the cost, or how the configuration says it.
        resumes: a killed job goes on from what it had done.
        costs_like: the stage that does the same.
    """

    after: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    version: str = ""
    made_for: str = "every"
    each: str = ""
    shared: bool = False
    makes: str = ""
    given: str = ""
    psi4: bool = False
    priority: int = 0
    threads: int = 1
    amount: Callable[[Task], int] | None = None
    size: str = "atoms"
    memory: Memory = Memory(2000)
    minutes: int | Callable[[Mapping[str, Any]], int] = 30
    resumes: bool = False
    costs_like: str = ""


GRADIENTS = Memory(3000, 0.02, at_most=12000)
"""Of which Psi4 is allowed a third: what does not fit it keeps on disk. So chains of 8 to 12 thiophene units (682 to
1018 functions) took 4.3 to 6.7 GB; 12 units took 15.5 when allowed 10 GiB."""

# fmt: off
STAGES: dict[str, Stage] = {
    "geometries": Stage(
        reads=("sampling",), made_for="sampled", given="geometries.nc",
        version="densnet.reference.sampling", priority=90, threads=2,
        amount=lambda task: task.sampling_steps, memory=Memory(2000, 0.1)),
    "benchmark_geometries": Stage(
        reads=tuple(f"sampling.{key}" for key in SIZES), made_for="rmd17", makes="geometries",
        version="densnet.reference.rmd17", priority=90, minutes=10),
    # Of a length that is not trained on: taken from dynamics with the run's own model, whatever the variant, so that a
    # sweep of models labels nothing again.
    "frames": Stage(
        after=("geometries",), beside=("trajectory",), made_for="labelled unseen", given="geometries.nc",
        version="densnet.dynamics.trajectory_frames", minutes=10),
    "label_shard": Stage(
        after=("geometries", "frames"), reads=LEVEL,
        made_for="labelled", each="shard", given="orbitals.nc",
        version="densnet.reference.labels", psi4=True, priority=80,
        amount=lambda task: task.frames_of_a_shard, size="functions", memory=GRADIENTS, resumes=True),
    "atoms": Stage(
        after=("geometries",), reads=LEVEL,
        made_for="lacking atoms", shared=True, given="atoms.nc",
        version="densnet.reference.atoms", psi4=True, priority=85,
        amount=lambda task: task.elements, size="functions", memory=Memory(3000, 0.01)),
    "benchmark_labels": Stage(
        after=("geometries", "atoms"), made_for="with orbitals", each="shard", makes="label_shard",
        version="densnet.reference.given_orbitals", priority=80, memory=Memory(4000)),
    "labels": Stage(
        # the basis: that of another length of the family
        after=("geometries", "frames", "label_shard", "atoms"), beside=("fit_basis",),
        reads=FIT,
        version="densnet.fitting.fitted_labels", priority=70, threads=4,
        amount=lambda task: task.n_frames, size="functions", memory=Memory(4000, 0.02), resumes=True),
    "fit_basis": Stage(
        after=("labels",), made_for="asked for", shared=True, memory=Memory(1000), minutes=10),
    # Active learning: a round learns from the labels of the rounds before it, and the models of the run from all. Where
    # there is a sweep there are no rounds, so that what they read counts for nothing that is swept.
    "round_density": Stage(
        after=("labels",), beside=("round_labels", "round_density"), reads=("density_model", "active"),
        made_for="active", each="round member", version="densnet.training.density", priority=60,
        amount=lambda task: round(task.learned("density_model") * task.active["steps_share"]), size="learned_atoms",
        memory=Memory(8000, 1), resumes=True, costs_like="density_model"),
    "round_energy": Stage(
        after=("labels", "round_density"), beside=("round_labels", "round_energy"),
        reads=("energy_model", "active"),
        made_for="active", each="round member", version="densnet.training.energy", priority=60,
        amount=lambda task: round(task.learned("energy_model") * task.active["steps_share"]), size="learned_atoms",
        memory=Memory(8000, 1), resumes=True, costs_like="energy_model"),
    "round_model": Stage(
        after=("round_energy",), made_for="active", each="round", priority=60, minutes=10),
    "round_geometries": Stage(
        after=("geometries", "labels", "round_model"), beside=("round_labels",), reads=("active",), made_for="active",
        each="round", version="densnet.dynamics.exploration", priority=60, threads=2,
        amount=lambda task: task.explored_steps, memory=Memory(8000, 1), resumes=True, costs_like="trajectory"),
    "round_shard": Stage(
        after=("round_geometries",), reads=LEVEL, made_for="active", each="round shard",
        version="densnet.reference.labels", psi4=True, priority=80,
        amount=lambda task: math.ceil(task.active["frames"] / task.round_shards), size="functions", memory=GRADIENTS,
        resumes=True, costs_like="label_shard"),
    # In the fit basis of the sampled frames, so that models can go on from those before.
    "round_labels": Stage(
        after=("round_geometries", "round_shard", "atoms", "fit_basis"), reads=FIT, made_for="active", each="round",
        version="densnet.fitting.fitted_labels", priority=70, threads=4,
        amount=lambda task: task.active["frames"], size="functions", memory=Memory(4000, 0.02), resumes=True,
        costs_like="labels"),
    "density_model": Stage(
        after=("labels",), beside=("round_labels",), reads=("density_model",), each="member", shared=True,
        version="densnet.training.density", priority=60,
        amount=lambda task: task.learned("density_model"), size="learned_atoms", memory=Memory(8000, 1), resumes=True),
    "energy_model": Stage(
        after=("labels", "density_model"), beside=("round_labels",), reads=("energy_model",), each="member",
        shared=True, version="densnet.training.energy", priority=60,
        amount=lambda task: task.learned("energy_model"), size="learned_atoms", memory=Memory(8000, 1), resumes=True),
    "responses": Stage(
        after=("labels",), reads=("response",), made_for="responding", version="densnet.fitting.response_labels",
        priority=60, threads=4, amount=lambda task: task.n_responses, size="functions", memory=Memory(4000, 0.02),
        resumes=True),
    "response_model": Stage(
        after=("energy_model", "responses"), reads=("response_model",), made_for="responding",
        version="densnet.training.response", priority=60,
        amount=lambda task: task.learned("response_model"), size="learned_atoms", memory=Memory(8000, 1), resumes=True),
    "response_errors": Stage(
        after=("responses", "response_model"), made_for="responding", version="densnet.training.response_errors",
        priority=40, memory=Memory(4000)),
    "ensemble": Stage(
        after=("energy_model",), made_for="ensembles", shared=True, makes="energy_model", priority=60, minutes=10),
    "evaluation": Stage(
        after=("labels", "energy_model"), version="densnet.training.evaluation", priority=40,
        amount=lambda task: task.n_test, size="functions", memory=Memory(4000, 0.02)),
    "trajectory": Stage(
        after=("geometries", "energy_model", "response_model"), reads=("md",),
        version="densnet.dynamics.simulation", priority=50, threads=4,
        amount=lambda task: task.steps * task.members, memory=Memory(8000, 1), resumes=True),
    # On the cores that training leaves idle. It needs no labels, but waits for them: on a machine of few cores it would
    # otherwise stand in the way of what everything else waits for.
    "peer_trajectory": Stage(
        after=("geometries",), beside=("labels",), reads=("md",), made_for="peers", each="potential",
        version="densnet.dynamics.simulation", priority=30,
        amount=lambda task: task.peer_steps, memory=Memory(4000, 0.1), resumes=True),
    "spectrum": Stage(
        after=("trajectory",), reads=("spectrum",),
        version="densnet.spectra.infrared", priority=20, memory=Memory(4000), minutes=60),
    "peer_spectrum": Stage(
        after=("peer_trajectory",), reads=("spectrum",), made_for="peers", each="potential",
        version="densnet.spectra.infrared", priority=20, memory=Memory(4000), minutes=60),
    "assignment": Stage(
        after=("trajectory", "geometries", "spectrum"), reads=("spectrum",),
        version="densnet.spectra.assignment", priority=20,
        amount=lambda task: task.kept_steps, memory=Memory(2000, 0.2)),
    "harmonic": Stage(
        after=("energy_model", "response_model"), made_for="harmonic", version="densnet.spectra.harmonic", priority=40,
        amount=lambda task: RELAXATION + 6 * task.atoms, memory=Memory(4000, 0.2)),
    "peer_harmonic": Stage(
        after=("harmonic",), made_for="harmonic beside others", each="other", version="densnet.spectra.harmonic",
        priority=20),
    # From the model's minimum, so that both are of the same conformer. Once made it stays, so that another training
    # does not ask for new gradients: delete it for a new one.
    "displaced": Stage(
        beside=("harmonic",), reads=LEVEL, made_for="differentiated",
        version="densnet.spectra.harmonic", psi4=True, priority=40,
        amount=lambda task: RELAXATION, size="functions", memory=GRADIENTS, resumes=True, costs_like="label_shard"),
    "displaced_shard": Stage(
        after=("displaced",), reads=LEVEL, made_for="differentiated", each="shard",
        version="densnet.reference.labels", psi4=True, priority=80,
        amount=lambda task: math.ceil(6 * task.atoms / task.shards), size="functions", memory=GRADIENTS, resumes=True,
        costs_like="label_shard"),
    "harmonic_psi4": Stage(
        after=("displaced", "displaced_shard"), made_for="differentiated", version="densnet.spectra.harmonic"),
    "raman": Stage(
        after=("trajectory",), reads=("spectrum",), made_for="responding",
        version="densnet.spectra.raman", priority=20, memory=Memory(4000), minutes=60),
    "raman_comparison": Stage(
        after=("raman",), reads=("comparison",), made_for="responding", version="densnet.spectra.compare"),
    "comparison": Stage(
        after=("spectrum", "peer_spectrum"), reads=("comparison",), version="densnet.spectra.compare"),
    # Of the minimum and the geometries about it by Psi4, for the model and all others.
    "validation_reference": Stage(
        reads=LEVEL, made_for="tested against psi4", version="densnet.validation.pair_scan", psi4=True, priority=10,
        amount=lambda task: task.scanned, size="functions", memory=GRADIENTS, resumes=True, costs_like="label_shard"),
    "validation": Stage(
        after=("energy_model", "labels", "validation_reference"), reads=("validation",), made_for="tested", each="test",
        version="densnet.validation", priority=10,
        amount=lambda task: task.tested_steps, memory=Memory(4000, 0.1), costs_like="trajectory"),
    # It waits for the labels, as dynamics of other potentials do.
    "peer_validation": Stage(
        after=("labels", "validation_reference"), reads=("validation",), made_for="tested beside others",
        each="test peer", version="densnet.validation", priority=10,
        amount=lambda task: task.tested_steps, memory=Memory(4000, 0.1), costs_like="peer_trajectory"),
    "gallery": Stage(
        after=("comparison", "harmonic", "peer_harmonic", "harmonic_psi4"), made_for="run of several",
        version="densnet.report.gallery"),
    "metrics": Stage(
        after=("evaluation", "trajectory", "comparison", "response_errors"), version="densnet.report.metrics"),
    "figures": Stage(
        after=("metrics", "labels", "evaluation", "density_model", "energy_model", "trajectory", "spectrum",
               "peer_trajectory", "peer_spectrum", "comparison", "assignment", "harmonic", "peer_harmonic",
               "harmonic_psi4", "raman", "raman_comparison", "validation", "peer_validation"),
        version="densnet.report", memory=Memory(4000)),
    "rounds": Stage(
        after=("labels", "round_model", "round_geometries", "round_labels", "energy_model"), made_for="active",
        version="densnet.report.rounds"),
    "lengths": Stage(
        after=("evaluation",), made_for="families", shared=True, version="densnet.report.lengths"),
    "chains": Stage(
        after=("geometries", "trajectory", "spectrum", "assignment", "labels", "harmonic", "harmonic_psi4"),
        made_for="families", shared=True, version="densnet.report.chains", memory=Memory(8000), minutes=60),
    # It waits for our model, to be timed beside it.
    "mace": Stage(
        after=("labels", "energy_model"), reads=("peers",), each="size", made_for="mace",
        version="densnet.peers.mace", priority=10, memory=Memory(6000),
        minutes=lambda config: int(config["peers"]["mace_minutes"]) + 120),
    "peers": Stage(
        after=("evaluation", "mace", "density_model", "energy_model"), made_for="run with mace",
        version="densnet.report.peer_table"),
    # Beside the networks of all variants of a sweep, by their numbers of training frames.
    "kernel": Stage(
        after=("labels", "evaluation"), reads=("peers.kernel",), made_for="kernel",
        version="densnet.kernel.kernel_files", priority=10, memory=Memory(4000)),
    # Of this run's models, those of all variants of a sweep that learn from the same labels, and others beside them.
    "chart": Stage(
        after=("labels", "energy_model", "mace", "kernel"), reads=("md.timestep_fs",), made_for="charted",
        version="densnet.report.chart_table", priority=10, amount=lambda task: CHARTED, memory=Memory(8000, 1),
        costs_like="trajectory"),
    "benchmark_errors": Stage(
        after=("energy_model",), made_for="rmd17",
        version="densnet.training.benchmark_errors", priority=40, memory=Memory(4000), minutes=60),
    "benchmark_table": Stage(
        after=("benchmark_errors",), made_for="run with rmd17",
        version="densnet.report.benchmark_table", memory=Memory(1000), minutes=10),
    "sweep_plan": Stage(made_for="run with sweep", priority=100),
    "sweep_peers": Stage(
        after=("evaluation", "mace", "density_model", "energy_model"), made_for="asked for",
        version="densnet.report.peer_table"),
    "sweep": Stage(
        after=("sweep_plan", "sweep_peers", "kernel", "evaluation", "density_model", "energy_model", "metrics"),
        made_for="run with sweep", version="densnet.report.sweep_table"),
    "report": Stage(
        after=("figures", "metrics", "labels", "comparison", "assignment", "raman", "raman_comparison",
               "validation", "peer_validation", "peers", "chart", "benchmark_table", "sweep", "rounds", "lengths",
               "chains", "gallery"),
        made_for="run", version="densnet.report"),
}
# fmt: on

GIVEN = {name: stage.given for name, stage in STAGES.items() if stage.given}
"""Stages whose results a folder of labels holds, and the file of each."""


def depends(stage: str, key: str, *, labels_given: bool = False) -> bool:
    """Return whether a stage's results depend on a dotted key, through itself or through what it takes.

    Args:
        labels_given: the system's labels come from a folder, of which the fit takes as many frames as sampling says.
    """
    if labels_given and stage in GIVEN:
        return False
    if labels_given and stage == "labels" and key in {f"sampling.{size}" for size in SIZES}:
        return True
    here = STAGES[stage]
    return any(key == entry or key.startswith(f"{entry}.") for entry in here.reads) or any(
        depends(other, key, labels_given=labels_given) for other in here.after
    )


def labels_given(config: Mapping[str, Any], system: str) -> bool:
    """Return whether the labels of a system, or of a family, come from a folder."""
    return "labels" in config["systems"][one_of(config, system)]


def one_of(config: Mapping[str, Any], name: str) -> str:
    """Return a family's length that its fit basis is made from; a system's own name."""
    family = config.get("families", {}).get(name)
    return f"{name}/{family['basis_from']}" if family else name
