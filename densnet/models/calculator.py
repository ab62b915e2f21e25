"""The models as an ASE calculator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from densnet.density.density import Density
from densnet.errors import DensnetError
from densnet.models.checkpoint import load_model


class DenSNetCalculator(Calculator):
    """Energy (eV), forces (eV/Angstrom) and dipole (e Angstrom) of a molecule; its density on request.

    Args:
        model: a ``model.pt``.
        device: where torch computes, e.g. ``"cpu"`` or ``"cuda"``.
        dtype: precision of the networks; ``"float64"`` for tight optimisations.

    Raises:
        DensnetError: the file is no model of ours; an element that the model does not know.
    """

    implemented_properties = [  # noqa: RUF012 (ASE declares it so)
        "energy",
        "free_energy",
        "forces",
        "dipole",
    ]

    def __init__(self, model: str | Path, *, device: str = "cpu", dtype: str = "float32", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if dtype not in ("float32", "float64"):
            raise DensnetError(f"dtype: expected 'float32' or 'float64', found {dtype!r}")
        self.model = load_model(Path(model), device=device, dtype=getattr(torch, dtype))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute all implemented properties of ``atoms`` (ASE's interface)."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        current: Atoms = self.atoms  # type: ignore[assignment]
        if current.pbc.any():
            raise DensnetError("atoms.pbc: expected a molecule without periodic boundaries; set atoms.pbc = False")
        element = self.model.elements_of(current.numbers)
        prediction = self.model(element, torch.as_tensor(current.positions)[None])
        energy = float(prediction.energy[0])
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": prediction.forces[0].double().cpu().numpy(),
            "dipole": prediction.dipole[0].double().cpu().numpy(),
        }

    def density(self, atoms: Atoms) -> Density:
        """Return the electron density of ``atoms``, with its free atoms."""
        numbers = np.asarray(atoms.numbers)
        (coefficients,) = self.model.coefficients(numbers, np.asarray(atoms.positions)[None])
        basis, prior = self.model.density.whitened.basis, self.model.prior(numbers)
        return Density(basis, numbers, atoms.positions, coefficients, prior=prior)
