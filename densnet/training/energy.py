"""Training of the energy model on the densities that the density model predicts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.autograd import forward_ad

from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.models.checkpoint import load_model, read_description, save_model
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel, EnergyModelSettings
from densnet.models.graph import replicate
from densnet.training.density import mean_neighbours
from densnet.training.frames import Labels, load_labels
from densnet.training.loop import LoopSettings, Training
from densnet.units import EV_IN_MEV

METHOD_VERSION: int = 3

JACOBIAN_BATCH = 16
"""Frames whose Jacobians are taken at once."""


@dataclass(frozen=True)
class EnergyTrainingSettings(LoopSettings):
    """How the energy model is trained; the density model stays as it is."""

    energy_weight: float = 5.0
    """Weight of the squared error of the energy per atom over (the root mean square force times 1 Angstrom)."""
    force_weight: float = 1.0
    """Weight of the mean squared error of a force component over the root mean square force."""


@dataclass(frozen=True)
class EnergyTargets:
    """What the energy model learns from, T frames of a atoms.

    Attributes:
        positions: Angstrom, (T, a, 3).
        u: unscaled predicted density coefficients in blocks, (T, a, lm, n).
        jacobian: du/dR restricted to the degrees that the energy model reads, (T, a · lm · n, a · 3).
        energy: eV above the sum of reference energies, (T,).
        forces: eV/Angstrom, (T, a, 3).
    """

    positions: torch.Tensor
    u: torch.Tensor
    jacobian: torch.Tensor
    energy: torch.Tensor
    forces: torch.Tensor

    def to(self, device: torch.device) -> EnergyTargets:
        """Move everything to a device."""
        return EnergyTargets(*(value.to(device) for value in vars(self).values()))


def train_energy(
    labels_path: Path,
    density_path: Path,
    model: EnergyModelSettings,
    training: EnergyTrainingSettings,
    *,
    output: Path,
    combined: Path,
    log: Path,
) -> DenSNet:
    """Train an energy model on the ``train`` frames, with the density model frozen.

    With the density model frozen, u(R) and du/dR are constants of a frame: computed once, the force of the whole
    is F = -(∂E/∂R + ∂E/∂u · du/dR), and the energy model trains alone.
    The energy reads the density, so that an energy model is of use only with its density model: ``output`` and
    ``combined`` both hold the two of them.

    Raises:
        DensnetError: labels or density model unusable, or not of the same basis; the loss diverges.
    """
    labels = load_labels(labels_path)
    trained = load_model(density_path)
    density = trained.density
    if density.whitened.basis != labels.basis or density.whitened.elements != labels.elements:
        raise DensnetError(
            f"{density_path}: expected a model of the labels' fit basis {labels.basis.name!r} and elements "
            f"{labels.elements}, found {density.whitened.basis.name!r} and {density.whitened.elements}; train it again"
        )
    rows = {"train": labels.frames("train", training.n_train), "validation": labels.frames("validation")}
    torch.manual_seed(training.seed)
    positions = torch.as_tensor(labels.dataset["positions"].values[rows["train"]], dtype=torch.float32)
    network = EnergyModel(model, density.whitened, mean_neighbours=mean_neighbours(positions, model.cutoff)).float()
    reference = reference_energies(labels, rows["train"], density.whitened.elements)
    forces = labels.dataset["forces"].values[rows["train"]]
    scale = float(np.sqrt(np.mean(forces**2)))
    network.set_scales(scale, reference)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    targets = {
        split: energy_targets(labels, density.to(device), network, r, device=device) for split, r in rows.items()
    }
    network.to(device)
    identity = {
        "labels": fingerprint(labels_path),
        "density": fingerprint(density_path),
        "model": asdict(model),
        "training": {**asdict(training), "checkpoint_seconds": None},
        "method_version": METHOD_VERSION,
    }
    checkpoint = output.with_name(output.name + ".checkpoint")
    run = Training(network, training, identity=identity, checkpoint=checkpoint, log=log)
    error = _error_function(network, labels, density, device)

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        energy, force = error(targets["train"], batch, True)
        per_atom = energy / (len(labels.numbers) * scale)
        loss = training.energy_weight * per_atom.square().mean()
        return loss + training.force_weight * (force / scale).square().mean()

    def validate() -> dict[str, float]:
        energy, force = error(targets["validation"], torch.arange(len(rows["validation"])), False)
        return {
            "validation_force_mae_mev_per_angstrom": float(force.detach().abs().mean()) * EV_IN_MEV,
            "validation_energy_mae_mev_per_atom": float(energy.detach().abs().mean()) * EV_IN_MEV / len(labels.numbers),
        }

    run.run(len(rows["train"]), loss_of, validate, "validation_force_mae_mev_per_angstrom")
    result = DenSNet(density.cpu(), network.cpu().eval(), trained.free_atoms)
    record = {
        **read_description(density_path)["provenance"],
        "energy_training": asdict(training),
        "energy_method_version": METHOD_VERSION,
    }
    save_model(result, output, provenance=record)
    save_model(result, combined, provenance=record)
    run.discard_checkpoint()
    return result


def reference_energies(labels: Labels, rows: np.ndarray, elements: tuple[int, ...]) -> torch.Tensor:
    """Return E_Z (z,) in eV: free atoms' energies plus an equal share of the mean binding energy, float64."""
    table = dict(
        zip(labels.dataset["element"].values.tolist(), labels.dataset["atomic_energy"].values.tolist(), strict=True)
    )
    atoms = sum(table[int(z)] for z in labels.numbers)
    share = (float(labels.dataset["energy"].values[rows].mean()) - atoms) / len(labels.numbers)
    return torch.tensor([table[z] + share for z in elements], dtype=torch.float64)


