"""Time one molecular-dynamics evaluation (energy, forces, dipole) of a model beside GFN2-xTB, in one run.

    .venv/bin/python benchmarks/energy_and_forces.py results/demo/ethanol/model.pt results/demo/ethanol/geometries.nc

Prints the median over repetitions, in milliseconds a call and a replica, for batches of replicas, on one thread.
GFN2-xTB starts each self-consistency from scratch here; in dynamics it starts from the last step's.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from tblite.ase import TBLite

from densnet.io.netcdf import read_dataset
from densnet.models.checkpoint import load_model

REPETITIONS = 20


def median_milliseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call after three calls to warm up."""
    for _ in range(3):
        call()
    times = []
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def main(model_path: str, geometries: str) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    model = load_model(Path(model_path))
    data = read_dataset(Path(geometries), stage="sample")
    numbers, frames = data["numbers"].values, data["positions"].values
    element = model.elements_of(numbers)
    atoms = Atoms(numbers, frames[0])

    def gfn2() -> None:
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        atoms.get_forces()

    print(f"{len(numbers)} atoms, one thread, median of {REPETITIONS}")
    print(f"GFN2-xTB, one molecule        {median_milliseconds(gfn2):8.1f} ms")
    for replicas in (1, 4, 16, 64):
        batch = torch.as_tensor(np.resize(frames, (replicas, *frames.shape[1:])), dtype=torch.float32)
        spent = median_milliseconds(lambda batch=batch: model(element, batch))  # type: ignore[misc]
        print(f"model, {replicas:3d} replica(s)          {spent:8.1f} ms  {spent / replicas:6.2f} ms a replica")


if __name__ == "__main__":
    main(*sys.argv[1:3])
