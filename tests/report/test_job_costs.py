"""The table that says what each rule cost and where: gathered from benchmark files and logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from densnet.errors import DensnetError
from densnet.io.job_record import JobRecord
from densnet.report.job_costs import HEADS, where_it_ran


def leave(folder: Path, name: str, seconds: float, cpu: str, memory: str, *records: JobRecord) -> None:
    """Write what a job leaves."""
    benchmark, log = folder / "benchmarks" / f"{name}.tsv", folder / "logs" / f"{name}.log"
    for path in (benchmark, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t{memory}\t{cpu}\n")
    log.write_text("".join(f"{record.line()}\n" for record in records))


def rows(run: Path) -> dict[tuple[str, str], dict[str, str]]:
    table = [dict(zip(HEADS, row, strict=True)) for row in where_it_ran(run)]
    return {(row["system"], row["rule"]): row for row in table}


def test_jobs_are_summed_for_each_system_and_rule(tmp_path: Path) -> None:
    one, other = JobRecord("node1", "Xeon"), JobRecord("node2", "Xeon")
    card = JobRecord("node3", "A100", "550.54", "12.4", 5120.0)
    leave(tmp_path / "water", "label_shard/0", 60.0, "58.5", "300.2", one)
    leave(tmp_path / "water", "label_shard/1", 61.0, "59.0", "310.0", other)
    leave(tmp_path / "water", "density_model", 30.0, "31.0", "900", card)
    leave(tmp_path / "water" / "variants" / "0123abcd", "density_model", 20.0, "21.0", "800", card)
    leave(tmp_path, "report", 2.0, "NA", "-", one)
    table = rows(tmp_path)
    assert set(table) == {("water", "label shard"), ("water", "density model"), ("all", "report")}
    assert list(table["water", "label shard"].values()) == (
        ["water", "label shard", "2", "node1, node2", "Xeon", "–", "121", "118", "310", "–"]
    )
    assert list(table["water", "density model"].values()) == (
        ["water", "density model", "2", "node3", "A100", "550.54 (CUDA 12.4)", "50", "52", "900", "5120"]
    )
    assert [table["all", "report"][head] for head in ("wall [s]", "CPU [s]", "memory [MB]")] == ["2.0", "–", "–"]


def test_processes_of_a_job_that_share_its_work_are_one_job(tmp_path: Path) -> None:
    cards = [JobRecord("node3", "A100", "550.54", "12.4", memory) for memory in (500.0, 300.0)]
    leave(tmp_path / "water", "density_model", 30.0, "31.0", "900", *cards, JobRecord("node3", "Xeon"))
    row = rows(tmp_path)["water", "density model"]
    assert (row["jobs"], row["device"], row["GPU memory [MB]"]) == ("1", "A100", "800")


def test_jobs_of_earlier_versions_did_not_say_where(tmp_path: Path) -> None:
    leave(tmp_path / "water", "labels", 5.0, "4.0", "300")
    (tmp_path / "water" / "logs" / "labels.log").unlink()
    assert rows(tmp_path)["water", "labels"]["host"] == "–"


def test_a_file_that_is_no_benchmark_is_named(tmp_path: Path) -> None:
    leave(tmp_path / "water", "labels", 5.0, "4.0", "300")
    (tmp_path / "water" / "benchmarks" / "labels.tsv").write_text("seconds\n5\n")
    with pytest.raises(DensnetError, match=r"labels\.tsv: expected a benchmark file with a column 's'"):
        where_it_ran(tmp_path)
