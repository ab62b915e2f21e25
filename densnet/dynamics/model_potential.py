"""Our models as the potential that moves replicas, all in one batch on one device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from densnet.dynamics.state import Array, Forces
from densnet.models.checkpoint import load_ensemble
from densnet.models.ensemble import mean_of, spread_of


class ModelPotential:
    """Energies, forces and dipoles of all replicas in one batch of a model, float32; of an ensemble, the mean."""

    name = "model"

    def __init__(self, model: Path, numbers: NDArray[np.int64], device: str, replicas: int) -> None:
        self.model = load_ensemble(model, device=device)
        for member in self.model.members:
            member.record()
        self.element = self.model.elements_of(numbers)

    def __call__(self, positions: Array) -> Forces:
        """Evaluate geometries (R, a, 3) in Angstrom."""
        members = self.model.predictions(self.element, torch.as_tensor(positions))
        prediction = mean_of(members)
        return Forces(
            prediction.energy.cpu().numpy(),
            prediction.forces.double().cpu().numpy(),
            prediction.dipole.double().cpu().numpy(),
            spread_of(members)["energy"].cpu().numpy() if len(self.model) > 1 else None,
        )

    def forget(self) -> None:
        """Nothing is kept between calls."""
