"""``densnet kernel``: the Hohenberg-Kohn map by kernel ridge regression, on the labels that our networks learn from."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import write_text
from densnet.kernel.hohenberg_kohn import HohenbergKohn, KernelFrames, chosen_frames, fit_maps
from densnet.kernel.kernel_files import write_kernel
from densnet.kernel.learning_curve import kernel_errors
from densnet.kernel.settings import KernelSettings, Several
from densnet.report.kernel_table import kernel_rows, network_errors, read_table, shown_table, table_csv
from densnet.training.labels import Labels, load_labels

_MANY = Parameter(consume_multiple=True, negative="")


def kernel(
    *,
    labels: Path,
    output: Path,
    m: Annotated[tuple[Several, ...], _MANY] = (5, 10, 15, 20),
    model: Path | None = None,
    evaluation: Annotated[tuple[Path, ...], _MANY] = (),
    settings: Annotated[KernelSettings, Parameter(name="*")] = KernelSettings(),
) -> None:
    """Fit the Hohenberg-Kohn map by kernel ridge regression and judge it by the test frames.

    Parameters
    ----------
    labels
        Output of 'densnet fit'.
    output
        The table, CSV: errors for each number of training points.
    m
        Numbers of training points, a row of the table each; K-means chooses them among the training frames.
    model
        netCDF file to write the maps of the most training points to; dynamics, harmonic frequencies and validation
        take it like a model.
    evaluation
        Outputs of 'densnet evaluate' on the same labels: the errors of networks that learned from as many frames stand
        beside.
    """
    loaded = load_labels(labels)
    training, test_rows = _frames(loaded, loaded.frames("train")), loaded.frames("test")
    test, forces = _frames(loaded, test_rows), loaded.dataset["forces"].values[test_rows]
    networks = network_errors(evaluation, loaded.dataset["frame"].values[test_rows], test.energy)
    chosen = [chosen_frames(training, count, settings) for count in sorted(set(m))]
    fitted = [_fitted(training[rows], settings) for rows in chosen]
    errors = kernel_errors(fitted, test, forces, n_electrons=float(loaded.numbers.sum() - loaded.charge))
    rows = kernel_rows(errors, networks, len(test_rows))
    if model is not None:
        recorded = {**asdict(settings), "m": fitted[-1].n_points, "labels": fingerprint(labels)}
        write_kernel(model, fitted[-1], recorded)
    write_text(output, table_csv(rows))
    print(shown_table(read_table(output)), file=sys.stderr)


def _frames(labels: Labels, rows: NDArray[np.integer]) -> KernelFrames:
    positions, coefficients, energy = (
        np.asarray(labels.dataset[name].values[rows], dtype=float) for name in ("positions", "coefficients", "energy")
    )
    return KernelFrames(labels.basis, labels.numbers, positions, coefficients, energy)


def _fitted(points: KernelFrames, settings: KernelSettings) -> HohenbergKohn:
    maps = fit_maps(points, settings)
    chosen = ", ".join(
        f"{text} {fitted.width:.3g} and {fitted.ridge:.0e}"
        for text, fitted in (("density", maps.density), ("energy", maps.energy), ("ML-KS", maps.direct))
    )
    print(f"densnet kernel: {maps.n_points} training points; widths and ridges: {chosen}", file=sys.stderr)
    return maps
