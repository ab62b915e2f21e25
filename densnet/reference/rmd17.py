"""Revised MD17: ten molecules with energies and forces of PBE/def2-SVP (ORCA), the benchmark of the field.

Christensen and von Lilienfeld, Mach. Learn.: Sci. Technol. 1, 045018 (2020), arXiv:2007.09593. Its frames are of one
trajectory a molecule at 500 K. Split 01: of 1000 frames to learn from, 950 are for training and the last 50 choose the
weights; errors are those on 1000 others. The files are not part of densnet (docs/benchmarks.md).
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.molecule import Molecule, sorted_distances
from densnet.reference.selection import distance_to_nearest
from densnet.reference.settings import MOLECULES, BenchmarkSettings
from densnet.units import KCAL_PER_MOL_IN_EV

METHOD_VERSION: int = 1

Array = NDArray[np.float64]

LEVEL = {"functional": "PBE", "basis": "def2-SVP", "dispersion": "none"}
"""Level of theory of its energies and forces."""
PARTS = ("train", "test")
TEMPERATURE = 500.0
"""K; of the thermostat of the trajectories that its frames come from."""
ENVIRONMENT = "DENSNET_DATA"
"""Names the folder whose folder :data:`SUBFOLDER` holds the files."""
SUBFOLDER = "rmd17"
SOURCE = "github.com/andersx/rmd17-npz (or make it from figshare 12672038, 'Revised MD17 dataset (rMD17)'; CC0)"


@dataclass(frozen=True)
class BenchmarkFrames:
    """One file of the benchmark, in our units.

    Attributes:
        path: the file.
        numbers: atomic numbers, (i,).
        positions: Å, (t, i, 3).
        energies: total energies, eV, (t,).
        forces: eV/Å, (t, i, 3).
    """

    path: Path
    numbers: NDArray[np.int64]
    positions: Array
    energies: Array
    forces: Array


def check_molecule(molecule: str) -> None:
    """Refuse what is no molecule of the benchmark.

    Raises:
        DensnetError: an unknown name.
    """
    if molecule not in MOLECULES:
        raise DensnetError(f"molecule: expected one of {', '.join(MOLECULES)}, got {molecule!r}")


def benchmark_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the benchmark's files, by the environment variable :data:`ENVIRONMENT`.

    Raises:
        DensnetError: it is not set, or names no folder that holds one.
    """
    example = f"{SUBFOLDER}/{file_name('ethanol', 'train')}"
    data = environment.get(ENVIRONMENT)
    if not data:
        raise DensnetError(
            f"{ENVIRONMENT}: not set; expected the folder that holds files such as {example}; fetch them from {SOURCE}"
        )
    folder = Path(os.path.abspath(data)) / SUBFOLDER
    if not folder.is_dir():
        raise DensnetError(
            f"{ENVIRONMENT}: {folder} is no folder; expected one with files such as {example}; fetch them from {SOURCE}"
        )
    return folder


def file_name(molecule: str, part: str) -> str:
    """Return the name of a molecule's file of split 01: ``part`` is train or test."""
    return f"rmd17_{molecule}_{part}_01.npz"


def orbitals_file(folder: Path, molecule: str) -> Path | None:
    """Return the file of occupied orbitals of a molecule's frames, as docs/import.md has it; None if there is none."""
    path = folder / f"{molecule}_01_orbitals.npz"
    return path if path.is_file() else None


def read_frames(folder: Path, molecule: str, part: str) -> BenchmarkFrames:
    """Read one file of the benchmark: kcal/mol and kcal/mol/Å become eV and eV/Å; energies stay total ones.

    Args:
        folder: of the files.
        molecule: one of :data:`MOLECULES`.
        part: one of :data:`PARTS`.

    Raises:
        DensnetError: unknown molecule; no such file, unreadable, a key missing, wrong shapes, numbers that are none.
    """
    check_molecule(molecule)
    path = Path(folder) / file_name(molecule, part)
    if not path.is_file():
        raise DensnetError(f"{path}: no such file; fetch it from {SOURCE}")
    return read_file(path)


