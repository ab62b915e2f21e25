"""One structure from an xyz file, plain or extended, as programs and people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.text_files import read_text

Array = NDArray[np.float64]

HYDROGENS = {"D": 2, "T": 3}
"""Isotopes that have symbols of their own: mass numbers."""
DUMMIES = ("X", "XX", "BQ", "GH", "DU", "Q")
CAPITALS = {"CL": "Cl", "BR": "Br", "LI": "Li", "NA": "Na", "MG": "Mg", "AL": "Al", "SI": "Si", "SE": "Se", "ZN": "Zn"}
"""Symbols in capitals that are no other element with a letter behind it (CA may be a carbon alpha, CO a carbonyl)."""


@dataclass(frozen=True)
class XyzStructure:
    """What an xyz file says of one structure.

    Attributes:
        numbers: atomic numbers, (i,).
        masses: u, (i,); None where all isotopes are ordinary.
        positions: Angstrom, (i, x).
        charge, multiplicity: of its comment line ("charge=1"); None if not given.
        cell: lattice vectors in Angstrom, (3, 3), of a periodic file; None without.
    """

    numbers: NDArray[np.int64]
    masses: Array | None
    positions: Array
    charge: int | None
    multiplicity: int | None
    cell: Array | None


def read_xyz(path: Path) -> XyzStructure:
    """Read an xyz file of one structure.

    Species may be symbols, atomic numbers, labels (O1, C_a) and isotopes (D, T, 13C).

    Raises:
        DensnetError: no such file; an empty, truncated or meaningless one; several structures.
    """
    lines = read_text(path, "an xyz file").split("\n")
    if not any(line.strip() for line in lines):
        raise DensnetError(f"{path}: the xyz file is empty")
    count = lines[0].strip()
    if not re.fullmatch(r"[+-]?\d+", count):
        raise DensnetError(
            f"{path}: not an xyz file: the first line should be the number of atoms, found {lines[0][:40]!r}"
        )
    rows = [line.split() for line in lines[2 : 2 + int(count)] if line.strip()] if int(count) > 0 else []
    if int(count) < 1 or len(rows) < int(count):
        raise DensnetError(f"{path}: the xyz file announces {count} atoms and has {len(rows)}; is it truncated?")
    _check_rest(path, int(count), lines[2 + int(count) :])
    info = _comment(lines[1] if len(lines) > 1 else "")
    columns = _columns(str(info.get("Properties", "")), path)
    atoms = [_atom(row, columns, f"{path}: not a readable xyz file: line {n}") for n, row in enumerate(rows, start=3)]
    numbers = np.array([number for number, _, _ in atoms])
    given_masses = np.array([mass for _, mass, _ in atoms])
    isotopes = np.isfinite(given_masses)
    masses = np.where(isotopes, given_masses, atomic_masses[numbers]) if isotopes.any() else None
    return XyzStructure(
        numbers,
        masses,
        np.array([position for _, _, position in atoms]),
        _whole(info, ("charge", "total_charge"), path),
        _whole(info, ("multiplicity",), path),
        _cell(info, path),
    )


def _check_rest(path: Path, count: int, tail: list[str]) -> None:
    """Refuse whatever follows the first structure."""
    unexpected = [line for line in tail if line.strip()]
    if not unexpected:
        return
    if unexpected[0].strip() == str(count) and len(unexpected) > 1:
        n = 1 + sum(line.strip() == str(count) for line in unexpected)
        raise DensnetError(f"{path}: expected one structure, found {n}; keep the one to start from")
    raise DensnetError(
        f"{path}: the xyz file announces {count} atoms, and more lines follow: {unexpected[0][:40]!r}; correct it"
    )


def _comment(line: str) -> Mapping[str, Any]:
    """Return the keys and values of an extended xyz file's second line; nothing of a plain one's."""
    if "=" not in line:
        return {}
    pairs = re.findall(r"([A-Za-z_]\w*)\s*=\s*(\"[^\"]*\"|'[^']*'|\{[^}]*\}|\S+)", line)
    return {key: value.strip("\"'{}") for key, value in pairs}


def _columns(properties: str, path: Path) -> tuple[int, int, int | None]:
    """Return the columns of the species, of x, and of the masses if there are some."""
    if not properties:
        return 0, 1, None
    fields = properties.split(":")
    column, places = 0, dict[str, int]()
    for name, _, width in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        places[name] = column
        column += int(width) if width.isdigit() else 1
    species = places.get("species", places.get("Z"))
    if species is None or "pos" not in places:
        raise DensnetError(f"{path}: Properties= expected species and pos among its columns, found {properties!r}")
    return species, places["pos"], places.get("masses", places.get("mass"))


def _atom(row: list[str], columns: tuple[int, int, int | None], where: str) -> tuple[int, float, list[float]]:
    """Return atomic number, mass (NaN: the element's) and position of a line."""
    species, x, mass_column = columns
    if len(row) < max(species + 1, x + 3, (mass_column or 0) + 1):
        raise DensnetError(f"{where}: expected a symbol and three coordinates, found {' '.join(row)[:40]!r}")
    number, mass = element_of(row[species], where)
    words = [*row[x : x + 3], *([row[mass_column]] if mass_column is not None else [])]
    try:
        values = [float(re.sub(r"(?<=\d)[dD](?=[+-]?\d)", "e", word)) for word in words]
    except ValueError as error:
        comma = "; write decimals with a point" if any("," in word for word in words) else ""
        raise DensnetError(f"{where}: expected three coordinates, found {' '.join(words)[:60]!r}{comma}") from error
    return number, values[3] if mass_column is not None else mass, values[:3]


def element_of(label: str, where: str) -> tuple[int, float]:
    """Return atomic number and mass (u, NaN: the element's) of a symbol, an atomic number, a label or an isotope.

    Raises:
        DensnetError: it is no element, or could be two.
    """
    if label.isdigit() and 0 < int(label) < len(atomic_masses):
        return int(label), float("nan")
    isotope = re.fullmatch(r"(\d+)([A-Z][a-z]?)", label)
    if isotope and isotope[2] in atomic_numbers and atomic_numbers[isotope[2]]:
        return atomic_numbers[isotope[2]], isotope_mass(atomic_numbers[isotope[2]], int(isotope[1]), where)
    name = re.split(r"[\d_\-+*'(]", label)[0]
    if name in HYDROGENS:
        return 1, isotope_mass(1, HYDROGENS[name], where)
    if name.upper() in DUMMIES:
        raise DensnetError(f"{where}: {label!r} is no element; remove dummy atoms")
    symbol = CAPITALS.get(name, name.capitalize() if len(name) == 1 or name.islower() else name)
    if symbol not in atomic_numbers:
        hint = "; write it as O, Cl, D, 8 or O1" if name else ""
        raise DensnetError(f"{where}: expected the symbol of an element, found {label!r}{hint}")
    return atomic_numbers[symbol], float("nan")


def isotope_mass(number: int, mass_number: int, where: str) -> float:
    """Return the mass of an isotope in u, from RDKit's table (Blue Obelisk).

    Raises:
        DensnetError: there is no such isotope.
    """
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    mass = float(table.GetMassForIsotope(number, mass_number))
    if mass <= 0:
        raise DensnetError(
            f"{where}: no isotope {mass_number} of {table.GetElementSymbol(number)} is known; correct it"
        )
    return mass


def _whole(info: Mapping[str, Any], names: tuple[str, ...], path: Path) -> int | None:
    text = next((str(info[name]) for name in names if name in info), None)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != round(value, 0):
        raise DensnetError(f"{path}: {names[0]}= expected a whole number, found {text!r}")
    return int(value)


def _cell(info: Mapping[str, Any], path: Path) -> Array | None:
    """Return the lattice vectors of a file that is periodic."""
    lattice, periodic = str(info.get("Lattice", "")).split(), str(info.get("pbc", "T T T")).upper()
    if not lattice or not re.search(r"T|1", periodic):
        return None
    try:
        return np.array([float(word) for word in lattice]).reshape(3, 3)
    except ValueError as error:
        raise DensnetError(f"{path}: Lattice= expected nine numbers, found {' '.join(lattice)[:60]!r}") from error
