"""Training of the density model in the Coulomb metric, with some of the overlap metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from densnet.io.fingerprint import fingerprint
from densnet.models.checkpoint import save_model
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.graph import joined, with_neighbours
from densnet.models.repulsion import closest_distances
from densnet.models.settings import DensityModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.training import ranks
from densnet.training.frames import (
    DensityTargets,
    Labels,
    coefficient_scales,
    density_targets,
    metrics,
)
from densnet.training.label_files import (
    LEVEL_ATTRIBUTES,
    LabelPaths,
    by_file,
    described,
    free_atoms,
    load_label_files,
    paths_of,
)
from densnet.training.loop import TrainingRun
from densnet.training.settings import DensityTrainingSettings
from densnet.units import E_ANGSTROM_IN_DEBYE, HARTREE_IN_MILLIHARTREE

METHOD_VERSION: int = 5


@dataclass(frozen=True)
class DensityFrames:
    """One molecule's frames as tensors.

    Attributes:
        element: index into the model's elements, (a,).
        index: where its coefficients stand in its flattened blocks, (k,).
        train: what is learned from.
        validation: what the best weights are chosen by.
        coulomb: the validation frames' Coulomb matrices alone, as :func:`densnet.training.frames.metrics` gives them.
    """

    element: torch.Tensor
    index: torch.Tensor
    train: DensityTargets
    validation: DensityTargets
    coulomb: torch.Tensor


def train_density(
    labels: LabelPaths, model: DensityModelSettings, training: DensityTrainingSettings, *, output: Path, log: Path
) -> DenSNet:
    """Train a density model on the ``train`` frames of label files, choosing weights on ``validation``.

    loss = mean over frames of (x - x̂)ᵀ L⁻¹ (J + w S) L⁻ᵀ (x - x̂) + dipole_weight |μ - μ̂|², w = overlap_weight: the
    Coulomb self-energy of the density error in Hartree, and its square integrated. The kernel of J falls as 4π/k² with
    the wave number k, that of w S is constant; they are equal at k = (4π/w)^½.

    With several files, a batch has frames of any of them, as they come in a seeded permutation of all. Each term grows
    with the molecule as its atoms do, so that the mean over frames weighs every atom alike: divided by the molecule's
    size, the atoms of the long chains, which are the fewest, would count least.

    Raises:
        DensnetError: labels unusable or not alike, more frames asked for than there are, or the loss diverges.
    """
    paths = paths_of(labels)
    files = load_label_files(paths, max_units=training.max_units, n_train=training.n_train)
    whitened = WhitenedBasis(files[0].basis, files[0].elements)
    memory_gib = training.metric_memory_gib / len(files)
    frames = [density_frames(one, whitened, model, training, output.parent, memory_gib) for one in files]
    network = initial_model(files, model, whitened, [one.train for one in frames], training.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    frames = [on_device(one, device) for one in frames]
    identity = {
        "labels": [fingerprint(path) for path in paths],
        "model": asdict(model),
        "training": {**asdict(training), "checkpoint_seconds": None, "metric_memory_gib": None},
        "method_version": METHOD_VERSION,
    }
    alike = len(frames) == 1 and frames[0].train.metric.is_cuda
    run = TrainingRun(network, training, identity=identity, checkpoint=_checkpoint(output), log=log, alike=alike)
    n_train = [len(one.train.x) for one in frames]

    def loss_of(rows: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        parts = [(frames[number], frames[number].train, own) for number, own in by_file(rows, n_train)]
        return density_loss(network, parts, training.dipole_weight)[0] * (len(rows) / len(batch))

    def validate() -> dict[str, float]:
        parts = [(one, one.validation, torch.arange(len(one.validation.x))) for one in frames]
        with torch.no_grad():
            loss, predicted, dipole = density_loss(network, parts, training.dipole_weight)
            energies = [
                replace(targets, metric=one.coulomb).error_energy(rows, x)
                for (one, targets, rows), x in zip(parts, predicted, strict=True)
            ]
        return {
            "validation_loss": float(loss),
            "validation_coulomb_error_mha": float(torch.cat(energies).mean()) * HARTREE_IN_MILLIHARTREE,
            "validation_dipole_mae_debye": float(dipole.norm(dim=1).mean()) * E_ANGSTROM_IN_DEBYE,
        }

    run.run(sum(n_train), loss_of, validate, "validation_loss")
    result = DenSNet(network.cpu().eval(), None, free_atoms(files[0], whitened))
    if ranks.is_first():
        save_model(result, output, provenance=provenance(files, asdict(training), n_train))
    run.discard_checkpoint()
    return result


def density_frames(
    labels: Labels,
    whitened: WhitenedBasis,
    model: DensityModelSettings,
    training: DensityTrainingSettings,
    folder: Path,
    memory_gib: float,
) -> DensityFrames:
    """Return the training and validation frames of a molecule, with what the loss needs; arguments as in
    :func:`densnet.training.frames.density_targets`.
    """
    rows = {"train": labels.frames("train", training.n_train), "validation": labels.frames("validation")}
    targets = {
        split: density_targets(
            labels,
            whitened,
            r,
            model.target,
            cutoff=model.cutoff,
            overlap_weight=training.overlap_weight,
            folder=folder,
            memory_gib=memory_gib,
        )
        for split, r in rows.items()
    }
    return DensityFrames(
        element=torch.tensor([whitened.elements.index(int(z)) for z in labels.numbers]),
        index=whitened.flat_index(labels.numbers),
        coulomb=metrics(labels, whitened, rows["validation"], 0.0, folder=folder, memory_gib=memory_gib),
        **targets,
    )


def on_device(frames: DensityFrames, device: torch.device) -> DensityFrames:
    """Move to a device what training reads, the metrics where there is room."""
    moved = {name: getattr(frames, name).to(device) for name in ("element", "index", "train", "validation")}
    return replace(frames, **moved)


def density_loss(
    network: DensityModel, parts: Sequence[tuple[DensityFrames, DensityTargets, torch.Tensor]], dipole_weight: float
) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    """Return the loss of rows of each molecule's targets, its predictions x (T, k), and all dipole errors (T, 3)."""
    cutoff = network.settings.cutoff
    graph = joined(
        [
            with_neighbours(one.element, targets.positions[rows], targets.neighbour[rows], cutoff)
            for one, targets, rows in parts
        ]
    )
    x, _ = network(graph)
    predicted = [
        blocks.reshape(len(rows), -1)[:, one.index]
        for blocks, (one, _, rows) in zip(
            x.split([len(rows) * len(one.element) for one, _, rows in parts]), parts, strict=True
        )
    ]
    energies = [targets.error_energy(rows, own) for (_, targets, rows), own in zip(parts, predicted, strict=True)]
    reference = torch.cat([targets.dipole[rows] for _, targets, rows in parts])
    error = network.whitened.electronic_dipole(x, graph) - reference
    return torch.cat(energies).mean() + dipole_weight * error.square().sum(1).mean(), predicted, error


