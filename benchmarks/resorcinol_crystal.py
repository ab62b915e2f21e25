"""Build a packing of resorcinol in the published cell of its α form, and relax it by GFN1-xTB.

    python benchmarks/resorcinol_crystal.py data/crystals/resorcinol_gfn1.xyz

Cell and space group are measured (P n a 2₁, 10.53 x 9.53 x 5.66 Å, four molecules: Robertson, Proc. R. Soc. A 157, 79
(1936)); where the molecule lies in it is not taken from there. It is searched for: rigid molecules in each of the three
orientations of the hydroxyl groups are put into the cell at random, moved until they no longer overlap, and ranked by
their GFN1-xTB energy; the lowest few are relaxed with the cell as it is. The result is the best packing of this search,
and not known to be the crystal's.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data.vdw_alvarez import vdw_radii
from ase.io import write
from ase.optimize import BFGS
from ase.spacegroup import Spacegroup
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from densnet.molecule import conformers
from densnet.potentials.gfn1 import gfn1_xtb

Array = NDArray[np.float64]
CELL = np.array([10.53, 9.53, 5.66])
SMILES = "Oc1cccc(O)c1"
CLOSE = 0.85
"""Of the sum of van der Waals radii: atoms of two molecules nearer than this overlap ..."""
BOUND = 0.62
"""... but a hydrogen of a hydroxyl group and an oxygen, which may be a hydrogen bond."""


class Packing:
    """Copies of a rigid molecule by the operations of the space group.

    Args:
        molecule: its centre at the origin.
    """

    def __init__(self, molecule: Atoms) -> None:
        self.molecule = molecule
        self.operations = [(r, t) for r, t in Spacegroup(33).get_symop()]
        self.images = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T @ np.diag(CELL)
        z = molecule.numbers
        oxygen, hydrogen = z == 8, z == 1
        hydroxyl = hydrogen & (molecule.get_all_distances()[:, oxygen].min(axis=1) < 1.2)
        bond = np.logical_and.outer(hydroxyl, oxygen) | np.logical_and.outer(oxygen, hydroxyl)
        self.least = np.where(bond, BOUND, CLOSE) * np.add.outer(vdw_radii[z], vdw_radii[z])

    def positions(self, place: Array) -> Array:
        """Return all four molecules (m, i, x) for a rotation vector and a fractional position, (6,)."""
        turned = Rotation.from_rotvec(place[:3]).apply(self.molecule.positions) / CELL + place[3:]
        return np.array([turned @ r.T + t for r, t in self.operations]) * CELL

    def overlap(self, place: Array) -> float:
        """Return Σ (1 - d / d_least)² over pairs of atoms of different molecules that are nearer than d_least."""
        first, *others = self.positions(place)
        around = np.concatenate([*others, first])
        vectors = first[:, None] - around
        vectors[:, : -len(first)] -= CELL * np.round(vectors[:, : -len(first)] / CELL)
        ratio = np.linalg.norm(vectors[:, :, None] + self.images, axis=-1) / np.tile(self.least, 4)[:, :, None]
        # the molecule itself
        ratio[:, -len(first) :, (self.images == 0).all(axis=1)] = 1.0
        return float((np.clip(1 - ratio, 0, None) ** 2).sum())

    def crystal(self, place: Array) -> Atoms:
        """Return the crystal."""
        positions = self.positions(place)
        return Atoms(np.tile(self.molecule.numbers, len(positions)), positions.reshape(-1, 3), cell=CELL, pbc=True)


def packings(molecule: Atoms, trials: int, best: int, generator: np.random.Generator) -> list[Atoms]:
    """Return the packings with the least overlap of so many random ones, moved until they overlap least."""
    packing = Packing(molecule)
    places = np.concatenate(
        [Rotation.random(trials, rng=generator).as_rotvec(), generator.uniform(size=(trials, 3)) * [1, 1, 0]], axis=1
    )
    chosen = places[np.argsort([packing.overlap(place) for place in places])[:best]]
    moved = [minimize(packing.overlap, place, method="L-BFGS-B", options={"maxiter": 60}).x for place in chosen]
    return [packing.crystal(place) for place in moved]


def relaxed(crystal: Atoms, force: float, steps: int) -> Atoms:
    """Return a crystal relaxed by GFN1-xTB with its cell as it is."""
    crystal = crystal.copy()
    crystal.calc = gfn1_xtb()
    BFGS(crystal, logfile=None).run(fmax=force, steps=steps)
    return crystal


def main() -> None:
    """Search, relax, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--trials", type=int, default=3000, help="random packings of each conformer")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    generator, crystals = np.random.default_rng(arguments.seed), []
    for conformer in conformers(SMILES, count=40):
        molecule = Atoms(conformer.numbers, conformer.positions)
        molecule.positions -= molecule.get_center_of_mass()
        crystals += packings(molecule, arguments.trials, 12, generator)
    for crystal in crystals:
        crystal.calc = gfn1_xtb()
    energies = [crystal.get_potential_energy() for crystal in crystals]
    lowest = [crystals[n] for n in np.argsort(energies)[:6]]
    print(f"{len(crystals)} packings, the lowest {min(energies):.2f} eV", flush=True)
    starts = []
    for crystal in lowest:
        starts.append(relaxed(crystal, force=0.1, steps=60))
        print(f"{starts[-1].get_potential_energy():.3f} eV", flush=True)
    best = relaxed(min(starts, key=lambda crystal: crystal.get_potential_energy()), force=0.005, steps=400)
    pressure = -best.get_stress()[:3].mean() * 160.21766
    print(f"{best.get_potential_energy():.3f} eV, largest force {np.abs(best.get_forces()).max():.4f} eV/Å")
    print(f"pressure {pressure:.2f} GPa")
    best.info["made_by"] = "benchmarks/resorcinol_crystal.py: packing searched for, relaxed by GFN1-xTB in this cell"
    results = {"energy": best.get_potential_energy(), "forces": best.get_forces(), "stress": best.get_stress()}
    best.calc = SinglePointCalculator(best, **results)
    write(arguments.output, best, format="extxyz")


if __name__ == "__main__":
    main()
