"""Training of the energy model on the densities that the density model predicts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.models.checkpoint import load_model, read_description, save_model
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel
from densnet.models.graph import joined, neighbours, replicate, with_neighbours
from densnet.models.repulsion import closest_distances
from densnet.models.settings import EnergyModelSettings
from densnet.training import ranks
from densnet.training.density import mean_neighbours
from densnet.training.density_response import ThroughDensity, density_jacobian, read_density
from densnet.training.fine_tuning import Errors, fine_tune, weights_of
from densnet.training.frames import Labels
from densnet.training.label_files import LabelPaths, Share, by_file, described, load_label_files, paths_of, share_of
from densnet.training.loop import TrainingRun
from densnet.training.settings import EnergyTrainingSettings
from densnet.units import EV_IN_MEV

METHOD_VERSION: int = 5
ATOMS_AT_ONCE = 512
"""Of the frames whose energies are predicted together; more would want more memory and gain no time."""


@dataclass(frozen=True)
class EnergyTargets:
    """What the energy model learns from, T frames of a atoms of one molecule.

    Attributes:
        element: index into the model's elements, (a,).
        positions: Angstrom, (T, a, 3).
        neighbour: of each atom, (T, a, k), as :func:`densnet.models.graph.neighbours` gives them.
        u: unscaled predicted density coefficients in blocks, (T, a, lm, n).
        jacobian: du/dR restricted to the degrees that the energy model reads, (T, a · lm · n, a · 3); None if each
            step differentiates the density model.
        energy: eV above the sum of reference energies, (T,).
        forces: eV/Angstrom, (T, a, 3).
        weight: of a frame's errors in the loss, (T,); see :func:`frame_weights`.
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


