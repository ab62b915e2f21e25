"""The table of peers on a run's page."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_examples import write_run

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.report.metrics import read_metrics
from densnet.report.page import page
from densnet.report.peer_table import LABELS, PeerRow, read_table, table_csv
from densnet.report.run import Run, SystemReport


def test_peers_stand_beside_ours_under_their_system_alone(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    ours = PeerRow("water", "densnet", 100, None, 20, 7.25, 0.8061, 33.64, None, None, 318.0, 190_000, 1)
    peer = PeerRow(
        "water", "MACE small (32x0e + 32x1o)", 100, None, 20, 12.5, 1.389, 27.4, 35.0, 17.0, 480.0, 84_304, 1
    )
    other = PeerRow("benzene", "MACE large (64x0e + 64x1o)", 100, None, 20, 99.9, 8.3, 77.7, 1.0, 1.0, 1.0, 1, 1)
    (tmp_path / "peers.csv").write_text(table_csv([ours, peer, other]))
    system = SystemReport(
        "water",
        read_metrics(run["metrics"]),
        read_dataset(run["labels"], stage="fit"),
        read_dataset(run["comparison"], stage="compare"),
        [],
    )
    shown = page(Run("try", [system], peers=read_table(tmp_path / "peers.csv")))
    assert '<td class="number">33.64</td>' in shown
    assert "MACE small (32x0e + 32x1o)" in shown and "large" not in shown
    assert shown.index("densnet</td>") < shown.index("MACE small")
    assert all(label in shown for label in LABELS.values())
    assert '<td class="number">–</td>' in shown
    assert "on the same labels" not in page(Run("try", [system]))


def test_a_foreign_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "peers.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DensnetError, match="expected the columns of 'densnet peer table'"):
        read_table(tmp_path / "peers.csv")
    with pytest.raises(DensnetError, match="run 'densnet peer table'"):
        read_table(tmp_path / "absent.csv")
