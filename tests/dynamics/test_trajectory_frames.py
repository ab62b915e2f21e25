"""Frames of a trajectory as geometries to label: evenly spread, whole, carrying what is known of the chain."""

from __future__ import annotations

from pathlib import Path

import ase.data
import numpy as np
import pytest
import xarray as xr

from densnet.cli.frames import frames
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset

NUMBERS = np.array([8, 1, 1])
UNITS = {"numbers": variable(("atom",), NUMBERS, "1", "numbers"), "unit": variable(("atom",), [0, 0, 0], "1", "unit")}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A trajectory of 3 replicas with 10 frames each, and the geometries that it began from."""
    positions = np.random.default_rng(0).standard_normal((3, 10, 3, 3)).astype(np.float32)
    moved = xr.Dataset(
        {
            "positions": variable(("replica", "time", "atom", "x"), positions, "angstrom", "positions"),
            "numbers": UNITS["numbers"],
            "masses": variable(("atom",), ase.data.atomic_masses[NUMBERS], "Da", "masses"),
        },
        coords={"time": variable(("time",), np.arange(10.0), "fs", "time")},
        attrs={"temperature_k": 300.0},
    )
    write_dataset(moved, tmp_path / "t.nc", stage="md", method_version=1, settings={})
    sampled = xr.Dataset(UNITS, attrs={"charge": 0, "multiplicity": 1, "oligomer": "*O*", "units": 1})
    write_dataset(sampled, tmp_path / "g.nc", stage="sample", method_version=1, settings={})
    return tmp_path / "t.nc", tmp_path / "g.nc"


def test_frames_are_spread_over_replicas_and_time(files: tuple[Path, Path], tmp_path: Path) -> None:
    trajectory, geometries = files
    frames(trajectory=trajectory, geometries=geometries, n_test=6, output=tmp_path / "f.nc")
    found = read_dataset(tmp_path / "f.nc", stage="sample", variables=("unit", "distance_to_train"))
    assert found["trajectory"].values.tolist() == [0, 0, 1, 1, 2, 2]
    assert found["time"].values.tolist() == [2, 7, 5, 0, 8, 3]
    assert set(found["split"].values) == {"test"}
    assert (found.attrs["charge"], found.attrs["oligomer"]) == (0, "*O*")
    moved = read_dataset(trajectory, stage="md")
    shift = found["positions"].values[3] - moved["positions"].values[1, 0]
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], (3, 3)), atol=1e-6)
    centre = ase.data.atomic_masses[NUMBERS] @ found["positions"].values[3]
    np.testing.assert_allclose(centre, 0, atol=1e-5)


def test_one_frame_of_each_replica_is_not_always_its_first(files: tuple[Path, Path], tmp_path: Path) -> None:
    trajectory, geometries = files
    for n_test, times in ((3, [5, 8, 1]), (30, None)):
        frames(trajectory=trajectory, geometries=geometries, n_test=n_test, output=tmp_path / "f.nc")
        found = read_dataset(tmp_path / "f.nc", stage="sample")
        assert len(set(zip(found["trajectory"].values, found["time"].values, strict=True))) == n_test
        assert times is None or found["time"].values.tolist() == times


def test_more_frames_than_there_are_and_another_molecule(files: tuple[Path, Path], tmp_path: Path) -> None:
    trajectory, geometries = files
    for n_test in (0, 31):
        with pytest.raises(DensnetError, match=f"n_test: expected 1 to 30, .* got {n_test}"):
            frames(trajectory=trajectory, geometries=geometries, n_test=n_test, output=tmp_path / "f.nc")
    other = read_dataset(geometries, stage="sample")
    other["numbers"][0] = 16
    write_dataset(other, tmp_path / "o.nc", stage="sample", method_version=1, settings={})
    with pytest.raises(DensnetError, match="of different molecules"):
        frames(trajectory=trajectory, geometries=tmp_path / "o.nc", n_test=2, output=tmp_path / "f.nc")
