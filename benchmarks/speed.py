"""One evaluation (energy, forces, dipole) of models beside GFN2-xTB, in one process, the contestants taking turns.

    .venv/bin/python benchmarks/speed.py models/ethanol.pt GEOMETRIES.nc [REPLICAS ...]

GEOMETRIES.nc is that of the molecule, of data/ or of a run; one and 64 replicas of it are evaluated, if
nothing else is said. Prints, for one thread, the median processor time of a call and replica, and the median over the
rounds of its ratio to GFN2-xTB's for one molecule in the same round: other work on the machine disturbs the times, and
the ratios hardly. GFN2-xTB starts each self-consistency from scratch. Plain calls are those of PyTorch; recorded ones
repeat a list of PyTorch's operations; compiled ones go through kernels (docs/speed.md).
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
from pathlib import Path

import numpy as np
import torch

from densnet.io.netcdf import read_dataset
from densnet.mechanics.timing import milliseconds
from densnet.models.checkpoint import load_model
from densnet.models.ensemble import Ensemble
from densnet.molecule import Molecule
from densnet.potential import Potential
from densnet.potentials import named
from densnet.potentials.model import ModelPotential

ROUNDS, REPETITIONS = 15, 3
REFERENCE = "gfn2-xtb"


def main(model: Path, geometries: Path, replicas: list[int]) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    data = read_dataset(geometries, stage="sample")
    numbers = data["numbers"].values
    frames = data["positions"].values.reshape(-1, len(numbers), 3)
    frames = frames[np.isfinite(frames).all(axis=(1, 2))]
    contestants = {REFERENCE: (named(REFERENCE)(Molecule(numbers, frames[0])), frames[:1])}
    for kind, potential in potentials(model, numbers).items():
        for n in replicas:
            contestants[f"{kind}, {n} replica(s)"] = potential, np.resize(frames, (n, *frames.shape[1:]))
    times = {name: np.empty(ROUNDS) for name in contestants}
    for turn in range(ROUNDS):
        for name, (potential, positions) in contestants.items():
            repetitions = REPETITIONS if len(positions) == 1 else 1
            times[name][turn] = milliseconds(potential, positions, repetitions=repetitions) / len(positions)
    print(f"{len(numbers)} atoms, one thread, {ROUNDS} turns")
    for name, spent in times.items():
        print(f"{name:28s} {np.median(spent):8.2f} ms   {np.median(spent / times[REFERENCE]):6.2f} of {REFERENCE}")


def potentials(model: Path, numbers: np.ndarray) -> dict[str, Potential]:
    """Return the model's potential in the ways that it can be evaluated."""
    plain, recorded, compiled = (load_model(model) for _ in range(3))
    recorded.record(compiled=False)
    compiled.record()
    ways = {"plain": plain, "recorded": recorded, "compiled": compiled}
    return {way: ModelPotential(Ensemble([network]), numbers) for way, network in ways.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(n) for n in sys.argv[3:]] or [1, 64])
