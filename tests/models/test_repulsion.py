"""The wall between nuclei: its height, nothing where labels speak, forces that are its gradient, old files without it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet.models.checkpoint import load_model
from densnet.models.graph import replicate
from densnet.models.repulsion import Repulsion

HYDROGENS = torch.tensor([0, 0])


def wall(repulsion: Repulsion, element: torch.Tensor, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies and slopes of pairs at distances r."""
    positions = torch.zeros(len(r), 2, 3, dtype=torch.float64)
    positions[:, 1, 2] = r
    graph = replicate(element, positions, 5.0)
    energy, share = repulsion(graph, graph.edges()[0])
    return energy, share.view(len(r), 2).sum(1)


def test_two_hydrogens_at_1_3_angstrom_are_worth_0_46_electronvolts() -> None:
    repulsion = Repulsion((1, 6)).double()
    repulsion.closest.fill_(1e3)
    energy, _ = wall(repulsion, HYDROGENS, torch.tensor([1.3]).double())
    # far below the cutoff; 14.3996 eV Å / 1.3 Å times φ(1.3 / 0.23427), by hand
    assert float(energy) == pytest.approx(0.464, abs=0.005)


def test_it_is_nothing_beyond_the_closest_that_was_learned_and_a_smooth_wall_within() -> None:
    repulsion = Repulsion((1, 6)).double()
    positions = torch.zeros(2, 3, 3, dtype=torch.float64)
    positions[:, 1, 0], positions[:, 2, 0] = torch.tensor([1.2, 1.1]), torch.tensor([-1.0, -1.3])
    repulsion.set_closest([(torch.tensor([1, 0, 0]), positions)])
    assert repulsion.closest[0, 0] == pytest.approx(2.2)
    assert repulsion.closest[0, 1] == repulsion.closest[1, 0] == pytest.approx(1.0)
    assert repulsion.closest[1, 1] == pytest.approx(2 * 0.76), "two carbons were never seen: covalent radii"
    r = torch.linspace(0.05, 1.05, 2001, dtype=torch.float64)
    energy, slope = wall(repulsion, torch.tensor([0, 1]), r)
    assert (energy[r > 1.0] == 0).all()
    assert (energy[r < 0.99] > 0).all() and (slope[r < 0.99] < 0).all()
    assert energy[0] > 500
    differences = (energy[2:] - energy[:-2]) / (r[2:] - r[:-2])
    # central differences err by h² E''' / 6, most where the wall is steepest
    torch.testing.assert_close(slope[1:-1], differences, rtol=1e-3, atol=1e-4)


def test_forces_of_the_whole_are_its_gradient_within_the_wall() -> None:
    model = random_model()
    assert model.energy is not None and model.energy.repulsion is not None
    model.energy.repulsion.closest.fill_(1.6)
    element, positions = model.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS)
    graph = replicate(element, positions[None], 4.0)
    assert float(model.energy.repulsion(graph, graph.edges()[0])[0]) > 1.0
    forces = model(element, positions[None]).forces[0]
    h = 1e-4
    for atom, axis in ((0, 0), (2, 1), (5, 2)):
        step = torch.zeros_like(positions)
        step[atom, axis] = h
        ahead, behind = model(element, torch.stack([positions + step, positions - step])).energy
        assert float(forces[atom, axis]) == pytest.approx(float(behind - ahead) / (2 * h), abs=1e-5)


def test_files_of_earlier_versions_have_neither_wall_nor_bound(tmp_path: Path) -> None:
    earlier = Path(__file__).parents[2] / "models" / "polythiophene.pt"
    model = load_model(earlier)
    assert model.energy is not None
    assert model.energy.settings.repulsion in ("none", "zbl")