def initial_model(
    labels: Sequence[Labels],
    settings: DensityModelSettings,
    whitened: WhitenedBasis,
    train: Sequence[DensityTargets],
    seed: int,
) -> DensityModel:
    """Return a density model with seeded weights and the scales of the training set, float32."""
    torch.manual_seed(seed)
    network = DensityModel(
        settings,
        WhitenedBasis(whitened.basis, whitened.elements),
        charge=labels[0].charge,
        mean_neighbours=mean_neighbours([targets.positions for targets in train], settings.cutoff),
    ).float()
    learned = [(one.numbers, targets.x) for one, targets in zip(labels, train, strict=True)]
    network.set_scales(*coefficient_scales(whitened, learned, settings.target))
    geometries = [(file.numbers, targets.positions) for file, targets in zip(labels, train, strict=True)]
    network.edges.closest.copy_(closest_distances(whitened.elements, geometries))
    return network


def mean_neighbours(positions: Sequence[torch.Tensor], cutoff: float) -> float:
    """Return the mean number of neighbours within the cutoff over frames (T, a, 3) of each molecule, at least one."""
    near, atoms = 0.0, 0
    for frames in positions:
        own = frames.shape[0] * frames.shape[1]
        near, atoms = near + float((torch.cdist(frames, frames) < cutoff).sum() - own), atoms + own
    return max(near / atoms, 1.0)


def provenance(labels: Sequence[Labels], training: dict[str, Any], n_train: Sequence[int]) -> dict[str, Any]:
    """Return what a model file keeps of its making: the level of theory, molecules, settings, sizes, versions."""
    attributes = labels[0].dataset.attrs
    level = {name: np.asarray(attributes[name]).item() for name in LEVEL_ATTRIBUTES if name in attributes}
    return {
        "level": level,
        "labels": labels[0].settings,
        "molecules": described(labels, n_train),
        "training": training,
        "n_train": sum(n_train),
        "seed": training["seed"],
        "method_version": METHOD_VERSION,
    }


def _checkpoint(output: Path) -> Path:
    return output.with_name(output.name + ".checkpoint")
