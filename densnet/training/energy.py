"""Training of the energy model on the densities that the density model predicts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.models.checkpoint import load_model, read_description
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.domain import Domain
from densnet.models.energy_model import EnergyModel
from densnet.models.graph import joined, replicate, with_neighbours
from densnet.models.repulsion import closest_distances
from densnet.models.settings import EnergyModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.step_kernels import step_kernels
from densnet.training import ranks
from densnet.training.density_response import ThroughDensity, read_density
from densnet.training.energy_targets import EnergyErrors, EnergyLoss, EnergyTargets, Rows, energy_targets, errors_of
from densnet.training.fine_tuning import fine_tune
from densnet.training.labels import Labels
from densnet.training.loop import TrainingRun
from densnet.training.settings import EnergyTrainingSettings
from densnet.training.start import taken_over
from densnet.training.training_set import LabelPaths, TrainingSet, mean_neighbours

METHOD_VERSION: int = 5
ATOMS_AT_ONCE = 512
"""Of the frames whose energies are predicted together; more would want more memory and gain no time."""


def train_energy(
    labels: LabelPaths,
    density_path: Path,
    model: EnergyModelSettings,
    training: EnergyTrainingSettings,
    *,
    output: Path,
    combined: Path,
    log: Path,
    start: Path | None = None,
) -> DenSNet:
    """Train an energy model on the ``train`` frames of label files, with the density model frozen.

    With the density model frozen, u(R) and du/dR are constants of a frame: computed once, the force of the whole
    is F = -(∂E/∂R + ∂E/∂u · du/dR), and the energy model trains alone. Where the du/dR of all frames need more memory
    than allowed, ∂E/∂u · du/dR is made anew in each step by one pass forth and back through the density model
    (:class:`densnet.training.density_response.ThroughDensity`), at twice the time a step and the same result.
    The energy reads the density, so that an energy model is of use only with its density model: ``output`` and
    ``combined`` both hold the two of them.

    The densities of the labels are not used, so that labels with energies and forces alone do, except for fine-tuning.

    With several files, errors of the energy are weighed an atom of a molecule (a long chain counts as much as a short
    one), those of forces a component (every atom counts alike).

    Args:
        labels: files of molecules of any sizes.
        density_path: the density model.
        model: architecture.
        training: lengths, rates and weights.
        output: the model file.
        combined: the same once more.
        log: CSV of validation errors.
        start: a model that learned from some of these labels, to begin with the weights and scales of its energy.

    Raises:
        DensnetError: labels or density model unusable, or not of the same basis; another architecture to start from;
            the loss diverges.
    """
    data = TrainingSet.read(
        labels, max_units=training.max_units, n_train=training.n_train, densities=bool(training.fine_tune_steps)
    )
    before = load_model(density_path)
    density, first = before.density, data.files[0]
    if density.whitened.basis != first.basis or density.whitened.elements != first.elements:
        raise DensnetError(
            f"{density_path}: expected a model of the labels' fit basis {first.basis.name!r} and elements "
            f"{first.elements}, found {density.whitened.basis.name!r} and {density.whitened.elements}; train it again"
        )
    scale = usual_force(data)
    network = initial_model(data, model, density.whitened, scale, training.seed)
    if start is not None:
        network = taken_over(load_model(start).energy, network, start)
        scale = float(network.scale)
    if not density.edges.closest.any():
        print("densnet: an earlier version's density model; its closest distances are these labels'", file=sys.stderr)
        density.edges.closest.copy_(network.edges.closest)
    density.to(ranks.device())
    rows = [data.train, data.validation]
    frames = [(labels, len(taken)) for split in rows for labels, taken in zip(data.files, split, strict=True)]
    size = sum(count * _jacobian_bytes(labels, network) for labels, count in frames)
    stored = size <= training.jacobian_memory_gib * 2**30
    train, validation = (
        [
            energy_targets(labels, density, network, taken, stored=stored, device=ranks.device())
            for labels, taken in zip(data.files, split, strict=True)
        ]
        for split in rows
    )
    network.to(ranks.device())
    identity = {
        "labels": data.fingerprints,
        "density": fingerprint(density_path),
        "model": asdict(model),
        "method_version": METHOD_VERSION,
    }
    identity |= {} if start is None else {"start": fingerprint(start)}
    alike = len(data.files) == 1 and stored
    run = TrainingRun(network, training, identity=identity, output=output, log=log, alike=alike)
    energy_loss = EnergyLoss(training.energy_weight, training.force_weight, scale)

    def loss_of(rows: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        parts = [(train[number], within) for number, within in data.by_file(rows)]
        return energy_loss(frozen_errors(network, density, parts, differentiable=True), data.share_of(rows, batch))

    def validate() -> dict[str, float]:
        parts = [(targets, torch.arange(len(targets.energy))) for targets in validation]
        return frozen_errors(network, density, parts, differentiable=False).by_name()

    with step_kernels(network):
        run.run(sum(data.n_train), loss_of, validate, "validation_force_mae_mev_per_angstrom")
    history = read_description(density_path)["provenance"]
    if training.fine_tune_steps:
        fine_tune(
            network,
            density,
            data,
            train,
            validation,
            replace(training, steps=training.fine_tune_steps, learning_rate=training.fine_tune_rate),
            energy_loss=energy_loss,
            density_weight=training.density_weight,
            of_density=history["training"],
            identity={"after": run.identity},
            output=output.with_name(output.name + ".fine_tuning"),
            log=log.with_name(f"{log.stem}_fine_tuning{log.suffix}"),
        )
    network.least.copy_(least_energies(network, density, train))
    geometries = [(numbers, positions.double()) for numbers, positions in data.geometries()]
    domain = Domain.of(first.elements, max(density.settings.cutoff, network.settings.cutoff), geometries)
    trained = DenSNet(density.cpu().eval(), network.cpu().eval(), before.free_atoms, domain)
    made = {
        "energy_training": asdict(training),
        "energy_molecules": data.molecules(),
        "energy_level": data.level(),
        "energy_method_version": METHOD_VERSION,
    }
    run.finish(trained, history | made, output, combined)
    return trained


def initial_model(
    data: TrainingSet, settings: EnergyModelSettings, whitened: WhitenedBasis, scale: float, seed: int
) -> EnergyModel:
    """Return an energy model with seeded weights, the usual force and the training set's energies, float32."""
    torch.manual_seed(seed)
    geometries = data.geometries()
    network = EnergyModel(settings, whitened, mean_neighbours=mean_neighbours(geometries, settings.cutoff)).float()
    network.set_scales(scale, reference_energies(list(zip(data.files, data.train, strict=True)), whitened.elements))
    network.edges.closest.copy_(closest_distances(whitened.elements, geometries))
    return network


