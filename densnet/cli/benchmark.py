"""``densnet benchmark``: learn from revised MD17, the benchmark of the field, and be judged by its test frames."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import read_dataset, write_dataset, write_text
from densnet.models.checkpoint import read_descriptions
from densnet.potentials.model import ModelPotential
from densnet.reference import given_orbitals
from densnet.reference.imported_data import read_data
from densnet.reference.rmd17 import METHOD_VERSION, benchmark_geometries, read_frames
from densnet.reference.settings import BenchmarkSettings
from densnet.report.benchmark_table import benchmark_rows, read_errors, read_table, table_csv
from densnet.report.table import plain_table
from densnet.training.benchmark_errors import ReferenceFrames, benchmark_errors

_MANY = Parameter(consume_multiple=True)


def geometries(*, data: Path, output: Path, settings: Annotated[BenchmarkSettings, Parameter(name="*")]) -> None:
    """Write frames of revised MD17 as geometries to label, with the benchmark's own energies and forces.

    Parameters
    ----------
    data
        Folder of rmd17_ethanol_train_01.npz and the like.
    output
        netCDF file to write; it is used like an output of 'densnet sample'.
    """
    dataset = benchmark_geometries(data, settings)
    write_dataset(dataset, output, stage="sample", method_version=METHOD_VERSION, settings=asdict(settings))


def labels(*, orbitals: Path, geometries: Path, atoms: Path, output: Path) -> None:
    """Write the labels of all geometries from a file that holds their orbitals, as one shard of 'densnet label'.

    Parameters
    ----------
    orbitals
        npz file of docs/import.md; it may hold more frames.
    geometries
        Output of 'densnet benchmark geometries'.
    atoms
        Output of 'densnet atoms' at the level of theory of the orbitals.
    output
        netCDF file to write; it is used like an output of 'densnet label'.
    """
    sampled = read_dataset(geometries, stage="sample", variables=("positions", "numbers", "split", "distance_to_train"))
    made = given_orbitals.labels_of_orbitals(read_data(orbitals), sampled, atoms)
    settings = {"orbitals": fingerprint(orbitals), "shard": 0, "shards": 1}
    write_dataset(made, output, stage="label", method_version=given_orbitals.METHOD_VERSION, settings=settings)


def errors(
    *, model: Path, data: Path, molecule: str, output: Path, remove_offset: bool = False, threads: int = 1
) -> None:
    """Judge a model by all test frames of revised MD17, split 01: mean absolute errors of energy and forces.

    Parameters
    ----------
    model
        Output of 'densnet train energy'.
    data
        Folder of rmd17_ethanol_test_01.npz and the like.
    molecule
        Name of the molecule, as its files have it.
    output
        JSON; units are in the keys' names.
    remove_offset
        Take the mean of the energies' errors off first: for a model that learned another program's total energies.
    threads
        CPU threads.
    """
    torch.set_num_threads(threads)
    frames = read_frames(data, molecule, "test")
    judged = ReferenceFrames(frames.numbers, frames.positions, frames.energies, frames.forces)
    potential = ModelPotential.from_file(model, frames.numbers)
    n_train = int(read_descriptions(model)[0]["provenance"]["n_train"])
    outcome = {"molecule": molecule, "n_train": n_train}
    outcome |= benchmark_errors(potential, judged, remove_offset=remove_offset)
    write_text(output, json.dumps(outcome, indent=2) + "\n")
    print(
        f"densnet benchmark: {molecule}, {outcome['n_test']} frames: energy {outcome['energy_mae_mev']:.3g} meV, "
        f"forces {outcome['force_mae_mev_per_angstrom']:.3g} meV/Å; worst frame "
        f"{outcome['force_mae_of_worst_frame_mev_per_angstrom']:.3g} meV/Å ({outcome['force_worst_frame']}); offset of "
        f"the energies {outcome['energy_offset_mev']:.3g} meV, {'taken off' if remove_offset else 'not taken off'}",
        file=sys.stderr,
    )


def table(*, system: Annotated[list[str], _MANY], errors: Annotated[list[Path], _MANY], output: Path) -> None:
    """Set errors beside those that others published.

    Parameters
    ----------
    system
        Names of the systems.
    errors
        Outputs of 'densnet benchmark errors', in the same order.
    output
        The table, CSV.
    """
    if len(system) != len(errors):
        raise DensnetError(f"benchmark table: expected as many --errors as --system ({len(system)}), got {len(errors)}")
    write_text(output, table_csv(benchmark_rows(system, [read_errors(path) for path in errors])))
    print(plain_table(*read_table(output)), file=sys.stderr)
