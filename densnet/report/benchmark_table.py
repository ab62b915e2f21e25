"""Errors on the benchmark of the field, a row a system, with what others published of the same molecule below it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from densnet.errors import DensnetError
from densnet.report.csv_rows import csv_text, read_csv

METHOD_VERSION: int = 1

LABELS = {
    "molecule": "molecule",
    "model": "model",
    "n_train": "training frames",
    "n_test": "test frames",
    "energy_mae_mev": "energy MAE [meV]",
    "force_mae_mev_per_angstrom": "force MAE [meV/Å]",
    "force_mae_of_worst_frame_mev_per_angstrom": "worst frame [meV/Å]",
    "source": "source",
}
"""Column heads of the page."""


@dataclass(frozen=True)
class BenchmarkRow:
    """One model on one molecule; None is what was not given.

    Attributes:
        molecule: of the benchmark.
        model: the run's system, or what others name theirs.
        energy_mae_mev: of the energy of the whole molecule.
        force_mae_mev_per_angstrom: of a force component.
        source: where it was published; empty for our own.
    """

    molecule: str
    model: str
    n_train: int | None
    n_test: int | None
    energy_mae_mev: float | None
    force_mae_mev_per_angstrom: float | None
    force_mae_of_worst_frame_mev_per_angstrom: float | None
    source: str


def published(molecule: str) -> list[BenchmarkRow]:
    """Return what others published of a molecule of revised MD17."""
    text = (resources.files("densnet.report") / "published_rmd17.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return [
        BenchmarkRow(
            molecule,
            row["model"],
            None,
            None,
            float(row["energy_mae_mev"]) if row["energy_mae_mev"] else None,
            float(row["force_mae_mev_per_angstrom"]) if row["force_mae_mev_per_angstrom"] else None,
            None,
            row["source"],
        )
        for row in rows
        if row["molecule"] == molecule
    ]


def read_errors(path: Path) -> dict[str, Any]:
    """Read what ``densnet benchmark errors`` wrote.

    Raises:
        DensnetError: no such file, or another kind of file.
    """
    try:
        content = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DensnetError(f"{path}: cannot be read ({error}); run 'densnet benchmark errors'") from error
    needed = {"molecule", "n_train", "n_test", "energy_mae_mev", "force_mae_mev_per_angstrom"}
    if not isinstance(content, dict) or needed - set(content):
        raise DensnetError(
            f"{path}: expected an output of 'densnet benchmark errors', found another file; run it again"
        )
    return content


def benchmark_rows(systems: Sequence[str], errors: Sequence[Mapping[str, Any]]) -> list[BenchmarkRow]:
    """Return our rows, each molecule's published ones after the last of it."""
    ours: dict[str, list[BenchmarkRow]] = {}
    for name, measured in zip(systems, errors, strict=True):
        row = BenchmarkRow(
            str(measured["molecule"]),
            f"densnet, {name}",
            int(measured["n_train"]),
            int(measured["n_test"]),
            float(measured["energy_mae_mev"]),
            float(measured["force_mae_mev_per_angstrom"]),
            float(measured["force_mae_of_worst_frame_mev_per_angstrom"]),
            "",
        )
        ours.setdefault(row.molecule, []).append(row)
    return [row for molecule, rows in ours.items() for row in (*rows, *published(molecule))]


def table_csv(rows: Sequence[BenchmarkRow]) -> str:
    """Return the table as CSV, four digits; what was not given is empty."""
    return csv_text(BenchmarkRow, rows)


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return heads and cells of what :func:`table_csv` wrote, as they are shown; what was not given is a dash.

    Raises:
        DensnetError: no such file, or another kind of file.
    """
    rows = read_csv(BenchmarkRow, path, "benchmark table")
    return list(LABELS.values()), [[row[name] or "–" for name in LABELS] for row in rows]
