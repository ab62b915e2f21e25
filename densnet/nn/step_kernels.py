"""The products of a training step by kernels in C++, which PyTorch differentiates twice.

Both products are linear in each of what they take (f(h, Y, w) on edges; in each factor on the sphere), so that with
slopes g and L = ⟨g, f⟩ the first derivatives are L_h, L_Y, L_w, and those in directions h', Y', w' of

    L(h', Y, w, g) + L(h, Y', w, g) + L(h, Y, w', g)

are all that the second pass needs. PyTorch's own operations (:mod:`densnet.nn.tensor_product`) are the reference.
"""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from densnet.nn.compiler import STEP, library
from densnet.nn.tensor_product import Bound, EdgeTensorProduct, SphereProduct

HIGHEST = 3
"""Degree of neighbours' features that the kernels know."""
NAME_OF: dict[torch.dtype, str] = {torch.float32: "float", torch.float64: "double"}


class EdgeKernel:
    """:class:`densnet.nn.tensor_product.EdgeTensorProduct` of some atoms, with the sum over their neighbours.

    Args:
        product: whose couplings are made.
        kernels: compiled for the type of the features.
        real: that type.
    """

    def __init__(self, product: EdgeTensorProduct, kernels: ctypes.CDLL, real: torch.dtype) -> None:
        self.kernels, self.n_sum, self.n_slots = kernels, (product.l_out + 1) ** 2, product.n_slots
        paths, terms, coefficients = _couplings(product)
        self._arrays = paths, terms, torch.as_tensor(coefficients).to(real).numpy()
        sizes = len(paths), (product.l_in + 1) ** 2, (product.l_edge + 1) ** 2, product.n_slots, len(terms)
        self.table = _Couplings(*sizes, *(array.ctypes.data for array in self._arrays))

    def __call__(
        self, h: torch.Tensor, harmonics: torch.Tensor, weights: torch.Tensor, sender: torch.Tensor
    ) -> torch.Tensor:
        """Return the sums ((l_out+1)², i, n_slots · channels), zeros in empty slots.

        Args:
            h: features of the atoms ((l_in+1)², i, channels).
            harmonics: of the edges (i · j, (l_edge+1)²).
            weights: of the couplings, (i · j, n_paths · channels).
            sender: the neighbours (i, j).
        """
        sums: torch.Tensor = _Edge.apply(h, harmonics, weights, sender, self)
        return sums

    def call(self, name: str, sender: torch.Tensor, channels: int, *values: torch.Tensor | None) -> None:
        """Call a kernel for edges from atoms to their neighbours (i, j)."""
        edges = _Edges(*sender.shape, channels, sender.data_ptr())
        getattr(self.kernels, name)(ctypes.byref(self.table), ctypes.byref(edges), *map(_pointer, values))


class _Edge(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: torch.Tensor,
        harmonics: torch.Tensor,
        weights: torch.Tensor,
        sender: torch.Tensor,
        kernel: EdgeKernel,
    ) -> torch.Tensor:
        h, harmonics, weights, sender = _contiguous(h, harmonics, weights, sender)
        ctx.save_for_backward(h, harmonics, weights, sender)
        ctx.kernel = kernel
        channels = h.shape[2]
        sums = h.new_zeros(kernel.n_sum, len(sender), kernel.n_slots * channels)
        kernel.call("densnet_edge_forward", sender, channels, h, harmonics, weights, sums)
        return sums

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        of_h, of_harmonics, of_weights = _EdgeSlopes.apply(*ctx.saved_tensors, slopes[0], ctx.kernel)
        return of_h, of_harmonics, of_weights, None, None


class _EdgeSlopes(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: torch.Tensor,
        harmonics: torch.Tensor,
        weights: torch.Tensor,
        sender: torch.Tensor,
        g: torch.Tensor,
        kernel: EdgeKernel,
    ) -> tuple[torch.Tensor, ...]:
        (g,) = _contiguous(g)
        ctx.save_for_backward(h, harmonics, weights, sender, g)
        ctx.kernel = kernel
        made = torch.zeros_like(h), torch.zeros_like(harmonics), torch.empty_like(weights)
        kernel.call("densnet_edge_backward", sender, h.shape[2], h, harmonics, weights, g, *made)
        return made

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *directions: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        h, harmonics, weights, sender, g = ctx.saved_tensors
        of_harmonics = torch.zeros_like(harmonics) if ctx.needs_input_grad[1] else None
        made = torch.zeros_like(h), of_harmonics, torch.empty_like(weights), torch.zeros_like(g)
        ctx.kernel.call(
            "densnet_edge_second", sender, h.shape[2], h, harmonics, weights, g, *_contiguous(*directions), *made
        )
        of_h, of_harmonics, of_weights, of_g = made
        return of_h, of_harmonics, of_weights, None, of_g, None


