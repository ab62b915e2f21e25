"""Radial functions: Bessel functions under a smooth cutoff, and the network that weighs couplings by distance."""

from __future__ import annotations

import math

import torch
from torch import nn

from densnet.nn.composed import Composed

N_BESSEL = 8
"""Radial functions of an edge."""


def smooth_cutoff(r: torch.Tensor, cutoff: float) -> torch.Tensor:
    """Return f(r) = 1 - 28 u⁶ + 48 u⁷ - 21 u⁸ with u = r / cutoff, zero beyond.

    f and its first two derivatives vanish at the cutoff (DimeNet, Gasteiger et al. 2020, Eq. 8, p = 6); at u = 1 the
    polynomial is zero to second order, so that u may be held there.
    """
    u = (r / cutoff).clamp(max=1)
    return 1 + u**6 * (u * (48 - 21 * u) - 28)


def bessel_functions(r: torch.Tensor, cutoff: float, n: torch.Tensor) -> torch.Tensor:
    """Return sqrt(2 / r_c) sin(n π r / r_c) / r, shape (e, n), for whole numbers n of the type of r.

    DimeNet, Gasteiger et al. 2020, Eq. 7.
    """
    r = r.unsqueeze(1)
    return torch.sin(r * (n * (math.pi / cutoff))) * ((2 / cutoff) ** 0.5 / r)


def cutoff_slope(r: torch.Tensor, cutoff: float) -> torch.Tensor:
    """Return the derivative of :func:`smooth_cutoff`."""
    u = (r / cutoff).clamp(max=1)
    return (-168 / cutoff) * u**5 * (1 - u).square()


def bessel_slopes(r: torch.Tensor, bessel: torch.Tensor, cutoff: float, n: torch.Tensor) -> torch.Tensor:
    """Return the derivatives of :func:`bessel_functions` (e, n), given their values."""
    q = n * (math.pi / cutoff)
    r = r.unsqueeze(1)
    return (torch.cos(r * q) * (q * (2 / cutoff) ** 0.5) - bessel) / r


class RadialNetwork(Composed[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """Weights R_pc of couplings p and channels c as a smooth function of distance and the two elements.

    R(r, Z_i, Z_j) = f_cut(r) MLP([bessel(r), a(Z_i), b(Z_j)]).

    Args:
        n_elements: that the model knows.
        order: where the network's output for each coupling stands.
        channels: of each coupling.
        scale: factor of all weights.
    """

    order: torch.Tensor

    def __init__(self, n_elements: int, order: list[int], channels: int, scale: float, hidden: int = 48) -> None:
        super().__init__()
        self.channels, self.scale = channels, scale
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.radial = nn.Linear(N_BESSEL, hidden, bias=False)
        self.receiver = nn.Embedding(n_elements, hidden)
        self.sender = nn.Embedding(n_elements, hidden)
        self.mlp = nn.Sequential(
            nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, len(order) * channels, bias=False)
        )
        nn.init.normal_(self.receiver.weight, std=0.5)
        nn.init.normal_(self.sender.weight, std=0.5)
        # SiLU halves the variance: the output starts with components of about unit size
        nn.init.normal_(self.mlp[3].weight, std=1.6 / hidden**0.5)  # type: ignore[arg-type]

    def compose(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return both ends' embeddings (Z_i · Z_j, hidden), the first and the last weights, transposed."""
        ends = (self.receiver.weight.unsqueeze(1) + self.sender.weight.unsqueeze(0)).flatten(0, 1)
        last: torch.Tensor = self.mlp[3].weight  # type: ignore[assignment]
        last = last.unflatten(0, (-1, self.channels)).index_select(0, self.order).flatten(0, 1)
        return ends, self.radial.weight.T.contiguous(), last.T.contiguous() * self.scale

    def forward(self, bessel: torch.Tensor, envelope: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """Return weights (n_paths, e, channels), times the scale; arguments as for :meth:`by_edge`."""
        of_edges = self.by_edge(bessel, envelope, ends)
        return of_edges.unflatten(1, (-1, self.channels)).transpose(0, 1).contiguous()

    def by_edge(self, bessel: torch.Tensor, envelope: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """Return weights (e, n_paths · channels), times the scale.

        Args:
            bessel: Bessel functions of the distances (e, N_BESSEL).
            envelope: the cutoff function (e, 1).
            ends: element indices of both ends as one number Z_i · n_elements + Z_j, (e,).
        """
        of_ends, first, last = self.composed()
        hidden = torch.addmm(nn.functional.embedding(ends, of_ends), bessel, first)
        hidden = self.mlp[2](self.mlp[1](self.mlp[0](hidden))) * envelope
        return hidden @ last
