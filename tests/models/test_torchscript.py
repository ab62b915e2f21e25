"""The traced model is the model itself, for molecules that it was not traced with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet.errors import DensnetError
from densnet.models.densnet_model import DenSNet
from densnet.models.graph import joined, replicate
from densnet.models.torchscript import torchscript

Molecule = tuple[np.ndarray, np.ndarray]

MOLECULES: list[Molecule] = [
    (METHANOL, METHANOL_POSITIONS),
    (np.array([8]), np.array([[0.1, -0.2, 5.0]])),
    # two chains that see nothing of each other, with unequal numbers of neighbours
    (np.tile(METHANOL, 3), np.concatenate([METHANOL_POSITIONS + np.array([0, 0, z]) for z in (0.0, 2.6, 40.0)])),
    (np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.7, 0.0]])),
]
ROUNDING = {"rtol": 0, "atol": 1e-7}
"""Of float64, and of the coupling coefficients, whose slopes the model's own forces take to 1e-9."""


def called(
    traced: torch.jit.ScriptModule, model: DenSNet, molecules: list[Molecule]
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Call a traced model, and return its outcome and the forces."""
    graphs = [
        replicate(model.elements_of(numbers), torch.as_tensor(positions)[None], model.cutoff)
        for numbers, positions in molecules
    ]
    graph = joined(graphs)
    positions = graph.positions.double().requires_grad_(True)
    n_atoms = torch.tensor([len(numbers) for numbers, _ in molecules])
    energy, dipole, blocks = traced(graph.element, graph.molecule, n_atoms, graph.sender, positions)
    (gradient,) = torch.autograd.grad(energy.sum(), positions)
    total = torch.zeros(len(molecules), dtype=torch.float64).index_add(0, graph.molecule, energy.detach())
    return [total, dipole.detach(), blocks.detach()], -gradient


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"target": "direct", "charge": 1},
        {"charge": 1, "charge_balance": "global"},
        {"energy_cutoff": 3.0},
        {"energy_cutoff": 5.0, "charge": -1},
        {"body_order": 2},
        {"l_last": 2, "body_order": 4},
    ],
)
@pytest.mark.parametrize("bounded", [False, True])
def test_it_says_what_the_model_says(options: dict[str, Any], bounded: bool) -> None:
    model = random_model(**options)
    assert model.energy is not None
    if bounded:
        # a wall between all bonded atoms, and atoms that may not fall below zero
        model.energy.least.fill_(0.0)
        model.energy.edges.closest.fill_(1.5)
        model.density.edges.closest.fill_(1.5)
    model.requires_grad_(False)
    traced = torchscript(model)
    for molecules in (MOLECULES, MOLECULES[2:], MOLECULES[:1]):
        (total, dipole, blocks), forces = called(traced, model, molecules)
        first = 0
        for n, (numbers, positions) in enumerate(molecules):
            last = first + len(numbers)
            ours = model(model.elements_of(numbers), torch.as_tensor(positions)[None])
            torch.testing.assert_close(total[n : n + 1], ours.energy, **ROUNDING)
            torch.testing.assert_close(forces[first:last], ours.forces[0], **ROUNDING)
            torch.testing.assert_close(dipole[n : n + 1], ours.dipole, **ROUNDING)
            flat = model.density.whitened.flat(blocks[first:last], numbers)
            np.testing.assert_allclose(flat, model.coefficients(numbers, positions[None]), **ROUNDING)
            first = last


def test_neither_devices_nor_weights_are_written_down() -> None:
    model = random_model().requires_grad_(False)
    traced = torchscript(model)
    constants = [node.output() for node in traced.graph.findAllNodes("prim::Constant")]
    assert len(constants) > 100
    assert not [value for value in constants if value.type().kind() == "DeviceObjType"]
    tensors = [value for value in constants if value.type().kind() == "TensorType"]
    assert all(torch.as_tensor(value.toIValue()).ndim == 0 for value in tensors)


def test_float32_networks_give_energies_of_more_digits() -> None:
    model = random_model().float().requires_grad_(False)
    (total, _, blocks), forces = called(torchscript(model), model, MOLECULES[:1])
    ours = model(model.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS)[None])
    # networks' energies of some eV, forces of some eV/Angstrom
    torch.testing.assert_close(total, ours.energy, rtol=0, atol=1e-5)
    torch.testing.assert_close(forces, ours.forces[0].double(), rtol=0, atol=1e-4)
    exact = model.density.whitened.flat(blocks, METHANOL) @ torch.as_tensor(_charges(model))
    assert float(exact) == pytest.approx(METHANOL.sum(), abs=1e-9)


def test_a_density_alone_has_no_energy() -> None:
    model = random_model()
    with pytest.raises(DensnetError, match="density model alone"):
        torchscript(DenSNet(model.density, None, model.free_atoms))


def _charges(model: DenSNet) -> np.ndarray:
    from densnet.basis.integrals import charges

    return charges(model.density.whitened.basis, METHANOL)
