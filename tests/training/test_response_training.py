"""Labels of the response, training on them, and the errors of what was learned, from end to end on water."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from densnet.cli.response import errors, labels
from densnet.errors import DensnetError
from densnet.fitting.response_labels import chosen_rows
from densnet.fitting.settings import ResponseSettings
from densnet.io.netcdf import write_dataset
from densnet.models.settings import ResponseModelSettings
from densnet.training.response import train_response
from densnet.training.settings import ResponseTrainingSettings

SETTINGS = ResponseSettings(n_train=10, n_validation=3, n_test=3, primitives="even-tempered-2.5-l3", natural_frames=4)


@pytest.fixture(scope="module")
def labelled(water_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The water's labels, with the name of their functional."""
    path = tmp_path_factory.mktemp("response") / "labels.nc"
    with xr.open_dataset(water_labels) as data:
        named = data.load().assign_attrs(functional="HF", basis="STO-3G")
    write_dataset(named, path, stage="fit", method_version=1, settings={})
    return path


@pytest.fixture(scope="module")
def responses(labelled: Path) -> Path:
    labels(labels=labelled, output=labelled.with_name("responses.nc"), settings=SETTINGS)
    return labelled.with_name("responses.nc")


def test_labels_say_what_the_fit_leaves(responses: Path) -> None:
    with xr.open_dataset(responses) as data:
        assert data.sizes["frame"] == 16
        assert float(data["response_floor_nmae"].max()) < 10
        alpha = data["polarizability"].values
        np.testing.assert_array_equal(alpha, alpha.transpose(0, 2, 1))
        assert all("units" in variable.attrs for variable in data.data_vars.values())


def test_a_killed_job_goes_on(labelled: Path, responses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from densnet.fitting import response_labels

    done, solve = [], response_labels.solve

    def dies_after_three(frame: object, **named: object) -> object:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(frame)
        return solve(frame, **named)

    monkeypatch.setattr(response_labels, "solve", dies_after_three)
    with pytest.raises(KeyboardInterrupt):
        labels(labels=labelled, output=tmp_path / "responses.nc", settings=SETTINGS)
    solved = []
    monkeypatch.setattr(response_labels, "solve", lambda frame, **named: solved.append(frame) or solve(frame, **named))
    labels(labels=labelled, output=tmp_path / "responses.nc", settings=SETTINGS)
    assert len(solved) == 13
    with xr.open_dataset(responses) as whole, xr.open_dataset(tmp_path / "responses.nc") as again:
        np.testing.assert_array_equal(whole["response_coefficients"], again["response_coefficients"])


@pytest.mark.parametrize("head", ["density", "tensor"])
def test_it_is_learned(responses: Path, water_run: Path, tmp_path: Path, head: str) -> None:
    train_response(
        responses,
        water_run / "model.pt",
        ResponseModelSettings(head=head, channels=8, edge_channels=4, cutoff=3.0, l_max=3, vector_channels=4),
        ResponseTrainingSettings(steps=120, batch_size=5),
        output=tmp_path / "response.pt",
        log=tmp_path / "response.csv",
    )
    errors(responses=responses, model=tmp_path / "response.pt", output=tmp_path / "errors.json")
    found = json.loads((tmp_path / "errors.json").read_text())
    with xr.open_dataset(responses) as data:
        alpha = data["polarizability"].values
        spread = np.abs(alpha - alpha.mean(0)).mean() / (np.trace(alpha, axis1=1, axis2=2).mean() / 3) * 100
    # better than the mean over the frames by far
    assert found["polarizability_mae_percent"] < 0.25 * spread
    assert ("response_nmae_percent" in found) == (head == "density")
    if head == "density":
        assert found["response_nmae_percent"] < 15


def test_rows_are_spread_over_each_split() -> None:
    split = np.array(["train"] * 10 + ["validation"] * 2 + ["test"] * 5)
    np.testing.assert_array_equal(
        chosen_rows(split, {"train": 4, "validation": 5, "test": 2}), [0, 3, 6, 9, 10, 11, 12, 16]
    )


def test_bad_input(labelled: Path, water_labels: Path, water_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match="expected the functional of its frames, found none"):
        labels(labels=water_labels, output=tmp_path / "r.nc")
    with xr.open_dataset(labelled) as data:
        wrong = data.load().assign_attrs(functional="PBE")
    write_dataset(wrong, tmp_path / "wrong.nc", stage="fit", method_version=1, settings={})
    with pytest.raises(DensnetError, match="no response, the first is frame 0: orbitals: not stationary"):
        labels(labels=tmp_path / "wrong.nc", output=tmp_path / "r.nc", settings=SETTINGS)
    with pytest.raises(DensnetError, match="response"):
        errors(responses=labelled, model=water_run / "model.pt", output=tmp_path / "e.json")
