"""A batch of molecules as one graph: atoms, and the pairs of atoms within the cutoff."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.autograd import forward_ad

from densnet.errors import DensnetError


@dataclass(frozen=True)
class Graph:
    """Atoms of one or more molecules and their neighbour pairs.

    Attributes:
        element: index into the model's elements, (n,).
        positions: Angstrom, (n, 3).
        molecule: which molecule an atom belongs to, (n,), ascending.
        n_molecules: how many there are.
        receiver, sender: atoms i and j of each directed pair, (e,).
    """

    element: torch.Tensor
    positions: torch.Tensor
    molecule: torch.Tensor
    n_molecules: int
    receiver: torch.Tensor
    sender: torch.Tensor

    def cpu(self) -> Graph:
        """Return the graph in host memory."""
        tensors = (self.element, self.positions, self.molecule, self.receiver, self.sender)
        element, positions, molecule, receiver, sender = (tensor.cpu() for tensor in tensors)
        return Graph(element, positions, molecule, self.n_molecules, receiver, sender)

    def edges(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return distances (e,) in Angstrom and unit vectors (e, 3) from i to j."""
        vectors = self.positions.index_select(0, self.sender) - self.positions.index_select(0, self.receiver)
        r = vectors.norm(dim=1)
        return r, vectors / r.unsqueeze(1)

    def sum_over_atoms(self, values: torch.Tensor) -> torch.Tensor:
        """Sum atomic values (n, ...) to molecular ones (n_molecules, ...)."""
        total = values.new_zeros(self.n_molecules, *values.shape[1:])
        return total.index_add(0, self.molecule, values)


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
    frame, i, j = near.nonzero(as_tuple=True)
    if len(frame) and float(separation[frame, i, j].min()) < 1e-3:
        raise DensnetError("positions: two atoms stand at the same place; check the geometry")
    return Graph(
        element=element.repeat(n_frames),
        positions=positions.reshape(-1, 3),
        molecule=torch.arange(n_frames, device=positions.device).repeat_interleave(n_atoms),
        n_molecules=n_frames,
        receiver=frame * n_atoms + i,
        sender=frame * n_atoms + j,
    )
