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
from ase.data import atomic_masses
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from densnet.bonds import CONTACT, bonded, bonds_between, distances
from densnet.errors import DensnetError
from densnet.mechanics.relaxation import relaxed
from densnet.molecule import Molecule
from densnet.potential import Array, Make, Potential
from densnet.units import (
    BOLTZMANN_IN_EV_PER_K,
    DALTON_ANGSTROM2_PER_FS2_IN_EV,
    EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2,
    SPEED_OF_LIGHT_IN_CM_PER_FS,
)

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
        potential: whose minimum it is.
        positions: Angstrom, (i, x).
        masses: Da, (i,).
        energy: eV.
        modes: mass-weighted normal modes (n, i, 3) above :data:`SOFT`, orthonormal.
        rates: their angular frequencies, 1/fs, (n,).
        steps: bonds between two atoms, (i, i); infinite between fragments.
    """

    potential: Potential
    positions: Array
    masses: Array
    energy: float
    modes: Array
    rates: Array
    steps: Array

    def energy_at(self, positions: Array) -> float:
        """Return the energy above the minimum in eV, infinity where the potential has no answer."""
        try:
            return float(self.potential(positions[None])["energy"][0]) - self.energy
        except DensnetError:
            self.potential.forget()
            return np.inf


def strained_frames(plan: StrainPlan, make: Make) -> dict[str, NDArray]:
    """Return strained geometries of one conformer.

    Args:
        plan: everything that decides them but the potential.
        make: makes the potential.

    Returns:
        positions (t, i, x) Angstrom, centre of mass at 0; energy (t,) in eV; kind (t,).

    Raises:
        DensnetError: the molecule does not relax, or no strained geometry is found in many attempts.
    """
    random = np.random.default_rng(np.random.SeedSequence(list(plan.seed)))
    minimum = minimum_of(plan.molecule, make)
    start, masses = minimum.positions, minimum.masses
    bonds = turned_bonds(minimum.steps)
    shares = np.array(SHARES) * [1, bool(len(minimum.modes)), bool(bonds)]
    positions, energies, kinds = [], [], []
    for _ in range(plan.frames):
        for _ in range(ATTEMPTS):
            kind = str(random.choice(KINDS, p=shares / shares.sum()))
            base = start if random.random() < 0.5 else start + thermal(minimum, plan.temperature, random)
            if kind == "torsion":
                a, b = bonds[random.integers(len(bonds))]
                strained = turned(base, minimum.steps, a, b, random.uniform(0, 2 * np.pi))
            else:
                path = mode_path(minimum, base, random) if kind == "mode" else pair_path(minimum, base, random)
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


def minimum_of(molecule: Molecule, make: Make) -> Minimum:
    """Relax a molecule and return it with its normal modes.

    Raises:
        DensnetError: it does not relax.
    """
    potential, masses = make(molecule), atomic_masses[molecule.numbers]
    try:
        positions = relaxed(potential, molecule.positions, force=0.01, steps=1000)
        energy = float(potential(positions[None])["energy"][0])
        rates, modes = _normal_modes(potential, positions, masses)
    except DensnetError as error:
        raise DensnetError(f"sampling: {molecule.name!r} does not relax: {error}") from error
    steps = bonds_between(bonded(molecule.numbers, positions))
    hard = rates > SOFT * 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS
    modes = modes[hard].reshape(-1, *positions.shape)
    return Minimum(potential, positions, masses, energy, modes, rates[hard], steps)


def _normal_modes(potential: Potential, positions: Array, masses: Array) -> tuple[Array, Array]:
    """Return angular frequencies (3 i,) in 1/fs, 0 where the energy curves down, and mass-weighted modes."""
    size = positions.size
    steps = DISPLACEMENT * np.eye(size).reshape(size, *positions.shape)
    forces = potential(np.concatenate([positions + steps, positions - steps]))["forces"].reshape(2, size, size)
    hessian = (forces[1] - forces[0]) / (2 * DISPLACEMENT)
    light = np.repeat(masses, 3) ** -0.5
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2 * light[:, None] * light)
    return np.sqrt(np.maximum(values, 0) * EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2), vectors.T


def thermal(minimum: Minimum, temperature: float, random: np.random.Generator) -> Array:
    """Return displacements (i, 3) that harmonic modes have at a temperature, classical: <Q²> = kT / ω²."""
    width = np.sqrt(BOLTZMANN_IN_EV_PER_K * temperature / DALTON_ANGSTROM2_PER_FS2_IN_EV) / minimum.rates
    amplitudes = width * random.standard_normal(len(minimum.rates))
    return np.einsum("n,nix->ix", amplitudes, minimum.modes) / np.sqrt(minimum.masses)[:, None]


def mode_path(minimum: Minimum, base: Array, random: np.random.Generator) -> Callable[[float], Array]:
    """Return the path along one mode or all, from s = 0 on; at s = 1 each is worth 8 eV, were it harmonic."""
    amplitudes = np.zeros(len(minimum.rates))
    if random.random() < 0.5:
        amplitudes[random.integers(len(amplitudes))] = random.choice([-1, 1])
    else:
        amplitudes = random.standard_normal(len(amplitudes))
    # ω Q = 4 in units in which the energy is (ω Q)² / 2 eV
    amplitudes = amplitudes * 4 / np.sqrt(DALTON_ANGSTROM2_PER_FS2_IN_EV) / minimum.rates
    direction = np.einsum("n,nix->ix", amplitudes, minimum.modes) / np.sqrt(minimum.masses)[:, None]
    return lambda s: base + s * direction


def pair_path(minimum: Minimum, base: Array, random: np.random.Generator) -> Callable[[float], Array]:
    """Return the path on which two atoms come together or part, to a limit of :data:`LENGTHS` at s = 1."""
    pairs = np.argwhere(np.triu(distances(base) < CONTACT, 1))
    a, b = pairs[random.choice(len(pairs))]
    masses, steps = minimum.masses, minimum.steps
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
