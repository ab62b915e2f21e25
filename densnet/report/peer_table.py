"""Our model and its peers side by side: errors on the same test frames, speed, cost."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from densnet.errors import DensnetError
from densnet.report.csv_rows import csv_text, read_csv
from densnet.report.metrics import mean_error
from densnet.report.temperatures import frames_by_temperature
from densnet.units import EV_IN_MEV

METHOD_VERSION: int = 2


@dataclass(frozen=True)
class PeerRow:
    """One model; None is what was not measured. Times are of energy and forces, ours with the dipole and the density.

    Attributes:
        temperature_kelvin: of the test frames that errors are given for; None for all of them.
        ms_per_evaluation: of one molecule.
        ms_per_replica: of one molecule in a batch.
        train_seconds: wall time of the training, ours of both models.
    """

    system: str
    model: str
    n_train: int
    temperature_kelvin: int | None
    n_test: int
    energy_mae_mev: float
    energy_mae_mev_per_atom: float
    force_mae_mev_per_angstrom: float
    ms_per_evaluation: float | None
    ms_per_replica: float | None
    train_seconds: float | None
    parameters: int | None
    threads: int


LABELS = {
    "model": "",
    "n_train": "training frames",
    "temperature_kelvin": "at [K]",
    "n_test": "test frames",
    "energy_mae_mev": "energy MAE [meV]",
    "energy_mae_mev_per_atom": "energy MAE [meV/atom]",
    "force_mae_mev_per_angstrom": "force MAE [meV/Å]",
    "ms_per_evaluation": "one molecule [ms]",
    "ms_per_replica": "in a batch of 64 [ms each]",
    "train_seconds": "training [s]",
    "parameters": "parameters",
    "threads": "threads",
}
"""Column heads of the page."""


def _errors(dataset: xr.Dataset) -> dict[str, float | int]:
    energy = EV_IN_MEV * mean_error(dataset, "energy")
    return {
        "n_test": dataset.sizes["frame"],
        "energy_mae_mev": energy,
        "energy_mae_mev_per_atom": energy / dataset.sizes["atom"],
        "force_mae_mev_per_angstrom": EV_IN_MEV * mean_error(dataset, "forces"),
    }


def peer_rows(system: str, peer: xr.Dataset) -> list[PeerRow]:
    """Return the rows of a peer from the outcome of "peer": of all test frames, then of each temperature's."""
    recorded = peer.attrs
    whole = PeerRow(
        system=system,
        model=f"{recorded['peer']} {recorded['size']} ({recorded['hidden_irreps']})",
        n_train=int(recorded["n_train"]),
        ms_per_evaluation=float(recorded["ms_per_evaluation"]),
        ms_per_replica=float(recorded["ms_per_replica_in_batch"]),
        train_seconds=float(recorded["train_seconds"]),
        parameters=int(recorded["n_parameters"]),
        threads=int(recorded["threads"]),
        temperature_kelvin=None,
        **_errors(peer),  # type: ignore[arg-type]
    )
    return [whole, *_at_temperatures(whole, peer)]


def _at_temperatures(whole: PeerRow, dataset: xr.Dataset) -> list[PeerRow]:
    return [
        replace(whole, temperature_kelvin=T, **_errors(frames))  # type: ignore[arg-type]
        for T, frames in frames_by_temperature(dataset).items()
    ]


def our_rows(
    system: str, evaluation: xr.Dataset, peers: Sequence[xr.Dataset], train_seconds: float | None
) -> list[PeerRow]:
    """Return our own rows: errors from the outcome of "evaluate", times from where a peer was timed beside it.

    Raises:
        DensnetError: the peers were judged by other frames or references than our model.
    """
    for peer in peers:
        same = np.array_equal(peer["frame"].values, evaluation["frame"].values) and np.array_equal(
            peer["energy_reference"].values, evaluation["energy_reference"].values
        )
        if not same:
            raise DensnetError(f"{system}: evaluation and peer have different test frames; run both on the same labels")
    timed = [peer.attrs for peer in peers if "model_ms_per_evaluation" in peer.attrs]
    whole = PeerRow(
        system=system,
        model="densnet",
        n_train=int(evaluation.attrs["n_train"]),
        ms_per_evaluation=_least(timed, "model_ms_per_evaluation"),
        ms_per_replica=_least(timed, "model_ms_per_replica_in_batch"),
        train_seconds=train_seconds,
        parameters=int(timed[0]["model_n_parameters"]) if timed else None,
        threads=int(peers[0].attrs["threads"]) if peers else 1,
        temperature_kelvin=None,
        **_errors(evaluation),  # type: ignore[arg-type]
    )
    return [whole, *_at_temperatures(whole, evaluation)]


def _least(recorded: Sequence[Mapping[str, float]], name: str) -> float | None:
    return min((float(one[name]) for one in recorded), default=None)


def read_training_seconds(logs: Sequence[Path]) -> float:
    """Return the wall time of trainings, from the last line of each log.

    Raises:
        DensnetError: a log cannot be read.
    """
    total = 0.0
    for path in logs:
        try:
            with Path(path).open(newline="") as handle:
                total += float(list(csv.DictReader(handle))[-1]["seconds"])
        except (OSError, LookupError, ValueError, TypeError) as error:
            raise DensnetError(f"{path}: expected a log of 'densnet train', cannot be read ({error})") from error
    return total


def table_csv(rows: Sequence[PeerRow]) -> str:
    """Return the table as CSV, four digits; what was not measured is empty."""
    return csv_text(PeerRow, rows)


def read_table(path: Path) -> list[dict[str, str]]:
    """Read what :func:`table_csv` wrote.

    Raises:
        DensnetError: no such file, or another kind of file.
    """
    return read_csv(PeerRow, path, "peer table")


def peer_cells(rows: Sequence[Mapping[str, str]], system: str) -> tuple[list[str], list[list[str]]]:
    """Return heads and cells of a system's rows; what was not measured is a dash."""
    return list(LABELS.values()), [[row[name] or "–" for name in LABELS] for row in rows if row["system"] == system]
