"""Radial functions: Bessel functions under a smooth cutoff, and the network that weighs couplings by distance."""

from __future__ import annotations

import math

import torch
from torch import nn


def smooth_cutoff(r: torch.Tensor, cutoff: float) -> torch.Tensor:
    """Return f(r) = 1 - 28 u⁶ + 48 u⁷ - 21 u⁸ with u = r / cutoff, zero beyond.

    f and its first two derivatives vanish at the cutoff (DimeNet, Gasteiger et al. 2020, Eq. 8, p = 6).
    """
    u = r / cutoff
    polynomial = 1 - 28 * u**6 + 48 * u**7 - 21 * u**8
    return torch.where(u < 1, polynomial, torch.zeros_like(polynomial))


def bessel_functions(r: torch.Tensor, cutoff: float, n_functions: int) -> torch.Tensor:
    """Return sqrt(2 / r_c) sin(n π r / r_c) / r for n = 1 ... n_functions, shape (e, n_functions).

    DimeNet, Gasteiger et al. 2020, Eq. 7.
    """
    n = torch.arange(1, n_functions + 1, dtype=r.dtype, device=r.device)
    return (2 / cutoff) ** 0.5 * torch.sin(r.unsqueeze(1) * (n * (math.pi / cutoff))) / r.unsqueeze(1)


class RadialNetwork(nn.Module):
    """Weights R_pc of couplings p and channels c as a smooth function of distance and the two elements.

    R(r, Z_i, Z_j) = f_cut(r) MLP([bessel(r), a(Z_i), b(Z_j)]); shape (e, n_paths, channels).
    """

    def __init__(
        self, n_elements: int, n_paths: int, channels: int, cutoff: float, n_bessel: int = 8, hidden: int = 48
    ) -> None:
        super().__init__()
        self.cutoff, self.n_bessel, self.shape = cutoff, n_bessel, (n_paths, channels)
        self.radial = nn.Linear(n_bessel, hidden, bias=False)
        self.receiver = nn.Embedding(n_elements, hidden)
        self.sender = nn.Embedding(n_elements, hidden)
        self.mlp = nn.Sequential(
            nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, n_paths * channels, bias=False)
        )
        nn.init.normal_(self.receiver.weight, std=0.5)
        nn.init.normal_(self.sender.weight, std=0.5)
        # SiLU halves the variance: the output starts with components of about unit size
        nn.init.normal_(self.mlp[3].weight, std=1.6 / hidden**0.5)  # type: ignore[arg-type]

    def forward(self, r: torch.Tensor, receiver: torch.Tensor, sender: torch.Tensor) -> torch.Tensor:
        """Map distances (e,) and element indices of both ends (e,) to weights (e, n_paths, channels)."""
        envelope = smooth_cutoff(r, self.cutoff).unsqueeze(1)
        hidden = self.radial(bessel_functions(r, self.cutoff, self.n_bessel))
        hidden = hidden + self.receiver(receiver) + self.sender(sender)
        return (self.mlp(hidden) * envelope).reshape(-1, *self.shape)
