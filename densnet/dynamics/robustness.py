"""Does a potential stay one outside its labels? Atoms pushed together and pulled apart in pairs, and hot dynamics.

Held-out frames come from where the labels come from, and say nothing of the rest. Two questions do: a scan of pairs
from 0.7 to 1.5 times their distance beside a reference, where a *hole* is a geometry far below the minimum; and the
time that replicas last at rising temperatures until they fall into one, break or blow up.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import ase.data
import numpy as np
import xarray as xr
from ase import Atoms
from ase.calculators.calculator import Calculator, CalculatorError, all_changes
from ase.optimize import BFGS
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path

from densnet.dynamics.integrators import langevin, thermal_velocities, without_drift
from densnet.dynamics.state import Array, Forces, Potential, State
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, settings_of, variable, write_dataset

METHOD_VERSION: int = 1
STAGE = "robustness"

BOND = 1.3
"""Atoms nearer than this many times the sum of their covalent radii are bonded."""
CONTACT = 3.2
"""Angstrom; atoms nearer than this are scanned, bonded or not."""
FACTORS = (0.7, 0.8, 0.9, 1.1, 1.2, 1.3, 1.4, 1.5)
HOLE = 0.3
"""eV below the minimum: more than any other conformer of a small molecule could account for."""
SENSIBLE = 8.0
"""eV above the minimum; where the reference is higher, a wall is steep and nobody asks for its height."""

COLLAPSED, BROKEN, NEW_BOND = 0.55, 2.0, 1.15
"""Of the sum of covalent radii: no pair of atoms comes nearer, no bond between heavy atoms gets longer, and no heavy
atoms come nearer that were not bonded. Atoms with a common neighbour, 2.4 Angstrom for C and O in ethanol, stay above
1.6 times in hot molecules too."""

FORCE = 2e-3
"""eV/Angstrom; what a relaxation leaves of each atom's force: the rounding of single precision is below it."""
STEPS = 2000
STEPS_BETWEEN_LINES = 1000
"""Of dynamics, on standard error."""

Moving = Literal["both", "lighter", "fragments"]
Pair = tuple[int, int]


def relaxed(potential: Potential, numbers: NDArray[np.int64], positions: Array) -> Array:
    """Return the positions (i, x) in Angstrom of a minimum near a geometry with the same bonds, by ASE's BFGS.

    Args:
        potential: of one replica.
        numbers: atomic numbers, (i,).
        positions: Angstrom, (i, x).

    Raises:
        DensnetError: forces that are not finite or do not vanish, or other bonds at the end than at the start.
    """
    potential.forget()
    atoms = Atoms(numbers, positions, calculator=_OneReplica(potential))
    left = math.nan
    for _ in (optimiser := BFGS(atoms, logfile=None)).irun(fmax=FORCE, steps=STEPS):
        left = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        if not math.isfinite(left):
            raise DensnetError(f"{potential.name}: its forces are not finite near the geometry given; give another")
    if left >= FORCE:
        raise DensnetError(
            f"{potential.name}: a force of {left:.3g} eV/Angstrom is left after {optimiser.nsteps} steps of "
            "relaxation; is there a minimum near the geometry given?"
        )
    if (bonded(numbers, atoms.positions) != bonded(numbers, positions)).any():
        raise DensnetError(f"{potential.name}: has no minimum near the geometry given: relaxed, it has other bonds")
    return np.asarray(atoms.positions, dtype=np.float64)


def distances(positions: Array) -> Array:
    """Return the distances (..., i, i) in Angstrom of all atoms of geometries (..., i, x)."""
    return np.linalg.norm(positions[..., :, None, :] - positions[..., None, :, :], axis=-1)


def bonded(numbers: NDArray[np.int64], positions: Array) -> NDArray[np.bool_]:
    """Return which atoms are bonded, (i, i): nearer than :data:`BOND` times the sum of their covalent radii."""
    near = distances(positions) < BOND * _sums_of_radii(numbers)
    np.fill_diagonal(near, False)
    return near


def named(numbers: NDArray[np.int64], pair: Iterable[int]) -> str:
    """Return the name of a pair of atoms, counted from one: "C1-H5"."""
    return "-".join(f"{ase.data.chemical_symbols[numbers[atom]]}{atom + 1}" for atom in pair)


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
        return f"{named(self.numbers, self.pairs[point])} x {self.factors[point]:g}"


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
    apart = shortest_path(bonds.astype(float), unweighted=True)
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


