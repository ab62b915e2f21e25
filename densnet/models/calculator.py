"""The models, or an ensemble of them, as an ASE calculator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from densnet.bonds import distances
from densnet.density.density import Density
from densnet.errors import DensnetError
from densnet.models.checkpoint import load_ensemble
from densnet.models.ensemble import DensitySpread, mean_of, spread_of

SPREADS = ("energy_spread", "forces_spread", "dipole_spread")


def closest_pair(atoms: Atoms) -> str:
    """Name the two atoms that are closest, and their distance."""
    if not np.isfinite(atoms.positions).all():
        return "a position is not a finite number"
    separations = distances(np.asarray(atoms.positions))
    np.fill_diagonal(separations, np.inf)
    first, second = np.unravel_index(int(separations.argmin()), separations.shape)
    symbols = f"{atoms.symbols[first]} and {atoms.symbols[second]}"
    return f"atoms {first} and {second} ({symbols}) are {separations[first, second]:.2f} Angstrom apart"


class DenSNetCalculator(Calculator):
    """Energy (eV), forces (eV/Angstrom) and dipole (e Angstrom) of a molecule; its density on request.

    Of an ensemble they are means; ``results`` then also hold the standard deviations over its members,
    ``energy_spread``, ``forces_spread`` (a,) and ``dipole_spread`` (:class:`densnet.models.ensemble.Spread`).

    Args:
        model: a ``model.pt``, of one model or of an ensemble.
        device: where torch computes, e.g. ``"cpu"`` or ``"cuda"``.
        dtype: precision of the networks; ``"float64"`` for tight optimisations.
        recorded: for long dynamics on a CPU: the first call takes seconds, the others half the time
            (:meth:`densnet.models.densnet_model.DenSNet.record`).

    Raises:
        DensnetError: the file is no model of ours; an element that the model does not know.
    """

    implemented_properties = [  # noqa: RUF012 (ASE declares it so)
        "energy",
        "free_energy",
        "forces",
        "dipole",
    ]

    def __init__(
        self,
        model: str | Path,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        recorded: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if dtype not in ("float32", "float64"):
            raise DensnetError(f"dtype: expected 'float32' or 'float64', found {dtype!r}")
        self.model = load_ensemble(Path(model), device=device, dtype=getattr(torch, dtype))
        for member in self.model.members if recorded else ():
            member.record()
        if len(self.model) > 1:
            self.implemented_properties = [*self.implemented_properties, *SPREADS]

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
        if not len(current):
            raise DensnetError("atoms: expected a molecule, found no atoms")
        element = self.model.elements_of(current.numbers)
        members = self.model.predictions(element, torch.as_tensor(current.positions)[None])
        prediction = mean_of(members)
        energy = float(prediction.energy[0])
        if not np.isfinite(energy) or not prediction.forces.isfinite().all():
            raise DensnetError(f"atoms: the model has no energy for this geometry: {closest_pair(current)}; correct it")
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": prediction.forces[0].double().cpu().numpy(),
            "dipole": prediction.dipole[0].double().cpu().numpy(),
        }
        if len(self.model) > 1:
            for name, spread in spread_of(members).items():
                value = spread[0].double().cpu().numpy()
                self.results[f"{name}_spread"] = value if value.ndim else float(value)

    def density(self, atoms: Atoms) -> Density:
        """Return the electron density of ``atoms``, with its free atoms; of an ensemble, the mean."""
        numbers = np.asarray(atoms.numbers)
        (coefficients,) = self.model.coefficients(numbers, np.asarray(atoms.positions)[None])
        return Density(self.model.basis, numbers, atoms.positions, coefficients, prior=self.model.prior(numbers))

    def density_spread(self, atoms: Atoms) -> DensitySpread:
        """Return the standard deviation of the density over the members of an ensemble.

        Raises:
            DensnetError: the model file holds a single model.
        """
        if len(self.model) == 1:
            raise DensnetError(
                "density_spread: expected an ensemble, found one model; join several (densnet train join)"
            )
        numbers = np.asarray(atoms.numbers)
        every = self.model.member_coefficients(numbers, np.asarray(atoms.positions)[None])[:, 0]
        prior = self.model.prior(numbers)
        return DensitySpread([Density(self.model.basis, numbers, atoms.positions, c, prior=prior) for c in every])
