"""``densnet collect``: geometries that a model does not know, to be labelled."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import xarray as xr
from cyclopts import Parameter
from numpy.typing import NDArray

from densnet.dynamics.exploration import METHOD_VERSION, Explored, explore, plan
from densnet.dynamics.settings import ExplorationSettings
from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.potential import Array, Potential
from densnet.reference.collection import Threshold, calibrated, choose, collected_geometries
from densnet.reference.settings import CollectionSettings
from densnet.units import EV_IN_MEV


def collect(
    *,
    model: Path,
    labels: Annotated[list[Path], Parameter(consume_multiple=True, negative="")],
    geometries: Path,
    output: Path,
    exploration: Annotated[ExplorationSettings, Parameter(name="*")] = ExplorationSettings(),
    collection: Annotated[CollectionSettings, Parameter(name="*")] = CollectionSettings(),
    processes: int = 1,
) -> None:
    """Collect geometries that an ensemble does not know, from hot dynamics of its members; they can then be labelled.

    Stopped at any moment, the same command goes on.

    Parameters
    ----------
    model
        An ensemble: output of 'densnet train join'.
    labels
        Outputs of 'densnet fit' that it learned from; their validation frames say which error a spread means.
    geometries
        Output of 'densnet sample' of the molecule.
    output
        netCDF file to write; it is used like an output of 'densnet sample'.
    processes
        Members that move at a time, one thread each.
    """
    import torch

    from densnet.potentials.model import ModelPotential
    from densnet.training.energy import ATOMS_AT_ONCE

    first = read_dataset(geometries, stage="sample", variables=("positions", "numbers", "split"))
    numbers = np.asarray(first["numbers"].values, dtype=np.int64)
    files = [_labels(path, numbers) for path in labels]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    make = partial(ModelPotential.from_file, model, numbers, device=device, atoms_at_once=ATOMS_AT_ONCE)
    ensemble = make()
    members = len(ensemble.model)
    if members < 2:
        raise DensnetError(
            f"{model}: expected an ensemble, whose members disagree where they know nothing, found one model; join "
            "several by 'densnet train join'"
        )
    learned, threshold = _of(files, "train"), _threshold(ensemble, files, collection)
    masses = np.asarray(first["masses"].values, dtype=float) if "masses" in first else None
    explored, parts = explore(
        plan(_of(files, "train", unstrained=True), numbers, masses, members, exploration),
        partial(_member, make),
        make,
        exploration,
        processes=processes,
        output=output,
        provenance={"model": fingerprint(model), "masses": None if masses is None else masses.tolist()},
    )
    excess = threshold.excess(explored.spread, explored.domain_distance)
    rows = choose(numbers, explored.positions, excess, learned, collection)
    chosen = collected_geometries(first, vars(explored), excess, rows, learned, exploration.seed)
    settings = {**asdict(exploration), **asdict(collection), "model": fingerprint(model)}
    chosen = chosen.assign(_outcome(explored, excess, threshold))
    write_dataset(chosen, output, stage="sample", method_version=METHOD_VERSION, settings=settings)
    parts.remove()
    _say(explored, excess, threshold, len(rows))


def _member(make: Callable[..., Potential], member: int) -> Potential:
    return make(member=member, recorded=True)


def _labels(path: Path, numbers: NDArray[np.int64]) -> xr.Dataset:
    variables = ("positions", "numbers", "split", "forces", "temperature")
    content = read_dataset(path, stage="fit", variables=variables)
    if not np.array_equal(content["numbers"].values, numbers):
        raise DensnetError(f"{path}: expected labels of the molecule of --geometries, found another molecule")
    return content


def _of(files: list[xr.Dataset], split: str, *, name: str = "positions", unstrained: bool = False) -> Array:
    """Return what label files hold of the frames of a split, (t, i, x)."""
    taken = np.concatenate([file[name].values[_rows(file, split, unstrained)] for file in files])
    if not len(taken):
        raise DensnetError(f"labels: expected {split} frames, found none; sample and label some")
    return np.asarray(taken, dtype=float)


def _rows(file: xr.Dataset, split: str, unstrained: bool) -> NDArray[np.bool_]:
    rows = file["split"].values == split
    return np.asarray(rows & np.isfinite(file["temperature"].values) if unstrained else rows)


def _threshold(ensemble: Potential, files: list[xr.Dataset], settings: CollectionSettings) -> Threshold:
    said = ensemble(_of(files, "validation"))
    error = np.linalg.norm(said["forces"] - _of(files, "validation", name="forces"), axis=2) / np.sqrt(3)
    return calibrated(said["forces_spread"].max(axis=1), error.max(axis=1), settings)


def _outcome(explored: Explored, excess: Array, threshold: Threshold) -> dict[str, xr.Variable]:
    """Return what the dynamics found at each temperature, as variables of the file."""
    at = list(explored.picoseconds)
    met = [explored.temperature == temperature for temperature in at]
    wanted = [float(np.mean(excess[frames] > 1)) if frames.any() else np.nan for frames in met]
    entries = {
        "explored_temperature": (at, "K", "temperature of the dynamics that looked for frames"),
        "explored_time": (list(explored.picoseconds.values()), "ps", "time that all replicas moved together"),
        "explored_failures": (list(explored.failures.values()), "1", "times that a replica broke or left for good"),
        "explored_wanted": (wanted, "1", "share of the frames met that exceed the threshold"),
    }
    variables = {name: xr.Variable(*variable(("exploration",), *entry)) for name, entry in entries.items()}
    scalar = variable((), threshold.error, "eV/angstrom", "expected error of the force on an atom that is exceeded")
    return variables | {"threshold": xr.Variable(*scalar)}


def _say(explored: Explored, excess: Array, threshold: Threshold, chosen: int) -> None:
    for temperature, picoseconds in explored.picoseconds.items():
        met = explored.temperature == temperature
        print(
            f"densnet collect: {temperature:g} K, {picoseconds:g} ps: {met.sum()} frames, {(excess[met] > 1).sum()} "
            f"of them above the threshold, {explored.failures[temperature]} failures of replicas",
            file=sys.stderr,
        )
    if chosen:
        print(f"densnet collect: {chosen} frames to label", file=sys.stderr)
    else:
        print(
            f"densnet collect: no frame exceeds the threshold, {EV_IN_MEV * threshold.error:.0f} meV/Å of the force on "
            f"an atom or a domain distance of {threshold.domain_distance:g}: nothing to label in this round",
            file=sys.stderr,
        )
