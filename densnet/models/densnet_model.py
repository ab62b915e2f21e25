"""Density model and energy model as one: geometry to density, energy, forces and dipole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.fitting.prior import superposition
from densnet.models.compiled import CompiledNetworks, compiled_networks
from densnet.models.density_model import DensityModel
from densnet.models.domain import Domain
from densnet.models.energy_model import EnergyModel
from densnet.models.graph import Graph, replicate
from densnet.models.response_model import ResponseModel
from densnet.models.tensor_model import TensorModel
from densnet.models.trace import traced
from densnet.models.whitened_basis import WhitenedBasis
from densnet.nn.captured import captured
from densnet.nn.edges import EdgeFunctions, Edges
from densnet.units import POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV

NO_RESPONSE = "this model file holds no response of the density to a field; add it by 'densnet train response'"


@dataclass(frozen=True)
class Prediction:
    """What the models say of t geometries of one molecule with i atoms.

    Attributes:
        energy: eV, (t,), float64.
        forces: eV/Angstrom, (t, i, 3).
        dipole: e Angstrom, (t, 3).
    """

    energy: torch.Tensor
    forces: torch.Tensor
    dipole: torch.Tensor


class DenSNet(nn.Module):
    """ρ from the geometry, E from ρ and the geometry, F = -dE/dR through both, μ from ρ.

    Args:
        density: the density model.
        energy: the energy model; None for a density alone.
        prior: (z, n) coefficients of the free atoms' s functions, padded, float64.
        domain: of the frames that the energy was learned from; None where that is not known.
        response: the model of the density's response to an electric field; None where it was not learned.
    """

    def __init__(
        self,
        density: DensityModel,
        energy: EnergyModel | None,
        prior: torch.Tensor,
        domain: Domain | None = None,
        response: ResponseModel | TensorModel | None = None,
    ) -> None:
        super().__init__()
        self.response: ResponseModel | TensorModel | None = response
        self.domain = domain
        self.density: DensityModel = density
        self.energy: EnergyModel | None = energy
        self.records, self.compiles = False, False
        self._recorded: dict[tuple[object, ...], Callable[..., tuple[torch.Tensor, ...]]] = {}
        # by the elements of a molecule; None where there are no kernels
        self._compiled: dict[tuple[int, ...], CompiledNetworks | None] = {}
        # kept in float64 whatever the networks use: the density's charge is exact because of it
        self._exact_prior = prior.double().cpu()
        self._exact_basis = (WhitenedBasis(density.whitened.basis, density.whitened.elements),)
        # whether the density model's edges serve the energy model as well; asked once, for a GPU has to be waited for
        self.same_edges = energy is not None and _serve(density.edges, energy.edges)

    @property
    def free_atoms(self) -> torch.Tensor:
        """Return the coefficients (z, n) of the free atoms' s functions, padded, float64."""
        return self._exact_prior

    def prior(self, numbers: np.ndarray) -> np.ndarray:
        """Return the coefficients of the free atoms of a molecule side by side, (k,), canonical order.

        Raises:
            DensnetError: an element that the model was not trained on.
        """
        self.elements_of(numbers)
        basis, elements = self.density.whitened.basis, self.density.whitened.elements
        rows = {z: row[: basis.n_radial(z, 0)] for z, row in zip(elements, self._exact_prior.numpy(), strict=True)}
        return superposition(basis, numbers, rows)

    @property
    def dtype(self) -> torch.dtype:
        """Return the precision of the networks."""
        return self.density.scale.dtype

    @property
    def device(self) -> torch.device:
        """Return where the networks live."""
        return self.density.scale.device

    @property
    def edge_functions(self) -> list[EdgeFunctions]:
        """Return what makes the edges of the density model, and those of the energy model if the first do not serve."""
        if self.energy is None or self.same_edges:
            return [self.density.edges]
        return [self.density.edges, self.energy.edges]

    @property
    def cutoff(self) -> float:
        """Return the distance in Angstrom beyond which atoms do not see each other directly."""
        if self.energy is None:
            return self.density.settings.cutoff
        return max(self.density.settings.cutoff, self.energy.settings.cutoff)

    def elements_of(self, numbers: np.ndarray) -> torch.Tensor:
        """Return the element indices of a molecule's atoms.

        Raises:
            DensnetError: an element that the model was not trained on.
        """
        known = {z: index for index, z in enumerate(self.density.whitened.elements)}
        unknown = sorted({int(z) for z in numbers} - set(known))
        if unknown:
            raise DensnetError(
                f"atomic numbers: expected those of the model {sorted(known)}, found {unknown}; train on them first"
            )
        return torch.tensor([known[int(z)] for z in numbers], device=self.device)

    def forward(self, element: torch.Tensor, positions: torch.Tensor) -> Prediction:
        """Return energies, forces and dipoles of geometries (t, i, 3) in Angstrom, element indices (i,).

        Raises:
            DensnetError: there is no energy model.
        """
        if self.energy is None:
            raise DensnetError("this file holds a density model alone; energies need the output of 'train energy'")
        # float32 resolves positions best near the origin
        centre = positions.mean(dim=1, keepdim=True)
        positions = (positions - centre).to(self.device, self.dtype).detach()
        if self.compiles and (kernels := self._kernels(element)) is not None:
            return self._by_kernels(kernels, element, positions, centre[:, 0])
        with torch.no_grad():
            graph = replicate(element, positions, self.cutoff)
            r, directions = graph.edges()
            makers = self.edge_functions
            made = [maker(graph.element, graph.sender, r, directions) for maker in makers]
        geometries = [value for edges in made for value in edges.geometry]
        x, energy, *slopes = self._networks(graph, made, geometries)(*geometries)
        with torch.no_grad():
            by_vector = torch.zeros_like(directions)
            for maker, edges, gradients in zip(makers, made, _shared_out(slopes, len(made)), strict=True):
                by_vector = by_vector + maker.pulled_back(edges, r, directions, gradients)
            if self.energy.repulsion is not None:
                wall, slope = self.energy.repulsion(graph, r, made[-1].ends, self.energy.edges.trusted)
                energy, by_vector = energy + wall, by_vector + slope.unsqueeze(2) * directions
            forces = -graph.pulled_back(by_vector).view_as(positions)
            dipole = self.dipole(x, graph) + self.density.charge * centre[:, 0].to(self.device, self.dtype)
            total = energy.double() + self.energy.reference_energy(graph)
        return Prediction(total, forces, dipole)

    def _kernels(self, element: torch.Tensor) -> CompiledNetworks | None:
        """Return compiled networks for a molecule's elements; None where PyTorch has to do."""
        if self.dtype != torch.float32 or self.device.type != "cpu":
            return None
        present = tuple(sorted(set(element.tolist())))
        if present not in self._compiled:
            self._compiled[present] = compiled_networks(self, present)
        return self._compiled[present]

    def _by_kernels(
        self, kernels: CompiledNetworks, element: torch.Tensor, positions: torch.Tensor, centre: torch.Tensor
    ) -> Prediction:
        """Return what :meth:`forward` does of positions (t, i, 3) around their centres (t, 3)."""
        energy, forces, electronic = kernels(element, positions)
        dipole = self.density.charge * centre.to(self.dtype) - electronic
        if self.density.settings.target == "direct":
            nuclear = self.density.whitened.numbers.to(self.dtype)[element]
            dipole = dipole + (nuclear.unsqueeze(1) * positions).sum(1)
        if self.energy is not None:
            energy = energy + self.energy.atomic_energy[element].sum()
        return Prediction(energy, forces, dipole)

    def _networks(
        self, graph: Graph, made: list[Edges], geometries: list[torch.Tensor]
    ) -> Callable[..., tuple[torch.Tensor, ...]]:
        """Return the function that :meth:`_with_slopes` is on graphs of this kind, recorded if that was asked for."""

        def networks(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
            shares = _shared_out(values, len(made))
            return self._with_slopes(graph, [edges.at(share) for edges, share in zip(made, shares, strict=True)])

        if not self.records:
            return networks
        write_down = captured if self.device.type == "cuda" else traced
        key = (self.dtype, graph.n_molecules, graph.sender.shape[1], tuple(graph.element.tolist()))
        if key not in self._recorded:
            # few, for each holds the weights; a molecule's neighbours do not change their number often
            self._recorded = {key: write_down(networks, tuple(geometries)), **dict(list(self._recorded.items())[:7])}
        return self._recorded[key]

    def _with_slopes(self, graph: Graph, made: list[Edges]) -> tuple[torch.Tensor, ...]:
        """Return x, E - Σ E_Z, and the slopes of the latter's sum with the variables of all edges."""
        if self.energy is None:
            raise DensnetError("this file holds a density model alone; energies need the output of 'train energy'")
        with torch.enable_grad():
            made = [edges.as_variables() for edges in made]
            at = replace(graph, sender=made[0].sender)
            x, u = self.density(at, made[0])
            energy = self.energy(at, u, made[-1])
            slopes = torch.autograd.grad(energy.sum(), [value for edges in made for value in edges.variables])
        return x.detach(), energy.detach(), *slopes

    def record(self, *, compiled: bool = True) -> DenSNet:
        """Ask that calls be recorded: the first of a kind then takes seconds, and those after it much less than before.

        On a processor, in single precision and with a C++ compiler, kernels evaluate both networks
        (:mod:`densnet.models.compiled`); a kind is then a set of elements. Otherwise the list of operations is kept and
        repeated; a kind is then a molecule, a number of geometries and a largest number of neighbours. The weights must
        not change any more.

        Args:
            compiled: by kernels, where that can be.
        """
        self.records, self.compiles = True, compiled
        return self

    def dipole(self, x: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Return μ = Σ Z R - Σ_k c_k ∫ r χ_k of each molecule, (n_molecules, 3) in e Angstrom.

        Free atoms have none, so that for the delta target Δc alone counts.
        """
        electronic = self.density.whitened.electronic_dipole(x, graph)
        if self.density.settings.target == "delta":
            return -electronic
        nuclear = self.density.whitened.numbers.to(x.dtype)[graph.element].unsqueeze(1) * graph.positions
        return graph.sum_over_atoms(nuclear) - electronic

    @torch.no_grad()
    def coefficients(self, numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Return density coefficients (t, k), canonical order, float64, of geometries (t, i, 3) in Angstrom.

        The charge is exact to rounding in float64.
        """
        element = self.elements_of(numbers)
        graph = replicate(
            element, torch.as_tensor(positions, dtype=self.dtype, device=self.device), self.density.settings.cutoff
        )
        x, _ = self.density(graph)
        (whitened,), prior = self._exact_basis, self._exact_prior
        host = graph.cpu()
        x = whitened.with_charge(x.double().cpu(), host, self.density.electrons(graph, torch.float64).cpu())
        blocks = whitened.coefficients(x, host.element)
        if self.density.settings.target == "delta":
            blocks[:, 0] += prior[host.element]
        return whitened.flat(blocks, numbers).numpy()

    @torch.no_grad()
    def polarizability(self, element: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Return α (t, x, field) in e² Å²/eV of geometries (t, i, 3) in Angstrom, element indices (i,).

        Raises:
            DensnetError: the file holds no response.
        """
        if self.response is None:
            raise DensnetError(f"polarizability: {NO_RESPONSE}")
        graph = replicate(element, positions.to(self.device, self.dtype), self.response.settings.cutoff)
        return self.response.polarizabilities(graph) * POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV

    @torch.no_grad()
    def response_coefficients(self, numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Return the coefficients (t, field, k) of ρ^(1) in the response's basis, canonical order, atomic units.

        Args:
            numbers: (i,).
            positions: (t, i, 3) in Angstrom.

        Raises:
            DensnetError: the file holds no response, or an element that the model was not trained on.
        """
        response, element = self._with_response(), self.elements_of(numbers)
        graph = replicate(
            element, torch.as_tensor(positions, dtype=self.dtype, device=self.device), response.settings.cutoff
        )
        x, host = response(graph).double().cpu(), graph.cpu()
        exact = WhitenedBasis(response.whitened.basis, response.whitened.elements)
        along = [
            exact.flat(exact.coefficients(exact.with_charge(x[..., y], host, 0.0), host.element), numbers)
            for y in range(3)
        ]
        return torch.stack(along, dim=1).numpy()

    @property
    def response_basis(self) -> Basis:
        """Return the basis of the response."""
        return self._with_response().whitened.basis

    @property
    def knows_density_response(self) -> bool:
        """Whether ρ^(1) was learned, and not only the polarizability."""
        return isinstance(self.response, ResponseModel)

    def _with_response(self) -> ResponseModel:
        if not isinstance(self.response, ResponseModel):
            raise DensnetError(f"response: {NO_RESPONSE}")
        return self.response


def _shared_out(values: Sequence[torch.Tensor], n: int) -> list[Sequence[torch.Tensor]]:
    """Return the values in n shares of one length, one share after the other."""
    length = len(values) // n
    return [values[start : start + length] for start in range(0, len(values), length)]


def _serve(offered: EdgeFunctions, wanted: EdgeFunctions) -> bool:
    alike = offered.cutoff == wanted.cutoff and offered.l_max >= wanted.l_max
    return alike and torch.equal(offered.closest.cpu(), wanted.closest.cpu())
