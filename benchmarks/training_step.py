"""A step of the energy model's training with the kernels in C++ beside PyTorch alone, taking turns, on one thread.

    .venv/bin/python benchmarks/training_step.py LABELS.nc DENSITY.pt [L_LAST [BATCH]]

LABELS.nc and DENSITY.pt are the files of a run. Prints medians of processor time of a batch's loss and gradients, what
the optimiser adds, and the median over the turns of the ratio of both steps; and by how much the gradients differ.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from densnet.models.checkpoint import load_model
from densnet.models.settings import EnergyModelSettings
from densnet.nn.step_kernels import step_kernels
from densnet.training.energy import frozen_errors, initial_model, usual_force
from densnet.training.energy_targets import EnergyLoss, energy_targets
from densnet.training.loop import batch_rows
from densnet.training.settings import EnergyTrainingSettings
from densnet.training.soap import SOAP
from densnet.training.training_set import TrainingSet

TURNS, UNTIMED = 30, 3


def main(labels: Path, density_path: Path, l_last: int, batch: int) -> None:
    """Print times and ratios."""
    torch.set_num_threads(1)
    settings = EnergyTrainingSettings()
    data = TrainingSet.read([labels], max_units=None, n_train=2 * batch, densities=False)
    density, scale = load_model(density_path).density, usual_force(data)
    network = initial_model(data, EnergyModelSettings(l_last=l_last), density.whitened, scale, settings.seed)
    cpu = torch.device("cpu")
    targets = energy_targets(data.files[0], density, network, data.train[0], stored=True, device=cpu)
    loss_of = EnergyLoss(settings.energy_weight, settings.force_weight, scale)
    weights = list(network.parameters())
    optimizer = SOAP(weights, lr=1e-3)
    times: dict[str, list[float]] = {"PyTorch": [], "kernels": [], "optimiser": []}
    worst = 0.0
    for turn in range(TURNS):
        rows, gradients = batch_rows(2 * batch, batch, settings.seed, turn), {}
        for way, kernels in (("PyTorch", nullcontext()), ("kernels", step_kernels(network))):
            with kernels:
                optimizer.zero_grad(set_to_none=True)
                started = time.process_time()
                loss_of(frozen_errors(network, density, [(targets, rows)], differentiable=True)).backward(
                    inputs=weights
                )
                times[way].append(1e3 * (time.process_time() - started))
                gradients[way] = [weight.grad.clone() for weight in weights if weight.grad is not None]
        for made, expected in zip(gradients["kernels"], gradients["PyTorch"], strict=True):
            worst = max(worst, float((made - expected).abs().max() / expected.abs().max()))
        started = time.process_time()
        optimizer.step()
        times["optimiser"].append(1e3 * (time.process_time() - started))
    spent = {name: np.array(values[UNTIMED:]) for name, values in times.items()}
    # every tenth step of the optimiser costs more, so that its mean counts
    optimiser = spent["optimiser"].mean()
    print(f"{batch} frames of {len(targets.element)} atoms, l_last {l_last}, one thread, {TURNS - UNTIMED} turns")
    for way in ("PyTorch", "kernels"):
        print(f"{way:10s} {np.median(spent[way]):7.1f} ms of loss and gradients, {optimiser:.1f} ms of the optimiser")
    print(f"loss and gradients: {np.median(spent['kernels'] / spent['PyTorch']):.2f} of PyTorch's time")
    whole = (spent["kernels"] + optimiser) / (spent["PyTorch"] + optimiser)
    print(f"the step:           {np.median(whole):.2f}")
    print(f"gradients differ by {worst:.1e} of a weight's largest at most")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *(int(n) for n in [*sys.argv[3:], *("0", "8")[len(sys.argv) - 3 :]]))
