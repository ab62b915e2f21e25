"""Replicas of which some have failed: the others move on as they would have without them."""

from __future__ import annotations

import numpy as np

from densnet.errors import DensnetError
from densnet.mechanics.integrators import State
from densnet.potential import Array, Derived, Potential, Quantities


class Living(Derived):
    """A potential for which every replica that has failed stays at the start, so that batches keep their size."""

    def __init__(self, potential: Potential, start: Array, replicas: int) -> None:
        super().__init__(potential)
        self.potential = potential
        self.start, self.alive = start, np.ones(replicas, dtype=bool)
        potential.forget()
        self.at_start = potential(np.repeat(start[None], replicas, axis=0))
        if not (np.isfinite(self.at_start["energy"]).all() and np.isfinite(self.at_start["forces"]).all()):
            raise DensnetError(f"{self.name}: its energy is not finite at the minimum; give another geometry")

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom; no energy (NaN) where a position or a force is not finite."""
        sound = np.isfinite(positions).all(axis=(1, 2))
        seen = np.where((self.alive & sound)[:, None, None], positions, self.start)
        answer = self.potential(seen)
        finite = sound & np.isfinite(answer["forces"]).all(axis=(1, 2))
        return {"energy": np.where(finite, answer["energy"], np.nan), "forces": answer["forces"]}

    def forget(self) -> None:
        """Let the potential drop what its last call left behind."""
        self.potential.forget()

    def without_the_dead(self, state: State) -> State:
        """Return the state with the dead at rest at the start: what blew up is not carried along."""
        alive = self.alive[:, None, None]
        quantities = {
            "energy": np.where(self.alive, state.quantities["energy"], self.at_start["energy"]),
            "forces": np.where(alive, state.quantities["forces"], self.at_start["forces"]),
        }
        return State(np.where(alive, state.positions, self.start), np.where(alive, state.velocities, 0.0), quantities)
