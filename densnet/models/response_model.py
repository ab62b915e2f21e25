r"""The density's response to a static electric field: geometry to the coefficients of ρ^(1), equivariant.

A function of degree l on an atom answers the three directions of the field: its coefficients are the product of
degrees l and 1, which holds l - 1, l and l + 1,

.. math:: x^{(1)}_{lm,n,y} = \sum_{L=l-1}^{l+1} \sum_M C^{L1l}_{M y m} \, h^{(L)}_{LM,n}.

Under reflections a coefficient has parity (-1)^l and the field -1. So h of degrees l ± 1 are features of the network,
whose parity is (-1)^L; the one of degree l has the other parity and is made of pairs of features,
(A h)_{l1} × (B h)_{l2} with l1 + l2 + l odd, as the cross product of two vectors is. Two conditions hold exactly: no
charge, ∫ρ^(1) = 0, and a symmetric polarizability α_xy = -∫ x ρ^(1)_y; what misses either is taken from the nearest
coefficients in the on-site Coulomb metric.
"""

from __future__ import annotations

import torch
from torch import nn

from densnet.models.graph import Graph
from densnet.models.message_passing import MessagePassing
from densnet.models.settings import ResponseModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.clebsch_gordan import clebsch_gordan, components
from densnet.nn.edges import Edges
from densnet.nn.linear import ElementLinear, Linear
from densnet.units import BOHR_IN_ANGSTROM

FIELD = [2, 0, 1]
"""Where x, y, z stand among the components of l = 1, whose order is y, z, x."""
L_FACTOR = 3
"""Highest degree of the features whose products give the axial ones."""


