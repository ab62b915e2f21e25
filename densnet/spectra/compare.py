"""A model's spectrum beside experiment and beside those of other potentials, its peers: scores, lines, regions.

Scores (:mod:`densnet.spectra.scores`) are taken on one even grid over one range, after the same Gaussian broadening of
both spectra; spectra are stored with unit area over the range. Experimental fundamentals carry no intensities: they are
compared by position only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import signal

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.spectra.experiment import Fundamentals
from densnet.spectra.jcamp_dx import ExperimentalSpectrum
from densnet.spectra.kinds import SAID, kind_of
from densnet.spectra.lines import is_active
from densnet.spectra.scores import ENDS, SCORES, SIGMA_PER_WIDTH, Score, SpectralCurve, common_grid, scores
from densnet.spectra.settings import ComparisonSettings

METHOD_VERSION: int = 2

Array = NDArray[np.float64]

OF_CONVERGENCE = ("halves_pearson", "converged_ps")
"""Variables of the model's spectrum that are handed on."""
BAND_PROMINENCE = 0.01
"""Share of a spectrum's greatest height by which a maximum must stand out to count as a band, not as noise."""


@dataclass(frozen=True)
class Band:
    """Where a spectrum has a region's band.

    Attributes:
        peak: highest maximum within the region, 1/cm; NaN if none stands out (:data:`BAND_PROMINENCE`).
        centroid: mean wavenumber weighted by intensity, 1/cm.
        share: of the spectrum's area over the compared range.
    """

    peak: float
    centroid: float
    share: float


def unit_area(intensity: Array, grid: Array) -> Array:
    """Return a spectrum (n,) over the area that it has on its grid.

    Raises:
        DensnetError: it has none.
    """
    area = np.trapezoid(np.abs(intensity), grid)
    if not area > 0:
        raise DensnetError("intensity: the spectrum is zero all over the compared range; widen wavenumber_min/max")
    return intensity / area


def sticks_on_grid(sticks: Array, grid: Array, broadening: float) -> Array:
    """Return Gaussians of equal height at ``sticks`` (1/cm) with unit area over ``grid``: positions, no intensities."""
    sigma = broadening * SIGMA_PER_WIDTH
    profile = np.exp(-0.5 * ((grid[:, None] - sticks[None, :]) / sigma) ** 2).sum(axis=1)
    return profile / max(np.trapezoid(profile, grid), np.finfo(float).tiny)


def region_windows(table: Fundamentals, margin: float) -> dict[str, tuple[float, float]]:
    """Return for each region of the table the interval (1/cm) in which its band is sought.

    It reaches ``margin`` beyond the outermost fundamentals, but no further than half way to the next
    fundamental of another region.
    """
    windows = {}
    for name, sticks in table.regions().items():
        elsewhere = table.wavenumber[np.array(table.description) != name]
        below, above = elsewhere[elsewhere < sticks.min()], elsewhere[elsewhere > sticks.max()]
        low, high = sticks.min() - margin, sticks.max() + margin
        if len(below):
            low = max(low, (below.max() + sticks.min()) / 2)
        if len(above):
            high = min(high, (above.min() + sticks.max()) / 2)
        windows[name] = (float(low), float(high))
    return windows


def band_in(grid: Array, intensity: Array, window: tuple[float, float]) -> Band:
    """Return where ``intensity`` on ``grid`` has its band within ``window`` (1/cm)."""
    inside = (grid >= window[0]) & (grid <= window[1])
    if inside.sum() < 3:
        return Band(float("nan"), float("nan"), float("nan"))
    weights = np.maximum(intensity[inside], 0.0)
    maxima = signal.find_peaks(intensity, prominence=BAND_PROMINENCE * float(intensity.max()))[0]
    maxima = maxima[inside[maxima]]
    peak = float(grid[maxima[np.argmax(intensity[maxima])]]) if len(maxima) else float("nan")
    if not weights.sum() > 0:
        return Band(peak, float("nan"), float("nan"))
    centroid = float(np.sum(weights * grid[inside]) / weights.sum())
    return Band(peak, centroid, float(weights.sum() / np.maximum(intensity, 0.0).sum()))


