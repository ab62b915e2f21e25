"""What the density model learns from, as tensors: whitened coefficients, and the metric that weighs their errors."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from densnet.basis.integrals import coulomb, overlap
from densnet.errors import DensnetError
from densnet.models.density_model import DensityModelSettings
from densnet.models.graph import neighbours
from densnet.models.whitened_basis import WhitenedBasis
from densnet.training.labels import Labels
from densnet.training.training_set import TrainingSet
from densnet.units import BOHR_IN_ANGSTROM


@dataclass(frozen=True)
class DensityTargets:
    """What the density model learns from, t frames of i atoms and k coefficients.

    Attributes:
        positions: Angstrom, (t, i, 3), float32.
        neighbour: of each atom, (t, i, j), as :func:`densnet.models.graph.neighbours` gives them.
        x: whitened target coefficients, (t, k), float64.
        metric: of each frame, as :func:`metrics` gives it, in the host's memory, in a file mapped into it, or on the
            device.
        dipole: electronic dipole Σ x_k ∫ r χ_k of the target, e Angstrom, (t, 3).
    """

    positions: torch.Tensor
    neighbour: torch.Tensor
    x: torch.Tensor
    metric: torch.Tensor
    dipole: torch.Tensor

    def to(self, device: torch.device) -> DensityTargets:
        """Move everything to a device, the metric only where it leaves room (:func:`has_room`)."""
        moved = {name: v.to(device) for name, v in vars(self).items() if name != "metric"}
        metric = self.metric.to(device) if has_room(device, self.metric) else self.metric
        return DensityTargets(metric=metric, **moved)

    def error_energy(self, rows: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return Δxᵀ metric Δx of predictions x (t, k) for some rows, (t,), in Hartree."""
        difference = x - self.x[rows].to(x.dtype)
        metric = self.metric[rows if self.metric.is_cuda else rows.cpu()].to(x.device)
        return torch.einsum("tk,tkl,tl->t", difference, metric, difference)


@dataclass(frozen=True)
class DensityFrames:
    """One molecule's frames as tensors.

    Attributes:
        element: index into the model's elements, (i,).
        index: where its coefficients stand in its flattened blocks, (k,).
        train: what is learned from.
        validation: what the best weights are chosen by.
        coulomb: the validation frames' Coulomb matrices alone, as :func:`metrics` gives them.
    """

    element: torch.Tensor
    index: torch.Tensor
    train: DensityTargets
    validation: DensityTargets
    coulomb: torch.Tensor

    def to(self, device: torch.device) -> DensityFrames:
        """Move to a device what training reads, the metrics where there is room."""
        moved = {name: getattr(self, name).to(device) for name in ("element", "index", "train", "validation")}
        return replace(self, **moved)


def has_room(device: torch.device, tensor: torch.Tensor) -> bool:
    """Whether a tensor takes at most a third of what is free on a GPU; that which stays is for the networks."""
    return device.type == "cuda" and 3 * tensor.nbytes <= torch.cuda.mem_get_info(device)[0]


def density_frames(
    data: TrainingSet,
    whitened: WhitenedBasis,
    model: DensityModelSettings,
    *,
    overlap_weight: float,
    folder: Path,
    memory_gib: float,
) -> list[DensityFrames]:
    """Return the training and validation frames of each molecule; arguments as for :func:`density_targets`.

    Raises:
        DensnetError: the metrics fit neither in the memory allowed, shared by all molecules, nor on the disk.
    """
    share = memory_gib / len(data.files)
    frames = []
    for labels, *splits in zip(data.files, data.train, data.validation, strict=True):
        train, validation = (
            density_targets(
                labels,
                whitened,
                rows,
                model.target,
                cutoff=model.cutoff,
                overlap_weight=overlap_weight,
                folder=folder,
                memory_gib=share,
            )
            for rows in splits
        )
        frames.append(
            DensityFrames(
                element=whitened.index_of(labels.numbers),
                index=whitened.flat_index(labels.numbers),
                train=train,
                validation=validation,
                coulomb=metrics(labels, whitened, splits[1], 0.0, folder=folder, memory_gib=share),
            )
        )
    return frames


