"""Even-tempered exponents optimised for densities: the least Coulomb self-energy of what a fit leaves.

Each element's and l's series α_j = α_0 β^j keeps its number of shells; its start and its ratio are varied to

    minimise  mean_t [ (ρ_t|ρ_t) - b_tᵀ J_t⁻¹ b_t ]  over  log α_0 and log (log β - log β_min),

for (ρ - ρ̂|ρ - ρ̂) = (ρ|ρ) - bᵀ J⁻¹ b at the best unconstrained fit, whose first term is constant.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from densnet.basis import integrals
from densnet.basis.basis import Basis, Shell
from densnet.errors import DensnetError
from densnet.fitting.determinants import Determinants
from densnet.fitting.fit import CoulombMetric
from densnet.units import HARTREE_IN_MILLIHARTREE

Array = NDArray[np.float64]
Counts = dict[tuple[int, int], int]
"""Number of shells of each (element, l)."""

STEP = 1e-3
"""Of a parameter, in the forward differences: all are logarithms, smooth on the scale of one."""
SMALLEST_RATIO = 1.4
"""β_min; closer exponents make J singular."""


def optimised_basis(start: Basis, determinants: Determinants, *, iterations: int = 20) -> Basis:
    """Return the series of ``start`` shifted and stretched so that they leave least of some densities (L-BFGS).

    Args:
        start: single Gaussians in geometric series, such as an even-tempered basis.
        determinants: a handful of densities.
        iterations: at most so many; each costs some 2 (elements times l) fits of each density.

    Raises:
        DensnetError: no series in ``start``, fewer than one iteration, or redundant functions.
    """
    if iterations < 1:
        raise DensnetError(f"iterations: expected at least 1, got {iterations}")
    counts, first = _parameters(start)

    def energy(parameters: Array) -> float:
        """Mean of -bᵀ J⁻¹ b in millihartree."""
        basis = _basis(counts, parameters, "trial")
        explained = [_explained(basis, determinants, t) for t in range(len(determinants.positions))]
        return -float(np.mean(explained)) * HARTREE_IN_MILLIHARTREE

    origin = energy(first)

    def report(intermediate_result: OptimizeResult) -> None:
        gained = origin - intermediate_result.fun
        print(f"densnet basis: (d|d) of the residual is {gained:.4g} mHa less", file=sys.stderr, flush=True)

    least = minimize(
        energy, first, method="L-BFGS-B", callback=report, options={"maxiter": iterations, "eps": STEP, "ftol": 1e-12}
    )
    return _basis(counts, least.x, f"optimised {start.name}")


def _explained(basis: Basis, determinants: Determinants, t: int) -> float:
    """Return bᵀ J⁻¹ b of one geometry in hartree."""
    numbers, positions, C = determinants.numbers, determinants.positions[t], determinants.orbitals[t]
    b = integrals.three_center(basis, determinants.orbital_basis, numbers, positions, 2.0 * C @ C.T)
    return float(b @ CoulombMetric(integrals.coulomb(basis, numbers, positions)).solve(b))


def _parameters(basis: Basis) -> tuple[Counts, Array]:
    """Return the number of shells of each series, and log α_0, log (log β - log β_min) of all, two after two."""
    counts: Counts = {}
    parameters: list[float] = []
    for number, shells in basis.shells.items():
        for l in sorted({shell.l for shell in shells}):
            exponents = sorted(shell.exponents[0] for shell in shells if shell.l == l)
            ratios = np.array(exponents[1:]) / np.array(exponents[:-1])
            single = all(len(shell.exponents) == 1 for shell in shells)
            if not (single and len(exponents) > 1 and np.allclose(ratios, ratios[0]) and ratios[0] > SMALLEST_RATIO):
                raise DensnetError(
                    f"start: expected geometric series of single Gaussians with a ratio above {SMALLEST_RATIO:g}, "
                    f"{basis.name!r} has others; start from an even-tempered basis"
                )
            counts[number, l] = len(exponents)
            parameters += [math.log(exponents[0]), math.log(math.log(ratios[0] / SMALLEST_RATIO))]
    return counts, np.array(parameters)


def _basis(counts: Counts, parameters: Array, name: str) -> Basis:
    shells: dict[int, list[Shell]] = {}
    for ((number, l), count), (lowest, stretch) in zip(counts.items(), parameters.reshape(-1, 2), strict=True):
        ratio = SMALLEST_RATIO * math.exp(math.exp(stretch))
        exponents = [math.exp(lowest) * ratio**j for j in range(count)]
        shells.setdefault(number, []).extend(Shell(l, (exponent,), (1.0,)) for exponent in exponents)
    return Basis(name, {number: tuple(listed) for number, listed in shells.items()})
