"""Errors against the length of a chain: a row for each model and length, errors by unit and by torsion angle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.oligomer import torsion_angles
from densnet.report.columns import Column, Shown, row_variables, shown_table
from densnet.report.metrics import scores
from densnet.units import EV_IN_MEV

METHOD_VERSION: int = 2

Array = NDArray[np.float64]

COLUMNS = {
    "model": Column("model", "1", "target, and the lengths trained on"),
    "units": Column("units", "1", "length of the chain"),
    "trained": Column("", "1", "whether this length was trained on"),
    "n_test": Column("frames", "1", "test frames"),
    "density_nmae_percent": Column("NMAE [%]", "%", "NMAE of the model's density against the fitted one"),
    "density_nmae_true_percent": Column("true [%]", "%", "the same against the Kohn-Sham density"),
    "density_floor_percent": Column("floor [%]", "%", "fitted against Kohn-Sham density"),
    "dipole_mae_debye": Column("dipole [D]", "D", "mean length of the dipole's error vector"),
    "energy_mae_mev_per_atom": Column("[meV/atom]", "meV/atom", "mean absolute error of the energy"),
    "force_mae_mev_per_angstrom": Column("[meV/Å]", "meV/angstrom", "mean absolute error of a force component"),
    "energy_correlation": Column(
        "r(energy)", "1", "Pearson's correlation of predicted and reference energies over the frames"
    ),
    "dipole_fluctuation_missed_percent": Column(
        "dipole missed [%]", "%", "variance of the dipole's error over that of the dipole, over the frames"
    ),
}
"""Of the table; the last two are NaN for fewer than three frames."""


def model_of(evaluation: xr.Dataset) -> str:
    """Return the curve that an evaluation belongs to: the target and the lengths trained on, ``delta, 1-6 units``."""
    trained = units_trained(evaluation)
    span = f"{trained[0]}" if len(trained) == 1 else f"{trained[0]}-{trained[-1]}"
    return f"{evaluation.attrs['target']}, {span} units"


def units_trained(evaluation: xr.Dataset) -> list[int]:
    """Return the lengths that the model was trained on."""
    trained = json.loads(str(evaluation.attrs.get("units_trained", "[]")))
    if not trained or "unit" not in evaluation:
        raise DensnetError(
            "lengths: expected evaluations of chains by a model of chains (unit, units_trained), found another; start "
            "from 'densnet sample --oligomer'"
        )
    return sorted(int(n) for n in trained)


def lengths_table(evaluations: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the errors of all evaluations, in order of models as they come and of lengths.

    Variables over (row,) are :data:`COLUMNS`; ``nmae_by_unit`` and ``force_by_unit`` run over (row,
    unit), NaN beyond the chain's end; those over (link,) have a point for each torsion of each test frame.

    Raises:
        DensnetError: no evaluations, or one that is not of a chain.
    """
    if not evaluations:
        raise DensnetError("lengths: expected at least one evaluation, got none")
    models = list(dict.fromkeys(map(model_of, evaluations)))
    ordered = sorted(evaluations, key=lambda evaluation: (models.index(model_of(evaluation)), units_of(evaluation)))
    longest = max(map(units_of, ordered))
    by_unit = np.full((2, len(ordered), longest), np.nan)
    for row, evaluation in enumerate(ordered):
        by_unit[:, row, : units_of(evaluation)] = _by_unit(evaluation)
    links = [_by_link(evaluation) for evaluation in ordered]
    link_row = np.repeat(np.arange(len(links)), [len(points) for points in links])
    torsion, link_nmae, link_force = np.concatenate(links).T
    over, force = ("row", "unit"), "mean absolute error of a force component in a unit"
    data = {
        **row_variables(COLUMNS, [_row(evaluation) for evaluation in ordered]),
        "nmae_by_unit": variable(over, by_unit[0], "%", "density error in a unit over its electrons"),
        "force_by_unit": variable(over, by_unit[1], "meV/angstrom", force),
        "link_row": variable(("link",), link_row, "1", "row of the table that the link belongs to"),
        "torsion": variable(("link",), torsion, "degree", "torsion angle of the link, 180 is anti"),
        "link_nmae": variable(("link",), link_nmae, "%", "density error in both units over their electrons"),
        "link_force": variable(("link",), link_force, "meV/angstrom", "mean absolute force error in both units"),
    }
    return xr.Dataset(data, {"unit": variable(("unit",), np.arange(longest), "1", "unit of the chain, 0 at its head")})


