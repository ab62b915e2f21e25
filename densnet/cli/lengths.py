"""``densnet lengths``: errors of one model, or several, against the length of a chain."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.io.netcdf import read_dataset, write_dataset, write_text
from densnet.report.columns import csv_of_table
from densnet.report.length_figures import along_trajectories, chain_ends, torsions
from densnet.report.length_figures import lengths as against_length
from densnet.report.lengths import COLUMNS, METHOD_VERSION, as_rows, lengths_table
from densnet.report.style import write_picture
from densnet.report.table import plain_table


def lengths(
    *,
    name: str,
    evaluations: Annotated[list[Path], Parameter(consume_multiple=True, negative="")],
    output: Path,
    csv: Path,
    figures: Path,
) -> None:
    """Gather evaluations of chains: a table and figures against length, along the chain and against torsions.

    Args:
        name: of the family, for captions.
        evaluations: outputs of 'densnet evaluate', a file a length and model; models are told apart by their target
            and by the lengths that they were trained on. The first file's model is the one that figures show in detail.
        output: netCDF file of all numbers.
        csv: the table as text.
        figures: folder for lengths.png, chain_ends.png, torsions.png and along_trajectories.png.
    """
    read = [read_dataset(path, stage="evaluate", variables=("nmae_by_atom",)) for path in evaluations]
    table = lengths_table(read)
    settings = {"evaluations": [str(path) for path in evaluations]}
    write_dataset(table, output, stage="lengths", method_version=METHOD_VERSION, settings=settings)
    write_text(csv, csv_of_table(table, COLUMNS))
    drawn = [draw(table, name) for draw in (against_length, chain_ends, torsions)]
    for shown in (*drawn, along_trajectories(read, name)):
        print(f"lengths: {write_picture(shown, figures)}", file=sys.stderr)
    print(plain_table(*as_rows(table)), file=sys.stderr)
