"""``densnet chart``: what energy and forces cost against how wrong they are, for models and others."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import xarray as xr
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.exchange.labelled_molecule import LabelledMolecule, labelled_molecule
from densnet.io.netcdf import read_dataset, write_text
from densnet.kernel.kernel_files import is_kernel_file
from densnet.molecule import Molecule
from densnet.potentials import NAMED
from densnet.potentials.choice import Chosen
from densnet.reference.given_geometries import label_geometries
from densnet.reference.level import PROGRAMS, LevelOfTheory, level_name
from densnet.reference.programs import TITLES
from densnet.report.chart_figures import speed_accuracy_chart
from densnet.report.chart_table import (
    ANOTHER,
    WALL,
    ChartRow,
    Entry,
    chart_cells,
    measured_rows,
    read_table,
    table_csv,
    trained_peer_rows,
)
from densnet.report.style import write_picture
from densnet.report.table import plain_table
from densnet.validation.settings import ChartSettings
from densnet.validation.speed_accuracy import Contestant, HeldOutFrames, accuracy_between, contestant, costs

_MANY = Parameter(consume_multiple=True, negative="")


@dataclass(frozen=True)
class Entrant:
    """A potential that takes part for every system.

    Attributes:
        make: makes it.
        entry: what is known of it whatever the system; its level is "" where that is of the labels it was fitted to.
    """

    make: Chosen
    entry: Entry


def chart(
    *,
    system: Annotated[tuple[str, ...], _MANY],
    labels: Annotated[tuple[Path, ...], _MANY],
    output: Path,
    figures: Path,
    model: Annotated[tuple[Path, ...], _MANY] = (),
    potentials: Annotated[tuple[str, ...], _MANY] = tuple(NAMED),
    peer: Annotated[tuple[Path, ...], _MANY] = (),
    reference_frames: int = 1,
    settings: Annotated[ChartSettings, Parameter(name="*")] = ChartSettings(),
) -> None:
    """Draw what energy and forces cost against how wrong they are, for models and others.

    All are judged by the test frames and take turns at being timed, on one thread of the processor. Who cannot take
    part for a system, for it is not installed or lacks an element, is a gap with one line.

    Parameters
    ----------
    system
        Names of the systems, for the chart.
    labels
        Folders of labels such as data/ethanol, or outputs of 'densnet fit', one a system.
    output
        The table, CSV.
    figures
        Folder for speed_accuracy_chart.png.
    model
        Our models, and outputs of 'densnet kernel'.
    potentials
        Others: gfn2-xtb, mmff94, so3lr, or MODULE:CALLABLE that returns an ASE calculator.
    peer
        Outputs of 'densnet peer mace'.
    reference_frames
        Test frames that the program of the labels computes again, to be timed; 0 leaves it out.
    """
    if len(labels) != len(system):
        raise DensnetError(f"chart: expected as many --labels as --system, {len(system)}, found {len(labels)}")
    if reference_frames < 0:
        raise DensnetError(f"reference-frames: expected at least 0, found {reference_frames}")
    _compute_on_one_thread()
    entrants = [*_models(model), *_others(potentials)]
    outcomes = {
        path: read_dataset(path, stage="peer", variables=("energy_reference", "forces_predicted")) for path in peer
    }
    held_out = [labelled_molecule(path).of_splits(("test",)) for path in labels]
    rows: list[ChartRow] = []
    for name, molecule in zip(system, held_out, strict=True):
        of_system = [
            *_contest(name, molecule, entrants, settings),
            *_trained(name, molecule, outcomes, settings),
            *_reference(name, molecule, reference_frames, settings, output),
        ]
        for row in of_system:
            if row.gap:
                print(f"chart: {name}: {row.file or row.contestant} is left out: {row.gap}", file=sys.stderr)
        rows += of_system
    if all(row.gap for row in rows):
        raise DensnetError(f"chart: nobody can take part in {', '.join(system)}; give --model or other --potentials")
    write_text(output, table_csv(rows))
    print(f"chart: {write_picture(speed_accuracy_chart(rows), figures)}", file=sys.stderr)
    print(plain_table(*chart_cells(read_table(output))), file=sys.stderr)


def _compute_on_one_thread() -> None:
    """Let everything compute on one thread, as the chart says."""
    import torch
    from threadpoolctl import threadpool_limits

    # read by the OpenMP of tight binding when that is loaded, later
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    threadpool_limits(limits=1)


def _models(paths: Sequence[Path]) -> Iterator[Entrant]:
    from densnet.models.checkpoint import load_ensemble, read_descriptions

    for path in paths:
        if is_kernel_file(path):
            yield Entrant(Chosen(path, None, "cpu"), Entry("", "ML-HK", "peer", "", str(path)))
            continue
        known = read_descriptions(path)[0].get("provenance", {}).get("level", {})
        level = level_name(*(str(known.get(key, "none")) for key in ("functional", "basis", "dispersion")))
        weights = load_ensemble(path).n_parameters
        yield Entrant(Chosen(path, None, "cpu"), Entry("", "densnet", "model", level, str(path), weights))


def _others(names: Sequence[str]) -> Iterator[Entrant]:
    for name in dict.fromkeys(names):
        if name in PROGRAMS:
            raise DensnetError(f"potentials: found {name}; the labels' own program is asked for by --reference-frames")
        yield Entrant(Chosen(None, name, "cpu"), Entry("", name, "peer", ANOTHER))


def _frames(molecule: LabelledMolecule) -> HeldOutFrames:
    first = Molecule(molecule.numbers, molecule.positions[0], molecule.charge, molecule.multiplicity)
    return HeldOutFrames(first, molecule.positions, molecule.energy, molecule.forces, molecule.dipole)


def _contest(
    name: str, molecule: LabelledMolecule, entrants: Sequence[Entrant], settings: ChartSettings
) -> list[ChartRow]:
    """Return the rows of all that are measured here: first the errors of each, then the times of all in turns."""
    frames, ready, gaps = _frames(molecule), list[tuple[Entry, Contestant]](), list[ChartRow]()
    for entrant in entrants:
        entry = replace(entrant.entry, system=name, level=_level(entrant.entry.level, molecule.level))
        try:
            ready.append((entry, contestant(entrant.make, frames, settings)))
        except DensnetError as error:
            gaps.append(entry.gap(str(error)))
    print(f"chart: {name}: {len(frames.positions)} frames judged, timing {len(ready)} in turns", file=sys.stderr)
    spent = costs([judged for _, judged in ready], frames, settings)
    rows = [measured_rows(entry, judged, cost, settings) for (entry, judged), cost in zip(ready, spent, strict=True)]
    return [*(row for pair in rows for row in pair), *gaps]


def _level(made_for: str, labels: str) -> str:
    return labels if made_for in ("", labels) else ANOTHER


def _trained(
    name: str, molecule: LabelledMolecule, outcomes: dict[Path, xr.Dataset], settings: ChartSettings
) -> Iterator[ChartRow]:
    """Yield the rows of models of others that were trained on the labels."""
    for path, outcome in outcomes.items():
        known = outcome.attrs
        called, weights = f"{known['peer']} {known['size']}", int(known["n_parameters"])
        entry = Entry(name, called, "peer", molecule.level, str(path), weights)
        try:
            yield from trained_peer_rows(entry, outcome, molecule.energy, settings.timestep_fs)
        except DensnetError as error:
            yield entry.gap(str(error))


def _reference(
    name: str, molecule: LabelledMolecule, count: int, settings: ChartSettings, output: Path
) -> Iterator[ChartRow]:
    """Yield the row of the program that made the labels, asked for the first test frames again."""
    if not count:
        return
    program = next((known for known in PROGRAMS if molecule.program.lower().startswith(known)), None)
    if program is None:
        gap = f"expected labels by {' or '.join(TITLES.values())}, found those by {molecule.program}"
        yield Entry(name, "the labels' own program", "reference", molecule.level).gap(gap)
        return
    entry = Entry(name, TITLES[program], "reference", molecule.level)
    beside, frames = output.with_name(f"{output.name}.{name.replace('/', '-')}"), _frames(molecule)
    positions = frames.positions[:count]
    try:
        level = LevelOfTheory(molecule.functional, molecule.basis, molecule.dispersion, program)  # type: ignore[arg-type]
        labelled, parts = label_geometries(frames.molecule, positions, level, beside)
    except DensnetError as error:
        yield entry.gap(str(error))
        return
    parts.remove()
    if failed := [str(status) for status in labelled["status"].values if status != "ok"]:
        yield entry.gap(f"{len(failed)} of {len(positions)} frames failed, the first: {failed[0]}")
        return
    accuracy = accuracy_between(labelled["forces"].values, labelled["dipole"].values, frames)
    milliseconds = 1e3 * float(np.median(labelled["wall_time"].values))
    yield entry.row(
        accuracy,
        milliseconds,
        batch=1,
        atoms=len(molecule.numbers),
        timestep_fs=settings.timestep_fs,
        dtype="float64",
        clock=WALL,
    )
