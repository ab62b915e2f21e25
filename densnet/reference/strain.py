r"""Strained geometries: what dynamics never meets, and an energy must know all the same.

A potential that has only learned from dynamics guesses as soon as a bond or a contact leaves what it has seen. Three
kinds of path lead out of it, from a minimum of GFN2-xTB or from that displaced as at the sampling's temperature:

* pair: two atoms in contact (:data:`densnet.bonds.CONTACT`) are pushed together or pulled apart along the line between
  them, alone or with what hangs on each; shares of the way are inverse to the masses moved;
* mode: along one normal mode, or along all of them at random with equal mean energies;
* torsion: what hangs on one end of a bond is turned about it, by any angle.

The first two end where GFN2-xTB's energy has risen by :math:`E = E_\mathrm{max} u^2` with u uniform in (0, 1), so that
amplitudes are even; a torsion is drawn again if it costs more than :math:`E_\mathrm{max}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import CalculationFailed
from ase.optimize import BFGS
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from densnet.bonds import CONTACT, bonded, bonds_between, distances
from densnet.errors import DensnetError
from densnet.molecule import Molecule
from densnet.reference.trajectories import gfn2

Array = NDArray[np.float64]

KINDS = ("pair", "mode", "torsion")
SHARES = (0.5, 0.35, 0.15)
"""Of the kinds; a molecule without a torsion has more of the others."""
LENGTHS = (0.5, 2.0)
"""A pair's distance ends within these multiples of what it was."""
SOFT = 150.0
"""1/cm; softer modes are no directions to go straight along: torsions are turned instead."""
DISPLACEMENT = 0.005
"""Angstrom, of the Hessian's central differences."""
HALVINGS = 12
ATTEMPTS = 50


@dataclass(frozen=True)
class StrainPlan:
    """Strained frames of one conformer: everything that decides them.

    Attributes:
        index: its number among all plans.
        molecule: where the relaxation starts.
        frames: how many are wanted.
        energy: most that strain may cost, eV.
        temperature: of the displaced starts, K.
        seed: entropy of its random numbers.
    """

    index: int
    molecule: Molecule
    frames: int
    energy: float
    temperature: float
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Minimum:
    """A relaxed molecule.

    Attributes:
        atoms: at the minimum, with GFN2-xTB.
        energy: eV.
        modes: mass-weighted normal modes (n, i, 3) above :data:`SOFT`, orthonormal.
        rates: their angular frequencies in ASE's units, (n,).
        steps: bonds between two atoms, (i, i); infinite between fragments.
    """

    atoms: Atoms
    energy: float
    modes: Array
    rates: Array
    steps: Array

    def energy_at(self, positions: Array) -> float:
        """Return GFN2-xTB's energy above the minimum in eV, infinity where its SCF fails."""
        self.atoms.positions[:] = positions
        try:
            return float(self.atoms.get_potential_energy()) - self.energy
        except (CalculationFailed, RuntimeError):
            return np.inf


def strained_frames(plan: StrainPlan) -> dict[str, NDArray]:
    """Return strained geometries of one conformer.

    Returns:
        positions (t, i, x) Angstrom, centre of mass at 0; energy (t,) of GFN2-xTB in eV; kind (t,).

    Raises:
        DensnetError: the molecule does not relax, or no strained geometry is found in many attempts.
    """
    random = np.random.default_rng(np.random.SeedSequence(list(plan.seed)))
    minimum = relaxed(plan.molecule)
    start = minimum.atoms.positions.copy()
    masses = minimum.atoms.get_masses()
    bonds = turned_bonds(minimum.steps)
    shares = np.array(SHARES) * [1, bool(len(minimum.modes)), bool(bonds)]
    positions, energies, kinds = [], [], []
    for _ in range(plan.frames):
        for _ in range(ATTEMPTS):
            kind = str(random.choice(KINDS, p=shares / shares.sum()))
            base = start if random.random() < 0.5 else start + thermal(minimum, masses, plan.temperature, random)
            if kind == "torsion":
                a, b = bonds[random.integers(len(bonds))]
                strained = turned(base, minimum.steps, a, b, random.uniform(0, 2 * np.pi))
            else:
                path = mode_path(minimum, masses, base, random) if kind == "mode" else pair_path(minimum, base, random)
                strained = _at_energy(minimum, base, path, plan.energy * random.random() ** 2)
            energy = minimum.energy_at(strained)
            if energy <= plan.energy:
                break
        else:
            raise DensnetError(
                f"sampling: {plan.molecule.name!r}: no strained geometry within {plan.energy:g} eV in {ATTEMPTS} "
                "attempts; raise strain_energy or set strained_share to 0"
            )
        positions.append(strained - masses @ strained / masses.sum())
        energies.append(energy + minimum.energy)
        kinds.append(kind)
    return {"positions": np.array(positions), "energy": np.array(energies), "kind": np.array(kinds)}


