"""One static page of a run: tables, figures and how they were made; nothing is fetched when it is opened."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import xarray as xr

from densnet import __version__
from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import program_of
from densnet.molecule import formula
from densnet.report import chains, lengths
from densnet.report.chart_table import chart_cells, chart_gaps
from densnet.report.columns import shown_table
from densnet.report.doubts import doubts
from densnet.report.gallery_table import line_cells, molecule_cells
from densnet.report.job_costs import HEADS, NUMBERS
from densnet.report.lines import line_rows, raman_rows
from densnet.report.metrics import describe
from densnet.report.peer_table import peer_cells
from densnet.report.run import Run, SystemReport
from densnet.report.sources import level_of_theory
from densnet.report.sweep_table import axes_of, mean_rows
from densnet.report.table import band_rows, metric_rows, score_rows
from densnet.report.validation_tables import shown_test

PACKAGES = ("torch", "e3nn", "pyscf", "ase", "tblite", "rdkit", "xarray", "numpy", "scipy", "matplotlib", "snakemake")
"""Whose versions the page names."""
FIRST = ("spectrum", "raman", "motions", "convergence")
"""Figures that a system's section begins with, before its numbers."""
_LONGEST_ATTRIBUTE = 500
"""Longer attributes (basis sets as JSON) are cut in the page."""


def page(run: Run) -> str:
    """Return the HTML of a run's page."""
    import jinja2

    names = [system.name for system in run.systems]
    if not names or len(set(names)) < len(names):
        raise DensnetError(f"report: expected systems with different names, found {names}; name each once")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("densnet.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["anchor"] = lambda name: re.sub(r"[^A-Za-z0-9]+", "-", name)
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode("ascii")
    return environment.get_template("report.html").render(
        run=run,
        version=__version__,
        systems=[_context(system, run) for system in run.systems],
        overview=[[label, *values] for label, values in metric_rows([system.metrics for system in run.systems])],
        versions=_versions(run.systems),
        gallery_table=run.gallery and molecule_cells(run.gallery.tables),
        gallery_lines=lambda name: line_cells(run.gallery.tables, name) if run.gallery else ([], []),
        sweep_table=run.sweep and mean_rows(run.sweep.table),
        swept=[key for axis in axes_of(run.sweep.table) for key in axis.keys] if run.sweep else [],
        job_heads=HEADS,
        texts=set(HEADS) - set(NUMBERS),
        lengths_table=lengths.as_rows,
        chains_table=lambda table: shown_table(table, chains.COLUMNS),
    )


def _context(system: SystemReport, run: Run) -> dict[str, Any]:
    """Return what the template shows of a system."""
    comparison, labels = system.comparison, system.labels
    comparisons = [comparison] + ([] if system.raman_comparison is None else [system.raman_comparison])
    figures = {figure.name: figure for figure in system.figures}
    return {
        "name": system.name,
        "formula": formula(labels["numbers"].values),
        "level": level_of_theory(labels),
        "fit_basis": Basis.from_json(labels.attrs["fit_basis"]).name,
        "failed": len(json.loads(labels.attrs.get("failed_frames", "{}"))),
        "rows": describe(system.metrics),
        "bands": band_rows(comparison),
        "scores": score_rows(comparison),
        "lines": None if system.assignment is None else line_rows(comparison, system.assignment),
        "raman_lines": None if system.raman is None else raman_rows(system.raman, system.assignment),
        "raman_scores": None if system.raman_comparison is None else score_rows(system.raman_comparison),
        "tests": [shown_test(tested) for tested in system.validation],
        "peers": peer_cells(run.peers, system.name),
        "chart": chart_cells(system.chart),
        "chart_gaps": chart_gaps(system.chart),
        "doubts": doubts(system.metrics),
        "remarks": [*dict.fromkeys(remark for each in comparisons for remark in _remarks(each))],
        "spectra": [figures.pop(name) for name in FIRST if name in figures],
        "figures": list(figures.values()),
        "provenance": _provenance(labels),
    }


def _remarks(comparison: xr.Dataset) -> list[str]:
    """Return the sources of the fundamentals and what had to be put right in a measured spectrum."""
    remarks = []
    if "stick_source" in comparison.variables:
        for source in dict.fromkeys(str(text) for text in comparison["stick_source"].values):
            wavenumbers = comparison["stick_wavenumber"].values[comparison["stick_source"].values == source]
            remarks.append(f"{', '.join(f'{x:g}' for x in wavenumbers)}: {source or 'no source given'}")
    if comparison.attrs.get("experiment_title"):
        notes = comparison.attrs.get("experiment_notes") or "read as it is"
        remarks.append(f"measured spectrum {comparison.attrs['experiment_title']}: {notes}")
    return remarks


def _provenance(labels: xr.Dataset) -> str:
    """Return the labels' attributes as text, long ones cut."""
    texts = {name: str(value) for name, value in sorted(labels.attrs.items())}
    cut = {name: text[:_LONGEST_ATTRIBUTE] + " ..." * (len(text) > _LONGEST_ATTRIBUTE) for name, text in texts.items()}
    return "\n".join(f"{name}: {text}" for name, text in cut.items())


def _versions(systems: Sequence[SystemReport]) -> list[tuple[str, str]]:
    """Return versions: those that the label files recorded, and those of the packages that made the page."""
    versions = [("densnet", __version__)]
    attributes = [system.labels.attrs for system in systems]
    if recorded := sorted({str(said["densnet_version"]) for said in attributes if "densnet_version" in said}):
        versions.append(("densnet (labels)", ", ".join(recorded)))
    for program in sorted({program_of(said) for said in attributes if "psi4_version" in said}):
        name, _, version = program.partition(" ")
        versions.append((f"{name} (labels)", version))
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions.append((package, importlib.metadata.version(package)))
    return versions
