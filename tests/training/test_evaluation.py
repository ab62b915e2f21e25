"""The evaluation of a barely trained model: all measures, blocks of frames, labels without orbitals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from densnet.basis import integrals
from densnet.density.error import GRID_LEVEL, DensityGrid
from densnet.density.frame_errors import PAIRS, SHELLS
from densnet.io.netcdf import read_dataset, settings_of, write_dataset
from densnet.models.checkpoint import join_models, load_model, save_model
from densnet.quantities import MEASURES
from densnet.training import evaluation
from densnet.training.evaluation import evaluate_model
from densnet.training.labels import load_labels
from densnet.units import BOHR_IN_ANGSTROM, E_ANGSTROM_IN_DEBYE

OVER_PAIRS = [measure.name for measure in MEASURES if measure.paired and not measure.apart]
TRUE = [pair for pair in PAIRS if pair.endswith("true")]


@pytest.fixture(scope="module")
def model(water_run: Path) -> Path:
    return water_run / "model.pt"


@pytest.fixture(scope="module")
def members(model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The model, and two like it with slightly other weights."""
    folder = tmp_path_factory.mktemp("members")
    paths = [model]
    for seed in (1, 2):
        other, generator = load_model(model), torch.Generator().manual_seed(seed)
        for parameter in other.parameters():
            parameter.data += 0.05 * parameter.std(correction=0) * torch.randn(parameter.shape, generator=generator)
        paths.append(folder / f"{seed}.pt")
        save_model(other, paths[-1], provenance={"n_train": 10, "seed": seed})
    return paths


