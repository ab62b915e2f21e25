"""One model of several molecules: what a step sees, offsets by least squares, exact resume, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, settings_of, write_dataset
from densnet.models.checkpoint import load_model, read_description
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.training import density as density_training
from densnet.training import energy as energy_training
from densnet.training import loop
from densnet.training.density import train_density
from densnet.training.energy import reference_energies, train_energy
from densnet.training.energy_targets import energy_targets
from densnet.training.evaluation import evaluate_model
from densnet.training.labels import load_labels
from densnet.training.settings import DensityTrainingSettings, EnergyTrainingSettings
from densnet.training.training_set import TrainingSet

SMALL = DensityModelSettings(channels=8, edge_channels=4, l_max=4, cutoff=3.0)
SHORT = DensityTrainingSettings(steps=20, batch_size=5, validate_every=10, checkpoint_seconds=0.0)
ENERGY = EnergyModelSettings(channels=8, edge_channels=4, l_max=2, cutoff=3.0)
ENERGY_SHORT = EnergyTrainingSettings(steps=12, batch_size=5, validate_every=6, checkpoint_seconds=0.0)


@pytest.fixture(scope="module")
def trained(alkane_labels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with density and energy models of methane and ethane."""
    folder = tmp_path_factory.mktemp("family")
    density(alkane_labels[:2], folder)
    energy(alkane_labels[:2], folder)
    return folder


def density(labels: list[Path], folder: Path, **changes: object) -> None:
    training = replace(SHORT, **changes)  # type: ignore[arg-type]
    train_density(labels, SMALL, training, output=folder / "density.pt", log=folder / "density.csv")


def energy(labels: list[Path], folder: Path, *, beside: Path | None = None, **changes: object) -> None:
    train_energy(
        labels,
        (beside or folder) / "density.pt",
        ENERGY,
        replace(ENERGY_SHORT, **changes),  # type: ignore[arg-type]
        output=folder / "energy.pt",
        combined=folder / "model.pt",
        log=folder / "energy.csv",
    )


def weights(path: Path) -> dict[str, torch.Tensor]:
    model = load_model(path)
    networks = [model.density, *([model.energy] if model.energy else [])]
    return {f"{n}.{name}": value for n, one in enumerate(networks) for name, value in one.state_dict().items()}


def test_rows_of_all_frames_find_their_file() -> None:
    data = TrainingSet(files=[None] * 3, train=[np.arange(n) for n in (5, 1, 2)], validation=[], fingerprints=[])  # type: ignore[list-item]
    found = {number: rows.tolist() for number, rows in data.by_file(torch.tensor([7, 0, 5, 6]))}
    assert found == {0: [0], 1: [0], 2: [1, 0]}