def energies_above(potential: Potential, minimum: Array, positions: Array, *, batch: int) -> Array:
    """Return the energies (n,) in eV of geometries (n, i, x) above that of a minimum (i, x), in Angstrom.

    The potential is always given ``batch`` geometries, the last of them perhaps over again, because a recorded model
    is recorded anew for every other number; and it forgets the batch before, so that no energy depends on another.

    Raises:
        DensnetError: the energy of the minimum is not finite.
    """
    everything = np.concatenate([minimum[None], positions])
    found = []
    for start in range(0, len(everything), batch):
        part = everything[start : start + batch]
        potential.forget()
        full = np.concatenate([part, np.repeat(minimum[None], batch - len(part), axis=0)])
        found.append(np.asarray(potential(full).energy, dtype=np.float64)[: len(part)])
    energy = np.concatenate(found)
    if not math.isfinite(energy[0]):
        raise DensnetError(f"{potential.name}: its energy is not finite at the minimum; give another geometry")
    return energy[1:] - energy[0]


@dataclass(frozen=True)
class Scan:
    """Energies of the points of a scan.

    Each is above the energy of that potential's own minimum, as the points are the same for both but not the minima:
    the points start from the reference's, and the tested potential's is what :func:`relaxed` makes of it.

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


@dataclass(frozen=True)
class FailureSettings:
    """Of dynamics that run until they fail."""

    picoseconds: float = 5.0
    """Length of each replica's dynamics if it does not fail."""
    replicas: int = 8
    """Independent copies of the molecule at each temperature."""
    timestep_fs: float = 0.5
    """Integration step."""
    friction_per_ps: float = 5.0
    """Of the Langevin thermostat."""
    seed: int = 1
    """Of velocities and noise."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for field in ("picoseconds", "timestep_fs", "friction_per_ps"):
            if not (math.isfinite(getattr(self, field)) and getattr(self, field) > 0):
                raise DensnetError(f"{field}: expected a positive number, got {getattr(self, field)}")
        if self.replicas < 1 or self.seed < 0:
            raise DensnetError(f"replicas, seed: expected at least 1 and 0, got {self.replicas}, {self.seed}")


@dataclass(frozen=True)
class Failures:
    """How long replicas lasted at one temperature.

    Attributes:
        temperature: K.
        time: fs, (R,): of the first step at which a replica had failed; NaN if it lasted to the end.
        reasons: what was wrong then, R texts; "" if nothing.
        positions: Angstrom, (R, i, x): where each replica failed or ended.
    """

    temperature: float
    time: Array
    reasons: tuple[str, ...]
    positions: Array

    @property
    def failed(self) -> NDArray[np.int64]:
        """Return the replicas that failed, the first to fail first."""
        return np.argsort(self.time, kind="stable")[: int(np.isfinite(self.time).sum())]


def time_to_failure(
    potential: Potential, numbers: NDArray[np.int64], minimum: Array, temperature: float, settings: FailureSettings
) -> Failures:
    """Run Langevin dynamics (BAOAB) from a minimum with thermal velocities, each replica until it fails.

    A replica has failed when its energy is not finite or lies :data:`HOLE` below the minimum's, or when
    :class:`Wholeness` finds fault with it. It is then set aside: the others move on as they would have without it.

    Args:
        potential: of as many replicas as the settings say.
        numbers: atomic numbers, (i,).
        minimum: Angstrom, (i, x), by this potential.
        temperature: K.
        settings: the rest.

    Raises:
        DensnetError: an impossible temperature, or an energy at the minimum that is not finite.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise DensnetError(f"temperature: expected a positive number, got {temperature}")
    masses, whole = ase.data.atomic_masses[numbers], Wholeness(numbers, minimum)
    generator = np.random.default_rng([settings.seed, round(1e3 * temperature)])
    living = _Living(potential, minimum, settings.replicas)
    start = np.repeat(minimum[None], settings.replicas, axis=0)
    velocities = thermal_velocities(start.shape, masses, temperature, generator)
    state = State(start, without_drift(velocities, masses), living.at_start)
    times, last = np.full(settings.replicas, np.nan), start.copy()
    reasons = [""] * settings.replicas
    for step in range(1, round(settings.picoseconds * 1e3 / settings.timestep_fs) + 1):
        friction = settings.friction_per_ps * 1e-3
        state = langevin(state, living, masses, settings.timestep_fs, temperature, friction, generator)
        faults = _faults(state, living, whole)
        last[living.alive] = state.positions[living.alive]
        if faults:
            for replica, reason in faults.items():
                times[replica], reasons[replica] = step * settings.timestep_fs, reason
                living.alive[replica] = False
            state = living.without_the_dead(state)
        if step % STEPS_BETWEEN_LINES == 0:
            print(
                f"{temperature:g} K  {step * settings.timestep_fs * 1e-3:g} of {settings.picoseconds:g} ps  "
                f"{living.alive.sum()} of {settings.replicas} replicas left",
                file=sys.stderr,
                flush=True,
            )
        if not living.alive.any():
            break
    return Failures(temperature, times, tuple(reasons), last)


