"""Processor time of models: densities of one molecule, and each of 64 together; energy, forces and dipole of one.

python benchmarks/models.py EVALUATION.nc MODEL.pt [MODEL.pt ...]

The molecules are those of the evaluation; energies are recorded, as dynamics do. The models take turns, one thread; the
least of four rounds is shown, and the number of weights of either network (docs/accuracy.md).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from densnet.io.netcdf import read_dataset
from densnet.models.checkpoint import load_ensemble

ROUNDS = 4
BATCH = 64


def milliseconds(call: Callable[..., object], *arguments: object) -> float:
    """Return the processor time of a call in ms."""
    began = time.process_time()
    call(*arguments)
    return 1e3 * (time.process_time() - began)


def main(evaluation: Path, paths: list[Path]) -> None:
    """Print a line for each model."""
    torch.set_num_threads(1)
    data = read_dataset(evaluation, stage="evaluate", variables=("numbers", "positions"))
    numbers, positions = data["numbers"].values, np.resize(data["positions"].values, (BATCH, data.sizes["atom"], 3))
    models = [load_ensemble(path) for path in paths]
    first = torch.as_tensor(positions[:1])
    for model in models:
        model.member_coefficients(numbers, positions)
        model.members[0].record()(model.elements_of(numbers), first)
    best = np.full((len(models), 3), np.inf)
    for _ in range(ROUNDS):
        for model, least in zip(models, best, strict=True):
            one = min(milliseconds(model.member_coefficients, numbers, positions[:1]) for _ in range(5))
            each = milliseconds(model.member_coefficients, numbers, positions) / BATCH
            energy = min(milliseconds(model.members[0], model.elements_of(numbers), first) for _ in range(5))
            least[:] = np.minimum(least, (one, each, energy))
    for path, model, (one, each, energy) in zip(paths, models, best, strict=True):
        networks = (model.members[0].density, model.members[0].energy)
        weights = " and ".join(str(sum(p.numel() for p in network.parameters())) for network in networks)
        print(f"density {one:6.2f} ms, {each:5.2f} of {BATCH}   all {energy:6.2f} ms   {weights} weights   {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(path) for path in sys.argv[2:]])
