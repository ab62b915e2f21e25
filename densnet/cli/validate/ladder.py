"""``densnet validate ladder``: errors on labelled frames from usual ones to those far out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import numpy as np
import xarray as xr
from cyclopts import Parameter
from numpy.typing import NDArray

from densnet.cli.validate.options import LEVEL, MANY, PotentialOptions, asking, recording
from densnet.density.settings import GRID_LEVEL
from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.molecule import Molecule, formula
from densnet.potential import Array
from densnet.potentials.choice import BATCH, Chosen
from densnet.quantities import PREDICTED
from densnet.reference.level import LevelOfTheory
from densnet.report.ladder_text import ladder_text
from densnet.training.labels import Labels, load_labels
from densnet.validation.density_errors import Expanded, density_errors
from densnet.validation.findings import findings_csv
from densnet.validation.ladder import JudgedFrames, joined_frames, judged_frames, ladder_findings

if TYPE_CHECKING:
    from densnet.potentials.model import ModelPotential

Split = Literal["train", "validation", "test"]
NO_TEMPERATURE = "strained (no temperature)"


def ladder(
    tested: Annotated[PotentialOptions, Parameter(name="*")] = PotentialOptions(),
    *,
    labels: Annotated[list[Path], MANY],
    splits: Annotated[tuple[Split, ...], MANY] = ("validation", "test"),
    level: Annotated[LevelOfTheory, Parameter(name="*")] = LEVEL,
    output: Path | None = None,
) -> None:
    """Compare a potential with labels by temperature and strain, and with what it says of its own reliability.

    Energies of potentials other than a model of ours are compared up to a constant, the median of their differences.

    Parameters
    ----------
    labels
        Outputs of 'densnet fit'; several are taken together.
    splits
        Which of their frames; name train too for labels that the model has not learned from.
    output
        CSV of all numbers.
    """
    potential = tested.chosen(level, output)
    loaded = [load_labels(path) for path in labels]
    several = len(labels) > 1
    with recording(output):
        parts = [_judged(potential, each, splits, path, several) for each, path in zip(loaded, labels, strict=True)]
        frames = joined_frames(parts)
        print(f"{potential.name} on {', '.join(map(str, labels))}: {', '.join(splits)}\n\n{ladder_text(frames)}")
        if output:
            write_text(output, findings_csv(ladder_findings(frames)))
    potential.remove_parts()


def _judged(potential: Chosen, labels: Labels, splits: tuple[Split, ...], path: Path, several: bool) -> JudgedFrames:
    """Return the frames of one file, judged."""
    split = labels.dataset["split"].values.astype(str)
    data = labels.dataset.isel(frame=np.isin(split, splits))
    if not data.sizes["frame"]:
        raise DensnetError(f"{path}: expected frames of {', '.join(splits)}, found none; name other --splits")
    positions = data["positions"].values
    judging = potential(Molecule(labels.numbers, positions[0], labels.charge))
    density = _density_errors(cast("ModelPotential", judging), labels, data) if potential.has_density else None
    with asking(potential):
        return judged_frames(
            judging,
            positions,
            {name: data[name].values for name in PREDICTED},
            condition=_conditions(data, f"{formula(labels.numbers)}; " if several else ""),
            test=data["split"].values.astype(str) == "test",
            batch=potential.batch,
            density=density,
            remove_offset=not potential.is_ours,
        )


def _density_errors(potential: ModelPotential, labels: Labels, data: xr.Dataset) -> Array:
    """Return the errors (T,) in percent of a model's density, the mean of an ensemble's, against the fitted one."""
    positions = data["positions"].values
    blocks = [
        potential.model.member_coefficients(labels.numbers, positions[start : start + BATCH]).mean(axis=0)
        for start in range(0, len(positions), BATCH)
    ]
    return density_errors(
        labels.numbers,
        positions,
        tested=Expanded(potential.model.basis, np.concatenate(blocks)),
        reference=Expanded(labels.basis, data["coefficients"].values),
        n_electrons=float(labels.numbers.sum() - labels.charge),
        grid_level=int(labels.settings.get("grid_level", GRID_LEVEL)),
    )


def _conditions(data: xr.Dataset, prefix: str) -> NDArray[np.str_]:
    """Return where frames come from, (T,): strained frames have no temperature, and those of others may have none."""
    unknown = np.full(data.sizes["frame"], np.nan)
    temperature = data["temperature"].values if "temperature" in data else unknown
    names = [f"{kelvin:g} K" if np.isfinite(kelvin) else NO_TEMPERATURE for kelvin in temperature]
    return np.array([prefix + name for name in names])
