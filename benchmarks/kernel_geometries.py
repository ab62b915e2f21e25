"""Geometries of H2 and H2O as in Brockherde et al., Nat. Commun. 8, 872 (2017), as xyz files of many frames.

H2: 150 lengths, uniformly from 0.5 to 1.5 Å. H2O: 350 frames, each bond uniformly within 0.075 Å of 0.97 Å and the
angle within 8.59° of 104.2°, independently.

    python benchmarks/kernel_geometries.py FOLDER        writes FOLDER/hydrogen.xyz and FOLDER/water.xyz
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

SEED = 2017
LENGTHS = (0.5, 1.5)
BOND, ANGLE = (0.97, 0.075), (104.2, 8.59)


def hydrogen(random: np.random.Generator, frames: int = 150) -> list[Atoms]:
    """Return H2 of random lengths, along z."""
    return [Atoms("H2", [[0, 0, -r / 2], [0, 0, r / 2]]) for r in random.uniform(*LENGTHS, frames)]


def water(random: np.random.Generator, frames: int = 350) -> list[Atoms]:
    """Return H2O of random bond lengths and angles, oxygen at the origin."""
    (r, dr), (angle, d_angle) = BOND, ANGLE
    first, second = random.uniform(r - dr, r + dr, (2, frames))
    half = np.radians(random.uniform(angle - d_angle, angle + d_angle, frames)) / 2
    return [
        Atoms("OH2", [[0, 0, 0], [0, a * np.sin(h), a * np.cos(h)], [0, -b * np.sin(h), b * np.cos(h)]])
        for a, b, h in zip(first, second, half, strict=True)
    ]


def main(folder: Path) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(SEED)
    for name, frames in (("hydrogen", hydrogen(random)), ("water", water(random))):
        ase.io.write(folder / f"{name}.xyz", frames, format="extxyz")
        print(f"{folder / name}.xyz: {len(frames)} frames")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
