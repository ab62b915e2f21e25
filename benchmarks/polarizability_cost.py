"""Processor time of polarizabilities beside a step of dynamics: what every fourth step with α costs.

    python benchmarks/polarizability_cost.py response.pt GEOMETRIES.nc [REPLICAS]

The model has learned the response (densnet train response). Steps and polarizabilities take turns, one thread; medians
of ten rounds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from densnet.io.netcdf import read_dataset
from densnet.potentials.model import ModelPotential

ROUNDS, EVERY = 10, 4


def milliseconds(call: Callable[[np.ndarray], object], positions: np.ndarray) -> float:
    """Return the processor time of a call in ms."""
    began = time.process_time()
    call(positions)
    return 1e3 * (time.process_time() - began)


def main(model: Path, geometries: Path, replicas: int) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    data = read_dataset(geometries, stage="sample", variables=("numbers", "positions"))
    positions = np.resize(data["positions"].values, (replicas, *data["positions"].shape[1:]))
    potential = ModelPotential.from_file(model, data["numbers"].values, recorded=True)
    # the first calls of a size record
    for _ in range(2):
        potential(positions), potential.polarizability(positions)
    times = np.array(
        [[milliseconds(call, positions) for call in (potential, potential.polarizability)] for _ in range(ROUNDS)]
    )
    step, alpha = np.median(times, axis=0) / replicas
    print(f"{replicas} replicas: a step {step:.2f} ms each, polarizability {alpha:.2f} ms")
    print(f"with α at every step in {EVERY}: {100 * alpha / step / EVERY:.0f} % more")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 16)
