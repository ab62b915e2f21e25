"""Time one molecular-dynamics evaluation (energy, forces, dipole) of a model beside other potentials, in one run.

    .venv/bin/python benchmarks/energy_and_forces.py results/demo/ethanol/model.pt results/demo/ethanol/geometries.nc

Prints the median CPU time over repetitions on one thread, in milliseconds a call and a replica, for batches of
replicas: plain calls, and recorded ones, as dynamics makes them. Then the same of untrained networks that differ
from the model's in one setting. GFN2-xTB starts each self-consistency from scratch here; in dynamics it starts
from the last step's.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.mechanics.timing import milliseconds
from densnet.models.checkpoint import load_model
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel
from densnet.models.ensemble import Ensemble
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.molecule import Molecule
from densnet.potential import Array
from densnet.potentials import NAMED, named
from densnet.potentials.model import ModelPotential

REPETITIONS = 20


def main(model_path: str, geometries: str) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    data = read_dataset(Path(geometries), stage="sample")
    numbers, frames = data["numbers"].values, data["positions"].values
    molecule = Molecule(numbers, frames[0], charge=int(data.attrs["charge"]))
    print(f"{len(numbers)} atoms, one thread, CPU time, median of {REPETITIONS}")
    for name in NAMED:
        try:
            spent = milliseconds(named(name)(molecule), frames[:1], repetitions=REPETITIONS)
        except DensnetError as error:
            print(f"{name:10s} {error}")
            continue
        print(f"{name:10s} one molecule       {spent:8.2f} ms")
    for recorded in (False, True):
        potential = ModelPotential.from_file(Path(model_path), numbers, recorded=recorded)
        for replicas in (1, 4, 16, 64):
            spent = milliseconds(potential, batch_of(frames, replicas), repetitions=REPETITIONS)
            kind = "recorded" if recorded else "plain"
            print(f"{kind:8s} {replicas:3d} replica(s)         {spent:8.1f} ms  {spent / replicas:6.2f} ms a replica")
    model = load_model(Path(model_path))
    print("untrained networks, recorded            1 replica   a replica of 16")
    for changed, density, energy in variants(model):
        whitened = model.density.whitened
        other = DenSNet(
            DensityModel(density, whitened, charge=0, mean_neighbours=8.0),
            EnergyModel(energy, whitened, mean_neighbours=8.0),
            model.free_atoms,
        )
        other = other.float().eval().requires_grad_(False).record()
        potential = ModelPotential(Ensemble([other]), numbers)
        one, many = (milliseconds(potential, batch_of(frames, n), repetitions=REPETITIONS) / n for n in (1, 16))
        print(f"{changed:36s} {one:8.1f} ms  {many:8.2f} ms")


def batch_of(frames: Array, replicas: int) -> Array:
    """Return geometries (replicas, i, 3), the frames over and over."""
    return np.resize(frames, (replicas, *frames.shape[1:]))


def variants(model: DenSNet) -> Iterator[tuple[str, DensityModelSettings, EnergyModelSettings]]:
    """Yield settings that differ from the model's in one thing."""
    density, energy = model.density.settings, model.energy.settings if model.energy else EnergyModelSettings()
    yield "as the model", density, energy
    for channels in (16, 24, 48):
        yield f"channels {channels} in both", replace(density, channels=channels), replace(energy, channels=channels)
    for channels in (8, 32):
        wide = {"edge_channels": channels}
        yield f"edge_channels {channels} in both", replace(density, **wide), replace(energy, **wide)
    yield "density: l_message 2", replace(density, l_message=2), energy
    yield "density: layers 3", replace(density, layers=3), energy
    for order in (2, 4):
        yield f"density: body_order {order}", replace(density, body_order=order), energy
        yield f"energy: body_order {order}", density, replace(energy, body_order=order)
    yield "energy: l_max 2", density, replace(energy, l_max=2)
    yield "energy: l_message 1", density, replace(energy, l_message=1)
    yield "energy: layers 3", density, replace(energy, layers=3)
    yield "energy: cutoff 4 (its own edges)", density, replace(energy, cutoff=4.0)


if __name__ == "__main__":
    main(*sys.argv[1:3])
