"""``densnet import``: labels that other codes made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.fitting.fitted_labels import METHOD_VERSION
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import write_dataset
from densnet.potentials import named
from densnet.reference import imported_labels
from densnet.reference.imported_data import read_data
from densnet.reference.imported_labels import SplitSettings


def import_labels(
    *,
    data: Path,
    output: Path,
    xyz: Path | None = None,
    atoms: Path | None = None,
    split: Annotated[SplitSettings, Parameter(name="*")] = SplitSettings(),
    settings: Annotated[FitSettings, Parameter(name="*")] = FitSettings(),
    processes: int = 1,
    accept_forces: bool = False,
) -> None:
    """Turn labels that other codes made into labels.nc; docs/import.md describes the files.

    Args:
        data: npz file with the densities, and with all the rest unless there is an xyz file.
        output: labels.nc, for 'densnet train', written when all is done.
        xyz: extended xyz file with energies, forces and dipoles of the same frames.
        atoms: file of ``densnet atoms`` at the same functional and basis, if the npz has no free atoms.
        split: how frames without a split are dealt.
        settings: how orbitals are fitted and errors measured.
        processes: worker processes, one thread each; the result does not depend on it.
        accept_forces: take forces that contradict the energies or GFN2-xTB as they are.
    """
    read = read_data(data, xyz)
    labels = imported_labels.import_labels(
        read,
        settings,
        split,
        atoms=atoms,
        processes=processes,
        force_check=None if accept_forces else named("gfn2-xtb"),
    )
    recorded = asdict(settings) | {"import": asdict(split) | {"method_version": imported_labels.METHOD_VERSION}}
    if read.fit_functions is not None:
        recorded["fit_basis"] = read.fit_functions.basis.name
    write_dataset(labels, output, stage="fit", method_version=METHOD_VERSION, settings=recorded)
