"""A tiny benchmark: water under the name of a molecule of revised MD17, in its files' layout and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from label_examples import WATER

NUMBERS = np.array([8, 1, 1])
N_LEARNED, N_JUDGED = 12, 6
KCAL_PER_MOL = 627.5094740631
"""In one hartree (CODATA 2018, thermochemical calorie)."""


def water_energies_and_forces(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth energy of atoms bound to their places, in kcal/mol, and its forces in kcal/mol/Å."""
    displaced = positions - WATER
    return -47_900.0 + 50.0 * (displaced**2).sum(axis=(1, 2)), -100.0 * displaced


def benchmark_content(frames: int, seed: int) -> dict[str, Any]:
    """Return what a file of the benchmark holds, for displaced waters."""
    positions = WATER + 0.05 * np.random.default_rng(seed).normal(size=(frames, 3, 3))
    energies, forces = water_energies_and_forces(positions)
    return {
        "nuclear_charges": NUMBERS.astype(np.uint8),
        "coords": positions,
        "energies": energies,
        "forces": forces,
        "old_indices": np.arange(frames),
    }


def write_benchmark(folder: Path, molecule: str = "ethanol", **changes: Any) -> Path:
    """Write both files of a molecule; ``train_KEY`` or ``test_KEY`` changes a value, None takes the key away."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, frames, seed in (("train", N_LEARNED, 1), ("test", N_JUDGED, 2)):
        own = {name.removeprefix(f"{part}_"): value for name, value in changes.items() if name.startswith(f"{part}_")}
        content = {key: value for key, value in (benchmark_content(frames, seed) | own).items() if value is not None}
        np.savez(folder / f"rmd17_{molecule}_{part}_01.npz", **content)
    return folder
