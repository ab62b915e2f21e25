"""Published gas-phase fundamentals: where a spectrum's bands should be.

Tables are CSV files (lines that start with # are remarks) with the columns wavenumber (1/cm), symmetry,
description (the region: a name shared by neighbouring fundamentals) and source. A table has no intensities.
"""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError


@dataclass(frozen=True)
class Fundamentals:
    """Fundamental wavenumbers of one molecule, ascending.

    Attributes:
        name: of the table.
        wavenumber: (stick,) 1/cm.
        symmetry: (stick,) irreducible representation, "" if not given.
        description: (stick,) region, e.g. "C-H stretch".
        source: (stick,) where the number was published.
    """

    name: str
    wavenumber: NDArray[np.float64]
    symmetry: tuple[str, ...]
    description: tuple[str, ...]
    source: tuple[str, ...]

    def regions(self) -> dict[str, NDArray[np.float64]]:
        """Return the wavenumbers of each region, regions from low to high."""
        names = dict.fromkeys(self.description)
        return {name: self.wavenumber[np.array(self.description) == name] for name in names}


def available() -> list[str]:
    """Return the names of the tables that come with densnet."""
    folder = resources.files("densnet.spectra") / "fundamentals"
    return sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv"))


def fundamentals(name: str) -> Fundamentals:
    """Return a table by its name, or a user's own by the path of its CSV file.

    Raises:
        DensnetError: unknown name (the known ones are listed), no such file, a row that is no number.
    """
    if name.lower() in available():
        text = (resources.files("densnet.spectra") / "fundamentals" / f"{name.lower()}.csv").read_text("utf-8")
        return parse_fundamentals(text, name.lower())
    if not name.lower().endswith(".csv"):
        near = difflib.get_close_matches(name.lower(), available(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise DensnetError(
            f"fundamentals: expected one of {', '.join(available())} or the path of a .csv file, found {name!r}{hint}"
        )
    try:
        text = Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DensnetError(f"fundamentals: {name} cannot be read ({error}); give a CSV file of wavenumbers") from error
    return parse_fundamentals(text, Path(name).stem)


def parse_fundamentals(text: str, name: str) -> Fundamentals:
    """Return the table written in ``text``; only the column wavenumber is compulsory.

    Raises:
        DensnetError: no such column, no rows, or a wavenumber that is no positive number.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    reader = csv.DictReader(lines)
    if "wavenumber" not in (reader.fieldnames or []):
        raise DensnetError(
            f"fundamentals {name}: expected a column 'wavenumber' (1/cm), found {list(reader.fieldnames or [])}"
        )
    rows: list[tuple[float, str, str, str]] = []
    for row in reader:
        try:
            wavenumber = float(row["wavenumber"])
        except (TypeError, ValueError):
            wavenumber = float("nan")
        if not 0 < wavenumber < 20000:
            raise DensnetError(f"fundamentals {name}: expected a wavenumber in 1/cm, found {row['wavenumber']!r}")
        description = (row.get("description") or "").strip() or f"{wavenumber:g}"
        rows.append((wavenumber, row.get("symmetry") or "", description, row.get("source") or ""))
    if not rows:
        raise DensnetError(f"fundamentals {name}: expected at least one row, found none")
    rows.sort(key=lambda row: row[0])
    return Fundamentals(
        name,
        np.array([row[0] for row in rows]),
        tuple(row[1] for row in rows),
        tuple(row[2] for row in rows),
        tuple(row[3] for row in rows),
    )