@torch.no_grad()
def least_energies(network: EnergyModel, density: DensityModel, train: Sequence[EnergyTargets]) -> torch.Tensor:
    """Return the least learned energy of an atom of each element over the training frames, (z,) in eV."""
    least = torch.full_like(network.least, torch.inf)
    for targets in train:
        for positions in targets.positions.split(max(ATOMS_AT_ONCE // len(targets.element), 1)):
            _, u = density(replicate(targets.element, positions, density.settings.cutoff))
            graph = replicate(targets.element, positions, network.settings.cutoff)
            least.scatter_reduce_(0, graph.element, network.learned(graph, u), "amin")
    return torch.where(torch.isfinite(least), least, -torch.inf)


def usual_force(data: TrainingSet) -> float:
    """Return the root of the median over training frames of a frame's mean square force component, eV/Angstrom.

    Strained frames, with forces ten times as large, hardly move it.
    """
    forces = [labels.dataset["forces"].values[rows] for labels, rows in zip(data.files, data.train, strict=True)]
    return float(np.sqrt(np.median(np.concatenate([np.square(frames).mean(axis=(1, 2)) for frames in forces]))))


def reference_energies(learned: Sequence[tuple[Labels, np.ndarray]], elements: tuple[int, ...]) -> torch.Tensor:
    """Return E_Z (z,) in eV: free atoms' energies, an equal share of the mean binding energy, and of several molecules
    what least squares over their compositions still gives each element; float64.

    Args:
        learned: label files and the rows of their training frames.
        elements: atomic numbers.
    """
    first, _ = learned[0]
    table = dict(
        zip(first.dataset["element"].values.tolist(), first.dataset["atomic_energy"].values.tolist(), strict=True)
    )
    binding = np.array(
        [
            float(labels.dataset["energy"].values[rows].mean()) - sum(table[int(z)] for z in labels.numbers)
            for labels, rows in learned
        ]
    )
    atoms = np.array([len(labels.numbers) for labels, _ in learned])
    share = float(binding.sum() / atoms.sum())
    offsets = np.zeros(len(elements))
    if len(learned) > 1:
        composition = np.array([[np.count_nonzero(labels.numbers == z) for z in elements] for labels, _ in learned])
        # each molecule by the square root of its frames over its atoms: an error an atom, as in the loss
        weight = np.sqrt([len(rows) for _, rows in learned]) / atoms
        left = binding - share * atoms
        offsets = np.linalg.lstsq(composition * weight[:, None], left * weight, rcond=1e-10)[0]
    return torch.tensor([table[z] + share + offset for z, offset in zip(elements, offsets, strict=True)]).double()


def _jacobian_bytes(labels: Labels, network: EnergyModel) -> int:
    """Return the memory of one frame's du/dR."""
    n_atoms = len(labels.numbers)
    return 4 * n_atoms * (network.l_density + 1) ** 2 * network.density.weight.shape[1] * n_atoms * 3


def frozen_errors(
    network: EnergyModel, density: DensityModel, parts: Sequence[Rows], *, differentiable: bool
) -> EnergyErrors:
    """Return the errors of some rows of each molecule, forces through the density model as it was when it was read.

    Positions enter the network by harmonics and radial functions of its edges alone. Those of a frame never change, so
    that ∂E/∂R is their slopes, which the weights decide, times constants.
    """
    us = [targets.u[rows].requires_grad_(True) for targets, rows in parts]
    cutoff = network.settings.cutoff
    graph = joined(
        [
            with_neighbours(targets.element, targets.positions[rows], targets.neighbour[rows], cutoff)
            for targets, rows in parts
        ]
    )
    r, directions = graph.edges()
    edges = network.edges(graph.element, graph.sender, r, directions).as_variables()
    energy = network(graph, torch.cat([u.flatten(0, 1) for u in us]), edges)
    slopes = torch.autograd.grad(energy.sum(), (*edges.variables, *us), create_graph=differentiable)
    of_edges, of_us = slopes[: len(edges.variables)], slopes[len(edges.variables) :]
    of_all = graph.pulled_back(network.edges.pulled_back(edges, r, directions, of_edges))
    of_parts = of_all.split([len(rows) * len(targets.element) for targets, rows in parts])
    forces = []
    for (targets, rows), of_positions, of_u in zip(parts, of_parts, of_us, strict=True):
        if targets.jacobian is None:
            response = ThroughDensity.apply(
                of_u, read_density(density, targets.element, network.l_density), targets.positions[rows]
            )
        else:
            response = torch.einsum("tk,tkx->tx", of_u.flatten(1), targets.jacobian[rows])
        shape = targets.positions[rows].shape
        forces.append(-(of_positions.reshape(shape) + response.reshape(shape)))
    return errors_of(energy, forces, parts)
