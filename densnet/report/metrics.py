"""One flat table of numbers for a system, units in the names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from densnet.errors import DensnetError
from densnet.units import E_ANGSTROM_IN_DEBYE, EV_IN_MEV

METHOD_VERSION: int = 1

Metrics = dict[str, float | int]


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
    "dipole_mae_debye": Explanation("Dipole error", "D", "Mean length of the error vector."),
    "charge_max_error_e": Explanation("Charge error", "e", "Largest deviation of the predicted charge."),
    "energy_mae_mev_per_atom": Explanation("Energy error", "meV/atom", "Mean absolute error of the total energy."),
    "force_mae_mev_per_angstrom": Explanation("Force error", "meV/Å", "Mean absolute error of a force component."),
    "nve_drift_mev_per_atom_per_ps": Explanation(
        "NVE drift", "meV/atom/ps", "Drift of the total energy at constant energy, over all replicas."
    ),
    "md_ps_total": Explanation("Dynamics", "ps", "Production time of all replicas together."),
    "md_ms_per_step_per_replica": Explanation("Speed", "ms", "Wall time of one step of one replica."),
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


def explanation(key: str) -> Explanation:
    """Return how ``key`` is shown; spectrum scores carry their reference in the key."""
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
    n_atoms = evaluation.sizes["atom"]
    energy_error = evaluation["energy_predicted"] - evaluation["energy_reference"]
    force_error = evaluation["forces_predicted"] - evaluation["forces_reference"]
    dipole_error = evaluation["dipole_predicted"] - evaluation["dipole_reference"]
    time = np.asarray(trajectory["time"], dtype=float)
    if len(time) < 2:
        raise DensnetError(f"trajectory: expected at least 2 samples, found {len(time)}; run the dynamics longer")
    duration = (time[-1] - time[0]) * len(time) / (len(time) - 1)
    metrics: Metrics = {
        "density_nmae_percent": _mean(evaluation["nmae"]),
        "density_nmae_true_percent": _mean(evaluation["nmae_true"]),
        "density_floor_percent": _mean(evaluation["floor_nmae"]),
        "density_prior_percent": _mean(evaluation["prior_nmae"]),
        "density_coulomb_error_mha": _mean(evaluation["coulomb_error"]),
        "dipole_mae_debye": E_ANGSTROM_IN_DEBYE * _mean(np.sqrt((dipole_error**2).sum("x", skipna=False))),
        "charge_max_error_e": float(np.max(np.abs(np.asarray(evaluation["charge_error"], dtype=float)))),
        "energy_mae_mev_per_atom": EV_IN_MEV * _mean(np.abs(energy_error)) / n_atoms,
        "force_mae_mev_per_angstrom": EV_IN_MEV * _mean(np.abs(force_error)),
        "nve_drift_mev_per_atom_per_ps": float(_recorded(trajectory, "nve_drift_mev_per_atom_per_ps", "trajectory")),
        "md_ps_total": trajectory.sizes["replica"] * duration / 1e3,
        "md_ms_per_step_per_replica": float(_recorded(trajectory, "ms_per_step_per_replica", "trajectory")),
    }
    if "pearson" in comparison:
        for reference, value in zip(comparison["reference"].values, comparison["pearson"].values, strict=True):
            metrics[f"spectrum_pearson_{reference}"] = float(value)
        for reference, value in zip(comparison["reference"].values, comparison["spearman"].values, strict=True):
            metrics[f"spectrum_spearman_{reference}"] = float(value)
    metrics["n_train"] = int(_recorded(evaluation, "n_train", "evaluation"))
    metrics["n_test"] = int(evaluation.sizes["frame"])
    metrics["test_distance_to_train_angstrom"] = float(np.median(evaluation["distance_to_train"].values))
    metrics["seed"] = int(_recorded(evaluation, "seed", "evaluation"))
    broken = [key for key, value in metrics.items() if not math.isfinite(value)]
    if broken:
        raise DensnetError(f"metrics: not a finite number: {', '.join(broken)}; look at the stage that made them")
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
    if not isinstance(content, dict) or not all(isinstance(value, int | float) for value in content.values()):
        raise DensnetError(f"{path}: expected flat keys with numbers; delete it and run 'densnet metrics' again")
    return content


def formatted(key: str, value: float) -> str:
    """Return a metric with the digits that its kind deserves."""
    if key in ("n_train", "n_test", "seed"):
        return f"{int(value)}"
    if key == "charge_max_error_e":
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def describe(metrics: Mapping[str, float | int]) -> list[tuple[str, str, str, str]]:
    """Return rows (label, value, unit, meaning) in the order of the explanations, spectrum scores after the speed."""
    order = [key for key in EXPLANATIONS if key in metrics]
    scores = [key for key in metrics if key.startswith("spectrum_")]
    cut = next((order.index(key) for key in ("n_train", "n_test", "seed") if key in order), len(order))
    return [
        (explanation(key).label, formatted(key, metrics[key]), explanation(key).unit, explanation(key).meaning)
        for key in order[:cut] + scores + order[cut:]
    ]
