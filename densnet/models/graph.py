"""A batch of molecules as one graph: atoms, and the neighbours of each within the cutoff."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.autograd import forward_ad

from densnet.errors import DensnetError


@dataclass(frozen=True)
class Graph:
    """Atoms of one or more molecules and their neighbours.

    Attributes:
        element: index into the model's elements, (n,).
        positions: Angstrom, (n, 3).
        molecule: which molecule an atom belongs to, (n,), ascending.
        n_molecules: how many there are.
        sender: neighbours j of each atom i, (n, k); atoms with fewer than k are padded with themselves.
        cutoff: Angstrom; padding is put beyond it.
        n_atoms: of each molecule, if all have as many; None if not.
    """

    element: torch.Tensor
    positions: torch.Tensor
    molecule: torch.Tensor
    n_molecules: int
    sender: torch.Tensor
    cutoff: float
    n_atoms: int | None = None

    def cpu(self) -> Graph:
        """Return the graph in host memory."""
        element, positions, molecule, sender = (
            tensor.cpu() for tensor in (self.element, self.positions, self.molecule, self.sender)
        )
        return Graph(element, positions, molecule, self.n_molecules, sender, self.cutoff, self.n_atoms)

    def edges(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return distances (n, k) in Angstrom and unit vectors (n, k, 3) from each atom to its neighbours.

        A padded neighbour stands beyond the cutoff, in a fixed direction: it contributes nothing, to any derivative.
        """
        neighbours = nn.functional.embedding(self.sender, self.positions)
        padded = self.sender == torch.arange(len(self.sender), device=self.sender.device).unsqueeze(1)
        away = self.positions.new_tensor([2 * self.cutoff, 0.0, 0.0])
        vectors = torch.where(padded.unsqueeze(2), away, neighbours - self.positions.unsqueeze(1))
        r = vectors.norm(dim=2)
        return r, vectors / r.unsqueeze(2)

    def pulled_back(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return the gradient with respect to the positions (n, 3) from that with respect to edge vectors (n, k, 3)."""
        return (-gradient.sum(1)).index_add(0, self.sender.flatten(), gradient.flatten(0, 1))

    def sum_over_atoms(self, values: torch.Tensor) -> torch.Tensor:
        """Sum atomic values (n, ...) to molecular ones (n_molecules, ...)."""
        if self.n_atoms is not None:
            return values.unflatten(0, (-1, self.n_atoms)).sum(1)
        total = values.new_zeros(self.n_molecules, *values.shape[1:])
        return total.index_add(0, self.molecule, values)

    def on_atoms(self, values: torch.Tensor) -> torch.Tensor:
        """Give molecular values (n_molecules, ...) to each atom, (n, ...)."""
        if self.n_atoms is not None:
            return values.unsqueeze(1).expand(-1, self.n_atoms, *values.shape[1:]).flatten(0, 1)
        return values.index_select(0, self.molecule)


def replicate(element: torch.Tensor, positions: torch.Tensor, cutoff: float) -> Graph:
    """Return the graph of T geometries (T, a, 3) of one molecule with element indices (a,).

    Raises:
        DensnetError: two atoms at the same place, or a position that is not finite.
    """
    n_frames, n_atoms, _ = positions.shape
    # which pairs are near is no differentiable question, in either direction of differentiation
    fixed = forward_ad.unpack_dual(positions).primal.detach()
    separation = torch.cdist(fixed, fixed, compute_mode="donot_use_mm_for_euclid_dist")
    if not bool(torch.isfinite(separation).all()):
        raise DensnetError("positions: expected finite numbers, found NaN or infinity; the geometry has blown up")
    near = separation < cutoff
    near.diagonal(dim1=1, dim2=2).fill_(False)
    if bool((separation[near] < 1e-3).any()):
        raise DensnetError("positions: two atoms stand at the same place; check the geometry")
    most = max(int(near.sum(2).max()), 1)
    # the nearest first; what is not near comes last and becomes padding
    order = separation.masked_fill(~near, torch.inf).argsort(dim=2)[:, :, : min(most, n_atoms)]
    own = torch.arange(n_atoms, device=positions.device).unsqueeze(1)
    neighbour = torch.where(near.gather(2, order), order, own)
    first_atom = torch.arange(n_frames, device=positions.device).reshape(-1, 1, 1) * n_atoms
    return Graph(
        element=element.repeat(n_frames),
        positions=positions.reshape(-1, 3),
        molecule=torch.arange(n_frames, device=positions.device).repeat_interleave(n_atoms),
        n_molecules=n_frames,
        sender=(neighbour + first_atom).reshape(n_frames * n_atoms, -1),
        cutoff=cutoff,
        n_atoms=n_atoms,
    )
