"""The models in TorchScript, for programs that run them without this package, and without Python.

The networks are traced: what they do to tensors is written down once. It holds for any number of molecules, atoms and
neighbours and for any device, because none of these is written down. Nothing is differentiated by hand here: energies,
dipoles and coefficients are differentiable with respect to the positions by automatic differentiation.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from densnet.errors import DensnetError
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel
from densnet.models.graph import Graph
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.composed import Composed
from densnet.nn.edges import Edges

Outcome = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class PortableModel(nn.Module):
    """Energies, dipoles and density coefficients of any molecules of the model's elements, from tensors alone.

    Args:
        model: with an energy model; its weights must not change any more.

    Raises:
        DensnetError: there is no energy model.
    """

    prior: torch.Tensor
    away: torch.Tensor

    def __init__(self, model: DenSNet) -> None:
        super().__init__()
        if model.energy is None:
            raise DensnetError("this file holds a density model alone; energies need the output of 'train energy'")
        whitened = model.density.whitened
        exact = WhitenedBasis(whitened.basis, whitened.elements)
        # no submodules, for tracing would write down all that they have instead of what is used of them
        self._held = (model, model.energy, exact)
        self.register_buffer("prior", model.free_atoms)
        self.register_buffer("away", torch.tensor([2 * model.cutoff, 0.0, 0.0], dtype=model.dtype))
        # traced, a tensor that is no buffer of the module would stay on the device where it is
        for number, tensor in enumerate(_tensors(model.density, model.energy, exact)):
            self.register_buffer(f"tensor_{number}", tensor)

    def forward(
        self,
        element: torch.Tensor,
        molecule: torch.Tensor,
        n_atoms: torch.Tensor,
        sender: torch.Tensor,
        positions: torch.Tensor,
    ) -> Outcome:
        """Return what the models say, in float64 whatever the networks use.

        Args:
            element: element indices of the atoms of all molecules, (i,).
            molecule: which molecule an atom belongs to, (i,), ascending.
            n_atoms: of each molecule, (n_molecules,).
            sender: neighbours (i, j); atoms with fewer than others are padded with themselves.
            positions: Angstrom, (i, 3), float64.

        Returns:
            The energy of each atom in eV (i,), the dipole of each molecule in e Angstrom (n_molecules, 3), and the
            density coefficients in blocks (i, lm, n), padded with zeros, whose charge is exact.
        """
        model, energy_model, exact = self._held
        graph = Graph(element, positions, molecule, n_atoms.shape[0], sender, model.cutoff)
        # float32 resolves positions best near the origin
        centre = graph.sum_over_atoms(positions) / n_atoms.unsqueeze(1)
        graph = replace(graph, positions=(positions - graph.on_atoms(centre)).to(model.dtype))
        atoms = torch.ones_like(element).cumsum(0) - 1
        r, directions = self._edges(graph, atoms)
        made = [maker(element, sender, r, directions) for maker in model.edge_functions]
        x, u = model.density(graph, made[0])
        dipole = model.dipole(x, graph).double() + model.density.charge * centre
        electrons = model.density.electrons(graph, torch.float64)
        blocks = exact.coefficients(exact.with_charge(x.double(), graph, electrons), element)
        if model.density.settings.target == "delta":
            first, higher = blocks.split([1, blocks.shape[1] - 1], dim=1)
            blocks = torch.cat([first + self.prior[element].unsqueeze(1), higher], dim=1)
        alone = replace(graph, molecule=atoms, n_molecules=element.shape[0], n_atoms=1)
        return _atomic_energies(energy_model, alone, u, r, made[-1]), dipole, blocks

    def _edges(self, graph: Graph, atoms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what :meth:`Graph.edges` does, by operations that hold no device."""
        padded = graph.sender == atoms.unsqueeze(1)
        neighbours = nn.functional.embedding(graph.sender, graph.positions)
        vectors = torch.where(padded.unsqueeze(2), self.away, neighbours - graph.positions.unsqueeze(1))
        r = vectors.norm(dim=2)
        return r, vectors / r.unsqueeze(2)


def torchscript(model: DenSNet) -> torch.jit.ScriptModule:
    """Return :class:`PortableModel` of a model in TorchScript.

    Raises:
        DensnetError: there is no energy model.
    """
    # an example of two unlike molecules; a chain of three atoms and two atoms
    positions = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.9, 1.2], [0.3, 0.0, 2.5], [0.0, 0.0, 0.0], [0.9, 0.0, 1.0]])
    molecule = torch.tensor([0, 0, 0, 1, 1])
    element = torch.arange(5) % len(model.density.whitened.elements)
    sender = torch.tensor([[1, 2], [0, 2], [0, 1], [4, 3], [3, 4]])
    example = (element, molecule, torch.tensor([3, 2]), sender, positions.double())
    portable = PortableModel(model)
    operations: Any = _traced(portable, example).graph
    needed = {node.s("name") for node in operations.findAllNodes("prim::GetAttr")}
    for name in {name for name, _ in portable.named_buffers()} - needed:
        delattr(portable, name)
    return _traced(portable, example)


def _traced(portable: PortableModel, example: tuple[torch.Tensor, ...]) -> torch.jit.ScriptModule:
    with torch.no_grad(), warnings.catch_warnings():
        # on lengths that are the same for all molecules
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced: torch.jit.ScriptModule = torch.jit.trace(portable.eval(), example, check_trace=False)
    return traced


def _atomic_energies(model: EnergyModel, alone: Graph, u: torch.Tensor, r: torch.Tensor, edges: Edges) -> torch.Tensor:
    """Return the energy of each atom of a graph that takes every atom for a molecule of its own, (i,) in eV."""
    energy = model(alone, u, edges)
    if model.repulsion is not None:
        wall, _ = model.repulsion(alone, r, edges.ends, model.edges.trusted)
        energy = energy + wall
    return energy.double() + model.reference_energy(alone)


def _tensors(*modules: nn.Module) -> Iterator[torch.Tensor]:
    """Yield every tensor that the forward passes of some modules may read, each once."""
    given: set[int] = set()
    for module in (part for whole in modules for part in whole.modules()):
        tensors = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if isinstance(module, Composed):
            tensors += _tensors_in(module.composed())
        for tensor in tensors:
            if id(tensor) not in given:
                given.add(id(tensor))
                yield tensor


def _tensors_in(composed: Any) -> list[torch.Tensor]:
    """Return the tensors that :meth:`Composed.composed` gives: one, a tuple of them, or attributes of an object."""
    if isinstance(composed, torch.Tensor):
        return [composed]
    values = composed if isinstance(composed, tuple) else vars(composed).values()
    return [value for value in values if isinstance(value, torch.Tensor)]
