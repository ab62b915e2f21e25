"""Several models of the same molecule as one: their mean is the prediction, their spread estimates its error.

Models that differ by their seeds alone agree where the labels decide and differ where they do not. Lakshminarayanan,
Pritzel, Blundell, "Simple and scalable predictive uncertainty estimation using deep ensembles", NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.density import Density
from densnet.density.response import FieldResponse
from densnet.errors import DensnetError
from densnet.models.densnet_model import DenSNet, Prediction
from densnet.models.domain import Domain
from densnet.quantities import PREDICTED

Array = NDArray[np.float64]


class Ensemble:
    """One model or several, used like one; the forces are the exact gradient of the mean energy.

    Args:
        members: models of the same fit basis, elements, charge and free atoms, all with an energy model or none.
        names: of the members, for messages.

    Raises:
        DensnetError: no member, or two that do not belong together.
    """

    def __init__(self, members: Sequence[DenSNet], names: Sequence[str] | None = None) -> None:
        self.members = tuple(members)
        _check_alike(self.members, names or [f"member {number}" for number in range(1, len(self.members) + 1)])

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.members)

    @property
    def n_parameters(self) -> int:
        """Return the number of weights of all members."""
        return sum(parameter.numel() for member in self.members for parameter in member.parameters())

    @property
    def basis(self) -> Basis:
        """Return the fit basis."""
        return self.members[0].density.whitened.basis

    @property
    def domain(self) -> Domain | None:
        """Return the domain of the frames that the members have learned from, which are the same."""
        return self.members[0].domain

    def elements_of(self, numbers: NDArray[np.integer]) -> torch.Tensor:
        """Return the element indices of a molecule's atoms; see :meth:`DenSNet.elements_of`."""
        return self.members[0].elements_of(numbers)

    def prior(self, numbers: NDArray[np.integer]) -> Array:
        """Return the coefficients of the free atoms side by side, (k,); see :meth:`DenSNet.prior`."""
        return self.members[0].prior(numbers)

    def __call__(self, element: torch.Tensor, positions: torch.Tensor) -> Prediction:
        """Return mean energies, forces and dipoles of geometries (t, i, 3) in Angstrom, element indices (i,)."""
        return mean_of(self.predictions(element, positions))

    def predictions(self, element: torch.Tensor, positions: torch.Tensor) -> Prediction:
        """Return what each member says: the arrays of :class:`Prediction` with the members as first dimension."""
        predicted = [vars(member(element, positions)) for member in self.members]
        return Prediction(**{name: torch.stack([values[name] for values in predicted]) for name in predicted[0]})

    def coefficients(self, numbers: NDArray[np.integer], positions: Array) -> Array:
        """Return mean density coefficients (t, k), canonical order, float64; the charge stays exact."""
        return self.member_coefficients(numbers, positions).mean(axis=0)

    def member_coefficients(self, numbers: NDArray[np.integer], positions: Array) -> Array:
        """Return the density coefficients of each member, (members, t, k), canonical order, float64."""
        return np.stack([member.coefficients(numbers, positions) for member in self.members])

    @property
    def responds(self) -> bool:
        """Whether every member has learned the polarizability."""
        return all(member.response is not None for member in self.members)

    def polarizability(self, element: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Return mean polarizabilities (t, x, field) in e² Å²/eV; see :meth:`DenSNet.polarizability`."""
        return torch.stack([member.polarizability(element, positions) for member in self.members]).mean(0)

    def field_response(self, numbers: NDArray[np.integer], positions: Array) -> FieldResponse | None:
        """Return the mean response of the density at one geometry (i, 3) in Angstrom; None if it was not learned."""
        if not all(member.knows_density_response for member in self.members):
            return None
        every = [member.response_coefficients(numbers, positions[None])[0] for member in self.members]
        return FieldResponse(self.members[0].response_basis, np.mean(every, axis=0))


def mean_of(predictions: Prediction) -> Prediction:
    """Return the mean over the members, the first dimension."""
    return Prediction(**{name: value.mean(0) for name, value in vars(predictions).items()})


def spread_of(predictions: Prediction) -> dict[str, torch.Tensor]:
    """Return the spread over the members, the first dimension, by quantity; there must be two at least.

    It is the standard deviation (n - 1 in the denominator), each measured as its error is: energies in eV, (t,); forces
    in eV/Angstrom, (t, i), of a component: root of the mean variance of an atom's three; dipoles in e Angstrom, (t,):
    root of the sum of the three components' variances.
    """
    return {name: q.error.root(getattr(predictions, name).var(0)) for name, q in PREDICTED.items()}


class DensitySpread:
    """The spread σ(r) of an ensemble's densities.

    Args:
        members: densities of the same geometry, one a member.
    """

    def __init__(self, members: Sequence[Density]) -> None:
        self.members = tuple(members)

    def at(self, points: Any) -> Array:
        """Return the standard deviation of ρ over the members in e/Å³, (g,), at points (g, 3) in Å.

        Raises:
            DensnetError: points are not (g, 3) or not finite.
        """
        return np.std([density.at(points) for density in self.members], axis=0, ddof=1)


def _check_alike(members: Sequence[DenSNet], names: Sequence[str]) -> None:
    if not members:
        raise DensnetError("ensemble: expected at least one model, found none; give some")
    first = _traits(members[0])
    for name, member in zip(names[1:], members[1:], strict=True):
        differing = [trait for trait, value in _traits(member).items() if value != first[trait]]
        if differing:
            raise DensnetError(
                f"{name}: expected the {differing[0]} of {names[0]}, found another; the members of an ensemble are "
                "trained on the same labels and differ by their seeds"
            )


def _traits(model: DenSNet) -> dict[str, object]:
    """Return what the members of an ensemble share."""
    whitened = model.density.whitened
    return {
        "elements": whitened.elements,
        "fit basis": whitened.basis,
        "free atoms": model.free_atoms.tolist(),
        "charge": model.density.charge,
        "kind of model (with or without energies)": model.energy is None,
    }
