"""GFN2-xTB Langevin trajectories that geometries are taken from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from densnet.bonds import bonded, sums_of_radii
from densnet.errors import DensnetError
from densnet.molecule import Molecule
from densnet.starting_geometry import what_is_wrong

ATTEMPTS = 5
BOND_WINDOW = (0.55, 1.6)
"""A bond's length must stay within these multiples of the sum of covalent radii."""
NO_BOND = 1.15
"""Atoms that are not bonded must stay farther apart than this multiple of the sum of covalent radii."""


@dataclass(frozen=True)
class TrajectoryPlan:
    """One trajectory: everything that decides it.

    Attributes:
        index: its number among all trajectories.
        molecule: where it starts.
        temperature: K.
        timestep: fs.
        friction: 1/fs.
        equilibration_steps: steps that are thrown away first.
        frames: number of frames to keep.
        stride: steps between kept frames.
        seed: entropy of its random numbers.
    """

    index: int
    molecule: Molecule
    temperature: float
    timestep: float
    friction: float
    equilibration_steps: int
    frames: int
    stride: int
    seed: tuple[int, ...]


@dataclass(frozen=True)
class BondWindow:
    """Which atoms are bonded at the start, and how far each pair may go before the molecule is another one."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]

    @classmethod
    def around(cls, molecule: Molecule) -> BondWindow:
        """Take the bonds from the distances (within 1.3 sums of covalent radii)."""
        first, second = np.triu_indices(len(molecule.numbers), 1)
        scale = sums_of_radii(molecule.numbers)[first, second]
        distances = np.linalg.norm(molecule.positions[first] - molecule.positions[second], axis=1)
        bonds = bonded(molecule.numbers, molecule.positions)[first, second]
        lowest = np.where(bonds, BOND_WINDOW[0], NO_BOND) * scale
        highest = np.where(bonds, BOND_WINDOW[1] * scale, np.inf)
        # A strained or crowded start is the user's molecule, not a reaction.
        return cls(first, second, np.minimum(lowest, 0.8 * distances), np.maximum(highest, 1.2 * distances))

    def holds(self, positions: NDArray[np.float64]) -> bool:
        """Return whether the molecule is still the one it was."""
        distances = np.linalg.norm(positions[self.first] - positions[self.second], axis=1)
        return bool(np.all((distances > self.lowest) & (distances < self.highest)))


def run_trajectory(plan: TrajectoryPlan) -> dict[str, NDArray[np.float64]]:
    """Run one trajectory; a molecule that falls apart is started again with other random numbers.

    Returns:
        positions (t, i, x) Angstrom, energy (t,) eV, time (t,) fs from the end of equilibration.

    Raises:
        DensnetError: it fell apart, or GFN2-xTB did not converge, in each of several attempts.
    """
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(plan, np.random.default_rng(np.random.SeedSequence([*plan.seed, attempt])))
        except _FellApartError as error:
            reason = str(error)
    start = plan.molecule
    wrong = what_is_wrong(start.numbers, start.positions, start.charge)
    raise DensnetError(
        f"sampling: {start.name!r} at {plan.temperature:g} K: {reason} in each of {ATTEMPTS} attempts; "
        + (f"{wrong}; correct it" if wrong else "lower the temperature or start from another geometry")
    )


class _FellApartError(Exception):
    """Bonds broke or formed, or the SCF of GFN2-xTB failed."""


def gfn2(molecule: Molecule) -> Atoms:
    """Return ASE atoms with GFN2-xTB (Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019))."""
    from tblite.ase import TBLite

    atoms = Atoms(molecule.numbers, molecule.positions)
    atoms.calc = TBLite(method="GFN2-xTB", charge=molecule.charge, multiplicity=molecule.multiplicity, verbosity=0)
    return atoms


def _attempt(plan: TrajectoryPlan, random: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    from ase.calculators.calculator import CalculationFailed
    from ase.md.langevin import Langevin

    atoms, window = gfn2(plan.molecule), BondWindow.around(plan.molecule)
    positions = np.empty((plan.frames, len(atoms), 3))
    energy, time = np.empty(plan.frames), np.empty(plan.frames)
    try:
        width = np.sqrt(atoms.get_masses() * units.kB * plan.temperature)[:, None]
        atoms.set_momenta(width * random.standard_normal(positions.shape[1:]))
        dynamics = Langevin(
            atoms,
            timestep=plan.timestep * units.fs,
            temperature_K=plan.temperature,
            friction=plan.friction / units.fs,
            fixcm=False,
            rng=random,
        )
        dynamics.run(plan.equilibration_steps)
        for frame in range(plan.frames):
            dynamics.run(plan.stride)
            if not window.holds(atoms.positions):
                raise _FellApartError(f"a bond broke or formed within {(frame + 1) * plan.stride * plan.timestep:g} fs")
            positions[frame] = atoms.positions - atoms.get_center_of_mass()
            energy[frame] = atoms.get_potential_energy()
            time[frame] = (frame + 1) * plan.stride * plan.timestep
    except (CalculationFailed, RuntimeError) as error:
        raise _FellApartError(f"GFN2-xTB failed ({str(error).splitlines()[0]})") from error
    return {"positions": positions, "energy": energy, "time": time}
