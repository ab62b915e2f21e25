"""The table of stages against the graph that Snakemake builds from the rules, edge by edge, in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from configuration import CHECKED
from given_benchmarks import _numbers_in
from operations.planned_jobs import PlannedJob, planned
from stages import STAGES
from test_benchmark_rules import SAMPLING, write_files, write_orbitals

ROOT = Path(__file__).parents[2]
WATER = {"smiles": "O", "experiment": {"fundamentals": "water"}}
CHAINS = {
    "oligomer": "thiophene",
    "sizes": {1: {"n_train": 6, "n_test": 2}, 2: {"n_train": 4}},
    "extrapolate": {3: 2},
    "experiment": {"fundamentals": "thiophene"},
}
PEERS = {"peers": {"mace": ["small"], "kernel": [5]}, "chart": True}
VALIDATION = {
    "tests": ["energy", "robustness", "structure", "ladder"],
    "potentials": ["gfn2-xtb", "mmff94"],
    "reference": "psi4",
}
CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {"systems": {"water": WATER}, "harmonic": {"psi4": ["water"]}, "sweep": {"md.temperature": [300, 400]}, **PEERS},
    {"systems": {"chains": CHAINS}, "harmonic": {"psi4": ["chains/2"]}},
    {
        "systems": {"judged": {"rmd17": "ethanol", "experiment": {"fundamentals": "water"}}},
        "sampling": SAMPLING,
        "ensemble": 2,
    },
    {"systems": {"water": WATER}, "active": {"rounds": 2, "frames": 4, "members": 2}},
    {
        "systems": {"water": WATER, "carbon_dioxide": {"smiles": "O=C=O"}},
        "harmonic": {"model": "all", "psi4": ["water"], "potentials": ["gfn2-xtb"]},
    },
    {
        "systems": {"water": WATER},
        "harmonic": {"model": "all"},
        "validation": VALIDATION,
        "reference": {"response": True, "shards": 2},
    },
)
"""Together they have every rule: peers, their chart, harmonics and a sweep; a family; a benchmark with orbitals and an
ensemble; active learning; a gallery; the response to a field, and tests beside Psi4."""


@pytest.fixture(scope="module")
def every_job(tmp_path_factory: pytest.TempPathFactory) -> list[PlannedJob]:
    """All jobs of the configurations."""
    jobs = []
    with pytest.MonkeyPatch.context() as patch:
        for number, wanted in enumerate(CONFIGURATIONS):
            folder = tmp_path_factory.mktemp(f"run{number}")
            patch.chdir(folder)
            patch.setenv(CHECKED, "")
            patch.setenv("DENSNET_DATA", str(folder / "data"))
            _numbers_in.cache_clear()
            write_orbitals(write_files(folder / "data", numbers=(16, 1, 1)), 3)
            config = {"run": f"run{number}", "reference": {"shards": 2}} | wanted
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
            jobs += planned(["--snakefile", str(ROOT / "workflow" / "Snakefile"), "--cores", "4"]).jobs
    return jobs


def test_every_rule_has_its_row_and_every_row_its_rule(every_job: list[PlannedJob]) -> None:
    assert {job.rule for job in every_job} == set(STAGES)


def test_the_edges_of_the_table_are_those_of_the_graph(every_job: list[PlannedJob]) -> None:
    made_by = {path: job.rule for job in every_job for path in job.outputs}
    edges = {(made_by[path], job.rule) for job in every_job for path in job.inputs if path in made_by}
    # What is made in another way is the same to those that take it.
    drawn = {(STAGES[other].makes if STAGES[other].makes else other, rule) for other, rule in edges}
    tabled = {(other, rule) for rule, stage in STAGES.items() for other in (*stage.after, *stage.beside)}
    assert drawn - tabled == set(), "edges of the rules that the table lacks"
    assert tabled - drawn == set(), "edges of the table that no rule has"


def test_what_the_table_says_of_a_job_is_what_is_asked_for(every_job: list[PlannedJob]) -> None:
    for job in every_job:
        stage = STAGES[job.rule]
        assert job.threads == stage.threads
        assert stage.priority <= job.priority <= stage.priority + 9
        assert ("amount" in job.resources) == (stage.amount is not None)
        if job.rule != "sweep_plan":
            assert job.resources["mem_mb"] >= stage.memory.anyway
            assert f"/benchmarks/{job.rule}" in job.benchmark
