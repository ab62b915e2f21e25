"""One flat table of numbers for a system, units in the names."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols

from densnet.errors import DensnetError
from densnet.report.calibration import calibrations, has_spread
from densnet.report.temperatures import frames_by_temperature
from densnet.units import E_ANGSTROM_IN_DEBYE, EV_IN_MEV

METHOD_VERSION: int = 3

Metrics = dict[str, float | int | None]
"""None is what cannot be known: labels without orbitals have no Kohn-Sham density to compare with."""


@dataclass(frozen=True)
class Explanation:
    """How a key of metrics.json is shown.

    Attributes:
        label: short name.
        unit: "" if it has none.
        meaning: one sentence.
    """

    label: str
    unit: str
    meaning: str


EXPLANATIONS: dict[str, Explanation] = {
    "density_nmae_percent": Explanation(
        "Density error (NMAE)", "%", "Model against the fitted density: 100 ∫|ρ̂ − ρ| / N on the held-out frames."
    ),
    "density_nmae_true_percent": Explanation(
        "Density error against Kohn–Sham", "%", "The same against the density of the Kohn–Sham orbitals."
    ),
    "density_floor_percent": Explanation(
        "Floor", "%", "What the fitting basis alone misses: fitted against Kohn–Sham density."
    ),
    "density_prior_percent": Explanation(
        "Prior", "%", "Superposed free atoms against the fitted density: the error before anything is learned."
    ),
    "density_coulomb_error_mha": Explanation(
        "Coulomb error", "mHa", "Electrostatic self-energy of the density error, (c−ĉ)ᵀ J (c−ĉ)."
    ),
    "density_overlap_error_percent": Explanation(
        "Overlap error", "%", "Model against the fitted density: 100 (∫(ρ̂−ρ)² / ∫ρ²)^½; the cores weigh most."
    ),
    "dipole_mae_debye": Explanation("Dipole error", "D", "Mean length of the error vector."),
    "potential_rms_error_mv": Explanation(
        "Potential error",
        "mV",
        "Model against the fitted density: RMS of the electrostatic potential on the points around the molecule, 1.4, "
        "1.6, 1.8 and 2.0 van der Waals radii from its nuclei (Singh and Kollman).",
    ),
    "potential_rms_error_true_mv": Explanation(
        "Potential error against Kohn–Sham", "mV", "The same against the potential of the Kohn–Sham orbitals."
    ),
    "potential_floor_mv": Explanation(
        "Potential floor", "mV", "What the fitting basis alone misses: potential of the fitted density, likewise."
    ),
    "potential_prior_mv": Explanation(
        "Potential of the prior", "mV", "Superposed free atoms against the fitted density, likewise."
    ),
    "potential_max_error_mv": Explanation(
        "Largest potential error", "mV", "Model against the fitted density, over all points and frames."
    ),
    "potential_relative_error_percent": Explanation(
        "Relative potential error",
        "%",
        "RMS error of the model's potential over the RMS of the potential itself (RRMS).",
    ),
    "prior_negative_volume_percent": Explanation(
        "Volume that loses density",
        "%",
        "Part of the molecule's volume (density above 0.001 e/bohr³) in which the fitted density is below the "
        "superposed free atoms, so that the model has to take some away.",
    ),
    "charge_max_error_e": Explanation("Charge error", "e", "Largest deviation of the predicted charge."),
    "energy_mae_mev_per_atom": Explanation("Energy error", "meV/atom", "Mean absolute error of the total energy."),
    "force_mae_mev_per_angstrom": Explanation("Force error", "meV/Å", "Mean absolute error of a force component."),
    "n_members": Explanation(
        "Members of the ensemble", "", "Models that differ by their seeds; every error is that of their mean."
    ),
    "density_spread_percent": Explanation(
        "Spread of the density", "%", "100 ∫σ / N, σ the standard deviation of the density over the members."
    ),
    "density_pairwise_nmae_percent": Explanation(
        "Members' densities apart", "%", "NMAE of one member's density against another's, mean over pairs."
    ),
    "dipole_spread_debye": Explanation(
        "Spread of the dipole", "D", "Standard deviation over the members, root of the sum of three components."
    ),
    "energy_spread_mev_per_atom": Explanation(
        "Spread of the energy", "meV/atom", "Standard deviation of the total energy over the members."
    ),
    "force_spread_mev_per_angstrom": Explanation(
        "Spread of the forces", "meV/Å", "Standard deviation of a force component over the members."
    ),
    "nve_drift_mev_per_atom_per_ps": Explanation(
        "NVE drift", "meV/atom/ps", "Drift of the total energy at constant energy, over all replicas."
    ),
    "md_ps_total": Explanation("Dynamics", "ps", "Production time of all replicas together."),
    "md_ms_per_step_per_replica": Explanation("Speed", "ms", "Wall time of one step of one replica."),
    "density_ms_per_frame": Explanation(
        "Cost of the density", "ms", "Wall time of the model's density of one geometry, in batches."
    ),
    "prior_ms_per_frame": Explanation(
        "Cost of the prior",
        "ms",
        "Of this, superposing the free atoms: their coefficients do not depend on the geometry.",
    ),
    "n_train": Explanation("Training frames", "", "Frames that the models were fitted to."),
    "n_test": Explanation("Test frames", "", "Held-out frames that every error above is measured on."),
    "test_distance_to_train_angstrom": Explanation(
        "Test frames' distance to training",
        "Å",
        "Median distance of a test frame to the nearest training frame: root mean square difference of sorted "
        "interatomic distances. Near zero the errors above would flatter.",
    ),
    "seed": Explanation("Seed", "", "Of the training run."),
}


AT_TEMPERATURE = {
    "density_nmae_percent": "density_nmae_at_{T}k_percent",
    "dipole_mae_debye": "dipole_mae_at_{T}k_debye",
    "energy_mae_mev_per_atom": "energy_mae_at_{T}k_mev_per_atom",
    "force_mae_mev_per_angstrom": "force_mae_at_{T}k_mev_per_angstrom",
}
"""Errors that are also given for the test frames of each temperature T in K, where there are several."""


def explanation(key: str) -> Explanation:
    """Return how ``key`` is shown; keys may carry a spectrum's reference, an element or a temperature."""
    at = re.search(r"_at_(\d+)k", key)
    if at:
        whole = EXPLANATIONS[key.replace(at.group(), "")]
        return Explanation(
            f"{whole.label}, {at.group(1)} K", whole.unit, f"{whole.meaning} Test frames of one temperature."
        )
    element = key.removeprefix("density_nmae_of_").removesuffix("_percent")
    if f"density_nmae_of_{element}_percent" == key:
        meaning = f"Part of the density error in the cells (Becke) of all {element} atoms; the parts sum to the whole."
        return Explanation(f"Density error around {element}", "%", meaning)
    for name in ("density", "dipole", "energy", "force"):
        if key == f"{name}_spread_scale":
            meaning = f"Factor that turns the spread into the error, (mean of error²/spread²)^½, of the {name}."
            return Explanation(f"Scale of the spread, {name}", "", meaning)
        if key == f"{name}_spread_spearman":
            meaning = f"Spearman's correlation of spread and error of the {name}: which predictions are uncertain?"
            return Explanation(f"Spread against error, {name}", "", meaning)
    for kind in ("pearson", "spearman"):
        reference = key.removeprefix(f"spectrum_{kind}_")
        if reference != key:
            name = kind.capitalize()
            meaning = f"{name} correlation of the infrared intensities with those of {reference}."
            return Explanation(f"Spectrum against {reference}, {name}", "", meaning)
    return EXPLANATIONS[key]


