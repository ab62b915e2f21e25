"""``densnet sweep``: table and figures of variants that were trained and evaluated."""

from __future__ import annotations

import sys
from pathlib import Path

from densnet.io.netcdf import write_dataset, write_text
from densnet.report.peer_table import read_table
from densnet.report.style import write_picture
from densnet.report.sweep_figures import sweep_figures
from densnet.report.sweep_table import METHOD_VERSION, as_csv, mean_rows, read_plan, sweep_table
from densnet.report.table import plain_table


def sweep(*, plan: Path, output: Path, csv: Path, figures: Path, peers: Path | None = None) -> None:
    """Gather the errors of all variants of a sweep.

    Args:
        plan: JSON that the workflow writes: axes, and for each variant its settings and files.
        output: netCDF, a row a variant and system.
        csv: the same as text.
        figures: folder for ``sweep_<system>.png``.
        peers: table of 'densnet peer table' for some of the variants, drawn beside ours.
    """
    table = sweep_table(read_plan(plan))
    settings = {"variants": table.sizes["variant"]}
    write_dataset(table, output, stage="sweep", method_version=METHOD_VERSION, settings=settings)
    write_text(csv, as_csv(table))
    for shown in sweep_figures(table, read_table(peers) if peers else []):
        print(f"sweep: {write_picture(shown, figures)}", file=sys.stderr)
    header, rows = mean_rows(table)
    print(plain_table(header, rows), file=sys.stderr)
