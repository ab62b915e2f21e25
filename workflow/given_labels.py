"""Labels that config.yaml names a folder for: what they are, and whether they are what the configuration says."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import GIVEN, GIVEN_HARMONIC

from densnet.errors import DensnetError

AGREE = ("functional", "basis", "dispersion")
"""Keys of ``reference`` that the labels record."""


@dataclass(frozen=True)
class GivenLabels:
    """What a folder of labels says of itself: frames of each split, level of theory, atomic numbers, charge, spin."""

    sizes: dict[str, int]
    level: dict[str, str]
    numbers: tuple[int, ...]
    charge: int
    multiplicity: int


@functools.cache
def labels_in(folder: Path) -> GivenLabels:
    """Read a folder of ``densnet pack``.

    Raises:
        DensnetError: no such folder, a file is missing, unreadable or no label file.
    """
    from densnet.io.netcdf import read_dataset
    from densnet.reference.packing import split_sizes

    if not folder.is_dir():
        raise DensnetError(
            f"{folder}: no such folder; expected one of 'densnet pack', with {', '.join(GIVEN.values())}"
        )
    missing = [name for name in GIVEN.values() if not (folder / name).is_file()]
    if missing:
        raise DensnetError(f"{folder}: {', '.join(missing)} missing; make the folder again with 'densnet pack'")
    sampled = read_dataset(folder / GIVEN["geometries"], stage="sample", variables=("numbers", "split"))
    labelled = read_dataset(folder / GIVEN["label_shard"], stage="label", variables=("frame", "orbitals"))
    read_dataset(folder / GIVEN["atoms"], stage="atoms")
    if labelled.sizes["frame"] != sampled.sizes["frame"]:
        raise DensnetError(
            f"{folder}: {GIVEN['label_shard']} has {labelled.sizes['frame']} frames and {GIVEN['geometries']} "
            f"{sampled.sizes['frame']}; make the folder again with 'densnet pack'"
        )
    try:
        level = {name: str(labelled.attrs[name]) for name in AGREE}
        charge, multiplicity = (int(labelled.attrs[name]) for name in ("charge", "multiplicity"))
    except KeyError as error:
        raise DensnetError(f"{folder}: {GIVEN['label_shard']} does not say its {error}; label again") from error
    numbers = tuple(int(number) for number in sampled["numbers"].values)
    return GivenLabels(split_sizes(sampled["split"].values), level, numbers, charge, multiplicity)


def given_harmonic(system: Mapping[str, Any]) -> str | None:
    """Return the file of Psi4's harmonic frequencies beside a system's given labels, None if there is none."""
    if "labels" not in system:
        return None
    path = Path(system["labels"]) / GIVEN_HARMONIC
    return str(path) if path.is_file() else None


def impossible_labels(where: str, system: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for everything in which given labels and the configuration contradict each other.

    Raises:
        DensnetError: the folder cannot be used.
    """
    folder = Path(system["labels"])
    given = labels_in(folder)
    for name in AGREE:
        wanted = str(config["reference"][name])
        if wanted.lower() != given.level[name].lower():
            yield (
                f"{where}.labels: {folder} was made with {name} {given.level[name]}, but reference.{name} is {wanted}; "
                "set it to the labels' own or take other labels"
            )
    for name, found in (("charge", given.charge), ("multiplicity", given.multiplicity)):
        if system[name] != found:
            yield f"{where}.{name}: expected {found}, as {folder} was made with, found {system[name]}"


def check_harmonic(system: Mapping[str, Any]) -> None:
    """Compare harmonic frequencies with the labels that they lie beside.

    Raises:
        DensnetError: no file of harmonic frequencies, or one of another level or other atoms.
    """
    from densnet.io.netcdf import read_dataset

    path = given_harmonic(system)
    if path is None:
        return
    given = labels_in(Path(system["labels"]))
    dataset = read_dataset(Path(path), stage="harmonic", variables=("wavenumber", "intensity", "numbers"))
    level = json.loads(dataset.attrs["settings"])
    said = [f"{name} {level.get(name)}" for name in AGREE if str(level.get(name)).lower() != given.level[name].lower()]
    if tuple(int(number) for number in dataset["numbers"].values) != given.numbers:
        said.append("other atoms")
    if said:
        raise DensnetError(f"{path} is not of these labels: {', '.join(said)}; make it again or delete it")
