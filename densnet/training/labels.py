"""What ``densnet fit`` wrote, as training and evaluation read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.fitting.label_content import NO_DENSITY
from densnet.io.netcdf import read_dataset, settings_of

OF_ENERGIES = ("positions", "numbers", "split", "distance_to_train", "energy", "forces", "prior", "atomic_energy")
OF_DENSITIES = ("dipole", "coefficients")


@dataclass(frozen=True)
class Labels:
    """The content of a ``labels.nc``, checked.

    Attributes:
        dataset: the file.
        basis: fitting basis of its coefficients.
        numbers: atomic numbers (i,).
        settings: how the file was made.
    """

    dataset: xr.Dataset
    basis: Basis
    numbers: np.ndarray
    settings: dict[str, Any]

    @property
    def elements(self) -> tuple[int, ...]:
        """Return the atomic numbers that occur, ascending."""
        return tuple(sorted({int(z) for z in self.numbers}))

    @property
    def has_densities(self) -> bool:
        """Whether there are densities to learn and to compare with, and not energies and forces alone."""
        return self.dataset.attrs.get("reference_density") != NO_DENSITY

    @property
    def charge(self) -> int:
        """Return the charge of the molecule in e."""
        return int(self.dataset.attrs["charge"])

    def frames(self, split: str, limit: int | None = None) -> np.ndarray:
        """Return the rows of one split, the first ``limit`` of them.

        Raises:
            DensnetError: the split is empty, or holds fewer than ``limit`` frames.
        """
        rows = np.flatnonzero(self.dataset["split"].values == split)
        if len(rows) == 0:
            raise DensnetError(f"labels: expected frames of the split {split!r}, found none; sample and label some")
        if limit is not None and limit > len(rows):
            raise DensnetError(
                f"n_train: expected at most the {len(rows)} {split} frames that have labels, found {limit}"
            )
        return rows[:limit]


def load_labels(path: Path, *, densities: bool = True) -> Labels:
    """Read and check a ``labels.nc``.

    Args:
        densities: whether it must have them; energies and forces alone do otherwise.

    Raises:
        DensnetError: not the output of 'densnet fit' or 'densnet import', a convention that is not ours, NaN in a
            label, no densities where they are needed.
    """
    dataset = read_dataset(path, stage="fit", variables=OF_ENERGIES)
    lacking = dataset.attrs.get("reference_density") == NO_DENSITY
    if lacking and densities:
        raise DensnetError(
            f"{path}: expected labels with densities, found energies and forces alone (imported with --density); train "
            "the energy model on them ('densnet train energy'), or label the frames with densities ('densnet label')"
        )
    checked = ("positions", "energy", "forces", *(() if lacking else OF_DENSITIES))
    if missing := [name for name in checked if name not in dataset.variables]:
        raise DensnetError(f"{path}: the variable(s) {missing} are missing; delete it and run again")
    if dataset.attrs.get("coefficient_convention") != "densnet":
        convention = dataset.attrs.get("coefficient_convention")
        raise DensnetError(f"{path}: expected coefficients in the densnet convention, found {convention!r}; fit again")
    for name in checked:
        values = dataset[name].values
        bad = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        if bad.any():
            frames = dataset["frame"].values[bad].tolist()
            raise DensnetError(f"{path}: {name} is not finite in frame(s) {frames}; label these frames again")
    numbers = np.asarray(dataset["numbers"].values, dtype=int)
    basis = Basis.from_json(str(dataset.attrs.get("fit_basis")), path)
    if basis.n_functions(numbers) != dataset.sizes["k"]:
        raise DensnetError(
            f"{path}: expected {basis.n_functions(numbers)} coefficients of the fit basis, found {dataset.sizes['k']}; "
            "fit again"
        )
    return Labels(dataset, basis, numbers, settings_of(dataset))
