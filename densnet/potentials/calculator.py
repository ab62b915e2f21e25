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
from densnet.mechanics.ase_calculator import AseCalculator
from densnet.models.checkpoint import load_ensemble
from densnet.models.ensemble import DensitySpread
from densnet.potential import Potential
from densnet.potentials.model import SPREADS, ModelPotential


def closest_pair(atoms: Atoms) -> str:
    """Name the two atoms that are closest, and their distance."""
    if not np.isfinite(atoms.positions).all():
        return "a position is not a finite number"
    separations = distances(np.asarray(atoms.positions))
    np.fill_diagonal(separations, np.inf)
    first, second = np.unravel_index(int(separations.argmin()), separations.shape)
    symbols = f"{atoms.symbols[first]} and {atoms.symbols[second]}"
    return f"atoms {first} and {second} ({symbols}) are {separations[first, second]:.2f} Angstrom apart"


class DenSNetCalculator(AseCalculator):
    """Energy (eV), forces (eV/Angstrom) and dipole (e Angstrom) of a molecule; its density on request.

    ``results["domain_distance"]`` says how far the geometry lies outside of those that the model has learned from: 0
    inside, 1 at twice the usual distance (:mod:`densnet.models.domain`); models of earlier versions do not know it.

    Of a model that has learned the density's response, ``results["polarizability"]`` is α (3, 3) in e² Angstrom²/eV; it
    is computed only where it is asked for (``calc.get_property("polarizability", atoms)``).

    Of an ensemble they are means; ``results`` then also hold the standard deviations over its members,
    ``energy_spread``, ``forces_spread`` (i,) and ``dipole_spread`` (:func:`densnet.models.ensemble.spread_of`).

    Args:
        model: a ``model.pt``, of one model or of an ensemble.
        device: where torch computes, e.g. ``"cpu"`` or ``"cuda"``.
        dtype: precision of the networks; ``"float64"`` for tight optimisations.
        recorded: for long dynamics on a CPU: the first call takes seconds, the others far less
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
        Calculator.__init__(self, **kwargs)
        if dtype not in ("float32", "float64"):
            raise DensnetError(f"dtype: expected 'float32' or 'float64', found {dtype!r}")
        self.model = load_ensemble(Path(model), device=device, dtype=getattr(torch, dtype))
        for member in self.model.members if recorded else ():
            member.record()
        if len(self.model) > 1:
            self.implemented_properties = [*self.implemented_properties, *SPREADS]
        if self.model.responds:
            self.implemented_properties = [*self.implemented_properties, "polarizability"]
        if self.model.domain is not None:
            self.implemented_properties = [*self.implemented_properties, "domain_distance"]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute all implemented properties of ``atoms`` (ASE's interface)."""
        super().calculate(atoms, properties, system_changes)
        current: Atoms = self.atoms  # type: ignore[assignment]
        if not (np.isfinite(self.results["energy"]) and np.isfinite(self.results["forces"]).all()):
            self.results = {}
            raise DensnetError(f"atoms: the model has no energy for this geometry: {closest_pair(current)}; correct it")

        if properties and "polarizability" in properties and self.model.responds:
            element = self.model.elements_of(np.asarray(current.numbers))
            (alpha,) = self.model.polarizability(element, torch.as_tensor(current.positions[None]))
            self.results["polarizability"] = alpha.double().cpu().numpy()

    def potential_of(self, atoms: Atoms) -> Potential:
        """Return the model as the potential of ``atoms``, whatever molecule they are."""
        return ModelPotential(self.model, atoms.numbers)

    def density(self, atoms: Atoms) -> Density:
        """Return the electron density of ``atoms``, with its free atoms and, if learned, its response to a field.

        Of an ensemble, the mean.
        """
        numbers, positions = np.asarray(atoms.numbers), np.asarray(atoms.positions)
        (coefficients,) = self.model.coefficients(numbers, positions[None])
        return Density(
            self.model.basis,
            numbers,
            positions,
            coefficients,
            prior=self.model.prior(numbers),
            field_response=self.model.field_response(numbers, positions),
        )

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
