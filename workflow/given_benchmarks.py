"""Systems that config.yaml names a molecule of revised MD17 for: its files, and whether it can be run as it says."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages import SIZES

from densnet.errors import DensnetError

KEY = "rmd17"
ELSEWHERE = ("smiles", "xyz", "labels", "oligomer")
"""Keys that say what the molecule is; beside the benchmark's there can be none."""
ATOMS = Path(__file__).parent.parent / "data" / "ethanol" / "atoms.nc"
"""Free atoms at the benchmark's level of theory, which ship with the labels of ethanol."""


def benchmark_files(molecule: str) -> dict[str, str]:
    """Return a molecule's files, "train" and "test", and the "folder" that they lie in.

    Raises:
        DensnetError: the folder is not named or not there.
    """
    from densnet.reference.rmd17 import PARTS, benchmark_folder, file_name

    folder = benchmark_folder()
    return {"folder": str(folder)} | {part: str(folder / file_name(molecule, part)) for part in PARTS}


def benchmark_numbers(molecule: str) -> tuple[int, ...]:
    """Return the atomic numbers of a molecule of the benchmark.

    Raises:
        DensnetError: the folder is not named, or a file cannot be used.
    """
    return _numbers_in(benchmark_files(molecule)["folder"], molecule)


@functools.cache
def _numbers_in(folder: str, molecule: str) -> tuple[int, ...]:
    from densnet.reference.rmd17 import PARTS, read_frames

    learned, _ = (read_frames(Path(folder), molecule, part) for part in PARTS)
    return tuple(int(number) for number in learned.numbers)


def given_orbitals(system: Mapping[str, Any]) -> str | None:
    """Return the file of orbitals that lies beside the benchmark's, with which no Psi4 is needed; None without one.

    Raises:
        DensnetError: the folder is not named or not there.
    """
    if KEY not in system:
        return None
    from densnet.reference.rmd17 import benchmark_folder, orbitals_file

    path = orbitals_file(benchmark_folder(), system[KEY])
    return None if path is None else str(path)


def given_atoms(system: Mapping[str, Any]) -> str | None:
    """Return the shipped free atoms if a system's orbitals are given and no element is missing; else None.

    Raises:
        DensnetError: the folder is not named, or a file cannot be used.
    """
    if given_orbitals(system) is None or not ATOMS.is_file():
        return None
    known = set(benchmark_numbers(system[KEY])) <= _shipped_elements()
    return os.path.relpath(ATOMS) if known else None


@functools.cache
def _shipped_elements() -> frozenset[int]:
    from densnet.io.netcdf import read_dataset

    return frozenset(int(z) for z in read_dataset(ATOMS, stage="atoms", variables=("element",))["element"].values)


def impossible_folder(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line if systems need the benchmark's folder and it is not named or not there: one for all of them."""
    from densnet.reference.rmd17 import benchmark_folder

    first = next((name for name, system in config["systems"].items() if KEY in system), None)
    if first is not None:
        try:
            benchmark_folder()
        except DensnetError as error:
            yield f"systems.{first}.{KEY}: {error}"


def impossible_benchmark(where: str, system: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for everything that a molecule of the benchmark cannot be combined with, its files among it.

    Of the folder of the files :func:`impossible_folder` tells.
    """
    from densnet.reference.rmd17 import LEVEL

    other = [key for key in ELSEWHERE if key in system]
    if other:
        yield f"{where}: expected one of {', '.join((KEY, *ELSEWHERE))}, found {KEY} and {other[0]}"
    for key, needed in (("charge", 0), ("multiplicity", 1)):
        if system[key] != needed:
            yield f"{where}.{key}: expected {needed} for {where}.{KEY}, found {system[key]}"
    for key, value in LEVEL.items():
        wanted = str(config["reference"][key])
        if wanted.lower() != value.lower():
            yield (
                f"reference.{key}: expected {value}, the level of theory of the energies and forces of {where}.{KEY}, "
                f"found {wanted}"
            )
    try:
        benchmark_files(system[KEY])
    except DensnetError:
        return
    try:
        benchmark_numbers(system[KEY])
    except DensnetError as error:
        yield f"{where}.{KEY}: {error}"


def impossible_sizes(where: str, system: Mapping[str, Any], sampling: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line where more frames are wanted than the benchmark's files, or the file of orbitals, hold.

    What is wrong with the files themselves is left to :func:`impossible_benchmark`.
    """
    from densnet.reference.given_orbitals import check_held
    from densnet.reference.rmd17 import benchmark_geometries
    from densnet.reference.settings import BenchmarkSettings

    try:
        benchmark_numbers(system[KEY])
        orbitals, folder = given_orbitals(system), Path(benchmark_files(system[KEY])["folder"])
    except DensnetError:
        return
    try:
        settings = BenchmarkSettings(system[KEY], **{size: sampling[size] for size in SIZES})
        positions = benchmark_geometries(folder, settings)["positions"].values
    except DensnetError as error:
        yield f"sampling.{error} ({where}.{KEY})"
        return
    if orbitals is not None:
        try:
            check_held(Path(orbitals), positions)
        except DensnetError as error:
            yield f"{where}.{KEY}: {error}"