def compare_spectra(
    spectrum: xr.Dataset,
    settings: ComparisonSettings,
    *,
    peers: Sequence[xr.Dataset] = (),
    table: Fundamentals | None = None,
    experiment: ExperimentalSpectrum | None = None,
) -> xr.Dataset:
    """Return the dataset of comparison.nc; nothing is scored against a spectrum without activity.

    Args:
        spectrum: the model's spectrum.nc, infrared or Raman; all others are of the same kind.
        settings: range, broadening, number of lines.
        peers: other potentials' spectrum.nc.
        table: experimental fundamentals.
        experiment: a measured spectrum.

    Raises:
        DensnetError: nothing to compare with, two peers of one name, a peer of the other kind, fundamentals of another
            molecule, or no common range.
    """
    if not peers and table is None and experiment is None:
        raise DensnetError("compare: expected at least one of --peer, --fundamentals and --jcamp, found none; add one")
    formula = str(spectrum.attrs.get("formula", ""))
    if table is not None and table.formula and formula and table.formula != formula:
        raise DensnetError(
            f"fundamentals {table.name}: expected those of {formula}, found those of {table.formula}; give the "
            "molecule's own"
        )
    curves = {"model": _curve(spectrum)}
    references: list[str] = []
    if experiment is not None:
        curves["jcamp"] = SpectralCurve(experiment.wavenumber, experiment.intensity[None], sampled=False)
        references.append("jcamp")
    kind, names = kind_of(spectrum), [str(peer.attrs.get("potential", "peer")) for peer in peers]
    for name, peer in zip(names, peers, strict=True):
        if kind_of(peer) != kind:
            raise DensnetError(
                f"compare: --peer: expected {SAID[kind]} spectra, as the model's is, found the {SAID[kind_of(peer)]} "
                f"spectrum of {name}; compare them apart"
            )
        if name in ("model", "jcamp", *references):
            raise DensnetError(f"compare: --peer: expected the spectrum of another method, found one of {name!r}")
        curves[name] = _curve(peer)
        references.append(name)
    labels = peer_labels(names)
    curves = {name: curve.broadened(settings.broadening) for name, curve in curves.items()}
    ranges = {name: curve.wavenumber for name, curve in curves.items()}
    grid = common_grid(ranges, settings.wavenumber_min, settings.wavenumber_max)
    spectra = dict(zip(("model", *names), (spectrum, *peers), strict=True))
    inactive = [name for name, dataset in spectra.items() if not is_active(*_mean(dataset))]
    broad = {
        name: np.zeros_like(grid) if name in inactive else unit_area(curve.scaled(1.0, grid).mean(axis=0), grid)
        for name, curve in curves.items()
    }
    data = {"intensity": variable(("wavenumber",), broad["model"], "cm", "model, unit area over the range")}
    data |= {
        name: ((), float(spectrum[name]), dict(spectrum[name].attrs)) for name in OF_CONVERGENCE if name in spectrum
    }
    for name in references:
        data[f"intensity_{name}"] = variable(("wavenumber",), broad[name], "cm", f"{name}, unit area over the range")
    scored = [name for name in references if not {"model", name} & set(inactive)]
    data |= _scores(curves, scored, labels, grid, settings.largest_scaling)
    if table is not None:
        data |= _table_variables(table, grid, settings)
        bands = {"model": broad["model"], "jcamp": broad.get("jcamp")}
        bands |= {label: broad[name] for name, label in labels.items()}
        data |= _region_variables(table, grid, bands, settings)
    data |= _line_variables("line", spectrum, grid, table, settings)
    for label, peer in zip(labels.values(), peers, strict=True):
        data |= _line_variables(f"{label}_line", peer, grid, table, settings)
    dataset = xr.Dataset(data, coords={"wavenumber": variable(("wavenumber",), grid, "cm-1", "wavenumber")})
    return dataset.assign_attrs(
        references=" ".join(references),
        kind=kind,
        inactive=" ".join(inactive),
        peer=names[0] if names else "",
        peers=" ".join(names),
        fundamentals="" if table is None else table.name,
        experiment_title="" if experiment is None else experiment.title,
        experiment_notes="" if experiment is None else "; ".join(experiment.notes),
        comparison_settings=str(dataclasses.asdict(settings)),
        broadening=settings.broadening,
        largest_scaling=settings.largest_scaling,
    )


def peer_labels(names: Sequence[str]) -> dict[str, str]:
    """Return what the variables of each peer are called by: "peer" of the first, the names of the others."""
    return {name: name if place else "peer" for place, name in enumerate(names)}


def _curve(spectrum: xr.Dataset) -> SpectralCurve:
    by_replica = spectrum["intensity_by_replica"].transpose("replica", "wavenumber").values.astype(float)
    return SpectralCurve(
        spectrum["wavenumber"].values.astype(float), by_replica, bool(spectrum.attrs.get("sampled", 1))
    )


def _mean(spectrum: xr.Dataset) -> tuple[Array, Array]:
    return np.asarray(spectrum["wavenumber"], dtype=float), np.asarray(spectrum["intensity"], dtype=float)


def _strings(values: list[str] | tuple[str, ...]) -> NDArray[np.object_]:
    return np.array(values, dtype=object)


