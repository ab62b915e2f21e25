"""One static page of a run: tables, figures and how they were made; nothing is fetched when it is opened."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from densnet import __version__
from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.molecule import formula
from densnet.report import chains, lengths
from densnet.report.captions import FAMILY_ORDER, ORDER
from densnet.report.job_costs import HEADS, NUMBERS
from densnet.report.lines import line_rows
from densnet.report.metrics import Metrics, describe
from densnet.report.peer_table import LABELS, peer_cells
from densnet.report.sources import level_of_theory
from densnet.report.style import Picture, read_picture
from densnet.report.sweep_table import axes_of, mean_rows
from densnet.report.table import metric_rows, region_table

PACKAGES = ("torch", "e3nn", "pyscf", "ase", "tblite", "rdkit", "xarray", "numpy", "scipy", "matplotlib", "snakemake")
"""Whose versions the page names."""
_LONGEST_ATTRIBUTE = 500
"""Longer attributes (basis sets as JSON) are cut in the page."""


@dataclass(frozen=True)
class SystemReport:
    """What the page needs of one system.

    Attributes:
        name: as it is shown.
        metrics: flat numbers.
        labels: outcome of "fit".
        comparison: outcome of "compare".
        figures: in the order of the page.
        assignment: outcome of "assign".
    """

    name: str
    metrics: Metrics
    labels: xr.Dataset
    comparison: xr.Dataset
    figures: Sequence[Picture]
    assignment: xr.Dataset | None = None


@dataclass(frozen=True)
class Family:
    """What the page needs of chains of several lengths.

    Attributes:
        name: as it is shown.
        lengths: outcome of "lengths".
        chains: outcome of "chains".
        figures: in the order of the page.
    """

    name: str
    lengths: xr.Dataset
    chains: xr.Dataset
    figures: Sequence[Picture]


@dataclass(frozen=True)
class Sweep:
    """Outcome of "sweep" and its figures, one a system."""

    table: xr.Dataset
    figures: Sequence[Picture]


@dataclass(frozen=True)
class Configuration:
    """A text file that decided the run, and its SHA-256."""

    text: str
    digest: str


def read_figures(folder: Path) -> list[Picture]:
    """Return the figures of a folder in the page's order, unknown names last.

    Raises:
        DensnetError: no figure in the folder, or one that densnet did not make.
    """
    paths = sorted(path for path in Path(folder).glob("*.png") if not path.name.startswith("."))
    if not paths:
        raise DensnetError(f"figures: no .png file in {folder}; run 'densnet figures' first")
    rank = {name: number for number, name in enumerate((*ORDER, *FAMILY_ORDER))}
    return [read_picture(path) for path in sorted(paths, key=lambda path: (rank.get(path.stem, len(rank)), path.stem))]


def read_configuration(path: Path) -> Configuration:
    """Read a text file and its digest.

    Raises:
        DensnetError: the file cannot be read as text.
    """
    try:
        content = Path(path).read_bytes()
        return Configuration(content.decode("utf-8"), hashlib.sha256(content).hexdigest())
    except (OSError, UnicodeDecodeError) as error:
        raise DensnetError(f"config: {path} cannot be read as text ({error}); give the run's configuration") from error


def page(
    run: str,
    systems: Sequence[SystemReport],
    configuration: Configuration | None = None,
    peers: Sequence[Mapping[str, str]] = (),
    sweep: Sweep | None = None,
    ran: Sequence[Sequence[str]] = (),
    families: Sequence[Family] = (),
    benchmark: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None,
) -> str:
    """Return the HTML of a run's page.

    Args:
        run: its name.
        systems: in the order of the page.
        configuration: shown word for word.
        peers: rows of the table of peers, all systems'.
        sweep: variants of the configuration, all systems'.
        ran: rows of :func:`densnet.report.job_costs.where_it_ran`.
        families: chains of several lengths, each length being a system too.
        benchmark: heads and cells of :func:`densnet.report.benchmark_table.read_table`.

    Raises:
        DensnetError: no system, or two of the same name.
    """
    import jinja2

    names = [system.name for system in systems]
    if not names or len(set(names)) < len(names):
        raise DensnetError(f"report: expected systems with different names, found {names}; name each once")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("densnet.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html").render(
        run=run,
        version=__version__,
        systems=[_context(system) | {"peers": peer_cells(peers, system.name)} for system in systems],
        peer_heads=list(LABELS.values()),
        overview=metric_rows([system.metrics for system in systems]),
        versions=_versions(systems),
        config=configuration,
        sweep=None if sweep is None else _sweep_context(sweep),
        ran=[[(cell, head in NUMBERS) for head, cell in zip(HEADS, row, strict=True)] for row in ran],
        ran_heads=[(head, head in NUMBERS) for head in HEADS],
        families=[_family_context(family) for family in families],
        benchmark=benchmark,
    )


def _context(system: SystemReport) -> dict[str, Any]:
    """Return what the template shows of a system."""
    comparison, labels = system.comparison, system.labels
    return {
        "name": system.name,
        "anchor": _anchor("system", system.name),
        "formula": formula(labels["numbers"].values),
        "level": level_of_theory(labels),
        "fit_basis": Basis.from_json(labels.attrs["fit_basis"]).name,
        "failed": len(json.loads(labels.attrs.get("failed_frames", "{}"))),
        "rows": describe(system.metrics),
        "regions": region_table(comparison),
        "lines": None if system.assignment is None else line_rows(comparison, system.assignment),
        "remarks": _remarks(comparison),
        "figures": [_figure_context(figure) for figure in system.figures],
        "provenance": _provenance(labels),
    }


def _family_context(family: Family) -> dict[str, Any]:
    return {
        "name": family.name,
        "anchor": _anchor("family", family.name),
        "lengths": lengths.as_rows(family.lengths),
        "chains": chains.as_rows(family.chains),
        "figures": [_figure_context(figure) for figure in family.figures],
    }


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-" + re.sub(r"[^A-Za-z0-9]+", "-", name)


def _figure_context(figure: Picture) -> dict[str, str]:
    return {
        "title": figure.title,
        "caption": figure.caption,
        "data": base64.b64encode(figure.png).decode("ascii"),
    }


def _sweep_context(sweep: Sweep) -> dict[str, Any]:
    header, rows = mean_rows(sweep.table)
    return {
        "header": header,
        "rows": rows,
        "n_variants": sweep.table.sizes["variant"],
        "swept": [key for axis in axes_of(sweep.table) for key in axis.keys],
        "figures": [_figure_context(figure) for figure in sweep.figures],
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
    lines = []
    for name, value in sorted(labels.attrs.items()):
        text = str(value)
        lines.append(f"{name}: {text if len(text) <= _LONGEST_ATTRIBUTE else text[:_LONGEST_ATTRIBUTE] + ' ...'}")
    return "\n".join(lines)


def _versions(systems: Sequence[SystemReport]) -> list[tuple[str, str]]:
    """Return versions: those that the label files recorded, and those of the packages that made the page."""
    found = [("densnet", __version__)]
    for key, name in (("densnet_version", "densnet (labels)"), ("psi4_version", "Psi4 (labels)")):
        recorded = sorted({str(s.labels.attrs[key]) for s in systems if key in s.labels.attrs})
        if recorded:
            found.append((name, ", ".join(recorded)))
    for package in PACKAGES:
        try:
            found.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