def collect_metrics(evaluation: xr.Dataset, trajectory: xr.Dataset, comparison: xr.Dataset) -> Metrics:
    """Return the metrics of one system.

    Args:
        evaluation: test frames, outcome of "evaluate".
        trajectory: the model's replicas, outcome of "md".
        comparison: outcome of "compare".

    Raises:
        DensnetError: an attribute is missing, or a number is not finite.
    """
    metrics: Metrics = {**_errors(evaluation), **trajectory_metrics(trajectory), **_cost(evaluation)}
    if "pearson" in comparison:
        for reference, value in zip(comparison["reference"].values, comparison["pearson"].values, strict=True):
            metrics[f"spectrum_pearson_{reference}"] = float(value)
        for reference, value in zip(comparison["reference"].values, comparison["spearman"].values, strict=True):
            metrics[f"spectrum_spearman_{reference}"] = float(value)
    return _finite(metrics | _frames(evaluation))


def trajectory_metrics(trajectory: xr.Dataset) -> dict[str, float]:
    """Return what dynamics itself is judged by: drift, length and speed.

    Raises:
        DensnetError: an attribute is missing, or there is a single sample.
    """
    time = np.asarray(trajectory["time"], dtype=float)
    if len(time) < 2:
        raise DensnetError(f"trajectory: expected at least 2 samples, found {len(time)}; run the dynamics longer")
    duration = (time[-1] - time[0]) * len(time) / (len(time) - 1)
    return {
        "nve_drift_mev_per_atom_per_ps": float(_recorded(trajectory, "nve_drift_mev_per_atom_per_ps", "trajectory")),
        "md_ps_total": trajectory.sizes["replica"] * duration / 1e3,
        "md_ms_per_step_per_replica": float(_recorded(trajectory, "ms_per_step_per_replica", "trajectory")),
    }


