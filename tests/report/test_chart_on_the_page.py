"""The chart of speed and accuracy: how contestants are told apart, and its table on a run's page."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_examples import write_run

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.report.chart_figures import labels_of, speed_accuracy_chart
from densnet.report.chart_table import ChartRow, Entry, read_table, table_csv
from densnet.report.metrics import read_metrics
from densnet.report.page import page
from densnet.report.run import Run, SystemReport
from densnet.validation.speed_accuracy import Accuracy

LEVEL = "PBE/def2-SVP"


def rows_of(entry: Entry, milliseconds: float, force_mae: float) -> list[ChartRow]:
    return [
        entry.row(Accuracy(force_mae, None, 20), each, batch=batch, atoms=3, timestep_fs=0.5, dtype="float32")
        for batch, each in ((1, milliseconds), (64, milliseconds / 4))
    ]


OURS = [Entry("water", "densnet", "model", LEVEL, f"{name}.pt", 190_000) for name in ("a", "b")]
SMALL = Entry("water", "densnet", "model", LEVEL, "small.pt", 20_000)
SO3LR = Entry("water", "so3lr", "peer", "another")
ROWS = [*rows_of(OURS[0], 8.0, 3.0), *rows_of(SMALL, 2.0, 30.0), SO3LR.gap("so3lr: the package is not installed")]


def test_models_of_one_size_are_told_apart_by_their_files() -> None:
    assert set(labels_of(rows_of(OURS[0], 8.0, 3.0)).values()) == {"densnet, 190 000 weights"}
    both = labels_of([*rows_of(OURS[0], 8.0, 3.0), *rows_of(OURS[1], 9.0, 4.0), *rows_of(SMALL, 2.0, 30.0)])
    assert set(both.values()) == {
        "densnet, 190 000 weights (a.pt)",
        "densnet, 190 000 weights (b.pt)",
        "densnet, 20 000 weights",
    }


def test_the_figure_says_who_is_left_out() -> None:
    drawn = speed_accuracy_chart(ROWS)
    assert drawn.name == "speed_accuracy_chart"
    assert "so3lr (water)" in drawn.caption and "batches of 64" in drawn.caption and "Dotted" not in drawn.caption
    assert "Left out" not in speed_accuracy_chart(ROWS[:-1]).caption


def test_the_table_stands_under_its_system(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    (tmp_path / "chart.csv").write_text(table_csv(ROWS))
    parts = (
        read_metrics(run["metrics"]),
        read_dataset(run["labels"], stage="fit"),
        read_dataset(run["comparison"], stage="compare"),
    )
    shown = page(Run("try", [SystemReport("water", *parts, [], chart=read_table(tmp_path / "chart.csv"))]))
    assert "<h3>Speed and accuracy</h3>" in shown
    # 86.4 times 0.5 fs over 2 ms
    assert '<td class="number">21.6</td>' in shown
    assert "Left out: so3lr: the package is not installed" in shown
    assert "Speed and accuracy" not in page(Run("try", [SystemReport("water", *parts, [])]))


def test_a_foreign_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chart.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DensnetError, match="expected the columns of 'densnet chart'"):
        read_table(tmp_path / "chart.csv")
