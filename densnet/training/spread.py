"""How far the members of an ensemble are apart on the test frames, each quantity measured as its error is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.error import DensityGrid
from densnet.io.netcdf import variable
from densnet.models.densnet_model import Prediction
from densnet.models.ensemble import spread_of
from densnet.quantities import PREDICTED

Array = NDArray[np.float64]


def prediction_spread(members: Prediction) -> dict[str, Any]:
    """Return the spread of energies, forces and dipoles over the members, the first dimension, as variables."""
    spreads = {name: value.double().cpu().numpy() for name, value in spread_of(members).items()}
    return {
        f"{name}_spread": variable(("frame", *q.dims[:-1]), spreads[name], q.units, q.error.spread_name)
        for name, q in PREDICTED.items()
    }


def density_spread(grid: DensityGrid, basis: Basis, coefficients: Array, n_electrons: float) -> tuple[Array, float]:
    """Return 100 ∫ w_i σ / N_e over each atom's cell (i,), and the mean NMAE of two members, both in percent.

    σ(r) is the standard deviation of the members' densities, n - 1 in the denominator.

    Args:
        grid: around the molecule.
        basis: of the densities.
        coefficients: of the members, (members, k), canonical order.
        n_electrons: number of electrons.
    """
    densities = grid.fitted(basis, coefficients)
    sigma = densities.std(axis=0, ddof=1)
    pairs = zip(*np.triu_indices(len(densities), k=1), strict=True)
    apart = [grid.nmae(densities[first], densities[second], n_electrons) for first, second in pairs]
    return grid.nmae_by_atom(sigma, 0.0 * sigma, n_electrons), float(np.mean(apart))


def density_spread_variables(spreads: list[tuple[Array, float]]) -> dict[str, Any]:
    """Return the outcome of :func:`density_spread` for all frames as variables."""
    by_atom, apart = (np.array(values) for values in zip(*spreads, strict=True))
    return {
        "density_spread": variable(
            ("frame",), by_atom.sum(1), "%", "integral of the standard deviation of the members' densities"
        ),
        "density_spread_by_atom": variable(("frame", "atom"), by_atom, "%", "part of it in each atom's cell (Becke)"),
        "density_pairwise_nmae": variable(("frame",), apart, "%", "NMAE of two members' densities, mean over pairs"),
    }
