"""What the energy model learns from, as tensors, and how its errors are weighed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from densnet.models.density_model import DensityModel
from densnet.models.energy_model import EnergyModel
from densnet.models.graph import neighbours
from densnet.training.density_response import density_jacobian
from densnet.training.labels import Labels
from densnet.training.training_set import WHOLE, Share
from densnet.units import EV_IN_MEV


@dataclass(frozen=True)
class EnergyTargets:
    """What the energy model learns from, t frames of one molecule.

    Attributes:
        element: index into the model's elements, (i,).
        positions: Angstrom, (t, i, 3).
        neighbour: of each atom, (t, i, j), as :func:`densnet.models.graph.neighbours` gives them.
        u: unscaled predicted density coefficients in blocks, (t, i, lm, n).
        jacobian: du/dR restricted to the degrees that the energy model reads, (t, i · lm · n, i · 3); None if each
            step differentiates the density model.
        energy: eV above the sum of reference energies, (t,).
        forces: eV/Angstrom, (t, i, 3).
        weight: of a frame's errors in the loss, (t,); see :func:`frame_weights`.
    """

    element: torch.Tensor
    positions: torch.Tensor
    neighbour: torch.Tensor
    u: torch.Tensor
    jacobian: torch.Tensor | None
    energy: torch.Tensor
    forces: torch.Tensor
    weight: torch.Tensor

    def to(self, device: torch.device) -> EnergyTargets:
        """Move everything to a device."""
        return replace(self, **{name: v.to(device) for name, v in vars(self).items() if v is not None})


Rows = tuple[EnergyTargets, torch.Tensor]
"""A molecule's targets, and the rows of some of its frames."""


class EnergyErrors(NamedTuple):
    """Errors on t frames of any molecules, of i atoms in all.

    Attributes:
        energy: eV, (t,), float64.
        forces: eV/Angstrom, (i, 3).
        atoms: of each frame, (t,), float64.
        weight: of each frame in the loss, (t,).
    """

    energy: torch.Tensor
    forces: torch.Tensor
    atoms: torch.Tensor
    weight: torch.Tensor

    def by_name(self) -> dict[str, float]:
        """Return the mean absolute errors of a validation."""
        energy, forces = self.energy.detach().abs(), self.forces.detach().abs()
        return {
            "validation_force_mae_mev_per_angstrom": float(forces.mean()) * EV_IN_MEV,
            "validation_energy_mae_mev_per_atom": float((energy / self.atoms).mean()) * EV_IN_MEV,
        }


@dataclass(frozen=True)
class EnergyLoss:
    """a ⟨w_t (ΔE_t / (n_t s))²⟩ + b ⟨w_t (ΔF_tix / s)²⟩, of frames t of n_t atoms with weights w_t.

    Attributes:
        energy_weight: a.
        force_weight: b.
        scale: s, the usual force in eV/Angstrom, here times 1 Angstrom an atom for energies.
    """

    energy_weight: float
    force_weight: float
    scale: float

    def __call__(self, errors: EnergyErrors, share: Share = WHOLE) -> torch.Tensor:
        """Return what frames with such errors, a share of a batch, contribute to its loss."""
        per_atom = errors.energy / (errors.atoms * self.scale).float()
        # with the size of the result, which is known, a GPU need not be waited for
        atoms, n_atoms = errors.atoms.long(), len(errors.forces)
        weight_of_atom = errors.weight.repeat_interleave(atoms, output_size=n_atoms).unsqueeze(1)
        loss = share.frames * self.energy_weight * (errors.weight * per_atom.square()).mean()
        return loss + share.atoms * self.force_weight * (weight_of_atom * (errors.forces / self.scale).square()).mean()


def errors_of(energy: torch.Tensor, forces: Sequence[torch.Tensor], parts: Sequence[Rows]) -> EnergyErrors:
    """Compare energies (t,) of frames of all molecules, and forces (t, i, 3) of each molecule's, with their targets."""
    of_forces = [(f - targets.forces[rows]).flatten(0, 1) for f, (targets, rows) in zip(forces, parts, strict=True)]
    atoms = [torch.full((len(rows),), float(len(t.element)), device=energy.device).double() for t, rows in parts]
    return EnergyErrors(
        energy=energy - torch.cat([targets.energy[rows] for targets, rows in parts]),
        forces=torch.cat(of_forces),
        atoms=torch.cat(atoms),
        weight=torch.cat([targets.weight[rows] for targets, rows in parts]),
    )


def frame_weights(forces: torch.Tensor, scale: float) -> torch.Tensor:
    """Return the weights (t,) of frames with forces (t, i, 3): w = 1 / (1 + f² / s²), f² the mean square component.

    Ordinary frames count alike. Where forces are ten times the usual s an error may be ten times as large: unweighted,
    a fifth of strained frames doubles the errors of all others (docs/robustness.md).
    """
    return 1 / (1 + forces.square().mean(dim=(1, 2)) / scale**2)


def energy_targets(
    labels: Labels,
    density: DensityModel,
    network: EnergyModel,
    rows: np.ndarray,
    *,
    stored: bool,
    device: torch.device,
) -> EnergyTargets:
    """Predict the densities of some frames, and their Jacobians if these are to be stored.

    Args:
        labels: the label file.
        density: frozen density model.
        network: its reference energies are subtracted and its l_density says which degrees are read.
        rows: frames to take.
        stored: whether the Jacobians are.
        device: where to compute.
    """
    data = labels.dataset.isel(frame=rows)
    element = density.whitened.index_of(labels.numbers)
    positions = torch.as_tensor(data["positions"].values, dtype=torch.float32)
    u, jacobian = density_jacobian(density, element.to(device), positions, network.l_density, jacobian=stored)
    base = float(sum(network.atomic_energy.cpu()[element]))
    forces = torch.as_tensor(data["forces"].values, dtype=torch.float32)
    return EnergyTargets(
        element=element,
        positions=positions,
        neighbour=neighbours(positions, network.settings.cutoff),
        u=u,
        jacobian=jacobian,
        energy=torch.as_tensor(data["energy"].values - base, dtype=torch.float32),
        forces=forces,
        weight=frame_weights(forces, float(network.scale)),
    ).to(device)
