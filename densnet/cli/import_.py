"""``densnet import``: labels that other codes made."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import xarray as xr
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.fitting.fitted_labels import METHOD_VERSION
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import write_dataset
from densnet.potential import Make
from densnet.potentials import named
from densnet.reference import imported_labels
from densnet.reference.imported_data import ImportedData, data_of, read_data
from densnet.reference.imported_split import SplitSettings
from densnet.reference.level import level_name


def import_labels(
    *,
    data: Path | None = None,
    output: Path,
    xyz: Path | None = None,
    qcschema: Path | None = None,
    density: Path | None = None,
    atoms: Path | None = None,
    level: str = "",
    split: Annotated[SplitSettings, Parameter(name="*")] = SplitSettings(),
    settings: Annotated[FitSettings, Parameter(name="*")] = FitSettings(),
    processes: int = 1,
    accept_forces: bool = False,
) -> None:
    """Turn labels that other codes made into labels.nc; docs/import.md describes the files.

    Args:
        data: npz file with the densities, and with all the rest unless there is an xyz file; with --density, an npz
            file of energies and forces alone, such as those of revised MD17; an mts file of coefficients beside an xyz
            file.
        output: labels.nc, for 'densnet train', written when all is done.
        xyz: extended xyz file with energies, forces and dipoles; of the frames of --data, or alone with --density.
        qcschema: JSON file of QCSchema results with gradients, with --density.
        density: density model that predicts the densities of energies and forces that come alone.
        atoms: file of ``densnet atoms`` at the same functional and basis, if the files have no free atoms.
        level: level of theory such as PBE/def2-SVP, if an xyz or JSON file does not say it.
        split: how frames without a split are dealt.
        settings: how orbitals are fitted and errors measured; fit_basis also names that of an mts file.
        processes: worker processes, one thread each; the result does not depend on it.
        accept_forces: take forces that contradict the energies or GFN2-xTB as they are.
    """
    force_check = None if accept_forces else named("gfn2-xtb")
    recorded = asdict(settings) | {"import": asdict(split) | {"method_version": imported_labels.METHOD_VERSION}}
    if density is not None:
        labels = _energies_alone(data, xyz, qcschema, density, atoms, level, split, force_check)
        recorded = {"import": recorded["import"]}
    else:
        read = _with_densities(data, xyz, qcschema, level, settings)
        labels = imported_labels.import_labels(
            read, settings, split, atoms=atoms, processes=processes, force_check=force_check
        )
        if read.fit_functions is not None:
            recorded["fit_basis"] = read.fit_functions.basis.name
    write_dataset(labels, output, stage="fit", method_version=METHOD_VERSION, settings=recorded)


def _with_densities(
    data: Path | None, xyz: Path | None, qcschema: Path | None, level: str, settings: FitSettings
) -> ImportedData:
    """Read frames that come with densities."""
    if data is None or qcschema is not None:
        alone = "--qcschema" if qcschema is not None else "--xyz"
        raise DensnetError(
            f"import: {alone} holds energies and forces alone; name the model that predicts densities by --density, "
            "or their file by --data"
        )
    if data.suffix != ".mts":
        if level:
            raise DensnetError(f"level: {data} names it by functional and orbital_basis; leave --level out")
        return read_data(data, xyz)
    from densnet.exchange.metatensor_file import read_mts

    if xyz is None:
        raise DensnetError(f"{data}: holds coefficients alone; name geometries, energies and forces by --xyz")
    return data_of(read_mts(data, xyz, fit_basis=settings.fit_basis, level=level))


def _energies_alone(
    data: Path | None,
    xyz: Path | None,
    qcschema: Path | None,
    density: Path,
    atoms: Path | None,
    level: str,
    split: SplitSettings,
    force_check: Make | None,
) -> xr.Dataset:
    """Return the labels of frames without densities."""
    from densnet.exchange.energies_alone import energy_labels, read_energies

    sources = [(path, kind) for path, kind in ((data, "npz"), (xyz, "xyz"), (qcschema, "qcschema")) if path is not None]
    if len(sources) != 1:
        raise DensnetError(
            f"import: expected one of --data, --xyz and --qcschema beside --density, found {len(sources)}; densities "
            "of --data are used without --density"
        )
    frames = read_energies(*sources[0], level)
    labels = energy_labels(frames, density, split, atoms=atoms, force_check=force_check)
    theory = level_name(frames.functional, frames.orbital_basis_name, frames.dispersion)
    of_density = labels.attrs["density_model_level"]
    print(f"import: {len(labels.frame)} frames of {theory}, densities by {density} ({of_density})", file=sys.stderr)
    return labels
