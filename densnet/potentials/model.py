"""Our models as a potential, all geometries in one batch on one device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from densnet.models.checkpoint import load_ensemble
from densnet.models.ensemble import Ensemble, mean_of, spread_of
from densnet.potential import Array, Potential, Quantities, joined

SPREADS = ("energy_spread", "forces_spread", "dipole_spread")


class ModelPotential(Potential):
    """Energies, forces and dipoles by a model; of an ensemble the means, and the spreads over its members.

    The spreads are those of :func:`densnet.models.ensemble.spread_of`: energy (t,), forces (t, i) and dipole (t,).

    Args:
        model: of one member or more.
        numbers: atomic numbers, (i,).
        atoms_at_once: of all geometries together; more are evaluated in turns. None: no bound.

    Raises:
        DensnetError: an element that the model does not know.
    """

    name = "model"

    def __init__(self, model: Ensemble, numbers: NDArray[np.int64], *, atoms_at_once: int | None = None) -> None:
        self.model, self.numbers = model, numbers
        self.element = model.elements_of(numbers)
        self.elements = frozenset(model.members[0].density.whitened.elements)
        self.device, self.dtype = str(self.element.device), str(model.members[0].dtype).removeprefix("torch.")
        self.domain = model.domain and model.domain.to(self.element.device)
        self.quantities = frozenset(("energy", "forces", "dipole", *(SPREADS if len(model) > 1 else ())))
        self.block = max(1, atoms_at_once // len(numbers)) if atoms_at_once else None

    @classmethod
    def from_file(
        cls,
        path: Path,
        numbers: NDArray[np.int64],
        *,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        recorded: bool = False,
        atoms_at_once: int | None = None,
        member: int | None = None,
    ) -> ModelPotential:
        """Return the potential of a ``model.pt``.

        Args:
            member: of an ensemble take this one alone, counted from 0.
            recorded: the first call of a size takes seconds, the others far less
                (:meth:`densnet.models.densnet_model.DenSNet.record`).

        Raises:
            DensnetError: no model of ours, or an element that it does not know.
        """
        model = load_ensemble(path, device=device, dtype=dtype)
        if member is not None:
            model = Ensemble([model.members[member]])
        for network in model.members if recorded else ():
            network.record()
        return cls(model, numbers, atoms_at_once=atoms_at_once)

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom."""
        block = self.block or len(positions)
        return joined([self._block(positions[n : n + block]) for n in range(0, len(positions), block)])

    def domain_distance(self, positions: Array) -> Array | None:
        """Return the domain distance (t,) of geometries (t, i, x), None of a model that does not hold its domain."""
        if self.domain is None:
            return None
        return self.domain.distance(self.numbers, torch.as_tensor(positions)).cpu().numpy()

    def polarizability(self, positions: Array) -> Array | None:
        """Return polarizabilities (t, x, field) of geometries (t, i, x); None of a model that has learned none."""
        if not self.model.responds:
            return None
        block = self.block or max(len(positions), 1)
        parts = [torch.as_tensor(positions[n : n + block].copy()) for n in range(0, len(positions), block)]
        return np.concatenate([self.model.polarizability(self.element, part).double().cpu().numpy() for part in parts])

    def departure(self, positions: Array) -> str:
        """Say which distance between two atoms of a geometry (i, x) is the least usual."""
        return self.domain.departure(self.numbers, torch.as_tensor(positions)) if self.domain else ""

    def _block(self, positions: Array) -> Quantities:
        members = self.model.predictions(self.element, torch.as_tensor(positions.copy()))
        values = vars(mean_of(members))
        if len(self.model) > 1:
            values = values | {f"{name}_spread": value for name, value in spread_of(members).items()}
        return {name: value.double().cpu().numpy() for name, value in values.items()}
