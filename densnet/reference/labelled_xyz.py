"""Extended xyz files with energies and forces, under ASE's names or under MACE's.

ASE's are ``energy`` (eV), ``forces`` (eV/Å) and ``dipole`` (e Å); MACE's, which ``densnet export labels`` writes, are
the same behind ``REF_``. Frames of a single atom with ``config_type=IsolatedAtom`` hold the energies of free atoms.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from densnet.errors import DensnetError
from densnet.reference.level import level_in
from densnet.starting_geometry import check_cell
from densnet.text_files import read_text

ISOLATED = "IsolatedAtom"
"""MACE's word for a frame whose energy is that of the free atom."""
MACE_PREFIX = "REF_"
FIELDS = (("energies", "energy", True), ("forces", "forces", True), ("dipoles", "dipole", False))
"""Our keys, ASE's names, and whether there is no doing without."""
COMMON = ("charge", "level", "program")
"""What a comment line may say of all frames alike."""


def read_labelled_xyz(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of a file by the keys of docs/import.md, and what its comment lines say of charge and level.

    Raises:
        DensnetError: an unreadable file, one without frames, or with frames of different molecules; a frame without
            energy or forces, or with two that differ; an open shell; a molecule that its cell has cut.
    """
    images = _images(path)
    lone = [atoms for atoms in images if _is_lone(atoms)]
    frames = [atoms for atoms in images if not _is_lone(atoms)]
    if not frames:
        raise DensnetError(f"{path}: holds no frames")
    _check_molecule(path, frames)
    values: dict[str, Any] = {"numbers": frames[0].numbers, "positions": np.array([a.positions for a in frames])}
    for key, name, needed in FIELDS:
        given = _by_frame(path, frames, name, needed)
        if given is not None:
            values[key] = given
    if all("split" in atoms.info for atoms in frames):
        values["split"] = np.array([str(atoms.info["split"]) for atoms in frames])
    for atom in lone:
        energy = _result(f"{path}: {ISOLATED} {atom.symbols}", atom, "energy")
        if energy is not None:
            values[f"atom_energy_{atom.symbols}"] = float(energy)
    return values, _said_of_all(path, frames)


def _images(path: Path) -> list[Atoms]:
    from ase.io import read

    if not path.is_file():
        raise DensnetError(f"{path}: not a readable extended xyz file (no such file); give its path")
    try:
        images: Any = read(io.StringIO(read_text(path, "an extended xyz file")), index=":", format="extxyz")
    except DensnetError:
        raise
    except Exception as error:  # ASE's reader raises many types
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DensnetError(f"{path}: not a readable extended xyz file ({reason}); write it with ASE") from error
    return list(images)


def _is_lone(atoms: Atoms) -> bool:
    return len(atoms) == 1 and atoms.info.get("config_type") == ISOLATED


def _check_molecule(path: Path, frames: Sequence[Atoms]) -> None:
    """Refuse frames of different molecules, of an open shell, and molecules that are wrapped in their cell."""
    for frame, atoms in enumerate(frames):
        if not np.array_equal(atoms.numbers, frames[0].numbers):
            raise DensnetError(
                f"{path}: frame {frame} has other atoms than frame 0, {atoms.symbols} and {frames[0].symbols}; import "
                "one molecule at a time, with its atoms in one order"
            )
        if atoms.pbc.all() and np.isfinite(atoms.positions).all():
            check_cell(f"{path}: frame {frame}", atoms.numbers, atoms.positions, np.asarray(atoms.cell))
        for name in ("multiplicity", "total_spin"):
            if str(atoms.info.get(name, 1)) != "1":
                raise DensnetError(
                    f"{path}: frame {frame}: {name}: expected 1, a closed shell, found {atoms.info[name]}; leave it out"
                )


def _by_frame(path: Path, frames: Sequence[Atoms], name: str, needed: bool) -> np.ndarray | None:
    """Return one quantity of all frames; None where none has it and it may be missing."""
    results = [_result(f"{path}: frame {frame}", atoms, name) for frame, atoms in enumerate(frames)]
    lacking = [frame for frame, result in enumerate(results) if result is None]
    if len(lacking) == len(results) and not needed:
        return None
    if lacking:
        there = ", ".join(sorted(_names(frames[lacking[0]]))) or "nothing"
        raise DensnetError(
            f"{path}: frame {lacking[0]} has no {name!r}; expected it under that name, which is ASE's, or as "
            f"{MACE_PREFIX + name!r}, in eV and Å, found {there}"
        )
    try:
        return np.array(results, dtype=float)
    except (TypeError, ValueError) as error:
        raise DensnetError(f"{path}: {name} is not of one shape in all frames; write the file with ASE") from error


def _result(where: str, atoms: Atoms, name: str) -> Any:
    """Return a quantity of a frame, None where it is not there."""
    by_ase = {} if atoms.calc is None else atoms.calc.results
    other = MACE_PREFIX + name
    places = ((by_ase, name), (atoms.info, other), (atoms.arrays, other))
    given = [source[key] for source, key in places if key in source]
    if len(given) == 2 and not np.array_equal(given[0], given[1]):
        raise DensnetError(f"{where} has {name!r} and {other!r}, which differ; keep one of them")
    return given[0] if given else None


def _names(atoms: Atoms) -> set[str]:
    """Return the names of what a frame holds beside its geometry."""
    results = set() if atoms.calc is None else set(atoms.calc.results)
    return (set(atoms.info) | set(atoms.arrays) | results) - {"numbers", "positions"}


def _said_of_all(path: Path, frames: Sequence[Atoms]) -> dict[str, Any]:
    """Return charge, level of theory and program, by the keys of docs/import.md, where the comment lines say them."""
    said: dict[str, Any] = {}
    for name in COMMON:
        # MACE's name of the charge
        key = "total_charge" if name == "charge" and "charge" not in frames[0].info else name
        values = {str(atoms.info[key]) for atoms in frames if key in atoms.info}
        if len(values) > 1:
            raise DensnetError(
                f"{path}: {key}: expected one of all frames, found {', '.join(sorted(values))}; import one at a time"
            )
        if values:
            said[name] = frames[0].info[key] if name == "charge" else values.pop()
    return {key: value for key, value in said.items() if key != "level"} | level_in(said.get("level", ""))
