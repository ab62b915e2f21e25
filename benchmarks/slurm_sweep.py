"""A sweep at scale on a Slurm cluster: 24 models with three seeds each, from one set of labels to one table.

Run as root, where Slurm and Psi4 are installed: ``python benchmarks/slurm_sweep.py``. A cluster of one node with two
fake GPUs is brought up as for the tests (tests/slurm/cluster.py); the molecule and the length of trainings are those of
the tests (tests/workflow/toy.yaml), for the cluster is the question here and not the models.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "slurm"))

from cluster import Cluster, cluster, missing  # noqa: E402

SWEEP = {
    "architecture.channels": [2, 4, 6, 8],
    "density_model.architecture.layers": [1, 2, 3],
    "density_model.target": ["delta", "direct"],
    "training.seed": [1, 2, 3],
}
AT_ONCE = 4


def sweep(folder: Path, on: Cluster) -> float:
    """Run the sweep through the cluster and return the seconds that it took."""
    toy = yaml.safe_load((ROOT / "tests" / "workflow" / "toy.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(toy | {"sweep": SWEEP}))
    command = [sys.executable, ROOT / "workflow" / "launch.py", "sweep", "--snakefile", ROOT / "workflow" / "Snakefile"]
    command += ["--profile", ROOT / "profiles" / "slurm", "--workflow-profile", ROOT / "profiles" / "slurm-ci"]
    started = time.monotonic()
    with (folder / "launcher.txt").open("w") as output:
        status = subprocess.run(
            [*command, "--jobs", str(AT_ONCE)], cwd=folder, env=on.environment, stdout=output, stderr=subprocess.STDOUT
        )
    if status.returncode:
        sys.exit((folder / "launcher.txt").read_text())
    return time.monotonic() - started


def rule_of(comment: str) -> str:
    """Return the rule that the plugin names in a job's comment."""
    return comment.removeprefix("rule_").split("_wildcards_")[0]


def main() -> None:
    """Run the sweep and print what jobs it took and what its table holds."""
    if lacking := missing():
        sys.exit(f"slurm_sweep: {', '.join(lacking)} missing; on Debian, as root: apt-get install slurm-wlm munge")
    with tempfile.TemporaryDirectory() as name, cluster() as on:
        folder = Path(name)
        seconds = sweep(folder, on)
        jobs = on.jobs().values()
        with (folder / "results" / "toy" / "sweep.csv").open() as table:
            rows = list(csv.DictReader(table))
    print(f"{seconds:.0f} s, {AT_ONCE} jobs in the queue at a time")
    for (rule, state), count in sorted(Counter((rule_of(job["comment"]), job["state"]) for job in jobs).items()):
        print(f"  {count:4d} {rule} {state}")
    settings = {tuple(row[key] for key in row if key.startswith(("density_model.", "energy_model."))) for row in rows}
    print(f"sweep.csv: {len(rows)} rows, {len(settings)} different combinations")


if __name__ == "__main__":
    main()
