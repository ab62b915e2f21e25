"""``densnet basis``: what a fitting basis costs and what it misses; make a better one."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import App, Parameter
from numpy.typing import NDArray

from densnet.cli.verbs import FAMILIES, epilogue
from densnet.errors import DensnetError
from densnet.fitting.basis_comparison import (
    METHOD_VERSION,
    compare_bases,
    named_candidates,
    natural_candidates,
    table_of,
)
from densnet.fitting.determinants import Determinants, determinants_of_labels
from densnet.fitting.fit_basis import describe_basis, named_fit_basis
from densnet.fitting.kohn_sham_labels import read_atoms
from densnet.fitting.optimised_basis import optimised_basis
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import read_dataset, write_dataset, write_text
from densnet.molecule import from_smiles, from_xyz
from densnet.reference.level import LevelOfTheory
from densnet.reference.programs import described, settled
from densnet.reference.single_points import single_points

basis = App(name="basis", help=FAMILIES["basis"], help_epilogue=epilogue("basis --smiles O --frames 2"))

LEVEL = LevelOfTheory()
DEFAULT = FitSettings()
USUAL = ["def2-SVP-JKFIT", "cc-pVTZ-JKFIT", "aug-cc-pVQZ-JKFIT", "even-tempered-2-l4"]
Many = Parameter(consume_multiple=True, negative="")


@basis.default
def compare(
    *,
    labels: Path | None = None,
    atoms: Path | None = None,
    smiles: str | None = None,
    xyz: Path | None = None,
    charge: int = 0,
    fit_basis: Annotated[list[str], Many] = USUAL,
    natural_share: Annotated[list[float], Many] = [DEFAULT.natural_share],  # noqa: B006 (never changed)
    natural_primitives: str = DEFAULT.natural_primitives,
    frames: int = 2,
    natural_frames: int = 8,
    ridge: float = DEFAULT.ridge,
    grid_level: int = DEFAULT.grid_level,
    self_energy: bool = True,
    level: Annotated[LevelOfTheory, Parameter(name="*")] = LEVEL,
    seed: int = 0,
    processes: int = 1,
    output: Path | None = None,
) -> None:
    """Print, for one molecule, what several fitting bases miss of its Kohn-Sham density, side by side.

    Args:
        labels: labels.nc of 'densnet fit', whose test frames are fitted and whose training frames make natural bases.
        atoms: file of 'densnet atoms' that belongs to the labels.
        smiles: instead of labels: the molecule, computed now ...
        xyz: ... or its geometry as an xyz file.
        charge: of the molecule in the xyz file.
        fit_basis: names, or paths of .json files.
        natural_share: natural bases to make, by the share of the density's energy that they keep.
        natural_primitives: what they are contracted from.
        frames: geometries that are fitted; means are printed.
        natural_frames: other geometries that natural functions are made from.
        ridge: holds atoms' own energies down in the fits.
        grid_level: grid on which errors are measured, 0 (coarse) to 9 (fine).
        self_energy: measure (d|d) too, costly for large molecules.
        level: level of theory, with --smiles or --xyz.
        seed: of the displacements, with --smiles or --xyz.
        processes: worker processes, one thread each.
        output: netCDF file of all numbers, and of the bases themselves.
    """
    if sum(source is not None for source in (labels, smiles, xyz)) != 1:
        raise DensnetError("basis: expected one of --labels, --smiles and --xyz")
    if frames < 1 or natural_frames < 1:
        raise DensnetError(f"frames: expected at least 1 of each kind, got {frames} and {natural_frames}")
    if labels is not None:
        tested, learned_from, free = _from_labels(labels, atoms, frames, natural_frames)
    else:
        n = frames + (natural_frames if natural_share else 0)
        tested, learned_from, free = _computed_now(smiles, xyz, charge, level, frames, n, seed)
    tried = named_candidates(fit_basis, tested, free)
    if natural_share:
        tried += natural_candidates(
            natural_share, natural_primitives, learned_from, free, ridge=ridge, processes=processes
        )
    result = compare_bases(
        tried, tested, ridge=ridge, grid_level=grid_level, self_energy=self_energy, processes=processes
    )
    print(f"{tested.formula}, {tested.level}, {result.sizes['frame']} geometries\n\n{table_of(result)}")
    if output is not None:
        settings = {"frames": frames, "natural_frames": natural_frames, "ridge": ridge, "grid_level": grid_level}
        write_dataset(result, output, stage="basis", method_version=METHOD_VERSION, settings=settings)


@basis.command(help_epilogue=epilogue("basis optimise --labels labels.nc --output basis.json"))
def optimise(
    *, labels: Path, output: Path, start: str = "even-tempered-2.8-l4", frames: int = 2, iterations: int = 20
) -> None:
    """Optimise even-tempered exponents on a few densities, against the Coulomb self-energy of what the fit leaves.

    Args:
        labels: labels.nc of 'densnet fit'; training frames are used.
        output: .json file to write, for --fit-basis.
        start: even-tempered basis; the number of its shells stays.
        frames: densities to optimise on.
        iterations: at most so many; each takes minutes.
    """
    _must_be_json(output)
    determinants = determinants_of_labels(labels, "train", frames)
    begun = named_fit_basis(start, determinants.numbers, determinants.orbital_basis)
    made = optimised_basis(begun, determinants, iterations=iterations)
    write_text(output, made.to_json())
    print(describe_basis(made, determinants.numbers))


@basis.command(help_epilogue=epilogue("basis natural --labels labels.nc --atoms atoms.nc --output basis.json"))
def natural(
    *,
    labels: Path,
    atoms: Path,
    output: Path,
    share: float = DEFAULT.natural_share,
    primitives: str = DEFAULT.natural_primitives,
    frames: int = DEFAULT.natural_frames,
    ridge: float = DEFAULT.ridge,
    processes: int = 1,
) -> None:
    """Write the natural density functions of some labels as a basis that other labels can be fitted in.

    Args:
        labels: labels.nc of 'densnet fit'; training frames are used.
        atoms: file of 'densnet atoms' that belongs to the labels.
        output: .json file to write, for --fit-basis.
        share: of the density's electrostatic energy that is kept.
        primitives: basis that is contracted.
        frames: densities to learn from.
        ridge: holds atoms' own energies down in the fits.
        processes: worker processes, one thread each.
    """
    _must_be_json(output)
    determinants = determinants_of_labels(labels, "train", frames)
    level = read_dataset(labels, stage="fit").attrs
    free = read_atoms(atoms, determinants.numbers, determinants.orbital_basis, level)
    (made,) = natural_candidates(
        [share], primitives, determinants, free.density_matrices, ridge=ridge, processes=processes
    )
    write_text(output, made.basis.to_json())
    print(describe_basis(made.basis, determinants.numbers))


@basis.command(help_epilogue=epilogue("basis extract --labels labels.nc --output basis.json"))
def extract(*, labels: Path, output: Path) -> None:
    """Write the fitting basis of some labels as a file, so that those of another molecule can be fitted in it.

    Args:
        labels: labels.nc of 'densnet fit'.
        output: .json file to write, for --fit-basis.
    """
    _must_be_json(output)
    write_text(output, str(read_dataset(labels, stage="fit", variables=("coefficients",)).attrs["fit_basis"]))


def _must_be_json(output: Path) -> None:
    if output.suffix != ".json":
        raise DensnetError(f"output: expected a file name that ends in .json, got {output}")


def _from_labels(
    labels: Path, atoms: Path | None, frames: int, natural_frames: int
) -> tuple[Determinants, Determinants, Mapping[int, NDArray[np.float64]]]:
    if atoms is None:
        raise DensnetError("atoms: expected the file of 'densnet atoms' that belongs to the labels; give --atoms")
    tested = determinants_of_labels(labels, "test", frames)
    learned_from = determinants_of_labels(labels, "train", natural_frames)
    level = read_dataset(labels, stage="fit").attrs
    free = read_atoms(atoms, tested.numbers, tested.orbital_basis, level)
    return tested, learned_from, free.density_matrices


def _computed_now(
    smiles: str | None, xyz: Path | None, charge: int, level: LevelOfTheory, frames: int, n: int, seed: int
) -> tuple[Determinants, Determinants, Mapping[int, NDArray[np.float64]]]:
    molecule = from_smiles(smiles, seed=seed) if smiles is not None else from_xyz(Path(str(xyz)), charge=charge)
    level = settled(level)
    print(f"densnet basis: {n} calculations, {described(level)}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        determinants, free = single_points(molecule, level, n_frames=n, seed=seed, folder=Path(folder))
    return determinants[:frames], determinants[frames:], free.density_matrices
