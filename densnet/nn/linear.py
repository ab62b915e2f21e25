"""Equivariant linear maps: channels mix within one degree l, the same for every order m."""

from __future__ import annotations

import torch
from torch import nn

from densnet.nn.clebsch_gordan import degrees


class Linear(nn.Module):
    """h'_lmd = Σ_c W_lcd h_lmc: features (n, (l_max+1)², in) to (n, (l_max+1)², out)."""

    degree: torch.Tensor

    def __init__(self, l_max: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(l_max + 1, in_channels, out_channels) / in_channels**0.5)
        self.register_buffer("degree", degrees(l_max), persistent=False)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Mix the channels of each degree."""
        return torch.bmm(h.transpose(0, 1), self.weight.index_select(0, self.degree)).transpose(0, 1)


class ElementLinear(nn.Module):
    """h'_lmd = Σ_c W_Zlcd h_lmc with weights of each atom's own element.

    Every element's map is applied to every atom and the right one kept: for the handful of elements of a
    molecule that is quicker than sorting the atoms.
    """

    degree: torch.Tensor

    def __init__(self, n_elements: int, l_max: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        weight = torch.randn(l_max + 1, in_channels, n_elements, out_channels)
        self.weight = nn.Parameter(weight / in_channels**0.5)
        self.register_buffer("degree", degrees(l_max), persistent=False)

    def forward(self, h: torch.Tensor, element: torch.Tensor) -> torch.Tensor:
        """Map features (n, (l_max+1)², in) of atoms with element indices (n,)."""
        n_degrees, in_channels, n_elements, out_channels = self.weight.shape
        weight = self.weight.reshape(n_degrees, in_channels, -1).index_select(0, self.degree)
        mapped = torch.bmm(h.transpose(0, 1), weight).transpose(0, 1)
        mapped = mapped.reshape(len(h), -1, n_elements, out_channels)
        choice = nn.functional.one_hot(element, n_elements).to(h.dtype)
        return torch.einsum("nlzd,nz->nld", mapped, choice)
