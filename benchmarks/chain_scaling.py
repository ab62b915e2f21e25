"""Wall time and memory of one evaluation (energy, forces, dipole) of thiophene chains against their length.

    .venv/bin/python benchmarks/chain_scaling.py [model.pt] [--units 1 2 4 6 8 12 16 24 32 48 100] [--recorded]

One thread, neighbour lists included, a fresh process for each length. Without a model, untrained networks of the
default settings with def2-SVP-JKFIT as fitting basis: the time does not depend on what the weights are. Prints medians
of wall and processor time, what the process holds at its peak beyond what it held before the first evaluation, and the
slope of the logarithms from 12 to 48 units. On a machine with other work the processor's time is the one to read.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from densnet.basis.basis import Basis
from densnet.models.checkpoint import load_model
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.oligomer import oligomer

UNITS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 100)
REPETITIONS = 9


def untrained() -> DenSNet:
    """Return networks of the default settings with random weights, float32."""
    torch.manual_seed(0)
    whitened = WhitenedBasis(Basis.from_name("def2-SVP-JKFIT", [1, 6, 16]), (1, 6, 16))
    density = DensityModel(DensityModelSettings(), whitened, charge=0, mean_neighbours=20.0)
    energy = EnergyModel(EnergyModelSettings(), whitened, mean_neighbours=20.0)
    model = DenSNet(density, energy, torch.zeros(3, whitened.n_max)).float().eval()
    return model.requires_grad_(False)


def resident_megabytes() -> float:
    """Return the most memory that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(units: int, model_path: str | None, recorded: bool) -> dict[str, float]:
    """Time one length in this process."""
    torch.set_num_threads(1)
    model = load_model(Path(model_path)) if model_path else untrained()
    if recorded:
        model.record()
    # all anti, without RDKit's last relaxation of long chains: the geometry decides only how many neighbours there are
    (molecule,) = oligomer("thiophene", units, count=1, relax=units <= 12).molecules
    element = model.elements_of(molecule.numbers)
    positions = torch.as_tensor(molecule.positions)[None]
    # a small molecule first: what libraries load once belongs to no length
    model(element[:9], positions[:, :9])
    before = resident_megabytes()
    times = []
    for _ in range(REPETITIONS + 1):
        began = time.perf_counter(), time.process_time()
        model(element, positions)
        times.append((1e3 * (time.perf_counter() - began[0]), 1e3 * (time.process_time() - began[1])))
    wall, processor = np.median(times[1:], axis=0)
    return {
        "atoms": len(element),
        "wall": float(wall),
        "processor": float(processor),
        "megabytes": resident_megabytes() - before,
    }


def slope(units: list[int], values: list[float]) -> float:
    """Return d log(value) / d log(units) from 12 to 48 units."""
    chosen = [n for n, length in enumerate(units) if 12 <= length <= 48]
    x, y = np.log([units[n] for n in chosen]), np.log([values[n] for n in chosen])
    return float(np.polyfit(x, y, 1)[0])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("--units", type=int, nargs="+", default=list(UNITS))
    parser.add_argument("--recorded", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.model, options.recorded)))
        return
    print("units  atoms  wall ms  processor ms  ms a unit    MB")
    rows = []
    for units in options.units:
        found = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--one", str(units)], capture_output=True, text=True, check=True
        )
        row = json.loads(found.stdout)
        rows.append(row)
        print(
            f"{units:5d}  {row['atoms']:5d}  {row['wall']:7.1f}  {row['processor']:12.1f}  "
            f"{row['processor'] / units:9.2f}  {row['megabytes']:5.0f}",
            flush=True,
        )
    if not {12, 48} <= set(options.units):
        return
    for name, words in (("wall", "wall time"), ("processor", "processor time"), ("megabytes", "memory")):
        print(f"slope of the logarithms, 12 to 48 units, {words}: {slope(options.units, [r[name] for r in rows]):.3f}")


if __name__ == "__main__":
    main()
