"""One flat table of numbers for a system, units in the names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols

from densnet.errors import DensnetError
from densnet.fitting.label_content import NO_DENSITY
from densnet.quantities import MEASURES, METRICS, PREDICTED, Metric, metric_of
from densnet.report.calibration import calibrations, has_spread
from densnet.spectra.compare import OF_CONVERGENCE
from densnet.text_files import read_json

METHOD_VERSION: int = 4

Metrics = dict[str, float | int | None]
"""None is what cannot be known: labels without orbitals have no Kohn-Sham density to compare with."""

SPREADS = ("density_spread", "density_pairwise_nmae", *(f"{name}_spread" for name in PREDICTED))
"""Variables that only the evaluation of an ensemble has."""
_MEASURES = {measure.name: measure for measure in MEASURES}


def collect_metrics(
    evaluation: xr.Dataset, trajectory: xr.Dataset, comparison: xr.Dataset, response: Metrics | None = None
) -> Metrics:
    """Return the metrics of one system from outcomes of "evaluate", "md", "compare" and "response errors".

    Raises:
        DensnetError: an attribute is missing, or a number is not finite.
    """
    errors, dynamics = _errors(evaluation), trajectory_metrics(trajectory)
    return _finite(
        errors | dynamics | _cost(evaluation) | _of_spectra(comparison) | (response or {}) | _frames(evaluation)
    )


RESPONSE = (
    "response_nmae_percent",
    "response_floor_percent",
    "polarizability_mae_bohr3",
    "polarizability_mae_percent",
    "anisotropy_mae_percent",
)


def read_response_errors(path: Path) -> Metrics:
    """Read those errors of response and polarizability that are metrics of the system.

    Raises:
        DensnetError: no output of "response errors".
    """
    content = read_json(path, "an output of 'densnet response errors'")
    found: Metrics = {key: float(content[key]) for key in RESPONSE if key in content}
    if "polarizability_mae_bohr3" not in found:
        raise DensnetError(f"{path}: expected an output of 'densnet response errors', found another file; make it anew")
    return found


def _of_spectra(comparison: xr.Dataset) -> Metrics:
    """Return the model's scores against each reference, and how well its own dynamics determine its spectrum."""
    values = {
        f"{kind}_{reference}": float(value)
        for kind in ("pearson", "spearman", "overlap", "scaling_factor")
        if kind in comparison
        for reference, value in zip(comparison["reference"].values, comparison[kind].values, strict=True)
    }
    values |= {name: float(comparison[name]) for name in OF_CONVERGENCE if name in comparison}
    # no factor where too little is shared, no time in too short a run, no halves of one replica
    open_ended = ("scaling_factor", *OF_CONVERGENCE)
    return {
        f"spectrum_{name}": None if math.isnan(value) and name.startswith(open_ended) else value
        for name, value in values.items()
    }


def trajectory_metrics(trajectory: xr.Dataset) -> dict[str, float]:
    """Return what dynamics itself is judged by: drift, length, speed, and how much of it is outside of the labels.

    Raises:
        DensnetError: an attribute is missing, or there is a single sample.
    """
    time = np.asarray(trajectory["time"], dtype=float)
    if len(time) < 2:
        raise DensnetError(f"trajectory: expected at least 2 samples, found {len(time)}; run the dynamics longer")
    duration = (time[-1] - time[0]) * len(time) / (len(time) - 1)
    outside = {}
    if "domain_distance" in trajectory:
        outside = {"md_outside_percent": 100 * float((trajectory["domain_distance"].values > 0).mean())}
    return outside | {
        "nve_drift_mev_per_atom_per_ps": float(_recorded(trajectory, "nve_drift_mev_per_atom_per_ps", "trajectory")),
        "md_ps_total": trajectory.sizes["replica"] * duration / 1e3,
        "md_ms_per_step_per_replica": float(_recorded(trajectory, "ms_per_step_per_replica", "trajectory")),
    }


def evaluation_metrics(evaluation: xr.Dataset) -> Metrics:
    """Return the metrics that need no dynamics."""
    return _finite(_errors(evaluation) | _cost(evaluation) | _frames(evaluation))


def _errors(evaluation: xr.Dataset) -> Metrics:
    metrics: Metrics = {}
    for metric in METRICS:
        if metric.of == "nmae_by_atom":
            metrics |= _by_element(evaluation, metric)
        elif metric.of and metric.of not in SPREADS:
            metrics[metric.key] = _value(evaluation, metric)
    for temperature, frames in frames_by_temperature(evaluation).items():
        for metric in (metric for metric in METRICS if metric.by_temperature):
            metrics[metric.at_temperature.under(temperature=str(temperature)).key] = _value(frames, metric)
    return metrics | (_spread_metrics(evaluation) if has_spread(evaluation) else {})


def scores(evaluation: xr.Dataset) -> dict[str, float]:
    """Return the errors that are also taken by temperature, of all frames of an outcome of "evaluate"."""
    values = {metric.key: _value(evaluation, metric) for metric in METRICS if metric.by_temperature}
    return {key: value for key, value in values.items() if value is not None}