class FactorsKernel(ABC):
    """What is made of factors alone, ((l_max+1)², i, channels), with its first and second derivatives."""

    def __call__(self, factors: torch.Tensor) -> torch.Tensor:
        """Return what PyTorch differentiates twice."""
        made: torch.Tensor = _OfFactors.apply(factors, self)
        return made

    @abstractmethod
    def values(self, factors: torch.Tensor) -> torch.Tensor:
        """Return f(factors)."""

    @abstractmethod
    def slopes(self, factors: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """Return the slopes of ⟨g, f⟩ with the factors."""

    @abstractmethod
    def second(self, factors: torch.Tensor, g: torch.Tensor, d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the slopes of ⟨d, slopes⟩ with the factors and with g."""


class SphereKernel(FactorsKernel):
    """:class:`densnet.nn.tensor_product.SphereProduct`.

    Args:
        product: whose points and degrees these are.
        kernels: compiled for the type of the features.
        real: that type.
    """

    def __init__(self, product: SphereProduct, kernels: ctypes.CDLL, real: torch.dtype) -> None:
        self.kernels, self.n_factors = kernels, product.n_factors
        half = product.one_of_opposite
        self._synthesis = product.synthesis[half].to("cpu", real).contiguous()
        self._analysis = product.analysis.T[half].to("cpu", real).contiguous()
        self.n_out = self._analysis.shape[1]
        self._degrees = [round(matrix.shape[1] ** 0.5) - 1 for matrix in (self._synthesis, self._analysis)]

    def values(self, factors: torch.Tensor) -> torch.Tensor:
        """Multiply factors ((l_max+1)², i, n_factors · channels) to ((l_out+1)², i, channels)."""
        product = factors.new_zeros(self.n_out, factors.shape[1], factors.shape[2] // self.n_factors)
        self._call("densnet_sphere_forward", factors, product)
        return product

    def slopes(self, factors: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """Return the slopes of ⟨g, product⟩ with the factors."""
        of_factors = torch.zeros_like(factors)
        self._call("densnet_sphere_backward", factors, g, None, of_factors, None)
        return of_factors

    def second(self, factors: torch.Tensor, g: torch.Tensor, d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the slopes of ⟨d, slopes⟩ with the factors and with g."""
        of_factors, of_g = torch.zeros_like(factors), torch.zeros_like(g)
        self._call("densnet_sphere_backward", factors, g, d, of_factors, of_g)
        return of_factors, of_g

    def _call(self, name: str, factors: torch.Tensor, *values: torch.Tensor | None) -> None:
        _, n_atoms, width = factors.shape
        sphere = _Points(
            len(self._synthesis), *self._degrees, n_atoms, width // self.n_factors,
            self._synthesis.data_ptr(), self._analysis.data_ptr(),
        )  # fmt: skip
        getattr(self.kernels, name)(ctypes.byref(sphere), self.n_factors, *map(_pointer, (factors, *values)))


class BoundKernel(FactorsKernel):
    """b(z) of :class:`densnet.nn.tensor_product.Bound`.

    Args:
        bound: B.
        kernels: compiled for the type of the features.
        real: that type.
    """

    def __init__(self, bound: float, kernels: ctypes.CDLL, real: torch.dtype) -> None:
        self.kernels, self.bound = kernels, bound
        self._columns = _columns_of(ctypes.c_float if real == torch.float32 else ctypes.c_double)

    def values(self, factors: torch.Tensor) -> torch.Tensor:
        """Bound every channel of factors ((l_max+1)², i, channels)."""
        bounded = torch.empty_like(factors)
        self._call("densnet_bound_forward", factors, bounded)
        return bounded

    def slopes(self, factors: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """Return the slopes of ⟨g, b⟩ with the factors."""
        of_factors = torch.empty_like(factors)
        self._call("densnet_bound_backward", factors, g, of_factors)
        return of_factors

    def second(self, factors: torch.Tensor, g: torch.Tensor, d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the slopes of ⟨d, slopes⟩ with the factors and with g."""
        of_factors, of_g = torch.empty_like(factors), torch.empty_like(g)
        self._call("densnet_bound_second", factors, g, d, of_factors, of_g)
        return of_factors, of_g

    def _call(self, name: str, factors: torch.Tensor, *values: torch.Tensor) -> None:
        columns = self._columns(len(factors), factors[0].numel(), 1 / (len(factors) * self.bound**2))
        getattr(self.kernels, name)(ctypes.byref(columns), *map(_pointer, (factors, *values)))


class _OfFactors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, factors: torch.Tensor, kernel: FactorsKernel) -> torch.Tensor:
        (factors,) = _contiguous(factors)
        ctx.save_for_backward(factors)
        ctx.kernel = kernel
        return kernel.values(factors)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return _SlopesOfFactors.apply(*ctx.saved_tensors, slopes[0], ctx.kernel), None


class _SlopesOfFactors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, factors: torch.Tensor, g: torch.Tensor, kernel: FactorsKernel) -> torch.Tensor:
        (g,) = _contiguous(g)
        ctx.save_for_backward(factors, g)
        ctx.kernel = kernel
        return kernel.slopes(factors, g)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *directions: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return *ctx.kernel.second(*ctx.saved_tensors, *_contiguous(*directions)), None


@contextmanager
def step_kernels(network: nn.Module) -> Iterator[None]:
    """Let the products of a network on a processor go through the kernels meanwhile, where there is a compiler."""
    weights = next(network.parameters())
    products = [m for m in network.modules() if isinstance(m, EdgeTensorProduct | SphereProduct | Bound)]
    usable = weights.device.type == "cpu" and weights.dtype in NAME_OF
    low = all(p.l_in <= HIGHEST for p in products if isinstance(p, EdgeTensorProduct))
    kernels = library(NAME_OF[weights.dtype], entry=STEP) if usable and low else None
    if kernels is None:
        yield
        return
    for product in products:
        if isinstance(product, EdgeTensorProduct):
            product.kernel = EdgeKernel(product, kernels, weights.dtype)
        elif isinstance(product, SphereProduct):
            product.kernel = SphereKernel(product, kernels, weights.dtype)
        elif product.bound:
            product.kernel = BoundKernel(product.bound, kernels, weights.dtype)
    try:
        yield
    finally:
        for product in products:
            product.kernel = None


class _Couplings(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("n_paths", "n_in", "n_edge", "n_slots", "n_terms")),
        *((name, ctypes.c_void_p) for name in ("paths", "terms", "coefficients")),
    )


class _Edges(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("n_atoms", "n_neighbours", "channels")),
        ("sender", ctypes.c_void_p),
    )


class _Points(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("n_points", "l_in", "l_out", "n_atoms", "channels")),
        *((name, ctypes.c_void_p) for name in ("synthesis", "analysis")),
    )


@lru_cache(maxsize=2)
def _columns_of(real: type) -> type[ctypes.Structure]:
    fields = (("n", ctypes.c_int32), ("width", ctypes.c_int32), ("strength", real))
    return type("_Columns", (ctypes.Structure,), {"_fields_": fields})


def _couplings(product: EdgeTensorProduct) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Return the rows of all couplings, and place in T, m2 and value of each coefficient that is not zero."""
    paths: list[tuple[int, ...]] = []
    terms: list[tuple[int, int]] = []
    values: list[float] = []
    place = 0
    index_in_l1 = [0] * (product.l_in + 1)
    for path, slot in zip(product.paths, product.slot, strict=True):
        stacked = getattr(product, f"coupling_{path.l1}")[index_in_l1[path.l1]].double().cpu()
        index_in_l1[path.l1] += 1
        n1, n3 = 2 * path.l1 + 1, 2 * path.l3 + 1
        # (m2, m1, m3), lower l3 padded with zeros, to (m3, m1, m2)
        coupling = stacked.unflatten(1, (n1, -1))[:, :, :n3].permute(2, 1, 0)
        first = len(terms)
        for m3, m1, m2 in coupling.nonzero().tolist():
            terms.append((place + m3 * n1 + m1, m2))
            values.append(float(coupling[m3, m1, m2]))
        paths.append((path.l1**2, n1, path.l3**2, n3, slot, place, first, len(terms) - first))
        place += n1 * n3
    return np.array(paths, dtype=np.int32), np.array(terms, dtype=np.int32), np.array(values)


def _contiguous(*values: torch.Tensor) -> list[torch.Tensor]:
    return [value.contiguous() for value in values]


def _pointer(value: torch.Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if value is None else value.data_ptr())
