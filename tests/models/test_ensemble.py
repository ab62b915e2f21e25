"""An ensemble predicts the mean of its members, and its spread is their standard deviation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet import DenSNetCalculator
from densnet.basis.integrals import charges
from densnet.errors import DensnetError
from densnet.models.checkpoint import join_models, load_ensemble, load_model, read_descriptions, save_model
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel
from densnet.models.whitened_basis import WhitenedBasis
from densnet.potentials.model import ModelPotential

ATOMS = Atoms(METHANOL, METHANOL_POSITIONS)
FRAMES = METHANOL_POSITIONS + 0.05 * np.random.default_rng(2).normal(size=(3, 6, 3))


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models that differ by their random weights."""
    folder = tmp_path_factory.mktemp("members")
    paths = [folder / f"{number}.pt" for number in (1, 2, 3)]
    for number, path in enumerate(paths):
        model = random_model().float()
        generator = torch.Generator().manual_seed(number)
        for parameter in model.parameters():
            parameter.data += (
                0.05 * parameter.std(correction=0).detach() * torch.randn(parameter.shape, generator=generator)
            )
        save_model(model, path, provenance={"n_train": 3, "seed": number})
    return paths


@pytest.fixture(scope="module")
def joined(members: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("joined") / "model.pt"
    join_models(members, path)
    return path


def test_mean_and_spread_are_those_of_the_members(members: list[Path], joined: Path) -> None:
    """In float64, so that the order of sums does not matter."""
    alone = []
    for path in members:
        atoms = ATOMS.copy()
        atoms.calc = DenSNetCalculator(path, dtype="float64")
        atoms.get_forces()
        assert set(atoms.calc.results) == {"energy", "free_energy", "forces", "dipole"}
        alone.append(atoms.calc.results | {"density": atoms.calc.density(atoms)})
    atoms = ATOMS.copy()
    atoms.calc = calculator = DenSNetCalculator(joined, dtype="float64")
    energy, forces, dipole = ([one[name] for one in alone] for name in ("energy", "forces", "dipole"))
    np.testing.assert_allclose(atoms.get_potential_energy(), np.mean(energy), atol=1e-9)
    np.testing.assert_allclose(atoms.get_forces(), np.mean(forces, axis=0), atol=1e-12)
    np.testing.assert_allclose(atoms.get_dipole_moment(), np.mean(dipole, axis=0), atol=1e-12)
    spread = calculator.results
    assert calculator.get_property("energy_spread", atoms) == spread["energy_spread"]
    np.testing.assert_allclose(spread["energy_spread"], np.std(energy, ddof=1), rtol=1e-6)
    of_components = np.var(forces, axis=0, ddof=1)
    np.testing.assert_allclose(spread["forces_spread"], np.sqrt(of_components.mean(axis=1)), rtol=1e-9)
    np.testing.assert_allclose(spread["dipole_spread"], np.sqrt(np.var(dipole, axis=0, ddof=1).sum()), rtol=1e-9)
    assert spread["energy_spread"] > 1e-3 and spread["forces_spread"].min() > 1e-4 and spread["dipole_spread"] > 1e-4

    points = METHANOL_POSITIONS + 0.4
    densities = [one["density"].at(points) for one in alone]
    np.testing.assert_allclose(calculator.density(atoms).at(points), np.mean(densities, axis=0), rtol=1e-9)
    sigma = calculator.density_spread(atoms).at(points)
    np.testing.assert_allclose(sigma, np.std(densities, axis=0, ddof=1), rtol=1e-6)
    assert sigma.min() > 0


def test_forces_are_the_gradient_of_the_mean_energy(joined: Path) -> None:
    """Central difference of 1e-4 Å in float64: exact to the third derivative times 1e-8 Å²/6."""
    atoms = ATOMS.copy()
    atoms.calc = DenSNetCalculator(joined, dtype="float64")
    forces = atoms.get_forces()
    step = 1e-4
    for atom, axis in ((0, 0), (2, 1), (5, 2)):
        energies = []
        for sign in (1, -1):
            atoms.positions = METHANOL_POSITIONS
            atoms.positions[atom, axis] += sign * step
            energies.append(atoms.get_potential_energy())
        assert abs(-(energies[0] - energies[1]) / (2 * step) - forces[atom, axis]) < 1e-6 * np.abs(forces).max()


def test_batches_coefficients_and_charge(members: list[Path], joined: Path) -> None:
    models, ensemble = [load_model(path) for path in members], load_ensemble(joined)
    assert len(ensemble) == 3 and [one["provenance"]["seed"] for one in read_descriptions(joined)] == [0, 1, 2]
    element, positions = ensemble.elements_of(METHANOL), torch.as_tensor(FRAMES)
    together, alone = ensemble(element, positions), [model(element, positions) for model in models]
    assert torch.equal(together.energy, torch.stack([one.energy for one in alone]).mean(0))
    assert torch.equal(together.forces, torch.stack([one.forces for one in alone]).mean(0))
    coefficients = ensemble.coefficients(METHANOL, FRAMES)
    every = [model.coefficients(METHANOL, FRAMES) for model in models]
    np.testing.assert_allclose(coefficients, np.mean(every, axis=0), atol=1e-12)
    assert np.abs(every[0] - every[1]).max() > 1e-4
    np.testing.assert_allclose(coefficients @ charges(ensemble.basis, METHANOL), METHANOL.sum(), atol=1e-5)
    np.testing.assert_array_equal(ensemble.prior(METHANOL), models[0].prior(METHANOL))


def test_dynamics_move_on_the_mean(joined: Path) -> None:
    found = ModelPotential.from_file(joined, METHANOL, recorded=False)(FRAMES)
    expected = load_ensemble(joined)(load_ensemble(joined).elements_of(METHANOL), torch.as_tensor(FRAMES))
    np.testing.assert_array_equal(found["energy"], expected.energy)
    np.testing.assert_array_equal(found["forces"], expected.forces)


def test_identical_members_have_no_spread(members: list[Path], tmp_path: Path) -> None:
    """Mean and variance of equal numbers are exact to rounding, of total energies of 1e4 eV in float64."""
    join_models([members[0]] * 3, tmp_path / "model.pt")
    one, three = (DenSNetCalculator(path) for path in (members[0], tmp_path / "model.pt"))
    for calculator in (one, three):
        calculator.calculate(ATOMS)
    for name in ("energy", "forces", "dipole"):
        np.testing.assert_allclose(three.results[name], one.results[name], rtol=1e-6, atol=1e-6)
    assert three.results["energy_spread"] < 1e-9
    assert np.max(three.results["forces_spread"]) < 1e-5 and three.results["dipole_spread"] < 1e-6
    assert three.density_spread(ATOMS).at(METHANOL_POSITIONS + 0.3).max() < 1e-9


def test_an_ensemble_of_one_is_the_model(members: list[Path], tmp_path: Path) -> None:
    join_models(members[:1], tmp_path / "model.pt")
    for path in (members[0], tmp_path / "model.pt"):
        model, ensemble = load_model(path), load_ensemble(path)
        element, positions = model.elements_of(METHANOL), torch.as_tensor(FRAMES)
        for name, value in vars(model(element, positions)).items():
            assert torch.equal(vars(ensemble(element, positions))[name], value), name
        np.testing.assert_array_equal(ensemble.coefficients(METHANOL, FRAMES), model.coefficients(METHANOL, FRAMES))
    with pytest.raises(DensnetError, match="expected an ensemble, found one model"):
        DenSNetCalculator(members[0]).density_spread(ATOMS)


def test_an_ensemble_can_be_joined_further_but_is_no_single_model(
    members: list[Path], joined: Path, tmp_path: Path
) -> None:
    assert len(join_models([joined, members[0]], tmp_path / "model.pt")) == 4
    with pytest.raises(DensnetError, match=r"model\.pt: expected one model, found an ensemble of 3") as caught:
        load_model(joined)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["fit basis", "free atoms", "charge", "elements", "kind of model"])