def energy_targets(
    labels: Labels, density: DensityModel, network: EnergyModel, rows: np.ndarray, *, device: torch.device
) -> EnergyTargets:
    """Predict the densities of some frames and their Jacobians by forward differentiation, one coordinate at a time.

    Args:
        labels: the label file.
        density: frozen density model.
        network: its reference energies are subtracted and its l_density says which degrees are read.
        rows: frames to take.
        device: where to compute.
    """
    data = labels.dataset.isel(frame=rows)
    element = torch.tensor([density.whitened.elements.index(int(z)) for z in labels.numbers], device=device)
    read = (network.l_density + 1) ** 2
    positions = torch.as_tensor(data["positions"].values, dtype=torch.float32)
    us, jacobians = [], []
    for start in range(0, len(rows), JACOBIAN_BATCH):
        batch = positions[start : start + JACOBIAN_BATCH].to(device)
        n_frames, n_atoms = batch.shape[:2]

        def predict(moved: torch.Tensor) -> torch.Tensor:
            _, u = density(replicate(element, moved, density.settings.cutoff))
            return u[:, :read].reshape(len(moved), -1)

        columns = []
        for coordinate in range(n_atoms * 3):
            tangent = torch.zeros(n_atoms * 3, device=device)
            tangent[coordinate] = 1
            direction = tangent.reshape(1, n_atoms, 3).expand(n_frames, -1, -1).contiguous()
            with forward_ad.dual_level():
                value, column = forward_ad.unpack_dual(predict(forward_ad.make_dual(batch, direction)))
            columns.append(column.cpu())
        us.append(value.reshape(n_frames, n_atoms, read, -1).cpu())
        jacobians.append(torch.stack(columns, dim=2))
        print(f"densnet: Jacobians {min(start + JACOBIAN_BATCH, len(rows))}/{len(rows)}", file=sys.stderr, flush=True)
    base = float(sum(network.atomic_energy[density.whitened.elements.index(int(z))] for z in labels.numbers))
    return EnergyTargets(
        positions=positions,
        u=torch.cat(us).detach(),
        jacobian=torch.cat(jacobians).detach(),
        energy=torch.as_tensor(data["energy"].values - base, dtype=torch.float32),
        forces=torch.as_tensor(data["forces"].values, dtype=torch.float32),
    ).to(device)


def _error_function(
    network: EnergyModel, labels: Labels, density: DensityModel, device: torch.device
) -> Callable[[EnergyTargets, torch.Tensor, bool], tuple[torch.Tensor, torch.Tensor]]:
    """Return a function of (targets, rows, differentiable) giving errors of energy (T,) and forces (T, a, 3)."""
    element = torch.tensor([density.whitened.elements.index(int(z)) for z in labels.numbers], device=device)

    def error(targets: EnergyTargets, rows: torch.Tensor, differentiable: bool) -> tuple[torch.Tensor, torch.Tensor]:
        positions = targets.positions[rows].requires_grad_(True)
        u = targets.u[rows].requires_grad_(True)
        graph = replicate(element, positions, network.settings.cutoff)
        energy = network(graph, u.flatten(0, 1))
        gradients = torch.autograd.grad(energy.sum(), (positions, u), create_graph=differentiable)
        through_density = torch.einsum("tk,tkx->tx", gradients[1].flatten(1), targets.jacobian[rows])
        forces = -(gradients[0] + through_density.reshape(positions.shape))
        return energy - targets.energy[rows], forces - targets.forces[rows]

    return error