def train_energy(
    labels: LabelPaths,
    density_path: Path,
    model: EnergyModelSettings,
    training: EnergyTrainingSettings,
    *,
    output: Path,
    combined: Path,
    log: Path,
) -> DenSNet:
    """Train an energy model on the ``train`` frames of label files, with the density model frozen.

    With the density model frozen, u(R) and du/dR are constants of a frame: computed once, the force of the whole
    is F = -(∂E/∂R + ∂E/∂u · du/dR), and the energy model trains alone. Where the du/dR of all frames need more memory
    than allowed, ∂E/∂u · du/dR is made anew in each step by one pass forth and back through the density model
    (:class:`densnet.training.density_response.ThroughDensity`), at twice the time a step and the same result.
    The energy reads the density, so that an energy model is of use only with its density model: ``output`` and
    ``combined`` both hold the two of them.

    With several files, errors of the energy are weighed an atom of a molecule (a long chain counts as much as a short
    one), those of forces a component (every atom counts alike).

    Raises:
        DensnetError: labels or density model unusable, or not of the same basis; the loss diverges.
    """
    paths = paths_of(labels)
    files = load_label_files(paths, max_units=training.max_units, n_train=training.n_train)
    trained = load_model(density_path)
    density = trained.density
    if density.whitened.basis != files[0].basis or density.whitened.elements != files[0].elements:
        raise DensnetError(
            f"{density_path}: expected a model of the labels' fit basis {files[0].basis.name!r} and elements "
            f"{files[0].elements}, found {density.whitened.basis.name!r} and {density.whitened.elements}; train it "
            "again"
        )
    rows = [(one.frames("train", training.n_train), one.frames("validation")) for one in files]
    learned = list(zip(files, (train for train, _ in rows), strict=True))
    torch.manual_seed(training.seed)
    positions = [torch.as_tensor(one.dataset["positions"].values[r], dtype=torch.float32) for one, r in learned]
    network = EnergyModel(model, density.whitened, mean_neighbours=mean_neighbours(positions, model.cutoff)).float()
    scale = usual_force([one.dataset["forces"].values[r] for one, r in learned])
    network.set_scales(scale, reference_energies(learned, density.whitened.elements))
    geometries = [(labels.numbers, frames) for labels, frames in zip(files, positions, strict=True)]
    network.edges.closest.copy_(closest_distances(density.whitened.elements, geometries))
    if not density.edges.closest.any():
        print("densnet: an earlier version's density model; its closest distances are these labels'", file=sys.stderr)
        density.edges.closest.copy_(network.edges.closest)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    density.to(device)
    size = sum(len(r) * _jacobian_bytes(one, network) for one, both in zip(files, rows, strict=True) for r in both)
    stored = size <= training.jacobian_memory_gib * 2**30
    train, validation = (
        [
            energy_targets(one, density, network, both[split], stored=stored, device=device)
            for one, both in zip(files, rows, strict=True)
        ]
        for split in (0, 1)
    )
    network.to(device)
    identity = {
        "labels": [fingerprint(path) for path in paths],
        "density": fingerprint(density_path),
        "model": asdict(model),
        "training": {**asdict(training), "checkpoint_seconds": None},
        "method_version": METHOD_VERSION,
    }
    checkpoint = output.with_name(output.name + ".checkpoint")
    alike = len(files) == 1 and stored
    run = TrainingRun(network, training, identity=identity, checkpoint=checkpoint, log=log, alike=alike)
    n_train = [len(targets.energy) for targets in train]
    n_atoms = [len(targets.element) for targets in train]

    def energy_loss(errors: Errors, weight: torch.Tensor, share: Share) -> torch.Tensor:
        energy, force, atoms = errors
        per_atom = energy / (atoms * scale).float()
        # with the size of the result, which is known, a GPU need not be waited for
        weight_of_atom = weight.repeat_interleave(atoms.long(), output_size=len(force)).unsqueeze(1)
        loss = share.frames * training.energy_weight * (weight * per_atom.square()).mean()
        return loss + share.atoms * training.force_weight * (weight_of_atom * (force / scale).square()).mean()

    def loss_of(rows: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        parts = [(train[number], own) for number, own in by_file(rows, n_train)]
        errors = _errors(network, density, parts, differentiable=True)
        return energy_loss(errors, weights_of(parts), share_of(rows, batch, n_train, n_atoms))

    def validate() -> dict[str, float]:
        parts = [(targets, torch.arange(len(targets.energy))) for targets in validation]
        energy, force, atoms = _errors(network, density, parts, differentiable=False)
        return {
            "validation_force_mae_mev_per_angstrom": float(force.detach().abs().mean()) * EV_IN_MEV,
            "validation_energy_mae_mev_per_atom": float((energy.detach().abs() / atoms).mean()) * EV_IN_MEV,
        }

    run.run(sum(n_train), loss_of, validate, "validation_force_mae_mev_per_angstrom")
    history = read_description(density_path)["provenance"]
    if training.fine_tune_steps:
        fine_tune(
            network,
            density,
            files,
            train,
            validation,
            training,
            energy_loss=energy_loss,
            of_density=history["training"],
            identity=identity,
            checkpoint=output.with_name(output.name + ".fine_tuning.checkpoint"),
            log=log.with_name(f"{log.stem}_fine_tuning{log.suffix}"),
        )
    network.least.copy_(least_energies(network, density, train))
    result = DenSNet(density.cpu().eval(), network.cpu().eval(), trained.free_atoms)
    record = {
        **history,
        "energy_training": asdict(training),
        "energy_molecules": described(files, n_train),
        "energy_method_version": METHOD_VERSION,
    }
    if ranks.is_first():
        save_model(result, output, provenance=record)
        save_model(result, combined, provenance=record)
    run.discard_checkpoint()
    return result


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


def usual_force(forces: Sequence[np.ndarray]) -> float:
    """Return the root of the median over frames (T, a, 3) of a frame's mean square force component, eV/Angstrom.

    Strained frames, with forces ten times as large, hardly move it.
    """
    return float(np.sqrt(np.median(np.concatenate([np.square(frames).mean(axis=(1, 2)) for frames in forces]))))


def frame_weights(forces: torch.Tensor, scale: float) -> torch.Tensor:
    """Return the weights (T,) of frames with forces (T, a, 3): w = 1 / (1 + f² / s²), f² the mean square component.

    Ordinary frames count alike. Where forces are ten times the usual s an error may be ten times as large: unweighted,
    a fifth of strained frames doubles the errors of all others (docs/robustness.md).
    """
    return 1 / (1 + forces.square().mean(dim=(1, 2)) / scale**2)


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
            float(one.dataset["energy"].values[rows].mean()) - sum(table[int(z)] for z in one.numbers)
            for one, rows in learned
        ]
    )
    atoms = np.array([len(one.numbers) for one, _ in learned])
    share = float(binding.sum() / atoms.sum())
    offsets = np.zeros(len(elements))
    if len(learned) > 1:
        composition = np.array([[np.count_nonzero(one.numbers == z) for z in elements] for one, _ in learned])
        # each molecule by the square root of its frames over its atoms: an error an atom, as in the loss
        weight = np.sqrt([len(rows) for _, rows in learned]) / atoms
        left = binding - share * atoms
        offsets = np.linalg.lstsq(composition * weight[:, None], left * weight, rcond=1e-10)[0]
    return torch.tensor([table[z] + share + offset for z, offset in zip(elements, offsets, strict=True)]).double()


