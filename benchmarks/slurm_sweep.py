"""A sweep at scale on a Slurm cluster: 24 models with three seeds each, from one set of labels to one table.

Run as root, where Slurm and Psi4 are installed: ``python benchmarks/slurm_sweep.py``. A cluster of one node with two
fake GPUs is brought up as for the tests (tests/slurm/cluster.py); the molecule and the length of trainings are those of
the tests (tests/workflow/toy.yaml), for the cluster is the question here and not the models.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import Counter
from math import prod
from pathlib import Path

import yaml
from slurm_shards import ROOT, cluster, missing, through_cluster

SWEEP: dict[str, list[object]] = {
    "architecture.channels": [2, 4, 6, 8],
    "density_model.architecture.layers": [1, 2, 3],
    "density_model.target": ["delta", "direct"],
    "training.seed": [1, 2, 3],
}
AT_ONCE = 4


def rule_of(comment: str) -> str:
    """Return the rule that the plugin names in a job's comment."""
    return comment.removeprefix("rule_").split("_wildcards_")[0]


def main() -> None:
    """Run the sweep and print what jobs it took and what its table holds."""
    if lacking := missing():
        sys.exit(f"slurm_sweep: {', '.join(lacking)} missing; on Debian, as root: apt-get install slurm-wlm munge")
    toy = yaml.safe_load((ROOT / "tests" / "workflow" / "toy.yaml").read_text())
    with tempfile.TemporaryDirectory() as name, cluster() as on:
        folder = Path(name)
        seconds = through_cluster(folder, on, toy | {"sweep": SWEEP}, "sweep", AT_ONCE)
        jobs = on.jobs().values()
        with (folder / "results" / "toy" / "sweep.csv").open() as table:
            rows = list(csv.DictReader(table))
    print(f"{seconds:.0f} s, {AT_ONCE} jobs in the queue at a time")
    for (rule, state), count in sorted(Counter((rule_of(job["comment"]), job["state"]) for job in jobs).items()):
        print(f"  {count:4d} {rule} {state}")
    settings = {tuple(row[key] for key in row if key.startswith(("density_model.", "energy_model."))) for row in rows}
    print(f"sweep.csv: {len(rows)} rows, {len(settings)} different combinations")
    if not len(rows) == len(settings) == prod(map(len, SWEEP.values())):
        sys.exit("slurm_sweep: a combination is missing or there twice")


if __name__ == "__main__":
    main()
