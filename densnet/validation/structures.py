"""Two relaxed geometries of one molecule, superposed: bonds, angles, and whether it is the same conformer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ase
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from densnet.bonds import bonded, joined_names
from densnet.potential import Array
from densnet.validation.findings import Finding

TURNED = 40.0
"""Degrees: a torsion farther than this from all like it in the reference is that of another conformer."""
STRAIGHT = 170.0
"""Degrees: beyond this angle an atom has no torsion about it."""

Atoms = tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """A bond length, angle or torsion in both geometries.

    Attributes:
        name: "C1-H5", "H5-C1-C2", "H5-C1-C2-O3", atoms counted from one.
        tested: Angstrom or degrees.
        reference: the same.
    """

    name: str
    tested: float
    reference: float

    @property
    def size(self) -> float:
        """Return the absolute difference."""
        return abs(self.tested - self.reference)


@dataclass(frozen=True)
class StructureComparison:
    """How a tested geometry differs from a reference.

    Attributes:
        rmsd: Angstrom; root mean square distance of all atoms after superposition, each atom with its own.
        lengths: of the reference's bonds.
        angles: between the reference's bonds.
        broken: names of the reference's bonds that the tested geometry lacks.
        formed: names of the bonds that only the tested geometry has.
        turned: torsions that no like torsion of the reference is near to, each beside the nearest.
    """

    rmsd: float
    lengths: tuple[Difference, ...]
    angles: tuple[Difference, ...]
    broken: tuple[str, ...]
    formed: tuple[str, ...]
    turned: tuple[Difference, ...]

    @property
    def verdict(self) -> str:
        """Say in a line whether both are the same molecule and the same conformer."""
        if self.broken or self.formed:
            changes = [f"{what} {', '.join(names)}" for what, names in self._changes if names]
            return f"Another molecule: {'; '.join(changes)}."
        if self.turned:
            worst = max(self.turned, key=lambda torsion: _apart(torsion.tested, torsion.reference))
            return f"Another conformer: torsion {worst.name} is {worst.tested:.0f}°, not {worst.reference:.0f}°."
        return "The same molecule in the same conformer."

    @property
    def _changes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return ("broken", self.broken), ("formed", self.formed)


def compare_structures(numbers: NDArray[np.int64], tested: Array, reference: Array) -> StructureComparison:
    """Compare two geometries (i, x), in Angstrom, of one molecule with its atoms in one order."""
    bonds, bonds_of_tested = bonded(numbers, reference), bonded(numbers, tested)
    pairs, triples = [*_bonds(bonds)], [*_angles(bonds)]
    return StructureComparison(
        rmsd=distance_superposed(tested, reference),
        lengths=tuple(_differences(numbers, pairs, tested, reference)),
        angles=tuple(_differences(numbers, triples, tested, reference)),
        broken=tuple(joined_names(numbers, pair) for pair in _bonds(bonds & ~bonds_of_tested)),
        formed=tuple(joined_names(numbers, pair) for pair in _bonds(bonds_of_tested & ~bonds)),
        turned=tuple(_turned(numbers, bonds, tested, reference)),
    )


def distance_superposed(positions: Array, onto: Array) -> float:
    """Return the root mean square distance of two geometries (i, x), one moved and turned onto the other, unreflected.

    All atoms have the same weight (Kabsch, Acta Cryst. A 32, 922 (1976)).
    """
    with warnings.catch_warnings():
        # of a linear molecule the turn about its axis is free
        warnings.filterwarnings("ignore", message="Optimal rotation is not uniquely")
        _, distance = Rotation.align_vectors(onto - onto.mean(axis=0), positions - positions.mean(axis=0))
    return float(distance / np.sqrt(len(positions)))


def structure_findings(comparison: StructureComparison, condition: str) -> list[Finding]:
    """Return the deviations of a comparison; the condition says of what from what."""
    findings = [Finding("root mean square distance after superposition", condition, comparison.rmsd, "Å")]
    for what, differences, unit in (
        ("a bond length", comparison.lengths, "Å"),
        ("an angle", comparison.angles, "degrees"),
    ):
        if not differences:
            continue
        worst = max(differences, key=lambda difference: difference.size)
        mean = float(np.mean([difference.size for difference in differences]))
        findings.append(Finding(f"mean difference of {what}", condition, mean, unit))
        findings.append(Finding(f"largest difference of {what}", f"{condition}; {worst.name}", worst.size, unit))
    counts = {"broken": comparison.broken, "formed": comparison.formed}
    findings += [Finding(f"bonds {what}", condition, len(names), "1") for what, names in counts.items()]
    return [*findings, Finding("torsions of another conformer", condition, len(comparison.turned), "1")]


def _bonds(bonds: NDArray[np.bool_]) -> Iterator[Atoms]:
    """Yield the pairs of atoms that are bonded."""
    for i, j in np.argwhere(np.triu(bonds)):
        yield int(i), int(j)


def _angles(bonds: NDArray[np.bool_]) -> Iterator[Atoms]:
    """Yield the triples of atoms whose outer two are bonded to the middle one."""
    for j in range(len(bonds)):
        around = np.flatnonzero(bonds[j])
        for n, i in enumerate(around):
            for k in around[n + 1 :]:
                yield int(i), j, int(k)


def _torsions(bonds: NDArray[np.bool_]) -> Iterator[Atoms]:
    """Yield the chains of four atoms i-j-k-l."""
    for j, k in _bonds(bonds):
        for i in np.flatnonzero(bonds[j]):
            for l in np.flatnonzero(bonds[k]):
                if i != k and l != j and i != l:
                    yield int(i), j, k, int(l)


def _measured(positions: Array, atoms: Atoms) -> float:
    """Return the length in Angstrom of two atoms, or the angle of three or the torsion of four, in degrees."""
    geometry = ase.Atoms(positions=positions, numbers=np.ones(len(positions)))
    if len(atoms) == 2:
        return float(geometry.get_distance(*atoms))
    return float(geometry.get_angle(*atoms) if len(atoms) == 3 else geometry.get_dihedral(*atoms))


def _differences(
    numbers: NDArray[np.int64], named: Sequence[Atoms], tested: Array, reference: Array
) -> Iterator[Difference]:
    for atoms in named:
        yield Difference(joined_names(numbers, atoms), _measured(tested, atoms), _measured(reference, atoms))


def _turned(
    numbers: NDArray[np.int64], bonds: NDArray[np.bool_], tested: Array, reference: Array
) -> Iterator[Difference]:
    """Yield the torsions that have none like them nearby in the reference: about one bond, between like atoms."""
    alike = _alike(numbers, bonds)
    chains = [(i, j, k, l) for i, j, k, l in _torsions(bonds) if _bent((i, j, k), (j, k, l), tested, reference)]
    known: dict[Atoms, list[float]] = {}
    for i, j, k, l in chains:
        known.setdefault((alike[i], j, k, alike[l]), []).append(_measured(reference, (i, j, k, l)))
    for i, j, k, l in chains:
        torsion = _measured(tested, (i, j, k, l))
        nearest = min(known[alike[i], j, k, alike[l]], key=lambda angle: _apart(angle, torsion))
        if _apart(nearest, torsion) > TURNED:
            yield Difference(joined_names(numbers, (i, j, k, l)), torsion, nearest)


def _bent(first: Atoms, second: Atoms, *geometries: Array) -> bool:
    """Return whether two angles are below :data:`STRAIGHT` in all geometries."""
    return all(_measured(positions, angle) < STRAIGHT for positions in geometries for angle in (first, second))


def _apart(first: float, second: float) -> float:
    """Return the difference of two torsions, 0 to 180 degrees."""
    return abs((first - second + 180.0) % 360.0 - 180.0)


def _alike(numbers: NDArray[np.int64], bonds: NDArray[np.bool_]) -> list[int]:
    """Return a class for each atom, one for atoms that elements and bonds around them do not tell apart (Morgan)."""
    classes = [int(number) for number in numbers]
    for _ in range(len(classes)):
        around = [(classes[i], *sorted(classes[j] for j in np.flatnonzero(bonds[i]))) for i in range(len(classes))]
        ranks = {entry: rank for rank, entry in enumerate(sorted(set(around)))}
        classes = [ranks[entry] for entry in around]
    return classes