def _jacobian_bytes(labels: Labels, network: EnergyModel) -> int:
    """Return the memory of one frame's du/dR."""
    n_atoms = len(labels.numbers)
    return 4 * n_atoms * (network.l_density + 1) ** 2 * network.density.weight.shape[1] * n_atoms * 3


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
    element = torch.tensor([density.whitened.elements.index(int(z)) for z in labels.numbers], device=device)
    positions = torch.as_tensor(data["positions"].values, dtype=torch.float32)
    u, jacobian = density_jacobian(density, element, positions, network.l_density, jacobian=stored)
    base = float(sum(network.atomic_energy[density.whitened.elements.index(int(z))] for z in labels.numbers))
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


def _errors(
    network: EnergyModel,
    density: DensityModel,
    parts: Sequence[tuple[EnergyTargets, torch.Tensor]],
    *,
    differentiable: bool,
) -> Errors:
    """Return errors of energies (T,) and forces (atoms, 3) of some rows of each molecule, and atoms of each (T,)."""
    positions = [targets.positions[rows].requires_grad_(True) for targets, rows in parts]
    us = [targets.u[rows].requires_grad_(True) for targets, rows in parts]
    cutoff = network.settings.cutoff
    graph = joined(
        [
            with_neighbours(t.element, r, t.neighbour[rows], cutoff)
            for (t, rows), r in zip(parts, positions, strict=True)
        ]
    )
    energy = network(graph, torch.cat([u.flatten(0, 1) for u in us]))
    gradients = torch.autograd.grad(energy.sum(), (*positions, *us), create_graph=differentiable)
    errors = []
    for (targets, rows), of_positions, of_u in zip(
        parts, gradients[: len(parts)], gradients[len(parts) :], strict=True
    ):
        if targets.jacobian is None:
            response = ThroughDensity.apply(
                of_u, read_density(density, targets.element, network.l_density), targets.positions[rows]
            )
        else:
            response = torch.einsum("tk,tkx->tx", of_u.flatten(1), targets.jacobian[rows]).reshape(of_positions.shape)
        errors.append((-(of_positions + response) - targets.forces[rows]).flatten(0, 1))
    reference = torch.cat([targets.energy[rows] for targets, rows in parts])
    atoms = [torch.full((len(rows),), float(len(t.element)), device=energy.device).double() for t, rows in parts]
    return energy - reference, torch.cat(errors), torch.cat(atoms)
