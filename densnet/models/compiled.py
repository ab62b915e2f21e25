"""Energies, forces and dipoles by compiled kernels: both networks, forward and backward, in one call.

The numbers are those of the networks up to rounding; they are come by in other ways (docs/speed.md):

* Radial functions are splines, made from the networks in double precision (:mod:`densnet.nn.radial_splines`).
* Degrees that neither the energy nor the dipole reads are left out, and with them the quadrature points of sphere
  products that only these degrees need.
* Sphere products use that even degrees agree at two opposite points, and odd ones differ by their sign.
* Harmonics and their couplings are made once for all rounds of both networks.
* The gradient is written out by hand.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from densnet.errors import DensnetError
from densnet.models.density_model import DensityModel
from densnet.models.energy_model import BELOW, EnergyModel
from densnet.models.graph import SAME_PLACE, not_finite, same_place
from densnet.models.packing import (
    Couplings,
    Distances,
    Numbers,
    pack_element_linear,
    pack_interaction,
    pairs,
    round_up,
)
from densnet.nn.compiler import library
from densnet.nn.edges import HELD
from densnet.nn.interaction import Interaction
from densnet.units import BOHR_IN_ANGSTROM

if TYPE_CHECKING:
    from densnet.models.densnet_model import DenSNet

ATOMS_AT_ONCE = 36
"""Atoms of small molecules that are worked on together; more would not stay in a core's cache."""
TOLERANCE = 3e-6
"""Of the slopes of radial splines, as a share of the largest."""
ERRORS = {1: same_place, 2: not_finite}
HIGHEST = 3
"""Degree of the features that neighbours send, at most, which the kernels know."""
READOUT = 16