def mean_error(dataset: xr.Dataset, name: str) -> float:
    """Return the mean error of a quantity of :data:`densnet.quantities.PREDICTED`, in its own units.

    Absolute values of scalars and of components, lengths of vectors; of an outcome of "evaluate" or of "peer".
    """
    error = (dataset[f"{name}_predicted"] - dataset[f"{name}_reference"]).values
    scale = PREDICTED[name].error
    return _mean(scale.root(error**2) if scale.over == "length" else np.abs(error))


def _value(evaluation: xr.Dataset, metric: Metric) -> float | None:
    """Return a metric of the test frames; None if it compares with densities or dipoles that no label has."""
    quantity = PREDICTED.get(metric.of.removesuffix("_spread"))
    if quantity is not None:
        mean = mean_error(evaluation, metric.of) if metric.of in PREDICTED else _mean(evaluation[metric.of])
        return _known(evaluation, float(quantity.error.shown(mean, evaluation.sizes["atom"])))
    values = of_pair(evaluation, metric.of, metric.pair).values
    if metric.pair.endswith("true"):
        values = values[evaluation["has_orbitals"].values.astype(bool)]
        if not len(values):
            return None
    return _known(evaluation, float(np.abs(values).max()) if metric.largest else _mean(values))


def _known(evaluation: xr.Dataset, value: float) -> float | None:
    """Return a value, or None where it is NaN because the labels have energies and forces alone."""
    return None if math.isnan(value) and evaluation.attrs.get("reference_density") == NO_DENSITY else value


def of_pair(evaluation: xr.Dataset, name: str, pair: str) -> xr.DataArray:
    """Return a measure of how far two densities are apart, or of one of them if no pair is named."""
    if name in _MEASURES and pair in _MEASURES[name].apart:
        return evaluation[_MEASURES[name].apart[pair][0]]
    return evaluation[name].sel(pair=pair) if pair else evaluation[name]


def _by_element(evaluation: xr.Dataset, metric: Metric) -> Metrics:
    by_atom = of_pair(evaluation, metric.of, metric.pair).mean("frame", skipna=False).values
    numbers = evaluation["numbers"].values
    keys = {z: metric.under(element=chemical_symbols[z]).key for z in np.unique(numbers)}
    return {key: _known(evaluation, float(by_atom[numbers == z].sum())) for z, key in keys.items()}


def frames_by_temperature(dataset: xr.Dataset) -> dict[int, xr.Dataset]:
    """Return the frames sampled at each temperature in K, ascending; nothing unless there are several temperatures."""
    if "temperature" not in dataset:
        return {}
    temperature = dataset["temperature"].values
    known = np.unique(temperature[np.isfinite(temperature)])
    if len(known) < 2:
        return {}
    return {round(float(T)): dataset.isel(frame=np.flatnonzero(temperature == T)) for T in known}


def _cost(evaluation: xr.Dataset) -> Metrics:
    costs = ("density_ms_per_frame", "prior_ms_per_frame")
    return {name: float(_recorded(evaluation, name, "evaluation")) for name in costs}


def _frames(evaluation: xr.Dataset) -> Metrics:
    distances = evaluation["distance_to_train"].values
    return {
        "n_train": int(_recorded(evaluation, "n_train", "evaluation")),
        "n_test": int(evaluation.sizes["frame"]),
        # unknown for a molecule that is not trained on
        "test_distance_to_train_angstrom": None if np.isnan(distances).all() else float(np.median(distances)),
        "seed": int(_recorded(evaluation, "seed", "evaluation")),
    }


def _finite(metrics: Metrics) -> Metrics:
    broken = [key for key, value in metrics.items() if value is not None and not math.isfinite(value)]
    if broken:
        raise DensnetError(f"metrics: not a finite number: {', '.join(broken)}; look at the stage that made them")
    return metrics


def _spread_metrics(evaluation: xr.Dataset) -> Metrics:
    """Return the mean spreads of an ensemble, and how they compare with its errors."""
    metrics: Metrics = {"n_members": int(_recorded(evaluation, "n_members", "evaluation"))}
    metrics |= {metric.key: _value(evaluation, metric) for metric in METRICS if metric.of in SPREADS}
    for name, pairs in calibrations(evaluation).items():
        metrics |= {f"{name}_spread_scale": pairs.factor, f"{name}_spread_spearman": pairs.correlation}
    return metrics


def _mean(array: Any) -> float:
    return float(np.mean(np.asarray(array, dtype=float)))


def _recorded(dataset: xr.Dataset, name: str, stage: str) -> Any:
    """Return a scalar that a stage left as an attribute or as a variable."""
    if name in dataset.attrs:
        return dataset.attrs[name]
    if name in dataset.variables:
        return dataset[name].item()
    raise DensnetError(f"{stage}: the attribute {name!r} is missing; delete the file and run its stage again")


def read_metrics(path: Path) -> Metrics:
    """Read metrics.json."""
    content = read_json(path, "an output of 'densnet metrics'")
    if not isinstance(content, dict) or not all(isinstance(value, int | float | None) for value in content.values()):
        raise DensnetError(f"{path}: expected flat keys with numbers; delete it and run 'densnet metrics' again")
    return content


def describe(metrics: Mapping[str, float | int | None]) -> list[tuple[str, str, str, str]]:
    """Return rows (label, value, unit, meaning) in the order of the metrics."""
    records = [(metric_of(key), value) for key, value in metrics.items()]
    return [(metric.label, metric.formatted(value), metric.unit, metric.meaning) for metric, value in records]
