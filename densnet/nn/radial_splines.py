r"""Radial functions as quintic Hermite splines: what a network says of a distance, without the network.

At knots r_q, a spacing h apart, value, slope and curvature are the network's; between two knots, t = (r - r_q) / h,

.. math:: R(r) = \sum_{n=0}^{2} h^n \left[ R^{(n)}(r_q) H_n(t) + (-1)^n R^{(n)}(r_{q+1}) H_n(1 - t) \right],

H_n the quintic Hermite polynomials: R is continuous to its second derivative, and its error falls with h⁶.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from densnet.errors import DensnetError
from densnet.nn.radial import N_BESSEL, RadialNetwork, bessel_functions, smooth_cutoff

WIDEST = 0.04
"""Angstrom between two knots, at most."""
MOST_HALVINGS = 5


@dataclass(frozen=True)
class Knots:
    """Knots from ``start`` on, ``spacing`` apart, Angstrom."""

    start: float
    spacing: float
    n: int

    @property
    def r(self) -> torch.Tensor:
        """Return where they are, (n,), float64."""
        return self.start + self.spacing * torch.arange(self.n, dtype=torch.float64)


def radial_functions(
    network: RadialNetwork, cutoff: float, ends: list[int], paths: list[int]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return R(r), distances (r,) in Angstrom to (r, ends, paths, channels), in double precision.

    Args:
        network: whose functions they are.
        cutoff: Angstrom.
        ends: Z_i · n_elements + Z_j of pairs of elements.
        paths: couplings that are wanted.
    """
    double = copy.deepcopy(network).double().requires_grad_(False)
    # kept from here on: made within a differentiation it could not be kept beyond it
    double.composed()
    n = torch.arange(1, N_BESSEL + 1, dtype=torch.float64)

    def functions(r: torch.Tensor) -> torch.Tensor:
        each = r.repeat_interleave(len(ends))
        weights = double(
            bessel_functions(each, cutoff, n),
            smooth_cutoff(each, cutoff).unsqueeze(1),
            torch.tensor(ends).repeat(len(r)),
        )
        return weights[paths].transpose(0, 1).unflatten(0, (len(r), len(ends)))

    return functions


def derivatives(functions: Callable[[torch.Tensor], torch.Tensor], r: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return functions of distances (r,) with their first and second derivatives, each (r, ...)."""
    along = torch.ones_like(r)

    def with_slope(at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return _pair(torch.func.jvp(functions, (at,), (along,)))

    (value, slope), (_, curvature) = _pair(torch.func.jvp(with_slope, (r,), (along,)))
    return value, slope, curvature


def _pair(values: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return value and derivative, of which torch's types do not say that they are two."""
    value, derivative = values
    return value, derivative


def midpoint_slopes(table: torch.Tensor, spacing: float) -> torch.Tensor:
    """Return the slopes half-way between knots, (knots - 1, ...), of splines with the table of :func:`settled`."""
    (value, slope, curvature), (value_1, slope_1, curvature_1) = table[:-1].unbind(1), table[1:].unbind(1)
    rise = 1.875 * (value_1 - value) - 0.4375 * (slope + slope_1) + 0.03125 * (curvature_1 - curvature)
    return rise / spacing


def settled(
    functions: Callable[[torch.Tensor], torch.Tensor], start: float, end: float, tolerance: float
) -> tuple[Knots, torch.Tensor]:
    """Return knots that are close enough, and h^n times the n-th derivatives there, n = 0, 1, 2, (knots, 3, ...).

    Close enough: half-way between two knots no slope is wrong by more than a share of the largest.

    Args:
        functions: of distances (r,), giving (r, ...).
        start: of the knots, Angstrom.
        end: which they reach at least.
        tolerance: the share.

    Raises:
        DensnetError: the functions vary too fast for that.
    """
    knots = Knots(start, WIDEST, math.ceil((end - start) / WIDEST) + 1)
    at_knots = derivatives(functions, knots.r)
    for _ in range(MOST_HALVINGS + 1):
        h = knots.spacing
        table = torch.stack([h**n * derivative for n, derivative in enumerate(at_knots)], dim=1)
        midway = derivatives(functions, knots.r[:-1] + h / 2)
        error = (midpoint_slopes(table, h) - midway[1]).abs().max() / midway[1].abs().max()
        if error <= tolerance:
            return knots, table
        knots = Knots(start, h / 2, 2 * knots.n - 1)
        at_knots = tuple(_interleaved(first, second) for first, second in zip(at_knots, midway, strict=True))
    raise DensnetError(
        f"radial functions: expected splines to {tolerance:g} of the largest slope, found {float(error):.1e}; these "
        "weights vary too fast with the distance for compiled kernels: set DENSNET_CXX=none"
    )


def _interleaved(at_knots: torch.Tensor, midway: torch.Tensor) -> torch.Tensor:
    both = torch.stack([at_knots[:-1], midway], dim=1).flatten(0, 1)
    return torch.cat([both, at_knots[-1:]])
