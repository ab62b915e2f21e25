"""densnet summary: the table that closes a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.report.benchmark_table import read_table
from densnet.report.metrics import read_metrics
from densnet.report.table import plain_table, summary_text

_MANY = Parameter(consume_multiple=True)


def summary(
    *,
    system: Annotated[list[str], _MANY],
    metrics: Annotated[list[Path], _MANY],
    comparison: Annotated[list[Path], _MANY],
    benchmark: Path | None = None,
    report: Path | None = None,
) -> None:
    """Print the errors, the speed and the strongest lines of one or several systems.

    Parameters
    ----------
    system
        Names, one a column.
    metrics
        Outputs of 'densnet metrics', in the same order.
    comparison
        Outputs of 'densnet compare', in the same order.
    benchmark
        Output of 'densnet benchmark table', to be printed below.
    report
        Path of the page to be named below the table.
    """
    if not len(system) == len(metrics) == len(comparison):
        raise DensnetError(
            f"summary: expected as many --metrics and --comparison as --system ({len(system)}), "
            f"found {len(metrics)} and {len(comparison)}; give one of each a system"
        )
    print(
        summary_text(
            system,
            [read_metrics(path) for path in metrics],
            [read_dataset(path, stage="compare", variables=("line_wavenumber",)) for path in comparison],
        )
    )
    if benchmark is not None:
        print(f"\n{plain_table(*read_table(benchmark))}")
    if report is not None:
        print(f"\nReport: {report}")
