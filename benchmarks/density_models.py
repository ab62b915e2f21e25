"""Processor time of density models: coefficients of one molecule, and each of 64 together (docs/accuracy.md).

python benchmarks/density_models.py EVALUATION.nc MODEL.pt [MODEL.pt ...]

The molecules are those of the evaluation. The models take turns, one thread; the least of four rounds is shown.
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
    for model in models:
        model.member_coefficients(numbers, positions)
    best = np.full((len(models), 2), np.inf)
    for _ in range(ROUNDS):
        for model, least in zip(models, best, strict=True):
            one = min(milliseconds(model.member_coefficients, numbers, positions[:1]) for _ in range(5))
            each = milliseconds(model.member_coefficients, numbers, positions) / BATCH
            least[:] = np.minimum(least, (one, each))
    for path, model, (one, each) in zip(paths, models, best, strict=True):
        weights = sum(parameter.numel() for parameter in model.members[0].density.parameters())
        print(f"{one:6.2f} ms   {each:5.2f} ms of {BATCH}   {weights} weights   {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(path) for path in sys.argv[2:]])