def evaluation_metrics(evaluation: xr.Dataset) -> Metrics:
    """Return the metrics that need no dynamics.

    Raises:
        DensnetError: an attribute is missing, or a number is not finite.
    """
    return _finite(_errors(evaluation) | _cost(evaluation) | _frames(evaluation))


def _errors(evaluation: xr.Dataset) -> Metrics:
    main = scores(evaluation)
    return {
        **_density_metrics(evaluation),
        "dipole_mae_debye": main["dipole_mae_debye"],
        **_potential_metrics(evaluation),
        "charge_max_error_e": float(np.max(np.abs(np.asarray(evaluation["charge_error"], dtype=float)))),
        "energy_mae_mev_per_atom": main["energy_mae_mev_per_atom"],
        "force_mae_mev_per_angstrom": main["force_mae_mev_per_angstrom"],
        **_at_temperatures(evaluation),
        **(_spread_metrics(evaluation) if has_spread(evaluation) else {}),
    }


def scores(evaluation: xr.Dataset) -> dict[str, float]:
    """Return the four errors of :data:`AT_TEMPERATURE`, of all frames of an outcome of "evaluate"."""
    energy_error = evaluation["energy_predicted"] - evaluation["energy_reference"]
    force_error = evaluation["forces_predicted"] - evaluation["forces_reference"]
    dipole_error = evaluation["dipole_predicted"] - evaluation["dipole_reference"]
    return {
        "density_nmae_percent": _mean(evaluation["nmae"]),
        "dipole_mae_debye": E_ANGSTROM_IN_DEBYE * _mean(np.sqrt((dipole_error**2).sum("x", skipna=False))),
        "energy_mae_mev_per_atom": EV_IN_MEV * _mean(np.abs(energy_error)) / evaluation.sizes["atom"],
        "force_mae_mev_per_angstrom": EV_IN_MEV * _mean(np.abs(force_error)),
    }


def _at_temperatures(evaluation: xr.Dataset) -> Metrics:
    return {
        AT_TEMPERATURE[key].format(T=T): value
        for T, frames in frames_by_temperature(evaluation).items()
        for key, value in scores(frames).items()
    }


def _cost(evaluation: xr.Dataset) -> Metrics:
    return {
        name: float(_recorded(evaluation, name, "evaluation"))
        for name in ("density_ms_per_frame", "prior_ms_per_frame")
    }


def _frames(evaluation: xr.Dataset) -> Metrics:
    return {
        "n_train": int(_recorded(evaluation, "n_train", "evaluation")),
        "n_test": int(evaluation.sizes["frame"]),
        "test_distance_to_train_angstrom": _distance(evaluation),
        "seed": int(_recorded(evaluation, "seed", "evaluation")),
    }


def _distance(evaluation: xr.Dataset) -> float | None:
    """Return the median distance to the training frames; None for a molecule that is not trained on."""
    distances = evaluation["distance_to_train"].values
    return None if np.isnan(distances).all() else float(np.median(distances))


def _finite(metrics: Metrics) -> Metrics:
    broken = [key for key, value in metrics.items() if value is not None and not math.isfinite(value)]
    if broken:
        raise DensnetError(f"metrics: not a finite number: {', '.join(broken)}; look at the stage that made them")
    return metrics


