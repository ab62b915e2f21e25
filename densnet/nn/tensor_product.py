"""Tensor products: of features with the harmonics of an edge, and of features on one atom with each other."""

from __future__ import annotations

import torch
from scipy.integrate import lebedev_rule
from torch import nn

from densnet.nn.clebsch_gordan import clebsch_gordan, components, natural_parity_paths
from densnet.nn.spherical_harmonics import SphericalHarmonics


class EdgeTensorProduct(nn.Module):
    """(h_j ⊗ Y(r̂_ij)) for all couplings (l1, l2) -> l3 of natural parity.

    The coupling coefficients are contracted with the harmonics first, T_rm = Σ_m' C_rmm' Y_m', once an edge
    and for all channels; what remains is one matrix product an edge, T (rows x m1) times h_j (m1 x channels).
    Rows are the components of all couplings, those with the same l3 together.
    Equal to e3nn's ``o3.TensorProduct`` with component normalisation.
    """

    coupling: torch.Tensor

    def __init__(self, l_in: int, l_edge: int, l_out: int) -> None:
        super().__init__()
        self.l_in, self.l_edge, self.l_out = l_in, l_edge, l_out
        self.paths = natural_parity_paths(l_in, l_edge, l_out)
        self.paths_of_degree = [sum(p.l3 == l for p in self.paths) for l in range(l_out + 1)]
        self.rows_of_degree = [n * (2 * l + 1) for l, n in enumerate(self.paths_of_degree)]
        rows, n_in, n_edge = sum(self.rows_of_degree), (l_in + 1) ** 2, (l_edge + 1) ** 2
        coupling, start = torch.zeros(n_edge, rows, n_in, dtype=torch.float64), 0
        for path in self.paths:
            block = clebsch_gordan(path.l1, path.l2, path.l3).permute(1, 2, 0)
            coupling[components(path.l2), start : start + 2 * path.l3 + 1, components(path.l1)] = block
            start += 2 * path.l3 + 1
        self.shape = (rows, n_in)
        self.register_buffer("coupling", coupling.reshape(n_edge, rows * n_in), persistent=False)

    def forward(self, h: torch.Tensor, harmonics: torch.Tensor, weights: torch.Tensor) -> list[torch.Tensor]:
        """Return the weighted products of each degree l3, (e, paths to l3, 2 l3 + 1, channels).

        Args:
            h: sender features (e, (l_in+1)², channels).
            harmonics: (e, (l_edge+1)²).
            weights: (e, n_paths, channels).
        """
        T = (harmonics @ self.coupling.to(harmonics.dtype)).reshape(-1, *self.shape)
        blocks = torch.bmm(T, h).split(self.rows_of_degree, dim=1)
        return [
            block.reshape(len(h), n_paths, -1, h.shape[2]) * weight.unsqueeze(2)
            for block, weight, n_paths in zip(
                blocks, weights.split(self.paths_of_degree, dim=1), self.paths_of_degree, strict=True
            )
        ]


class PathMixing(nn.Module):
    """Learned map from all couplings that end in l3, and their channels, to features of degree l3."""

    def __init__(self, product: EdgeTensorProduct, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weights = nn.ParameterList(
            torch.randn(n_paths * in_channels, out_channels) / (n_paths * in_channels) ** 0.5
            for n_paths in product.paths_of_degree
        )

    def forward(self, products: list[torch.Tensor]) -> torch.Tensor:
        """Map products of each degree, (n, paths, 2 l + 1, in), to features (n, (l_out+1)², out)."""
        mixed = [
            block.transpose(1, 2).flatten(2) @ weight for block, weight in zip(products, self.weights, strict=True)
        ]
        return torch.cat(mixed, dim=1)


class SphereProduct(nn.Module):
    """z_c(r̂) = Π_f a_fc(r̂), cut back to degree l_max: products of features as functions on the unit sphere.

    A feature of degrees 0 ... l_max is a function Σ_lm a_lm Y_lm(r̂); functions are multiplied point by point on a
    Lebedev grid that integrates degree (n_factors + 1) l_max exactly, so the result is the exact Gaunt coupling of
    all degrees: equivariant to rounding, parity conserved. Channel mixing before and after gives the couplings their
    weights. Far fewer operations than one coupling at a time (compare Luo et al., "Gaunt tensor products", ICLR 2024).
    """

    synthesis: torch.Tensor
    analysis: torch.Tensor

    def __init__(self, l_max: int, n_factors: int) -> None:
        super().__init__()
        degree = (n_factors + 1) * l_max
        points, weights = lebedev_rule(next(order for order in _LEBEDEV_ORDERS if order >= degree))
        values = SphericalHarmonics(l_max).double()(torch.as_tensor(points.T))
        # divided by the harmonics' own size so that factors of unit variance give products of about unit variance
        synthesis = values.T / (l_max + 1)
        analysis = values * torch.as_tensor(weights / weights.sum()).unsqueeze(1) * (l_max + 1)
        self.register_buffer("synthesis", synthesis.contiguous(), persistent=False)
        self.register_buffer("analysis", analysis.contiguous(), persistent=False)

    def forward(self, factors: torch.Tensor) -> torch.Tensor:
        """Multiply features (n, channels, n_factors, (l_max+1)²) over the factors to (n, channels, (l_max+1)²)."""
        product, *others = (factors @ self.synthesis.to(factors.dtype)).unbind(2)
        for other in others:
            product = product * other
        return product @ self.analysis.to(factors.dtype)


_LEBEDEV_ORDERS = (3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 35, 41, 47, 53, 59)
