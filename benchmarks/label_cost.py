"""CPU time of a label against the number of basis functions, for workflow/operations/costs.csv.

Run as ``python benchmarks/label_cost.py FOLDER``; about a minute of one core a molecule, ten for the longest. Each
molecule's geometries are labelled once alone and once in a shard of three: the difference is two labels, the rest is
what a job costs to start.
"""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

from densnet.basis.basis import Basis
from densnet.io.netcdf import read_dataset

MOLECULES = {
    "water": "O",
    "methanethiol": "CS",
    "ethanol": "CCO",
    "ethanethiol": "CCS",
    "thiophene": "c1ccsc1",
    "bithiophene": "c1ccsc1-c1cccs1",
    "quaterthiophene": "c1ccsc1-c1ccc(s1)-c1ccc(s1)-c1cccs1",
}
SAMPLING = shlex.split(
    "--n-train 4 --n-validation 1 --n-test 1 --temperatures 300 --n-conformers 1 --n-trajectories 1 "
    "--n-test-trajectories 1 --candidates-per-frame 1 --equilibration-fs 50 --interval-fs 20 --test-interval-fs 20"
)


def cpu_seconds(*words: str | Path) -> float:
    """Return user and system time of a command of densnet's with all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "densnet.cli.main", *map(str, words)], check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(folder: Path) -> None:
    """Measure every molecule and print a row for each."""
    print(f"{'':<14}{'functions':>9}  {'s a label':>9}  {'s to start':>10}")
    for name, smiles in MOLECULES.items():
        geometries = folder / f"{name}.nc"
        cpu_seconds("sample", "--smiles", smiles, *SAMPLING, "--output", geometries)
        numbers = read_dataset(geometries, stage="sample", variables=("numbers",))["numbers"].values
        functions = Basis.from_name("def2-SVP", np.unique(numbers)).n_functions(numbers)
        shards = {1: ("--shard", "5", "--shards", "6"), 3: ("--shard", "0", "--shards", "2")}
        cost = {
            frames: cpu_seconds("label", "--geometries", geometries, *words, "--output", folder / f"{name}-{frames}.nc")
            for frames, words in shards.items()
        }
        label = (cost[3] - cost[1]) / 2
        print(f"{name:<14}{functions:>9}  {label:>9.2f}  {cost[1] - label:>10.2f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
