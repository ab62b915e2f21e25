"""Splines of radial functions against the networks that they stand for."""

from __future__ import annotations

import pytest
import torch

from densnet.errors import DensnetError
from densnet.nn.radial import RadialNetwork
from densnet.nn.radial_splines import WIDEST, derivatives, midpoint_slopes, radial_functions, settled

CUTOFF = 4.0


def network() -> RadialNetwork:
    torch.manual_seed(5)
    return RadialNetwork(2, [0, 1, 2], 4, 0.3)


def test_derivatives_are_those_of_differences() -> None:
    function = radial_functions(network(), CUTOFF, [1, 3], [0, 2])
    r, step = torch.linspace(0.8, CUTOFF, 9, dtype=torch.float64), 1e-4
    value, slope, curvature = derivatives(function, r)
    ahead, behind = function(r + step), function(r - step)
    # the step's square times higher derivatives, and rounding over the step
    torch.testing.assert_close(slope, (ahead - behind) / (2 * step), rtol=0, atol=1e-5)
    torch.testing.assert_close(curvature, (ahead - 2 * value + behind) / step**2, rtol=0, atol=1e-3)


def test_splines_are_as_good_as_the_tolerance_wants_and_better_with_closer_knots() -> None:
    functions = radial_functions(network(), CUTOFF, [0, 1, 2, 3], [0, 1, 2])
    errors = []
    for tolerance in (1e-4, 1e-9):
        knots, table = settled(functions, 0.8, CUTOFF, tolerance)
        assert float(knots.r[-1]) >= CUTOFF
        _, slope, _ = derivatives(functions, knots.r[:-1] + knots.spacing / 2)
        errors.append(float((midpoint_slopes(table, knots.spacing) - slope).abs().max() / slope.abs().max()))
        assert errors[-1] <= tolerance
    assert knots.spacing < WIDEST
    # the error falls with the fifth power of the spacing at least
    assert errors[1] < errors[0] * 1.2 * (knots.spacing / WIDEST) ** 5


def test_functions_that_vary_too_fast_are_refused() -> None:
    with pytest.raises(DensnetError, match="vary too fast"):
        settled(lambda r: torch.sin(1e4 * r), 0.8, CUTOFF, 1e-6)
