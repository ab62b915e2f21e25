"""Model files hold all that inference needs, and refuse what is not ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet import DenSNetCalculator
from densnet.errors import DensnetError
from densnet.models.checkpoint import load_model, read_description, save_model
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    save_model(random_model().float(), path, provenance={"n_train": 3, "seed": 1})
    return path


def test_a_file_gives_the_same_model(model_file: Path) -> None:
    # torch rounds products differently when gradients may be asked for
    original, loaded = random_model().float().requires_grad_(False), load_model(model_file)
    element, positions = original.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS)[None]
    before, after = original(element, positions), loaded(element, positions)
    assert torch.equal(before.energy, after.energy)
    assert torch.equal(before.forces, after.forces)
    np.testing.assert_array_equal(
        original.coefficients(METHANOL, METHANOL_POSITIONS[None]),
        loaded.coefficients(METHANOL, METHANOL_POSITIONS[None]),
    )
    assert read_description(model_file)["provenance"]["n_train"] == 3


def test_the_energy_model_keeps_its_own_number_of_neighbours(tmp_path: Path) -> None:
    model = random_model()
    assert model.energy is not None
    torch.manual_seed(3)
    other = EnergyModel(model.energy.settings, model.density.whitened, mean_neighbours=2.0)
    # as read from a file: in single precision
    different = DenSNet(model.density, other, model.free_atoms).float().requires_grad_(False)
    save_model(different, tmp_path / "m.pt", provenance={})
    element, positions = different.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS)[None]
    again = load_model(tmp_path / "m.pt")
    assert torch.equal(again(element, positions).energy, different(element, positions).energy)


def test_calculator(model_file: Path) -> None:
    atoms = Atoms(METHANOL, METHANOL_POSITIONS)
    atoms.calc = DenSNetCalculator(model_file, dtype="float64")
    step, forces = 1e-4, atoms.get_forces()
    ahead, behind = atoms.copy(), atoms.copy()
    ahead.positions[2, 1] += step
    behind.positions[2, 1] -= step
    ahead.calc = behind.calc = DenSNetCalculator(model_file, dtype="float64")
    numeric = -(ahead.get_potential_energy() - behind.get_potential_energy()) / (2 * step)
    assert abs(numeric - forces[2, 1]) < 1e-6 * np.abs(forces).max()
    density = atoms.calc.density(atoms)
    assert abs(density.n_electrons - METHANOL.sum()) < 1e-5
    np.testing.assert_allclose(density.dipole(), atoms.get_dipole_moment(), atol=1e-5)


@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "foreign", "pickle"])
def test_what_is_not_a_model_is_refused(model_file: Path, damage: str) -> None:
    if damage == "missing":
        model_file.unlink()
    elif damage == "truncated":
        content = model_file.read_bytes()
        model_file.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        model_file.write_text("no model")
    elif damage == "foreign":
        torch.save({"state_dict": {"weight": torch.ones(3)}}, model_file)
    else:
        torch.save(torch.nn.Linear(2, 2), model_file)
    with pytest.raises(DensnetError, match=r"model\.pt: ") as caught:
        load_model(model_file)
    assert "\n" not in str(caught.value)


def test_unknown_element_and_density_alone(model_file: Path, tmp_path: Path) -> None:
    model = load_model(model_file)
    with pytest.raises(DensnetError, match=r"found \[16\]"):
        model.elements_of(np.array([16, 1, 1]))
    alone = tmp_path / "density.pt"
    save_model(DenSNet(model.density, None, model.free_atoms), alone, provenance={})
    density_only = load_model(alone)
    with pytest.raises(DensnetError, match="density model alone"):
        density_only(density_only.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS)[None])


def test_atoms_at_one_place_are_refused(model_file: Path) -> None:
    model = load_model(model_file)
    with pytest.raises(DensnetError, match="same place"):
        model(model.elements_of(np.array([1, 1])), torch.zeros(1, 2, 3))
