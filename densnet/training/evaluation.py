"""Errors of a trained model on the test frames: density, charge, dipole, potential, energy, forces.

Of an ensemble, the errors of its mean, and beside them the spread of its members.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from densnet.basis.basis import Basis
from densnet.basis.integrals import charges
from densnet.density.error import GRID_LEVEL, DensityGrid
from densnet.density.frame_errors import SHELLS, FrameErrors, Geometry, KohnSham, frame_errors, unknown_errors
from densnet.density.surface import SCALES
from densnet.errors import DensnetError
from densnet.fitting.prior import superposition
from densnet.io.netcdf import variable, write_dataset
from densnet.models.checkpoint import load_ensemble, read_descriptions
from densnet.models.densnet_model import Prediction
from densnet.models.ensemble import Ensemble, mean_of
from densnet.oligomer import VARIABLES
from densnet.quantities import DIPOLE, MEASURES, PAIRS, PREDICTED, compared
from densnet.training.labels import Labels, load_labels
from densnet.training.spread import density_spread, density_spread_variables, prediction_spread
from densnet.units import BOHR_IN_ANGSTROM

METHOD_VERSION: int = 3

BLOCK = 32
"""Frames that the networks take at once: their memory grows with it."""


def evaluate_model(labels_path: Path, model_path: Path, output: Path) -> xr.Dataset:
    """Compare a model with the labels of the test frames and write ``evaluation.nc``.

    Density errors are NMAE = 100 ∫|ρ̂ - ρ| / N_e on a Becke grid: against the fitted density, against the Kohn-Sham
    density, and beside them the floor (fit against Kohn-Sham) and the prior (free atoms against fit). The other
    measures (:data:`densnet.quantities.MEASURES`) run over the same pairs. Without orbitals, what needs the Kohn-Sham
    density is NaN; with energies and forces alone, every error of the density is.
    An ensemble's file also holds the spread of its members (:mod:`densnet.training.spread`).

    Raises:
        DensnetError: files unusable, or a model of another basis than the labels'.
    """
    labels = load_labels(labels_path, densities=False)
    model = load_ensemble(model_path)
    if model.basis != labels.basis:
        raise DensnetError(
            f"{model_path}: expected a model of the labels' fit basis {labels.basis.name!r}, found "
            f"{model.basis.name!r}; train it on these labels"
        )
    data = _with_unknown(labels.dataset.isel(frame=labels.frames("test")))
    if not labels.has_densities:
        print(f"densnet: {labels_path} has no densities: errors of the density are not known", file=sys.stderr)
    members, coefficients, ms_per_frame = _predictions(model, labels.numbers, data["positions"].values)
    provenance, *further_members = [description["provenance"] for description in read_descriptions(model_path)]
    if further_members:
        provenance = provenance | {"seeds": [member["seed"] for member in (provenance, *further_members)]}
    units_trained = [molecule["units"] for molecule in provenance.get("molecules", [])]
    dataset = xr.Dataset(
        {
            "positions": data["positions"],
            "numbers": data["numbers"],
            **{name: data[name] for name in VARIABLES if name in data},
            "distance_to_train": data["distance_to_train"],
            **({"temperature": data["temperature"]} if "temperature" in data else {}),
            **compared("reference", {name: data[name].values for name in PREDICTED}, "label"),
            **_predicted(mean_of(members), coefficients.mean(axis=0)),
            **(prediction_spread(members) | _density_spread(data, labels, coefficients) if further_members else {}),
            "coefficients": data["coefficients"],
            "prior": data["prior"],
            **_density_errors(data, labels, coefficients.mean(axis=0)),
        },
        coords={
            "frame": data["frame"],
            "pair": variable(("pair",), list(PAIRS), "1", "densities that are compared: first with second"),
            "shell": variable(("shell",), list(SHELLS), "angstrom", "where the shell begins; the last is open"),
            "scale": variable(("scale",), list(SCALES), "1", "scale of the van der Waals radii"),
        },
        attrs={
            "fit_basis": labels.dataset.attrs["fit_basis"],
            "charge": labels.charge,
            "reference_density": labels.dataset.attrs.get("reference_density", "fit"),
            "n_train": provenance["n_train"],
            "units_trained": json.dumps([units for units in units_trained if units]),
            "target": model.members[0].density.settings.target,
            "seed": provenance["seed"],
            "n_members": len(model),
            "density_ms_per_frame": ms_per_frame,
            "prior_ms_per_frame": _prior_cost(labels),
        },
    )
    write_dataset(dataset, output, stage="evaluate", method_version=METHOD_VERSION, settings=provenance)
    return dataset


def _with_unknown(data: xr.Dataset) -> xr.Dataset:
    """Return frames with NaN for dipoles and coefficients that they lack."""
    unknown: dict[str, Any] = {}
    if DIPOLE.name not in data:
        unknown[DIPOLE.name] = DIPOLE.variable(np.full((data.sizes["frame"], 3), np.nan))
    if "coefficients" not in data:
        values = np.full((data.sizes["frame"], data.sizes["k"]), np.nan)
        unknown["coefficients"] = variable(
            ("frame", "k"), values, "bohr^-1.5", "fitted density coefficients: not known"
        )
    return data.assign(unknown)


def _predictions(model: Ensemble, numbers: np.ndarray, positions: np.ndarray) -> tuple[Prediction, np.ndarray, float]:
    """Return what the members say of positions (T, a, 3) in Å, and the density's time in ms a frame.

    Predictions have the members as first dimension, and so have the coefficients (members, T, k).
    """
    element = model.elements_of(numbers)
    predictions: list[Prediction] = []
    coefficients: list[np.ndarray] = []
    seconds: list[float] = []
    for start in range(0, len(positions), BLOCK):
        block = positions[start : start + BLOCK]
        predictions.append(model.predictions(element, torch.as_tensor(block)))
        started = time.perf_counter()
        coefficients.append(model.member_coefficients(numbers, block))
        seconds.append((time.perf_counter() - started) / len(block))
    blocks = {name: [vars(block)[name] for block in predictions] for name in vars(predictions[0])}
    whole = Prediction(**{name: torch.cat(values, dim=1) for name, values in blocks.items()})
    return whole, np.concatenate(coefficients, axis=1), 1e3 * float(np.median(seconds))


def _predicted(mean: Prediction, coefficients: np.ndarray) -> dict[str, Any]:
    values = {name: getattr(mean, name).double().cpu().numpy() for name in PREDICTED}
    return {
        **compared("predicted", values, "model"),
        "coefficients_predicted": variable(
            ("frame", "k"), coefficients, "bohr^-1.5", "density coefficients of the model, canonical order"
        ),
    }


def _density_spread(data: xr.Dataset, labels: Labels, coefficients: np.ndarray) -> dict[str, Any]:
    """Return the spread of the members' densities, coefficients (members, T, k), as variables."""
    n_electrons, level = float(labels.numbers.sum() - labels.charge), _grid_level(labels)
    spreads = []
    for t, positions in enumerate(data["positions"].values):
        grid = DensityGrid.around(labels.numbers, positions / BOHR_IN_ANGSTROM, level)
        spreads.append(density_spread(grid, labels.basis, coefficients[:, t], n_electrons))
    return density_spread_variables(spreads)


