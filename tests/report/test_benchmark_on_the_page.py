"""The table of the benchmark on a run's page and below its closing table."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_examples import write_run

from densnet.cli.summary import summary
from densnet.io.netcdf import read_dataset
from densnet.report.benchmark_table import LABELS, benchmark_rows, read_table, table_csv
from densnet.report.metrics import read_metrics
from densnet.report.page import page
from densnet.report.run import Run, SystemReport

FOUND = {
    "molecule": "ethanol",
    "n_train": 950,
    "n_test": 1000,
    "energy_mae_mev": 0.98765,
    "force_mae_mev_per_angstrom": 4.32109,
    "force_mae_of_worst_frame_mev_per_angstrom": 55.5,
}


def test_ours_stands_above_published_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, table = write_run(tmp_path), tmp_path / "rmd17.csv"
    table.write_text(table_csv(benchmark_rows(["water"], [FOUND])))
    system = SystemReport(
        "water",
        read_metrics(run["metrics"]),
        read_dataset(run["labels"], stage="fit"),
        read_dataset(run["comparison"], stage="compare"),
        [],
    )
    shown = page(Run("try", [system], benchmark=read_table(table)))
    assert all(head in shown for head in LABELS.values())
    assert shown.index('<td class="number">4.321</td>') < shown.index("arXiv:2206.07697")
    assert "Revised MD17" not in page(Run("try", [system]))
    summary(system=["water"], metrics=[run["metrics"]], comparison=[run["comparison"]], benchmark=table)
    printed = capsys.readouterr().out
    assert "densnet, water" in printed and "0.9877" in printed and "arXiv:2206.07697" in printed
