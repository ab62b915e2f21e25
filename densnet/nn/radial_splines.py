r"""Radial functions as quintic Hermite splines: what a network says of a distance, without the network.

At knots r_q, a spacing h apart, value, slope and curvature are those of the network; between two knots, t = (r - r_q) / h,

.. math:: R(r) = \sum_{n=0}^{2} h^n \left[ R^{(n)}(r_q) H_n(t) + (-1)^n R^{(n)}(r_{q+1}) H_n(1 - t) \right],

H_n the quintic Hermite polynomials: R is continuous to its second derivative, and its error falls with h⁶.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from densnet.nn.radial import N_BESSEL, RadialNetwork, bessel_functions, smooth_cutoff

WIDEST = 0.04
"""Angstrom between two knots, at most."""
MOST_HALVINGS = 4


@dataclass(frozen=True)
class Knots:
    """Knots from ``start`` on, ``spacing`` apart, Angstrom."""

    start: float
    spacing: float
    n: int

    @classmethod
    def between(cls, start: float, end: float, spacing: float) -> Knots:
        """Return knots from ``start`` to ``end`` at least."""
        return cls(start, spacing, math.ceil((end - start) / spacing) + 1)

    @property
    def r(self) -> torch.Tensor:
        """Return where they are, (n,), float64."""
        return self.start + self.spacing * torch.arange(self.n, dtype=torch.float64)


def radial_function(
    network: RadialNetwork, cutoff: float, end: int, paths: list[int]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return R(r) of one pair of elements, distances (r,) in Angstrom to (r, paths, channels), in double precision.

    Args:
        network: whose function it is.
        cutoff: Angstrom.
        end: Z_i · n_elements + Z_j.
        paths: couplings that are wanted.
    """
    double = copy.deepcopy(network).double().requires_grad_(False)
    # kept from here on: made within a differentiation it could not be kept beyond it
    double.composed()

    def function(r: torch.Tensor) -> torch.Tensor:
        ends = torch.full((len(r),), end)
        weights = double(bessel_functions(r, cutoff, N_BESSEL), smooth_cutoff(r, cutoff).unsqueeze(1), ends)
        return weights[paths].transpose(0, 1)

    return function


def hermite(function: Callable[[torch.Tensor], torch.Tensor], knots: Knots) -> torch.Tensor:
    """Return h^n times the n-th derivatives of a function at knots, n = 0, 1, 2, (knots, 3, ...)."""
    value, slope, curvature = derivatives(function, knots.r)
    return torch.stack([value, knots.spacing * slope, knots.spacing**2 * curvature], dim=1)


def derivatives(
    function: Callable[[torch.Tensor], torch.Tensor], r: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a function of distances (r,) with its first and second derivative, each (r, ...)."""
    along = torch.ones_like(r)

    def with_slope(at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value, slope = torch.func.jvp(function, (at,), (along,))
        return value, slope

    (value, slope), (_, curvature) = torch.func.jvp(with_slope, (r,), (along,))
    return value, slope, curvature


def midpoint_slopes(table: torch.Tensor, spacing: float) -> torch.Tensor:
    """Return the spline's slopes half-way between its knots, (knots - 1, ...), from :func:`hermite`'s table."""
    (value, slope, curvature), (value_1, slope_1, curvature_1) = table[:-1].unbind(1), table[1:].unbind(1)
    total = 1.875 * (value_1 - value) - 0.4375 * (slope + slope_1) + 0.03125 * (curvature_1 - curvature)
    return total / spacing


def settled_knots(functions: list[Callable[[torch.Tensor], torch.Tensor]], start: float, cutoff: float,
                  tolerance: float) -> Knots:
    """Return knots so close that no slope of some functions is wrong by more than a share of the largest, midway."""
    spacing = WIDEST
    for _ in range(MOST_HALVINGS):
        knots = Knots.between(start, cutoff, spacing)
        midway = knots.r[:-1] + spacing / 2
        errors = []
        for function in functions:
            _, slope, _ = derivatives(function, midway)
            error = midpoint_slopes(hermite(function, knots), spacing) - slope
            errors.append(float(error.abs().max() / slope.abs().max()))
        if max(errors) <= tolerance:
            break
        spacing /= 2
    return Knots.between(start, cutoff, spacing)
