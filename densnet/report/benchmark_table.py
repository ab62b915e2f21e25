"""Errors on the benchmark of the field, a row a system, with what others published of the same molecule below it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from densnet.errors import DensnetError

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
    for name, found in zip(systems, errors, strict=True):
        row = BenchmarkRow(
            str(found["molecule"]),
            f"densnet, {name}",
            int(found["n_train"]),
            int(found["n_test"]),
            float(found["energy_mae_mev"]),
            float(found["force_mae_mev_per_angstrom"]),
            float(found["force_mae_of_worst_frame_mev_per_angstrom"]),
            "",
        )
        ours.setdefault(row.molecule, []).append(row)
    return [row for molecule, own in ours.items() for row in (*own, *published(molecule))]


def table_csv(rows: Sequence[BenchmarkRow]) -> str:
    """Return the table as CSV, four digits; what was not given is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([field.name for field in fields(BenchmarkRow)])
    for row in rows:
        values = asdict(row).values()
        writer.writerow(["" if v is None else f"{v:.4g}" if isinstance(v, float) else v for v in values])
    return buffer.getvalue()


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return heads and cells of what :func:`table_csv` wrote, as they are shown; what was not given is a dash.

    Raises:
        DensnetError: no such file, or another kind of file.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DensnetError(f"{path}: cannot be read ({error}); run 'densnet benchmark table'") from error
    if reader.fieldnames != list(LABELS):
        raise DensnetError(f"{path}: expected the columns of 'densnet benchmark table', found others; run it again")
    return list(LABELS.values()), [[row[name] or "–" for name in LABELS] for row in rows]
