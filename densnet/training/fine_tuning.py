"""Both networks together: what the forces want of the density, without giving up the density itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from densnet.models.density_model import DensityModel
from densnet.models.energy_model import EnergyModel
from densnet.models.graph import Graph, joined, replicate
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.step_kernels import step_kernels
from densnet.training import ranks
from densnet.training.density import density_loss, validation_errors
from densnet.training.density_targets import density_frames
from densnet.training.energy_targets import EnergyErrors, EnergyLoss, EnergyTargets, Rows, errors_of
from densnet.training.loop import TrainingRun
from densnet.training.settings import DensityTrainingSettings, LoopSettings
from densnet.training.training_set import TrainingSet


def fine_tune(
    network: EnergyModel,
    density: DensityModel,
    data: TrainingSet,
    train: Sequence[EnergyTargets],
    validation: Sequence[EnergyTargets],
    settings: LoopSettings,
    *,
    energy_loss: EnergyLoss,
    density_weight: float,
    of_density: Mapping[str, Any],
    identity: Mapping[str, Any],
    output: Path,
    log: Path,
) -> None:
    """Train energy and density model on, both at once and both in place.

    loss = energy_loss + density_weight · (the density model's own loss); F = -dE/dR is differentiated through both
    networks in each step. The weights with the smallest such loss on the validation frames are kept.

    Args:
        network: the energy model.
        density: the density model that it reads.
        data: label files of the molecules.
        train: of each molecule, positions, energies and forces.
        validation: likewise.
        settings: steps and rates.
        energy_loss: of the energy's own training.
        density_weight: of the density's loss beside it.
        of_density: settings that the density was trained with.
        identity: everything that decides what the training starts from.
        output: beside it lies the checkpoint.
        log: CSV of validation errors.

    Raises:
        DensnetError: the loss diverges, or the metrics fit neither in memory nor on the disk.
    """
    names = ("overlap_weight", "dipole_weight", "metric_memory_gib")
    earlier = DensityTrainingSettings(**{name: of_density[name] for name in names if name in of_density})
    metrics = density_frames(
        data,
        WhitenedBasis(density.whitened.basis, density.whitened.elements),
        density.settings,
        overlap_weight=earlier.overlap_weight,
        folder=output.parent,
        memory_gib=earlier.metric_memory_gib,
    )
    frames = [molecule.to(ranks.device()) for molecule in metrics]
    density.requires_grad_(True)
    networks = nn.ModuleDict({"density": density, "energy": network})
    run = TrainingRun(networks, settings, identity=identity, output=output, log=log)

    def loss_of(rows: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        parts, share = list(data.by_file(rows)), data.share_of(rows, batch)
        errors = joint_errors(network, density, [(train[n], within) for n, within in parts], differentiable=True)
        of_frames = [(frames[n], frames[n].train, within) for n, within in parts]
        loss, _, _ = density_loss(density, of_frames, earlier.dipole_weight)
        return energy_loss(errors, share) + share.frames * density_weight * loss

    def validate() -> dict[str, float]:
        parts = [(targets, torch.arange(len(targets.energy))) for targets in validation]
        errors = joint_errors(network, density, parts, differentiable=False)
        loss, of_density = validation_errors(density, frames, earlier.dipole_weight)
        with torch.no_grad():
            total = energy_loss(errors) + density_weight * loss
        return {"validation_loss": float(total), **of_density, **errors.by_name()}

    with step_kernels(networks):
        run.run(sum(data.n_train), loss_of, validate, "validation_loss")
    run.discard_checkpoint()
    density.requires_grad_(False)


def joint_errors(
    network: EnergyModel, density: DensityModel, parts: Sequence[Rows], *, differentiable: bool
) -> EnergyErrors:
    """Return the errors of some rows of each molecule, forces through both networks."""
    positions = [targets.positions[rows].requires_grad_(True) for targets, rows in parts]

    def graph(cutoff: float) -> Graph:
        return joined([replicate(t.element, r, cutoff) for (t, _), r in zip(parts, positions, strict=True)])

    _, u = density(graph(density.settings.cutoff))
    energy = network(graph(network.settings.cutoff), u)
    gradients = torch.autograd.grad(energy.sum(), positions, create_graph=differentiable)
    return errors_of(energy, [-gradient for gradient in gradients], parts)
