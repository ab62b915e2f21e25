"""Equivariant linear maps: channels mix within one degree l, the same for every order m.

Features run (component lm, atom i, channel): a linear map is then one batched matrix product, without a copy.
"""

from __future__ import annotations

import torch
from torch import nn

from densnet.nn.clebsch_gordan import degrees
from densnet.nn.composed import Composed


class Linear(Composed[torch.Tensor]):
    """h'_lmd = Σ_c W_lcd h_lmc: features ((l_max+1)², i, in) to ((l_max+1)², i, out)."""

    degree: torch.Tensor

    def __init__(self, l_max: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(l_max + 1, in_channels, out_channels) / in_channels**0.5)
        self.register_buffer("degree", degrees(l_max), persistent=False)

    def compose(self) -> torch.Tensor:
        """Return the weights of each component, (lm, in, out)."""
        return self.weight.index_select(0, self.degree)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Mix the channels of each degree."""
        return torch.bmm(h, self.composed())


class ElementLinear(Composed[torch.Tensor]):
    """h'_lmd = Σ_c W_Zlcd h_lmc with weights of each atom's own element.

    Every element's map is applied to every atom: for the handful of elements of a molecule that is quicker than sorting
    the atoms. The choice is made on the narrower side: features stand in the columns of their atom's element, zeros
    in the others, or the results of the other elements are dropped.
    """

    degree: torch.Tensor

    def __init__(self, n_elements: int, l_max: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        weight = torch.randn(l_max + 1, in_channels, n_elements, out_channels)
        self.weight = nn.Parameter(weight / in_channels**0.5)
        self.widens = in_channels <= out_channels
        self.register_buffer("degree", degrees(l_max), persistent=False)

    def compose(self) -> torch.Tensor:
        """Return the weights of each component, (lm, elements · in, out) or (lm, in, elements · out)."""
        weight = self.weight.transpose(1, 2).flatten(1, 2) if self.widens else self.weight.flatten(2)
        return weight.index_select(0, self.degree)

    def forward(self, h: torch.Tensor, is_element: torch.Tensor, onto: torch.Tensor | None = None) -> torch.Tensor:
        """Map features ((l_max+1)², i, in) of atoms whose element is marked by ones (i, n_elements).

        Args:
            h: the features.
            is_element: marks.
            onto: what the result is added to, if anything.
        """
        chosen, maps = is_element.unsqueeze(2), self.composed()
        if self.widens:
            in_columns = (h.unsqueeze(2) * chosen).flatten(2)
            return torch.bmm(in_columns, maps) if onto is None else torch.baddbmm(onto, in_columns, maps)
        mapped = (torch.bmm(h, maps).unflatten(2, (is_element.shape[1], -1)) * chosen).sum(2)
        return mapped if onto is None else onto + mapped
