"""Training of the density model in the Coulomb metric, with some of the overlap metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.models.checkpoint import save_model
from densnet.models.density_model import DensityModel, DensityModelSettings
from densnet.models.densnet_model import DenSNet
from densnet.models.graph import Graph, replicate
from densnet.models.whitened_basis import WhitenedBasis
from densnet.training.frames import (
    DensityTargets,
    Labels,
    coefficient_scales,
    density_targets,
    load_labels,
    metrics,
)
from densnet.training.loop import LoopSettings, Training
from densnet.units import E_ANGSTROM_IN_DEBYE, HARTREE_IN_MILLIHARTREE

METHOD_VERSION: int = 4

LEVEL_ATTRIBUTES = ("functional", "basis", "dispersion", "psi4_version", "charge", "multiplicity")
"""Attributes of a label file that name the level of theory."""


@dataclass(frozen=True)
class DensityTrainingSettings(LoopSettings):
    """How the density model is trained."""

    overlap_weight: float = 300.0
    """Bohr²: weight w of ∫ Δρ² beside the Coulomb self-energy, which hardly sees short waves of the density's error."""
    dipole_weight: float = 60.0
    """Hartree per (e Angstrom)²: both metrics hardly see the dipole, so it has its own weight."""
    metric_memory_gib: float = 4.0
    """Most memory for the frames' metrics; above it they lie in a file beside the output."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        super().__post_init__()
        for field in ("overlap_weight", "dipole_weight"):
            if not getattr(self, field) >= 0:
                raise DensnetError(
                    f"training {field}: expected zero or a positive number, found {getattr(self, field)}"
                )


def train_density(
    labels_path: Path, model: DensityModelSettings, training: DensityTrainingSettings, *, output: Path, log: Path
) -> DenSNet:
    """Train a density model on the ``train`` frames of a label file, choosing weights on ``validation``.

    loss = mean over frames of (x - x̂)ᵀ L⁻¹ (J + w S) L⁻ᵀ (x - x̂) + dipole_weight |μ - μ̂|², w = overlap_weight: the
    Coulomb self-energy of the density error in Hartree, and its square integrated. The kernel of J falls as 4π/k² with
    the wave number k, that of w S is constant; they are equal at k = (4π/w)^½.

    Raises:
        DensnetError: labels unusable, more frames asked for than there are, or the loss diverges.
    """
    labels = load_labels(labels_path)
    rows = {"train": labels.frames("train", training.n_train), "validation": labels.frames("validation")}
    whitened = WhitenedBasis(labels.basis, labels.elements)
    targets = {
        split: density_targets(
            labels,
            whitened,
            r,
            model.target,
            overlap_weight=training.overlap_weight,
            folder=output.parent,
            memory_gib=training.metric_memory_gib,
        )
        for split, r in rows.items()
    }
    coulomb = metrics(
        labels, whitened, rows["validation"], 0.0, folder=output.parent, memory_gib=training.metric_memory_gib
    )
    network = initial_model(labels, model, whitened, targets["train"], training.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    predict = _prediction_function(network, labels, device)
    train, validation = targets["train"].to(device), targets["validation"].to(device)
    identity = {
        "labels": fingerprint(labels_path),
        "model": asdict(model),
        "training": {**asdict(training), "checkpoint_seconds": None, "metric_memory_gib": None},
        "method_version": METHOD_VERSION,
    }
    run = Training(network, training, identity=identity, checkpoint=_checkpoint(output), log=log)

    def loss_and_errors(targets: DensityTargets, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, dipole = predict(targets.positions[rows])
        error = dipole - targets.dipole[rows]
        loss = targets.error_energy(rows, x).mean() + training.dipole_weight * error.square().sum(1).mean()
        return loss, x, error

    def validate() -> dict[str, float]:
        every = torch.arange(len(validation.x))
        with torch.no_grad():
            loss, x, dipole = loss_and_errors(validation, every)
            energy = replace(validation, metric=coulomb).error_energy(every, x)
        return {
            "validation_loss": float(loss),
            "validation_coulomb_error_mha": float(energy.mean()) * HARTREE_IN_MILLIHARTREE,
            "validation_dipole_mae_debye": float(dipole.norm(dim=1).mean()) * E_ANGSTROM_IN_DEBYE,
        }

    run.run(len(train.x), lambda batch: loss_and_errors(train, batch)[0], validate, "validation_loss")
    result = DenSNet(network.cpu().eval(), None, free_atoms(labels, whitened))
    save_model(result, output, provenance=provenance(labels, asdict(training), len(rows["train"])))
    run.discard_checkpoint()
    return result


def initial_model(
    labels: Labels, settings: DensityModelSettings, whitened: WhitenedBasis, train: DensityTargets, seed: int
) -> DensityModel:
    """Return a density model with seeded weights and the scales of the training set, float32."""
    torch.manual_seed(seed)
    network = DensityModel(
        settings,
        WhitenedBasis(whitened.basis, whitened.elements),
        charge=labels.charge,
        mean_neighbours=mean_neighbours(train.positions, settings.cutoff),
    ).float()
    network.set_scales(*coefficient_scales(whitened, labels.numbers, train.x, settings.target))
    return network


def mean_neighbours(positions: torch.Tensor, cutoff: float) -> float:
    """Return the mean number of neighbours within the cutoff over frames (T, a, 3), at least one."""
    near = (torch.cdist(positions, positions) < cutoff).sum() - positions.shape[0] * positions.shape[1]
    return max(float(near) / (positions.shape[0] * positions.shape[1]), 1.0)


def free_atoms(labels: Labels, whitened: WhitenedBasis) -> torch.Tensor:
    """Return the prior's s coefficients of each element (z, n) from a label file."""
    layout, prior = labels.basis.layout(labels.numbers), labels.dataset["prior"].values
    table = torch.zeros(len(whitened.elements), whitened.n_max, dtype=torch.float64)
    for z, number in enumerate(whitened.elements):
        atom = int(np.flatnonzero(labels.numbers == number)[0])
        values = prior[(layout.atom == atom) & (layout.l == 0)]
        table[z, : len(values)] = torch.as_tensor(values)
    return table


def provenance(labels: Labels, training: dict[str, Any], n_train: int) -> dict[str, Any]:
    """Return what a model file keeps of its making: the level of theory, settings, sizes, versions."""
    attributes = labels.dataset.attrs
    level = {name: np.asarray(attributes[name]).item() for name in LEVEL_ATTRIBUTES if name in attributes}
    return {
        "level": level,
        "labels": labels.settings,
        "training": training,
        "n_train": n_train,
        "seed": training["seed"],
        "method_version": METHOD_VERSION,
    }


def _prediction_function(
    network: DensityModel, labels: Labels, device: torch.device
) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Return a function of positions (T, a, 3) giving whitened coefficients (T, k) and electronic dipoles (T, 3)."""
    element = torch.tensor([network.whitened.elements.index(int(z)) for z in labels.numbers], device=device)
    index = network.whitened.flat_index(labels.numbers).to(device)

    def predict(positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        graph: Graph = replicate(element, positions, network.settings.cutoff)
        x, _ = network(graph)
        return x.reshape(len(positions), -1)[:, index], network.whitened.electronic_dipole(x, graph)

    return predict


def _checkpoint(output: Path) -> Path:
    return output.with_name(output.name + ".checkpoint")
