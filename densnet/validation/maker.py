"""What validators are given: a potential that can be made for any molecule."""

from __future__ import annotations

from typing import Protocol

from densnet.mechanics.relaxation import relaxed
from densnet.molecule import Molecule
from densnet.potential import Array, Potential

FORCE, STEPS = 2e-3, 2000
"""Of a relaxation: eV/Angstrom left, for the rounding of single precision is below it, and steps at most."""


class Maker(Protocol):
    """Makes one kind of potential for any molecule."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        ...

    @property
    def batch(self) -> int | None:
        """Geometries that it takes at once in a scan; None: all."""
        ...

    def __call__(
        self, molecule: Molecule, replicas: int = 1, *, lasting: bool = False, double: bool = False
    ) -> Potential:
        """Return the potential of a molecule for so many geometries in each call.

        A geometry that is refused has no energy (NaN) and spares the others.

        Args:
            lasting: there will be thousands of calls.
            double: in double precision, if there is a choice.

        Raises:
            DensnetError: it refuses the molecule.
        """
        ...


def minimum_of(potential: Potential, positions: Array) -> Array:
    """Return the minimum (i, x) of the same molecule near a geometry, in Angstrom.

    Raises:
        DensnetError: there is none, or it has other bonds.
    """
    return relaxed(potential, positions, force=FORCE, steps=STEPS, same_bonds=True)
