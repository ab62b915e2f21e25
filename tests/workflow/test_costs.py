"""What jobs cost: laws fitted to measurements, refitted by benchmark files, and the table of a plan."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from configuration import configuration
from operations import costs, plan
from operations.costs import START_SECONDS, Law, Measurement, Work
from operations.planned_jobs import PlannedJob
from stages import RELAXATION, STAGES
from validators import SCANNED

from densnet.molecule import from_smiles
from densnet.reference.sampling import plan_trajectories
from densnet.reference.settings import SamplingSettings
from densnet.validation.settings import ConservationSettings

ROOT = Path(__file__).parents[2]
MOLECULES = {"water": "O", "ethanol": "CCO", "ethanethiol": "CCS", "thiophene": "c1ccsc1"}


def shard(molecule: str, basis: str = "def2-SVP") -> Work:
    """Return the work of a shard of a hundred frames."""
    systems = {molecule: {"smiles": MOLECULES[molecule]}}
    sampling = {"n_train": 80, "n_validation": 10, "n_test": 10}
    config = {"run": "x", "systems": systems, "sampling": sampling, "reference": {"shards": 1, "basis": basis}}
    return costs.work("label_shard", configuration(config), molecule)


def test_labels_of_two_molecules_predict_those_of_others_within_30_percent() -> None:
    measured = {m.work.size: m for m in costs.shipped() if m.rule == "label_shard"}
    known = [measured[shard(name).size] for name in ("water", "ethanol")]
    law = costs.fit(known)
    for name in ("ethanethiol", "thiophene"):
        found = measured[shard(name).size]
        assert law.rate(found.work.size) == pytest.approx(found.rate, rel=0.3)


def test_work_counts_functions_and_frames() -> None:
    assert shard("water") == Work(amount=100, size=24)
    assert shard("ethanol", basis="STO-3G") == Work(amount=100, size=21)


def test_psi4_is_allowed_what_keeps_twelve_thiophene_units_within_8_gb() -> None:
    asked = [costs.memory_mb(rule, Work(1, size)) for rule in ("label_shard", "displaced") for size in (72, 682, 1018)]
    assert asked == 2 * [3104, 12000, 12000]
    assert asked[-1] // 3000 == 4, "GiB, of which it took 4.5 GB (docs/polythiophene.md)"


def test_tests_are_counted_in_the_steps_that_they_make() -> None:
    energy = {"replicas": 3, "picoseconds": 0.1, "thermalise_ps": 0.05, "reversal_steps": 7}
    heated = {"replicas": 2, "picoseconds": 0.1, "temperatures": [300, 500]}
    validation = {"tests": ["energy", "robustness"], "energy": energy, "robustness": heated}
    complete = configuration({"run": "x", "systems": {"water": {"smiles": "O"}}, "validation": validation})
    settings = ConservationSettings(**energy)
    thermalised = round(0.05e3 / (settings.ratio * settings.timestep_fs))
    steps = 3 * (settings.steps(1) + settings.steps(2) + thermalised + 2 * 7)
    assert costs.work("validation", complete, "water", test="energy") == Work(steps + RELAXATION, 3)
    scanned = 2 * (RELAXATION + SCANNED * 3)
    assert costs.work("validation", complete, "water", test="robustness") == Work(2 * 2 * 200 + scanned, 3)
    # the force field costs a fiftieth of GFN2-xTB
    assert costs.work("peer_validation", complete, "water", "mmff94", "energy").amount == round(
        0.02 * (steps + RELAXATION)
    )


def test_sampling_is_counted_in_the_steps_that_it_makes() -> None:
    sampling = {"n_train": 7, "n_validation": 2, "n_test": 3, "temperatures": [300, 500], "n_test_trajectories": 2}
    systems = {"water": {"smiles": MOLECULES["water"]}}
    complete = configuration({"run": "x", "systems": systems, "sampling": sampling, "reference": {"shards": 1}})
    plans = plan_trajectories([from_smiles(MOLECULES["water"])], SamplingSettings(**complete["sampling"]))
    steps = sum(one.equilibration_steps + one.frames * one.stride for one in plans)
    steps += costs.STRAIN_STEPS * round(complete["sampling"]["strained_share"] * 7)
    assert costs.work("geometries", complete, "water") == Work(amount=steps, size=3)


def test_repetitions_of_small_molecules_cost_what_was_measured() -> None:
    """Shorter than a hundredth of a second, which is nothing of a job but much of thousands of them."""
    law = costs.laws()["density_model", False]
    assert law.rate(3) == pytest.approx(0.0058) and law.rate(9) == pytest.approx(0.0074)


def test_a_power_law_is_found_and_its_error_is_nothing() -> None:
    exact = [Measurement("x", Work(10, size), START_SECONDS + 10 * 0.5 * size**1.7) for size in (3, 9, 20)]
    law = costs.fit(exact)
    assert law.error == pytest.approx(1.0)
    assert law.rate(100) == pytest.approx(0.5 * 100**1.7), "it goes on as it ends"
    assert law.core_seconds(Work(4, 5)) == pytest.approx(START_SECONDS + 4 * 0.5 * 5**1.7)


def test_what_ran_here_decides_how_fast_the_machine_is() -> None:
    shipped = [Measurement("x", Work(1, size), START_SECONDS + size**2) for size in (3, 9)]
    twice_as_slow = [Measurement("x", Work(1, 9), START_SECONDS + 2 * 81)]
    ours, theirs = costs.fit(shipped, twice_as_slow), costs.fit(shipped)
    assert ours.rate(5) == pytest.approx(2 * theirs.rate(5))


def test_benchmark_files_are_read_and_those_that_say_nothing_left(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "water" / "benchmarks"
    folder.mkdir(parents=True)
    head = "s\tcpu_time\trule_name\tresources\n"
    (folder / "one.tsv").write_text(f"{head}9.0\t7.5\tlabels\t{{'amount': 10, 'size': 24}}\n")
    (folder / "gpu.tsv").write_text(f"{head}9.0\t7.5\tdensity_model\t{{'amount': 10, 'size': 3, 'gpu': 1}}\n")
    (folder / "short.tsv").write_text(f"{head}0.1\tNA\tlabels\t{{'amount': 10, 'size': 24}}\n")
    (folder / "old.tsv").write_text("s\n3.0\n")
    found = list(costs.earlier(tmp_path))
    assert found == [
        Measurement("density_model", Work(10, 3), 9.0, gpu=True),
        Measurement("labels", Work(10, 24), 7.5),
    ]


def test_every_rule_of_the_workflow_has_a_law() -> None:
    known = costs.laws()
    # these take seconds, or are files of several rules
    never_measured = {"common", "mace", "sweep", "ensemble", "fit_basis", "frames", "lengths", "chains", "benchmark"}
    never_measured |= {"active", "kernel", "response"}
    rules = {path.stem for path in (ROOT / "workflow" / "rules").glob("*.smk")} - never_measured
    rules |= {name for name, stage in STAGES.items() if stage.amount}
    assert rules <= {rule for rule, _ in known}
    assert all(0 < law.rate(5) <= law.rate(50) for law in known.values())


def test_the_table_of_a_plan_counts_gpus_by_the_hour() -> None:
    jobs = [PlannedJob("labels", {"system": "water"}, 1, {"amount": 3600, "size": 1})] * 2
    jobs += [PlannedJob("density_model", {"system": "water"}, 1, {"amount": 7200, "size": 1, "gpu": 2})]
    law = Law(((0.0, 0.0),), 1.1)
    table = plan.rows(jobs, {("labels", False): law, ("density_model", False): law})
    assert (table["labels", "water"].jobs, table["labels", "water"].gpu_hours) == (2, 0)
    assert table["labels", "water"].core_hours == pytest.approx(2, rel=1e-2)
    assert table["density_model", "water"].gpu_hours == pytest.approx(4, rel=1e-2)


def test_the_wall_time_is_that_of_the_jobs_on_the_cores_that_there_are() -> None:
    jobs = [PlannedJob("labels", {}, 2, {"amount": 72, "size": 1})] * 2
    law = {("labels", False): Law(((0.0, 0.0),), 1.1)}
    assert plan.seconds(jobs[0], law) == pytest.approx((START_SECONDS + 72) / 2)
    assert plan.wall_time(jobs, law, 2) == "1 min 16 s on 2 cores"
    assert plan.wall_time(jobs, law, 4) == "38 s on 4 cores"


def test_make_plan_prints_every_rule_and_submits_nothing(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "tests" / "workflow" / "toy.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, ROOT / "workflow" / "launch.py", "--plan", "-s", ROOT / "workflow" / "Snakefile"]
    command += ["--profile", ROOT / "profiles" / "slurm", "--workflow-profile", ROOT / "profiles" / "slurm-ci"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.strip()}
    assert lines["label_shard"][:3] == ["label_shard", "water", "2"]
    assert len(lines["density_model"]) == 6, "with GPU-hours"
    assert len(lines["labels"]) == 5, "without"
    assert lines["together"][1] == "23"
    assert re.search(r"^wall time: (\d+ min )?\d+ s where no job waits in a queue$", done.stdout, re.MULTILINE)
    assert not (tmp_path / "results").exists()
