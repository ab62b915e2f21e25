"""Energies and forces of a molecule or a crystal by a model file of MACE."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable
from typing import Any

import ase
import torch
from mace import data, tools
from mace.tools import torch_geometric
from mace_files import elements_of, free_atoms, read_mace, rebuilt

AT_ONCE = 16
"""Geometries in a batch."""


class Evaluator:
    """A model for geometries of one set of atoms in one cell."""

    def __init__(self, job: dict[str, Any]) -> None:
        skeleton = read_mace(job["evaluate"])
        torch.set_default_dtype(torch.float64 if job["double"] else torch.float32)
        self.model = rebuilt(skeleton, torch.get_default_dtype()).eval()
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        self.elements, self.cutoff = elements_of(skeleton), float(skeleton.r_max)
        self.atoms = ase.Atoms(job["numbers"], cell=job["cell"], pbc=job["periodic"])
        self.e0s = free_atoms(skeleton)

    def __call__(self, positions: list[Any]) -> dict[str, Any]:
        """Return energies (t,) in eV and forces (t, i, 3) in eV/Angstrom of positions (t, i, 3)."""
        table, graphs = tools.AtomicNumberTable(self.elements), []
        for geometry in positions:
            self.atoms.positions[:] = geometry
            config = data.config_from_atoms(self.atoms)
            graphs.append(data.AtomicData.from_config(config, z_table=table, cutoff=self.cutoff))
        # added in double precision: a total energy of thousands of eV would be rounded to half a meV
        offset = sum(self.e0s[int(z)] for z in self.atoms.numbers)
        energy, forces = [], []
        for batch in torch_geometric.dataloader.DataLoader(graphs, batch_size=AT_ONCE):
            outputs = self.model(batch.to_dict(), compute_force=True)
            energy += [value + offset for value in outputs["energy"].double().tolist()]
            forces += outputs["forces"].double().reshape(-1, len(self.atoms), 3).tolist()
        return {"energy": energy, "forces": forces}


def answer(job: dict[str, Any], say: Callable[[dict[str, Any]], None], commands: queue.Queue[str]) -> int:
    """Answer geometries until the input ends.

    Raises:
        UnreadableError: no model that can be used.
    """
    torch.set_num_threads(job["threads"])
    evaluator = Evaluator(job)
    say({"event": "ready", "elements": evaluator.elements})
    while True:
        say({"event": "evaluated", **evaluator(json.loads(commands.get()))})
