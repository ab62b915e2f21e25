"""Many small jobs on a Slurm cluster, some of them killed: shards of one label each, until all labels are there.

Run as root, where Slurm and Psi4 are installed: ``python benchmarks/slurm_shards.py SHARDS``. A cluster of one node is
brought up as for the tests (tests/slurm/cluster.py); water, HF/STO-3G, is labelled in shards of one frame, and
one job in twenty, chosen by the seed, is cancelled at its first attempt, within two seconds of its start.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import xarray as xr
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "slurm"))

from cluster import Cluster, cluster, missing  # noqa: E402

SHARD = re.compile(r"rule_label_shard_wildcards_(?:.*_)?(\d+)$")
LONGEST_LIFE_SECONDS = 2.0


@dataclass(frozen=True)
class Job:
    """One job of a shard: its number in the queue, state, and seconds on the node."""

    number: str
    shard: int
    state: str
    seconds: float


def configuration(shards: int) -> dict[str, object]:
    """Return a configuration with one frame a shard."""
    sampling = yaml.safe_load((ROOT / "tests" / "workflow" / "toy.yaml").read_text())["sampling"]
    return {
        "run": "shards",
        "systems": {"water": {"smiles": "O"}},
        "reference": {"functional": "HF", "basis": "STO-3G", "shards": shards, "natural_frames": 2},
        "sampling": sampling | {"n_train": shards - 2, "n_validation": 1, "n_test": 1},
    }


def jobs_of_shards(on: Cluster) -> list[Job]:
    """Return every job of a shard that the cluster has seen."""
    answer = on.run("squeue", "--states=all", "--noheader", "--format=%i|%T|%S|%e|%k", check=False).stdout
    found = []
    for line in answer.splitlines():
        number, state, start, end, comment = line.split("|", 4)
        shard = SHARD.search(comment)
        if shard:
            found.append(Job(number, int(shard[1]), state, _seconds(start, end)))
    return sorted(found, key=lambda job: int(job.number))


def _seconds(start: str, end: str) -> float:
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except ValueError:
        return float("nan")


def kill_some(on: Cluster, chosen: dict[int, float], over: threading.Event) -> None:
    """Cancel the first job of each chosen shard so many seconds after it was seen to run."""
    seen: dict[str, float] = {}
    left = dict(chosen)
    while left and not over.wait(0.2):
        now = time.monotonic()
        for job in jobs_of_shards(on):
            if (
                job.shard in left
                and job.state == "RUNNING"
                and now - seen.setdefault(job.number, now) >= left[job.shard]
            ):
                on.run("scancel", job.number, check=False)
                del left[job.shard]


def through_cluster(folder: Path, on: Cluster, content: dict[str, object], target: str, at_once: int) -> float:
    """Make the workflow's target with a configuration, so many jobs in the queue, and return the seconds it took."""
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, ROOT / "workflow" / "launch.py", target]
    command += ["--snakefile", ROOT / "workflow" / "Snakefile", "--jobs", str(at_once)]
    command += ["--profile", ROOT / "profiles" / "slurm", "--workflow-profile", ROOT / "profiles" / "slurm-ci"]
    started = time.monotonic()
    with (folder / "launcher.txt").open("w") as output:
        status = subprocess.run(command, cwd=folder, env=on.environment, stdout=output, stderr=subprocess.STDOUT)
    if status.returncode:
        sys.exit((folder / "launcher.txt").read_text())
    return time.monotonic() - started


def main() -> None:
    """Label, kill, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=int)
    parser.add_argument("--share", type=float, default=0.05, help="of the shards, whose first job is killed")
    parser.add_argument("--at-once", type=int, default=4, help="jobs in the queue")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if lacking := missing():
        sys.exit(f"slurm_shards: {', '.join(lacking)} missing; on Debian, as root: apt-get install slurm-wlm munge")
    generator = random.Random(options.seed)
    wanted = generator.sample(range(options.shards), round(options.share * options.shards))
    chosen = {shard: generator.uniform(0, LONGEST_LIFE_SECONDS) for shard in wanted}
    with tempfile.TemporaryDirectory() as name, cluster() as on:
        folder, over = Path(name), threading.Event()
        killer = threading.Thread(target=kill_some, args=(on, chosen, over))
        killer.start()
        try:
            target = "results/shards/water/labels.nc"
            seconds = through_cluster(folder, on, configuration(options.shards), target, options.at_once)
        finally:
            over.set()
            killer.join()
        show(folder, jobs_of_shards(on), options.shards, len(chosen), seconds)


def show(folder: Path, jobs: list[Job], shards: int, killed: int, seconds: float) -> None:
    """Print what was retried, what the jobs cost, and whether each label is there once."""
    first = {job.shard: job for job in reversed(jobs)}
    lost = [job for job in jobs if job.state != "COMPLETED"]
    print(
        f"{shards} shards in {seconds:.0f} s, {killed} chosen to be killed; {len(jobs)} jobs, {len(lost)} not completed"
    )
    for job in lost:
        again = [f"job {other.number} {other.state}" for other in jobs if other.shard == job.shard and other is not job]
        print(f"  shard {job.shard}: job {job.number} {job.state} after {job.seconds:.0f} s; {', '.join(again)}")
    done = [job.seconds for job in jobs if job.state == "COMPLETED"]
    verbs = [
        float(path.read_text().splitlines()[1].split("\t")[0])
        for path in folder.glob("results/shards/water/benchmarks/label_shard/*.tsv")
    ]
    print(
        f"a completed job: {statistics.mean(done):.1f} s on the node, of which the label {statistics.mean(verbs):.1f} s"
    )
    with xr.open_dataset(folder / "results" / "shards" / "water" / "labels.nc") as labels:
        frames = sorted(labels["frame"].values.tolist())
    print(f"labels: {len(frames)}, different ones: {len(set(frames))}")
    if frames != list(range(shards)) or len(first) != shards:
        sys.exit("slurm_shards: a label is missing or there twice")


if __name__ == "__main__":
    main()