class Wholeness:
    """Tells a molecule from its ruins, by the bonds of a geometry and the covalent radii.

    Pairs of atoms nearer than :data:`COLLAPSED`, bonds between heavy atoms longer than :data:`BROKEN`, new bonds
    between heavy atoms (:data:`NEW_BOND`), and a hydrogen with no atom within :data:`BROKEN` are faults. A hydrogen
    that goes from one atom to another is none: hot molecules do that.

    Args:
        numbers: atomic numbers, (i,).
        minimum: Angstrom, (i, x).
    """

    def __init__(self, numbers: NDArray[np.int64], minimum: Array) -> None:
        self.numbers, self.sums = numbers, _sums_of_radii(numbers)
        heavy = np.logical_and.outer(numbers > 1, numbers > 1)
        bonds = bonded(numbers, minimum)
        self.least = np.where(heavy & ~bonds, NEW_BOND, COLLAPSED)
        self.most = np.where(heavy & bonds, BROKEN, np.inf)
        self.own = np.eye(len(numbers), dtype=bool)

    def faults(self, positions: Array) -> list[str]:
        """Return for each replica (R, i, x), in Angstrom, what is wrong with it: "" if nothing."""
        separation = distances(positions)
        ratio = np.where(self.own, np.inf, separation / self.sums)
        near, far = ratio < self.least, np.where(self.own, 0.0, ratio) > self.most
        lost = (ratio.min(axis=-1) > BROKEN) & (self.numbers == 1)
        wrong = near.any(axis=(1, 2)) | far.any(axis=(1, 2)) | lost.any(axis=1)
        found = [""] * len(positions)
        for replica in np.flatnonzero(wrong):
            if far[replica].any():
                found[replica] = self._of_pair(far[replica], separation[replica], "broken")
            elif near[replica].any():
                found[replica] = self._of_pair(near[replica], separation[replica], "too close")
            else:
                atom = int(lost[replica].argmax())
                found[replica] = f"{ase.data.chemical_symbols[self.numbers[atom]]}{atom + 1} lost"
        return found

    def _of_pair(self, which: NDArray[np.bool_], separation: Array, what: str) -> str:
        pair = tuple(np.argwhere(which)[0])
        return f"{named(self.numbers, pair)} {what}, {separation[pair]:.2f} Å"


class AsePotential:
    """An ASE calculator as a potential; replicas are evaluated one after the other.

    Args:
        calculator: gives energies and forces, in ASE's units; a dipole that comes with them is passed on.
        numbers: atomic numbers, (i,).
    """

    def __init__(self, calculator: Any, numbers: NDArray[np.int64]) -> None:
        self.calculator, self.numbers = calculator, numbers
        self.name = str(getattr(calculator, "name", "") or type(calculator).__name__).lower()

    def __call__(self, positions: Array) -> Forces:
        """Evaluate geometries (R, i, x) in Angstrom.

        Raises:
            DensnetError: the calculator fails.
        """
        energy, forces, dipole = [], [], []
        for geometry in positions:
            atoms = Atoms(self.numbers, geometry, calculator=self.calculator)
            try:
                forces.append(atoms.get_forces())
                energy.append(atoms.get_potential_energy())
            except (CalculatorError, RuntimeError, ValueError, KeyError, NotImplementedError, ArithmeticError) as error:
                reason = (str(error).splitlines() or [""])[0]
                raise DensnetError(f"{self.name}: the calculator fails: {type(error).__name__}: {reason}") from error
            known = getattr(self.calculator, "results", {}).get("dipole")
            dipole.append(np.zeros(3) if known is None else known)
        return Forces(np.array(energy, dtype=np.float64), np.array(forces, dtype=np.float64), np.array(dipole))

    def forget(self) -> None:
        """Drop what the calculator keeps from its last geometry, if it can."""
        if hasattr(self.calculator, "reset"):
            self.calculator.reset()


class Separate:
    """Potentials side by side, one a replica; a geometry that one refuses has no energy (NaN) and spares the others.

    Args:
        potentials: of one replica each; the same one again and again if it keeps nothing between calls.
    """

    def __init__(self, potentials: Sequence[Potential]) -> None:
        self.potentials = tuple(potentials)
        self.name = self.potentials[0].name
        self.worked = False

    def __call__(self, positions: Array) -> Forces:
        """Evaluate geometries (R, i, x) in Angstrom.

        Raises:
            DensnetError: the very first geometry is refused; then the potential is at fault and not the geometry.
        """
        found = []
        for potential, geometry in zip(self.potentials, positions, strict=True):
            try:
                found.append(potential(geometry[None]))
                self.worked = True
            except DensnetError:
                if not self.worked:
                    raise
                potential.forget()
                found.append(Forces(np.array([np.nan]), np.full((1, *geometry.shape), np.nan), np.full((1, 3), np.nan)))
        joined = (np.concatenate([getattr(one, name) for one in found]) for name in ("energy", "forces", "dipole"))
        return Forces(*joined)

    def forget(self) -> None:
        """Let every potential drop what its last call left behind."""
        for potential in self.potentials:
            potential.forget()


