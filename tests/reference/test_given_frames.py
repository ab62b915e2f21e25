"""Frames of one's own in the place of sampled ones."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from densnet.errors import DensnetError
from densnet.reference.given_frames import given_geometries
from densnet.reference.settings import GivenFramesSettings

FEW = GivenFramesSettings(n_validation=2, n_test=3)
IN_BOHR = [Atoms("OHH", [[0, 0, 0.2], [0, 1.43, -0.9], [0, -1.43, -0.9]])] * 9


def hydrogens(lengths: np.ndarray) -> list[Atoms]:
    return [Atoms("H2", [[0, 0, 0], [0, 0, length]]) for length in lengths]


def in_a_cell(images: list[Atoms]) -> list[Atoms]:
    """Cut by the wall of a cell of 6 Å."""
    for atoms in images:
        atoms.set_cell([6.0, 6.0, 6.0])
        atoms.pbc = True
        atoms.positions[:, 2] -= 0.3
        atoms.wrap()
    return images


def test_every_frame_is_taken_once_and_training_frames_are_spread(tmp_path: Path) -> None:
    lengths = np.linspace(0.5, 1.5, 21)
    ase.io.write(tmp_path / "frames.xyz", hydrogens(lengths), format="extxyz")
    made = given_geometries(tmp_path / "frames.xyz", FEW, charge=1)
    split = made["split"].values
    assert [int((split == name).sum()) for name in ("train", "validation", "test")] == [16, 2, 3]
    found = np.linalg.norm(made["positions"].values[:, 1] - made["positions"].values[:, 0], axis=1)
    np.testing.assert_allclose(found, lengths[made["source_frame"].values], atol=1e-7)
    assert len(set(made["source_frame"].values.tolist())) == 21 and made.attrs["charge"] == 1
    train = found[split == "train"]
    # inverse distances bring the short end first, and the long one soon
    assert train[:5].min() == train.min() and train[:5].max() == train.max()
    # H2 has one distance
    nearest = np.abs(found[split == "test"][:, None] - train).min(axis=1)
    np.testing.assert_allclose(made["distance_to_train"].values[split == "test"], nearest, atol=1e-7)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (hydrogens(np.ones(5)), "expected more than 5 frames, n_validation and n_test together, found 5"),
        ([*hydrogens(np.ones(3)), Atoms("OH", np.eye(3)[:2])], "expected the atoms of frame 0, H2, .* HO in frame 3"),
        ([Atoms("H")], "expected frames of a molecule, found H"),
        (IN_BOHR, "no molecule in Angstrom, but one in bohr"),
        (in_a_cell(hydrogens(np.full(9, 0.74))), "frame 0: the molecule is wrapped: its periodic cell cuts it into 2"),
    ],
)
def test_frames_that_cannot_be_taken_are_one_line(images: list[Atoms], expected: str, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "frames.xyz", images, format="extxyz")
    with pytest.raises(DensnetError, match=expected):
        given_geometries(tmp_path / "frames.xyz", FEW)


def test_files_that_are_none_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match="no such file; expected an xyz file"):
        given_geometries(tmp_path / "nothing.xyz", FEW)
    (tmp_path / "text.xyz").write_text("three\n\nO 0 0\n")
    with pytest.raises(DensnetError, match="not a readable xyz file"):
        given_geometries(tmp_path / "text.xyz", FEW)
