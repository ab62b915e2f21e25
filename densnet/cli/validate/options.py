"""Options that the verbs of ``densnet validate`` share: the tested potential and the molecule."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.molecule import Molecule, from_smiles, from_xyz
from densnet.oligomer import oligomer
from densnet.potentials.choice import PSI4, Chosen
from densnet.reference.level import LevelOfTheory
from densnet.validation.findings import UNFIT, Finding, UnfitPotentialError, findings_csv

LEVEL = LevelOfTheory()
"""The default level of Psi4 and PySCF."""
MANY = Parameter(consume_multiple=True, negative="")
"""An option that takes several values."""


@dataclass(frozen=True)
class PotentialOptions:
    """The potential that is put to the test."""

    model: Path | None = None
    """The potential to test: a model.pt, an output of 'densnet kernel', or a model file of MACE ..."""
    calculator: str | None = None
    """... or gfn1-xtb, gfn2-xtb, mmff94, so3lr, psi4, pyscf, or MODULE:CALLABLE that returns an ASE calculator."""
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
    """The molecule, in one of three ways."""

    smiles: str | None = None
    """The molecule as SMILES ..."""
    xyz: Path | None = None
    """... or as an xyz file ..."""
    oligomer: str | None = None
    """... or as a chain of thiophene or of another repeat unit, a SMILES with two attachment points."""
    units: int = 1
    """Length of the chain."""
    charge: int | None = None
    """Total charge in e; by default the SMILES' formal charge, or what the xyz file says (charge=1), or 0."""

    @property
    def ways(self) -> list[str]:
        """Return the options that were used."""
        return [f"--{name}" for name in ("smiles", "xyz", "oligomer") if getattr(self, name) is not None]

    def molecule(self) -> Molecule:
        """Return the molecule.

        Raises:
            DensnetError: none or two, or one that cannot be.
        """
        if len(self.ways) != 1:
            named = " and ".join(self.ways) or "none"
            raise DensnetError(f"molecule: expected one of --smiles, --xyz and --oligomer, found {named}")
        if self.oligomer is not None:
            return oligomer(self.oligomer, self.units, count=1).molecules[0]
        if self.smiles is not None:
            return from_smiles(self.smiles, charge=self.charge)
        return from_xyz(Path(str(self.xyz)), charge=self.charge)


@contextmanager
def asking(potential: Chosen) -> Iterator[None]:
    """Say of what is refused inside that the tested potential is unfit, for the molecule and the potential are there.

    Raises:
        UnfitPotentialError: whatever is refused; Psi4's refusals stay errors, of its installation or its level.
    """
    try:
        yield
    except DensnetError as error:
        if potential.calculator == PSI4:
            raise
        raise UnfitPotentialError(str(error)) from error


@contextmanager
def recording(output: Path | None) -> Iterator[None]:
    """Write that a potential is unfit for a test as its only finding, so that others can stand beside it.

    Raises:
        UnfitPotentialError: there is no output to write to.
    """
    try:
        yield
    except UnfitPotentialError as error:
        if output is None:
            raise
        write_text(output, findings_csv([Finding(UNFIT, str(error), 1, "1")]))
        print(f"validate: {UNFIT}: {error}", file=sys.stderr)