def relaxed(molecule: Molecule) -> Minimum:
    """Relax a molecule with GFN2-xTB and return it with its normal modes.

    Raises:
        DensnetError: it does not relax.
    """
    atoms = gfn2(molecule)
    try:
        settled = BFGS(atoms, logfile=None).run(fmax=0.01, steps=1000)
        energy = float(atoms.get_potential_energy())
    except (CalculationFailed, RuntimeError) as error:
        raise DensnetError(
            f"sampling: {molecule.name!r}: GFN2-xTB failed in the relaxation ({str(error).splitlines()[0]})"
        ) from error
    if not settled:
        raise DensnetError(f"sampling: {molecule.name!r} does not relax with GFN2-xTB; start from another geometry")
    steps = bonds_between(bonded(atoms.numbers, atoms.positions))
    rates, modes = _normal_modes(atoms)
    hard = rates > SOFT * units.invcm / (units._hbar * units.J * units.s)
    return Minimum(atoms, energy, modes[hard].reshape(-1, len(atoms), 3), rates[hard], steps)


def _normal_modes(atoms: Atoms) -> tuple[Array, Array]:
    """Return angular frequencies in ASE's units (3 i,), 0 where the energy curves down, and mass-weighted modes."""
    start, columns = atoms.positions.copy(), []
    for step in DISPLACEMENT * np.eye(start.size).reshape(-1, *start.shape):
        forces = []
        for displaced in (start + step, start - step):
            atoms.positions[:] = displaced
            forces.append(atoms.get_forces().ravel())
        columns.append((forces[1] - forces[0]) / (2 * DISPLACEMENT))
    atoms.positions[:] = start
    light = np.repeat(atoms.get_masses(), 3) ** -0.5
    hessian = np.array(columns)
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2 * light[:, None] * light)
    return np.sqrt(np.maximum(values, 0)), vectors.T


def thermal(minimum: Minimum, masses: Array, temperature: float, random: np.random.Generator) -> Array:
    """Return displacements (i, 3) that harmonic modes have at a temperature, classical: <Q²> = kT / ω²."""
    amplitudes = random.standard_normal(len(minimum.rates)) * np.sqrt(units.kB * temperature) / minimum.rates
    return np.einsum("n,nix->ix", amplitudes, minimum.modes) / np.sqrt(masses)[:, None]


def mode_path(minimum: Minimum, masses: Array, base: Array, random: np.random.Generator) -> Callable[[float], Array]:
    """Return the path along one mode or all, from s = 0 on; at s = 1 each is worth 8 eV, were it harmonic."""
    amplitudes = np.zeros(len(minimum.rates))
    if random.random() < 0.5:
        amplitudes[random.integers(len(amplitudes))] = random.choice([-1, 1])
    else:
        amplitudes = random.standard_normal(len(amplitudes))
    direction = np.einsum("n,nix->ix", amplitudes * 4 / minimum.rates, minimum.modes) / np.sqrt(masses)[:, None]
    return lambda s: base + s * direction


def pair_path(minimum: Minimum, base: Array, random: np.random.Generator) -> Callable[[float], Array]:
    """Return the path on which two atoms come together or part, to a limit of :data:`LENGTHS` at s = 1."""
    pairs = np.argwhere(np.triu(distances(base) < CONTACT, 1))
    a, b = pairs[random.choice(len(pairs))]
    masses, steps = minimum.atoms.get_masses(), minimum.steps
    sides = [np.isin(np.arange(len(base)), [atom]) for atom in (a, b)]
    if random.random() < 0.5:
        sides = [steps[a] < steps[b], steps[b] < steps[a]]
    line = base[b] - base[a]
    way = (random.choice(LENGTHS) - 1) * line
    heavy = [masses[side].sum() for side in sides]
    direction = np.zeros_like(base)
    direction[sides[0]] = -way * heavy[1] / sum(heavy)
    direction[sides[1]] = way * heavy[0] / sum(heavy)
    return lambda s: base + s * direction


def _at_energy(minimum: Minimum, base: Array, path: Callable[[float], Array], rise: float) -> Array:
    """Return where the path is that much above its start, in eV; its end, if it never is."""
    wanted = minimum.energy_at(base) + rise
    low, high = 0.0, 1.0
    if minimum.energy_at(path(high)) < wanted:
        return path(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if minimum.energy_at(path(middle)) < wanted else (low, middle)
    return path(low)


def turned_bonds(steps: Array) -> list[tuple[int, int]]:
    """Return bonds a-b outside rings with other atoms on both ends, the side that is turned second."""
    bonds = []
    for a, b in np.argwhere(np.triu(steps == 1)):
        sides = [steps[a] < steps[b], steps[b] < steps[a]]
        between = (steps == 1)[np.ix_(*sides)].sum()
        ties = np.isfinite(steps[a]) & (steps[a] == steps[b])
        if between == 1 and not ties.any() and min(side.sum() for side in sides) > 1:
            bonds.append((int(a), int(b)) if sides[0].sum() >= sides[1].sum() else (int(b), int(a)))
    return bonds


def turned(positions: Array, steps: Array, a: int, b: int, angle: float) -> Array:
    """Return positions (i, 3) with what is nearer to b than to a turned about a-b by an angle in radians."""
    axis = positions[b] - positions[a]
    rotation = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))
    side = steps[b] < steps[a]
    result = positions.copy()
    result[side] = rotation.apply(positions[side] - positions[b]) + positions[b]
    return result
