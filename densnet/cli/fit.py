"""``densnet fit``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.fitting.fitted_labels import METHOD_VERSION, fit_labels, fit_parts
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import write_dataset


def fit(
    *,
    shards: Annotated[list[Path], Parameter(consume_multiple=True, negative="")],
    geometries: Path,
    atoms: Path,
    output: Path,
    settings: Annotated[FitSettings, Parameter(name="*")] = FitSettings(),
    n_train: int | None = None,
    n_validation: int | None = None,
    n_test: int | None = None,
    processes: int = 1,
) -> None:
    """Fit the labelled densities in a Gaussian basis, charge and dipole exact, and measure the fit's own errors.

    Stopped at any moment, the same command goes on.

    Args:
        shards: files of ``densnet label``; together they hold every frame once.
        geometries: file of ``densnet sample`` that was labelled.
        atoms: file of ``densnet atoms`` at the same level of theory.
        output: labels.nc, written when all is done; finished frames are kept in OUTPUT.parts until then.
        n_train: take the first so many training frames only.
        n_validation: take so many validation frames only, evenly spread.
        n_test: take so many test frames only, evenly spread.
        processes: worker processes, one thread each; the result does not depend on it.
    """
    wanted = {"train": n_train, "validation": n_validation, "test": n_test}
    sizes = {split: count for split, count in wanted.items() if count is not None}
    parts = fit_parts(shards, geometries, atoms, settings, sizes, output)
    labels = fit_labels(shards, geometries, atoms, settings, processes=processes, sizes=sizes, parts=parts)
    recorded = asdict(settings) | {f"n_{split}": count for split, count in sizes.items()}
    write_dataset(labels, output, stage="fit", method_version=METHOD_VERSION, settings=recorded)
    parts.remove()
