"""Pairs of atoms pushed together and pulled apart: is a potential one outside its labels?

Held-out frames come from where the labels come from, and say nothing of the rest. Here every bond and contact of a
minimum is set from 0.7 to 1.5 times its length, beside a reference; a *hole* is a geometry far below the minimum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import ase.data
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.bonds import CONTACT, bonded, bonds_between, distances, joined_names
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, settings_of, variable, write_dataset
from densnet.potential import Array, Potential

METHOD_VERSION: int = 1
STAGE = "pair scan"

FACTORS = (0.7, 0.8, 0.9, 1.1, 1.2, 1.3, 1.4, 1.5)
HOLE = 0.3
"""eV below the minimum: more than any other conformer of a small molecule could account for."""
SENSIBLE = 8.0
"""eV above the minimum; where the reference is higher, a wall is steep and nobody asks for its height."""

Moving = Literal["both", "lighter", "fragments"]
Pair = tuple[int, int]


@dataclass(frozen=True)
class ScanPoints:
    """Geometries (n,) of a molecule in which one pair of atoms each is nearer or farther than at the minimum.

    Attributes:
        numbers: atomic numbers, (i,).
        minimum: Angstrom, (i, x), by the reference.
        moving: what moves with the two atoms; see :func:`scan_points`.
        pairs: atoms, (n, 2).
        factors: length over that at the minimum, (n,).
        positions: Angstrom, (n, i, x).
    """

    numbers: NDArray[np.int64]
    minimum: Array
    moving: str
    pairs: NDArray[np.int64]
    factors: Array
    positions: Array

    def name(self, point: int) -> str:
        """Return the name of a point: "C1-H5 x 0.7"."""
        return f"{joined_names(self.numbers, self.pairs[point])} x {self.factors[point]:g}"


def scan_points(
    numbers: NDArray[np.int64], minimum: Array, *, factors: Sequence[float] = FACTORS, moving: Moving = "both"
) -> ScanPoints:
    """Set every pair that is bonded or in contact (:data:`CONTACT`) to multiples of its length, along its line.

    Args:
        numbers: atomic numbers, (i,).
        minimum: Angstrom, (i, x).
        factors: multiples of the length at the minimum.
        moving: "both": the two atoms alone, by half of the change each; "lighter": the lighter one alone, by all of it
            (the second if they weigh the same); "fragments": by half of the change each, the two atoms and with either
            of them all atoms that are fewer bonds away from it than from the other.

    Raises:
        DensnetError: an impossible factor or way of moving, or a molecule without such a pair.
    """
    if not len(factors) or not all(math.isfinite(factor) and factor > 0 and factor != 1 for factor in factors):
        raise DensnetError(f"factors: expected numbers above 0 other than 1, got {' '.join(map(str, factors)) or None}")
    if moving not in get_args(Moving):
        raise DensnetError(f"moving: expected one of {get_args(Moving)}, got {moving!r}")
    bonds = bonded(numbers, minimum)
    pairs = np.argwhere(np.triu(bonds | (distances(minimum) < CONTACT), 1))
    if not len(pairs):
        raise DensnetError("scan: expected a molecule of two atoms or more, found no pair in contact")
    apart = bonds_between(bonds)
    shares = np.array([_shares(numbers, apart, (first, second), moving) for first, second in pairs])
    vectors = minimum[pairs[:, 1]] - minimum[pairs[:, 0]]
    change = np.asarray(factors, dtype=np.float64) - 1
    moved = minimum + np.einsum("f,pi,px->pfix", change, shares, vectors)
    return ScanPoints(
        numbers,
        minimum,
        moving,
        np.repeat(pairs, len(change), axis=0),
        np.tile(np.asarray(factors, dtype=np.float64), len(pairs)),
        moved.reshape(-1, *minimum.shape),
    )


def energies_above(potential: Potential, minimum: Array, positions: Array, *, batch: int | None) -> Array:
    """Return the energies (n,) in eV of geometries (n, i, x) above that of a minimum (i, x), in Angstrom.

    The potential is always given ``batch`` geometries, the last of them perhaps over again, because a recorded model
    is recorded anew for every other number, or all at once (None); and it forgets the batch before, so that no energy
    depends on another.

    Raises:
        DensnetError: the energy of the minimum is not finite.
    """
    everything = np.concatenate([minimum[None], positions])
    batch = batch or len(everything)
    energies = []
    for start in range(0, len(everything), batch):
        part = everything[start : start + batch]
        potential.forget()
        full = np.concatenate([part, np.repeat(minimum[None], batch - len(part), axis=0)])
        energies.append(np.asarray(potential(full)["energy"], dtype=np.float64)[: len(part)])
    energy = np.concatenate(energies)
    if not math.isfinite(energy[0]):
        raise DensnetError(f"{potential.name}: its energy is not finite at the minimum; give another geometry")
    return energy[1:] - energy[0]


@dataclass(frozen=True)
class Scan:
    """Energies of the points of a scan.

    Each is above the energy of that potential's own minimum, as the points are the same for both but not the minima:
    the points start from the reference's, and the tested potential's is what it relaxes to.

    Attributes:
        points: geometries.
        tested: eV, (n,); not finite where the tested potential gave none.
        reference: eV, (n,); NaN where the reference gave none.
    """

    points: ScanPoints
    tested: Array
    reference: Array


@dataclass(frozen=True)
class ScanSummary:
    """What a scan says of the tested potential; points that the reference gave up count nowhere.

    Attributes:
        points: number that both were asked for and the reference answered.
        left_out: number that the reference gave up.
        without_energy: indices of points where the tested potential gave no finite energy.
        holes: indices of points where the tested energy is more than :data:`HOLE` below the minimum, deepest first.
        compared: number of points where the reference is below :data:`SENSIBLE` and the tested energy is finite; the
            rest is of these.
        largest: eV; largest absolute difference.
        root_mean_square: eV; of the differences.
        ninth_decile: eV; nine of ten absolute differences are smaller.
        worst: index of the point with the largest difference; -1 if none could be compared.
    """

    points: int
    left_out: int
    without_energy: NDArray[np.int64]
    holes: NDArray[np.int64]
    compared: int
    largest: float
    root_mean_square: float
    ninth_decile: float
    worst: int


def scan_summary(scan: Scan) -> ScanSummary:
    """Sum a scan up."""
    known, finite = np.isfinite(scan.reference), np.isfinite(scan.tested)
    holes = np.flatnonzero(known & finite & (scan.tested < -HOLE))
    compared = np.flatnonzero(known & finite & (scan.reference < SENSIBLE))
    off = np.abs(scan.tested[compared] - scan.reference[compared])
    return ScanSummary(
        points=int(known.sum()),
        left_out=int((~known).sum()),
        without_energy=np.flatnonzero(known & ~finite),
        holes=holes[np.argsort(scan.tested[holes])],
        compared=len(compared),
        largest=float(off.max()) if len(off) else math.nan,
        root_mean_square=float(np.sqrt(np.mean(off**2))) if len(off) else math.nan,
        ninth_decile=float(np.quantile(off, 0.9)) if len(off) else math.nan,
        worst=int(compared[off.argmax()]) if len(off) else -1,
    )


def write_scan(scan: Scan, path: Path, *, settings: dict[str, Any], charge: int = 0) -> None:
    """Write all points of a scan to a netCDF file that :func:`read_scan` reads.

    Args:
        scan: what to write.
        path: the file.
        settings: what decided the energies, the names of both potentials among it.
        charge: of the molecule, in e.

    Raises:
        DensnetError: the file cannot be written.
    """
    points = scan.points
    dataset = xr.Dataset(
        {
            "numbers": variable(("atom",), points.numbers, "1", "atomic numbers"),
            "minimum": variable(("atom", "x"), points.minimum, "angstrom", "minimum by the reference"),
            "pairs": variable(("point", "end"), points.pairs, "1", "the two atoms, counted from zero"),
            "factors": variable(("point",), points.factors, "1", "length over that at the minimum"),
            "positions": variable(("point", "atom", "x"), points.positions, "angstrom", "positions"),
            "energy_tested": variable(("point",), scan.tested, "eV", "tested energy above that of its own minimum"),
            "energy_reference": variable(("point",), scan.reference, "eV", "energy above the minimum, NaN: given up"),
        },
        attrs={"moving": points.moving, "charge": charge},
    )
    write_dataset(dataset, path, stage=STAGE, method_version=METHOD_VERSION, settings=settings)


def read_scan(path: Path) -> tuple[Scan, dict[str, Any], int]:
    """Return a scan, its settings and the molecule's charge from a file of :func:`write_scan`.

    Raises:
        DensnetError: not such a file.
    """
    names = ("numbers", "minimum", "pairs", "factors", "positions", "energy_tested", "energy_reference")
    data = read_dataset(path, stage=STAGE, variables=names)
    numbers, minimum, pairs, factors, positions, tested, reference = (data[name].values for name in names)
    points = ScanPoints(numbers, minimum, str(data.attrs["moving"]), pairs, factors, positions)
    return Scan(points, tested, reference), settings_of(data), int(data.attrs["charge"])


def _shares(numbers: NDArray[np.int64], apart: Array, pair: Pair, moving: Moving) -> Array:
    """Return how far each atom moves along the line from the first to the second, as a share of the change, (i,).

    Args:
        apart: bonds between atoms, (i, i); infinite where no path leads.
    """
    first, second = pair
    share = np.zeros(len(numbers))
    if moving == "lighter":
        masses = ase.data.atomic_masses[numbers]
        if masses[first] < masses[second]:
            share[first] = -1.0
        else:
            share[second] = 1.0
    elif moving == "both":
        share[first], share[second] = -0.5, 0.5
    else:
        share[apart[first] < apart[second]] = -0.5
        share[apart[second] < apart[first]] = 0.5
    return share
