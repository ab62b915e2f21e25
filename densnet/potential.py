"""What moves atoms, and what it says of them.

Sampling, dynamics, relaxations, harmonic frequencies and timings are given a :class:`Potential` and know nothing else
of it; what there is to choose from, our models among it, lies in :mod:`densnet.potentials`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.molecule import Molecule

Array = NDArray[np.float64]

Quantities = Mapping[str, Array]
"""What is known of t geometries, by name: energy (t,) in eV, forces (t, i, x) in eV/Angstrom, dipole (t, x) in
e Angstrom, energy_spread (t,) in eV (standard deviation over the members of an ensemble), and whatever else it can."""


class Potential(Protocol):
    """Anything that says how a molecule's energy depends on where its atoms are.

    A class that names this one as its base has the defaults below.

    Attributes:
        name: as files and figures call it.
        numbers: atomic numbers of the molecule that it was made for, (i,).
        quantities: names of what it gives, the keys of every answer.
        elements: atomic numbers that it knows; None: any.
        device: where it computes.
        dtype: precision in which it computes, by numpy's name; "unknown" of a program that does not say it.
        exact_gradient: the forces are the exact gradient of the energy, and not numbers of their own.
    """

    name: str
    numbers: NDArray[np.int64]
    quantities: frozenset[str] = frozenset({"energy", "forces"})
    elements: frozenset[int] | None = None
    device: str = "cpu"
    dtype: str = "float64"
    exact_gradient: bool = True

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate any number of geometries (t, i, x) in Angstrom.

        Raises:
            DensnetError: it has no answer, for a self-consistency that does not converge for instance.
        """
        ...

    def domain_distance(self, positions: Array) -> Array | None:
        """Return how far geometries (t, i, x) lie outside of those that it has learned from, (t,), 0 inside.

        None: it did not learn, or that is not known (:mod:`densnet.models.domain`).
        """
        return None

    def departure(self, positions: Array) -> str:
        """Say what of a geometry (i, x) lies farthest outside; "" where there is no such distance."""
        return ""

    def polarizability(self, positions: Array) -> Array | None:
        """Return the static polarizability of geometries (t, i, x) in Angstrom, (t, x, field) in e² Angstrom²/eV.

        A step of dynamics does not need it: a potential that can tell it apart keeps it out of its answers, gives it
        here, and is asked as seldom as a spectrum allows. One whose answers hold it anyway needs no method of its own.
        None: it knows none, whatever the geometry.

        Raises:
            DensnetError: it has no answer for these geometries.
        """
        return self(positions)["polarizability"] if "polarizability" in self.quantities else None

    def forget(self) -> None:
        """Drop whatever the last call left behind, so that the next result depends on its positions alone."""
        return


class Named(Potential):
    """A potential that is made from the molecule alone, and is chosen by its name.

    Attributes:
        needs: package that must be installed for it besides ours, and how that is done; None: no other.
        cost: CPU time of a step over that of GFN2-xTB.
    """

    needs: tuple[str, str] | None = None
    cost: float = 1.0

    def __init__(self, molecule: Molecule) -> None:
        self.numbers = molecule.numbers


Make = Callable[[Molecule], Potential]
"""Makes the potential of a molecule; it travels to worker processes."""


class Derived(Potential):
    """A potential that evaluates another one in a way of its own, and is like it in all else."""

    def __init__(self, wrapped: Potential) -> None:
        self.name, self.numbers, self.quantities = wrapped.name, wrapped.numbers, wrapped.quantities
        self.elements, self.device, self.dtype = wrapped.elements, wrapped.device, wrapped.dtype
        self.exact_gradient = wrapped.exact_gradient
        self.wrapped = wrapped

    def domain_distance(self, positions: Array) -> Array | None:
        """Return what the other potential says of geometries."""
        return self.wrapped.domain_distance(positions)

    def departure(self, positions: Array) -> str:
        """Return what the other potential says of a geometry."""
        return self.wrapped.departure(positions)

    def polarizability(self, positions: Array) -> Array | None:
        """Return what the other potential says of geometries."""
        return self.wrapped.polarizability(positions)


def joined(parts: Sequence[Quantities]) -> dict[str, Array]:
    """Return what is known of geometries in several parts as of all together."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def check_elements(potential: Potential | type[Potential], numbers: Iterable[int]) -> None:
    """See that a potential knows a molecule's elements.

    Raises:
        DensnetError: it does not, and which.
    """
    lacking = [] if potential.elements is None else sorted(set(map(int, numbers)) - potential.elements)
    if lacking:
        symbols = ", ".join(chemical_symbols[number] for number in lacking)
        raise DensnetError(f"{potential.name}: does not know {symbols}; choose another potential for this molecule")


def check_quantities(potential: Potential | type[Potential], wanted: Iterable[str], purpose: str) -> None:
    """See that a potential gives what is wanted of it.

    Args:
        purpose: what it is wanted for, in a few words.

    Raises:
        DensnetError: it does not, and which.
    """
    lacking = [name for name in wanted if name not in potential.quantities]
    if lacking:
        raise DensnetError(
            f"{potential.name}: gives no {' and no '.join(lacking)}, needed for {purpose}; choose another potential"
        )
