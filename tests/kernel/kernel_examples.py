"""Water and hydrogen with densities and energies that are smooth functions of the geometry, not quantum chemistry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from densnet.basis.basis import Basis, Shell
from densnet.basis.integrals import charges
from densnet.kernel.hohenberg_kohn import KernelFrames

Array = NDArray[np.float64]

WATER, HYDROGEN = np.array([8, 1, 1]), np.array([1, 1])
SHELLS = (Shell(0, (1.3,), (1.0,)), Shell(1, (0.9,), (1.0,)), Shell(2, (0.8,), (1.0,)))
BASIS = Basis("small", {1: SHELLS, 8: SHELLS})


def water(count: int, seed: int = 0, *, turned: bool = True) -> Array:
    """Geometries (t, i, x): bonds within 0.075 Å of 0.97, angles within 9° of 104, somewhere in space."""
    random = np.random.default_rng(seed)
    first, second = random.uniform(0.895, 1.045, (2, count))
    half = np.radians(random.uniform(95, 113, count)) / 2
    zero = np.zeros(count)
    arms = [[zero, a * np.sin(sign * half), a * np.cos(half)] for a, sign in ((first, 1), (second, -1))]
    positions = np.stack([np.zeros((count, 3)), *(np.array(arm).T for arm in arms)], axis=1)
    return somewhere(positions, seed) if turned else positions


def hydrogen(count: int, seed: int = 0) -> Array:
    """Geometries (t, i, x) of lengths from 0.5 to 1.5 Å, somewhere in space."""
    lengths = np.random.default_rng(seed).uniform(0.5, 1.5, count)
    return somewhere(lengths[:, None, None] * np.array([[0, 0, -0.5], [0, 0, 0.5]]), seed)


def somewhere(positions: Array, seed: int) -> Array:
    """Return geometries turned and shifted at random."""
    turn = Rotation.random(len(positions), random_state=seed).as_matrix()
    shift = np.random.default_rng(seed).normal(size=(len(positions), 1, 3))
    return np.einsum("txy,tiy->tix", turn, positions) + shift


def frames(numbers: NDArray[np.int64], positions: Array) -> KernelFrames:
    """Return frames whose density turns with the molecule and whose energy is a sum of Morse curves."""
    layout, count = BASIS.layout(numbers), len(positions)
    c = np.zeros((count, len(layout)))
    energy = np.zeros(count)
    for i in range(len(numbers)):
        for j in range(len(numbers)):
            if i == j:
                continue
            apart = positions[:, j] - positions[:, i]
            r = np.linalg.norm(apart, axis=1)
            of_atom = layout.atom == i
            c[:, of_atom & (layout.l == 0)] += 0.3 * np.exp(-r)[:, None]
            # m = -1, 0, 1 are y, z, x
            c[:, of_atom & (layout.l == 1)] += 0.2 * (np.exp(-r) / r)[:, None] * apart[:, [1, 2, 0]]
            energy += 2.0 * (1 - np.exp(-1.5 * (r - 0.9))) ** 2
    q = charges(BASIS, numbers)
    excess = (c @ q - numbers.sum()) / (q @ q)
    return KernelFrames(BASIS, numbers, positions, c - excess[:, None] * q, energy)
