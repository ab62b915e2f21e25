"""The tables of a gallery as CSV and as they are shown."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from densnet.errors import DensnetError
from densnet.report.columns import Shown
from densnet.report.gallery import REFERENCE, Gallery

FILES = ("gallery.csv", "gallery_lines.csv", "gallery_remarks.txt")
"""Of the molecules, of the lines, and of the remarks."""
UNIT = "_per_cm"
"""What the names of columns in 1/cm end in, in the files."""


def written(gallery: Gallery) -> dict[str, str]:
    """Return the content of each of the files."""
    tables = (gallery.molecules, gallery.lines)
    texts = [
        table.rename(columns=_with_unit).to_csv(index=False, float_format="%.2f", lineterminator="\n")
        for table in tables
    ]
    return dict(zip(FILES, [*texts, "".join(f"{remark}\n" for remark in gallery.remarks)], strict=True))


def _with_unit(name: str) -> str:
    return name + UNIT if re.match("model_|harmonic_|dynamics_|fundamental$", name) else name


def read_gallery(folder: Path) -> Gallery:
    """Read what "densnet gallery" wrote into a folder.

    Raises:
        DensnetError: no such files, or others.
    """
    paths = [Path(folder) / name for name in FILES]
    try:
        molecules, lines = (pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in paths[:2])
        remarks = paths[2].read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DensnetError(f"{folder}: cannot be read ({error}); run 'densnet gallery'") from error
    if "system" not in molecules or "system" not in lines:
        raise DensnetError(f"{folder}: expected the tables of 'densnet gallery', found others; run it again")
    molecules, lines = (table.rename(columns=lambda name: name.removesuffix(UNIT)) for table in (molecules, lines))
    return Gallery(molecules, lines, tuple(remarks))


def methods(gallery: Gallery, kind: str) -> list[str]:
    """Return whose lines there are of a kind, "harmonic" or "dynamics"."""
    names = [str(name) for name in gallery.molecules]
    return [name[len(kind) + 1 : -len("_mean")] for name in names if name.startswith(kind) and name.endswith("_mean")]


def called(method: str, gallery: Gallery) -> str:
    """Return what a method is called where it is shown: the reference by its level."""
    levels = [str(level) for level in gallery.molecules["reference"].dropna().unique() if level]
    return " and ".join(levels) or method if method == REFERENCE else method


def mean_over_molecules(gallery: Gallery, column: str) -> float:
    """Return the mean of a column over the molecules that have it; NaN if none has."""
    values = gallery.molecules[column].dropna() if column in gallery.molecules else pd.Series(dtype=float)
    return float(values.mean()) if len(values) else float("nan")


def molecule_cells(gallery: Gallery) -> Shown:
    """Return a row a molecule: mean difference of each method and, in brackets, the largest; means at the end."""
    columns = {"model_from_reference": f"model from {called(REFERENCE, gallery)}, harmonic"}
    for kind in ("harmonic", "dynamics"):
        columns |= {f"{kind}_{name}": f"{called(name, gallery)}, {kind}" for name in methods(gallery, kind)}
    rows = [
        [str(row["system"]), *(_cell(row[f"{name}_mean"], row[f"{name}_largest"]) for name in columns)]
        for _, row in gallery.molecules.iterrows()
    ]
    means = [mean_over_molecules(gallery, f"{name}_mean") for name in columns]
    largest = [gallery.molecules[f"{name}_largest"].max() for name in columns]
    closing = [_cell(mean, most) for mean, most in zip(means, largest, strict=True)]
    return ["", *columns.values()], [*rows, [f"mean of {len(rows)} (largest)", *closing]]


def _cell(mean: float, largest: float) -> str:
    return "–" if np.isnan(mean) else f"{mean:.1f} ({largest:.0f})"


def line_cells(gallery: Gallery, system: str) -> Shown:
    """Return the lines of a molecule beside its fundamentals, high ones first."""
    lines = gallery.lines[gallery.lines["system"] == system] if len(gallery.lines) else gallery.lines
    columns = {
        f"{kind}_{name}": f"{called(name, gallery)}, {kind}"
        for kind in ("harmonic", "dynamics")
        for name in methods(gallery, kind)
    }
    rows = [
        [
            " ".join(str(row[name]) for name in ("species", "motion") if isinstance(row[name], str)),
            f"{row['fundamental']:.0f}",
            *("–" if np.isnan(row[name]) else f"{row[name]:.0f}" for name in columns),
        ]
        for _, row in (lines.sort_values("fundamental", ascending=False) if len(lines) else lines).iterrows()
    ]
    return ["", "measured", *columns.values()], rows
