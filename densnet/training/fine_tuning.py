"""Both networks together: what the forces want of the density, without giving up the density itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from densnet.models.density_model import DensityModel
from densnet.models.energy_model import EnergyModel
from densnet.models.graph import Graph, joined, replicate
from densnet.models.whitened_basis import WhitenedBasis
from densnet.training.density import DensityFrames, density_frames, density_loss, on_device
from densnet.training.frames import DensityTargets, Labels
from densnet.training.label_files import Share, by_file, share_of
from densnet.training.loop import TrainingRun
from densnet.training.settings import DensityTrainingSettings
from densnet.units import E_ANGSTROM_IN_DEBYE, EV_IN_MEV, HARTREE_IN_MILLIHARTREE

if TYPE_CHECKING:
    from densnet.training.energy import EnergyTargets
    from densnet.training.settings import EnergyTrainingSettings

Errors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
EnergyLoss = Callable[[Errors, torch.Tensor, Share], torch.Tensor]


def fine_tune(
    network: EnergyModel,
    density: DensityModel,
    files: Sequence[Labels],
    train: Sequence[EnergyTargets],
    validation: Sequence[EnergyTargets],
    training: EnergyTrainingSettings,
    *,
    energy_loss: EnergyLoss,
    of_density: Mapping[str, Any],
    identity: Mapping[str, Any],
    checkpoint: Path,
    log: Path,
) -> None:
    """Train energy and density model on, both at once and both in place, ``fine_tune_steps`` at ``fine_tune_rate``.

    loss = energy_loss + density_weight · (the density model's own loss); F = -dE/dR is differentiated through both
    networks in each step. The weights with the smallest such loss on the validation frames are kept.

    Args:
        network: the energy model.
        density: the density model that it reads.
        files: label files of the molecules.
        train: of each molecule, positions, energies and forces.
        validation: likewise.
        training: settings of the energy's training.
        energy_loss: from errors of :func:`joint_errors` and the frames' weights to what they contribute to the loss.
        of_density: settings that the density was trained with.
        identity: everything that decides what the training starts from.
        checkpoint: where to keep it.
        log: CSV of validation errors.

    Raises:
        DensnetError: the loss diverges, or the metrics fit neither in memory nor on the disk.
    """
    names = ("overlap_weight", "dipole_weight", "metric_memory_gib")
    own = replace(
        DensityTrainingSettings(n_train=training.n_train), **{n: of_density[n] for n in names if n in of_density}
    )
    device = next(network.parameters()).device
    whitened = WhitenedBasis(density.whitened.basis, density.whitened.elements)
    memory_gib = own.metric_memory_gib / len(files)
    frames = [
        on_device(density_frames(one, whitened, density.settings, own, checkpoint.parent, memory_gib), device)
        for one in files
    ]
    density.requires_grad_(True)
    both = nn.ModuleDict({"density": density, "energy": network})
    settings = replace(training, steps=training.fine_tune_steps, learning_rate=training.fine_tune_rate)
    run = TrainingRun(both, settings, identity={**identity, "fine_tuning": True}, checkpoint=checkpoint, log=log)
    n_train = [len(targets.energy) for targets in train]
    n_atoms = [len(targets.element) for targets in train]

    def loss_of(rows: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        parts, share = list(by_file(rows, n_train)), share_of(rows, batch, n_train, n_atoms)
        errors = joint_errors(network, density, [(train[n], r) for n, r in parts], differentiable=True)
        loss, _, _ = density_loss(density, [(frames[n], frames[n].train, r) for n, r in parts], own.dipole_weight)
        return (
            energy_loss(errors, weights_of([(train[n], r) for n, r in parts]), share)
            + share.frames * training.density_weight * loss
        )

    def validate() -> dict[str, float]:
        every = [torch.arange(len(targets.energy)) for targets in validation]
        judged = list(zip(validation, every, strict=True))
        errors = joint_errors(network, density, judged, differentiable=False)
        parts: list[tuple[DensityFrames, DensityTargets, torch.Tensor]] = [
            (one, one.validation, rows) for one, rows in zip(frames, every, strict=True)
        ]
        with torch.no_grad():
            loss, predicted, dipole = density_loss(density, parts, own.dipole_weight)
            coulomb = [
                replace(targets, metric=one.coulomb).error_energy(rows, x)
                for (one, targets, rows), x in zip(parts, predicted, strict=True)
            ]
            energy, force, atoms = (error.detach() for error in errors)
            total = energy_loss((energy, force, atoms), weights_of(judged), Share()) + training.density_weight * loss
        return {
            "validation_loss": float(total),
            "validation_coulomb_error_mha": float(torch.cat(coulomb).mean()) * HARTREE_IN_MILLIHARTREE,
            "validation_dipole_mae_debye": float(dipole.norm(dim=1).mean()) * E_ANGSTROM_IN_DEBYE,
            "validation_force_mae_mev_per_angstrom": float(force.abs().mean()) * EV_IN_MEV,
            "validation_energy_mae_mev_per_atom": float((energy.abs() / atoms).mean()) * EV_IN_MEV,
        }

    run.run(sum(n_train), loss_of, validate, "validation_loss")
    run.discard_checkpoint()
    density.requires_grad_(False)


def weights_of(parts: Sequence[tuple[EnergyTargets, torch.Tensor]]) -> torch.Tensor:
    """Return the weights (T,) in the loss of some rows of each molecule."""
    return torch.cat([targets.weight[rows] for targets, rows in parts])


def joint_errors(
    network: EnergyModel,
    density: DensityModel,
    parts: Sequence[tuple[EnergyTargets, torch.Tensor]],
    *,
    differentiable: bool,
) -> Errors:
    """Return errors of energies (T,) and forces (atoms, 3), through both networks, and atoms of each molecule (T,)."""
    positions = [targets.positions[rows].requires_grad_(True) for targets, rows in parts]

    def graph(cutoff: float) -> Graph:
        return joined([replicate(t.element, r, cutoff) for (t, _), r in zip(parts, positions, strict=True)])

    _, u = density(graph(density.settings.cutoff))
    energy = network(graph(network.settings.cutoff), u)
    gradients = torch.autograd.grad(energy.sum(), positions, create_graph=differentiable)
    forces = [
        (-gradient - targets.forces[rows]).flatten(0, 1)
        for gradient, (targets, rows) in zip(gradients, parts, strict=True)
    ]
    reference = torch.cat([targets.energy[rows] for targets, rows in parts])
    atoms = torch.cat([torch.full((len(rows),), len(t.element), dtype=torch.float64) for t, rows in parts])
    return energy - reference, torch.cat(forces), atoms.to(energy.device)