def as_rows(table: xr.Dataset) -> Shown:
    """Return heads and cells of the table."""
    seen = np.where(table["trained"], "trained", "unseen")
    return shown_table(table.assign(trained=("row", seen)), COLUMNS)


def units_of(chain: xr.Dataset) -> int:
    """Return the length of the chain that an evaluation, or another file, is of."""
    return int(chain["unit"].max()) + 1


def is_trained(evaluation: xr.Dataset) -> bool:
    """Return whether the model was trained on this length."""
    return units_of(evaluation) in units_trained(evaluation)


def _row(evaluation: xr.Dataset) -> dict[str, Any]:
    return {
        "model": model_of(evaluation),
        "units": units_of(evaluation),
        "trained": np.int8(is_trained(evaluation)),
        "n_test": evaluation.sizes["frame"],
        **scores(evaluation),
        "density_nmae_true_percent": float(evaluation["nmae_true"].mean(skipna=False)),
        "density_floor_percent": float(evaluation["floor_nmae"].mean(skipna=False)),
        **along_trajectory(evaluation),
    }


def along_trajectory(evaluation: xr.Dataset) -> dict[str, float]:
    """Return how well energy and dipole follow the reference from frame to frame, whatever their means are."""
    if evaluation.sizes["frame"] < 3:
        return {"energy_correlation": float("nan"), "dipole_fluctuation_missed_percent": float("nan")}
    reference = evaluation["dipole_reference"].values
    error = evaluation["dipole_predicted"].values - reference
    correlation = np.corrcoef(evaluation["energy_predicted"].values, evaluation["energy_reference"].values)[0, 1]
    return {
        "energy_correlation": float(correlation),
        "dipole_fluctuation_missed_percent": 100 * float(error.var(axis=0).sum() / reference.var(axis=0).sum()),
    }


def _unit_errors(evaluation: xr.Dataset) -> tuple[Array, Array, Array, Array]:
    """Return sums of density errors [e], force errors [meV/Å], (frame, unit); electrons and atoms of units (unit,)."""
    unit, numbers = evaluation["unit"].values, evaluation["numbers"].values
    member = (unit[:, None] == np.arange(units_of(evaluation))).astype(float)
    n_electrons = numbers.sum() - float(evaluation.attrs["charge"])
    nmae = evaluation["nmae_by_atom"].sel(pair="model-fit").transpose("frame", "atom").values
    error = abs(evaluation["forces_predicted"] - evaluation["forces_reference"]).mean("x")
    force = EV_IN_MEV * error.transpose("frame", "atom").values
    return nmae / 100 * n_electrons @ member, force @ member, numbers @ member, member.sum(0)


def _by_unit(evaluation: xr.Dataset) -> Array:
    """Return NMAE in percent of the unit's electrons, and force errors in meV/Å, of each unit, (2, unit)."""
    density, force, electrons, atoms = _unit_errors(evaluation)
    return np.stack([100 * density.mean(0) / electrons, force.mean(0) / atoms])


def _by_link(evaluation: xr.Dataset) -> Array:
    """Return torsion angle, NMAE and force error of the two units at each link of each frame, (frames · links, 3)."""
    if "torsion" not in evaluation:
        return np.empty((0, 3))
    angles = torsion_angles(evaluation["positions"].values, evaluation["torsion"].values)
    density, force, electrons, atoms = _unit_errors(evaluation)

    def pairwise_sum(values: Array) -> Array:
        return values[..., :-1] + values[..., 1:]

    nmae = 100 * pairwise_sum(density) / pairwise_sum(electrons)
    forces = pairwise_sum(force) / pairwise_sum(atoms)
    return np.stack([angles, nmae, forces], axis=-1).reshape(-1, 3)
