"""Training that goes on from an earlier model: its weights and scales are those that it begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from densnet.errors import DensnetError
from densnet.models.checkpoint import load_model
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.training.density import train_density
from densnet.training.energy import train_energy
from densnet.training.settings import DensityTrainingSettings, EnergyTrainingSettings

DENSITY = DensityModelSettings(channels=4, edge_channels=2, cutoff=3.0, layers=1, body_order=2)
ENERGY = EnergyModelSettings(channels=4, edge_channels=2, cutoff=3.0, layers=1, body_order=2, l_max=1, l_density=1)
STILL = 1e-12
"""A rate at which float32 weights do not move."""


@pytest.fixture(scope="module")
def trained(water_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    density(water_labels, folder, DENSITY, DensityTrainingSettings(steps=20, batch_size=4), None)
    energy(water_labels, folder, ENERGY, EnergyTrainingSettings(steps=20, batch_size=4), None)
    return folder


def density(
    labels: Path, folder: Path, model: DensityModelSettings, training: DensityTrainingSettings, start: Path | None
) -> None:
    train_density(labels, model, training, output=folder / "density.pt", log=folder / "density.csv", start=start)


def energy(
    labels: Path, folder: Path, model: EnergyModelSettings, training: EnergyTrainingSettings, start: Path | None
) -> None:
    paths = {"output": folder / "energy.pt", "combined": folder / "model.pt", "log": folder / "energy.csv"}
    train_energy(labels, folder / "density.pt", model, training, **paths, start=start)


def test_a_training_that_does_not_move_ends_where_it_began(water_labels: Path, trained: Path, tmp_path: Path) -> None:
    still = {"steps": 1, "batch_size": 4, "learning_rate": STILL, "seed": 2}
    density(water_labels, tmp_path, DENSITY, DensityTrainingSettings(**still), trained / "density.pt")
    energy(water_labels, tmp_path, ENERGY, EnergyTrainingSettings(**still), trained / "model.pt")
    before, after = (load_model(folder / "model.pt") for folder in (trained, tmp_path))
    for name in ("density", "energy"):
        weights = dict(getattr(before, name).named_parameters())
        for parameter, value in getattr(after, name).named_parameters():
            # Adam's first step is the rate, whatever the gradient; the average forgets none of so small a change
            assert (value - weights[parameter]).abs().max() < 1e-9, (name, parameter)
    assert before.energy is not None and after.energy is not None
    assert float(after.energy.scale) == float(before.energy.scale)
    assert (after.energy.edges.closest <= before.energy.edges.closest).all()


def test_another_architecture_to_start_from_is_refused(water_labels: Path, trained: Path, tmp_path: Path) -> None:
    other = DensityModelSettings(channels=5, edge_channels=2, cutoff=3.0, layers=1, body_order=2)
    with pytest.raises(DensnetError, match=r"start: .*expected a model of the same architecture"):
        density(water_labels, tmp_path, other, DensityTrainingSettings(steps=1), trained / "density.pt")


def test_a_density_model_alone_is_no_start_for_an_energy(water_labels: Path, trained: Path, tmp_path: Path) -> None:
    density(water_labels, tmp_path, DENSITY, DensityTrainingSettings(steps=1), None)
    with pytest.raises(DensnetError, match=r"start: .* has no energy model"):
        energy(water_labels, tmp_path, ENERGY, EnergyTrainingSettings(steps=1), trained / "density.pt")
