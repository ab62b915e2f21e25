"""Coupling coefficients of real spherical harmonics, from e3nn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from e3nn import o3


def clebsch_gordan(l1: int, l2: int, l3: int) -> torch.Tensor:
    """Return C with z_m3 = sqrt(2 l3 + 1) Σ C[m1, m2, m3] x_m1 y_m2, shape (2l1+1, 2l2+1, 2l3+1), float64.

    e3nn's Wigner 3j symbols times sqrt(2 l3 + 1): components of unit variance couple to components of
    unit variance. Orders run m = -l..l in the standard (z-polar) real harmonics, which are e3nn's own when
    it is fed (y, z, x).
    """
    coefficients: torch.Tensor = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
    return coefficients * (2 * l3 + 1) ** 0.5


@dataclass(frozen=True)
class Path:
    """One coupling (l1, l2) -> l3 of natural parity: l1 + l2 + l3 even, so that reflections are respected."""

    l1: int
    l2: int
    l3: int


def natural_parity_paths(l1_max: int, l2_max: int, l3_max: int) -> list[Path]:
    """Return all couplings with |l1 - l2| ≤ l3 ≤ l1 + l2 and l1 + l2 + l3 even, ordered by l3.

    Features and harmonics of degree l carry parity (-1)^l throughout, so only these conserve parity.
    """
    return [
        Path(l1, l2, l3)
        for l3 in range(l3_max + 1)
        for l1 in range(l1_max + 1)
        for l2 in range(l2_max + 1)
        if abs(l1 - l2) <= l3 <= l1 + l2 and (l1 + l2 + l3) % 2 == 0
    ]


def components(l: int) -> slice:
    """Return where the 2l+1 components of degree l stand in a stack of degrees 0, 1, 2 ..."""
    return slice(l * l, (l + 1) ** 2)


def degrees(l_max: int) -> torch.Tensor:
    """Return the degree of each of the (l_max+1)² stacked components."""
    return torch.tensor([l for l in range(l_max + 1) for _ in range(2 * l + 1)])
