"""Real spherical harmonics of a direction, built degree by degree with few operations."""

from __future__ import annotations

import torch
from torch import nn

from densnet.nn.clebsch_gordan import clebsch_gordan, components


class SphericalHarmonics(nn.Module):
    """Y_lm(r̂) for l ≤ l_max, orders -l..l, normalised so that Σ_m Y_lm² = 2l + 1.

    Y_{l+1} is the top coupling of Y_l with r̂: one matrix product a degree, instead of e3nn's hundreds of
    scalar operations; equal to ``e3nn.o3.spherical_harmonics(..., normalization="component")`` on (y, z, x).
    """

    slopes: torch.Tensor

    def __init__(self, l_max: int) -> None:
        super().__init__()
        self.l_max = l_max
        n = (l_max + 1) ** 2
        slopes = torch.zeros(n, n, 3, dtype=torch.float64)
        if l_max > 0:
            slopes[0, 1:4] = torch.eye(3) * 3**0.5
        for l in range(1, l_max):
            coupling = clebsch_gordan(l, 1, l + 1)
            # scaled so that the harmonic of the polar axis (only m = 0) has its right length
            top = float(coupling[l, 1, l + 1]) * ((2 * l + 1) * 3) ** 0.5
            coupling = coupling * ((2 * l + 3) ** 0.5 / top)
            # r^l Y_l is homogeneous: r̂·∇ gives it l times, and Y_{l-1} r̂ couples to Y_l in one way only
            slopes[components(l), components(l + 1)] = coupling.transpose(1, 2) * ((l + 1) * 3**0.5)
            self.register_buffer(f"coupling_{l}", coupling.reshape(3 * (2 * l + 1), 2 * l + 3), persistent=False)
        # from the axes y, z, x that the couplings know
        self.register_buffer("slopes", slopes[:, :, [2, 0, 1]].flatten(1), persistent=False)

    def forward(self, directions: torch.Tensor) -> torch.Tensor:
        """Map unit vectors (e, 3) to harmonics (e, (l_max+1)²)."""
        # y, z, x
        y1 = directions.roll(-1, 1) * 3**0.5
        harmonics = [torch.ones_like(y1[:, :1]), y1][: self.l_max + 1]
        for l in range(1, self.l_max):
            outer = (harmonics[-1].unsqueeze(2) * y1.unsqueeze(1)).flatten(1)
            harmonics.append(outer @ getattr(self, f"coupling_{l}").to(outer.dtype))
        return torch.cat(harmonics, dim=1)

    def pulled_back(self, harmonics: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Return the gradient (e, 3) with respect to the directions from that with respect to their harmonics.

        Its part along the direction is arbitrary, for directions are unit vectors.
        """
        slopes = (harmonics @ self.slopes).unflatten(1, (-1, 3))
        return torch.bmm(gradient.unsqueeze(1), slopes).squeeze(1)
