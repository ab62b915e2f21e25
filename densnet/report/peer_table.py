"""Our model and its peers side by side: errors on the same test frames, speed, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import xarray as xr

from densnet.errors import DensnetError
from densnet.report.columns import Shown, csv_of_records, heads_of, read_records, shown_records
from densnet.report.metrics import frames_by_temperature, mean_error
from densnet.units import EV_IN_MEV

METHOD_VERSION: int = 2


@dataclass(frozen=True)
class PeerRow:
    """One model, annotated with the heads of the page; None is what was not measured.

    Times are of energy and forces, ours with the dipole and the density.

    Attributes:
        temperature_kelvin: of the test frames that errors are given for; None for all of them.
        train_seconds: wall time of the training, ours of both models.
    """

    system: str
    model: Annotated[str, ""]
    n_train: Annotated[int, "training frames"]
    temperature_kelvin: Annotated[int | None, "at [K]"]
    n_test: Annotated[int, "test frames"]
    energy_mae_mev: Annotated[float, "energy MAE [meV]"]
    energy_mae_mev_per_atom: Annotated[float, "energy MAE [meV/atom]"]
    force_mae_mev_per_angstrom: Annotated[float, "force MAE [meV/Å]"]
    ms_per_evaluation: Annotated[float | None, "one molecule [ms]"]
    ms_per_replica: Annotated[float | None, "in a batch of 64 [ms each]"]
    train_seconds: Annotated[float | None, "training [s]"]
    parameters: Annotated[int | None, "parameters"]
    threads: Annotated[int, "threads"]


LABELS = heads_of(PeerRow)
table_csv = partial(csv_of_records, PeerRow)
read_table = partial(read_records, PeerRow, "peer table")


def peer_rows(system: str, peer: xr.Dataset) -> list[PeerRow]:
    """Return the rows of a peer from the outcome of "peer": of all test frames, then of each temperature's."""
    recorded = peer.attrs
    return _rows(
        peer,
        system=system,
        model=f"{recorded['peer']} {recorded['size']} ({recorded['hidden_irreps']})",
        n_train=int(recorded["n_train"]),
        ms_per_evaluation=float(recorded["ms_per_evaluation"]),
        ms_per_replica=float(recorded["ms_per_replica_in_batch"]),
        train_seconds=float(recorded["train_seconds"]),
        parameters=int(recorded["n_parameters"]),
        threads=int(recorded["threads"]),
    )


def our_rows(
    system: str, evaluation: xr.Dataset, peers: Sequence[xr.Dataset], train_seconds: float | None
) -> list[PeerRow]:
    """Return our own rows: errors from the outcome of "evaluate", times from where a peer was timed beside it.

    Raises:
        DensnetError: the peers were judged by other frames or references than our model.
    """
    judged_by = ("frame", "energy_reference")
    if not all(np.array_equal(peer[name], evaluation[name]) for peer in peers for name in judged_by):
        raise DensnetError(f"{system}: evaluation and peer have different test frames; run both on the same labels")
    timed = [peer.attrs for peer in peers if "model_ms_per_evaluation" in peer.attrs]

    def least(name: str) -> float | None:
        return min((float(recorded[name]) for recorded in timed), default=None)

    return _rows(
        evaluation,
        system=system,
        model="densnet",
        n_train=int(evaluation.attrs["n_train"]),
        ms_per_evaluation=least("model_ms_per_evaluation"),
        ms_per_replica=least("model_ms_per_replica_in_batch"),
        train_seconds=train_seconds,
        parameters=int(timed[0]["model_n_parameters"]) if timed else None,
        threads=int(peers[0].attrs["threads"]) if peers else 1,
    )


def _rows(dataset: xr.Dataset, **cost: Any) -> list[PeerRow]:
    """Return the row of all test frames and those of each temperature's, which share what does not depend on them."""
    rows = []
    for temperature, frames in [(None, dataset), *frames_by_temperature(dataset).items()]:
        energy = EV_IN_MEV * mean_error(frames, "energy")
        errors: dict[str, Any] = {
            "energy_mae_mev": energy,
            "energy_mae_mev_per_atom": energy / frames.sizes["atom"],
            "force_mae_mev_per_angstrom": EV_IN_MEV * mean_error(frames, "forces"),
        }
        rows.append(PeerRow(temperature_kelvin=temperature, n_test=frames.sizes["frame"], **cost, **errors))
    return rows


def peer_cells(rows: Sequence[Mapping[str, str]], system: str) -> Shown:
    """Return heads and cells of a system's rows; what was not measured is a dash."""
    return shown_records(PeerRow, [row for row in rows if row["system"] == system])
