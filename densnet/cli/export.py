"""``densnet export``: outcomes in the formats of other programs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Split = Literal["train", "validation", "test"]
Format = Literal["extxyz", "mace", "qcschema", "amlp"]
DensityFormat = Literal["mts", "npz", "cube", "molden"]


def trajectory(trajectory: Path, *, output: Path, replica: int | None = None, stride: int = 1) -> None:
    """Write a trajectory as extended xyz, DCD or XTC, for VMD, OVITO and the like.

    Parameters
    ----------
    trajectory
        Output of 'densnet md'.
    output
        The file: .xyz or .extxyz with energies and dipoles, .dcd or .xtc with a .pdb of atoms and bonds beside it.
    replica
        One of the replicas, from 0; all of them without it, one after the other.
    stride
        Write every so many frames of each replica.
    """
    from densnet.dynamics.export import export_trajectory

    written = export_trajectory(trajectory, output, replica, stride)
    print(f"export: {', '.join(map(str, written))}", file=sys.stderr)


def labels(
    *,
    labels: Path,
    output: Path,
    format: Format = "extxyz",
    split: Annotated[tuple[Split, ...], Parameter(consume_multiple=True, negative="")] = (),
) -> None:
    """Write labels for other programs: geometries, energies, forces and dipoles.

    Parameters
    ----------
    labels
        A folder of labels such as data/ethanol, or the output of 'densnet fit', 'densnet import' or 'densnet label'.
    output
        The file to write; the folder, for mace.
    format
        extxyz (ASE), mace (a file of each split, for mace_run_train), qcschema (JSON lines) or amlp (JSON).
    split
        Only the frames of these splits.
    """
    from densnet.exchange.amlp import write_amlp
    from densnet.exchange.extended_xyz import mace_command, write_extended_xyz, write_mace
    from densnet.exchange.labelled_molecule import LabelledMolecule, labelled_molecule
    from densnet.exchange.qcschema import write_qcschema
    from densnet.reference.packing import split_sizes

    writers: dict[str, Callable[[LabelledMolecule, Path], list[Path]]] = {
        "extxyz": write_extended_xyz,
        "mace": write_mace,
        "qcschema": write_qcschema,
        "amlp": write_amlp,
    }
    molecule = labelled_molecule(labels).of_splits(split)
    written = writers[format](molecule, output)
    counts = ", ".join(f"{count} {name}" for name, count in split_sizes(molecule.split).items() if count)
    print(f"export: {', '.join(map(str, written))}: {counts} frames, {molecule.level}", file=sys.stderr)
    if format == "mace":
        print(f"export: {mace_command(written)}", file=sys.stderr)


def metatomic(*, model: Path, output: Path, dtype: Literal["float32", "float64"] = "float32") -> None:
    """Write a model as one file for the engines of metatomic, such as LAMMPS and ASE.

    Parameters
    ----------
    model
        One model, of molecules; for an ensemble, export a member.
    output
        The file, .mta. It holds energies, dipoles and densities; engines differentiate the energy.
    dtype
        Precision of the networks; positions and results are float64 in any case.
    """
    import torch

    from densnet.exchange.metatomic_file import write_metatomic

    outputs = write_metatomic(model, output, dtype=getattr(torch, dtype))
    print(f"export: {output}: {', '.join(outputs)}", file=sys.stderr)


def density(
    *,
    output: Path,
    labels: Path | None = None,
    model: Path | None = None,
    xyz: Path | None = None,
    format: DensityFormat = "mts",
    spacing: float = 0.1,
) -> None:
    """Write densities for other programs, of labels or as a model predicts them.

    Parameters
    ----------
    output
        The file to write; of several cubes or Molden files the number of the frame stands before the ending.
    labels
        Output of 'densnet fit' or 'densnet import': the densities of all its frames.
    model
        A model: its densities of the frames of --xyz.
    xyz
        xyz file of one or more frames of a molecule.
    format
        mts (metatensor; of labels, with their frames as extended xyz beside it), npz (coefficients and their basis, for
        numpy and 'densnet import'), cube (values on a grid) or molden (coefficients and their basis, the density in the
        place of an orbital).
    spacing
        Of the points of a cube, Angstrom.
    """
    from densnet.exchange.expanded_density import expanded_densities

    densities = expanded_densities(labels, model, xyz)
    writers: dict[str, Callable[[], list[Path]]] = {
        "mts": lambda: densities.write_mts(output),
        "npz": lambda: densities.write_npz(output),
        "cube": lambda: densities.write_cubes(output, spacing),
        "molden": lambda: densities.write_moldens(output),
    }
    written = [str(path) for path in writers[format]()]
    frames, functions = densities.coefficients.shape
    named = ", ".join(written) if len(written) < 3 else f"{written[0]} ... {written[-1]}"
    print(f"export: {named}: {frames} frames, {functions} functions of {densities.basis.name}", file=sys.stderr)