class ResponseModel(MessagePassing):
    """x^(1)(R, Z): whitened coefficients of the density's response, (i, lm, n, field) in atomic units.

    Args:
        whitened: the response's fitting basis.
        mean_neighbours: mean number of neighbours in the training set.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, settings: ResponseModelSettings, whitened: WhitenedBasis, *, mean_neighbours: float) -> None:
        n_elements = len(whitened.elements)
        super().__init__(settings, n_elements, mean_neighbours=mean_neighbours, basis=whitened.basis)
        self.settings, self.whitened = settings, whitened
        width, channels = settings.channels * settings.layers, settings.vector_channels
        self.l_features = min(settings.l_max, whitened.l_max + 1)
        l_factor = min(L_FACTOR, self.l_features)
        self.factors = Linear(l_factor, width, 2 * channels)
        self.axial = AxialProduct(l_factor, whitened.l_max)
        self.heads = nn.ModuleDict(
            {
                "lower": ElementLinear(n_elements, self.l_features, width, whitened.n_max),
                "axial": ElementLinear(n_elements, whitened.l_max, channels, whitened.n_max),
                "higher": ElementLinear(n_elements, self.l_features, width, whitened.n_max),
            }
        )
        for offset, name in enumerate(self.heads, start=-1):
            table = vector_coupling(offset, whitened.l_max if name == "axial" else self.l_features, whitened.l_max)
            self.register_buffer(f"{name}_table", table.float(), persistent=False)
        # scale of x per element, degree and radial function, and the mean isotropic part of l = 1
        self.register_buffer("scale", torch.ones(n_elements, whitened.l_max + 1, whitened.n_max))
        self.register_buffer("shift", torch.zeros(n_elements, whitened.n_max))

    def set_scales(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        """Set the scale (z, l, n), and the mean of what l = 1 answers along the field (z, n), from a training set."""
        self.scale.copy_(scale)
        self.shift.copy_(shift)

    def sources(self) -> tuple[torch.Tensor, ...]:
        """Return the scales."""
        return (self.scale,)

    def compose(self) -> torch.Tensor:
        """Return the scale of each function, zero for padding, (z, lm, n)."""
        return self.scale[:, self.whitened.degree] * self.whitened.mask.to(self.scale.dtype)

    def forward(self, graph: Graph, edges: Edges | None = None) -> torch.Tensor:
        """Return x^(1) of the atoms of a graph, (i, lm, n, field)."""
        edges = edges or self.edges(graph.element, graph.sender, *graph.edges())
        h = self.features(graph, edges, self.l_features)
        a, b = self.factors(h[: len(self.factors.degree)]).chunk(2, dim=2)
        of_head = {"lower": h, "axial": self.axial(a, b), "higher": h}
        x = torch.stack(
            [
                torch.einsum("pin,pmy->imny", head(of_head[name], edges.is_element), getattr(self, f"{name}_table"))
                for name, head in self.heads.items()
            ]
        ).sum(0)
        x = x * self.composed().index_select(0, graph.element).unsqueeze(3)
        along = torch.eye(3, dtype=x.dtype, device=x.device)[FIELD].T
        isotropic = self.shift[graph.element][:, None, :, None] * along[:, None, :]
        s, p, higher = x.split([1, 3, x.shape[1] - 4], dim=1)
        s = torch.stack([self.whitened.charged(along_y, graph, 0.0) for along_y in s.unbind(3)], dim=3)
        return self.symmetric(torch.cat([s, p + isotropic, higher], dim=1), graph)

    def symmetric(self, x: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Return the x nearest to the given one whose polarizability is symmetric; the charge stays as it is.

        Only functions of l = 1 are changed, by p_n Λ_xy / Σ p² with the antisymmetric part Λ of ∫ x ρ^(1)_y.
        """
        moment = self.moment(x, graph)
        excess = (moment - moment.transpose(1, 2)) / (2 * BOHR_IN_ANGSTROM)
        p = self.whitened.dipole.to(x.dtype)[graph.element]
        share = excess / graph.sum_over_atoms((p * p).sum(1))[:, None, None]
        # the excess by Cartesian component to the components of l = 1
        correction = graph.on_atoms(share.roll(-1, 1))[:, :, None, :] * p[:, None, :, None]
        s, first, higher = x.split([1, 3, x.shape[1] - 4], dim=1)
        return torch.cat([s, first - correction, higher], dim=1)

    def moment(self, x: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Return ∫ r_x ρ^(1)_y of each molecule, (n_molecules, x, field), in Angstrom bohr² e²/hartree."""
        return torch.stack([self.whitened.electronic_dipole(along, graph) for along in x.unbind(3)], dim=2)

    def polarizability(self, x: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Return α_xy = -∫ x ρ^(1)_y of each molecule, (n_molecules, x, field), in bohr³."""
        return -self.moment(x, graph) / BOHR_IN_ANGSTROM

    def polarizabilities(self, graph: Graph) -> torch.Tensor:
        """Return α of each molecule of a graph, (n_molecules, x, field), in bohr³."""
        return self.polarizability(self(graph), graph)


class AxialProduct(nn.Module):
    """p_lm,c = Σ C^{l1 l2 l}_{m1 m2 m} a_l1m1,c b_l2m2,c over l1 + l2 + l odd: features of parity -(-1)^l.

    Args:
        l_in: highest degree of the factors.
        l_out: highest degree of the products; there is none of l = 0.
    """

    table: torch.Tensor

    def __init__(self, l_in: int, l_out: int) -> None:
        super().__init__()
        size = (l_in + 1) ** 2
        table = torch.zeros(size, size, (l_out + 1) ** 2, dtype=torch.float64)
        for l in range(l_out + 1):
            paths = [
                (l1, l2)
                for l1 in range(l_in + 1)
                for l2 in range(l_in + 1)
                if abs(l1 - l2) <= l <= l1 + l2 and (l1 + l2 + l) % 2
            ]
            for l1, l2 in paths:
                coupling = clebsch_gordan(l1, l2, l) / len(paths) ** 0.5
                table[components(l1), components(l2), components(l)] = coupling
        self.register_buffer("table", table.float(), persistent=False)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Couple a and b, (lm, i, c) both."""
        return torch.einsum("pic,qic,pqm->mic", a, b, self.table.to(a.dtype))


def vector_coupling(offset: int, l_in: int, l_out: int) -> torch.Tensor:
    """Return C^{L 1 l}_{M y m} with L = l + offset, (LM, lm, field), float64; zero where there is no such L.

    Args:
        offset: -1, 0 or 1.
        l_in: highest L that there is.
        l_out: highest l.
    """
    table = torch.zeros((l_in + 1) ** 2, (l_out + 1) ** 2, 3, dtype=torch.float64)
    for l in range(l_out + 1):
        L = l + offset
        if 0 <= L <= l_in and L + l > 0:
            table[components(L), components(l)] = clebsch_gordan(L, 1, l).transpose(1, 2)[:, :, FIELD]
    return table
