"""Errors of the density's response and of the polarizability on held-out frames."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from densnet.density.error import DensityGrid
from densnet.density.response import invariants
from densnet.density.settings import GRID_LEVEL
from densnet.errors import DensnetError
from densnet.fitting.response_fit import response_nmae
from densnet.models.ensemble import Ensemble
from densnet.training.labels import Labels
from densnet.units import BOHR_IN_ANGSTROM, POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV

METHOD_VERSION: int = 1

Array = NDArray[np.float64]


def response_errors(model: Ensemble, alpha: Array, responses: Labels, split: str = "test") -> Mapping[str, Any]:
    r"""Return errors on the frames of a split: flat keys with their units, as in ``metrics.json``.

    .. math:: \mathrm{NMAE} = 100 \, \frac{\sum_y ∫|\hatρ^{(1)}_y - ρ^{(1)}_y|}{\sum_y ∫|ρ^{(1)}_y|}, \qquad
              γ^2 = \tfrac{3}{2} \sum_{xy} (α_{xy} - \tfrac{1}{3} δ_{xy} \mathrm{tr}\, α)^2

    Args:
        model: that has learned the response.
        alpha: its polarizabilities of these frames, (t, x, field), in e² Å²/eV.
        responses: output of ``densnet response labels``.
        split: which frames.

    Raises:
        DensnetError: the split is empty.
    """
    rows = responses.frames(split)
    reference = responses.dataset["polarizability"].values[rows] / POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV
    predicted = alpha / POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV
    isotropic = float(np.trace(reference, axis1=1, axis2=2).mean() / 3.0)
    component = float(np.abs(predicted - reference).mean())
    gamma, gamma_predicted = anisotropy(reference), anisotropy(predicted)
    return {
        "n_test": len(rows),
        **_density_errors(model, responses, rows),
        "polarizability_mae_bohr3": component,
        "polarizability_mae_percent": 100.0 * component / isotropic,
        "polarizability_max_error_bohr3": float(np.abs(predicted - reference).max()),
        "anisotropy_mae_percent": float(100.0 * np.abs(gamma_predicted - gamma).mean() / gamma.mean()),
        "isotropic_polarizability_bohr3": isotropic,
    }


def anisotropy(alpha: Array) -> Array:
    """Return γ of polarizabilities (t, x, field), (t,), in their units."""
    return np.sqrt(invariants(alpha)[1])


def _density_errors(model: Ensemble, responses: Labels, rows: NDArray[np.int64]) -> dict[str, float]:
    """Return the mean NMAE of the model's response against the fitted one, and the floor; nothing of a tensor model."""
    data, errors = responses.dataset, []
    for count, row in enumerate(rows, start=1):
        positions = data["positions"].values[row]
        answer = model.field_response(responses.numbers, positions)
        if answer is None:
            return {}
        if any(answer.basis.of(z) != responses.basis.of(z) for z in responses.elements):
            raise DensnetError(
                "responses: expected the response's basis of the model, found another; train on this file"
            )
        grid = DensityGrid.around(responses.numbers, positions / BOHR_IN_ANGSTROM, GRID_LEVEL)
        both = np.concatenate([answer.coefficients, data["response_coefficients"].values[row]])
        values = grid.fitted(responses.basis, both)
        errors.append(response_nmae(grid, values[:3], values[3:]))
        print(f"densnet: judged {count}/{len(rows)} frames", file=sys.stderr, flush=True)
    return {
        "response_nmae_percent": float(np.mean(errors)),
        "response_floor_percent": float(data["response_floor_nmae"].values[rows].mean()),
    }
