"""Harmonics and tensor products equal e3nn's; products on the sphere are exact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from e3nn import o3

from densnet.nn.edges import EdgeFunctions
from densnet.nn.radial import bessel_functions, smooth_cutoff
from densnet.nn.spherical_harmonics import SphericalHarmonics
from densnet.nn.tensor_product import EdgeTensorProduct, SphereProduct


@pytest.fixture(autouse=True)
def e3nn_in_double_precision() -> Iterator[None]:
    """e3nn bakes its constants in the default precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def directions(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.nn.functional.normalize(torch.randn(n, 3, dtype=torch.float64, generator=generator), dim=1)


@pytest.mark.parametrize("l_max", [0, 1, 2, 6])
def test_harmonics_equal_e3nn(l_max: int) -> None:
    r = directions(20)
    ours = SphericalHarmonics(l_max).double()(r)
    theirs = o3.spherical_harmonics(list(range(l_max + 1)), r[:, [1, 2, 0]], True, normalization="component")
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("l_in", "l_edge", "l_out"), [(0, 4, 4), (2, 4, 4), (3, 3, 2), (1, 6, 6)])
def test_edge_product_equals_e3nn(l_in: int, l_edge: int, l_out: int) -> None:
    product = EdgeTensorProduct(l_in, l_edge, l_out).double()
    atoms, neighbours, channels = 3, 4, 2
    h = torch.randn(atoms, neighbours, (l_in + 1) ** 2, channels)
    harmonics = SphericalHarmonics(l_edge).double()(directions(atoms * neighbours))
    weights = torch.randn(len(product.paths), atoms * neighbours, channels)
    rows = product.rows((atoms,), h.device)
    torch.testing.assert_close(product.traced_rows(torch.arange(atoms)), rows, rtol=0, atol=0)
    ours = torch.cat(product(h, harmonics, weights))[rows].reshape(-1, atoms, product.n_slots, channels)
    for index, path in enumerate(product.paths):
        theirs = o3.TensorProduct(
            o3.Irreps([(channels, (path.l1, 1))]),
            o3.Irreps([(1, (path.l2, 1))]),
            o3.Irreps([(channels, (path.l3, 1))]),
            [(0, 0, 0, "uvu", False)],
            irrep_normalization="component",
            path_normalization="none",
        )
        block = h[:, :, path.l1**2 : (path.l1 + 1) ** 2].transpose(2, 3).reshape(atoms * neighbours, -1)
        each = theirs(block, harmonics[:, path.l2**2 : (path.l2 + 1) ** 2])
        each = each.reshape(atoms * neighbours, channels, -1) * weights[index].unsqueeze(2)
        each = each.reshape(atoms, neighbours, channels, -1)
        found = ours[path.l3**2 : (path.l3 + 1) ** 2, :, product.slot[index]].permute(1, 2, 0)
        torch.testing.assert_close(found, each.sum(1), rtol=0, atol=1e-11)
    assert len({(path.l3, slot) for path, slot in zip(product.paths, product.slot, strict=True)}) == len(product.paths)
    assert all(sum(pair) % 2 == 0 for pair in [(p.l1 + p.l2, p.l3) for p in product.paths])


@pytest.mark.parametrize("n_factors", [2, 3])
def test_sphere_product_multiplies_functions(n_factors: int) -> None:
    """Factors of degree ≤ 2: the product of two has degree ≤ 4 and is kept whole when l_max = 4."""
    l_max, low = 4 if n_factors == 2 else 6, 9
    product = SphereProduct(l_max, n_factors, l_max).double()
    factors = torch.zeros((l_max + 1) ** 2, 2, n_factors, 3, dtype=torch.float64)
    factors[:low] = torch.randn(low, 2, n_factors, 3, dtype=torch.float64)
    values = SphericalHarmonics(l_max).double()(directions(30)) / (l_max + 1)
    expected = torch.einsum("lnfc,gl->gnfc", factors, values).prod(dim=2)
    found = torch.einsum("lnc,gl->gnc", product(factors.flatten(2)), values)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_sphere_product_that_is_cut_back_is_the_whole_one() -> None:
    """Another grid, exact too: equal to rounding."""
    factors = torch.randn(16, 2, 3 * 3, dtype=torch.float64)
    whole, low = (SphereProduct(3, 3, l_out).double()(factors) for l_out in (3, 1))
    torch.testing.assert_close(low, whole[:4], rtol=0, atol=1e-12)


def test_sphere_product_is_exactly_equivariant() -> None:
    l_max = 4
    product = SphereProduct(l_max, 3, l_max).double()
    factors = torch.randn((l_max + 1) ** 2, 2, 3 * 3, dtype=torch.float64)
    irreps = o3.Irreps([(1, (l, (-1) ** l)) for l in range(l_max + 1)])
    D = irreps.D_from_matrix(-o3.rand_matrix(dtype=torch.float64))
    rotated = torch.einsum("kl,lnc->knc", D, product(factors))
    torch.testing.assert_close(product(torch.einsum("kl,lnc->knc", D, factors)), rotated, rtol=0, atol=1e-10)


@pytest.mark.parametrize("l_max", [0, 1, 4, 6])
def test_gradient_of_edges_by_hand_equals_autograd(l_max: int) -> None:
    vectors = 4 * torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    vectors.requires_grad_(True)
    r = vectors.norm(dim=2)
    assert float(r.detach().min()) < 4 < float(r.detach().max())
    maker = EdgeFunctions(2, l_max, cutoff=4.0).double()
    edges = maker(torch.tensor([0, 1, 0]), torch.zeros(3, 4, dtype=torch.long), r, vectors / r.unsqueeze(2))
    given = [torch.randn_like(value) for value in edges.variables]
    total = sum((value * slope).sum() for value, slope in zip(edges.variables, given, strict=True))
    (expected,) = torch.autograd.grad(total, vectors)
    with torch.no_grad():
        found = maker.pulled_back(edges, r, vectors / r.unsqueeze(2), given)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_cutoff_and_its_derivatives_vanish() -> None:
    r = torch.tensor([5.0 - 1e-4], dtype=torch.float64, requires_grad=True)
    value = smooth_cutoff(r, 5.0)
    (slope,) = torch.autograd.grad(value.sum(), r, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), r)
    # third order in the distance to the cutoff, so about (2e-5)³, (2e-5)² and 2e-5 times a constant
    assert abs(float(value)) < 1e-11
    assert abs(float(slope)) < 1e-6
    assert abs(float(curvature)) < 1e-2
    assert float(smooth_cutoff(torch.tensor([5.5]), 5.0)) == 0


def test_bessel_functions_are_orthonormal() -> None:
    r = torch.linspace(1e-4, 4, 20001, dtype=torch.float64)
    values = bessel_functions(r, 4.0, torch.arange(1, 6).to(r)) * r.unsqueeze(1)
    overlap = torch.trapezoid(values.unsqueeze(2) * values.unsqueeze(1), r, dim=0)
    torch.testing.assert_close(overlap, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-6)
