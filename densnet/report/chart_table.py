"""Speed and accuracy of models, potentials and the labels' own program: a row for each way of asking each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr

from densnet.errors import DensnetError
from densnet.mechanics.timing import nanoseconds_a_day
from densnet.report.columns import Shown, csv_of_records, read_records, shown_records
from densnet.report.metrics import mean_error
from densnet.units import EV_IN_MEV
from densnet.validation.settings import ChartSettings
from densnet.validation.speed_accuracy import Accuracy, Contestant, Cost

METHOD_VERSION: int = 1

Role = Literal["model", "peer", "reference"]
"""Ours, another potential, or the program that made the labels."""
PROCESSOR, WALL = "processor", "wall"
ANOTHER = "another"
"""Level of a contestant that was not made to reproduce the labels' one."""


@dataclass(frozen=True)
class ChartRow:
    """One contestant asked for one geometry or for a batch, annotated with the heads of the page.

    None is what was not measured, or does not exist; of a gap all numbers are.

    Attributes:
        file: of a model.
        level: of theory that it was made to reproduce, or :data:`ANOTHER`.
        weights: number of the network's weights.
        batch: geometries in a call.
        ms_per_geometry: time of energy and forces, with all that comes with them.
        ns_per_day: dynamics that this makes in a day with the time step, all copies together.
        dipole_mae_debye: length of the difference of both vectors.
        clock: what measured the time, the processor's or the wall's.
        gap: why there are no numbers.
    """

    system: str
    contestant: Annotated[str, ""]
    role: Role
    file: str
    level: Annotated[str, "level"]
    weights: Annotated[int | None, "weights"]
    batch: Annotated[int | None, "geometries a call"]
    ms_per_geometry: Annotated[float | None, "energy + forces [ms each]"]
    ns_per_day: Annotated[float | None, "dynamics [ns/day]"]
    timestep_fs: Annotated[float | None, "time step [fs]"]
    force_mae_mev_per_angstrom: Annotated[float | None, "force MAE [meV/Å]"]
    dipole_mae_debye: Annotated[float | None, "dipole MAE [D]"]
    n_frames: Annotated[int | None, "frames"]
    atoms: Annotated[int | None, "atoms"]
    threads: Annotated[int | None, "threads"]
    dtype: Annotated[str, "numbers"]
    clock: Annotated[str, "clock"]
    gap: str = ""


table_csv = partial(csv_of_records, ChartRow)
read_table = partial(read_records, ChartRow, "chart")


@dataclass(frozen=True)
class Entry:
    """Who a row is about, the fields of :class:`ChartRow` of the same names."""

    system: str
    contestant: str
    role: Role
    level: str
    file: str = ""
    weights: int | None = None

    def gap(self, reason: str) -> ChartRow:
        """Return the row of somebody who cannot be measured."""
        nothing: dict[str, Any] = dict.fromkeys(ChartRow.__dataclass_fields__)
        said = reason.removeprefix(f"{self.contestant}: ")
        return ChartRow(**{**nothing, **vars(self), "dtype": "", "clock": "", "gap": said})

    def row(
        self,
        accuracy: Accuracy,
        milliseconds: float,
        *,
        batch: int,
        atoms: int,
        timestep_fs: float,
        dtype: str,
        threads: int = 1,
        clock: str = PROCESSOR,
    ) -> ChartRow:
        """Return the row of a measurement."""
        return ChartRow(
            **vars(self),
            batch=batch,
            ms_per_geometry=milliseconds,
            ns_per_day=nanoseconds_a_day(milliseconds, timestep_fs),
            timestep_fs=timestep_fs,
            force_mae_mev_per_angstrom=accuracy.force_mae,
            dipole_mae_debye=accuracy.dipole_mae,
            n_frames=accuracy.n_frames,
            atoms=atoms,
            threads=threads,
            dtype=dtype,
            clock=clock,
        )


def measured_rows(entry: Entry, contestant: Contestant, cost: Cost, settings: ChartSettings) -> list[ChartRow]:
    """Return the rows of a potential, alone and in a batch."""
    atoms, dtype = len(contestant.alone.numbers), contestant.alone.dtype
    return [
        entry.row(
            contestant.accuracy,
            milliseconds,
            batch=batch,
            atoms=atoms,
            timestep_fs=settings.timestep_fs,
            dtype=dtype,
        )
        for batch, milliseconds in ((1, cost.alone_ms), (settings.batch, cost.together_ms))
    ]


def trained_peer_rows(entry: Entry, outcome: xr.Dataset, energy: np.ndarray, timestep_fs: float) -> list[ChartRow]:
    """Return the rows of a peer that was trained on the labels, timed when it had been.

    Args:
        outcome: of "peer".
        energy: of the held-out frames by the labels, eV, (t,).

    Raises:
        DensnetError: it was judged by other frames.
    """
    if not np.array_equal(outcome["energy_reference"].values, energy):
        raise DensnetError(f"{entry.contestant}: was judged by other frames than those of {entry.system}")
    threads = int(outcome.attrs["threads"])
    accuracy = Accuracy(EV_IN_MEV * mean_error(outcome, "forces"), None, outcome.sizes["frame"])
    return [
        entry.row(
            accuracy,
            float(outcome.attrs[name]),
            batch=batch,
            atoms=outcome.sizes["atom"],
            timestep_fs=timestep_fs,
            dtype="float32",
            threads=threads,
            clock=PROCESSOR if threads == 1 else WALL,
        )
        for batch, name in ((1, "ms_per_evaluation"), (int(outcome.attrs["batch"]), "ms_per_replica_in_batch"))
    ]


def chart_cells(rows: Sequence[Mapping[str, str]]) -> Shown:
    """Return heads and cells of what was measured, from :func:`read_table`."""
    return shown_records(ChartRow, [row for row in rows if not row["gap"]])


def chart_gaps(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a line for everybody who could not be measured."""
    return [f"{row['file'] or row['contestant']}: {row['gap']}" for row in rows if row["gap"]]
