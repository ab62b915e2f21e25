"""Beyond the labels: the wall between nuclei, distances that are held, energies bounded from below; earlier files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet.models.checkpoint import load_model
from densnet.models.energy_model import BELOW
from densnet.models.graph import replicate
from densnet.models.repulsion import Repulsion, closest_distances
from densnet.nn.edges import HELD, MARGIN, EdgeFunctions

MODELS = Path(__file__).parents[2] / "models"
HYDROGENS = torch.tensor([0, 0])


def wall(closest: torch.Tensor, element: torch.Tensor, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies and slopes of pairs of hydrogen and carbon at distances r."""
    repulsion = Repulsion((1, 6)).double()
    positions = torch.zeros(len(r), 2, 3, dtype=torch.float64)
    positions[:, 1, 2] = r
    graph = replicate(element, positions, 5.0)
    ends = (element.repeat(len(r)).view(-1, 2) @ torch.tensor([[1, 2], [2, 1]])).flatten()
    energy, share = repulsion(graph, graph.edges()[0], ends, closest)
    return energy, share.view(len(r), 2).sum(1)


def test_two_hydrogens_at_1_3_angstrom_are_worth_0_46_electronvolts() -> None:
    energy, _ = wall(torch.full((4,), 1e3), HYDROGENS, torch.tensor([1.3]).double())
    # far below the cutoff; 14.3996 eV Å / 1.3 Å times φ(1.3 / 0.23427), by hand
    assert float(energy) == pytest.approx(0.464, abs=0.005)


def test_it_is_nothing_beyond_the_closest_that_was_learned_and_a_smooth_wall_within() -> None:
    positions = torch.zeros(2, 3, 3, dtype=torch.float64)
    positions[:, 1, 0], positions[:, 2, 0] = torch.tensor([1.2, 1.1]), torch.tensor([-1.0, -1.3])
    closest = closest_distances((1, 6), [(np.array([6, 1, 1]), positions)])
    assert closest.tolist() == pytest.approx([2.2, 1.0, 1.0, 2 * 0.76]), "two carbons were never seen: covalent radii"
    r = torch.linspace(0.05, 1.05, 2001, dtype=torch.float64)
    energy, slope = wall(closest, torch.tensor([0, 1]), r)
    assert (energy[r > 1.0] == 0).all()
    assert (energy[r < 0.99] > 0).all() and (slope[r < 0.99] < 0).all()
    assert energy[0] > 500
    differences = (energy[2:] - energy[:-2]) / (r[2:] - r[:-2])
    # central differences err by h² E''' / 6, most where the wall is steepest
    torch.testing.assert_close(slope[1:-1], differences, rtol=1e-3, atol=1e-4)


def test_forces_of_the_whole_are_its_gradient_within_the_wall() -> None:
    model = random_model()
    assert model.energy is not None and model.energy.repulsion is not None
    element, positions = model.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS)
    before = model(element, positions[None])
    for network in (model.density, model.energy):
        network.edges.closest.fill_(1.6)
    assert float(model(element, positions[None]).energy - before.energy) > 1.0
    forces = model(element, positions[None]).forces[0]
    h = 1e-4
    for atom, axis in ((0, 0), (2, 1), (5, 2)):
        step = torch.zeros_like(positions)
        step[atom, axis] = h
        ahead, behind = model(element, torch.stack([positions + step, positions - step])).energy
        assert float(forces[atom, axis]) == pytest.approx(float(behind - ahead) / (2 * h), abs=1e-5)


def test_radial_functions_are_held_below_the_closest_distance_and_as_they_are_beyond() -> None:
    edges = EdgeFunctions(1, 2, cutoff=4.0).double()
    edges.closest.fill_(1.0)
    r = torch.linspace(0.1, 2.0, 1901, dtype=torch.float64, requires_grad=True)
    seen, slope = edges.held(r, torch.zeros(len(r), dtype=torch.long))
    assert (seen[r >= MARGIN] == r[r >= MARGIN]).all()
    assert float(seen.detach().min()) >= MARGIN - HELD - 1e-12
    (differentiated,) = torch.autograd.grad(seen.sum(), r)
    torch.testing.assert_close(slope, differentiated)


def test_energies_are_bounded_from_below_and_unchanged_above() -> None:
    model = random_model()
    assert model.energy is not None
    element, positions = model.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS)[None]
    free = model(element, positions)
    reference = float(model.energy.reference_energy(replicate(element, positions, 4.0)))
    model.energy.least.fill_(-1e3)
    torch.testing.assert_close(model(element, positions).energy, free.energy, rtol=0, atol=1e-12)
    model.energy.least.fill_(5.0)
    with torch.no_grad():
        model.energy.readout[2].weight.mul_(50.0)
    bounded = model(element, positions)
    assert float(bounded.energy) - reference >= len(METHANOL) * (5.0 - 2 * BELOW) - 1e-9
    step = torch.zeros_like(positions)
    step[0, 2, 1] = h = 1e-5
    ahead, behind = (model(element, positions + sign * step).energy for sign in (1, -1))
    # hundreds of eV/Angstrom where the bound bends: rounding of thousands of eV over 2e-5
    assert float(bounded.forces[0, 2, 1]) == pytest.approx(float(behind - ahead) / (2 * h), abs=1e-4)


def test_files_of_earlier_versions_have_neither_wall_nor_bounds_nor_balance_around_atoms(tmp_path: Path) -> None:
    content = torch.load(MODELS / "polythiophene.pt", weights_only=True)
    description = json.loads(content["description"])
    for name in ("repulsion", "product_bound"):
        description["energy_model"].pop(name, None)
    description["density_model"].pop("charge_balance", None)
    for network in ("density", "energy"):
        content[network].pop("edges.closest", None)
    content["energy"].pop("least", None)
    torch.save(content | {"description": json.dumps(description)}, tmp_path / "earlier.pt")
    model = load_model(tmp_path / "earlier.pt")
    assert model.energy is not None and model.energy.repulsion is None and model.energy.settings.product_bound == 0
    assert model.density.settings.charge_balance == "global"
    assert not model.density.edges.closest.any() and not model.energy.edges.closest.any()
    assert torch.isinf(model.energy.least).all()