class CompiledNetworks:
    """Both networks of a model for molecules of some elements, in single or double precision as the model is.

    Args:
        model: with an energy model; its weights must not change any more.
        present: the elements, as indices.
        kernels: the library.
        tolerance: of the slopes of radial splines, as a share of the largest.
    """

    def __init__(
        self, model: DenSNet, present: tuple[int, ...], kernels: ctypes.CDLL, *, tolerance: float = TOLERANCE
    ) -> None:
        self._kernels = kernels
        self._real = np.float32 if kernels.densnet_bytes_of_real() == 4 else np.float64
        self._index = torch.full((len(model.density.whitened.elements),), -1)
        self._index[list(present)] = torch.arange(len(present))
        integers, reals = packed(model, present, tolerance).arrays(self._real)
        kernels.densnet_networks.restype = ctypes.c_void_p
        self._handle = ctypes.c_void_p(
            kernels.densnet_networks(
                _pointer(integers), ctypes.c_size_t(len(integers)), _pointer(reals), ctypes.c_size_t(len(reals))
            )
        )
        if not self._handle:
            raise DensnetError("kernels: expected the weights of two networks, found others; set DENSNET_CXX=none")

    def __del__(self) -> None:
        """Give the kernels' memory back."""
        if getattr(self, "_handle", None):
            self._kernels.densnet_forget(self._handle)

    def __deepcopy__(self, memo: dict[int, object]) -> CompiledNetworks:
        """Return the same networks: they never change, and their memory is not Python's."""
        return self

    def __call__(
        self, element: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return E - Σ E_Z (t,) in eV, float64, forces (t, i, 3), and the electrons' dipoles (t, 3) in e Angstrom.

        Args:
            element: indices (i,).
            positions: (t, i, 3) in Angstrom, best around the origin.

        Raises:
            DensnetError: two atoms at the same place, or a position that is not finite.
        """
        t, i, _ = positions.shape
        at = np.ascontiguousarray(positions.numpy(), dtype=self._real)
        of_element = self._index[element].to(torch.int32).numpy()
        energy, forces, dipole = np.empty(t), np.empty_like(at), np.empty((t, 3), dtype=self._real)
        code = self._kernels.densnet_evaluate(
            self._handle, t, i, _pointer(of_element), _pointer(at), _pointer(energy), _pointer(forces),
            _pointer(dipole), torch.get_num_threads(),
        )  # fmt: skip
        if code:
            raise ERRORS[code]()
        return torch.from_numpy(energy), torch.from_numpy(forces), torch.from_numpy(dipole)


def compiled_networks(model: DenSNet, present: tuple[int, ...]) -> CompiledNetworks | None:
    """Return a model's networks, compiled, for molecules of some elements (indices); None where PyTorch has to do.

    The kernels need a C++ compiler, and one cutoff of both networks.
    """
    if model.energy is None or not model.same_edges:
        return None
    interactions = [*_rounds(model.density), *_rounds(model.energy)]
    kernels = library("float") if all(interaction.edge.l_in <= HIGHEST for interaction in interactions) else None
    return None if kernels is None else CompiledNetworks(model, present, kernels)


def packed(model: DenSNet, present: tuple[int, ...], tolerance: float) -> Numbers:
    """Return the numbers that the kernels read, for molecules of some elements."""
    density, energy = model.density, model.energy
    if energy is None:
        raise DensnetError("this file holds a density model alone; energies need the output of 'train energy'")
    body, couplings = Numbers(), Couplings()
    shortest = max(float(density.edges.trusted[pairs(len(energy.least), present)].min()) - HELD, SAME_PLACE)
    distances = Distances(shortest, density.settings.cutoff, tolerance)
    l_read = max(energy.l_density, min(1, density.whitened.l_max))
    _pack_density(body, density, l_read, present, couplings, distances)
    _pack_energy(body, energy, present, couplings, distances)
    numbers = Numbers()
    numbers.put(len(present))
    numbers.put_reals(density.settings.cutoff)
    numbers.put_reals(SAME_PLACE)
    numbers.put(ATOMS_AT_ONCE)
    _pack_contacts(numbers, energy, present)
    couplings.pack(numbers)
    return Numbers(numbers.integers + body.integers, numbers.reals + body.reals)


def _rounds(network: DensityModel | EnergyModel) -> list[Interaction]:
    return [module for module in network.interactions if isinstance(module, Interaction)]


def _pack_contacts(numbers: Numbers, energy: EnergyModel, present: tuple[int, ...]) -> None:
    ends, wall = pairs(len(energy.least), present), energy.repulsion
    numbers.put_reals(HELD)
    numbers.put_reals(energy.edges.trusted[ends])
    numbers.put(int(wall is not None))
    if wall is not None:
        numbers.put_reals(wall.charges[ends])
        numbers.put_reals(wall.decays[ends])
        numbers.put_reals(wall.weights)


def _pack_density(
    numbers: Numbers,
    density: DensityModel,
    l_read: int,
    present: tuple[int, ...],
    couplings: Couplings,
    distances: Distances,
) -> None:
    settings, whitened, rounds, index = density.settings, density.whitened, _rounds(density), list(present)
    degrees = [max(l_read, later.edge.l_in) for later in rounds[1:]] + [l_read]
    C, n = round_up(settings.channels), round_up(whitened.n_max)
    numbers.put(l_read, max(degrees), n, C, len(rounds))
    numbers.put_reals(density.embedding.weight[index], C)
    for interaction, l_out in zip(rounds, degrees, strict=True):
        pack_interaction(numbers, interaction, l_out, present, couplings, distances)
    layers, channels = len(rounds), settings.channels
    for linear in (module for module in density.scalars if isinstance(module, nn.Linear)):
        blocks = linear.weight.T.reshape(layers, channels, layers, channels)
        numbers.put_reals(blocks, C, layers, C)
        numbers.put_reals(linear.bias.view(layers, channels), C)
    weight = density.head.weight[: l_read + 1][:, :, index].permute(2, 0, 1, 3)
    numbers.put_reals(weight.unflatten(2, (layers, channels)), C, n)
    scale, inverse = density.compose()[index, :, : (l_read + 1) ** 2].unbind(1)
    direct = settings.target == "direct"
    electrons = whitened.numbers[index] * float(direct)
    for table in (scale, inverse, density.shift[index], whitened.charge[index], whitened.dipole[index]):
        numbers.put_reals(table, n)
    numbers.put_reals(electrons)
    numbers.put_reals(float(density.charge))
    numbers.put_reals(BOHR_IN_ANGSTROM)
    numbers.put(int(settings.charge_balance == "local"))
    numbers.put_reals(settings.cutoff)


def _pack_energy(
    numbers: Numbers, energy: EnergyModel, present: tuple[int, ...], couplings: Couplings, distances: Distances
) -> None:
    settings, rounds, index = energy.settings, _rounds(energy), list(present)
    first, last = (module for module in energy.readout if isinstance(module, nn.Linear))
    C, n, hidden = round_up(settings.channels), round_up(energy.density.weight.shape[1]), round_up(first.out_features)
    numbers.put(energy.l_density, n, C, hidden, len(rounds))
    pack_element_linear(numbers, energy.density, energy.l_density, present, n, C)
    numbers.put_reals(energy.embedding.weight[index], C)
    degrees = [later.edge.l_in for later in rounds[1:]] + [0]
    for interaction, l_out in zip(rounds, degrees, strict=True):
        pack_interaction(numbers, interaction, l_out, present, couplings, distances)
    numbers.put_reals(first.weight.T.unflatten(0, (-1, settings.channels)), C, hidden)
    numbers.put_reals(first.bias, hidden)
    numbers.put_reals(last.weight.T, hidden, READOUT)
    numbers.put_reals(torch.zeros(READOUT))
    numbers.put_reals(energy.scale)
    numbers.put_reals(BELOW)
    numbers.put_reals(energy.least[index])


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
