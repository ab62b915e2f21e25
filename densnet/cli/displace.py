"""``densnet displace`` and ``densnet modes``: harmonic frequencies by Psi4 or PySCF in pieces, for many processes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import xarray as xr
from cyclopts import Parameter

from densnet.cli.harmonic import relaxed_molecule, write_modes
from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import program_of
from densnet.fitting.response_labels import polarizabilities
from densnet.io.netcdf import read_dataset, settings_of, variable, write_dataset
from densnet.mechanics.relaxation import relaxed
from densnet.molecule import Molecule
from densnet.potentials.reference import ReferencePotential
from densnet.reference.level import PSI4, LevelOfTheory
from densnet.spectra.harmonic import METHOD_VERSION, displaced, modes_of_differences
from densnet.spectra.raman_modes import raman_of_differences

DEFAULT = LevelOfTheory()


def displace(*, geometry: Path, output: Path, level: Annotated[LevelOfTheory, Parameter(name="*")] = DEFAULT) -> None:
    """Relax a molecule by quantum chemistry; write the displaced geometries whose forces give its harmonic frequencies.

    They are labelled by 'densnet label', in as many shards as there are processes, and gathered by 'densnet modes'.

    Args:
        geometry: output of 'densnet harmonic', by a model for instance: the geometry to start from.
        output: netCDF file to write, of the kind that 'densnet label' reads; finished geometries are kept in
            OUTPUT.parts until it is whole.
        level: level of theory.
    """
    molecule = relaxed_molecule(geometry)
    reference = ReferencePotential(molecule, level, output)
    positions = displaced(relaxed(reference, molecule.positions))
    dataset = xr.Dataset(
        {
            "numbers": variable(("atom",), molecule.numbers, "1", "atomic numbers"),
            "positions": variable(("frame", "atom", "x"), positions, "angstrom", "relaxed, then displaced positions"),
            "split": variable(("frame",), np.full(len(positions), "test"), "1", "train, validation or test"),
        },
        attrs={"charge": molecule.charge, "multiplicity": molecule.multiplicity, "molecule": molecule.name},
    )
    if molecule.masses is not None:
        dataset["masses"] = variable(("atom",), molecule.masses, "Da", "masses of the isotopes")
    write_dataset(dataset, output, stage="sample", method_version=METHOD_VERSION, settings=reference.level.decisive())
    reference.remove_parts()


def modes(
    *,
    displacements: Path,
    shards: Annotated[list[Path], Parameter(consume_multiple=True, negative="")],
    output: Path,
    raman: bool = False,
) -> None:
    """Write harmonic frequencies and infrared intensities from the labels of displaced geometries.

    Args:
        displacements: output of 'densnet displace'.
        shards: outputs of 'densnet label' of it, all of them.
        output: netCDF file to write, as 'densnet harmonic' does.
        raman: compute Raman activities and depolarisation ratios too, from the response of the labels' orbitals.
    """
    displaced = read_dataset(displacements, stage="sample", variables=("numbers", "positions"))
    labels, level = _gathered(displaced, [read_dataset(path, stage="label") for path in shards])
    numbers, positions = displaced["numbers"].values, displaced["positions"].values[0]
    molecule = Molecule(
        numbers,
        positions,
        charge=int(displaced.attrs["charge"]),
        name=displaced.attrs["molecule"],
        masses=displaced["masses"].values if "masses" in displaced else None,
    )
    masses, scattering = molecule.atomic_masses, None
    normal_modes = modes_of_differences(labels["forces"].values, labels["dipole"].values, positions, masses)
    if raman:
        scattering = raman_of_differences(polarizabilities(labels, shards[0]), masses, normal_modes.modes)
    write_modes(normal_modes, molecule, positions, level.name, level.decisive(), output, scattering)


def _gathered(displaced: xr.Dataset, shards: list[xr.Dataset]) -> tuple[xr.Dataset, LevelOfTheory]:
    """Return the labels of all displaced geometries in their order, and the level."""
    if len(programs := sorted({program_of(shard.attrs) for shard in shards})) > 1:
        raise DensnetError(f"modes: expected labels by one program, found {' and '.join(programs)}; label again by one")
    names = ["positions", "forces", "dipole", "orbitals", "status"]
    together = (
        xr.concat([shard[names] for shard in shards], "frame").sortby("frame").assign(numbers=displaced["numbers"])
    )
    count = displaced.sizes["frame"]
    positions = together["positions"].values
    if positions.shape != displaced["positions"].shape or not np.array_equal(positions, displaced["positions"].values):
        raise DensnetError(
            f"modes: expected the labels of the {count} displaced geometries, found {len(positions)}; give every shard "
            "of 'densnet label' of this output of 'densnet displace'"
        )
    failed = [str(status) for status in together["status"].values if status != "ok"]
    if failed:
        raise DensnetError(f"modes: {len(failed)} of {count} displaced geometries failed, the first: {failed[0]}")
    fields = LevelOfTheory.__dataclass_fields__
    said = {"program": PSI4} | settings_of(shards[0])
    level = LevelOfTheory(**{key: value for key, value in said.items() if key in fields})
    return together, level
