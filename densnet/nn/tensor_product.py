"""Tensor products: of features with the harmonics of an edge, and of features on one atom with each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import lebedev_rule
from torch import nn

from densnet.nn.clebsch_gordan import clebsch_gordan, components, natural_parity_paths
from densnet.nn.composed import Composed
from densnet.nn.spherical_harmonics import SphericalHarmonics


class EdgeTensorProduct(nn.Module):
    """Σ_j w_pc(ij) (h_j ⊗ Y(r̂_ij)) for all couplings p = (l1, l2) -> l3 of natural parity.

    The coupling coefficients are contracted with the harmonics first, T_m1m3 = Σ_m2 C_m1m2m3 Y_m2, once an edge
    and for all channels; then a matrix product an atom and coupling sums over neighbours j and orders m1 at once.
    Couplings of one l1 go together, those of lower l3 padded with zeros. Each term equals e3nn's ``o3.TensorProduct``
    with component normalisation.

    Attributes:
        paths: the couplings, ordered by l1, then l3.
        slot: where the coupling stands among those to its l3.
        n_slots: most couplings that end in one l3.
        kernel: makes the sums of all atoms instead, while a network is trained (:mod:`densnet.nn.step_kernels`).
    """

    kernel: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    places: torch.Tensor

    def __init__(self, l_in: int, l_edge: int, l_out: int) -> None:
        super().__init__()
        self.l_in, self.l_edge, self.l_out = l_in, l_edge, l_out
        by_l3 = natural_parity_paths(l_in, l_edge, l_out)
        self.order = sorted(range(len(by_l3)), key=lambda index: by_l3[index].l1)
        self.paths = [by_l3[index] for index in self.order]
        before = [sum(p.l3 == path.l3 for p in by_l3[:index]) for index, path in enumerate(by_l3)]
        self.slot = [before[index] for index in self.order]
        self.n_slots = max(self.slot) + 1
        self.n_paths = [sum(p.l1 == l1 for p in self.paths) for l1 in range(l_in + 1)]
        self.heights = [max(2 * p.l3 + 1 for p in self.paths if p.l1 == l1) for l1 in range(l_in + 1)]
        for l1, height in enumerate(self.heights):
            couplings = []
            for path in (p for p in self.paths if p.l1 == l1):
                coupling = torch.zeros((l_edge + 1) ** 2, 2 * l1 + 1, height, dtype=torch.float64)
                block = clebsch_gordan(l1, path.l2, path.l3).permute(1, 0, 2)
                coupling[components(path.l2), :, : 2 * path.l3 + 1] = block
                couplings.append(coupling.flatten(1))
            self.register_buffer(f"coupling_{l1}", torch.stack(couplings), persistent=False)
        self.register_buffer("places", self._places(), persistent=False)

    def forward(self, h: torch.Tensor, harmonics: torch.Tensor, weights: torch.Tensor) -> list[torch.Tensor]:
        """Return the sums of each l1 as rows (rows, channels); :meth:`rows` tells which is which.

        Args:
            h: features of the neighbours (i, j, (l_in+1)², channels).
            harmonics: (i · j, (l_edge+1)²).
            weights: (n_paths, i · j, channels).
        """
        n_atoms, n_neighbours, _, channels = h.shape
        of_l1 = zip(
            h.flatten(0, 1).split([2 * l1 + 1 for l1 in range(self.l_in + 1)], dim=1),
            weights.split(self.n_paths),
            self.n_paths,
            self.heights,
            strict=True,
        )
        sums = []
        for l1, (h1, w1, n_paths, height) in enumerate(of_l1):
            T = torch.bmm(harmonics.expand(n_paths, -1, -1), getattr(self, f"coupling_{l1}"))
            T = T.view(n_paths * n_atoms, n_neighbours * (2 * l1 + 1), height)
            weighted = (w1.unsqueeze(2) * h1).view(n_paths * n_atoms, -1, channels)
            sums.append(torch.bmm(T.transpose(1, 2), weighted).view(-1, channels))
        return sums

    def rows(self, pieces: tuple[int, ...], device: torch.device) -> torch.Tensor:
        """Return the rows of each component, atom and slot, (l_out+1)² · i · n_slots; the first row for empty slots.

        Args:
            pieces: of how many atoms each of the calls was whose rows stand one after the other.
            device: where the rows are.
        """
        return _rows(self._couplings(), self.l_out, self.n_slots, pieces, device)

    def traced_rows(self, atoms: torch.Tensor) -> torch.Tensor:
        """Return :meth:`rows` of one call, by tensors alone, so that a trace is right for any number of atoms.

        Args:
            atoms: indices (i,) of all atoms.
        """
        before, height, order = self.places.unsqueeze(2).unbind()
        return (before * atoms.shape[0] + height * atoms.unsqueeze(1) + order).flatten()

    def _couplings(self) -> tuple[tuple[int, int, int], ...]:
        """Return l3, slot and rows an atom of each coupling."""
        heights = [self.heights[path.l1] for path in self.paths]
        return tuple(zip((path.l3 for path in self.paths), self.slot, heights, strict=True))

    def _places(self) -> torch.Tensor:
        """Return rows an atom before the coupling, rows an atom of it, and order of each component and slot.

        Shape (3, (l_out+1)², n_slots); zeros for empty slots.
        """
        places, before = torch.zeros(3, (self.l_out + 1) ** 2, self.n_slots, dtype=torch.long), 0
        for l3, slot, height in self._couplings():
            places[0, components(l3), slot], places[1, components(l3), slot] = before, height
            places[2, components(l3), slot] = torch.arange(2 * l3 + 1)
            before += height
        return places


@lru_cache(maxsize=64)
def _rows(
    couplings: tuple[tuple[int, int, int], ...], l_out: int, n_slots: int, pieces: tuple[int, ...], device: torch.device
) -> torch.Tensor:
    """Return the rows where couplings (l3, slot, rows an atom) stand."""
    rows = torch.zeros((l_out + 1) ** 2, sum(pieces), n_slots, dtype=torch.long)
    start = first = 0
    for n_atoms in pieces:
        atoms = torch.arange(n_atoms)
        for l3, slot, height in couplings:
            place = start + atoms * height + torch.arange(2 * l3 + 1).unsqueeze(1)
            rows[components(l3), first : first + n_atoms, slot] = place
            start += n_atoms * height
        first += n_atoms
    return rows.flatten().to(device)


class PathMixing(Composed[torch.Tensor]):
    """Learned map from all couplings that end in l3, and their channels, to features of degree l3."""

    def __init__(self, product: EdgeTensorProduct, in_channels: int, out_channels: int) -> None:
        super().__init__()
        widths = [in_channels * sum(p.l3 == l for p in product.paths) for l in range(product.l_out + 1)]
        self.width = in_channels * product.n_slots
        self.weights = nn.ParameterList(torch.randn(width, out_channels) / width**0.5 for width in widths)

    def compose(self) -> torch.Tensor:
        """Return the weights of each degree, (l, slots · in, out), zeros for empty slots."""
        return torch.stack([nn.functional.pad(w, (0, 0, 0, self.width - len(w))) for w in self.weights])


class Bound(nn.Module):
    """b(z) = z / √(1 + |z|² / B²) of every channel z, |z|² the mean over components; b(z) = z for B = 0.

    Attributes:
        bound: B.
        kernel: makes it instead, while a network is trained (:mod:`densnet.nn.step_kernels`).
    """

    kernel: Callable[[torch.Tensor], torch.Tensor] | None = None

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound

    def forward(self, factors: torch.Tensor) -> torch.Tensor:
        """Return b(z) of the factors ((l_max+1)², i, channels)."""
        if self.kernel is not None:
            return self.kernel(factors)
        if self.bound == 0:
            return factors
        size = factors.square().mean(0, keepdim=True)
        return factors * torch.rsqrt(1 + size / self.bound**2)


class SphereProduct(nn.Module):
    """z_c(r̂) = Π_f a_fc(r̂), cut back to degree l_out: products of features as functions on the unit sphere.

    A feature of degrees 0 ... l_max is a function Σ_lm a_lm Y_lm(r̂); functions are multiplied point by point on a
    Lebedev grid that integrates degree n_factors l_max + l_out exactly, so the result is the exact Gaunt coupling of
    all degrees: equivariant to rounding, parity conserved. Channel mixing before and after gives the couplings their
    weights. Far fewer operations than one coupling at a time (compare Luo et al., "Gaunt tensor products", ICLR 2024).

    Attributes:
        kernel: makes the products instead, while a network is trained (:mod:`densnet.nn.step_kernels`).
    """

    kernel: Callable[[torch.Tensor], torch.Tensor] | None = None

    synthesis: torch.Tensor
    analysis: torch.Tensor

    def __init__(self, l_max: int, n_factors: int, l_out: int) -> None:
        super().__init__()
        self.n_factors = n_factors
        degree = n_factors * l_max + l_out
        points, weights = lebedev_rule(next(order for order in _LEBEDEV_ORDERS if order >= degree))
        self.one_of_opposite = [n for n, point in enumerate(points.T) if _ahead(point)]
        values = SphericalHarmonics(l_max).double()(torch.as_tensor(points.T))
        # divided by the harmonics' own size so that factors of unit variance give products of about unit variance
        synthesis = values / (l_max + 1)
        analysis = values.T[: (l_out + 1) ** 2] * torch.as_tensor(weights / weights.sum()) * (l_max + 1)
        self.register_buffer("synthesis", synthesis.contiguous(), persistent=False)
        self.register_buffer("analysis", analysis.contiguous(), persistent=False)

    def forward(self, factors: torch.Tensor) -> torch.Tensor:
        """Multiply features ((l_max+1)², i, n_factors · channels) over the factors to ((l_out+1)², i, channels)."""
        if self.kernel is not None:
            return self.kernel(factors)
        _, n_atoms, width = factors.shape
        values = (self.synthesis @ factors.flatten(1)).view(-1, n_atoms, self.n_factors, width // self.n_factors)
        product, *further = values.unbind(2)
        for factor in further:
            product = product * factor
        return (self.analysis @ product.flatten(1)).view(-1, n_atoms, width // self.n_factors)


def _ahead(point: NDArray[np.float64]) -> bool:
    """Whether the first coordinate that is not zero is positive: so it is at one of two opposite points."""
    return bool(point[np.abs(point) > 1e-9][0] > 0)


_LEBEDEV_ORDERS = (3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 35, 41, 47, 53, 59)
