"""Errors on the benchmark of the field, a row a system, with what others published of the same molecule below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from densnet.errors import DensnetError
from densnet.report.columns import Shown, csv_of_records, heads_of, read_records, shown_records
from densnet.text_files import read_json

METHOD_VERSION: int = 1


@dataclass(frozen=True)
class BenchmarkRow:
    """One model on one molecule, annotated with the heads of the page; None is what was not given.

    Errors are of the energy of the whole molecule and of a force component; our own have no source.
    """

    molecule: Annotated[str, "molecule"]
    model: Annotated[str, "model"]
    n_train: Annotated[int | None, "training frames"] = None
    n_test: Annotated[int | None, "test frames"] = None
    energy_mae_mev: Annotated[float | None, "energy MAE [meV]"] = None
    force_mae_mev_per_angstrom: Annotated[float | None, "force MAE [meV/Å]"] = None
    force_mae_of_worst_frame_mev_per_angstrom: Annotated[float | None, "worst frame [meV/Å]"] = None
    source: Annotated[str, "source"] = ""


LABELS = heads_of(BenchmarkRow)
table_csv = partial(csv_of_records, BenchmarkRow)


def published(molecule: str) -> list[BenchmarkRow]:
    """Return what others published of a molecule of revised MD17."""
    with (resources.files("densnet.report") / "published_rmd17.csv").open(encoding="utf-8") as opened:
        table = pd.read_csv(opened, comment="#").astype(object)
    rows = table[table["molecule"] == molecule]
    return [BenchmarkRow(**row) for row in rows.where(rows.notna(), None).to_dict("records")]


def read_errors(path: Path) -> dict[str, Any]:
    """Read what ``densnet benchmark errors`` wrote."""
    content = read_json(path, "an output of 'densnet benchmark errors'")
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
        row = BenchmarkRow(model=f"densnet, {name}", **{key: measured[key] for key in LABELS if key in measured})
        ours.setdefault(row.molecule, []).append(row)
    return [row for molecule, rows in ours.items() for row in (*rows, *published(molecule))]


def read_table(path: Path) -> Shown:
    """Return what :func:`table_csv` wrote as it is shown; what was not given is a dash."""
    return shown_records(BenchmarkRow, read_records(BenchmarkRow, "benchmark table", path))
