"""A molecule: nuclei, charge and multiplicity; from SMILES or from an xyz file; its conformers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ase.data
import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.starting_geometry import check_one_molecule, check_spin, misplaced, relaxed
from densnet.xyz_file import isotope_mass, read_xyz

SAME_CONFORMER = 0.02
"""Angstrom; root mean square difference of sorted distances below which two conformers are one."""


@dataclass(frozen=True)
class Molecule:
    """Nuclei at given places, with a number of electrons that fits the multiplicity.

    Attributes:
        numbers: atomic numbers, (i,).
        positions: Angstrom, (i, x).
        charge: total charge in e.
        multiplicity: 2 S + 1; only 1 (closed shells) is supported.
        name: what the user called it: the SMILES or the file's name.
        masses: u, (i,), where an isotope is not the ordinary one; None means standard atomic weights.

    Raises:
        DensnetError: shapes that do not match, positions that are not finite or coincide, an electron count that does
            not fit the multiplicity, or an open shell; masses that are not positive.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    charge: int = 0
    multiplicity: int = 1
    name: str = ""
    masses: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", np.array(self.numbers, dtype=np.int64))
        object.__setattr__(self, "positions", np.array(self.positions, dtype=np.float64))
        self.numbers.setflags(write=False)
        self.positions.setflags(write=False)
        if self.masses is not None:
            object.__setattr__(self, "masses", np.array(self.masses, dtype=np.float64))
            self.masses.setflags(write=False)
        self._check_geometry()
        self._check_electrons()

    def _check_geometry(self) -> None:
        shape = (len(self.numbers), 3)
        if self.numbers.ndim != 1 or not len(self.numbers) or self.positions.shape != shape:
            raise DensnetError(
                f"{self.name or 'molecule'}: expected at least one atom and positions of shape {shape}, "
                f"got {self.positions.shape}"
            )
        if (self.numbers < 1).any():
            raise DensnetError(f"{self.name or 'molecule'}: has an atom that is no element; remove dummy atoms")
        if self.masses is not None and not (self.masses.shape == shape[:1] and (self.masses > 0).all()):
            raise DensnetError(
                f"{self.name or 'molecule'}: expected a positive mass for each atom; correct the isotopes"
            )
        if not np.isfinite(self.positions).all():
            raise DensnetError(f"{self.name or 'molecule'}: a position is not a finite number; correct the geometry")
        first, second = np.triu_indices(len(self.numbers), 1)
        distances = np.linalg.norm(self.positions[first] - self.positions[second], axis=1)
        if distances.size and distances.min() < 0.3:
            pair = int(distances.argmin())
            raise DensnetError(
                f"{self.name or 'molecule'}: atoms {first[pair]} and {second[pair]} are only {distances.min():.2f} "
                "Angstrom apart; correct the geometry (are its units Angstrom?)"
            )

    def _check_electrons(self) -> None:
        electrons = int(self.numbers.sum()) - self.charge
        if self.multiplicity < 1 or electrons < 1 or (electrons + self.multiplicity) % 2 == 0:
            raise DensnetError(
                f"{self.name or 'molecule'}: {electrons} electrons (charge {self.charge}) cannot have multiplicity "
                f"{self.multiplicity}; is it a radical or is the charge wrong? Only closed shells are supported"
            )
        if self.multiplicity != 1:
            raise DensnetError(
                f"{self.name or 'molecule'}: multiplicity must be 1, got {self.multiplicity}; "
                "only closed shells are supported"
            )

    @property
    def atomic_masses(self) -> NDArray[np.float64]:
        """Mass of each atom, u, (i,)."""
        return np.asarray(ase.data.atomic_masses[self.numbers] if self.masses is None else self.masses)

    @property
    def n_electrons(self) -> int:
        """Number of electrons, sum_i Z_i - charge."""
        return int(self.numbers.sum()) - self.charge


