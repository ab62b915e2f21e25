"""MMFF94, a force field for organic molecules."""

from __future__ import annotations

from typing import Any

import numpy as np

from densnet.errors import DensnetError
from densnet.molecule import Molecule
from densnet.potential import Array, Named, Quantities
from densnet.units import KCAL_PER_MOL_IN_EV


class Mmff94(Named):
    """MMFF94 (Halgren, J. Comput. Chem. 17, 490 (1996)) by RDKit, with the bonds that the molecule's geometry has.

    Bonds are perceived once, from the distances in the molecule that it is made for, and never break. The dipole is
    Σ q_i r_i of the force field's own fixed charges, which were made for the energy: its derivatives, and so the
    intensities, are rough.

    Raises:
        DensnetError: a geometry whose bonds RDKit does not understand, or atoms without parameters.
    """

    name = "mmff94"
    quantities = frozenset({"energy", "forces", "dipole"})
    elements = frozenset({1, 3, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 19, 20, 26, 29, 30, 35, 53})
    cost = 0.02

    def __init__(self, molecule: Molecule) -> None:
        from rdkit.Chem import rdForceFieldHelpers

        super().__init__(molecule)
        bonded = _with_bonds(molecule)
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(bonded)
        if properties is None:
            raise DensnetError(f"mmff94: has no parameters for {molecule.name or 'the molecule'}; leave it out")
        atoms = range(len(self.numbers))
        self.charges = np.array([properties.GetMMFFPartialCharge(atom) for atom in atoms])
        # no cutoff: the molecule is small, and its energy must not jump
        self.field = rdForceFieldHelpers.MMFFGetMoleculeForceField(bonded, properties, nonBondedThresh=1e6)

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom."""
        rows = [geometry.ravel().tolist() for geometry in positions]
        # the gradient right after its energy: RDKit takes the distances that the energy left behind
        values = [(self.field.CalcEnergy(row), self.field.CalcGrad(row)) for row in rows]
        return {
            "energy": np.array([energy for energy, _ in values]) * KCAL_PER_MOL_IN_EV,
            "forces": np.array([slope for _, slope in values]).reshape(positions.shape) * -KCAL_PER_MOL_IN_EV,
            "dipole": np.einsum("i,tix->tx", self.charges, positions),
        }


def _with_bonds(molecule: Molecule) -> Any:
    """Return RDKit's molecule with the bonds that it perceives.

    Raises:
        DensnetError: it finds none that make sense.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDetermineBonds
    from rdkit.Geometry import Point3D

    editable = Chem.RWMol()
    conformer = Chem.Conformer(len(molecule.numbers))
    for number, place in zip(molecule.numbers.tolist(), molecule.positions.tolist(), strict=True):
        conformer.SetAtomPosition(editable.AddAtom(Chem.Atom(number)), Point3D(*place))
    editable.AddConformer(conformer)
    with rdBase.BlockLogs():
        try:
            rdDetermineBonds.DetermineBonds(editable, charge=molecule.charge)
            Chem.SanitizeMol(editable)
        except (ValueError, RuntimeError) as error:
            raise DensnetError(
                f"mmff94: RDKit finds no bonds in the geometry of {molecule.name or 'the molecule'} "
                f"({str(error).splitlines()[0]}); leave it out"
            ) from error
    return editable