def is_benchmark_file(path: Path) -> bool:
    """Whether an npz file has the benchmark's own keys; False of what is no npz file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return "nuclear_charges" in stored.files
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError):
        return False


def read_file(path: Path) -> BenchmarkFrames:
    """Read a file of the benchmark, whatever its name; as :func:`read_frames`."""
    keys = ("nuclear_charges", "coords", "energies", "forces")
    try:
        with np.load(path, allow_pickle=False) as stored:
            values = {key: stored[key] for key in keys if key in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DensnetError(f"{path}: not a readable npz file ({error}); fetch it again from {SOURCE}") from error
    missing = [key for key in keys if key not in values]
    if missing:
        raise DensnetError(f"{path}: the key {missing[0]} is missing; expected {', '.join(keys)}, as in {SOURCE}")
    n, atoms = values["energies"].size, values["nuclear_charges"].size
    shapes = {"nuclear_charges": (atoms,), "coords": (n, atoms, 3), "energies": (n,), "forces": (n, atoms, 3)}
    for key, shape in shapes.items():
        value = values[key]
        if value.shape != shape or value.dtype.kind not in "iuf" or not np.isfinite(value).all():
            raise DensnetError(
                f"{path}: {key}: expected finite numbers of shape {shape}, found {value.dtype} {value.shape}; "
                f"fetch the file again from {SOURCE}"
            )
    return BenchmarkFrames(
        path,
        values["nuclear_charges"].astype(np.int64),
        values["coords"].astype(np.float64),
        KCAL_PER_MOL_IN_EV * values["energies"].astype(np.float64),
        KCAL_PER_MOL_IN_EV * values["forces"].astype(np.float64),
    )


def check_sizes(learned: BenchmarkFrames, judged: BenchmarkFrames, sizes: Mapping[str, int]) -> None:
    """Refuse more frames than the files hold.

    Args:
        learned: the file "train".
        judged: the file "test".
        sizes: n_train, n_validation and n_test.

    Raises:
        DensnetError: too many frames, or files of different molecules.
    """
    if not np.array_equal(learned.numbers, judged.numbers):
        raise DensnetError(f"{judged.path}: its atoms are not those of {learned.path}; fetch both from {SOURCE}")
    train, validation, test = (sizes[name] for name in ("n_train", "n_validation", "n_test"))
    if train + validation > len(learned.positions):
        raise DensnetError(
            f"n_train: expected with n_validation at most {len(learned.positions)}, as many as {learned.path} holds, "
            f"got {train} + {validation}"
        )
    if test > len(judged.positions):
        raise DensnetError(
            f"n_test: expected at most {len(judged.positions)}, as many as {judged.path} holds, got {test}"
        )


def benchmark_geometries(folder: Path, settings: BenchmarkSettings) -> xr.Dataset:
    """Return frames of the benchmark as "sample" has its own, with the energies and forces that came with them.

    ``energy_given`` and ``forces_given`` are what "fit" then takes in place of those of the labels.

    Raises:
        DensnetError: a file cannot be used, or holds fewer frames.
    """
    learned, judged = (read_frames(folder, settings.molecule, part) for part in PARTS)
    sizes = {name: value for name, value in asdict(settings).items() if name != "molecule"}
    check_sizes(learned, judged, sizes)
    n, n_learned = sum(sizes.values()), len(learned.positions)
    rows = {
        "train": np.arange(settings.n_train),
        "validation": np.arange(n_learned - settings.n_validation, n_learned),
        "test": np.arange(settings.n_test),
    }
    files = {"train": learned, "validation": learned, "test": judged}
    positions, energies, forces = (
        np.concatenate([getattr(files[split], name)[chosen] for split, chosen in rows.items()])
        for name in ("positions", "energies", "forces")
    )
    molecule = Molecule(learned.numbers, positions[0], name=settings.molecule)
    split = np.repeat(list(rows), [len(chosen) for chosen in rows.values()])
    descriptors, held_out = sorted_distances(molecule.numbers, positions), split != "train"
    distance = np.full(n, np.nan)
    distance[held_out] = distance_to_nearest(descriptors[held_out], descriptors[~held_out])
    xyz, frame = ("frame", "atom", "x"), ("frame",)
    nearest = "root mean square difference of sorted distances to nearest train frame"
    return xr.Dataset(
        {
            "positions": variable(xyz, positions, "angstrom", "positions"),
            "numbers": variable(("atom",), molecule.numbers, "1", "atomic numbers"),
            "split": variable(frame, split.astype(str), "1", "train, validation or test"),
            "temperature": variable(frame, np.full(n, TEMPERATURE), "K", "temperature of the trajectory"),
            "trajectory": variable(frame, np.zeros(n, dtype=np.int64), "1", "trajectory that the frame comes from"),
            "time": variable(frame, np.full(n, np.nan), "fs", "not known"),
            "distance_to_train": variable(frame, distance, "angstrom", nearest),
            "energy_given": variable(frame, energies, "eV", "total energy that came with the frame"),
            "forces_given": variable(xyz, forces, "eV/angstrom", "forces that came with the frame"),
            "source_frame": variable(
                frame, np.concatenate(list(rows.values())), "1", "index of the frame in its file, train or test"
            ),
        },
        attrs={
            "molecule": molecule.name,
            "charge": molecule.charge,
            "multiplicity": molecule.multiplicity,
            "given_by": "revised MD17, split 01 (arXiv:2007.09593): ORCA, PBE/def2-SVP",
        },
    )
