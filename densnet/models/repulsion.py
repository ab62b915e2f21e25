r"""The wall between two nuclei that come nearer to each other than any did in training.

Ziegler, Biersack and Littmark's universal repulsion of screened nuclei (*The Stopping and Range of Ions in Solids*,
Pergamon, 1985), under a smooth cutoff f at the shortest distance R at which the networks are trusted
(:class:`densnet.nn.edges.EdgeFunctions`):

.. math:: V(r) = \frac{e^2}{4 \pi \varepsilon_0} \frac{Z_i Z_j}{r} \, \phi(r / a) \, f(r / R), \qquad
          a = \frac{0.8854 \, a_0}{Z_i^{0.23} + Z_j^{0.23}}, \qquad \phi(x) = \sum_n w_n e^{-d_n x}.

It is nothing where labels speak, so that nothing has to be learned against it, and without bound where nuclei meet,
which no network that was trained on molecules knows.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from ase.data import covalent_radii
from torch import nn

from densnet.models.graph import SAME_PLACE, Graph
from densnet.nn.radial import cutoff_slope, smooth_cutoff
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV

WEIGHTS = (0.18175, 0.50986, 0.28022, 0.028171)
DECAYS = (3.1998, 0.94229, 0.4029, 0.20162)


def closest_distances(elements: tuple[int, ...], learned: Iterable[tuple[np.ndarray, torch.Tensor]]) -> torch.Tensor:
    """Return the shortest distance of each pair of elements in some geometries, (z · z,) in Angstrom.

    The sum of covalent radii stands for pairs that are in none.

    Args:
        elements: atomic numbers that the models know.
        learned: of each molecule, atomic numbers (i,) and positions (t, i, 3) in Angstrom.
    """
    radii = torch.as_tensor(covalent_radii[list(elements)])
    nearest = torch.full((len(elements), len(elements)), torch.inf, dtype=torch.float64)
    for numbers, positions in learned:
        element = [elements.index(int(z)) for z in numbers]
        first, second = np.triu_indices(len(element), 1)
        distances = (positions[:, first] - positions[:, second]).norm(dim=2).amin(0)
        for i, j, r in zip(first, second, distances.double(), strict=True):
            a, b = element[i], element[j]
            nearest[a, b] = nearest[b, a] = torch.minimum(nearest[a, b], r)
    return torch.where(torch.isfinite(nearest), nearest, radii.unsqueeze(1) + radii).flatten()


class Repulsion(nn.Module):
    """V of all pairs of some elements (atomic numbers)."""

    charges: torch.Tensor
    decays: torch.Tensor
    weights: torch.Tensor

    def __init__(self, elements: tuple[int, ...]) -> None:
        super().__init__()
        z = torch.tensor(elements).double()
        length = 0.8854 * BOHR_IN_ANGSTROM / (z.unsqueeze(1) ** 0.23 + z**0.23)
        # e²/(4 π ε0) is one hartree bohr
        charges = HARTREE_IN_EV * BOHR_IN_ANGSTROM * z.unsqueeze(1) * z
        self.register_buffer("charges", charges.flatten(), persistent=False)
        decays = torch.tensor(DECAYS).double() / length.unsqueeze(2)
        self.register_buffer("decays", decays.flatten(0, 1), persistent=False)
        self.register_buffer("weights", torch.tensor(WEIGHTS).double(), persistent=False)

    def forward(
        self, graph: Graph, r: torch.Tensor, ends: torch.Tensor, trusted: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the energy of each molecule (n_molecules,) in eV, and an edge's share of dV/dr (i, j) in eV/Angstrom.

        Args:
            graph: atoms and their neighbours; a pair is two edges.
            r: lengths of the edges (i, j) in Angstrom.
            ends: elements of both ends as one number Z_i · n_elements + Z_j, (i · j,).
            trusted: R of each such number, Angstrom; 0 for no wall.
        """
        # an R of 0, where nothing is known, makes no wall
        R = trusted[ends].to(r.dtype).clamp(min=SAME_PLACE)
        charge, decay = (table[ends].to(r.dtype) for table in (self.charges, self.decays))
        distance = r.flatten()
        terms = self.weights.to(r.dtype) * torch.exp(-decay * distance.unsqueeze(1))
        whole = charge / distance * terms.sum(1)
        whole_slope = -(whole + charge * (decay * terms).sum(1)) / distance
        f, slope = smooth_cutoff(distance / R, 1.0), cutoff_slope(distance / R, 1.0) / R
        energy, share = 0.5 * whole * f, 0.5 * (whole_slope * f + whole * slope)
        return graph.sum_over_atoms(energy.view_as(r).sum(1)), share.view_as(r)