def density_targets(
    labels: Labels,
    whitened: WhitenedBasis,
    rows: np.ndarray,
    target: str,
    *,
    cutoff: float,
    overlap_weight: float,
    folder: Path,
    memory_gib: float,
) -> DensityTargets:
    """Whiten the coefficients and metrics of some frames.

    Args:
        labels: the label file.
        whitened: its fitting basis, float64.
        rows: frames to take.
        target: ``"delta"`` (prior subtracted) or ``"direct"``.
        cutoff: of the density model, Angstrom.
        overlap_weight: bohr², of the overlap beside the Coulomb matrix.
        folder: where metrics go that need more memory than allowed.
        memory_gib: most memory for them.
    """
    data = labels.dataset.isel(frame=rows)
    c = torch.as_tensor(data["coefficients"].values)
    if target == "delta":
        c = c - torch.as_tensor(data["prior"].values)
    element = whitened.index_of(labels.numbers).repeat(len(rows))
    x = whitened.flat(whitened.whiten(whitened.in_blocks(c, labels.numbers), element), labels.numbers)
    nuclear = np.einsum("i,tix->tx", labels.numbers, data["positions"].values) if target == "direct" else 0.0
    positions = torch.as_tensor(data["positions"].values, dtype=torch.float32)
    return DensityTargets(
        positions=positions,
        neighbour=neighbours(positions, cutoff),
        x=x,
        metric=metrics(labels, whitened, rows, overlap_weight, folder=folder, memory_gib=memory_gib),
        dipole=torch.as_tensor(nuclear - data["dipole"].values, dtype=torch.float32),
    )


def metrics(
    labels: Labels,
    whitened: WhitenedBasis,
    rows: np.ndarray,
    overlap_weight: float,
    *,
    folder: Path,
    memory_gib: float,
) -> torch.Tensor:
    """Return L⁻¹ (J + w S) L⁻ᵀ of some frames, (t, k, k) float32, w = ``overlap_weight`` in bohr².

    xᵀ metric x is (Δρ|Δρ) + w ∫Δρ² in Hartree, of a density Δρ with whitened coefficients x.

    Raises:
        DensnetError: they fit neither in the memory allowed nor on the disk.
    """
    transform = _flat_unwhitening(whitened, labels.numbers)
    metric = _room((len(rows), *transform.shape), folder, memory_gib)
    for frame, positions in enumerate(labels.dataset["positions"].values[rows] / BOHR_IN_ANGSTROM):
        M = coulomb(labels.basis, labels.numbers, positions)
        if overlap_weight > 0:
            M = M + overlap_weight * overlap(labels.basis, labels.numbers, positions)
        metric[frame] = (transform.T @ torch.as_tensor(M) @ transform).float()
    return metric


def _room(shape: tuple[int, ...], folder: Path, memory_gib: float) -> torch.Tensor:
    """Return float32 numbers in memory, or in a file without a name that vanishes with this process."""
    size = math.prod(shape)
    if 4 * size <= memory_gib * 2**30:
        return torch.empty(shape, dtype=torch.float32)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".metric-") as file:
            os.posix_fallocate(file.fileno(), 0, 4 * size)
            return torch.from_file(file.name, shared=True, size=size, dtype=torch.float32).reshape(shape)
    except OSError as error:
        raise DensnetError(
            f"metric_memory_gib: the frames' metrics, {4 * size / 2**30:.1f} GiB, do not fit on the disk of {folder} "
            f"({error.strerror}); free space, raise it or train on fewer frames"
        ) from error


def _flat_unwhitening(whitened: WhitenedBasis, numbers: np.ndarray) -> torch.Tensor:
    """Return L⁻ᵀ of the whole molecule, (k, k), block diagonal."""
    identity = torch.eye(len(whitened.flat_index(numbers)), dtype=torch.float64)
    element = whitened.index_of(numbers).repeat(len(identity))
    return whitened.flat(whitened.coefficients(whitened.in_blocks(identity, numbers), element), numbers).T


def coefficient_scales(
    whitened: WhitenedBasis, learned: Sequence[tuple[np.ndarray, torch.Tensor]], target: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the root mean square of x per element, degree and function (z, l, n), and its mean for l = 0 (z, n).

    For the delta target the mean of the s coefficients is taken off before their spread is measured. For the direct one
    it is zero: an element's mean density would be a prior in all but name, and the two targets would be one.

    Args:
        whitened: the fitting basis.
        learned: of each molecule, atomic numbers (i,) and x of its frames (t, k).
        target: ``"delta"`` or ``"direct"``.
    """
    gathered: dict[tuple[int, int, int], list[torch.Tensor]] = {}
    for numbers, x in learned:
        layout = whitened.basis.layout(numbers)
        z = whitened.index_of(numbers).numpy()[layout.atom]
        for key in sorted({(int(a), int(b), int(c)) for a, b, c in zip(z, layout.l, layout.n, strict=True)}):
            columns = torch.as_tensor((z == key[0]) & (layout.l == key[1]) & (layout.n == key[2]))
            gathered.setdefault(key, []).append(x[:, columns])
    scale = torch.ones(len(whitened.elements), whitened.l_max + 1, whitened.n_max)
    shift = torch.zeros(len(whitened.elements), whitened.n_max)
    for key, of_molecules in gathered.items():
        values = of_molecules[0] if len(of_molecules) == 1 else torch.cat([x.flatten() for x in of_molecules])
        if key[1] == 0 and target == "delta":
            shift[key[0], key[2]] = values.mean()
            values = values - values.mean()
        # functions that never vary would divide by zero; the floor lies far below any that matter
        scale[key] = values.square().mean().sqrt().clamp_min(1e-6)
    return scale, shift
