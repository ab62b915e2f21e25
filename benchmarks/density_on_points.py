"""Time a density's values, derivatives and potential at many points, beside PySCF's dense evaluation of all functions.

    .venv/bin/python benchmarks/density_on_points.py [fit basis, default def2-SVP-JKFIT]

One thread, random coefficients. Ethanol on a regular grid; then rows of thiophene molecules on a grid of the same
number of points each, to show how the cost grows with and without screening.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import resource
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from ase.build import molecule

from densnet import Density
from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.units import BOHR_IN_ANGSTROM

UNIT = molecule("C4H4S")


def seconds(call: Callable[[], object]) -> float:
    """Return the shorter time of two calls."""
    times = []
    for _ in range(2):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def grid(positions: np.ndarray, count: int, margin: float = 3.0) -> np.ndarray:
    """Return about ``count`` points (g, 3) of a regular grid around the atoms, in Å."""
    low, high = positions.min(axis=0) - margin, positions.max(axis=0) + margin
    spacing = (np.prod(high - low) / count) ** (1 / 3)
    axes = [np.arange(a, b, spacing) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def chain(units: int, basis_name: str) -> Density:
    """Return a row of thiophene molecules 4.5 Å apart: as many atoms and as long as the oligomer, near enough."""
    numbers = np.tile(UNIT.numbers, units)
    positions = np.concatenate([UNIT.positions + 4.5 * n * np.eye(3)[1] for n in range(units)])
    return random_density(numbers, positions, basis_name)


def random_density(numbers: np.ndarray, positions: np.ndarray, basis_name: str) -> Density:
    """Return a density with random coefficients: timings and cut-offs do not ask for more."""
    basis = Basis.from_name(basis_name, numbers)
    c = np.random.default_rng(0).normal(size=basis.n_functions(numbers))
    return Density(basis, numbers, positions, c)


def dense(density: Density, points: np.ndarray) -> np.ndarray:
    """Return ρ in e/bohr³ by PySCF's values of every function at every point, 512 points at a time."""
    mole = integrals.pyscf_mole(density.basis, density.numbers, density.positions / BOHR_IN_ANGSTROM)
    back, sign = integrals.from_canonical("pyscf", integrals.shells_of(density.basis, density.numbers))
    c, r = density.coefficients[back] * sign, points / BOHR_IN_ANGSTROM
    blocks = [mole.eval_gto("GTOval_sph", r[start : start + 512]) @ c for start in range(0, len(r), 512)]
    return np.concatenate(blocks)


def main(basis_name: str = "def2-SVP-JKFIT") -> None:
    """Print the tables."""
    atoms = molecule("CH3CH2OH")
    density = random_density(atoms.numbers, atoms.positions, basis_name)
    points = grid(density.positions, 1_000_000)
    few = points[:: len(points) // 10_000]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"ethanol, {basis_name}, {len(density.coefficients)} functions, one thread")
    for name, where in (
        ("at", points),
        ("gradient", points),
        ("laplacian", points),
        ("potential", few),
        ("field", few),
    ):
        print(f"  {name:10s} {len(where):8d} points {seconds(partial(getattr(density, name), where)):7.2f} s")
    print(f"  at, every function by PySCF   {seconds(partial(dense, density, points)):7.2f} s")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"  memory beyond the points themselves: at most {grown:.0f} MiB")
    print("rows of thiophenes, 100 000 points each")
    for units in (1, 3, 6, 10):
        density = chain(units, basis_name)
        points = grid(density.positions, 100_000)
        screened = seconds(partial(density.at, points))
        slow = seconds(partial(dense, density, points))
        of_potential = seconds(partial(density.potential, points[::10]))
        off = np.abs(density.at(points) * BOHR_IN_ANGSTROM**3 - dense(density, points)).max()
        print(
            f"  {len(density.numbers):3d} atoms {len(density.coefficients):5d} functions: screened {screened:6.2f} s, "
            f"dense {slow:6.2f} s, difference {off:.0e} e/bohr³, "
            f"potential at a tenth of them {of_potential:6.2f} s"
        )


if __name__ == "__main__":
    main(*sys.argv[1:2])