def _density_metrics(evaluation: xr.Dataset) -> Metrics:
    by_atom = evaluation["nmae_by_atom"].sel(pair="model-fit").mean("frame", skipna=False).values
    numbers = evaluation["numbers"].values
    return {
        "density_nmae_percent": _mean(evaluation["nmae"]),
        "density_nmae_true_percent": _true_mean(evaluation, evaluation["nmae_true"]),
        "density_floor_percent": _true_mean(evaluation, evaluation["floor_nmae"]),
        "density_prior_percent": _mean(evaluation["prior_nmae"]),
        "density_coulomb_error_mha": _mean(evaluation["coulomb_error"]),
        "density_overlap_error_percent": _mean(evaluation["overlap_error_relative"].sel(pair="model-fit")),
        **{
            f"density_nmae_of_{chemical_symbols[z]}_percent": float(by_atom[numbers == z].sum())
            for z in sorted({int(number) for number in numbers})
        },
        "prior_negative_volume_percent": _mean(evaluation["prior_negative_volume"]),
    }


def _potential_metrics(evaluation: xr.Dataset) -> Metrics:
    rms = evaluation["potential_rms_error"]
    return {
        "potential_rms_error_mv": _mean(rms.sel(pair="model-fit")),
        "potential_rms_error_true_mv": _true_mean(evaluation, rms.sel(pair="model-true")),
        "potential_floor_mv": _true_mean(evaluation, rms.sel(pair="fit-true")),
        "potential_prior_mv": _mean(rms.sel(pair="prior-fit")),
        "potential_max_error_mv": float(np.max(evaluation["potential_max_error"].sel(pair="model-fit").values)),
        "potential_relative_error_percent": _mean(evaluation["potential_relative_error"].sel(pair="model-fit")),
    }


def _spread_metrics(evaluation: xr.Dataset) -> Metrics:
    """Return the mean spreads of an ensemble, and how they compare with its errors."""
    metrics: Metrics = {
        "n_members": int(_recorded(evaluation, "n_members", "evaluation")),
        "density_spread_percent": _mean(evaluation["density_spread"]),
        "density_pairwise_nmae_percent": _mean(evaluation["density_pairwise_nmae"]),
        "dipole_spread_debye": E_ANGSTROM_IN_DEBYE * _mean(evaluation["dipole_spread"]),
        "energy_spread_mev_per_atom": EV_IN_MEV * _mean(evaluation["energy_spread"]) / evaluation.sizes["atom"],
        "force_spread_mev_per_angstrom": EV_IN_MEV * _mean(evaluation["forces_spread"]),
    }
    for name, found in calibrations(evaluation).items():
        metrics[f"{name}_spread_scale"] = found.factor
        metrics[f"{name}_spread_spearman"] = found.correlation
    return metrics


def _true_mean(evaluation: xr.Dataset, array: xr.DataArray) -> float | None:
    """Return the mean over the frames whose labels have orbitals; None if none has."""
    known = evaluation["has_orbitals"].values.astype(bool)
    return _mean(array.values[known]) if known.any() else None


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
    """Read metrics.json.

    Raises:
        DensnetError: no such file, not JSON, or values that are not numbers.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DensnetError(f"{path}: cannot be read ({error.strerror}); run 'densnet metrics'") from error
    except ValueError as error:
        raise DensnetError(f"{path}: not JSON ({error}); delete it and run 'densnet metrics' again") from error
    if not isinstance(content, dict) or not all(
        value is None or isinstance(value, int | float) for value in content.values()
    ):
        raise DensnetError(f"{path}: expected flat keys with numbers; delete it and run 'densnet metrics' again")
    return content


def formatted(key: str, value: float | None) -> str:
    """Return a metric with the digits that its kind deserves."""
    if value is None:
        return "not available"
    if key in ("n_train", "n_test", "n_members", "seed"):
        return f"{int(value)}"
    if key == "charge_max_error_e":
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def describe(metrics: Mapping[str, float | int | None]) -> list[tuple[str, str, str, str]]:
    """Return rows (label, value, unit, meaning) in the order of the metrics."""
    return [
        (shown.label, formatted(key, value), shown.unit, shown.meaning)
        for key, value in metrics.items()
        for shown in [explanation(key)]
    ]