@pytest.fixture(scope="module")
def whole(water_labels: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return evaluate_model(water_labels, model, tmp_path_factory.mktemp("evaluation") / "evaluation.nc")


def rewritten(labels: xr.Dataset, path: Path) -> Path:
    write_dataset(labels, path, stage="fit", method_version=1, settings=settings_of(labels))
    return path


def test_measures_run_over_pairs_and_agree_with_the_named_ones(whole: xr.Dataset) -> None:
    assert tuple(whole["pair"].values) == PAIRS and tuple(whole["shell"].values) == SHELLS
    assert whole["has_orbitals"].values.tolist() == [1, 1, 1]
    named = [whole[name].values for name in ("nmae", "nmae_true", "floor_nmae", "prior_nmae")]
    for name, dimension in (("nmae_by_atom", "atom"), ("nmae_by_shell", "shell")):
        np.testing.assert_allclose(whole[name].sum(dimension).values, named, rtol=1e-10)
    for name in OVER_PAIRS:
        assert np.isfinite(whole[name].values).all(), name
        assert {"units", "long_name"} <= set(whole[name].attrs)
    assert whole.attrs["density_ms_per_frame"] > 0 and whole.attrs["prior_ms_per_frame"] > 0


def test_dipole_of_the_coefficients_is_the_models(whole: xr.Dataset) -> None:
    """Closed form of float64 coefficients against the network's own float32 dipole."""
    difference = whole["dipole_predicted"] - whole["dipole_reference"]
    expected = E_ANGSTROM_IN_DEBYE * np.sqrt((difference**2).sum("x")).values
    np.testing.assert_allclose(whole["dipole_error"].sel(pair="model-true").values, expected, atol=1e-4)


def test_blocks_of_frames_change_nothing(
    water_labels: Path, model: Path, whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To float32: sums run in another order."""
    monkeypatch.setattr(evaluation, "BLOCK", 2)
    again = evaluate_model(water_labels, model, tmp_path / "evaluation.nc")
    for name in ("energy_predicted", "forces_predicted", "dipole_predicted", "nmae", "potential_rms_error"):
        np.testing.assert_allclose(again[name].values, whole[name].values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_spread_of_an_ensemble_is_that_of_its_members(
    water_labels: Path, members: list[Path], whole: xr.Dataset, tmp_path: Path
) -> None:
    join_models(members, tmp_path / "model.pt")
    found = evaluate_model(water_labels, tmp_path / "model.pt", tmp_path / "evaluation.nc")
    assert found.attrs["n_members"] == 3 and whole.attrs["n_members"] == 1
    assert not [name for name in whole if "spread" in name or "pairwise" in name]
    labels, models = load_labels(water_labels), [load_model(path) for path in members]
    positions = labels.dataset["positions"].values[labels.frames("test")]
    element = models[0].elements_of(labels.numbers)
    alone = [model(element, torch.as_tensor(positions)) for model in models]
    energy, forces, dipole = (
        np.array([vars(one)[name].double().numpy() for one in alone]) for name in ("energy", "forces", "dipole")
    )
    coefficients = np.array([model.coefficients(labels.numbers, positions) for model in models])
    np.testing.assert_allclose(found["energy_predicted"], energy.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found["forces_predicted"], forces.mean(0), atol=1e-5)
    np.testing.assert_allclose(found["coefficients_predicted"], coefficients.mean(0), atol=1e-12)
    np.testing.assert_allclose(found["energy_spread"], energy.std(0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(found["forces_spread"], np.sqrt(forces.var(0, ddof=1).mean(-1)), rtol=1e-4)
    np.testing.assert_allclose(found["dipole_spread"], np.sqrt(dipole.var(0, ddof=1).sum(-1)), rtol=1e-4)
    for t in range(len(positions)):
        bohr = positions[t] / BOHR_IN_ANGSTROM
        grid = DensityGrid.around(labels.numbers, bohr, GRID_LEVEL)
        values = integrals.expand(labels.basis, labels.numbers, bohr, coefficients[:, t].T, grid.points).T
        percent = 100.0 / labels.numbers.sum() * grid.weights
        sigma = values.std(axis=0, ddof=1)
        np.testing.assert_allclose(found["density_spread"][t], percent @ sigma, rtol=1e-9)
        of_oxygen = percent[grid.atom == 0] @ sigma[grid.atom == 0]
        np.testing.assert_allclose(found["density_spread_by_atom"][t, 0], of_oxygen, rtol=1e-9)
        apart = [percent @ np.abs(values[m] - values[n]) for m, n in ((0, 1), (0, 2), (1, 2))]
        np.testing.assert_allclose(found["density_pairwise_nmae"][t], np.mean(apart), rtol=1e-9)
        # the mean is nearer to the fit than the members are on average: a norm is convex
        fit = grid.fitted(labels.basis, found["coefficients"].values[t])
        assert found["nmae"][t] <= np.mean([percent @ np.abs(one - fit) for one in values]) + 1e-9
    for name in found:
        assert {"units", "long_name"} <= set(found[name].attrs), name
    stored = read_dataset(tmp_path / "evaluation.nc", stage="evaluate")
    assert settings_of(stored)["seeds"] == [1, 1, 2]


@pytest.mark.parametrize("how", ["absent", "nan"])
def test_labels_without_orbitals(water_labels: Path, model: Path, whole: xr.Dataset, tmp_path: Path, how: str) -> None:
    labels = read_dataset(water_labels, stage="fit")
    if how == "absent":
        bare = labels.drop_vars("orbitals")
        del bare.attrs["orbital_basis"]
    else:
        bare = labels.copy(deep=True)
        bare["orbitals"].values[:] = np.nan
    evaluate_model(rewritten(bare, tmp_path / "labels.nc"), model, tmp_path / "evaluation.nc")
    found = read_dataset(tmp_path / "evaluation.nc", stage="evaluate")
    assert not found["has_orbitals"].values.any()
    assert np.isnan(found["nmae_true"].values).all() and np.isnan(found["floor_nmae"].values).all()
    np.testing.assert_array_equal(found["nmae"].values, whole["nmae"].values)
    for name in OVER_PAIRS:
        known = found[name].sel(pair=[pair for pair in PAIRS if pair not in TRUE])
        assert np.isfinite(known.values).all(), name
        # the label's dipole needs no orbitals
        assert np.isnan(found[name].sel(pair=TRUE).values).all() == (name != "dipole_error"), name


def test_one_frame_without_orbitals(water_labels: Path, model: Path, whole: xr.Dataset, tmp_path: Path) -> None:
    labels = read_dataset(water_labels, stage="fit").copy(deep=True)
    labels["orbitals"].values[-1] = np.nan
    found = evaluate_model(rewritten(labels, tmp_path / "labels.nc"), model, tmp_path / "evaluation.nc")
    assert found["has_orbitals"].values.tolist() == [1, 1, 0]
    np.testing.assert_array_equal(np.isnan(found["nmae_true"].values), [False, False, True])
    np.testing.assert_array_equal(found["nmae_true"].values[:2], whole["nmae_true"].values[:2])