def _scores(
    curves: Mapping[str, SpectralCurve],
    references: list[str],
    labels: Mapping[str, str],
    grid: Array,
    largest_scaling: float,
) -> dict[str, tuple]:
    """Return the scores of the model against each reference, and of each peer against the experiment."""
    if not references:
        return {}
    data: dict[str, tuple] = {
        "reference": variable(("reference",), _strings(references), "1", "spectrum with intensities"),
        "quantile": variable(("quantile",), np.array(ENDS), "1", "quantile of draws of replicas with replacement"),
    }
    of_model = [scores(curves["model"], curves[name], grid, largest_scaling) for name in references]
    for kind, meaning in SCORES.items():
        data |= _score_variables(kind, ("reference",), [of_reference[kind] for of_reference in of_model], meaning)
    for name, label in labels.items() if "jcamp" in references else ():
        if name in references:
            for kind, score in scores(curves[name], curves["jcamp"], grid, largest_scaling).items():
                data |= _score_variables(f"{kind}_{label}", (), score, f"{SCORES[kind]} of {label} and experiment")
    return data


def _score_variables(name: str, dims: tuple[str, ...], values: Score | list[Score], meaning: str) -> dict[str, tuple]:
    """Return the variables of a score, or of some over one dimension, and of their intervals."""
    listed = values if isinstance(values, list) else [values]
    value, ends = np.array([s.value for s in listed]), np.array([(s.low, s.high) for s in listed])
    shape = (len(listed),) if dims else ()
    return {
        name: variable(dims, value.reshape(shape), "1", meaning),
        f"{name}_interval": variable((*dims, "quantile"), ends.reshape(*shape, 2), "1", f"interval of the {meaning}"),
    }


def _table_variables(table: Fundamentals, grid: Array, settings: ComparisonSettings) -> dict[str, tuple]:
    """Return the experimental sticks and their broadened picture."""
    broad = sticks_on_grid(table.wavenumber, grid, settings.broadening)
    return {
        "sticks": variable(("wavenumber",), broad, "cm", "fundamentals broadened, equal heights (positions only)"),
        "stick_wavenumber": variable(("stick",), table.wavenumber, "cm-1", "experimental fundamental"),
        "stick_symmetry": variable(("stick",), _strings(table.symmetry), "1", "irreducible representation"),
        "stick_description": variable(("stick",), _strings(table.description), "1", "region of the fundamental"),
        "stick_source": variable(("stick",), _strings(table.source), "1", "where the number was published"),
    }


def _region_variables(
    table: Fundamentals, grid: Array, curves: Mapping[str, Array | None], settings: ComparisonSettings
) -> dict[str, tuple]:
    """Return each experimental region beside the bands of the curves that there are."""
    windows = region_windows(table, settings.margin)
    sticks = table.regions()
    names = [name for name in windows if sticks[name].max() >= grid[0] and sticks[name].min() <= grid[-1]]
    data = {
        "region": variable(("region",), _strings(names), "1", "region of the experimental table"),
        "region_low": variable(("region",), [windows[n][0] for n in names], "cm-1", "lower end of the search"),
        "region_high": variable(("region",), [windows[n][1] for n in names], "cm-1", "upper end of the search"),
        "region_experiment": variable(
            ("region",), [float(sticks[n].mean()) for n in names], "cm-1", "mean of the experimental fundamentals"
        ),
        "region_experiment_low": variable(("region",), [float(sticks[n].min()) for n in names], "cm-1", "lowest one"),
        "region_experiment_high": variable(("region",), [float(sticks[n].max()) for n in names], "cm-1", "highest one"),
    }
    for label, curve in curves.items():
        if curve is None:
            continue
        bands = [band_in(grid, curve, windows[n]) for n in names]
        data |= {
            f"region_{label}_peak": variable(
                ("region",), [b.peak for b in bands], "cm-1", f"highest maximum of the {label} in the region"
            ),
            f"region_{label}_centroid": variable(
                ("region",), [b.centroid for b in bands], "cm-1", f"band centre of the {label} in the region"
            ),
            f"region_{label}_share": variable(
                ("region",), [b.share for b in bands], "1", f"share of the area of the {label} in the region"
            ),
        }
    return data


def _line_variables(
    dim: str, spectrum: xr.Dataset, grid: Array, table: Fundamentals | None, settings: ComparisonSettings
) -> dict[str, tuple]:
    """Return the strongest lines within the range and the experimental fundamental nearest to each."""
    position = np.asarray(spectrum["line_wavenumber"], dtype=float)
    height = np.asarray(spectrum["line_intensity"], dtype=float)
    shown = np.flatnonzero((position >= grid[0]) & (position <= grid[-1]))[: settings.n_lines]
    units = str(spectrum["line_intensity"].attrs.get("units", "1"))
    data = {
        f"{dim}_wavenumber": variable((dim,), position[shown], "cm-1", "position of a line, strongest first"),
        f"{dim}_intensity": variable((dim,), height[shown], units, "height of the line"),
    }
    if table is not None and len(shown):
        nearest = np.abs(position[shown, None] - table.wavenumber[None, :]).argmin(axis=1)
        names = [table.description[index] for index in nearest]
        data[f"{dim}_experiment"] = variable(
            (dim,), table.wavenumber[nearest], "cm-1", "experimental fundamental nearest to the line"
        )
        data[f"{dim}_description"] = variable((dim,), _strings(names), "1", "region of that fundamental")
    return data
