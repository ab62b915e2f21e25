"""``densnet rounds``: what active learning gave, round by round."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset, write_text
from densnet.report.columns import csv_of_table
from densnet.report.round_figures import rounds as against_labels
from densnet.report.rounds import COLUMNS, METHOD_VERSION, as_rows, rounds_table
from densnet.report.style import write_picture
from densnet.report.table import plain_table
from densnet.training.round_errors import round_errors

Files = Annotated[list[Path], Parameter(consume_multiple=True, negative="")]


def rounds(
    *, name: str, models: Files, labels: Path, found: Files, geometries: Files, output: Path, csv: Path, figures: Path
) -> None:
    """Gather the rounds of active learning: errors, labels spent, and how often dynamics failed.

    Args:
        name: of the system, for the caption.
        models: the models of each round, then the final one.
        labels: output of 'densnet fit' that the first round learned from.
        found: outputs of 'densnet fit' of the frames that each round found.
        geometries: outputs of 'densnet collect' of each round.
        output: netCDF file of all numbers.
        csv: the table as text.
        figures: folder for rounds.png.
    """
    if not len(geometries) == len(found) == len(models) - 1:
        raise DensnetError(
            f"rounds: expected as many files of --found and --geometries and one more of --models, got {len(found)}, "
            f"{len(geometries)} and {len(models)}"
        )
    explored = [read_dataset(path, stage="sample", variables=("explored_temperature",)) for path in geometries]
    table = rounds_table(round_errors(models, labels, found), explored)
    settings = {"models": [str(path) for path in models]}
    write_dataset(table, output, stage="rounds", method_version=METHOD_VERSION, settings=settings)
    write_text(csv, csv_of_table(table, COLUMNS))
    print(f"rounds: {write_picture(against_labels(table, name), figures)}", file=sys.stderr)
    print(plain_table(*as_rows(table)), file=sys.stderr)
