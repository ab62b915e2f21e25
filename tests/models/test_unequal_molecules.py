"""Molecules of different sizes in one graph: a batch equals a loop, none sees another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from e3nn import o3
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet.errors import DensnetError
from densnet.models import graph as graphs
from densnet.models.densnet_model import DenSNet
from densnet.models.graph import Graph, joined, replicate
from densnet.nn import edges
from densnet.oligomer import oligomer

WATER = np.array([8, 1, 1])
WATER_POSITIONS = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]])


@pytest.fixture(scope="module")
def model() -> DenSNet:
    torch.set_default_dtype(torch.float64)
    try:
        return random_model()
    finally:
        torch.set_default_dtype(torch.float32)


def molecules(seed: int = 0) -> list[tuple[np.ndarray, torch.Tensor]]:
    """Return numbers and geometries (T, a, 3) of two methanols and three waters."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for numbers, positions, count in ((METHANOL, METHANOL_POSITIONS, 2), (WATER, WATER_POSITIONS, 3)):
        noise = torch.randn(count, *positions.shape, generator=generator, dtype=torch.float64)
        found.append((numbers, torch.as_tensor(positions) + 0.05 * noise))
    return found


def batch(model: DenSNet, frames: list[tuple[np.ndarray, torch.Tensor]]) -> Graph:
    return joined([replicate(model.elements_of(z), r, model.density.settings.cutoff) for z, r in frames])


def edges_in(model: DenSNet) -> edges.Edges:
    graph = batch(model, molecules())
    return model.density.edges(graph.element, graph.sender, *graph.edges())


def predicted(model: DenSNet, graph: Graph) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return whitened coefficients, energies and dipoles."""
    x, u = model.density(graph)
    return x, model.energy(graph, u), model.dipole(x, graph)


def test_a_batch_of_unequal_molecules_equals_a_loop(model: DenSNet) -> None:
    frames = molecules()
    x, energy, dipole = predicted(model, batch(model, frames))
    alone = [predicted(model, batch(model, [(z, one[None])])) for z, r in frames for one in r]
    torch.testing.assert_close(x, torch.cat([one[0] for one in alone]), rtol=0, atol=1e-11)
    torch.testing.assert_close(energy, torch.cat([one[1] for one in alone]), rtol=0, atol=1e-10)
    torch.testing.assert_close(dipole, torch.cat([one[2] for one in alone]), rtol=0, atol=1e-11)


@pytest.mark.parametrize("piece", [1, 20])
def test_edges_worked_on_in_pieces_give_what_all_at_once_do(
    model: DenSNet, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 21 atoms with 5 neighbours: two atoms to a piece (no more than 16), and four; the last piece is shorter."""

    def answers() -> tuple[torch.Tensor, ...]:
        frames = [(z, r.requires_grad_(True)) for z, r in molecules()]
        x, energy, dipole = predicted(model, batch(model, frames))
        return x, energy, dipole, *torch.autograd.grad(energy.sum() + dipole.sum(), [r for _, r in frames])

    assert len(edges_in(model).pieces()) == 1
    whole = answers()
    monkeypatch.setattr(edges, "PIECE", piece)
    assert len(edges_in(model).pieces()) == {1: 11, 20: 6}[piece]
    for found, expected in zip(answers(), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_no_gradient_between_molecules_of_a_batch(model: DenSNet) -> None:
    frames = [(z, r.requires_grad_(True)) for z, r in molecules()]
    graph = batch(model, frames)
    _, energy, dipole = predicted(model, graph)
    for molecule in range(5):
        for value in (energy[molecule], dipole[molecule].sum()):
            gradients = torch.autograd.grad(value, [r for _, r in frames], retain_graph=True)
            seen = [bool(one.abs().max() > 0) for gradient in gradients for one in gradient]
            assert seen == [n == molecule for n in range(5)]


def test_a_batch_rotates_with_its_molecules(model: DenSNet) -> None:
    frames = molecules()
    rotation = o3.rand_matrix(dtype=torch.float64)
    _, energy, dipole = predicted(model, batch(model, frames))
    _, turned, turned_dipole = predicted(model, batch(model, [(z, r @ rotation.T) for z, r in frames]))
    torch.testing.assert_close(turned, energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(turned_dipole, dipole @ rotation.T, rtol=0, atol=1e-9)


def test_two_unlike_molecules_far_apart_are_their_sum(model: DenSNet) -> None:
    (methanol, water) = molecules()
    apart = torch.tensor([100.0, 0.0, 0.0])
    numbers = np.concatenate([methanol[0], water[0]])
    pair = batch(model, [(numbers, torch.cat([methanol[1][:1], water[1][:1] + apart], dim=1))])
    alone = batch(model, [(methanol[0], methanol[1][:1]), (water[0], water[1][:1])])
    (x_pair, u_pair), (x_alone, u_alone) = model.density(pair), model.density(alone)
    torch.testing.assert_close(x_pair, x_alone, rtol=0, atol=1e-11)
    q = model.density.whitened.charge[alone.element]
    assert float(alone.sum_over_atoms((x_alone[:, 0] * q).sum(1)).abs().max()) < 1e-11
    energies = model.energy(pair, u_pair), model.energy(alone, u_alone)
    torch.testing.assert_close(energies[0][0], energies[1].sum(), rtol=0, atol=1e-10)


def test_a_tree_finds_the_neighbours_that_all_pairs_have(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = oligomer("thiophene", 8, count=3, seed=1)
    positions = torch.as_tensor(np.stack([molecule.positions for molecule in chain.molecules]))
    element = torch.zeros(positions.shape[1], dtype=torch.long)
    by_pairs = replicate(element, positions, 5.0)
    monkeypatch.setattr(graphs, "TREE_FROM", 0)
    by_tree = replicate(element, positions, 5.0)
    assert torch.equal(by_pairs.sender, by_tree.sender)
    alone = replicate(element[:1], torch.zeros(2, 1, 3), 5.0)
    assert alone.sender.tolist() == [[0], [1]]
    with pytest.raises(DensnetError, match="at the same place"):
        replicate(element[:2], torch.zeros(1, 2, 3), 5.0)
    with pytest.raises(DensnetError, match="expected finite numbers"):
        replicate(element[:2], torch.full((1, 2, 3), torch.nan), 5.0)
