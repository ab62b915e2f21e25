"""Oligomers by rule: a repeat unit, so many times, with hydrogen at both ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.molecule import Molecule

Array = NDArray[np.float64]

VARIABLES = ("unit", "torsion")
"""What files of chains hold besides: the unit of each atom (atom,), and the atoms of each torsion (link, corner)."""
CARRIED = ("molecule", "charge", "multiplicity", "smiles", "oligomer", "units")
"""Attributes of sampled geometries that stay true of frames that are taken from dynamics."""
REPEAT_UNITS = {"thiophene": "*c1ccc(*)s1"}
"""Repeat units that have a name; * marks where the neighbours are attached (thiophene: both alpha carbons)."""

SPREAD_DEGREES = 60.0
"""A seeded torsion lies at most so far from anti or syn."""
CLOSEST = 1.7
"""Angstrom; atoms of units that are not linked stay farther apart."""
ATTEMPTS = 200


@dataclass(frozen=True)
class Oligomer:
    """Conformers of a chain and what belongs to which unit.

    Attributes:
        molecules: conformers; atoms run unit by unit, in each the heavy atoms as in the SMILES, then hydrogens.
        unit: the unit of each atom, 0 at the head, (i,).
        torsions: atoms a-b-c-d of the torsion at each link b-c, (n - 1, 4); a and d are the heaviest neighbours.
        smiles: of the whole molecule.
    """

    molecules: tuple[Molecule, ...]
    unit: NDArray[np.int64]
    torsions: NDArray[np.int64]
    smiles: str


def oligomer(repeat_unit: str, units: int, *, count: int, seed: int = 0, relax: bool = True) -> Oligomer:
    """Build ``count`` conformers of a chain of ``units`` repeat units.

    Relaxed units are placed one after the other. Each torsion is anti (180 degrees) or syn (0), by a seeded toss, and
    up to :data:`SPREAD_DEGREES` off; the first conformer is anti throughout. A last relaxation of the whole (MMFF94,
    or UFF where that lacks parameters) keeps the torsions.

    Args:
        repeat_unit: a name of :data:`REPEAT_UNITS`, or a SMILES with two attachment points *, such as ``*CC*``.
        units: length of the chain.
        count: conformers, all anti for a single unit.
        seed: of the torsions.
        relax: make that last relaxation, whose time grows as the square of the length.

    Raises:
        DensnetError: units below 1; a repeat unit that RDKit refuses or that has not exactly two attachment points,
            each at a single bond; no conformer without clashes.
    """
    chain = _chain(_parsed(repeat_unit), units)
    unit = np.array([atom.GetIntProp("unit") for atom in chain.GetAtoms()])
    torsions = _torsions(chain, unit)
    random = np.random.default_rng(seed)
    monomer = _chain(_parsed(repeat_unit), 1)
    capped = _embedded(monomer, repeat_unit, seed)
    conformers = []
    for conformer in range(count if units > 1 else 1):
        positions = _placed(chain, unit, monomer, capped, torsions, random, all_anti=conformer == 0)
        if relax:
            positions = _relaxed(chain, positions, torsions)
        numbers = np.array([atom.GetAtomicNum() for atom in chain.GetAtoms()])
        charge = sum(atom.GetFormalCharge() for atom in chain.GetAtoms())
        conformers.append(Molecule(numbers, positions, charge=charge, name=f"{repeat_unit} x {units}"))
    return Oligomer(tuple(conformers), unit, torsions, _smiles(chain))


def chain_numbers(repeat_unit: str, units: int, *, charge: int = 0, multiplicity: int = 1) -> list[int]:
    """Return the atomic numbers of a chain, without building its geometry.

    Raises:
        DensnetError: as :func:`oligomer`; a charge that is not the chain's own; an open shell.
    """
    chain = _chain(_parsed(repeat_unit), units)
    numbers = np.array([atom.GetAtomicNum() for atom in chain.GetAtoms()])
    formal_charge = sum(atom.GetFormalCharge() for atom in chain.GetAtoms())
    if charge != formal_charge:
        raise DensnetError(
            f"charge: {charge} does not match the formal charge {formal_charge} of the chain; correct one of them"
        )
    anywhere = np.arange(3.0 * len(numbers)).reshape(-1, 3)
    name = f"{repeat_unit} x {units}"
    settled = Molecule(numbers, anywhere, charge=charge, multiplicity=multiplicity, name=name)
    return [int(number) for number in settled.numbers]


def torsion_angles(positions: Array, torsions: NDArray[np.int64]) -> Array:
    """Return torsion angles in degrees, -180 to 180 (180 is anti), (..., n).

    Args:
        positions: (..., i, 3).
        torsions: atoms a-b-c-d, (n, 4).
    """
    a, b, c, d = (positions[..., torsions[:, place], :] for place in range(4))
    axis = (c - b) / np.linalg.norm(c - b, axis=-1, keepdims=True)
    first, last = (v - (v * axis).sum(-1, keepdims=True) * axis for v in (a - b, d - c))
    return np.asarray(np.degrees(np.arctan2((np.cross(axis, first) * last).sum(-1), (first * last).sum(-1))))


def _parsed(repeat_unit: str) -> Any:
    from rdkit import Chem, rdBase

    smiles = REPEAT_UNITS.get(repeat_unit, repeat_unit)
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles) if smiles.strip() else None
    known = ", ".join(REPEAT_UNITS)
    if mol is None or len(Chem.GetMolFrags(mol)) != 1:
        raise DensnetError(
            f"oligomer: expected {known} or the SMILES of one repeat unit, got {repeat_unit!r}; thiophene's is "
            f"{REPEAT_UNITS['thiophene']}"
        )
    ends = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    bonds = [bond for atom in ends for bond in atom.GetBonds()]
    single = all(bond.GetBondType() == Chem.BondType.SINGLE for bond in bonds)
    if len(ends) != 2 or len(bonds) != 2 or not single or bonds[0].GetIdx() == bonds[1].GetIdx():
        raise DensnetError(
            f"oligomer: expected a repeat unit with exactly two attachment points *, each at a single bond, got "
            f"{repeat_unit!r} with {len(ends)}; thiophene's is {REPEAT_UNITS['thiophene']} (or name one of: {known})"
        )
    return mol


def _chain(repeat: Any, units: int) -> Any:
    """Return the molecule with all hydrogens, its atoms ordered by unit and marked with it; dummies become H."""
    from rdkit import Chem

    if units < 1:
        raise DensnetError(f"units: expected a whole number of at least 1, got {units}; say how long the chain is")
    size = repeat.GetNumAtoms()
    head, tail = (atom.GetIdx() for atom in repeat.GetAtoms() if atom.GetAtomicNum() == 0)
    inner = [repeat.GetAtomWithIdx(end).GetNeighbors()[0].GetIdx() for end in (head, tail)]
    whole = Chem.RWMol(repeat)
    for _ in range(units - 1):
        whole.InsertMol(repeat)
    for index, atom in enumerate(whole.GetAtoms()):
        atom.SetIntProp("unit", index // size)
    for unit in range(units - 1):
        whole.AddBond(unit * size + inner[1], (unit + 1) * size + inner[0], Chem.BondType.SINGLE)
    for end, name in ((head, "head"), ((units - 1) * size + tail, "tail")):
        whole.ReplaceAtom(end, Chem.Atom(1), preserveProps=True)
        whole.GetAtomWithIdx(end).SetBoolProp(name, True)
    linked = [u * size + tail for u in range(units - 1)] + [u * size + head for u in range(1, units)]
    for index in sorted(linked, reverse=True):
        whole.RemoveAtom(index)
    Chem.SanitizeMol(whole)
    mol = Chem.AddHs(whole.GetMol())
    for atom in mol.GetAtoms():
        if not atom.HasProp("unit"):
            atom.SetIntProp("unit", atom.GetNeighbors()[0].GetIntProp("unit"))
    key = [(a.GetIntProp("unit"), a.GetAtomicNum() == 1, a.GetIdx()) for a in mol.GetAtoms()]
    return Chem.RenumberAtoms(mol, [index for *_, index in sorted(key)])


def _links(chain: Any, unit: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield the atoms of every bond between units, from the head on."""
    pairs = (sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in chain.GetBonds())
    yield from sorted((b, c) for b, c in pairs if unit[b] != unit[c])