def test_models_that_do_not_belong_together_are_refused(members: list[Path], tmp_path: Path, what: str) -> None:
    model = random_model(charge=1 if what == "charge" else 0).float()
    density, energy, prior = model.density, model.energy, model.free_atoms
    if what == "free atoms":
        prior = 1.001 * prior
    elif what == "kind of model":
        energy = None
    elif what in ("fit basis", "elements"):
        basis = density.whitened.basis
        elements = (1, 6) if what == "elements" else (1, 6, 8)
        if what == "fit basis":
            basis = type(basis).from_name("def2-universal-JFIT", [1, 6, 8])
        whitened = WhitenedBasis(basis, elements)
        density = DensityModel(density.settings, whitened, charge=0, mean_neighbours=5.0)
        energy = EnergyModel(model.energy.settings, whitened, mean_neighbours=5.0)
        prior = torch.zeros(len(elements), whitened.n_max, dtype=torch.float64)
    save_model(DenSNet(density, energy, prior), tmp_path / "other.pt", provenance={})
    with pytest.raises(DensnetError, match=rf"other\.pt: expected the {what}.* of .*1\.pt, found another") as caught:
        join_models([members[0], tmp_path / "other.pt"], tmp_path / "model.pt")
    assert "\n" not in str(caught.value) and not (tmp_path / "model.pt").exists()


def test_damaged_and_missing_members_are_refused(members: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no model")
    for bad in ("absent.pt", "text.pt"):
        with pytest.raises(DensnetError, match=bad):
            join_models([members[0], tmp_path / bad], tmp_path / "model.pt")
