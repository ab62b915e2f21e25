"""What the response model learns from, as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, settings_of
from densnet.models.graph import neighbours
from densnet.models.whitened_basis import WhitenedBasis
from densnet.training.density_targets import metrics
from densnet.training.labels import Labels
from densnet.units import POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV

METRIC_MEMORY_GIB = 4.0
"""Above it the metrics lie in a file."""


@dataclass(frozen=True)
class ResponseTargets:
    """t frames of i atoms and k coefficients.

    Attributes:
        positions: Angstrom, (t, i, 3), float32.
        neighbour: of each atom, (t, i, j).
        x: whitened coefficients of ρ^(1), (t, field, k), float32.
        metric: L⁻¹ (J + w S) L⁻ᵀ of each frame, (t, k, k), float32.
        polarizability: α, (t, x, field), bohr³.
    """

    positions: torch.Tensor
    neighbour: torch.Tensor
    x: torch.Tensor
    metric: torch.Tensor
    polarizability: torch.Tensor

    def to(self, device: torch.device) -> ResponseTargets:
        """Move everything to a device."""
        return ResponseTargets(**{name: value.to(device) for name, value in vars(self).items()})

    def error_energy(self, rows: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return Σ_y Δx_yᵀ metric Δx_y of predictions x (t, field, k) for some rows, (t,)."""
        difference = x - self.x[rows]
        return torch.einsum("tyk,tkl,tyl->t", difference, self.metric[rows], difference)

    def size(self) -> float:
        """Return the mean of Σ_y x_yᵀ metric x_y, the response's own energy."""
        return float(torch.einsum("tyk,tkl,tyl->t", self.x, self.metric, self.x).mean())


def load_responses(path: Path) -> Labels:
    """Read and check the output of ``densnet response``.

    Raises:
        DensnetError: another kind of file, or another convention.
    """
    variables = ("positions", "numbers", "split", "response_coefficients", "polarizability")
    dataset = read_dataset(path, stage="response", variables=variables)
    if (convention := dataset.attrs.get("coefficient_convention")) != "densnet":
        raise DensnetError(
            f"{path}: expected coefficients in the densnet convention, found {convention!r}; make it anew"
        )
    basis = Basis.from_json(str(dataset.attrs.get("fit_basis")), path)
    return Labels(dataset, basis, np.asarray(dataset["numbers"].values, dtype=int), settings_of(dataset))


def response_targets(
    responses: Labels, whitened: WhitenedBasis, rows: np.ndarray, *, cutoff: float, overlap_weight: float, folder: Path
) -> ResponseTargets:
    """Whiten the coefficients and metrics of some frames; arguments as for the density's targets."""
    data, numbers = responses.dataset.isel(frame=rows), responses.numbers
    c = torch.as_tensor(data["response_coefficients"].values)
    element = whitened.index_of(numbers).repeat(c.shape[0] * c.shape[1])
    blocks = whitened.whiten(whitened.in_blocks(c.flatten(0, 1), numbers), element)
    positions = torch.as_tensor(data["positions"].values, dtype=torch.float32)
    return ResponseTargets(
        positions=positions,
        neighbour=neighbours(positions, cutoff),
        x=whitened.flat(blocks, numbers).view(*c.shape).float(),
        metric=metrics(responses, whitened, rows, overlap_weight, folder=folder, memory_gib=METRIC_MEMORY_GIB),
        polarizability=torch.as_tensor(data["polarizability"].values / POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV).float(),
    )


def response_scales(whitened: WhitenedBasis, numbers: np.ndarray, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scale (z, l, n) of x (t, field, k), and the mean of what l = 1 answers along the field, (z, n).

    The scale is the root mean square after this mean is taken off.
    """
    layout, n_fields = whitened.basis.layout(numbers), x.shape[1]
    z = whitened.index_of(numbers).numpy()[layout.atom]
    scale = torch.ones(len(whitened.elements), whitened.l_max + 1, whitened.n_max)
    shift = torch.zeros(len(whitened.elements), whitened.n_max)
    # orders -1, 0, 1 are y, z, x
    field_of = np.array([1, 2, 0])
    for element, l, n in sorted({(int(a), int(b), int(c)) for a, b, c in zip(z, layout.l, layout.n, strict=True)}):
        columns = np.flatnonzero((z == element) & (layout.l == l) & (layout.n == n))
        values = x[:, :, columns]
        if l == 1:
            is_along = torch.as_tensor(field_of[layout.m[columns] + 1] == np.arange(n_fields)[:, None])
            shift[element, n] = values[:, is_along].mean()
            values = values - shift[element, n] * is_along
        # functions that never answer would divide by zero
        scale[element, l, n] = values.square().mean().sqrt().clamp_min(1e-6)
    return scale, shift