def sorted_distances(numbers: NDArray[np.int64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances of all pairs, (t, p), Angstrom: by pair of elements, ascending within each.

    They change neither with rotation, translation or inversion nor with the exchange of like atoms (the three hydrogens
    of a methyl group), they are continuous, and need no superposition.

    Args:
        numbers: atomic numbers, (i,).
        positions: Angstrom, (t, i, x).
    """
    first, second = np.triu_indices(len(numbers), 1)
    distances = np.linalg.norm(positions[:, first] - positions[:, second], axis=-1)
    low, high = np.minimum(numbers[first], numbers[second]), np.maximum(numbers[first], numbers[second])
    kinds = low * 1000 + high
    columns = [np.sort(distances[:, kinds == kind], axis=1) for kind in np.unique(kinds)]
    return np.concatenate(columns, axis=1) if columns else distances


def formula(numbers: Iterable[int], masses: Iterable[float] | None = None) -> str:
    """Return the sum formula in Hill's order: carbon, hydrogen, then the others by their symbols.

    Args:
        masses: u; deuterium among them is written D, beside H.
    """
    from ase.symbols import Symbols

    numbers = [int(number) for number in numbers]
    text = str(Symbols(numbers).get_chemical_formula(mode="hill"))
    if masses is None:
        return text
    heavy = sum(number == 1 and 1.5 < mass < 2.5 for number, mass in zip(numbers, masses, strict=True))
    light = numbers.count(1) - heavy
    counts = [f"{symbol}{count if count > 1 else ''}" for symbol, count in (("D", heavy), ("H", light)) if count]
    return re.sub(r"H(?![a-z])\d*", "".join(counts), text) if heavy else text


def from_smiles(smiles: str, *, charge: int | None = None, multiplicity: int = 1, seed: int = 0) -> Molecule:
    """Build a molecule from a SMILES string, at its lowest conformer of a few (ETKDGv3, MMFF94 or UFF).

    Args:
        charge: checked against the SMILES' own formal charge if given.
        seed: of the embedding.

    Raises:
        DensnetError: RDKit refuses the SMILES or finds no geometry that has its bonds, several fragments, a single
            atom, an unknown isotope, a wrong charge or multiplicity, or an open shell.
    """
    return conformers(smiles, count=5, charge=charge, multiplicity=multiplicity, seed=seed)[0]


def inchi_of_smiles(smiles: str) -> str:
    """Return the InChI of a SMILES, isotopes included.

    Raises:
        DensnetError: RDKit refuses the SMILES.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        return str(Chem.MolToInchi(_parse_smiles(smiles)))


def inchi_of_geometry(molecule: Molecule) -> str | None:
    """Return the InChI of a molecule whose bonds follow from its geometry (RDKit), None if they do not."""
    from ase.data import chemical_symbols
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDetermineBonds

    lines = [str(len(molecule.numbers)), ""]
    for number, position in zip(molecule.numbers, molecule.positions, strict=True):
        lines.append(f"{chemical_symbols[number]} " + " ".join(f"{x:.6f}" for x in position))
    with rdBase.BlockLogs():
        try:
            mol = Chem.MolFromXYZBlock("\n".join(lines))
            rdDetermineBonds.DetermineBonds(mol, charge=molecule.charge)
            return str(Chem.MolToInchi(mol)) or None
        except (ValueError, RuntimeError):
            return None


def conformers(
    smiles: str, *, count: int, charge: int | None = None, multiplicity: int = 1, seed: int = 0
) -> list[Molecule]:
    """Return up to ``count`` conformers of a SMILES, the most stable first (force field energies).

    Embedded by ETKDGv3 (Wang et al., J. Chem. Inf. Model. 60, 2044 (2020)) and relaxed with MMFF94, or with UFF where
    MMFF94 lacks parameters. Mirror images, and conformers that differ in nothing but like atoms, are kept once.

    Raises:
        DensnetError: as :func:`from_smiles`.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDistGeom

    with rdBase.BlockLogs():
        mol = _parse_smiles(smiles)
        formal = Chem.GetFormalCharge(mol)
        if charge is not None and charge != formal:
            raise DensnetError(
                f"charge: {charge} does not match the formal charge {formal} of SMILES {smiles!r}; correct one of them"
            )
        mol = Chem.AddHs(mol)
        numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
        settled = Molecule(
            numbers,
            np.arange(3.0 * len(numbers)).reshape(-1, 3),
            charge=formal,
            multiplicity=multiplicity,
            name=smiles,
            masses=_isotopes(mol, smiles),
        )
        if len(numbers) < 2:
            raise DensnetError(f"smiles: {smiles!r} is a single atom; expected a molecule")
        _check_radicals(mol, settled)
        parameters: Any = rdDistGeom.ETKDGv3()
        # RDKit multiplies this seed by the conformer's number: neighbouring seeds would share conformers.
        parameters.randomSeed = int(np.random.SeedSequence(seed).generate_state(1)[0] >> 2)
        parameters.pruneRmsThresh = 0.2
        parameters.onlyHeavyAtomsForRMS = False
        # to find symmetries RDKit takes hydrogens off, and then no conformer of a hydroxyl group is another
        parameters.useSymmetryForPruning = False
        embedded = list(rdDistGeom.EmbedMultipleConfs(mol, count, parameters))
        if not embedded:
            parameters.useRandomCoords = True
            embedded = list(rdDistGeom.EmbedMultipleConfs(mol, count, parameters))
        if not embedded:
            raise DensnetError(f"smiles: RDKit finds no geometry for {smiles!r}; give an xyz file instead")
        energies = _relax(mol)
    order = sorted(range(len(embedded)), key=lambda index: (energies[index], index))
    positions = np.array([mol.GetConformer(embedded[index]).GetPositions() for index in order])
    positions = _with_its_bonds(settled, positions, Chem.GetAdjacencyMatrix(mol).astype(bool))
    check_spin(f"smiles: {smiles!r}", numbers, positions[0], formal)
    return [replace(settled, positions=positions[row]) for row in _distinct(sorted_distances(numbers, positions))]


def _with_its_bonds(
    molecule: Molecule, positions: NDArray[np.float64], bonds: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the conformers (t, i, x) that have the molecule's bonds, (i, i), after a relaxation with GFN2-xTB where
    RDKit put atoms on top of each other (it does around hypervalent atoms, for which it has no rules).

    Raises:
        DensnetError: none has them.
    """
    conformers: list[NDArray[np.float64]] = []
    reason = ""
    for start in positions:
        place: NDArray[np.float64] | None = start
        if wrong := misplaced(molecule.numbers, start, bonds):
            place = relaxed(molecule.numbers, start, molecule.charge, hot=True)
            reason = reason or wrong
        if place is not None and not (wrong and misplaced(molecule.numbers, place, bonds)):
            conformers.append(place)
    if not conformers:
        raise DensnetError(
            f"smiles: RDKit's geometry of {molecule.name!r} is not the molecule: {reason}; give an xyz file instead"
        )
    return np.array(conformers)


def _distinct(descriptors: NDArray[np.float64]) -> list[int]:
    """Return the rows that differ from all kept before by more than :data:`SAME_CONFORMER`."""
    distinct: list[int] = []
    for row, descriptor in enumerate(descriptors):
        nearest = min((np.linalg.norm(descriptor - descriptors[accepted]) for accepted in distinct), default=np.inf)
        if nearest > SAME_CONFORMER * len(descriptor) ** 0.5:
            distinct.append(row)
    return distinct


def _parse_smiles(smiles: str) -> Any:
    from rdkit import Chem

    mol = Chem.MolFromSmiles(smiles) if smiles.strip() else None
    if mol is None or not mol.GetNumAtoms():
        raise DensnetError(f"smiles: RDKit refuses {smiles!r}; check the string (ethanol is CCO)")
    if len(Chem.GetMolFrags(mol)) > 1:
        raise DensnetError(f"smiles: {smiles!r} has several fragments; expected one molecule")
    return mol


def _isotopes(mol: Any, smiles: str) -> NDArray[np.float64] | None:
    """Return the masses of all atoms, (i,), if the SMILES names an isotope ([2H])."""
    nuclides = [(atom.GetAtomicNum(), atom.GetIsotope()) for atom in mol.GetAtoms()]
    if not any(isotope for _, isotope in nuclides):
        return None
    where = f"smiles: {smiles!r}"
    return np.array([isotope_mass(z, a, where) if a else ase.data.atomic_masses[z] for z, a in nuclides])


def _check_radicals(mol: Any, molecule: Molecule) -> None:
    """Refuse unpaired electrons that the SMILES itself shows, those of a carbene excepted: they may be paired."""
    unpaired = [(atom.GetSymbol(), atom.GetNumRadicalElectrons()) for atom in mol.GetAtoms()]
    if any(count % 2 for _, count in unpaired):
        places = ", ".join(f"{count} on {symbol}" for symbol, count in unpaired if count)
        raise DensnetError(
            f"smiles: {molecule.name!r} has {sum(count for _, count in unpaired)} unpaired electrons ({places}) of "
            f"{molecule.n_electrons}; only closed shells are supported"
        )


def _relax(mol: Any) -> list[float]:
    """Relax every conformer in place and return the energies; zeros where no force field has parameters."""
    from rdkit.Chem import rdForceFieldHelpers

    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        return [energy for _, energy in rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(mol, maxIters=2000)]
    if rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        return [energy for _, energy in rdForceFieldHelpers.UFFOptimizeMoleculeConfs(mol, maxIters=2000)]
    return [0.0] * mol.GetNumConformers()


def from_xyz(path: Path, *, charge: int | None = None, multiplicity: int | None = None) -> Molecule:
    """Read the one structure of an xyz file (Angstrom), plain or extended.

    Args:
        charge, multiplicity: by default what the file's comment line says, or 0 and 1.

    Raises:
        DensnetError: no such file; an empty, truncated or meaningless one; several structures or molecules, a single
            atom, other units; a charge or multiplicity that is wrong or that the file contradicts.
    """
    path = Path(path)
    structure = read_xyz(path)
    for field, asked, said in (
        ("charge", charge, structure.charge),
        ("multiplicity", multiplicity, structure.multiplicity),
    ):
        if asked is not None and said is not None and asked != said:
            raise DensnetError(f"{field}: {asked} does not match {field}={said} in {path}; correct one of them")
    if np.isfinite(structure.positions).all():
        check_one_molecule(str(path), structure.numbers, structure.positions, structure.cell)
    molecule = Molecule(
        structure.numbers,
        structure.positions,
        charge=next((value for value in (charge, structure.charge) if value is not None), 0),
        multiplicity=next((value for value in (multiplicity, structure.multiplicity) if value is not None), 1),
        name=path.name,
        masses=structure.masses,
    )
    check_spin(str(path), molecule.numbers, molecule.positions, molecule.charge)
    return molecule
