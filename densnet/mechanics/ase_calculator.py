"""Any potential as an ASE calculator."""

from __future__ import annotations

from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from densnet.errors import DensnetError
from densnet.potential import Potential


class AseCalculator(Calculator):
    """What a potential says of one geometry, in ASE's units, which are ours.

    Args:
        potential: of the molecule; its quantities are the properties.

    Raises:
        DensnetError: periodic boundaries, no atoms, or atoms of another molecule.
    """

    def __init__(self, potential: Potential, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.potential = potential
        self.implemented_properties = sorted(potential.quantities | {"free_energy"})

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute all implemented properties of ``atoms`` (ASE's interface)."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        current: Atoms = self.atoms  # type: ignore[assignment]
        if current.pbc.any():
            raise DensnetError("atoms.pbc: expected a molecule without periodic boundaries; set atoms.pbc = False")
        if not len(current):
            raise DensnetError("atoms: expected a molecule, found no atoms")
        potential = self.potential_of(current)
        values = dict(potential(current.positions[None]))
        if (outside := potential.domain_distance(current.positions[None])) is not None:
            values["domain_distance"] = outside
        self.results = {name: value[0].item() if value.ndim == 1 else value[0] for name, value in values.items()}
        self.results["free_energy"] = self.results["energy"]

    def potential_of(self, atoms: Atoms) -> Potential:
        """Return the potential that ``atoms`` move on."""
        if len(atoms) != len(self.potential.numbers) or (atoms.numbers != self.potential.numbers).any():
            raise DensnetError(
                f"{self.potential.name}: expected the atoms that the potential was made for; make one for these"
            )
        return self.potential
