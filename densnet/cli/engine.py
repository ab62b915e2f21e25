"""``densnet engine``: dynamics by programs of others, with our model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from cyclopts import Parameter

from densnet.dynamics.settings import DynamicsSettings
from densnet.engines.settings import RingPolymerSettings
from densnet.errors import DensnetError

if TYPE_CHECKING:
    from densnet.molecule import Molecule

TRAJECTORY = "trajectory.nc"
WORTH_RECORDING = 2000
"""Steps; recording the model's operations takes as long as some hundred to a thousand of them."""


def ipi(
    *,
    model: Path,
    output: Path,
    geometries: Path | None = None,
    xyz: Path | None = None,
    run: Annotated[bool, Parameter(negative="")] = False,
    dtype: Literal["float32", "float64"] = "float32",
    settings: Annotated[DynamicsSettings, Parameter(name="*")] = DynamicsSettings(),
    ring: Annotated[RingPolymerSettings, Parameter(name="*")] = RingPolymerSettings(),
) -> None:
    """Write what i-PI needs to move a molecule by the model, classically or as ring polymers; run it with --run.

    Args:
        model: moves the atoms.
        output: folder to write: one a replica with inputs of i-PI and what it calls; with --run also trajectory.nc.
        geometries: output of ``densnet sample``, whose training frames are the starting points ...
        xyz: ... or an xyz file, from which all replicas start.
        run: start i-PI too; stopped at any moment, the same command goes on.
        dtype: precision of the networks.
        settings: lengths and sizes, as of densnet md.
        ring: beads and thermostat of ring polymers.
    """
    import torch

    from densnet.engines.ipi_input import write_ipi_inputs
    from densnet.engines.ipi_program import check_ipi, run_ipi
    from densnet.io.fingerprint import fingerprint
    from densnet.potentials.model import ModelPotential

    if run:
        check_ipi()
    start, molecule = _start(geometries, xyz, settings)
    potential = ModelPotential.from_file(model, molecule.numbers, dtype=getattr(torch, dtype))
    energy = float(potential(start[:1])["energy"][0])
    steps = (settings.thermalise_ps + settings.production_ps) * 1e3 / settings.timestep_fs
    described = {
        "model": str(model.resolve()),
        "model_sha256": fingerprint(model),
        "dtype": dtype,
        "recorded": steps >= WORTH_RECORDING,
    }
    masses = np.asarray(molecule.atomic_masses, dtype=float)
    folders = write_ipi_inputs(output, start, molecule.numbers, masses, settings, ring, described, zero=energy)
    if not run:
        print(f"inputs for i-PI: {', '.join(map(str, folders))}; --run runs them, docs/engines.md says how by hand")
        return
    for folder in folders:
        run_ipi(folder)
    trajectory(output, output=output / TRAJECTORY)


def trajectory(folder: Path, *, output: Path) -> None:
    """Turn what i-PI wrote into a trajectory.nc, for 'densnet spectrum' and the other verbs that read one.

    Args:
        folder: the output of 'densnet engine ipi', after i-PI has run in it.
        output: netCDF file to write.
    """
    from densnet.engines.ipi_input import METHOD_VERSION, read_run
    from densnet.engines.ipi_trajectory import ipi_trajectory
    from densnet.io.netcdf import write_dataset

    dataset, run = ipi_trajectory(folder), read_run(folder)
    names: tuple[str, ...] = ("settings", "ring_polymer", "model_sha256", "dtype")
    settings = {name: run[name] for name in names if name in run}
    write_dataset(dataset, output, stage="md", method_version=METHOD_VERSION, settings=settings)


def _start(geometries: Path | None, xyz: Path | None, settings: DynamicsSettings) -> tuple[np.ndarray, Molecule]:
    """Return the replicas' starting geometries (r, i, x) and the molecule."""
    from densnet.dynamics.simulation import starting_geometries
    from densnet.molecule import Molecule, from_xyz
    from densnet.xyz_file import read_xyz

    if (geometries is None) == (xyz is None):
        raise DensnetError("engine: expected one of --geometries FILE and --xyz FILE, found both or neither; give one")
    if xyz is not None:
        if read_xyz(xyz).cell is not None:
            raise DensnetError(f"{xyz}: expected a molecule, found a periodic cell; the model knows molecules alone")
        molecule = from_xyz(xyz)
        return np.repeat(molecule.positions[None], settings.replicas, axis=0), molecule
    positions, numbers, data = starting_geometries(Path(str(geometries)), settings)
    masses = np.asarray(data["masses"].values, dtype=float) if "masses" in data else None
    return positions, Molecule(numbers, positions[0], charge=int(data.attrs["charge"]), masses=masses)
