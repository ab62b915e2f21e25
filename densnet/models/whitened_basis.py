"""The density coefficients as a network sees them: per atom, degree and radial function, whitened.

Coefficients c of one atom stand in a block (component lm, radial function n), padded to the longest degree.
With the on-site Coulomb block B = L Lᵀ of each element and degree the network's variable is x = Lᵀ Δc, so that
the on-site part of the Coulomb self-energy is Σ x²; the charge and the dipole are linear in x.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from densnet.basis.basis import Basis
from densnet.basis.integrals import charges, dipoles
from densnet.basis.whitening import unwhitening_factor
from densnet.models.graph import Graph
from densnet.nn.clebsch_gordan import degrees
from densnet.units import BOHR_IN_ANGSTROM


class WhitenedBasis(nn.Module):
    """Tables of a fitting basis, whitened, for a fixed tuple of elements (atomic numbers).

    Buffers (z element, l degree, n radial function, padded with zeros):
        mask (z, lm, n); unwhiten (z, l, n, n): Δc = L^{-T} x; charge (z, n): ∫ρ of l = 0; dipole (z, n): of l = 1.
    """

    degree: torch.Tensor
    mask: torch.Tensor
    unwhiten: torch.Tensor
    charge: torch.Tensor
    dipole: torch.Tensor
    numbers: torch.Tensor

    def __init__(self, basis: Basis, elements: tuple[int, ...]) -> None:
        super().__init__()
        self.basis, self.elements, self.l_max = basis, elements, basis.l_max
        self.n_max = max(basis.n_radial(z, l) for z in elements for l in range(self.l_max + 1))
        shape = (len(elements), self.l_max + 1, self.n_max)
        present = np.zeros(shape)
        unwhiten = np.zeros((*shape, self.n_max))
        charge, dipole = np.zeros((len(elements), self.n_max)), np.zeros((len(elements), self.n_max))
        for index, z in enumerate(elements):
            for l in range(self.l_max + 1):
                n = basis.n_radial(z, l)
                if n == 0:
                    continue
                present[index, l, :n] = 1
                unwhiten[index, l, :n, :n] = unwhitening_factor(basis, z, l)
            q, p = _atomic_moments(basis, z)
            charge[index, : len(q)] = q @ unwhiten[index, 0, : len(q), : len(q)]
            if len(p):
                dipole[index, : len(p)] = p @ unwhiten[index, 1, : len(p), : len(p)]
        degree = degrees(self.l_max)
        self.register_buffer("degree", degree, persistent=False)
        self.register_buffer("mask", torch.tensor(present)[:, degree], persistent=False)
        self.register_buffer("unwhiten", torch.tensor(unwhiten), persistent=False)
        self.register_buffer("charge", torch.tensor(charge), persistent=False)
        self.register_buffer("dipole", torch.tensor(dipole), persistent=False)
        self.register_buffer("numbers", torch.tensor(elements, dtype=torch.float64), persistent=False)

    def flat_index(self, numbers: np.ndarray) -> torch.Tensor:
        """Return where each coefficient (k,) of a molecule stands in its flattened blocks (i · lm · n)."""
        layout = self.basis.layout(numbers)
        component = layout.l**2 + layout.l + layout.m
        return torch.as_tensor((layout.atom * (self.l_max + 1) ** 2 + component) * self.n_max + layout.n)

    def index_of(self, numbers: np.ndarray) -> torch.Tensor:
        """Return the element index of each atom (i,)."""
        return torch.tensor([self.elements.index(int(z)) for z in numbers])

    def in_blocks(self, flat: torch.Tensor, numbers: np.ndarray) -> torch.Tensor:
        """Return coefficients (t, k) of t frames of a molecule in blocks (t · i, lm, n), padded with zeros."""
        shape = ((self.l_max + 1) ** 2, self.n_max)
        blocks = flat.new_zeros(len(flat), len(numbers) * shape[0] * shape[1])
        blocks[:, self.flat_index(numbers)] = flat
        return blocks.reshape(-1, *shape)

    def flat(self, blocks: torch.Tensor, numbers: np.ndarray) -> torch.Tensor:
        """Return coefficients (t, k), canonical order, from blocks, the inverse of :meth:`in_blocks`."""
        return blocks.reshape(-1, len(numbers) * blocks[0].numel())[:, self.flat_index(numbers)]

    def with_charge(self, x: torch.Tensor, graph: Graph, electrons: torch.Tensor | float) -> torch.Tensor:
        """Return the x nearest to the given one, in the on-site Coulomb metric, that holds ``electrons`` exactly.

        x - q (q·x - N) / (q·q), once a molecule; electrons (n_molecules,).
        """
        return torch.cat([self.charged(x[:, :1], graph, electrons), x[:, 1:]], dim=1)

    def charged(self, s: torch.Tensor, graph: Graph, electrons: torch.Tensor | float) -> torch.Tensor:
        """Return what :meth:`with_charge` makes of the l = 0 part (i, 1, n) of x, all that it changes."""
        q = self.charge.to(s.dtype)[graph.element].unsqueeze(1)
        excess = graph.sum_over_atoms((s * q).sum((1, 2))) - electrons
        share = excess / graph.sum_over_atoms((q * q).sum((1, 2)))
        return s - graph.on_atoms(share).view(-1, 1, 1) * q

    def balanced(self, s: torch.Tensor, graph: Graph, envelope: torch.Tensor, electrons: torch.Tensor) -> torch.Tensor:
        """Return the l = 0 part (i, 1, n) of x with each atom's excess of electrons taken off around the atom.

        With f_ij the cutoff function and f_ii = 1, from atom i of the excess e_j = q_j·s_j - N_j of all j near it

            s_i - q_i Σ_j f_ij e_j / Σ_k f_jk q_k·q_k

        so that a molecule holds Σ N exactly, no charge goes further than the cutoff, and atoms apart keep their own N.

        Args:
            s: before, (i, 1, n).
            graph: atoms and neighbours (i, j).
            envelope: the cutoff function of each edge, (i · j, 1).
            electrons: N of each atom, (i,).
        """
        q = self.charge.to(s.dtype)[graph.element]
        near = envelope.view_as(graph.sender)

        def around(values: torch.Tensor) -> torch.Tensor:
            of_neighbours = nn.functional.embedding(graph.sender, values.unsqueeze(1)).squeeze(2)
            return values + (near * of_neighbours).sum(1)

        excess = (s.squeeze(1) * q).sum(1) - electrons
        taken = around(excess / around((q * q).sum(1)))
        return s - (taken.unsqueeze(1) * q).unsqueeze(1)

    def electronic_dipole(self, x: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Return Σ_k x_k ∫ r χ_k of each molecule, (n_molecules, 3) in e Angstrom, electrons counted positive."""
        q = (x[:, 0] * self.charge.to(x.dtype)[graph.element]).sum(1, keepdim=True)
        total = q * graph.positions
        if self.l_max > 0:
            p = (x[:, 1:4] * self.dipole.to(x.dtype)[graph.element].unsqueeze(1)).sum(2)
            # orders -1, 0, 1 of l = 1 are y, z, x
            total = total + p.roll(1, 1) * BOHR_IN_ANGSTROM
        return graph.sum_over_atoms(total)

    def coefficients(self, x: torch.Tensor, element: torch.Tensor) -> torch.Tensor:
        """Return Δc = L^{-T} x in blocks (i, lm, n)."""
        matrices = self.unwhiten.to(x.dtype)[element][:, self.degree]
        return torch.einsum("imnp,imp->imn", matrices, x)

    def whiten(self, coefficients: torch.Tensor, element: torch.Tensor) -> torch.Tensor:
        """Return x = Lᵀ c from blocks (i, lm, n), the inverse of :meth:`coefficients`."""
        padding = torch.diag_embed(1 - self.mask[:, [l * l for l in range(self.l_max + 1)]])
        matrices = torch.linalg.inv(self.unwhiten + padding).to(coefficients.dtype)
        return torch.einsum("imnp,imp->imn", matrices[element][:, self.degree], coefficients)


def _atomic_moments(basis: Basis, z: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ∫χ of the s functions and ∫ z χ of the p functions (order m = 0) of one element, atomic units."""
    numbers = np.array([z])
    layout = basis.layout(numbers)
    q = charges(basis, numbers)[layout.l == 0]
    d = dipoles(basis, numbers, np.zeros((1, 3)))[:, 2]
    return q, d[(layout.l == 1) & (layout.m == 0)]
