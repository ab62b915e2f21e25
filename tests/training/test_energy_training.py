"""The energy model learns energies and forces through the frozen density model; evaluation measures both."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from densnet.basis.integrals import charges
from densnet.errors import DensnetError
from densnet.models.checkpoint import load_model
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.training import loop
from densnet.training.density import train_density
from densnet.training.energy import train_energy
from densnet.training.energy_targets import energy_targets
from densnet.training.evaluation import evaluate_model
from densnet.training.fine_tuning import joint_errors
from densnet.training.labels import load_labels
from densnet.training.settings import DensityTrainingSettings, EnergyTrainingSettings

SMALL = EnergyModelSettings(channels=8, edge_channels=4, l_max=2, cutoff=3.0)


@pytest.fixture(scope="module")
def density(water_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("density")
    settings = DensityModelSettings(channels=8, edge_channels=4, cutoff=3.0)
    training = DensityTrainingSettings(steps=100, batch_size=4)
    train_density(water_labels, settings, training, output=folder / "density.pt", log=folder / "density.csv")
    return folder / "density.pt"


def train(labels: Path, density: Path, folder: Path, **changes: float) -> DenSNet:
    training = EnergyTrainingSettings(**{"steps": 60, "batch_size": 4, "checkpoint_seconds": 0.0, **changes})  # type: ignore[arg-type]
    return train_energy(
        labels,
        density,
        SMALL,
        training,
        output=folder / "energy.pt",
        combined=folder / "model.pt",
        log=folder / "energy.csv",
    )


def test_forces_by_jacobian_equal_forces_through_both_networks(
    water_labels: Path, density: Path, tmp_path: Path
) -> None:
    model = train(water_labels, density, tmp_path, steps=5)
    labels = load_labels(water_labels)
    # of frames learned from, for the wall between nuclei that come nearer is not in the targets
    rows = labels.frames("train")
    assert model.energy is not None
    targets = energy_targets(labels, model.density, model.energy, rows, stored=True, device=torch.device("cpu"))
    positions = targets.positions.requires_grad_(True)
    u = targets.u.requires_grad_(True)
    from densnet.models.graph import replicate

    graph = replicate(model.elements_of(labels.numbers), positions, 3.0)
    energy = model.energy(graph, u.flatten(0, 1))
    direct, by_density = torch.autograd.grad(energy.sum(), (positions, u))
    through = torch.einsum("tk,tkx->tx", by_density.flatten(1), targets.jacobian).reshape(positions.shape)
    expected = model(model.elements_of(labels.numbers), positions).forces
    # float32 throughout, forces of some eV/Angstrom
    torch.testing.assert_close(-(direct + through), expected, rtol=0, atol=2e-4)
    assert float(through.abs().max()) > 1e-3, "the density must matter to the energy"


@pytest.mark.slow
def test_training_and_evaluation(water_labels: Path, density: Path, tmp_path: Path) -> None:
    train(water_labels, density, tmp_path, steps=300)
    evaluation = evaluate_model(water_labels, tmp_path / "model.pt", tmp_path / "evaluation.nc")
    assert (tmp_path / "energy.pt").exists()
    assert evaluation.sizes["frame"] == 3
    forces = evaluation["forces_reference"].values
    error = np.abs(evaluation["forces_predicted"].values - forces)
    assert error.mean() < 0.2 * np.abs(forces).mean()
    assert float(evaluation["charge_error"].max()) < 1e-5
    assert (evaluation["nmae"] < 0.3 * evaluation["prior_nmae"]).all()
    assert (evaluation["floor_nmae"] < evaluation["nmae_true"]).all()
    # the triangle inequality of an absolute error
    assert (evaluation["nmae_true"] <= evaluation["nmae"] + evaluation["floor_nmae"] + 1e-9).all()
    with xr.open_dataset(tmp_path / "evaluation.nc") as written:
        assert all({"units", "long_name"} <= set(written[name].attrs) for name in written.data_vars)


def test_resumed_training_equals_an_undisturbed_one(
    water_labels: Path, density: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = train(water_labels, density, tmp_path / "a", validate_every=10, steps=30)
    step, calls = loop.TrainingRun._one_step, []

    def killed(self: loop.TrainingRun, *args: object) -> float:
        calls.append(self.step)
        if len(calls) == 26:
            raise KeyboardInterrupt
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(loop.TrainingRun, "_one_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(water_labels, density, tmp_path / "b", validate_every=10, steps=30)
    resumed = train(water_labels, density, tmp_path / "b", validate_every=10, steps=30)
    assert calls[26] == 25
    before, after = undisturbed.state_dict(), resumed.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_forces_through_both_networks_are_the_gradient_of_the_energy(water_labels: Path, density: Path) -> None:
    labels, trained = load_labels(water_labels), load_model(density)
    torch.manual_seed(0)
    network = EnergyModel(SMALL, trained.density.whitened, mean_neighbours=2.0).double()
    model = trained.density.double()
    targets = energy_targets(
        labels, model.float(), network.float(), labels.frames("test"), stored=False, device=torch.device("cpu")
    )
    model, network = model.double(), network.double()
    exact = replace(targets, **{n: getattr(targets, n).double() for n in ("positions", "energy", "forces")})
    rows, h = torch.arange(2), 1e-4
    errors = joint_errors(network, model, [(exact, rows)], differentiable=False)
    assert errors.atoms.tolist() == [3.0, 3.0]

    def energies(step: float) -> torch.Tensor:
        moved = exact.positions.clone()
        moved[:, 1, 2] += step
        return joint_errors(network, model, [(replace(exact, positions=moved), rows)], differentiable=False).energy

    by_differences = -(energies(h) - energies(-h)) / (2 * h)
    found = errors.forces.view(2, 3, 3)[:, 1, 2] + exact.forces[rows][:, 1, 2]
    # central differences: an error of h² times third derivatives of some 10 eV/Angstrom³
    torch.testing.assert_close(found, by_differences.detach(), rtol=0, atol=1e-6)


def test_fine_tuning_improves_both_and_resumes_exactly(
    water_labels: Path, density: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, float] = {"steps": 20, "validate_every": 5, "fine_tune_steps": 20}
    tuned = train(water_labels, density, tmp_path / "a", **settings)
    with (tmp_path / "a" / "energy_fine_tuning.csv").open() as log:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(log)]
    assert len(losses) == 4 and losses[-1] < losses[0]
    before, after = load_model(density).density.state_dict(), tuned.density.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before), "the density learns too"
    numbers = load_labels(water_labels).numbers
    positions = load_labels(water_labels).dataset["positions"].values[:2]
    counted = tuned.coefficients(numbers, positions) @ charges(tuned.density.whitened.basis, numbers)
    assert np.abs(counted - 10).max() < 1e-8
    step, calls = loop.TrainingRun._one_step, []

    def killed(self: loop.TrainingRun, *args: object) -> float:
        calls.append(self.step)
        if len(calls) == 33:
            raise KeyboardInterrupt
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(loop.TrainingRun, "_one_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(water_labels, density, tmp_path / "b", **settings)
    resumed = train(water_labels, density, tmp_path / "b", **settings)
    assert calls[33:] == [19, *range(12, 20)], (
        "the first part's last step, which no checkpoint holds, and the second's left"
    )
    assert all(torch.equal(tuned.state_dict()[name], resumed.state_dict()[name]) for name in tuned.state_dict())
    assert not list((tmp_path / "b").glob("*.checkpoint"))
    with pytest.raises(DensnetError, match="fine_tune_rate: expected a number of more than 0"):
        EnergyTrainingSettings(fine_tune_rate=0.0)


def test_a_density_model_of_another_basis_is_refused(water_labels: Path, density: Path, tmp_path: Path) -> None:
    from densnet.basis.basis import Basis
    from densnet.io.netcdf import read_dataset, settings_of, write_dataset

    data = read_dataset(water_labels, stage="fit")
    other = Basis.from_name("cc-pVTZ-JKFIT", [1, 8])
    size = other.n_functions([8, 1, 1])
    changed = data.drop_vars(["coefficients", "prior"]).assign(
        coefficients=(("frame", "k"), np.zeros((data.sizes["frame"], size)), data["coefficients"].attrs),
        prior=(("k",), np.zeros(size), data["prior"].attrs),
    )
    changed.attrs["fit_basis"] = other.to_json()
    path = tmp_path / "labels.nc"
    write_dataset(changed, path, stage="fit", method_version=1, settings=settings_of(data))
    with pytest.raises(DensnetError, match="expected a model of the labels' fit basis 'cc-pVTZ-JKFIT'"):
        train(path, density, tmp_path)
    load_model(density)
