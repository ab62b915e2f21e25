"""Small geometries to label: water, at levels that take Psi4 a fraction of a second."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from densnet.io.netcdf import variable, write_dataset
from densnet.reference.level import LevelOfTheory

CHEAP = LevelOfTheory(functional="HF", basis="STO-3G", program="psi4")
WATER = np.array([[0.3, -0.1, 0.217], [0.3, 0.657, -0.369], [0.35, -0.857, -0.399]])

needs_psi4 = [
    pytest.mark.psi4,
    pytest.mark.skipif(not (shutil.which("psi4") or os.environ.get("DENSNET_PSI4")), reason="Psi4 is not installed"),
]


def water_frames(positions: np.ndarray, numbers: Sequence[int] = (8, 1, 1)) -> xr.Dataset:
    """Return geometries like those of ``densnet sample``, (t, i, x) Angstrom."""
    frames = len(positions)
    return xr.Dataset(
        {
            "positions": variable(("frame", "atom", "x"), positions, "angstrom", "positions"),
            "numbers": variable(("atom",), np.array(numbers), "1", "atomic numbers"),
            "split": variable(("frame",), np.array(["train", "test"] * frames)[:frames], "1", "split"),
        },
        attrs={"charge": 0, "multiplicity": 1},
    )


def shaken_water(frames: int) -> np.ndarray:
    """Return water with its atoms displaced at random by some 0.05 Angstrom."""
    return WATER + 0.05 * np.random.default_rng(1).normal(size=(frames, 3, 3))


def write_geometries(path: Path, frames: xr.Dataset) -> Path:
    """Write them as the stage "sample" does."""
    write_dataset(frames, path, stage="sample", method_version=1, settings={})
    return path
