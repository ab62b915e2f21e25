"""Rounds of message passing over the atoms' elements and geometry, which the maps of the density have in common."""

from __future__ import annotations

import torch
from torch import nn

from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.models.graph import Graph
from densnet.models.settings import DensityMessagePassingSettings
from densnet.nn.clebsch_gordan import components
from densnet.nn.composed import Composed
from densnet.nn.edges import EdgeFunctions, Edges
from densnet.nn.interaction import Interaction


class MessagePassing(Composed[torch.Tensor]):
    """Features of atoms from what surrounds them, of parity (-1)^l throughout.

    Args:
        settings: of the architecture.
        n_elements: how many elements there are.
        mean_neighbours: mean number of neighbours in the training set.
        basis: whose functions are predicted, if any are.

    Raises:
        DensnetError: the basis has a higher degree than the features.
    """

    def __init__(
        self,
        settings: DensityMessagePassingSettings,
        n_elements: int,
        *,
        mean_neighbours: float,
        basis: Basis | None = None,
    ) -> None:
        if basis is not None and settings.l_max < basis.l_max:
            raise DensnetError(
                f"l_max: expected at least {basis.l_max}, the highest degree of the basis {basis.name!r}, found "
                f"{settings.l_max}; raise it or choose another basis"
            )
        super().__init__()
        self.mean_neighbours, l_max = mean_neighbours, settings.l_max
        self.edges = EdgeFunctions(n_elements, l_max, settings.cutoff)
        self.embedding = nn.Embedding(n_elements, settings.channels)
        self.interactions = nn.ModuleList(
            Interaction(
                n_elements=n_elements,
                l_in=0 if layer == 0 else min(settings.l_message, l_max),
                l_edge=l_max,
                l_out=l_max,
                in_channels=settings.channels,
                channels=settings.channels,
                edge_channels=settings.channels if layer == 0 else settings.edge_channels,
                mean_neighbours=mean_neighbours,
                body_order=settings.body_order,
            )
            for layer in range(settings.layers)
        )
        width = settings.channels * settings.layers
        self.scalars = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def features(self, graph: Graph, edges: Edges, l_max: int) -> torch.Tensor:
        """Return the features of all rounds side by side up to a degree, ((l_max+1)², i, layers · channels)."""
        h = self.embedding(graph.element).unsqueeze(0)
        of_rounds = []
        for interaction in self.interactions:
            h = interaction(h, edges)
            of_rounds.append(h)
        h = torch.cat(of_rounds, dim=2)[: components(l_max).stop]
        first, higher = h.split([1, len(h) - 1])
        return torch.cat([first + self.scalars(first), higher])
