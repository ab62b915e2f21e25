"""The kernels of a training step equal PyTorch's operations, with their first and second derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from densnet.nn import compiler
from densnet.nn.compiler import library
from densnet.nn.edges import EdgeFunctions
from densnet.nn.interaction import Interaction
from densnet.nn.step_kernels import step_kernels
from densnet.nn.tensor_product import EdgeTensorProduct, SphereProduct

needs_compiler = pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")
DOUBLE = {"dtype": torch.float64}


@needs_compiler
@pytest.mark.parametrize(("l_in", "l_edge", "l_out", "channels"), [(0, 2, 2, 1), (2, 2, 1, 2), (3, 3, 2, 1)])
def test_derivatives_of_the_edge_product_equal_finite_differences(
    l_in: int, l_edge: int, l_out: int, channels: int
) -> None:
    torch.manual_seed(1)
    product = EdgeTensorProduct(l_in, l_edge, l_out).double()
    # the second atom is its own neighbour, as padding is
    sender = torch.tensor([[1, 2], [0, 1], [0, 1]])
    h = torch.randn((l_in + 1) ** 2, 3, channels, **DOUBLE, requires_grad=True)
    harmonics = torch.randn(6, (l_edge + 1) ** 2, **DOUBLE, requires_grad=True)
    weights = torch.randn(6, len(product.paths) * channels, **DOUBLE, requires_grad=True)
    with step_kernels(nn.ModuleList([product, nn.Linear(1, 1).double()])):
        assert product.kernel is not None
        assert torch.autograd.gradcheck(product.kernel, (h, harmonics, weights, sender), fast_mode=True)
        assert torch.autograd.gradgradcheck(product.kernel, (h, harmonics, weights, sender), fast_mode=True)


@needs_compiler
@pytest.mark.parametrize(("l_max", "n_factors", "l_out"), [(0, 3, 0), (2, 2, 2), (3, 3, 1), (1, 3, 3)])
def test_derivatives_of_the_sphere_product_equal_finite_differences(l_max: int, n_factors: int, l_out: int) -> None:
    torch.manual_seed(1)
    product = SphereProduct(l_max, n_factors, l_out).double()
    factors = torch.randn((l_max + 1) ** 2, 2, n_factors * 2, **DOUBLE, requires_grad=True)
    expected = product(factors)
    with step_kernels(nn.ModuleList([product, nn.Linear(1, 1).double()])):
        # sums of some hundred terms of about unit size
        torch.testing.assert_close(product(factors), expected, rtol=0, atol=1e-12)
        assert torch.autograd.gradcheck(product, factors, fast_mode=True)
        assert torch.autograd.gradgradcheck(product, factors, fast_mode=True)


@needs_compiler
@pytest.mark.parametrize(("edge_channels", "body_order"), [(16, 4), (4, 3), (3, 2)])
def test_a_round_of_messages_equals_the_reference_in_all_that_a_step_needs(edge_channels: int, body_order: int) -> None:
    """Values, slopes with features and geometry, and what a penalty on these slopes gives the weights."""
    torch.manual_seed(2)
    n_atoms, n_neighbours = 5, 3
    maker = EdgeFunctions(2, 3, cutoff=4.0).double()
    directions = nn.functional.normalize(torch.randn(n_atoms, n_neighbours, 3, **DOUBLE), dim=2)
    sender = torch.randint(n_atoms, (n_atoms, n_neighbours))
    element = torch.arange(n_atoms) % 2
    edges = maker(element, sender, 1 + 4 * torch.rand(n_atoms, n_neighbours, **DOUBLE), directions).as_variables()
    layer = Interaction(
        n_elements=2,
        l_in=2,
        l_edge=3,
        l_out=2,
        l_sum=3,
        in_channels=6,
        channels=8,
        edge_channels=edge_channels,
        mean_neighbours=3.0,
        body_order=body_order,
        product_bound=1.0,
    ).double()
    h = torch.randn(9, n_atoms, 6, **DOUBLE, requires_grad=True)
    onto = torch.randn(9, n_atoms, 8, **DOUBLE)
    parameters = list(layer.parameters())

    def step() -> list[torch.Tensor]:
        value = (layer(h, edges) * onto).sum()
        slopes = torch.autograd.grad(value, (h, *edges.variables), create_graph=True)
        penalty = value.square() + sum(slope.square().sum() for slope in slopes)
        return [value, *slopes, *torch.autograd.grad(penalty, (*parameters, h, *edges.variables), allow_unused=True)]

    expected = step()
    with step_kernels(layer):
        assert layer.edge.kernel is not None
        made = step()
    assert layer.edge.kernel is None
    for by_kernels, by_pytorch in zip(made, expected, strict=True):
        if by_pytorch is None:
            assert by_kernels is None
        else:
            # rounding of double precision, in units of the largest component
            size = max(float(by_pytorch.abs().max()), 1.0)
            torch.testing.assert_close(by_kernels, by_pytorch, rtol=0, atol=1e-11 * size)


def test_without_a_compiler_pytorch_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENSNET_CXX", "none")
    library.cache_clear()
    product = SphereProduct(1, 2, 1)
    with step_kernels(nn.ModuleList([product, nn.Linear(1, 1)])):
        assert product.kernel is None
    library.cache_clear()


def test_degrees_that_the_kernels_do_not_know_are_left_to_pytorch() -> None:
    product = EdgeTensorProduct(4, 4, 2)
    with step_kernels(nn.ModuleList([product, nn.Linear(1, 1)])):
        assert product.kernel is None
