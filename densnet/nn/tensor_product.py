"""Tensor products: of features with the harmonics of an edge, and of features on one atom with each other."""

from __future__ import annotations

import torch
from scipy.integrate import lebedev_rule
from torch import nn

from densnet.nn.clebsch_gordan import clebsch_gordan, components, natural_parity_paths
from densnet.nn.spherical_harmonics import SphericalHarmonics


class EdgeTensorProduct(nn.Module):
    """Σ_j w_pc(ij) (h_j ⊗ Y(r̂_ij)) for all couplings p = (l1, l2) -> l3 of natural parity.

    The coupling coefficients are contracted with the harmonics first, T_m1m3 = Σ_m2 C_m1m2m3 Y_m2, once an edge
    and for all channels; then one matrix product an atom and coupling sums over neighbours j and orders m1 at once.
    Each term equals e3nn's ``o3.TensorProduct`` with component normalisation.
    """

    def __init__(self, l_in: int, l_edge: int, l_out: int) -> None:
        super().__init__()
        self.l_in, self.l_edge, self.l_out = l_in, l_edge, l_out
        self.paths = natural_parity_paths(l_in, l_edge, l_out)
        for index, path in enumerate(self.paths):
            block = clebsch_gordan(path.l1, path.l2, path.l3).permute(1, 0, 2)
            coupling = torch.zeros((l_edge + 1) ** 2, (2 * path.l1 + 1) * (2 * path.l3 + 1), dtype=torch.float64)
            coupling[components(path.l2)] = block.flatten(1)
            self.register_buffer(f"coupling_{index}", coupling, persistent=False)

    def forward(self, h: torch.Tensor, harmonics: torch.Tensor, weights: torch.Tensor) -> list[torch.Tensor]:
        """Return the sums of each degree l3, (n, 2 l3 + 1, paths to l3 · channels).

        Args:
            h: features of the neighbours (n, neighbours, (l_in+1)², channels).
            harmonics: (n · neighbours, (l_edge+1)²).
            weights: (n, neighbours, n_paths, channels).
        """
        n_atoms, channels = len(h), h.shape[3]
        h_of_degree = h.split([2 * l + 1 for l in range(self.l_in + 1)], dim=2)
        sums: list[list[torch.Tensor]] = [[] for _ in range(self.l_out + 1)]
        for index, (path, weight) in enumerate(zip(self.paths, weights.unbind(2), strict=True)):
            T = (harmonics @ getattr(self, f"coupling_{index}").to(h.dtype)).reshape(n_atoms, -1, 2 * path.l3 + 1)
            weighted = (h_of_degree[path.l1] * weight.unsqueeze(2)).reshape(n_atoms, -1, channels)
            sums[path.l3].append(torch.bmm(T.transpose(1, 2), weighted))
        return [torch.cat(of_degree, dim=2) for of_degree in sums]


class PathMixing(nn.Module):
    """Learned map from all couplings that end in l3, and their channels, to features of degree l3."""

    def __init__(self, product: EdgeTensorProduct, in_channels: int, out_channels: int) -> None:
        super().__init__()
        widths = [in_channels * sum(p.l3 == l for p in product.paths) for l in range(product.l_out + 1)]
        self.weights = nn.ParameterList(torch.randn(width, out_channels) / width**0.5 for width in widths)

    def forward(self, sums: list[torch.Tensor]) -> torch.Tensor:
        """Map sums of each degree, (n, 2 l + 1, paths · in), to features (n, (l_out+1)², out)."""
        return torch.cat([block @ weight for block, weight in zip(sums, self.weights, strict=True)], dim=1)


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
