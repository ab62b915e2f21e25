"""Options that the verbs of ``densnet validate`` share: the tested potential and the molecule."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.molecule import Molecule, from_smiles, from_xyz
from densnet.potentials.choice import Chosen
from densnet.reference.level import LevelOfTheory

LEVEL = LevelOfTheory()
"""The default level of Psi4 and PySCF."""
MANY = Parameter(consume_multiple=True, negative="")
"""An option that takes several values."""


@dataclass(frozen=True)
class PotentialOptions:
    """The potential that is put to the test."""

    model: Path | None = None
    """The potential to test: a model.pt, or an output of 'densnet kernel' ..."""
    calculator: str | None = None
    """... or gfn2-xtb, mmff94, so3lr, psi4, pyscf, or MODULE:CALLABLE that returns an ASE calculator."""
    device: str | None = None
    """Where a model computes; a GPU if there is one."""
    threads: int = 1
    """CPU threads; more do not help small molecules."""

    def chosen(self, level: LevelOfTheory, output: Path | None) -> Chosen:
        """Return what makes the potential."""
        # read by the OpenMP of tight binding when that is loaded, later
        os.environ.setdefault("OMP_NUM_THREADS", str(self.threads))
        return Chosen(self.model, self.calculator, self.device, self.threads, level, output)


@dataclass(frozen=True)
class MoleculeOptions:
    """The molecule, in one of two ways."""

    smiles: str | None = None
    """The molecule as SMILES ..."""
    xyz: Path | None = None
    """... or as an xyz file."""
    charge: int | None = None
    """Total charge in e; by default the SMILES' formal charge, or what the xyz file says (charge=1), or 0."""

    @property
    def ways(self) -> list[str]:
        """Return the options that were used."""
        return [f"--{name}" for name in ("smiles", "xyz") if getattr(self, name) is not None]

    def molecule(self) -> Molecule:
        """Return the molecule.

        Raises:
            DensnetError: none or two, or one that cannot be.
        """
        if len(self.ways) != 1:
            raise DensnetError(f"molecule: expected --smiles or --xyz, found {' and '.join(self.ways) or 'neither'}")
        if self.smiles is not None:
            return from_smiles(self.smiles, charge=self.charge)
        return from_xyz(Path(str(self.xyz)), charge=self.charge)
