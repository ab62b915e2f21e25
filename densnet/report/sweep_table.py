"""The tidy table of a sweep: a row for each variant and system."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import TypeAdapter, ValidationError

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable
from densnet.quantities import METRICS, metric_of, three_digits
from densnet.report.metrics import Metrics, evaluation_metrics, read_metrics
from densnet.report.sources import read_log, seconds_of
from densnet.text_files import read_text

METHOD_VERSION: int = 3

SECONDS = ("training_seconds_density_model", "training_seconds_energy_model", "training_seconds")
SHOWN = tuple(m.key for m in METRICS if m.by_temperature or (m.of, m.pair) == ("nmae", "model-true"))
"""Metrics of the short table and of the figure."""


@dataclass(frozen=True)
class Axis:
    """One entry of the sweep: its name in the configuration, and the dotted keys that move together."""

    name: str
    keys: tuple[str, ...]

    @property
    def is_seed(self) -> bool:
        """Whether it only repeats the same with other random numbers."""
        return all(key.split(".")[-1] == "seed" for key in self.keys)

    @property
    def is_frames(self) -> bool:
        """Whether it begins with the number of training frames; steps of training may go with it."""
        return self.keys[0].split(".")[-1] == "n_train"

    @property
    def title(self) -> str:
        """The last words of its keys, each once; of frames no steps."""
        keys = self.keys[:1] if self.is_frames else self.keys
        return " / ".join(dict.fromkeys(key.split(".")[-1].replace("_", " ") for key in keys))


@dataclass(frozen=True)
class Row:
    """One variant of one system: dotted keys and values, folder, and the files that tell how good and costly it is."""

    system: str
    settings: Mapping[str, Any]
    folder: str
    evaluation: Path
    density_logs: tuple[Path, ...]
    energy_logs: tuple[Path, ...]
    metrics: Path | None


@dataclass(frozen=True)
class Plan:
    """A sweep as the workflow lays it out."""

    axes: tuple[Axis, ...]
    rows: tuple[Row, ...]


def read_plan(path: Path) -> Plan:
    """Read what was swept and where the results are, JSON."""
    text = read_text(path, "the plan of a sweep")
    try:
        plan = TypeAdapter(Plan).validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        said = f"{'.'.join(map(str, problem['loc']))} {problem['msg']}"
        raise DensnetError(f"{path}: not the plan of a sweep ({said}); delete it and run again") from error
    if not plan.rows or not plan.axes:
        raise DensnetError(f"{path}: expected at least one variant, found none")
    return plan


def sweep_table(plan: Plan) -> xr.Dataset:
    """Return a row for each variant and system: swept keys, metrics, and what training took."""
    over = ("variant",)
    data = {
        "system": variable(over, [row.system for row in plan.rows], "1", "name of the system"),
        "folder": variable(over, [row.folder for row in plan.rows], "1", "where the variant's results are"),
    }
    for key in (key for axis in plan.axes for key in axis.keys):
        values = [row.settings[key] for row in plan.rows]
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            values = [value if isinstance(value, str) else json.dumps(value) for value in values]
        data[key] = variable(over, values, "1", f"{key} of config.yaml")
    # metrics that a row lacks, or does not know, are NaN in it
    for name, column in pd.DataFrame([_measured(row) for row in plan.rows]).items():
        units, meaning = "s", "time that training took, all members of an ensemble"
        if name not in SECONDS:
            units, meaning = metric_of(str(name)).unit or "1", metric_of(str(name)).label
        values = column.astype(float) if column.hasnans else column
        data[str(name).replace("/", "_")] = variable(over, values.tolist(), units, meaning)
    axes = [{"name": axis.name, "keys": list(axis.keys)} for axis in plan.axes]
    return xr.Dataset(data, attrs={"title": "sweep", "axes": json.dumps(axes)})


def axes_of(table: xr.Dataset) -> tuple[Axis, ...]:
    """Return what was swept."""
    return tuple(Axis(axis["name"], tuple(axis["keys"])) for axis in json.loads(table.attrs["axes"]))


def _measured(row: Row) -> Metrics:
    if row.metrics is not None:
        metrics = read_metrics(row.metrics)
    else:
        evaluation = read_dataset(row.evaluation, stage="evaluate", variables=("nmae", "charge_error"))
        metrics = evaluation_metrics(evaluation)
    parts = [sum(seconds_of(read_log(log)) for log in logs) for logs in (row.density_logs, row.energy_logs)]
    return metrics | dict(zip(SECONDS, [*parts, sum(parts)], strict=True))


def as_csv(table: xr.Dataset) -> str:
    """Return the table as CSV, a column a variable; what is not known is empty."""
    return str(table.to_dataframe().to_csv(index=False))


def groups(table: xr.Dataset, axes: Sequence[Axis]) -> dict[tuple[str, ...], np.ndarray]:
    """Return the rows that agree in the given axes, by the values that they share, in order of appearance."""
    rows: dict[tuple[str, ...], list[int]] = {}
    for number in range(table.sizes["variant"]):
        rows.setdefault(tuple(value_text(table, axis, number) for axis in axes), []).append(number)
    return {values: np.array(numbers) for values, numbers in rows.items()}


def value_text(table: xr.Dataset, axis: Axis, row: int) -> str:
    """Return the values of an axis in a row with slashes between; of frames no steps, once what both models share."""
    keys = [key for key in axis.keys if key.endswith("n_train") or not axis.is_frames]
    values = dict.fromkeys((key.split(".")[-1], str(table[key].values[row])) for key in keys)
    return " / ".join(value[:-2] if value.endswith(".0") else value for _, value in values)


def mean_rows(table: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the short table: errors and minutes of training, mean ± deviation over seeds."""
    axes = [axis for axis in axes_of(table) if not axis.is_seed] or list(axes_of(table))
    keys = [key for key in (*SHOWN, *_of_hottest(table)) if key in table]
    header = ["system", *[axis.title for axis in axes], *[metric_of(key).title for key in keys], "training [min]"]
    rows = []
    for system in dict.fromkeys(table["system"].values.tolist()):
        variants = table.isel(variant=table["system"].values == system)
        for values, members in groups(variants, axes).items():
            cells = [_spread(variants[key].values[members]) for key in keys]
            minutes = _spread(variants["training_seconds"].values[members] / 60)
            rows.append([str(system), *values, *cells, minutes])
    return header, rows


def _of_hottest(table: xr.Dataset) -> list[str]:
    """Return the columns of errors at the highest temperature of the test frames, where there are several."""
    errors = [metric.at_temperature for metric in METRICS if metric.by_temperature]
    matches = [match for metric in errors for name in table.data_vars if (match := metric.match(str(name)))]
    if not matches:
        return []
    hottest = max((match["temperature"] for match in matches), key=int)
    return [metric.under(temperature=hottest).key for metric in errors]


def _spread(values: np.ndarray) -> str:
    if not np.isfinite(values).all():
        return "–"
    mean = three_digits(float(values.mean()))
    if len(values) == 1:
        return mean
    deviation = float(values.std(ddof=1))
    return f"{mean} ± {deviation:.0f}" if deviation >= 10 else f"{mean} ± {deviation:.1g}"
