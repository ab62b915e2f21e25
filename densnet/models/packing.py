"""The networks' weights as the two rows of numbers that the compiled kernels read (densnet/nn/compiled)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from densnet.nn.clebsch_gordan import Path, clebsch_gordan, components
from densnet.nn.interaction import Interaction
from densnet.nn.linear import ElementLinear
from densnet.nn.radial_splines import radial_functions, settled
from densnet.nn.spherical_harmonics import SphericalHarmonics
from densnet.nn.tensor_product import SphereProduct

LANES = 16
"""Channels are filled up with zeros to multiples of it: the longest vectors that processors have."""


def round_up(n: int) -> int:
    """Return the next multiple of :data:`LANES`."""
    return -(-n // LANES) * LANES


@dataclass
class Numbers:
    """Integers and reals in the order in which they are read."""

    integers: list[int] = field(default_factory=list)
    reals: list[NDArray[np.float64]] = field(default_factory=list)

    def put(self, *integers: int) -> None:
        """Append integers."""
        self.integers += integers

    def put_reals(self, values: torch.Tensor | float, *shape: int) -> None:
        """Append reals; the last dimensions are filled up with zeros to a shape, if one is given."""
        table = torch.as_tensor(values, dtype=torch.float64).detach()
        missing = [size - present for size, present in zip(shape, table.shape[table.ndim - len(shape) :], strict=True)]
        if any(missing):
            table = nn.functional.pad(table, [n for size in reversed(missing) for n in (0, size)])
        self.reals.append(table.numpy().ravel())

    def put_terms(self, terms: Sequence[tuple[int, int, int, float]]) -> None:
        """Append terms z[out] += value x[a] y[b], each as (out, a, b, value)."""
        self.put(len(terms))
        for out, a, b, _ in terms:
            self.put(out, a, b)
        self.put_reals(torch.tensor([value for *_, value in terms], dtype=torch.float64))

    def arrays(self, real: type) -> tuple[NDArray[np.int32], NDArray[np.floating]]:
        """Return both rows, the reals in a precision."""
        return np.array(self.integers, dtype=np.int32), np.concatenate(self.reals).astype(real)


class Couplings:
    """The couplings (l1, l2) -> l3 of all networks, each once, and where its T[m1, m3] stands on an edge."""

    def __init__(self) -> None:
        self.offsets: dict[Path, int] = {}
        self.n = 0

    def offset(self, path: Path) -> int:
        """Return where a coupling's entries begin."""
        if path not in self.offsets:
            self.offsets[path] = self.n
            self.n += (2 * path.l1 + 1) * (2 * path.l3 + 1)
        return self.offsets[path]

    def pack(self, numbers: Numbers) -> None:
        """Append harmonics up to the highest l2, their slopes, and the terms of all couplings."""
        degree = max(path.l2 for path in self.offsets)
        harmonics = SphericalHarmonics(degree).double()
        recursion = []
        for l in range(1, degree):
            coupling = getattr(harmonics, f"coupling_{l}").view(2 * l + 1, 3, 2 * l + 3)
            recursion += _terms(coupling.permute(2, 0, 1), ((l + 1) ** 2, l * l, 1))
        numbers.put(degree)
        numbers.put_terms(recursion)
        numbers.put_terms(_terms(harmonics.slopes.unflatten(1, (-1, 3)).permute(2, 0, 1), (0, 0, 0)))
        numbers.put(self.n)
        terms = []
        for path, offset in self.offsets.items():
            C = clebsch_gordan(path.l1, path.l2, path.l3).transpose(1, 2).flatten(0, 1).unsqueeze(1)
            terms += _terms(C, (offset, 0, path.l2**2))
        numbers.put_terms(terms)


def _terms(table: torch.Tensor, first: tuple[int, int, int]) -> list[tuple[int, int, int, float]]:
    """Return the entries (out, a, b) of a table that are not zero to rounding, numbered from ``first`` on."""
    places = (table.abs() > 1e-12).nonzero().tolist()
    out, a, b = first
    return [(out + p, a + q, b + s, float(table[p, q, s])) for p, q, s in places]


@dataclass(frozen=True)
class Distances:
    """Where radial functions are wanted, and how well.

    Attributes:
        shortest: that they see, Angstrom.
        cutoff: Angstrom.
        tolerance: of the splines' slopes, as a share of the largest.
    """

    shortest: float
    cutoff: float
    tolerance: float


