"""What the page of a run is made from: one manifest that names all of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.report import benchmark_table, chart_table, peer_table
from densnet.report.gallery import Gallery
from densnet.report.gallery_table import read_gallery
from densnet.report.job_costs import where_it_ran
from densnet.report.metrics import Metrics, read_metrics
from densnet.report.sources import read_of_kind
from densnet.report.style import Picture, read_picture
from densnet.report.validation_tables import ValidationTest, read_test
from densnet.text_files import read_json


@dataclass(frozen=True)
class SystemReport:
    """What the page needs of one system: outcomes of verbs, and figures in the order of the page.

    Attributes:
        chart: rows of the table of speed and accuracy.
    """

    name: str
    metrics: Metrics
    labels: xr.Dataset
    comparison: xr.Dataset
    figures: Sequence[Picture]
    assignment: xr.Dataset | None = None
    raman: xr.Dataset | None = None
    raman_comparison: xr.Dataset | None = None
    validation: Sequence[ValidationTest] = ()
    chart: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True)
class Family:
    """What the page needs of chains of several lengths, each length being a system too."""

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
class RunGallery:
    """Outcome of "gallery" and its figure."""

    tables: Gallery
    figures: Sequence[Picture]


@dataclass(frozen=True)
class Configuration:
    """A text file that decided the run, and its SHA-256."""

    text: str
    digest: str


@dataclass(frozen=True)
class Run:
    """All that the page of a run shows.

    Attributes:
        config: shown word for word.
        peers: rows of the table of peers, all systems'.
        benchmark: heads and cells of :func:`densnet.report.benchmark_table.read_table`.
        jobs: rows of :func:`densnet.report.job_costs.where_it_ran`.
    """

    name: str
    systems: Sequence[SystemReport]
    families: Sequence[Family] = ()
    config: Configuration | None = None
    peers: Sequence[Mapping[str, str]] = ()
    benchmark: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None
    sweep: Sweep | None = None
    gallery: RunGallery | None = None
    jobs: Sequence[Sequence[str]] = ()


def read_run(manifest: Path) -> Run:
    """Read the manifest of a run and the files that it names.

    It is a JSON object with the fields of :class:`Run` and of its parts, where files stand for what they hold;
    ``jobs`` is the folder below which ``benchmarks`` and ``logs`` lie. What is null or left out is not shown.
    """
    content = read_json(manifest, "the manifest of a run")
    try:
        return _read(Run, content)
    except (AttributeError, TypeError, KeyError) as error:
        raise DensnetError(f"{manifest}: not the manifest of a run ({error!r}); see 'densnet report --help'") from error


def _pictures(paths: Sequence[str]) -> list[Picture]:
    return sorted((read_picture(Path(path)) for path in paths), key=lambda shown: shown.place)


def _configuration(path: str) -> Configuration:
    try:
        content = Path(path).read_bytes()
        return Configuration(content.decode("utf-8"), hashlib.sha256(content).hexdigest())
    except (OSError, UnicodeDecodeError) as error:
        raise DensnetError(f"config: {path} cannot be read as text ({error}); give the run's configuration") from error


def _read(kind: type[Any], entry: Mapping[str, Any]) -> Any:
    """Return an entry of the manifest with its files read."""
    return kind(**{name: _READERS[name](value) for name, value in entry.items() if value is not None})


def _of(stage: str, *variables: str) -> Callable[[str], xr.Dataset]:
    return lambda path: read_dataset(Path(path), stage=stage, variables=variables)


_READERS: dict[str, Callable[[Any], Any]] = {
    "name": str,
    "systems": lambda entries: [_read(SystemReport, entry) for entry in entries],
    "families": lambda entries: [_read(Family, entry) for entry in entries],
    "config": _configuration,
    "peers": peer_table.read_table,
    "benchmark": benchmark_table.read_table,
    "sweep": lambda entry: _read(Sweep, entry),
    "gallery": lambda entry: _read(RunGallery, entry),
    "tables": lambda folder: read_gallery(Path(folder)),
    "jobs": lambda folder: where_it_ran(Path(folder)),
    "metrics": read_metrics,
    "labels": _of("fit", "numbers"),
    "comparison": lambda path: read_of_kind(Path(path), "infrared", "compare"),
    "assignment": _of("assign", "name"),
    "raman": lambda path: read_of_kind(Path(path), "raman"),
    "raman_comparison": lambda path: read_of_kind(Path(path), "raman", "compare"),
    "validation": lambda entries: [read_test(entry) for entry in entries],
    "chart": chart_table.read_table,
    "lengths": _of("lengths"),
    "chains": _of("chains"),
    "table": _of("sweep"),
    "figures": _pictures,
}
"""How each field of the manifest is read."""
