"""``densnet frames``: geometries to label, from dynamics."""

from __future__ import annotations

from pathlib import Path

from densnet.dynamics.trajectory_frames import METHOD_VERSION, trajectory_frames
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import read_dataset, write_dataset


def frames(*, trajectory: Path, geometries: Path, n_test: int, output: Path) -> None:
    """Take frames of a trajectory, evenly spread, as test geometries that 'densnet label' can label.

    Args:
        trajectory: output of ``densnet md``.
        geometries: output of ``densnet sample`` that it started from.
        n_test: how many frames.
        output: netCDF file to write; it is used like an output of ``densnet sample``.
    """
    moved = read_dataset(trajectory, stage="md", variables=("positions", "numbers", "masses"))
    sampled = read_dataset(geometries, stage="sample", variables=("numbers",))
    settings = {"n_test": n_test, "trajectory": fingerprint(trajectory)}
    chosen = trajectory_frames(moved, sampled, n_test)
    write_dataset(chosen, output, stage="sample", method_version=METHOD_VERSION, settings=settings)
