"""``densnet moments``: the same numbers as one density at a time, for trajectories and labels; restarts; bad input."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet import Density, DenSNetCalculator
from densnet.basis.basis import Basis
from densnet.density.settings import MomentsSettings
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.models import moments as stage
from densnet.models.checkpoint import save_model
from densnet.models.moments import trajectory_moments


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.pt"
    save_model(random_model(), path, provenance={})
    return path


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two replicas, five frames each, as ``densnet md`` writes them."""
    positions = METHANOL_POSITIONS + 0.05 * np.random.default_rng(0).normal(size=(2, 5, 6, 3))
    dataset = xr.Dataset(
        {
            "positions": variable(("replica", "time", "atom", "x"), positions.astype("f4"), "angstrom", "positions"),
            "numbers": variable(("atom",), METHANOL, "1", "atomic numbers"),
        },
        coords={"time": variable(("time",), np.arange(5.0), "fs", "time")},
    )
    path = tmp_path_factory.mktemp("trajectory") / "trajectory.nc"
    write_dataset(dataset, path, stage="md", method_version=1, settings={})
    return path


def test_moments_of_a_trajectory_are_those_of_each_density(model: Path, trajectory: Path, tmp_path: Path) -> None:
    settings = MomentsSettings(stride=2, grid_level=0)
    trajectory_moments(trajectory, tmp_path / "moments.nc", settings, model=model)
    found = read_dataset(tmp_path / "moments.nc", stage="moments")
    assert dict(found.sizes) == {"replica": 2, "time": 3, "x": 3, "y": 3, "atom": 6}
    assert found["time"].values.tolist() == [0.0, 2.0, 4.0]
    positions = xr.open_dataset(trajectory)["positions"].values[1, 4]
    density = DenSNetCalculator(model).density(Atoms(METHANOL, positions))
    frame = found.isel(replica=1, time=2)
    np.testing.assert_allclose(frame["dipole"], density.dipole(), atol=1e-5)
    np.testing.assert_allclose(frame["quadrupole"], density.quadrupole(), atol=1e-5)
    np.testing.assert_allclose(frame["charges"], density.hirshfeld(grid_level=0).charges, atol=1e-5)
    assert all({"units", "long_name"} <= set(array.attrs) for array in found.data_vars.values())
    assert [path.name for path in tmp_path.iterdir()] == ["moments.nc"]


def test_a_stopped_run_goes_on(model: Path, trajectory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = MomentsSettings(charges="none", stride=1)
    trajectory_moments(trajectory, tmp_path / "whole.nc", settings, model=model)
    monkeypatch.setattr(stage, "PIECE", 4)
    made, real = [], stage._piece

    def piece(*arguments: object) -> dict:
        made.append(1)
        if len(made) == 2:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "_piece", piece)
    with pytest.raises(KeyboardInterrupt):
        trajectory_moments(trajectory, tmp_path / "stopped.nc", settings, model=model)
    assert not (tmp_path / "stopped.nc").exists()
    trajectory_moments(trajectory, tmp_path / "stopped.nc", settings, model=model)
    assert len(made) == 4  # one before, the one that was stopped, and the two that were left
    one, other = (read_dataset(tmp_path / name, stage="moments") for name in ("whole.nc", "stopped.nc"))
    assert "charges" not in one
    np.testing.assert_allclose(one["dipole"], other["dipole"], atol=1e-6)


def test_moments_of_labels_need_no_model(water_labels: Path, tmp_path: Path) -> None:
    labels = read_dataset(water_labels, stage="fit")
    trajectory_moments(water_labels, tmp_path / "moments.nc", MomentsSettings(stride=8, grid_level=1))
    found = read_dataset(tmp_path / "moments.nc", stage="moments")
    assert found["frame"].values.tolist() == [0, 8]
    np.testing.assert_allclose(found["dipole"], labels["dipole"][::8], atol=1e-6)  # the fit holds it
    numbers, positions = labels["numbers"].values, labels["positions"].values[8]
    basis = Basis.from_json(labels.attrs["fit_basis"])
    one = Density(basis, numbers, positions, labels["coefficients"].values[8], prior=labels["prior"].values)
    np.testing.assert_allclose(found["charges"][1], one.hirshfeld(grid_level=1).charges, atol=1e-9)


def test_bad_input_gets_one_line(trajectory: Path, water_labels: Path, model: Path, tmp_path: Path) -> None:
    for arguments, said in (
        ({"trajectory": trajectory, "settings": MomentsSettings()}, "holds no densities; give the model"),
        ({"trajectory": tmp_path / "none.nc", "settings": MomentsSettings()}, "cannot be read|no such file"),
    ):
        with pytest.raises(DensnetError, match=said) as error:
            trajectory_moments(output=tmp_path / "moments.nc", **arguments)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
    for bad, said in (({"stride": 0}, "stride"), ({"grid_level": 10}, "grid_level"), ({"charges": "bader"}, "charges")):
        with pytest.raises(DensnetError, match=f"{said}: expected"):
            MomentsSettings(**bad)  # type: ignore[arg-type]
    assert not (tmp_path / "moments.nc.parts").exists()
