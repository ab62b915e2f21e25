"""A model as metatomic's engines call it; written in the part of Python that TorchScript knows.

Annotations are read when the module is scripted, hence neither postponed nor in their newer spelling. Metatomic, which
is optional, has to be installed where this is imported.
"""

# ruff: noqa: UP006, UP035, UP045
from typing import Dict, List, Optional, Tuple

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import ModelOutput, NeighborListOptions, System
from torch import nn

from densnet.models.graph import SAME_PLACE


class MetatomicModel(nn.Module):
    """Energies, dipoles and density coefficients of metatomic's systems.

    Args:
        networks: :func:`densnet.models.torchscript.torchscript` of a model.
        elements: atomic numbers that the model knows, in its own order.
        shells: o3_lambda, atomic number and number of shells of each block of coefficients.
        cutoff: of the networks, Angstrom.
    """

    index_of: torch.Tensor

    def __init__(
        self,
        networks: torch.jit.ScriptModule,
        elements: Tuple[int, ...],
        shells: List[Tuple[int, int, int]],
        cutoff: float,
    ) -> None:
        super().__init__()
        self.networks, self.shells, self.same_place = networks, shells, SAME_PLACE
        index_of = torch.zeros(max(elements) + 1, dtype=torch.long)
        index_of[list(elements)] = torch.arange(len(elements))
        self.register_buffer("index_of", index_of)
        self.pairs = NeighborListOptions(cutoff=cutoff, full_list=True, strict=True)

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        """Return the pairs that the engine has to find."""
        return [self.pairs]

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],
        selected_atoms: Optional[Labels],
    ) -> Dict[str, TensorMap]:
        """Return the outputs that are asked for.

        Raises:
            ValueError: no system, periodic boundaries, two atoms at one place, a position that is not finite, or a part
                of the atoms alone. TorchScript makes another error of it, with the same last line.
        """
        if len(systems) == 0:
            raise ValueError("systems: expected at least one molecule, found none; give one")
        sizes: List[int] = []
        for system in systems:
            if bool(system.pbc.any()):
                raise ValueError("pbc: expected molecules, found a periodic cell; set pbc to False in all directions")
            if len(system) == 0:
                raise ValueError("systems: expected molecules, found one without atoms; leave it out")
            sizes.append(len(system))
        types = torch.cat([system.types for system in systems]).to(torch.long)
        positions = torch.cat([system.positions for system in systems])
        if not bool(torch.isfinite(positions).all()):
            raise ValueError("positions: expected finite numbers, found NaN or infinity; the geometry has blown up")
        if selected_atoms is not None and len(selected_atoms) != len(types):
            raise ValueError(
                "selected_atoms: expected all atoms, for they share their molecule's charge, found some of them; "
                "run on one process"
            )
        n_atoms = torch.tensor(sizes, device=positions.device)
        molecule = torch.repeat_interleave(torch.arange(len(sizes), device=positions.device), n_atoms)
        sender = self.neighbours(systems, positions)
        energy, dipole, blocks = self.networks(self.index_of[types], molecule, n_atoms, sender, positions)
        first = torch.cumsum(n_atoms, 0) - n_atoms
        place = torch.arange(len(types), device=positions.device) - first[molecule]
        atoms = torch.stack([molecule, place], dim=1).to(torch.int32)
        results: Dict[str, TensorMap] = {}
        if "energy" in outputs:
            results["energy"] = self.energies(energy, atoms, len(sizes), outputs["energy"].sample_kind == "atom")
        if "densnet::dipole" in outputs:
            results["densnet::dipole"] = self.dipoles(dipole)
        if "densnet::density" in outputs:
            results["densnet::density"] = self.coefficients(blocks, atoms, types)
        return results

    def neighbours(self, systems: List[System], positions: torch.Tensor) -> torch.Tensor:
        """Return each atom's neighbours among the atoms of all systems, (i, j), padded with the atom itself."""
        pairs: List[torch.Tensor] = []
        before = 0
        for system in systems:
            pairs.append(system.get_neighbor_list(self.pairs).samples.values[:, :2].to(torch.long) + before)
            before += len(system)
        first, second = torch.cat(pairs).unbind(1)
        if bool(((positions[first] - positions[second]).norm(2, 1) < self.same_place).any()):
            raise ValueError("positions: two atoms stand at the same place; check the geometry")
        order = torch.argsort(first, stable=True)
        first, second = first[order], second[order]
        count = torch.bincount(first, minlength=before)
        atoms = torch.arange(before, device=positions.device)
        table = atoms.unsqueeze(1).repeat(1, max(int(count.max()), 1))
        place = torch.arange(len(first), device=positions.device) - (torch.cumsum(count, 0) - count)[first]
        table[first, place] = second
        return table

    def energies(self, energy: torch.Tensor, atoms: torch.Tensor, n_systems: int, of_atoms: bool) -> TensorMap:
        """Return energies of atoms, or their sums, of properties ``energy``."""
        properties = labels("energy", torch.zeros(1, dtype=torch.int32, device=energy.device))
        if of_atoms:
            block = TensorBlock(energy.unsqueeze(1), Labels(["system", "atom"], atoms), no_labels(), properties)
            return alone(block)
        total = energy.new_zeros(n_systems).index_add(0, atoms[:, 0], energy)
        systems = labels("system", torch.arange(n_systems, dtype=torch.int32, device=energy.device))
        return alone(TensorBlock(total.unsqueeze(1), systems, no_labels(), properties))

    def dipoles(self, dipole: torch.Tensor) -> TensorMap:
        """Return dipoles (system, xyz, 1)."""
        systems = labels("system", torch.arange(len(dipole), dtype=torch.int32, device=dipole.device))
        xyz = labels("xyz", torch.arange(3, dtype=torch.int32, device=dipole.device))
        properties = labels("dipole", torch.zeros(1, dtype=torch.int32, device=dipole.device))
        return alone(TensorBlock(dipole.unsqueeze(2), systems, [xyz], properties))

    def coefficients(self, blocks: torch.Tensor, atoms: torch.Tensor, types: torch.Tensor) -> TensorMap:
        """Return the coefficients (atom, o3_mu, n) of each degree and element, in the order of the basis."""
        made: List[TensorBlock] = []
        keys: List[List[int]] = []
        for l, z, n in self.shells:
            rows = torch.nonzero(types == z).squeeze(1)
            o3_mu = labels("o3_mu", torch.arange(-l, l + 1, dtype=torch.int32, device=blocks.device))
            shell = labels("n", torch.arange(n, dtype=torch.int32, device=blocks.device))
            values = blocks[rows, l * l : (l + 1) * (l + 1), :n]
            made.append(TensorBlock(values, Labels(["system", "atom"], atoms[rows]), [o3_mu], shell))
            keys.append([l, 1, z])
        names = ["o3_lambda", "o3_sigma", "atom_type"]
        return TensorMap(Labels(names, torch.tensor(keys, dtype=torch.int32, device=blocks.device)), made)


def labels(name: str, values: torch.Tensor) -> Labels:
    """Return labels of one name."""
    return Labels([name], values.unsqueeze(1))


def no_labels() -> List[Labels]:
    """Return the components of scalars."""
    return torch.jit.annotate(List[Labels], [])


def alone(block: TensorBlock) -> TensorMap:
    """Return a block as a map of its own."""
    return TensorMap(Labels(["_"], torch.zeros(1, 1, dtype=torch.int32, device=block.values.device)), [block])
