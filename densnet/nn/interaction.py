"""One round of message passing: neighbours' features through the edge, then products on the atom."""

from __future__ import annotations

import torch
from torch import nn

from densnet.nn.clebsch_gordan import components, degrees
from densnet.nn.linear import ElementLinear, Linear
from densnet.nn.radial import RadialNetwork
from densnet.nn.tensor_product import EdgeTensorProduct, PathMixing, SphereProduct


class Gate(nn.Module):
    """Scalars through SiLU; each degree l > 0 scaled by a sigmoid of the scalars."""

    degree: torch.Tensor

    def __init__(self, l_max: int, channels: int) -> None:
        super().__init__()
        self.gates = nn.Linear(channels, (l_max + 1) * channels)
        self.register_buffer("degree", degrees(l_max), persistent=False)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Gate features (n, (l_max+1)², channels)."""
        gates = torch.sigmoid(self.gates(h[:, 0])).reshape(len(h), -1, h.shape[2])
        return h * (2 * gates).index_select(1, self.degree)


class Interaction(nn.Module):
    """h'_i = gate( W_Z h_i + V a_i + U Π_f (A_f a_i) ),  a_i = Σ_j R(r_ij) h_j ⊗ Y(r̂_ij).

    The product runs over ``body_order`` - 1 factors, as functions on the sphere; ``body_order`` counts the atoms
    coupled in one round (2: no product).
    """

    def __init__(
        self,
        *,
        n_elements: int,
        l_in: int,
        l_edge: int,
        l_out: int,
        in_channels: int,
        channels: int,
        edge_channels: int,
        cutoff: float,
        mean_neighbours: float,
        body_order: int,
    ) -> None:
        super().__init__()
        self.l_in, self.l_out = l_in, l_out
        self.scale = mean_neighbours**-0.5
        self.edge = EdgeTensorProduct(l_in, l_edge, l_out)
        self.radial = RadialNetwork(n_elements, len(self.edge.paths), edge_channels, cutoff)
        self.inward = Linear(l_in, in_channels, edge_channels)
        self.mixing = PathMixing(self.edge, edge_channels, channels)
        l_kept = min(l_in, l_out)
        self.kept = components(l_kept).stop
        self.skip = ElementLinear(n_elements, l_kept, in_channels, channels)
        self.outward = Linear(l_out, channels, channels)
        self.n_factors = body_order - 1
        if self.n_factors > 1:
            self.factors = Linear(l_out, channels, channels * self.n_factors)
            self.product = SphereProduct(l_out, self.n_factors)
            self.product_outward = Linear(l_out, channels, channels)
        self.gate = Gate(l_out, channels)

    def forward(
        self,
        h: torch.Tensor,
        element: torch.Tensor,
        sender: torch.Tensor,
        r: torch.Tensor,
        harmonics: torch.Tensor,
    ) -> torch.Tensor:
        """Update features (n, ≥(l_in+1)², in) to (n, (l_out+1)², channels).

        Args:
            h: features.
            element: element indices (n,).
            sender: neighbours of each atom (n, k).
            r: their distances (n, k).
            harmonics: of their directions (n · k, (l_edge+1)²).
        """
        h = h[:, : (self.l_in + 1) ** 2]
        receivers = element.unsqueeze(1).expand_as(sender).reshape(-1)
        weights = self.radial(r.reshape(-1), receivers, element[sender].reshape(-1)) * self.scale
        weights = weights.reshape(*sender.shape, *weights.shape[1:])
        inward = self.inward(h)
        neighbours = inward.index_select(0, sender.reshape(-1)).reshape(*sender.shape, *inward.shape[1:])
        a = self.mixing(self.edge(neighbours, harmonics, weights))
        update = self.outward(a)
        if self.n_factors > 1:
            factors = self.factors(a).transpose(1, 2).reshape(len(h), -1, self.n_factors, a.shape[1])
            update = update + self.product_outward(self.product(factors).transpose(1, 2))
        skipped = self.skip(h[:, : self.kept], element)
        higher_degrees = update.shape[1] - self.kept
        return self.gate(update + nn.functional.pad(skipped, (0, 0, 0, higher_degrees)))
