"""Training of the density model in the Coulomb metric, with some of the overlap metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from densnet.io.fingerprint import fingerprint
from densnet.models.checkpoint import load_model
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.graph import joined, with_neighbours
from densnet.models.repulsion import closest_distances
from densnet.models.settings import DensityModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.step_kernels import step_kernels
from densnet.training import ranks
from densnet.training.density_targets import DensityFrames, DensityTargets, coefficient_scales, density_frames
from densnet.training.loop import TrainingRun
from densnet.training.settings import DensityTrainingSettings
from densnet.training.start import taken_over
from densnet.training.training_set import LabelPaths, TrainingSet, free_atoms, mean_neighbours
from densnet.units import E_ANGSTROM_IN_DEBYE, HARTREE_IN_MILLIHARTREE

METHOD_VERSION: int = 5


def train_density(
    labels: LabelPaths,
    model: DensityModelSettings,
    training: DensityTrainingSettings,
    *,
    output: Path,
    log: Path,
    start: Path | None = None,
) -> DenSNet:
    """Train a density model on the ``train`` frames of label files, choosing weights on ``validation``.

    loss = mean over frames of (x - x̂)ᵀ L⁻¹ (J + w S) L⁻ᵀ (x - x̂) + dipole_weight |μ - μ̂|², w = overlap_weight: the
    Coulomb self-energy of the density error in Hartree, and its square integrated. The kernel of J falls as 4π/k² with
    the wave number k, that of w S is constant; they are equal at k = (4π/w)^½.

    With several files, a batch has frames of any of them, as they come in a seeded permutation of all. Each term grows
    with the molecule as its atoms do, so that the mean over frames weighs every atom alike: divided by the molecule's
    size, the atoms of the long chains, which are the fewest, would count least.

    Args:
        labels: files of molecules of any sizes.
        model: architecture.
        training: lengths, rates and weights.
        output: the model file.
        log: CSV of validation errors.
        start: a model that learned from some of these labels, to begin with its weights and scales; its architecture
            must be the same.

    Raises:
        DensnetError: labels unusable or not alike, more frames asked for than there are, another architecture or fit
            basis to start from, or the loss diverges.
    """
    data = TrainingSet.read(labels, max_units=training.max_units, n_train=training.n_train)
    whitened = WhitenedBasis(data.files[0].basis, data.files[0].elements)
    frames = density_frames(
        data,
        whitened,
        model,
        overlap_weight=training.overlap_weight,
        folder=output.parent,
        memory_gib=training.metric_memory_gib,
    )
    network = initial_model(data, model, whitened, [molecule.train for molecule in frames], training.seed)
    if start is not None:
        network = taken_over(load_model(start).density, network, start)
    network.to(ranks.device())
    frames = [molecule.to(ranks.device()) for molecule in frames]
    identity = {"labels": data.fingerprints, "model": asdict(model), "method_version": METHOD_VERSION}
    identity |= {} if start is None else {"start": fingerprint(start)}
    alike = len(frames) == 1 and frames[0].train.metric.is_cuda
    run = TrainingRun(network, training, identity=identity, output=output, log=log, alike=alike)

    def loss_of(rows: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        parts = [(frames[number], frames[number].train, within) for number, within in data.by_file(rows)]
        return density_loss(network, parts, training.dipole_weight)[0] * (len(rows) / len(batch))

    def validate() -> dict[str, float]:
        loss, errors = validation_errors(network, frames, training.dipole_weight)
        return {"validation_loss": float(loss), **errors}

    with step_kernels(network):
        run.run(sum(data.n_train), loss_of, validate, "validation_loss")
    trained = DenSNet(network.cpu().eval(), None, free_atoms(data.files[0], whitened))
    run.finish(trained, provenance(data, training), output)
    return trained


def density_loss(
    network: DensityModel, parts: Sequence[tuple[DensityFrames, DensityTargets, torch.Tensor]], dipole_weight: float
) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    """Return the loss of rows of each molecule's targets, its predictions x (t, k), and all dipole errors (t, 3)."""
    cutoff = network.settings.cutoff
    graph = joined(
        [
            with_neighbours(molecule.element, targets.positions[rows], targets.neighbour[rows], cutoff)
            for molecule, targets, rows in parts
        ]
    )
    x, _ = network(graph)
    atoms = [len(rows) * len(molecule.element) for molecule, _, rows in parts]
    predicted = [
        blocks.reshape(len(rows), -1)[:, molecule.index]
        for blocks, (molecule, _, rows) in zip(x.split(atoms), parts, strict=True)
    ]
    energies = [targets.error_energy(rows, c) for (_, targets, rows), c in zip(parts, predicted, strict=True)]
    reference = torch.cat([targets.dipole[rows] for _, targets, rows in parts])
    error = network.whitened.electronic_dipole(x, graph) - reference
    return torch.cat(energies).mean() + dipole_weight * error.square().sum(1).mean(), predicted, error


@torch.no_grad()
def validation_errors(
    network: DensityModel, frames: Sequence[DensityFrames], dipole_weight: float
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the loss of all validation frames, and errors of density and dipole by name."""
    parts = [(molecule, molecule.validation, torch.arange(len(molecule.validation.x))) for molecule in frames]
    loss, predicted, dipole = density_loss(network, parts, dipole_weight)
    energies = [
        replace(targets, metric=molecule.coulomb).error_energy(rows, x)
        for (molecule, targets, rows), x in zip(parts, predicted, strict=True)
    ]
    return loss, {
        "validation_coulomb_error_mha": float(torch.cat(energies).mean()) * HARTREE_IN_MILLIHARTREE,
        "validation_dipole_mae_debye": float(dipole.norm(dim=1).mean()) * E_ANGSTROM_IN_DEBYE,
    }


def initial_model(
    data: TrainingSet,
    settings: DensityModelSettings,
    whitened: WhitenedBasis,
    train: Sequence[DensityTargets],
    seed: int,
) -> DensityModel:
    """Return a density model with seeded weights and the scales of the training set, float32."""
    torch.manual_seed(seed)
    geometries = data.geometries()
    network = DensityModel(
        settings,
        WhitenedBasis(whitened.basis, whitened.elements),
        charge=data.files[0].charge,
        mean_neighbours=mean_neighbours(geometries, settings.cutoff),
    ).float()
    learned = [(labels.numbers, targets.x) for labels, targets in zip(data.files, train, strict=True)]
    network.set_scales(*coefficient_scales(whitened, learned, settings.target))
    network.edges.closest.copy_(closest_distances(whitened.elements, geometries))
    return network


def provenance(data: TrainingSet, training: DensityTrainingSettings) -> dict[str, Any]:
    """Return what a model file keeps of its making: the level of theory, molecules, settings, sizes, versions."""
    return {
        "level": data.level(),
        "labels": data.files[0].settings,
        "free_atom_energies": _free_atom_energies(data),
        "molecules": data.molecules(),
        "training": asdict(training),
        "n_train": sum(data.n_train),
        "seed": training.seed,
        "method_version": METHOD_VERSION,
    }


def _free_atom_energies(data: TrainingSet) -> dict[str, float]:
    """Return the free atoms' energies in eV, by atomic number."""
    first = data.files[0].dataset
    pairs = zip(first["element"].values.tolist(), first["atomic_energy"].values.tolist(), strict=True)
    return {str(int(z)): float(energy) for z, energy in pairs}
