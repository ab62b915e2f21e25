"""Errors of a trained model on the test frames: density, charge, dipole, energy, forces."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from densnet.basis.basis import Basis
from densnet.basis.integrals import charges
from densnet.density.error import GRID_LEVEL, DensityGrid, coulomb_self_energy
from densnet.errors import DensnetError
from densnet.io.netcdf import variable, write_dataset
from densnet.models.checkpoint import load_model, read_description
from densnet.training.frames import load_labels
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_MILLIHARTREE

METHOD_VERSION: int = 1


def evaluate_model(labels_path: Path, model_path: Path, output: Path) -> xr.Dataset:
    """Compare a model with the labels of the test frames and write ``evaluation.nc``.

    Density errors are NMAE = 100 ∫|ρ̂ - ρ| / N_e on a Becke grid: against the fitted density, against the Kohn-Sham
    density, and beside them the floor (fit against Kohn-Sham) and the prior (free atoms against fit).

    Raises:
        DensnetError: files unusable, or a model of another basis than the labels'.
    """
    labels = load_labels(labels_path)
    model = load_model(model_path)
    if model.density.whitened.basis != labels.basis:
        raise DensnetError(
            f"{model_path}: expected a model of the labels' fit basis {labels.basis.name!r}, found "
            f"{model.density.whitened.basis.name!r}; train it on these labels"
        )
    rows = labels.frames("test")
    data = labels.dataset.isel(frame=rows)
    positions = data["positions"].values
    prediction = model(model.elements_of(labels.numbers), torch.as_tensor(positions))
    coefficients = model.coefficients(labels.numbers, positions)
    n_electrons = float(labels.numbers.sum() - labels.charge)
    grid_level = int(labels.settings.get("grid_level", GRID_LEVEL))
    errors = _density_errors(data, labels.basis, labels.numbers, coefficients, n_electrons, grid_level)
    provenance = read_description(model_path)["provenance"]
    frame, atoms = ("frame",), ("frame", "atom", "x")
    dataset = xr.Dataset(
        {
            "positions": data["positions"],
            "numbers": data["numbers"],
            "distance_to_train": data["distance_to_train"],
            "energy_reference": variable(frame, data["energy"].values, "eV", "energy of the label"),
            "energy_predicted": variable(frame, prediction.energy.numpy(), "eV", "energy of the model"),
            "forces_reference": variable(atoms, data["forces"].values, "eV/angstrom", "forces of the label"),
            "forces_predicted": variable(
                atoms, prediction.forces.double().numpy(), "eV/angstrom", "forces of the model"
            ),
            "dipole_reference": variable(("frame", "x"), data["dipole"].values, "e angstrom", "dipole of the label"),
            "dipole_predicted": variable(
                ("frame", "x"), prediction.dipole.double().numpy(), "e angstrom", "dipole of the model"
            ),
            "coefficients": data["coefficients"],
            "coefficients_predicted": variable(
                ("frame", "k"), coefficients, "1", "density coefficients of the model, canonical order"
            ),
            "prior": data["prior"],
            **errors,
        },
        coords={"frame": data["frame"]},
        attrs={
            "fit_basis": labels.dataset.attrs["fit_basis"],
            "charge": labels.charge,
            "n_train": provenance["n_train"],
            "seed": provenance["seed"],
        },
    )
    write_dataset(dataset, output, stage="evaluate", method_version=METHOD_VERSION, settings=provenance)
    return dataset


def _density_errors(
    data: xr.Dataset,
    basis: Basis,
    numbers: np.ndarray,
    coefficients: np.ndarray,
    n_electrons: float,
    grid_level: int,
) -> dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]]:
    """Return the errors of predicted coefficients (T, k), frame by frame, as netCDF variables."""
    orbital_basis = Basis.from_json(data.attrs["orbital_basis"])
    q, prior = charges(basis, numbers), data["prior"].values
    n_frames = data.sizes["frame"]
    table = {name: np.empty(n_frames) for name in ("nmae", "nmae_true", "floor_nmae", "prior_nmae", "coulomb_error")}
    for t in range(n_frames):
        bohr = data["positions"].values[t] / BOHR_IN_ANGSTROM
        fitted = data["coefficients"].values[t]
        grid = DensityGrid.around(numbers, bohr, grid_level)
        rho_fit, rho_model = grid.fitted(basis, fitted), grid.fitted(basis, coefficients[t])
        rho_true = grid.kohn_sham(orbital_basis, data["orbitals"].values[t])
        table["nmae"][t] = grid.nmae(rho_model, rho_fit, n_electrons)
        table["nmae_true"][t] = grid.nmae(rho_model, rho_true, n_electrons)
        table["floor_nmae"][t] = grid.nmae(rho_fit, rho_true, n_electrons)
        table["prior_nmae"][t] = grid.nmae(grid.fitted(basis, prior), rho_fit, n_electrons)
        residual = coulomb_self_energy(basis, numbers, bohr, coefficients[t] - fitted)
        table["coulomb_error"][t] = residual * HARTREE_IN_MILLIHARTREE
        if (t + 1) % 10 == 0 or t + 1 == n_frames:
            print(f"densnet: evaluated {t + 1}/{n_frames} test frames", file=sys.stderr, flush=True)
    described = {
        "nmae": ("%", "NMAE of the model's density against the fitted one"),
        "nmae_true": ("%", "NMAE of the model's density against the Kohn-Sham density"),
        "floor_nmae": ("%", "NMAE of the fitted density against the Kohn-Sham density"),
        "prior_nmae": ("%", "NMAE of superposed free atoms against the fitted density"),
        "coulomb_error": ("mHa", "Coulomb self-energy of the model's density error"),
    }
    variables = {name: variable(("frame",), table[name], *described[name]) for name in table}
    charge_error = np.abs(coefficients @ q - n_electrons)
    variables["charge_error"] = variable(("frame",), charge_error, "e", "error of the model's number of electrons")
    return variables