def test_a_batch_s_loss_is_that_of_its_molecules_one_by_one(
    alkane_labels: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watch what training asks of the loss: over unequal molecules it is the mean of what each has alone."""
    whole, seen = density_training.density_loss, []

    def watched(network: Any, parts: Any, weight: float) -> Any:
        found = whole(network, parts, weight)
        alone = [whole(network, [(one, t, row[None])], weight)[0] for one, t, rows in parts for row in rows]
        seen.append((len(parts), float(found[0].detach()), float(torch.stack(alone).detach().mean())))
        return found

    monkeypatch.setattr(density_training, "density_loss", watched)
    density(alkane_labels[:2], tmp_path, steps=3)
    assert max(parts for parts, *_ in seen) == 2
    for _, together, one_by_one in seen:
        assert together == pytest.approx(one_by_one, rel=1e-5)


def test_the_energy_model_sees_each_molecule_as_it_does_alone(
    alkane_labels: list[Path], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, seen = energy_training.frozen_errors, []

    def watched(network: Any, density: Any, parts: Any, *, differentiable: bool) -> Any:
        found = whole(network, density, parts, differentiable=differentiable)
        alone = [whole(network, density, [(t, r[None])], differentiable=False) for t, rows in parts for r in rows]
        seen.append((len(parts), found, [torch.cat(values) for values in zip(*alone, strict=True)]))
        return found

    monkeypatch.setattr(energy_training, "frozen_errors", watched)
    energy(alkane_labels[:2], tmp_path, beside=trained, steps=2)
    assert max(parts for parts, *_ in seen) == 2
    for _, together, one_by_one in seen:
        for ours, theirs in zip(together, one_by_one, strict=True):
            torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=0, atol=1e-4)


def test_stored_jacobians_and_products_in_each_step_give_the_same_forces_and_gradients(
    alkane_labels: list[Path], trained: Path
) -> None:
    model = load_model(trained / "model.pt")
    network = model.energy
    assert network is not None
    network.requires_grad_(True)
    found = []
    for stored in (True, False):
        parts = []
        for path in alkane_labels[:2]:
            labels = load_labels(path)
            rows = labels.frames("train")
            targets = energy_targets(labels, model.density, network, rows, stored=stored, device=torch.device("cpu"))
            assert (targets.jacobian is not None) == stored
            parts.append((targets, torch.arange(len(rows))))
        force = energy_training.frozen_errors(network, model.density, parts, differentiable=True).forces
        gradients = torch.autograd.grad(force.square().mean(), list(network.parameters()), allow_unused=True)
        found.append([force.detach(), *(one for one in gradients if one is not None)])
    assert len(found[0]) > 10
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(ours.abs().max()) + 1e-9)


def test_without_memory_for_jacobians_each_step_makes_their_products(
    alkane_labels: list[Path], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = []
    read = energy_training.read_density

    def counted(*arguments: Any) -> Any:
        products.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(energy_training, "read_density", counted)
    energy(alkane_labels[:2], tmp_path, beside=trained, steps=2, jacobian_memory_gib=0.0)
    assert len(products) >= 4
    before = len(products)
    energy(alkane_labels[:2], tmp_path, beside=trained, steps=2, jacobian_memory_gib=1.0)
    assert len(products) == before


@pytest.mark.parametrize("what", ["density", "energy"])
def test_resumed_training_equals_an_undisturbed_one(
    what: str, alkane_labels: list[Path], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> None:
        if what == "density":
            density(alkane_labels[:2], tmp_path)
        else:
            energy(alkane_labels[:2], tmp_path, beside=trained)

    step, calls = loop.TrainingRun._one_step, []

    def killed(self: loop.TrainingRun, *args: object) -> float:
        calls.append(self.step)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(loop.TrainingRun, "_one_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run()
    run()
    assert calls[11] == 10, "it should go on from the checkpoint"
    undisturbed, resumed = (weights(folder / f"{what}.pt") for folder in (trained, tmp_path))
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)


def test_offsets_are_least_squares_over_compositions(alkane_labels: list[Path]) -> None:
    labels = [load_labels(path) for path in alkane_labels[:2]]
    learned = [(one, one.frames("train")) for one in labels]
    offsets = reference_energies(learned, (1, 6)).numpy()
    # two molecules, two elements: the mean energies are met
    for one, rows in learned:
        composition = [np.count_nonzero(one.numbers == z) for z in (1, 6)]
        assert offsets @ composition == pytest.approx(float(one.dataset["energy"].values[rows].mean()), abs=1e-8)
    # of one molecule, an equal share of the binding energy for every atom
    (one, rows) = learned[0]
    alone = reference_energies([(one, rows)], (1, 6)).numpy() - one.dataset["atomic_energy"].values
    assert alone[0] == pytest.approx(alone[1], abs=1e-10)


def test_the_model_says_what_it_learned_and_is_evaluated_on_a_length_it_never_saw(
    alkane_labels: list[Path], trained: Path, tmp_path: Path
) -> None:
    provenance = read_description(trained / "model.pt")["provenance"]
    assert [(one["formula"], one["units"], one["n_train"]) for one in provenance["molecules"]] == [
        ("CH4", 1, 6),
        ("C2H6", 2, 4),
    ]
    assert provenance["n_train"] == 10
    unseen = evaluate_model(alkane_labels[2], trained / "model.pt", tmp_path / "evaluation.nc")
    assert unseen.sizes["atom"] == 11
    assert float(unseen["charge_error"].max()) < 1e-8
    assert unseen.attrs["units_trained"] == "[1, 2]"
    assert unseen["unit"].values.max() == 2


def test_max_units_leaves_long_chains_out(alkane_labels: list[Path]) -> None:
    kept = TrainingSet.read(alkane_labels, max_units=2, n_train=None).files
    assert [len(one.numbers) for one in kept] == [5, 8]
    with pytest.raises(DensnetError, match="max_units: expected at least 1, the shortest chain, found 0"):
        TrainingSet.read(alkane_labels, max_units=0, n_train=None)


def test_files_that_do_not_belong_together_are_refused(
    alkane_labels: list[Path], water_labels: Path, tmp_path: Path
) -> None:
    with pytest.raises(DensnetError, match=r"labels\.nc: expected the fit basis and elements of .*1\.nc"):
        TrainingSet.read([alkane_labels[0], water_labels], max_units=None, n_train=None)
    with pytest.raises(DensnetError, match="n_train: expected none with 2 label files, got 3"):
        TrainingSet.read(alkane_labels[:2], max_units=None, n_train=3)
    with pytest.raises(DensnetError, match=r"max_units: .*labels\.nc holds no chain"):
        TrainingSet.read(water_labels, max_units=1, n_train=None)
    with pytest.raises(DensnetError, match="at least one file"):
        TrainingSet.read([], max_units=None, n_train=None)
    data = read_dataset(alkane_labels[1], stage="fit")
    for change, said in (
        (data.assign_attrs(functional="PBE"), "expected the functional of"),
        (data.assign(atomic_energy=data["atomic_energy"] + 1.0), "expected the free atoms of"),
    ):
        change["atomic_energy"].attrs = data["atomic_energy"].attrs
        write_dataset(change, tmp_path / "other.nc", stage="fit", method_version=1, settings=settings_of(data))
        with pytest.raises(DensnetError, match=said):
            TrainingSet.read([alkane_labels[0], tmp_path / "other.nc"], max_units=None, n_train=None)
