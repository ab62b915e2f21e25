"""Times on a GPU of a training step of both models and of dynamics, one by one and captured, with their agreement.

    .venv/bin/python benchmarks/on_gpu.py results/demo/ethanol/labels.nc models/ethanol.pt

Median wall times with the GPU waited for. Training steps: loss and gradients of new networks of the default settings,
without the optimiser, whose own times follow. Dynamics: energy, forces and dipoles as ``densnet md`` asks for them, of
the model, and of a thiophene chain of twelve units with untrained networks on def2-SVP-JKFIT (the time does not depend
on the weights); ns a day of all replicas together at 0.5 fs a step.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytorch_optimizer
import torch
from chain_scaling import untrained

from densnet.models.checkpoint import load_model
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.captured import Captured
from densnet.oligomer import oligomer
from densnet.training.density import density_loss, initial_model
from densnet.training.density_targets import density_frames
from densnet.training.energy import frozen_errors
from densnet.training.energy_targets import energy_targets
from densnet.training.settings import DensityTrainingSettings
from densnet.training.soap import SOAP
from densnet.training.training_set import TrainingSet

BATCHES = (1, 8, 64, 512)
REPETITIONS = 20
GPU = torch.device("cuda")


def milliseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call after five calls to warm up."""
    times = []
    for _ in range(REPETITIONS + 5):
        torch.cuda.synchronize()
        began = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times[5:])


def training_step(name: str, network: torch.nn.Module, loss_of: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Print the times of loss and gradients for batches of rows, and how far the captured gradients are off."""
    parameters = list(network.parameters())
    for batch in BATCHES:
        rows = torch.arange(batch, device=GPU) % 100

        def once(rows: torch.Tensor = rows) -> tuple[torch.Tensor]:
            network.zero_grad(set_to_none=True)
            loss = loss_of(rows)
            loss.backward(inputs=parameters)
            return (loss.detach(),)

        one_by_one = milliseconds(once)
        expected = torch.cat([p.grad.flatten() for p in parameters])
        replay = Captured(once)
        captured = milliseconds(replay)
        found = torch.cat([p.grad.flatten() for p in parameters])
        off = float((found - expected).norm() / expected.norm())
        print(f"{name:8s} batch {batch:4d}  {one_by_one:8.2f} ms  captured {captured:8.2f} ms  gradients off {off:.1e}")


def optimiser(name: str, network: torch.nn.Module) -> None:
    """Print the mean time of an optimiser's step."""
    parameters = list(network.parameters())
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    own, library = (
        SOAP(parameters, lr=0.0),
        pytorch_optimizer.SOAP(parameters, lr=0.0, betas=(0.95, 0.95), weight_decay=0.0),
    )
    for kind, chosen in (("SOAP, alike weights at once", own), ("pytorch_optimizer's SOAP", library)):
        for _ in range(21):
            chosen.step()
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(50):
            chosen.step()
        torch.cuda.synchronize()
        print(f"{name:8s} {kind:28s} {20 * (time.perf_counter() - began):8.2f} ms")


def dynamics(name: str, model: DenSNet, numbers: object, positions: torch.Tensor, batches: tuple[int, ...]) -> None:
    """Print the times of one step of some replicas, and how far captured forces are off."""
    element = model.elements_of(numbers)
    for replicas in batches:
        batch = positions[torch.arange(replicas) % len(positions)]
        model.records = False
        one_by_one, expected = milliseconds(partial(model, element, batch)), model(element, batch).forces
        model.record()
        captured, found = milliseconds(partial(model, element, batch)), model(element, batch).forces
        off = float((found - expected).abs().max())
        per_day = replicas * 86400e3 / captured * 0.5e-6
        print(
            f"{name:8s} {replicas:4d} replicas  {one_by_one:8.2f} ms  captured {captured:8.2f} ms  "
            f"{per_day:7.2f} ns a day  forces off {1e3 * off:.1e} meV/A  "
            f"{torch.cuda.max_memory_reserved() / 2**30:.1f} GiB",
            flush=True,
        )


def of_both_models(data: TrainingSet) -> None:
    """Print what a step of either training takes."""
    (labels,), settings, training = data.files, DensityModelSettings(), DensityTrainingSettings()
    whitened, weight = WhitenedBasis(labels.basis, labels.elements), training.dipole_weight
    with tempfile.TemporaryDirectory() as folder:
        (frames,) = density_frames(
            data, whitened, settings, overlap_weight=training.overlap_weight, folder=Path(folder), memory_gib=4.0
        )
    density = initial_model(data, settings, whitened, [frames.train], seed=1).to(GPU)
    frames = frames.to(GPU)
    training_step("density", density, lambda rows: density_loss(density, [(frames, frames.train, rows)], weight)[0])
    optimiser("density", density)
    energy = (
        EnergyModel(EnergyModelSettings(), density.whitened, mean_neighbours=density.mean_neighbours).float().to(GPU)
    )
    (rows,) = data.train
    targets = energy_targets(labels, density.requires_grad_(False), energy, rows, stored=True, device=GPU)

    def energy_loss(chosen: torch.Tensor) -> torch.Tensor:
        errors = frozen_errors(energy, density, [(targets, chosen)], differentiable=True)
        return errors.energy.square().mean() * 1e-6 + errors.forces.square().mean()

    training_step("energy", energy, energy_loss)
    optimiser("energy", energy)


def main(labels_path: str, model_path: str) -> None:
    """Print the tables."""
    if not torch.cuda.is_available():
        sys.exit("on_gpu: torch finds no GPU")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    data = TrainingSet.read(Path(labels_path), max_units=None, n_train=100)
    of_both_models(data)
    (labels,) = data.files
    positions = torch.as_tensor(labels.dataset["positions"].values)
    dynamics("ethanol", load_model(Path(model_path)).to(GPU), labels.numbers, positions, BATCHES)
    (chain,) = oligomer("thiophene", 12, count=1).molecules
    dynamics("12-mer", untrained().to(GPU), chain.numbers, torch.as_tensor(chain.positions)[None], (1, 4, 16, 64))


if __name__ == "__main__":
    main(*sys.argv[1:3])