def pack_interaction(
    numbers: Numbers,
    interaction: Interaction,
    l_out: int,
    present: tuple[int, ...],
    couplings: Couplings,
    distances: Distances,
) -> None:
    """Append one round of message passing.

    Args:
        numbers: what is appended to.
        interaction: the round.
        l_out: highest degree that is wanted of the features that leave it.
        present: elements that the molecules have, as indices.
        couplings: of all networks.
        distances: that the radial functions see.
    """
    edge, n_factors = interaction.edge, interaction.n_factors
    # products make low degrees from high ones; without them only the sums of the degrees that leave count
    l_sum = edge.l_out if n_factors > 1 else l_out
    paths = [n for n, path in enumerate(edge.paths) if path.l3 <= l_sum]
    in_channels, edge_channels = interaction.inward.weight.shape[1:]
    channels = interaction.outward.weight.shape[2]
    C, C_in, C_edge = (round_up(n) for n in (channels, in_channels, edge_channels))
    numbers.put(edge.l_in, l_sum, l_out, C_in, C, C_edge, n_factors)
    numbers.put_reals(interaction.product_bound)
    numbers.put(len(paths))
    for n in paths:
        path = edge.paths[n]
        numbers.put(path.l1, path.l3, couplings.offset(path), edge.slot[n])
    _pack_radial(numbers, interaction, present, paths, distances)
    numbers.put_reals(interaction.inward.weight, C_in, C_edge)
    for weight in list(interaction.mixing.weights)[: l_sum + 1]:
        numbers.put_reals(weight.unflatten(0, (-1, edge_channels)), C_edge, C)
    numbers.put_reals(interaction.outward.weight[: l_out + 1], C, C)
    if n_factors > 1:
        factors = interaction.factors.weight.unflatten(2, (-1, n_factors)).transpose(2, 3)
        numbers.put_reals(factors, C, n_factors, C)
        _pack_sphere_product(numbers, edge.l_out, n_factors, l_out)
        numbers.put_reals(interaction.product_outward.weight[: l_out + 1], C, C)
    pack_element_linear(numbers, interaction.skip, min(edge.l_in, l_out), present, C_in, C)
    weight, bias = interaction.gate.compose()
    numbers.put_reals(weight[: l_out + 1].transpose(0, 1), C, l_out + 1, C)
    numbers.put_reals(bias[: l_out + 1, 0], C)


def pack_element_linear(
    numbers: Numbers, linear: ElementLinear, l_max: int, present: Sequence[int], rows: int, columns: int
) -> None:
    """Append the maps of each element and degree, (z, l, in, out)."""
    numbers.put_reals(linear.weight[: l_max + 1][:, :, list(present)].permute(2, 0, 1, 3), rows, columns)


def _pack_radial(
    numbers: Numbers, interaction: Interaction, present: tuple[int, ...], paths: list[int], distances: Distances
) -> None:
    n_elements = interaction.radial.receiver.num_embeddings
    ends = pairs(n_elements, present)
    functions = radial_functions(interaction.radial, distances.cutoff, ends, paths)
    knots, table = settled(functions, distances.shortest, distances.cutoff, distances.tolerance)
    numbers.put(knots.n)
    numbers.put_reals(knots.start)
    numbers.put_reals(knots.spacing)
    numbers.put_reals(table.permute(2, 0, 1, 3, 4), round_up(interaction.edge_channels))


def pairs(n_elements: int, present: Sequence[int]) -> list[int]:
    """Return Z_i · n_elements + Z_j of all pairs of some elements."""
    return [i * n_elements + j for i in present for j in present]


def _pack_sphere_product(numbers: Numbers, l_sum: int, n_factors: int, l_out: int) -> None:
    """Append the maps to and from one of each two opposite points, even degrees apart from odd ones."""
    product = SphereProduct(l_sum, n_factors, l_out)
    half = product.one_of_opposite
    numbers.put(len(half))
    for parity in (0, 1):
        numbers.put_reals(product.synthesis[half][:, _of_parity(l_sum, parity)])
    for parity in (0, 1):
        numbers.put_reals(product.analysis[_of_parity(l_out, parity)][:, half])


def _of_parity(l_max: int, parity: int) -> list[int]:
    """Return the components of the degrees of a parity."""
    return [m for l in range(parity, l_max + 1, 2) for m in range(components(l).start, components(l).stop)]
