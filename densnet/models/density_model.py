"""The Hohenberg-Kohn map: geometry to density coefficients, equivariant."""

from __future__ import annotations

import torch

from densnet.models.graph import Graph
from densnet.models.message_passing import MessagePassing
from densnet.models.settings import DensityModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.edges import Edges
from densnet.nn.linear import ElementLinear

READ_POWER = 1.5
"""Of ethanol's validation force errors after equal training the smallest: 77, 39, 35 meV/Å at powers 0, 1, 1.5."""


class DensityModel(MessagePassing):
    """x(R, Z): whitened density coefficients of each atom, charge exact.

    Args:
        whitened: the fitting basis.
        charge: of the molecule, in e.
        mean_neighbours: mean number of neighbours in the training set.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(
        self, settings: DensityModelSettings, whitened: WhitenedBasis, *, charge: int, mean_neighbours: float
    ) -> None:
        n_elements = len(whitened.elements)
        super().__init__(settings, n_elements, mean_neighbours=mean_neighbours, basis=whitened.basis)
        self.settings, self.charge = settings, charge
        self.whitened: WhitenedBasis = whitened
        width = settings.channels * settings.layers
        self.head = ElementLinear(n_elements, whitened.l_max, width, whitened.n_max)
        # scale of x per element, degree and radial function, and its mean for l = 0; set from the training set
        self.register_buffer("scale", torch.ones(n_elements, whitened.l_max + 1, whitened.n_max))
        self.register_buffer("shift", torch.zeros(n_elements, whitened.n_max))

    def set_scales(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        """Set the scale (z, l, n) and, for l = 0, the mean (z, n) of x from a training set."""
        self.scale.copy_(scale)
        self.shift.copy_(shift)

    def forward(self, graph: Graph, edges: Edges | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return x (i, lm, n) and u = w (x - shift) / scale, which the energy model reads.

        For the delta target w = (scale / s)^(3/2), s the element's largest scale: functions that hardly vary are
        predicted with the largest relative error, and unweighted they double the error of the forces. For the direct
        one, whose cores would drown all else, w = 1.

        Args:
            graph: atoms and their neighbours.
            edges: what ``self.edges`` makes of the graph, if that is at hand.
        """
        edges = edges or self.edges(graph.element, graph.sender, *graph.edges())
        h = self.features(graph, edges, self.whitened.l_max)
        tables = self.composed()
        scale, inverse = (tables.select(1, n).index_select(0, graph.element) for n in (0, 1))
        x = self.head(h, edges.is_element).transpose(0, 1) * scale
        first, higher = x.split([1, x.shape[1] - 1], dim=1)
        shift = self.shift[graph.element].unsqueeze(1)
        if self.settings.charge_balance == "local":
            first = self.whitened.balanced(
                first + shift, graph, edges.envelope, self.electrons_of_atoms(graph, h.dtype)
            )
        else:
            first = self.whitened.charged(first + shift, graph, self.electrons(graph, h.dtype))
        return torch.cat([first, higher], dim=1), torch.cat([first - shift, higher], dim=1) * inverse

    def sources(self) -> tuple[torch.Tensor, ...]:
        """Return the scales."""
        return (self.scale,)

    def compose(self) -> torch.Tensor:
        """Return the scale of each function and w / scale, both zero for padding, (z, 2, lm, n)."""
        mask = self.whitened.mask.to(self.scale.dtype)
        scale = self.scale[:, self.whitened.degree]
        largest = (scale * mask).amax(dim=(1, 2), keepdim=True)
        w = (scale / largest) ** READ_POWER if self.settings.target == "delta" else 1.0
        return torch.stack([scale * mask, w * mask / scale], dim=1)

    def electrons(self, graph: Graph, dtype: torch.dtype) -> torch.Tensor:
        """Return the electrons (n_molecules,) that x must hold: what free atoms do not, or all of them."""
        if self.settings.target == "delta":
            return graph.positions.new_full((graph.n_molecules,), -self.charge, dtype=dtype)
        return graph.sum_over_atoms(self.whitened.numbers.to(dtype)[graph.element]) - self.charge

    def electrons_of_atoms(self, graph: Graph, dtype: torch.dtype) -> torch.Tensor:
        """Return the electrons (i,) that x must hold if every atom were neutral, and a molecule's charge its atoms'.

        The charge is shared out as :meth:`WhitenedBasis.charged` does.
        """
        q = self.whitened.charge.to(dtype)[graph.element]
        norm = (q * q).sum(1)
        surplus = self.charge * norm / graph.on_atoms(graph.sum_over_atoms(norm))
        return (0.0 if self.settings.target == "delta" else self.whitened.numbers.to(dtype)[graph.element]) - surplus
