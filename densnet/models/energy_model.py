"""The energy as a functional of the predicted density and the geometry."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from densnet.models.graph import Graph
from densnet.models.repulsion import Repulsion
from densnet.models.settings import EnergyModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.clebsch_gordan import components
from densnet.nn.edges import EdgeFunctions, Edges
from densnet.nn.interaction import Interaction
from densnet.nn.linear import ElementLinear

BELOW = 0.05
"""eV; so far an atom's energy may lie below the least in training as if nothing were, and so far again at most. With
0.02 a thousandth of the frames of dynamics at 300 K were touched in a model of 100 labels, with 0.05 none."""


class EnergyModel(nn.Module):
    """E = Σ_i (E_Z + scale ε_i(u, R)) + Σ_i<j V(r_ij): atomic energies from the density model's u and positions.

    ``forward`` gives the learned part; V, the ``repulsion``, is a wall where atoms are nearer than any learned from. An
    atom's energy scale ε never falls much below m, the least that it had in training for its element: with h =
    :data:`BELOW` and M = m - h it is M - h tanh((M - scale ε) / h) there, smooth to second order. So the energy is
    bounded from below, whatever the geometry, and what labels speak of is as it was.

    Attributes:
        least: m of each element, (z,) in eV; minus infinity until it is known.
    """

    scale: torch.Tensor
    atomic_energy: torch.Tensor
    least: torch.Tensor

    def __init__(self, settings: EnergyModelSettings, whitened: WhitenedBasis, *, mean_neighbours: float) -> None:
        super().__init__()
        self.settings, self.mean_neighbours = settings, mean_neighbours
        n_elements = len(whitened.elements)
        self.l_density = min(settings.l_density, whitened.l_max)
        self.edges = EdgeFunctions(n_elements, settings.l_max, settings.cutoff)
        self.embedding = nn.Embedding(n_elements, settings.channels)
        self.density = ElementLinear(n_elements, self.l_density, whitened.n_max, settings.channels)
        self.interactions = nn.ModuleList(
            Interaction(
                n_elements=n_elements,
                l_in=self.l_density if layer == 0 else min(settings.l_message, settings.l_max),
                l_edge=settings.l_max,
                l_sum=min(settings.l_last, settings.l_max) if 0 < layer == settings.layers - 1 else settings.l_max,
                l_out=0 if 0 < layer == settings.layers - 1 else settings.l_max,
                in_channels=settings.channels,
                channels=settings.channels,
                edge_channels=settings.edge_channels,
                mean_neighbours=mean_neighbours,
                body_order=settings.body_order,
                product_bound=settings.product_bound,
            )
            for layer in range(settings.layers)
        )
        width = settings.channels * (settings.layers + 1)
        last = nn.Linear(32, 1, bias=False)
        # starts near the reference energies; large random energies would drown the forces at first
        nn.init.normal_(last.weight, std=0.02)
        self.readout = nn.Sequential(nn.Linear(width, 32), nn.SiLU(), last)
        self.repulsion = Repulsion(whitened.elements) if settings.repulsion == "zbl" else None
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("least", torch.full((n_elements,), -torch.inf))
        self.register_buffer("atomic_energy", torch.zeros(n_elements, dtype=torch.float64))

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> EnergyModel:
        """Convert everything but the atomic energies, whose sum has more digits than float32."""
        energies = self.atomic_energy
        super()._apply(fn, recurse)
        self.atomic_energy = energies.to(self.scale.device)
        return self

    def set_scales(self, scale: float, atomic_energy: torch.Tensor) -> None:
        """Set the scale in eV and the reference energy of each element (z,) in eV."""
        self.scale.fill_(scale)
        self.atomic_energy.copy_(atomic_energy)

    def forward(self, graph: Graph, u: torch.Tensor, edges: Edges | None = None) -> torch.Tensor:
        """Return E - Σ E_Z of each molecule (n_molecules,) in eV.

        The atomic energies stay apart, for their sum has more digits than float32; :meth:`reference_energy` gives them.

        Args:
            graph: atoms and their neighbours.
            u: as :class:`densnet.models.density_model.DensityModel` gives it, (i, ≥(l_density+1)², n).
            edges: what ``self.edges`` makes of the graph, or one of higher degree, if that is at hand.
        """
        learned = self.learned(graph, u, edges)
        below = (self.least[graph.element] - BELOW - learned).clamp(min=0) / BELOW
        return graph.sum_over_atoms(learned + BELOW * (below - torch.tanh(below)))

    def learned(self, graph: Graph, u: torch.Tensor, edges: Edges | None = None) -> torch.Tensor:
        """Return scale ε of each atom (i,) in eV, as the networks give it; arguments as for :meth:`forward`."""
        edges = edges or self.edges(graph.element, graph.sender, *graph.edges())
        h = self.density(u[:, : components(self.l_density).stop].transpose(0, 1), edges.is_element)
        first, higher = h.split([1, len(h) - 1])
        h = torch.cat([first + self.embedding(graph.element), higher])
        scalars = [h[0]]
        for interaction in self.interactions:
            h = interaction(h, edges)
            scalars.append(h[0])
        epsilon: torch.Tensor = self.readout(torch.cat(scalars, dim=1)).squeeze(1)
        return epsilon * self.scale

    def reference_energy(self, graph: Graph) -> torch.Tensor:
        """Return Σ E_Z of each molecule (n_molecules,) in eV, float64."""
        return graph.sum_over_atoms(self.atomic_energy[graph.element])
