"""Published gas-phase fundamentals: where a spectrum's bands should be.

Tables are CSV files (lines that start with # are remarks) with the columns wavenumber (1/cm), symmetry,
description (the region: a name shared by neighbouring fundamentals), source, and active, which names the one kind of
spectrum that a fundamental is active in, "infrared" or "raman". A table has no intensities. A remark "# formula: C2H6O"
says whose they are.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.spectra.kinds import SAID, Kind
from densnet.spectra.published import (
    Vibration,
    formula_of,
    molecule_named,
    molecule_with,
    published,
    published_names,
    vibrations,
)
from densnet.text_files import read_text

LOWEST, HIGHEST = 10.0, 20000.0
"""1/cm; between them lie all fundamentals: a smaller number is a wavelength in micrometres or of another unit."""
Row = tuple[float, str, str, str]
"""Wavenumber, symmetry, description and source."""
SEPARATORS = (";", "\t", ",")
"""Of columns; the first that the row of names has."""


@dataclass(frozen=True)
class Fundamentals:
    """Fundamental wavenumbers of one molecule, ascending.

    Attributes:
        name: of the table.
        wavenumber: (stick,) 1/cm.
        symmetry: (stick,) irreducible representation, "" if not given.
        description: (stick,) region, e.g. "C-H stretch".
        source: (stick,) where the number was published.
        formula: of the molecule, "" if not given.
    """

    name: str
    wavenumber: NDArray[np.float64]
    symmetry: tuple[str, ...]
    description: tuple[str, ...]
    source: tuple[str, ...]
    formula: str = ""

    def regions(self) -> dict[str, NDArray[np.float64]]:
        """Return the wavenumbers of each region, regions from low to high."""
        names = dict.fromkeys(self.description)
        return {name: self.wavenumber[np.array(self.description) == name] for name in names}


def available() -> list[str]:
    """Return the names of the tables that come with densnet."""
    folder = resources.files("densnet.spectra") / "fundamentals"
    return sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv"))


def table_of(inchi: str) -> str | None:
    """Return the name that :func:`fundamentals` knows a molecule's table by, None if there is no table.

    Args:
        inchi: with or without its prefix; isotopes in it are another molecule.
    """
    wanted = inchi.removeprefix("InChI=")
    ours = [name for name in available() if f"# inchi: {wanted}\n" in _text(name)]
    return ours[0] if ours else molecule_with(wanted)


def _text(name: str) -> str:
    """Return the text of a table that comes with densnet."""
    return (resources.files("densnet.spectra") / "fundamentals" / f"{name}.csv").read_text("utf-8")


def fundamentals(name: str, kind: Kind = "infrared") -> Fundamentals:
    """Return a table by its name or by that of a molecule of :mod:`densnet.spectra.published`, or a user's own by the
    path of its CSV file.

    Args:
        name: of the table.
        kind: of spectra; what is not active in it is left out.

    Raises:
        DensnetError: unknown name (the known ones are listed), no such file, a row that is no number, none that is
            active.
    """
    if name.lower() in available():
        return parse_fundamentals(_text(name.lower()), name.lower(), kind)
    if (molecule := molecule_named(name)) is not None:
        return _table(molecule, published(molecule, kind), formula_of(molecule))
    if not name.lower().endswith(".csv"):
        known = {known.lower(): known for known in [*published_names(), *available()]}
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {known[near[0]]}?" if near else ""
        raise DensnetError(
            f"fundamentals: expected one of {', '.join(available())}, the name of one of the {len(published_names())} "
            f"molecules of densnet/spectra/shimanouchi.csv, or the path of a .csv file, found {name!r}{hint}"
        )
    return parse_fundamentals(read_text(Path(name), "a CSV file of fundamentals"), name, kind)


def all_vibrations(name: str) -> list[Vibration] | None:
    """Return the fundamentals of a table that comes with densnet, those that no spectrum shows among them; None if it
    does not come with densnet.

    Args:
        name: of the table, or of a molecule of :mod:`densnet.spectra.published`.
    """
    if name.lower() in available():
        active, others = (fundamentals(name, kind) for kind in ("infrared", "raman"))
        rows = _vibrations(active)
        return rows + [row for row in _vibrations(others) if row not in rows]
    molecule = molecule_named(name)
    return None if molecule is None else vibrations(molecule)


def _vibrations(table: Fundamentals) -> list[Vibration]:
    rows = zip(table.symmetry, table.description, table.wavenumber.tolist(), strict=True)
    return [Vibration(species, description, wavenumber, "") for species, description, wavenumber in rows]


def parse_fundamentals(text: str, name: str, kind: Kind = "infrared") -> Fundamentals:
    """Return the table written in ``text``; only the column wavenumber is compulsory.

    Columns are separated by commas, semicolons or tabs; beside the latter two a number may have a decimal comma.

    Args:
        name: of the table, or the path of its file.
        kind: of spectra; what is not active in it is left out.

    Raises:
        DensnetError: no such column, no rows, more fields in a row than columns, a wavenumber that is none, or another
            activity than infrared and Raman.
    """
    lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]
    remarks = [line.strip() for _, line in lines if line.lstrip().startswith("#")]
    lines = [(n, line) for n, line in lines if not line.lstrip().startswith("#")]
    separator = next((s for s in SEPARATORS if lines and s in lines[0][1]), ",")
    columns = [field.strip() for field in next(csv.reader([lines[0][1]], delimiter=separator), [])] if lines else []
    kinds = [_column(field, name) for field in columns]
    if "wavenumber" not in kinds:
        raise DensnetError(f"fundamentals {name}: expected a column 'wavenumber' (1/cm), found {columns}")
    rows: list[Row] = []
    for number, line in lines[1:]:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
        if len(fields) > len(columns):
            raise DensnetError(
                f"fundamentals {name}: line {number}: expected {len(columns)} fields, found {len(fields)}: "
                f"{line[:60]!r}; put a text with commas in quotes, and write decimals with a point"
            )
        row = dict(zip(kinds, (field.strip() for field in fields), strict=False))
        where = f"fundamentals {name}: line {number}"
        wavenumber = _wavenumber(row.get("wavenumber", ""), separator, where)
        if kind not in _active(row.get("active", ""), where):
            continue
        description = row.get("description") or f"{wavenumber:g}"
        rows.append((wavenumber, row.get("symmetry", ""), description, row.get("source", "")))
    if not rows:
        of_kind = f" that is active in {SAID[kind]} spectra" if "active" in kinds else ""
        raise DensnetError(f"fundamentals {name}: expected at least one row{of_kind}, found none")
    formulas = [
        match[1] for match in (re.match(r"#\s*formula\s*:\s*(\w+)", remark, re.I) for remark in remarks) if match
    ]
    stem = Path(name).stem if name.lower().endswith(".csv") else name
    return _table(stem, sorted(rows, key=lambda row: row[0]), formulas[0] if formulas else "")


def _table(name: str, rows: Sequence[Row], formula: str) -> Fundamentals:
    wavenumber, symmetry, description, source = zip(*rows, strict=True)
    return Fundamentals(name, np.array(wavenumber), symmetry, description, source, formula)


def _column(field: str, name: str) -> str:
    """Return the column's name without its unit, which has to be 1/cm."""
    match = re.fullmatch(
        r"(\w+?)s?[\s_]*(?:[(\[/]?\s*(1/cm|cm-1|cm\^-1|cm\u207b\u00b9|cm\*\*-1)\s*[)\]]?)?", field.lower()
    )
    if match is None and field.lower().startswith("wavenumber"):
        raise DensnetError(
            f"fundamentals {name}: expected the column 'wavenumber' in 1/cm, found {field!r}; convert it"
        )
    return match[1] if match else field.lower()


def _active(text: str, where: str) -> set[str]:
    """Return the kinds of spectra that a cell of the column active names; both, if it is empty."""
    named = set(text.lower().replace(",", " ").replace(" and ", " ").split())
    if named - set(SAID):
        raise DensnetError(f"{where}: active: expected infrared, raman or both of them, found {text!r}")
    return named or set(SAID)


def _wavenumber(text: str, separator: str, where: str) -> float:
    try:
        value = float(text.replace(",", ".") if separator != "," else text)
    except ValueError:
        value = float("nan")
    if LOWEST <= value <= HIGHEST:
        return value
    remedy = "give positions in 1/cm"
    if 0 < value < LOWEST:
        remedy = f"in micrometres it would be {1e4 / value:.0f} 1/cm: convert it"
    raise DensnetError(f"{where}: expected a wavenumber of {LOWEST:g} to {HIGHEST:g} 1/cm, found {text!r}; {remedy}")
