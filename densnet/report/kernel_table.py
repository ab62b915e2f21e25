"""Kernel maps by number of training points, and networks that learned from as many frames beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.kernel.learning_curve import KernelErrors
from densnet.report.columns import csv_of_records, read_records, shown_records
from densnet.report.metrics import mean_error
from densnet.report.table import plain_table
from densnet.units import EV_IN_MEV, KCAL_PER_MOL_IN_EV

NEEDED = ("energy_reference", "energy_predicted", "forces_reference", "forces_predicted", "nmae")


@dataclass(frozen=True)
class KernelRow:
    """Mean absolute errors for one number of training frames, annotated with their heads.

    None is what no network was given for, or what fewer kernels were asked for.
    """

    m: Annotated[int, "M"]
    n_test: Annotated[int, "test frames"]
    hk_energy_mae_kcal_per_mol: Annotated[float | None, "energy [kcal/mol]: ML-HK"]
    ks_energy_mae_kcal_per_mol: Annotated[float | None, "ML-KS"]
    network_energy_mae_kcal_per_mol: Annotated[float | None, "network"]
    hk_density_nmae_percent: Annotated[float | None, "density [%]: ML-HK"]
    network_density_nmae_percent: Annotated[float | None, "network"]
    hk_force_mae_mev_per_angstrom: Annotated[float | None, "forces [meV/Å]: ML-HK"]
    ks_force_mae_mev_per_angstrom: Annotated[float | None, "ML-KS"]
    network_force_mae_mev_per_angstrom: Annotated[float | None, "network"]


table_csv = partial(csv_of_records, KernelRow)
read_table = partial(read_records, KernelRow, "kernel")


def network_errors(
    evaluations: Sequence[Path], frame: NDArray[np.integer], energy: NDArray[np.float64]
) -> dict[int, dict[str, float]]:
    """Return the errors of networks by their numbers of training frames, of several with one number the mean.

    Args:
        evaluations: outputs of "evaluate".
        frame: numbers of the test frames.
        energy: of these by the labels, eV.

    Raises:
        DensnetError: a file cannot be read, or a network was judged by other frames.
    """
    by_count: dict[int, list[dict[str, float]]] = {}
    for path in evaluations:
        outcome = read_dataset(path, stage="evaluate", variables=NEEDED)
        judged_by = ((outcome["frame"].values, frame), (outcome["energy_reference"].values, energy))
        if not all(np.array_equal(found, expected) for found, expected in judged_by):
            raise DensnetError(
                f"{path}: expected the test frames of the labels, found others; run 'densnet evaluate' on these labels"
            )
        by_count.setdefault(int(outcome.attrs["n_train"]), []).append(_network(outcome))
    return {
        count: {name: float(np.mean([each[name] for each in several])) for name in several[0]}
        for count, several in by_count.items()
    }


def kernel_rows(
    errors: Sequence[KernelErrors], networks: Mapping[int, Mapping[str, float]], n_test: int
) -> list[KernelRow]:
    """Return a row for each number of training frames of kernels or networks.

    Args:
        errors: of the kernels.
        networks: :func:`network_errors`.
        n_test: number of test frames.
    """
    kernels = {entry.m: asdict(entry) for entry in errors}
    nothing: dict[str, Any] = dict.fromkeys(KernelRow.__dataclass_fields__) | {"n_test": n_test}
    return [
        KernelRow(**{**nothing, "m": m, **kernels.get(m, {}), **networks.get(m, {})})
        for m in sorted({*kernels, *networks})
    ]


def shown_table(rows: Sequence[dict[str, str]]) -> str:
    """Return the rows of :func:`read_table` as they are printed."""
    return plain_table(*shown_records(KernelRow, rows))


def _network(outcome: xr.Dataset) -> dict[str, float]:
    return {
        "network_energy_mae_kcal_per_mol": mean_error(outcome, "energy") / KCAL_PER_MOL_IN_EV,
        "network_density_nmae_percent": float(outcome["nmae"].mean()),
        "network_force_mae_mev_per_angstrom": mean_error(outcome, "forces") * EV_IN_MEV,
    }
