"""Densities of many frames as coefficients of a basis, from labels or from a model, for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.density import Density
from densnet.errors import DensnetError
from densnet.exchange.extended_xyz import DIPOLE
from densnet.exchange.metatensor_file import write_mts
from densnet.exchange.molden_file import write_molden
from densnet.io.netcdf import write_atomically
from densnet.peers.labelled_frames import labelled_atoms
from densnet.reference.given_frames import read_frames
from densnet.reference.level import UNSAID, level_name
from densnet.training.labels import load_labels
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ExpandedDensities:
    """ρ_t(r) = Σ_k c_tk χ_k(r) of t frames of one molecule.

    Attributes:
        basis: of the functions.
        numbers: atomic numbers, (i,).
        positions: Å, (t, i, x).
        coefficients: bohr^(-3/2), (t, k), canonical order.
        said: what else is known of the frames, by the keys of docs/import.md.
    """

    basis: Basis
    numbers: NDArray[np.int64]
    positions: Array
    coefficients: Array
    said: dict[str, Any]

    @classmethod
    def of_labels(cls, path: Path) -> ExpandedDensities:
        """Return the densities of an output of 'densnet fit' or 'densnet import', with energies, forces and level.

        Raises:
            DensnetError: no such file, or one without densities.
        """
        labels = load_labels(path)
        data, attributes = labels.dataset, labels.dataset.attrs
        said = {
            "energies": data["energy"].values,
            "forces": data["forces"].values,
            "dipoles": data["dipole"].values,
            "split": data["split"].values.astype(str),
            "functional": str(attributes.get("functional", UNSAID)),
            "orbital_basis": str(attributes.get("basis", UNSAID)),
            "dispersion": str(attributes.get("dispersion", "none")),
            "charge": labels.charge,
        }
        return cls(labels.basis, labels.numbers, data["positions"].values, data["coefficients"].values, said)

    @classmethod
    def of_model(cls, path: Path, xyz: Path) -> ExpandedDensities:
        """Return the densities that a model predicts for the frames of an xyz file.

        Raises:
            DensnetError: no such model or file, or an element that the model does not know.
        """
        from densnet.models.checkpoint import load_ensemble  # with it torch, which labels do without

        model = load_ensemble(path)
        numbers, positions = read_frames(xyz)
        charge = {"charge": model.members[0].density.charge}
        return cls(model.basis, numbers, positions, model.coefficients(numbers, positions), charge)

    def write_npz(self, output: Path) -> list[Path]:
        """Write coefficients with their basis, and what is known of the frames, as docs/import.md has it, all digits.

        Raises:
            DensnetError: the file cannot be written.
        """
        overlap = integrals.overlap(self.basis, self.numbers, self.positions[0] / BOHR_IN_ANGSTROM)
        content = {
            **{"numbers": self.numbers, "positions": self.positions, "coefficients": self.coefficients},
            **{"fit_basis": self.basis.to_json(), "order": "densnet", "normalisation": "normalised"},
            **{"overlap": overlap, **self.said},
        }

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez_compressed(file, **content)

        write_atomically(output, write)
        return [output]

    def write_cubes(self, output: Path, spacing: float) -> list[Path]:
        """Write a Gaussian cube file of each frame, ρ in e/bohr³; of several, their numbers stand before the ending.

        Raises:
            DensnetError: too fine a spacing; a file cannot be written.
        """
        written = []
        for path, density in self._each(output):
            density.to_cube(path, spacing=spacing)
            written.append(path)
        return written

    def write_moldens(self, output: Path) -> list[Path]:
        """Write a Molden file of each frame with coefficients and basis, named as cubes are.

        Raises:
            DensnetError: functions beyond g; a file cannot be written.
        """
        written = []
        for path, density in self._each(output):
            write_molden(path, density)
            written.append(path)
        return written

    def _each(self, output: Path) -> Iterator[tuple[Path, Density]]:
        """Yield the density of each frame and the file for it."""
        for t, (positions, coefficients) in enumerate(zip(self.positions, self.coefficients, strict=True)):
            path = output if len(self.positions) == 1 else output.with_stem(f"{output.stem}_{t}")
            yield path, Density(self.basis, self.numbers, positions, coefficients)

    def write_mts(self, output: Path) -> list[Path]:
        """Write the coefficients in metatensor's format; of labels also the frames, as extended xyz beside it.

        Raises:
            DensnetError: metatensor is not installed; a file cannot be written.
        """
        write_mts(output, self.basis, self.numbers, self.coefficients)
        # a name of its own, not output.xyz: that may be the file that the labels were imported from
        return (
            [output, self._write_frames(output.with_name(f"{output.stem}_frames.xyz"))]
            if "energies" in self.said
            else [output]
        )

    def _write_frames(self, path: Path) -> Path:
        """Write extended xyz with energies, forces, dipoles, split, level and charge."""
        level = level_name(*(self.said[name] for name in ("functional", "orbital_basis", "dispersion")))
        images = []
        for t, positions in enumerate(self.positions):
            energy, forces = float(self.said["energies"][t]), self.said["forces"][t]
            atoms = labelled_atoms(self.numbers, positions, energy, forces)
            atoms.info |= {DIPOLE: self.said["dipoles"][t], "split": str(self.said["split"][t])}
            atoms.info |= {"level": level, "charge": self.said["charge"]}
            images.append(atoms)
        write_atomically(path, lambda temporary: ase.io.write(temporary, images, format="extxyz"))
        return path


def expanded_densities(labels: Path | None, model: Path | None, xyz: Path | None) -> ExpandedDensities:
    """Return the densities of labels, or those that a model predicts for the frames of an xyz file.

    Raises:
        DensnetError: both, or neither, or a model without frames; as the two say.
    """
    if labels is not None and model is None and xyz is None:
        return ExpandedDensities.of_labels(labels)
    if labels is None and model is not None and xyz is not None:
        return ExpandedDensities.of_model(model, xyz)
    raise DensnetError("export density: expected --labels, or --model with --xyz; give one of the two")
