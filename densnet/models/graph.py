"""A batch of molecules as one graph: atoms, and the neighbours of each within the cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import nn
from torch.autograd import forward_ad

from densnet.errors import DensnetError

SAME_PLACE = 1e-3
"""Angstrom."""
TREE_FROM = 150
"""Atoms from which on a tree finds neighbours faster than all pairs do, on a CPU (benchmarks/chain_scaling.py)."""


@dataclass(frozen=True)
class Graph:
    """Atoms i of one or more molecules and their neighbours j.

    Attributes:
        element: index into the model's elements, (i,).
        positions: Angstrom, (i, 3).
        molecule: which molecule an atom belongs to, (i,), ascending.
        n_molecules: how many there are.
        sender: neighbours j of each atom i, (i, j); atoms with fewer than others are padded with themselves.
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
        """Return distances (i, j) in Angstrom and unit vectors (i, j, 3) from each atom to its neighbours.

        A padded neighbour stands beyond the cutoff, in a fixed direction: it contributes nothing, to any derivative.
        """
        neighbours = nn.functional.embedding(self.sender, self.positions)
        padded = self.sender == torch.arange(len(self.sender), device=self.sender.device).unsqueeze(1)
        away = 2 * self.cutoff * torch.eye(1, 3, dtype=self.positions.dtype, device=self.positions.device)
        vectors = torch.where(padded.unsqueeze(2), away, neighbours - self.positions.unsqueeze(1))
        r = vectors.norm(dim=2)
        return r, vectors / r.unsqueeze(2)

    def pulled_back(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return the gradient with respect to the positions (i, 3) from that with respect to edge vectors (i, j, 3)."""
        return (-gradient.sum(1)).index_add(0, self.sender.flatten(), gradient.flatten(0, 1))

    def sum_over_atoms(self, values: torch.Tensor) -> torch.Tensor:
        """Sum atomic values (i, ...) to molecular ones (n_molecules, ...)."""
        if self.n_atoms is not None:
            return values.unflatten(0, (-1, self.n_atoms)).sum(1)
        total = values.new_zeros(self.n_molecules, *values.shape[1:])
        return total.index_add(0, self.molecule, values)

    def on_atoms(self, values: torch.Tensor) -> torch.Tensor:
        """Give molecular values (n_molecules, ...) to each atom, (i, ...)."""
        if self.n_atoms is not None:
            return values.unsqueeze(1).expand(-1, self.n_atoms, *values.shape[1:]).flatten(0, 1)
        return values.index_select(0, self.molecule)


def joined(graphs: Sequence[Graph]) -> Graph:
    """Return several graphs, of molecules of any sizes, as one; a lone one as it is."""
    if len(graphs) == 1:
        return graphs[0]
    width = max(graph.sender.shape[1] for graph in graphs)
    senders, molecules, atoms, count = [], [], 0, 0
    for graph in graphs:
        n_atoms, n_neighbours = graph.sender.shape
        padding = torch.arange(n_atoms, device=graph.sender.device).unsqueeze(1).expand(-1, width - n_neighbours)
        senders.append(torch.cat([graph.sender, padding], dim=1) + atoms)
        molecules.append(graph.molecule + count)
        atoms, count = atoms + n_atoms, count + graph.n_molecules
    return Graph(
        element=torch.cat([graph.element for graph in graphs]),
        positions=torch.cat([graph.positions for graph in graphs]),
        molecule=torch.cat(molecules),
        n_molecules=count,
        sender=torch.cat(senders),
        cutoff=graphs[0].cutoff,
    )


def replicate(element: torch.Tensor, positions: torch.Tensor, cutoff: float) -> Graph:
    """Return the graph of t geometries (t, i, 3) of one molecule with element indices (i,).

    Raises:
        DensnetError: two atoms at the same place, or a position that is not finite.
    """
    return with_neighbours(element, positions, neighbours(positions, cutoff), cutoff)


def neighbours(positions: torch.Tensor, cutoff: float) -> torch.Tensor:
    """Return each atom's neighbours in t geometries (t, i, 3), (t, i, j), the nearest first, then itself as padding.

    Raises:
        DensnetError: two atoms at the same place, or a position that is not finite.
    """
    # which pairs are near is no differentiable question, in either direction of differentiation
    fixed = forward_ad.unpack_dual(positions).primal.detach()
    if not bool(torch.isfinite(fixed).all()):
        raise not_finite()
    return (_of_all_pairs if positions.shape[1] < TREE_FROM else _by_tree)(fixed, cutoff)


def with_neighbours(element: torch.Tensor, positions: torch.Tensor, near: torch.Tensor, cutoff: float) -> Graph:
    """Return the graph of t geometries (t, i, 3) whose neighbours (t, i, j) are known."""
    n_frames, n_atoms, _ = positions.shape
    frame = torch.arange(n_frames, device=positions.device)
    return Graph(
        element=element.repeat(n_frames),
        positions=positions.reshape(-1, 3),
        molecule=frame.unsqueeze(1).expand(-1, n_atoms).flatten(),
        n_molecules=n_frames,
        sender=(near + frame.reshape(-1, 1, 1) * n_atoms).flatten(0, 1),
        cutoff=cutoff,
        n_atoms=n_atoms,
    )


def _of_all_pairs(positions: torch.Tensor, cutoff: float) -> torch.Tensor:
    n_atoms = positions.shape[1]
    separation = torch.cdist(positions, positions, compute_mode="donot_use_mm_for_euclid_dist")
    near = separation < cutoff
    near.diagonal(dim1=1, dim2=2).fill_(False)
    if bool((separation[near] < SAME_PLACE).any()):
        raise same_place()
    most = max(int(near.sum(2).max()), 1)
    # what is not near comes last and becomes padding
    order = separation.masked_fill(~near, torch.inf).argsort(dim=2)[:, :, : min(most, n_atoms)]
    padding = torch.arange(n_atoms, device=positions.device).unsqueeze(1)
    return torch.where(near.gather(2, order), order, padding)


def _by_tree(positions: torch.Tensor, cutoff: float) -> torch.Tensor:
    """Return what :func:`_of_all_pairs` does, in a time that grows linearly with the molecule (k-d tree of SciPy)."""
    n_frames, n_atoms, _ = positions.shape
    tables = []
    for frame in positions.double().cpu().numpy():
        pairs = cKDTree(frame).query_pairs(cutoff, output_type="ndarray")
        i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
        separation = np.linalg.norm(frame[i] - frame[j], axis=1)
        if (separation < SAME_PLACE).any():
            raise same_place()
        order = np.lexsort((separation, i))
        count = np.bincount(i, minlength=n_atoms)
        place = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
        table = np.tile(np.arange(n_atoms)[:, None], (1, max(int(count.max()), 1)))
        table[i[order], place] = j[order]
        tables.append(table)
    widest = max(table.shape[1] for table in tables)
    padded = np.tile(np.arange(n_atoms)[:, None], (n_frames, 1, widest))
    for of_frame, table in zip(padded, tables, strict=True):
        of_frame[:, : table.shape[1]] = table
    return torch.as_tensor(padded, device=positions.device)


def not_finite() -> DensnetError:
    """Return what is said of positions that are no numbers."""
    return DensnetError("positions: expected finite numbers, found NaN or infinity; the geometry has blown up")


def same_place() -> DensnetError:
    """Return what is said of two atoms at one place."""
    return DensnetError("positions: two atoms stand at the same place; check the geometry")
