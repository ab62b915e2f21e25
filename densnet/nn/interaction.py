"""One round of message passing: neighbours' features through the edge, then products on the atom."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from densnet.nn.clebsch_gordan import components, degrees
from densnet.nn.composed import Composed
from densnet.nn.edges import Edges
from densnet.nn.linear import ElementLinear, Linear
from densnet.nn.radial import RadialNetwork
from densnet.nn.tensor_product import Bound, EdgeTensorProduct, PathMixing, SphereProduct


class Gate(Composed[tuple[torch.Tensor, torch.Tensor]]):
    """Scalars through SiLU; each degree l > 0 scaled by a sigmoid of the scalars."""

    twice_of_degree: torch.Tensor

    def __init__(self, l_max: int, channels: int) -> None:
        super().__init__()
        self.l_max, self.channels = l_max, channels
        self.gates = nn.Linear(channels, (l_max + 1) * channels)
        twice = 2.0 * nn.functional.one_hot(degrees(l_max), l_max + 1)
        self.register_buffer("twice_of_degree", twice, persistent=False)

    def compose(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights (l, in, out) and biases (l, 1, out)."""
        shape = (self.l_max + 1, self.channels)
        weight = self.gates.weight.unflatten(0, shape).transpose(1, 2).contiguous()
        return weight, self.gates.bias.view(shape).unsqueeze(1)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Gate features ((l_max+1)², i, channels)."""
        weight, bias = self.composed()
        gates = torch.sigmoid(torch.baddbmm(bias, h[:1].expand(self.l_max + 1, -1, -1), weight))
        return h * (self.twice_of_degree @ gates.flatten(1)).view_as(h)


@dataclass(frozen=True)
class MixingWeights:
    """Path mixing and the linear maps behind it as one, for each component.

    Attributes:
        outward: (lm, slots · in, out).
        factors: (lm, slots · in, factors · out), or None.
    """

    outward: torch.Tensor
    factors: torch.Tensor | None


class Interaction(Composed[MixingWeights]):
    """h'_i = gate( W_Z h_i + V a_i + U Π_f b(A_f a_i) ),  a_i = Σ_j R(r_ij) h_j ⊗ Y(r̂_ij).

    The product runs over ``body_order`` - 1 factors, as functions on the sphere; ``body_order`` counts the atoms
    coupled in one round (2: no product). With a ``product_bound`` B each channel z of a factor is held within it,

        b(z) = z / √(1 + |z|² / B²),   |z|² the mean over components,

    so that the product is no polynomial of high degree where geometries leave those learned from (docs/robustness.md);
    without one, B = 0, b(z) = z. The sums a_i have degrees up to ``l_sum``, what leaves up to ``l_out``, which is less
    where nothing follows that could use more.
    """

    def __init__(
        self,
        *,
        n_elements: int,
        l_in: int,
        l_edge: int,
        l_out: int,
        l_sum: int | None = None,
        in_channels: int,
        channels: int,
        edge_channels: int,
        mean_neighbours: float,
        body_order: int,
        product_bound: float = 0.0,
    ) -> None:
        super().__init__()
        self.edge_channels, self.product_bound = edge_channels, product_bound
        self.n_in, self.n_edge = (l_in + 1) ** 2, (l_edge + 1) ** 2
        l_sum = l_out if l_sum is None else l_sum
        self.edge = EdgeTensorProduct(l_in, l_edge, l_sum)
        self.radial = RadialNetwork(n_elements, self.edge.order, edge_channels, mean_neighbours**-0.5)
        self.inward = Linear(l_in, in_channels, edge_channels)
        self.mixing = PathMixing(self.edge, edge_channels, channels)
        l_kept = min(l_in, l_out)
        self.n_kept, self.n_out, self.n_sum = (components(l).stop for l in (l_kept, l_out, l_sum))
        self.skip = ElementLinear(n_elements, l_kept, in_channels, channels)
        self.outward = Linear(l_out, channels, channels)
        self.n_factors = body_order - 1
        if self.n_factors > 1:
            self.factors = Linear(l_sum, channels, channels * self.n_factors)
            self.bound = Bound(product_bound)
            self.product = SphereProduct(l_sum, self.n_factors, l_out)
            self.product_outward = Linear(l_out, channels, channels)
        self.gate = Gate(l_out, channels)

    def sources(self) -> list[torch.Tensor]:
        """Return the weights of the maps that follow the sum over neighbours."""
        return [*self.mixing.sources(), self.outward.weight, *([self.factors.weight] if self.n_factors > 1 else [])]

    def compose(self) -> MixingWeights:
        """Return the maps from summed couplings to what leaves, and to the factors of the product."""
        mixing = self.mixing.composed()
        weight = self.outward.weight
        outward = torch.bmm(mixing[: len(weight)], weight).index_select(0, self.outward.degree)
        if self.n_factors == 1:
            return MixingWeights(outward, None)
        # stored with the factor as the fast index; the sphere product wants whole channels one after the other
        factors = self.factors.weight.unflatten(2, (-1, self.n_factors)).transpose(2, 3).flatten(2)
        return MixingWeights(outward, torch.bmm(mixing, factors).index_select(0, self.factors.degree))

    def forward(self, h: torch.Tensor, edges: Edges) -> torch.Tensor:
        """Update features (≥(l_in+1)², i, in) to ((l_out+1)², i, channels)."""
        h = h[: self.n_in]
        sums = self._sums(h, edges)
        maps = self.composed()
        update = torch.bmm(sums[: self.n_out], maps.outward)
        if maps.factors is not None:
            product = self.product(self.bound(torch.bmm(sums, maps.factors)))
            update = torch.baddbmm(update, product, self.product_outward.composed())
        h_old = h[: self.n_kept]
        if self.n_kept == self.n_out:
            return self.gate(self.skip(h_old, edges.is_element, update))
        low, high = update.split([self.n_kept, self.n_out - self.n_kept])
        return self.gate(torch.cat([self.skip(h_old, edges.is_element, low), high]))

    def _sums(self, h: torch.Tensor, edges: Edges) -> torch.Tensor:
        """Return a_i before the channels are mixed, ((l_sum+1)², i, slots · edge channels)."""
        n_atoms = edges.sender.shape[0]
        if self.edge.kernel is not None:
            weights = self.radial.by_edge(edges.bessel, edges.envelope, edges.ends)
            return self.edge.kernel(self.inward(h), edges.harmonics[:, : self.n_edge], weights, edges.sender)
        inward = self.inward(h).transpose(0, 1).reshape(n_atoms, -1)
        neighbours = nn.functional.embedding(edges.sender, inward)
        if torch.jit.is_tracing():
            rows = torch.cat(self._coupled(neighbours, edges))
            chosen = self.edge.traced_rows(torch.ones_like(edges.sender[:, 0]).cumsum(0) - 1)
        else:
            pieces = edges.pieces()
            sizes = tuple(len(piece.sender) for piece in pieces)
            sums = []
            for piece, h_j in zip(pieces, neighbours.split(sizes), strict=True):
                sums += self._coupled(h_j, piece)
            rows = torch.cat(sums) if len(sums) > 1 else sums[0]
            chosen = self.edge.rows(sizes, rows.device)
        return rows.index_select(0, chosen).view(self.n_sum, n_atoms, -1)

    def _coupled(self, h_j: torch.Tensor, edges: Edges) -> list[torch.Tensor]:
        """Return the couplings of features h_j (i, j, lm · edge channels), summed over j, as rows."""
        weights = self.radial(edges.bessel, edges.envelope, edges.ends)
        h_j = h_j.view(-1, edges.sender.shape[1], self.n_in, self.edge_channels)
        return self.edge(h_j, edges.harmonics[:, : self.n_edge], weights)