def curve_errors(energies: Array, reference: Array, below: Sequence[float] = (1.0, 2.0, 4.0)) -> dict[float, float]:
    """Return the largest absolute error in eV along a curve, for each bound.

    Both curves are shifted to be zero at the reference's lowest point.

    Args:
        energies: eV, (t,), tested; one that is not finite makes the error infinite.
        reference: eV, (t,).
        below: eV; for each, the points count whose reference is below it.

    Raises:
        DensnetError: curves of different length, without points, or a reference that is not finite.
    """
    energies, reference = np.asarray(energies, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if energies.ndim != 1 or energies.shape != reference.shape or not energies.size:
        raise DensnetError(f"curve: expected two curves of one length, got {energies.shape} and {reference.shape}")
    if not np.isfinite(reference).all():
        raise DensnetError("curve: a reference energy is not finite; leave that point out")
    lowest = int(reference.argmin())
    height, tested = reference - reference[lowest], np.where(np.isfinite(energies), energies, np.inf)
    if not math.isfinite(tested[lowest]):
        return dict.fromkeys(below, math.inf)
    off = np.abs(tested - tested[lowest] - height)
    return {bound: float(off[height < bound].max()) for bound in below}


def _sums_of_radii(numbers: NDArray[np.int64]) -> Array:
    radii = ase.data.covalent_radii[numbers]
    return np.add.outer(radii, radii)


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


def _faults(state: State, living: _Living, whole: Wholeness) -> dict[int, str]:
    """Return what is wrong with the replicas that are alive and have just failed."""
    energy, floor = state.forces.energy, living.at_start.energy[0] - HOLE
    rows = np.flatnonzero(living.alive)
    finite = np.isfinite(energy) & np.isfinite(state.positions).all(axis=(1, 2))
    found = {}
    sound = rows[finite[rows]]
    ruins = dict(zip(sound, whole.faults(state.positions[sound]), strict=True))
    for replica in rows:
        if not finite[replica]:
            found[int(replica)] = "energy or forces not finite"
        elif energy[replica] < floor:
            found[int(replica)] = f"{floor + HOLE - energy[replica]:.2f} eV below the minimum"
        elif ruins[replica]:
            found[int(replica)] = ruins[replica]
    return found


class _Living:
    """A potential for which every replica that has failed stays at the start, so that batches keep their size."""

    def __init__(self, potential: Potential, start: Array, replicas: int) -> None:
        self.potential, self.name = potential, potential.name
        self.start, self.alive = start, np.ones(replicas, dtype=bool)
        potential.forget()
        self.at_start = potential(np.repeat(start[None], replicas, axis=0))
        if not (np.isfinite(self.at_start.energy).all() and np.isfinite(self.at_start.forces).all()):
            raise DensnetError(f"{self.name}: its energy is not finite at the minimum; give another geometry")

    def __call__(self, positions: Array) -> Forces:
        """Evaluate geometries (R, i, x) in Angstrom; no energy (NaN) where a position or a force is not finite."""
        sound = np.isfinite(positions).all(axis=(1, 2))
        seen = np.where((self.alive & sound)[:, None, None], positions, self.start)
        found = self.potential(seen)
        finite = sound & np.isfinite(found.forces).all(axis=(1, 2))
        return Forces(np.where(finite, found.energy, np.nan), found.forces, found.dipole)

    def forget(self) -> None:
        """Let the potential drop what its last call left behind."""
        self.potential.forget()

    def without_the_dead(self, state: State) -> State:
        """Return the state with the dead at rest at the start: what blew up is not carried along."""
        alive, alive_x = self.alive, self.alive[:, None, None]
        forces = Forces(
            np.where(alive, state.forces.energy, self.at_start.energy),
            np.where(alive_x, state.forces.forces, self.at_start.forces),
            np.where(alive[:, None], state.forces.dipole, self.at_start.dipole),
        )
        return State(np.where(alive_x, state.positions, self.start), np.where(alive_x, state.velocities, 0.0), forces)


class _OneReplica(Calculator):
    """A potential of one replica for ASE's optimiser."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (ASE declares it so)

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: list[str] = all_changes
    ) -> None:
        """Evaluate one geometry."""
        super().calculate(atoms, properties or ["forces"], system_changes)
        current: Atoms = self.atoms  # type: ignore[assignment]
        found = self.potential(current.positions[None])
        self.results = {"energy": float(found.energy[0]), "forces": found.forces[0]}
