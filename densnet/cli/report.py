"""densnet report: one static page of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_text
from densnet.report import benchmark_table
from densnet.report.job_costs import where_it_ran
from densnet.report.metrics import read_metrics
from densnet.report.page import Family, Sweep, SystemReport, page, read_configuration, read_figures
from densnet.report.peer_table import read_table
from densnet.report.style import read_picture

_MANY = Parameter(consume_multiple=True)


def report(
    *,
    run: str,
    system: Annotated[list[str], _MANY],
    figures: Annotated[list[Path], _MANY],
    metrics: Annotated[list[Path], _MANY],
    labels: Annotated[list[Path], _MANY],
    comparison: Annotated[list[Path], _MANY],
    output: Path,
    assignment: Annotated[list[Path] | None, _MANY] = None,
    family: Annotated[list[str] | None, _MANY] = None,
    family_figures: Annotated[list[Path] | None, _MANY] = None,
    lengths: Annotated[list[Path] | None, _MANY] = None,
    chains: Annotated[list[Path] | None, _MANY] = None,
    config: Path | None = None,
    peers: Path | None = None,
    benchmark: Path | None = None,
    sweep: Path | None = None,
    sweep_figures: Annotated[list[Path] | None, _MANY] = None,
    jobs: Path | None = None,
) -> None:
    """Write the page of a run: tables and figures of its systems, images and captions inside.

    Parameters
    ----------
    run
        Name of the run.
    system
        Names of the systems.
    figures
        Folders of 'densnet figures', in the same order.
    metrics
        Outputs of 'densnet metrics', in the same order.
    labels
        Outputs of 'densnet fit', in the same order.
    comparison
        Outputs of 'densnet compare', in the same order.
    output
        The page, HTML.
    assignment
        Outputs of 'densnet assign', in the same order.
    family
        Names of families of chains.
    family_figures
        Folders of the figures of 'densnet lengths' and 'densnet chains', in the same order.
    lengths
        Outputs of 'densnet lengths', in the same order.
    chains
        Outputs of 'densnet chains', in the same order.
    config
        A text file to be shown word for word with its digest.
    peers
        Output of 'densnet peer table'.
    benchmark
        Output of 'densnet benchmark table'.
    sweep
        Output of 'densnet sweep'.
    sweep_figures
        Its figures.
    jobs
        Folder of the run: the files of its jobs lie in 'benchmarks' and 'logs', at any depth.
    """
    counts = {"figures": len(figures), "metrics": len(metrics), "labels": len(labels), "comparison": len(comparison)}
    if assignment is not None:
        counts["assignment"] = len(assignment)
    wrong = [f"--{name} {count}" for name, count in counts.items() if count != len(system)]
    if wrong:
        raise DensnetError(f"report: expected {len(system)} of each, one a --system, found {', '.join(wrong)}")
    systems = [
        SystemReport(
            name,
            read_metrics(metrics[number]),
            read_dataset(labels[number], stage="fit", variables=("numbers",)),
            read_dataset(comparison[number], stage="compare"),
            read_figures(figures[number]),
            None if assignment is None else read_dataset(assignment[number], stage="assign"),
        )
        for number, name in enumerate(system)
    ]
    families = _families(family or [], family_figures or [], lengths or [], chains or [])
    configuration = None if config is None else read_configuration(config)
    swept = None
    if sweep is not None:
        swept = Sweep(read_dataset(sweep, stage="sweep"), [read_picture(path) for path in sweep_figures or []])
    others = [] if peers is None else read_table(peers)
    ran = [] if jobs is None else where_it_ran(jobs)
    judged = None if benchmark is None else benchmark_table.read_table(benchmark)
    write_text(output, page(run, systems, configuration, others, swept, ran, families, judged))
    print(f"report: {output}", file=sys.stderr)


def _families(names: list[str], figures: list[Path], lengths: list[Path], chains: list[Path]) -> list[Family]:
    counts = {"family-figures": len(figures), "lengths": len(lengths), "chains": len(chains)}
    wrong = [f"--{name} {count}" for name, count in counts.items() if count != len(names)]
    if wrong:
        raise DensnetError(f"report: expected {len(names)} of each, one a --family, found {', '.join(wrong)}")
    return [
        Family(
            name,
            read_dataset(lengths[number], stage="lengths"),
            read_dataset(chains[number], stage="chains"),
            read_figures(figures[number]),
        )
        for number, name in enumerate(names)
    ]