def _torsions(chain: Any, unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a-b-c-d of each link b-c: a and d are the heaviest neighbours within the unit."""
    torsions = []
    for b, c in _links(chain, unit):
        ends = []
        for atom in (b, c):
            neighbours = [n for n in chain.GetAtomWithIdx(atom).GetNeighbors() if unit[n.GetIdx()] == unit[atom]]
            if not neighbours:
                raise DensnetError("oligomer: a repeat unit of a single atom has no torsion; write several as one unit")
            ends.append(max(neighbours, key=lambda n: (n.GetAtomicNum(), -n.GetIdx())).GetIdx())
        torsions.append((ends[0], b, c, ends[1]))
    return np.array(torsions, dtype=np.int64).reshape(-1, 4)


def _embedded(monomer: Any, name: str, seed: int) -> Array:
    """Return a relaxed geometry of the unit between two hydrogens, (i, 3)."""
    from rdkit.Chem import rdDistGeom

    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed + 1
    if rdDistGeom.EmbedMolecule(monomer, parameters) != 0:
        raise DensnetError(f"oligomer: RDKit finds no geometry for the repeat unit {name!r}; write another SMILES")
    return _relaxed(monomer, monomer.GetConformer().GetPositions(), np.empty((0, 4), dtype=np.int64))


def _placed(
    chain: Any,
    unit: NDArray[np.int64],
    monomer: Any,
    capped: Array,
    torsions: NDArray[np.int64],
    random: np.random.Generator,
    *,
    all_anti: bool,
) -> Array:
    """Return positions (i, 3) without clashes.

    Args:
        capped: the monomer between its two hydrogens, (., 3).
    """
    for attempt in range(ATTEMPTS):
        positions = _grown(chain, unit, monomer, capped, torsions, random, all_anti=all_anti and attempt == 0)
        if positions is not None:
            return positions
    raise DensnetError(
        f"oligomer: no conformer of {unit[-1] + 1} units without clashes in {ATTEMPTS} attempts; take fewer units"
    )


def _grown(
    chain: Any,
    unit: NDArray[np.int64],
    monomer: Any,
    capped: Array,
    torsions: NDArray[np.int64],
    random: np.random.Generator,
    *,
    all_anti: bool,
) -> Array | None:
    """Put each unit where the last one's tail hydrogen was, at a torsion without clashes; None if there is none."""
    first, last = (np.array([atom.HasProp(name) == 1 for atom in monomer.GetAtoms()]) for name in ("head", "tail"))
    positions, whole = np.full((len(unit), 3), np.nan), capped
    for number in range(unit[-1] + 1):
        here = np.flatnonzero(unit == number)
        uncapped = ~((first & (number > 0)) | (last & (number < unit[-1])))
        if number == 0:
            positions[here] = whole[uncapped]
            continue
        link = torsions[number - 1]
        b, c = positions[link[1]], capped[uncapped][np.searchsorted(here, link[2])]
        docked = _docked(capped, c, capped[first][0], b, whole[last][0], chain, link)
        for _ in range(ATTEMPTS):
            positions[here] = docked[uncapped]
            turn = _drawn(random, all_anti) - float(torsion_angles(positions, link[None])[0])
            whole = _turned(docked, b, positions[link[2]] - b, turn)
            positions[here] = whole[uncapped]
            if not _clashes(positions[here], positions[unit < number], unit[unit < number] == number - 1):
                break
        else:
            return None
    return positions


def _drawn(random: np.random.Generator, all_anti: bool) -> float:
    """Return a torsion in degrees: anti or syn, and some way off."""
    anti, off = random.random() < 0.5, SPREAD_DEGREES * (2 * random.random() - 1)
    return 180.0 if all_anti else (180.0 if anti else 0.0) + off


def _docked(unit: Array, c: Array, cap: Array, b: Array, tail: Array, chain: Any, link: NDArray[np.int64]) -> Array:
    """Move a unit so that c stands beyond b on the way to its tail hydrogen, and its own head hydrogen points back."""
    from ase.data import covalent_radii
    from scipy.spatial.transform import Rotation

    length = sum(covalent_radii[chain.GetAtomWithIdx(int(atom)).GetAtomicNum()] for atom in link[1:3])
    along, back = (tail - b) / np.linalg.norm(tail - b), (c - cap) / np.linalg.norm(c - cap)
    across = np.cross(along, [1.0, 0.0, 0.0] if abs(along[0]) < 0.7 else [0.0, 1.0, 0.0])
    beside = np.cross(back, [1.0, 0.0, 0.0] if abs(back[0]) < 0.7 else [0.0, 1.0, 0.0])
    rotation, _ = Rotation.align_vectors([along, across], [back, beside])
    return np.asarray(b + length * along + rotation.apply(unit - c))


def _turned(positions: Array, centre: Array, axis: Array, degrees: float) -> Array:
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
    return np.asarray(centre + rotation.apply(positions - centre))


def _clashes(placed: Array, before: Array, linked: NDArray[np.bool_]) -> bool:
    """Whether a new unit comes too near to the others; the linked one may be a bond away."""
    from scipy.spatial.distance import cdist

    distances = cdist(placed, before)
    return bool((distances[:, ~linked] < CLOSEST).any() or (np.sort(distances[:, linked], axis=None)[1:] < 1.5).any())


def _relaxed(mol: Any, positions: Array, torsions: NDArray[np.int64]) -> Array:
    """Relax positions with the torsions held; as they are where no force field has parameters."""
    from rdkit.Chem import Conformer, rdForceFieldHelpers
    from rdkit.Geometry import Point3D

    conformer = Conformer(len(positions))
    for index, position in enumerate(positions):
        conformer.SetAtomPosition(index, Point3D(*map(float, position)))
    mol.RemoveAllConformers()
    mol.AddConformer(conformer)
    merck = rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol)
    if merck:
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, rdForceFieldHelpers.MMFFGetMoleculeProperties(mol))
        hold = field.MMFFAddTorsionConstraint
    elif rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        field = rdForceFieldHelpers.UFFGetMoleculeForceField(mol)
        hold = field.UFFAddTorsionConstraint
    else:
        return positions
    for (a, b, c, d), angle in zip(torsions.tolist(), torsion_angles(positions, torsions), strict=True):
        hold(a, b, c, d, False, float(angle) - 1.0, float(angle) + 1.0, 100.0)
    field.Initialize()
    field.Minimize(maxIts=200)
    return np.asarray(mol.GetConformer().GetPositions())


def _smiles(chain: Any) -> str:
    from rdkit import Chem

    return str(Chem.MolToSmiles(Chem.RemoveHs(chain)))
