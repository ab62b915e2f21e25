"""densnet figures: PNGs of one system, captions inside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.report.figures import draw_figures
from densnet.report.metrics import read_metrics
from densnet.report.sources import Sources, read_log, read_of_kind
from densnet.report.style import write_picture
from densnet.validation.findings import Finding, read_findings

_MANY = Parameter(consume_multiple=True, negative="")


def figures(
    *,
    name: str,
    metrics: Path,
    labels: Path,
    evaluation: Path,
    density_log: Path,
    energy_log: Path,
    trajectory: Path,
    spectrum: Path,
    comparison: Path,
    output: Path,
    peer_trajectory: Annotated[list[Path] | None, _MANY] = None,
    peer_spectrum: Annotated[list[Path] | None, _MANY] = None,
    assignment: Path | None = None,
    harmonic: Annotated[list[Path] | None, _MANY] = None,
    benchmarks: Path | None = None,
    raman: Path | None = None,
    raman_comparison: Path | None = None,
    tested: Annotated[list[str] | None, _MANY] = None,
    ladder: Annotated[list[Path] | None, _MANY] = None,
    robustness: Annotated[list[Path] | None, _MANY] = None,
) -> None:
    """Draw the figures of one system.

    Parameters
    ----------
    name
        Of the system, for captions.
    metrics
        Output of 'densnet metrics'.
    labels
        Output of 'densnet fit'.
    evaluation
        Output of 'densnet evaluate'.
    density_log
        Log of 'densnet train density'.
    energy_log
        Log of 'densnet train energy'.
    trajectory
        Output of 'densnet md' for the model.
    spectrum
        Output of 'densnet spectrum' for the model.
    comparison
        Output of 'densnet compare'.
    output
        Folder for the PNGs.
    peer_trajectory
        Outputs of 'densnet md' for other potentials.
    peer_spectrum
        Outputs of 'densnet spectrum' for other potentials, in the same order.
    assignment
        Output of 'densnet assign' for the model.
    harmonic
        Outputs of 'densnet harmonic', the model's first.
    benchmarks
        Folder of Snakemake's benchmark files: rule.tsv and rule/job.tsv.
    raman
        Output of 'densnet spectrum --raman' for the model.
    raman_comparison
        Output of 'densnet compare' for that.
    tested
        Names of the potentials that were put to the test, the model's first.
    ladder
        Outputs of 'densnet validate ladder', one for each of them.
    robustness
        Outputs of 'densnet validate robustness', one for each of them.
    """
    sources = Sources(
        system=name,
        metrics=read_metrics(metrics),
        labels=read_dataset(labels, stage="fit"),
        evaluation=read_dataset(evaluation, stage="evaluate", variables=("coefficients_predicted", "nmae")),
        density_log=read_log(density_log),
        energy_log=read_log(energy_log),
        trajectory=read_dataset(trajectory, stage="md", variables=("energy_potential", "energy_kinetic")),
        spectrum=read_of_kind(spectrum, "infrared"),
        comparison=read_of_kind(comparison, "infrared", "compare"),
        peer_trajectories=tuple(read_dataset(path, stage="md") for path in peer_trajectory or []),
        peer_spectra=tuple(read_of_kind(path, "infrared") for path in peer_spectrum or []),
        assignment=None if assignment is None else read_dataset(assignment, stage="assign", variables=("name",)),
        harmonic=tuple(read_dataset(path, stage="harmonic") for path in harmonic or []),
        benchmarks=benchmarks,
        raman=None if raman is None else read_of_kind(raman, "raman"),
        raman_comparison=None if raman_comparison is None else read_of_kind(raman_comparison, "raman", "compare"),
        ladder=_findings("ladder", tested, ladder),
        robustness=_findings("robustness", tested, robustness),
    )
    for shown in draw_figures(sources):
        print(f"figures: {write_picture(shown, output)}", file=sys.stderr)


def _findings(test: str, tested: list[str] | None, paths: list[Path] | None) -> dict[str, list[Finding]]:
    """Return the numbers of a test by the name of each potential."""
    names = tested or []
    if paths and len(paths) != len(names):
        raise DensnetError(f"{test}: expected a file for each name of --tested, found {len(paths)} for {len(names)}")
    return dict(zip(names, map(read_findings, paths), strict=True)) if paths else {}
