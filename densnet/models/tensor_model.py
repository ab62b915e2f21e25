r"""The polarizability alone, as a sum of atomic tensors: what the density's response is compared with.

.. math:: α = \sum_i \left( a_i 1 + \sum_M C^{M}_{xy} b_{iM} \right),

a_i and b_i features of degrees 0 and 2 of the same message passing; nothing is said of the density.
"""

from __future__ import annotations

import torch

from densnet.models.graph import Graph
from densnet.models.message_passing import MessagePassing
from densnet.models.response_model import FIELD
from densnet.models.settings import ResponseModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.clebsch_gordan import clebsch_gordan, components
from densnet.nn.edges import Edges
from densnet.nn.linear import ElementLinear


class TensorModel(MessagePassing):
    """α(R, Z) of each molecule, (n_molecules, x, field), in bohr³.

    Args:
        whitened: of the response's basis; only its elements are used.
        mean_neighbours: mean number of neighbours in the training set.
    """

    table: torch.Tensor
    scale: torch.Tensor
    isotropic: torch.Tensor

    def __init__(self, settings: ResponseModelSettings, whitened: WhitenedBasis, *, mean_neighbours: float) -> None:
        n_elements = len(whitened.elements)
        super().__init__(settings, n_elements, mean_neighbours=mean_neighbours)
        self.settings, self.whitened = settings, whitened
        self.head = ElementLinear(n_elements, 2, settings.channels * settings.layers, 1)
        table = torch.zeros(9, 3, 3, dtype=torch.float64)
        for l in (0, 2):
            table[components(l)] = clebsch_gordan(1, 1, l).permute(2, 0, 1)[:, FIELD][:, :, FIELD]
        self.register_buffer("table", table.float(), persistent=False)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("isotropic", torch.zeros(()))

    def set_scales(self, scale: float, isotropic: float) -> None:
        """Set the spread of a component of α, and the mean isotropic part of an atom, in bohr³."""
        self.scale.fill_(scale)
        self.isotropic.fill_(isotropic)

    def sources(self) -> tuple[torch.Tensor, ...]:
        """Return nothing: nothing is composed."""
        return ()

    def compose(self) -> torch.Tensor:
        """Return the table."""
        return self.table

    def forward(self, graph: Graph, edges: Edges | None = None) -> torch.Tensor:
        """Return each atom's tensor, (i, x, field)."""
        edges = edges or self.edges(graph.element, graph.sender, *graph.edges())
        h = self.head(self.features(graph, edges, 2), edges.is_element)[..., 0]
        unity = torch.eye(3, dtype=h.dtype, device=h.device)
        return self.scale * torch.einsum("mi,mxy->ixy", h, self.table.to(h.dtype)) + self.isotropic * unity

    def polarizabilities(self, graph: Graph) -> torch.Tensor:
        """Return α of each molecule, (n_molecules, x, field), in bohr³."""
        return graph.sum_over_atoms(self(graph))
