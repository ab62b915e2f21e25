"""Replicas that do not share their fate: one whose geometry is refused is lost, the others go on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from densnet.errors import DensnetError
from densnet.potential import Array, Derived, Potential, Quantities, joined


class Separate(Derived):
    """Potentials side by side, one a replica; a geometry that one refuses has no energy (NaN) and spares the others.

    Args:
        potentials: of one replica each; the same one again and again if it keeps nothing between calls.
    """

    def __init__(self, potentials: Sequence[Potential]) -> None:
        super().__init__(potentials[0])
        self.potentials = tuple(potentials)
        self.last: Quantities | None = None

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom.

        Raises:
            DensnetError: the very first geometry is refused; then the potential is at fault and not the geometry.
        """
        values = []
        for potential, geometry in zip(self.potentials, positions, strict=True):
            try:
                self.last = potential(geometry[None])
                values.append(self.last)
            except DensnetError:
                if self.last is None:
                    raise
                potential.forget()
                values.append({name: np.full_like(value, np.nan) for name, value in self.last.items()})
        return joined(values)

    def forget(self) -> None:
        """Let every potential drop what its last call left behind."""
        for potential in self.potentials:
            potential.forget()
