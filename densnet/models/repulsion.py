r"""The wall between two nuclei that come nearer to each other than any did in training.

Ziegler, Biersack and Littmark's universal repulsion of screened nuclei (*The Stopping and Range of Ions in Solids*,
Pergamon, 1985), under a smooth cutoff f at the shortest distance R of the two elements that was learned from:

.. math:: V(r) = \frac{e^2}{4 \pi \varepsilon_0} \frac{Z_i Z_j}{r} \, \phi(r / a) \, f(r / R), \qquad
          a = \frac{0.8854 \, a_0}{Z_i^{0.23} + Z_j^{0.23}}, \qquad \phi(x) = \sum_n w_n e^{-d_n x}.

It is nothing where labels speak, so that nothing has to be learned against it, and without bound where nuclei meet, which
no network that was trained on molecules knows.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from ase.data import covalent_radii
from torch import nn

from densnet.models.graph import Graph
from densnet.nn.radial import cutoff_slope, smooth_cutoff
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV

WEIGHTS = (0.18175, 0.50986, 0.28022, 0.028171)
DECAYS = (3.1998, 0.94229, 0.4029, 0.20162)


class Repulsion(nn.Module):
    """V of all pairs of some elements (atomic numbers).

    Attributes:
        closest: R of each pair of elements, (z, z), Angstrom; the sum of covalent radii until it is known.
    """

    charges: torch.Tensor
    decays: torch.Tensor
    closest: torch.Tensor

    def __init__(self, elements: tuple[int, ...]) -> None:
        super().__init__()
        z, radii = torch.tensor(elements).double(), torch.as_tensor(covalent_radii[list(elements)])
        length = 0.8854 * BOHR_IN_ANGSTROM / (z.unsqueeze(1) ** 0.23 + z**0.23)
        # e²/(4 π ε0) is one hartree bohr
        self.register_buffer("charges", HARTREE_IN_EV * BOHR_IN_ANGSTROM * z.unsqueeze(1) * z, persistent=False)
        self.register_buffer("decays", torch.tensor(DECAYS).double() / length.unsqueeze(2), persistent=False)
        self.register_buffer("closest", radii.unsqueeze(1) + radii)

    def set_closest(self, learned: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Take R from geometries: element indices (a,) and positions (T, a, 3) in Angstrom of each molecule."""
        nearest = torch.full_like(self.closest, torch.inf)
        for element, positions in learned:
            first, second = np.triu_indices(len(element), 1)
            distances = (positions[:, first] - positions[:, second]).norm(dim=2).amin(0)
            for a, b, r in zip(element[first], element[second], distances.to(nearest), strict=True):
                nearest[a, b] = nearest[b, a] = torch.minimum(nearest[a, b], r)
        self.closest.copy_(torch.where(torch.isfinite(nearest), nearest, self.closest))

    def forward(self, graph: Graph, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the energy of each molecule (n_molecules,) in eV, and each edge's share of dV/dr (n, k) in eV/Angstrom.

        Args:
            graph: atoms and their neighbours; a pair is two edges.
            r: lengths of the edges (n, k) in Angstrom.
        """
        ends = graph.element.unsqueeze(1), graph.element[graph.sender]
        charge, decay, closest = (table[ends].to(r.dtype) for table in (self.charges, self.decays, self.closest))
        weights = torch.tensor(WEIGHTS, dtype=r.dtype, device=r.device)
        terms = weights * torch.exp(-decay * r.unsqueeze(2))
        whole = charge / r * terms.sum(2)
        whole_slope = -(whole + charge * (decay * terms).sum(2)) / r
        f, slope = smooth_cutoff(r / closest, 1.0), cutoff_slope(r / closest, 1.0) / closest
        return graph.sum_over_atoms(0.5 * (whole * f).sum(1)), 0.5 * (whole_slope * f + whole * slope)