def _grid_level(labels: Labels) -> int:
    return int(labels.settings.get("grid_level", GRID_LEVEL))


def _prior_cost(labels: Labels) -> float:
    """Return the time in ms that superposing the free atoms of one frame takes."""
    prior, layout = labels.dataset["prior"].values, labels.basis.layout(labels.numbers)
    atoms = {int(z): prior[(layout.atom == i) & (layout.l == 0)] for i, z in enumerate(labels.numbers)}
    superposition(labels.basis, labels.numbers, atoms)
    started = time.perf_counter()
    superposition(labels.basis, labels.numbers, atoms)
    return 1e3 * (time.perf_counter() - started)


def _orbitals(data: xr.Dataset) -> tuple[Basis | None, np.ndarray]:
    """Return the orbitals' basis and which frames have orbitals, (T,): imported labels may have none."""
    if "orbitals" not in data.variables or "orbital_basis" not in data.attrs:
        return None, np.zeros(data.sizes["frame"], dtype=bool)
    present = np.isfinite(data["orbitals"].values).all(axis=(1, 2))
    return Basis.from_json(data.attrs["orbital_basis"]), present


def _density_errors(data: xr.Dataset, labels: Labels, coefficients: np.ndarray) -> dict[str, Any]:
    """Return the errors of predicted coefficients (T, k), frame by frame, as variables."""
    basis, numbers = labels.basis, labels.numbers
    n_electrons = float(numbers.sum() - labels.charge)
    grid_level = _grid_level(labels)
    orbital_basis, has_orbitals = _orbitals(data)
    errors: list[FrameErrors] = []
    for t in range(len(coefficients)):
        if not labels.has_densities:
            errors.append(unknown_errors(len(numbers)))
            continue
        true = KohnSham(orbital_basis, data["orbitals"].values[t]) if orbital_basis and has_orbitals[t] else None
        errors.append(
            frame_errors(
                Geometry(basis, numbers, data["positions"].values[t] / BOHR_IN_ANGSTROM, n_electrons),
                model=coefficients[t],
                fit=data["coefficients"].values[t],
                prior=data["prior"].values,
                true=true,
                dipole=data["dipole"].values[t] / BOHR_IN_ANGSTROM,
                grid_level=grid_level,
            )
        )
        if (t + 1) % 10 == 0 or t + 1 == len(coefficients):
            print(f"densnet: evaluated {t + 1}/{len(coefficients)} test frames", file=sys.stderr, flush=True)
    charge_error = np.abs(coefficients @ charges(basis, numbers) - n_electrons)
    return _measured(errors) | {
        "charge_error": variable(("frame",), charge_error, "e", "error of the model's number of electrons"),
        "has_orbitals": variable(
            ("frame",), has_orbitals.astype(np.int8), "1", "whether the Kohn-Sham density is known"
        ),
    }


def _measured(frames: list[FrameErrors]) -> dict[str, Any]:
    """Return the measures of all frames: those of one pair over (frame,), those of all over (pair, frame, ...)."""
    variables = {}
    for measure in MEASURES:
        values = measure.factor * np.stack([errors[measure.name] for errors in frames])
        if not measure.paired:
            variables[measure.name] = variable(("frame", *measure.dims), values, measure.units, measure.long_name)
        elif not measure.apart:
            dims = ("pair", "frame", *measure.dims)
            variables[measure.name] = variable(dims, np.moveaxis(values, 1, 0), measure.units, measure.long_name)
        for pair, (name, long_name) in measure.apart.items():
            variables[name] = variable(("frame",), values[:, PAIRS.index(pair)], measure.units, long_name)
    return variables
