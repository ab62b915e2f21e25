"""The labels that ship can be read, belong together, and are as many as their page says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from densnet.basis import integrals
from densnet.fitting.kohn_sham_labels import read_atoms, read_kohn_sham_labels
from densnet.units import BOHR_IN_ANGSTROM

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in DATA.glob("*/orbitals.nc")))
def test_labels_of(folder: str) -> None:
    files = DATA / folder
    labels = read_kohn_sham_labels([files / "orbitals.nc"], files / "geometries.nc")
    free = read_atoms(files / "atoms.nc", labels.numbers, labels.orbital_basis, labels.level)
    assert set(free.density_matrices) == set(labels.numbers.tolist())
    assert (labels.dataset["status"] == "ok").all()
    split = labels.dataset["split"].values.astype(str)
    counts = ", ".join(str((split == name).sum()) for name in ("train", "validation", "test"))
    page = (DATA / "README.md").read_text("utf-8")
    assert f"| `{folder}` | {labels.level['functional']}/{labels.level['basis']} | {counts} |" in page
    for t in (0, len(split) - 1):
        positions = labels.dataset["positions"].values[t] / BOHR_IN_ANGSTROM
        S = integrals.overlap(labels.orbital_basis, labels.numbers, positions)
        C = labels.orbitals[t]
        assert np.abs(C.T @ S @ C - np.eye(C.shape[1])).max() < 1e-12
        forces = labels.dataset["forces"].values[t]
        # Psi4's grid leaves a total force of about a millielectronvolt per Angstrom
        assert np.abs(forces.sum(axis=0)).max() < 0.02
