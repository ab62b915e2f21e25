"""The stage ``densnet response``: how electrons of labelled frames answer an electric field, solved and fitted."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.error import DensityGrid
from densnet.density.settings import GRID_LEVEL
from densnet.errors import DensnetError
from densnet.fitting.fit_basis import describe_basis, named_fit_basis
from densnet.fitting.kohn_sham_labels import SPLITS, canonical_orbitals, evenly_spread
from densnet.fitting.linear_response import linear_response
from densnet.fitting.response_fit import FrameResponse, fit_response, natural_response_basis, response_nmae
from densnet.fitting.settings import ResponseSettings
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import read_dataset, variable
from densnet.io.parts import Parts
from densnet.processes.pool import map_in_processes, report_progress
from densnet.quantities import POLARIZABILITY
from densnet.units import BOHR_IN_ANGSTROM, POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV

METHOD_VERSION: int = 1

Array = NDArray[np.float64]

FROM_LABELS = ("positions", "numbers", "split")
LEVEL = ("functional", "basis", "charge", "multiplicity")
RESPONSE_UNITS = "bohr^-1/2 e/hartree"


@dataclass(frozen=True)
class OccupiedOrbitals:
    """One frame: row in the labels, positions (i, 3) in bohr, occupied orbitals (m, o) canonical."""

    index: int
    positions: Array
    occupied: Array


@dataclass(frozen=True)
class System:
    """What all frames share: numbers (i,), the orbitals' basis, and the functional by Psi4's name."""

    numbers: NDArray[np.int64]
    orbital_basis: Basis
    functional: str


def response_labels(
    labels: Path, settings: ResponseSettings, *, processes: int, output: Path
) -> tuple[xr.Dataset, Parts]:
    """Solve for the response of frames of a label file, evenly spread over each split, and fit it.

    Each finished frame is kept in ``<output>.parts``; a restart computes only what is missing. A frame that cannot be
    solved for is left out, and said.

    Args:
        labels: output of ``densnet fit``, with orbitals.
        processes: workers of one thread; the result does not depend on it.
        output: where the data set will be written; decides only where the parts are.

    Returns:
        The data set, and the parts, to be removed once it is written.

    Raises:
        DensnetError: labels without orbitals; orbitals that are not stationary at the level that the file names; a
            functional that PySCF lacks.
    """
    source = read_dataset(labels, stage="fit", variables=FROM_LABELS)
    for what, present in (("orbitals", "orbitals" in source), ("functional", "functional" in source.attrs)):
        if not present:
            raise DensnetError(f"{labels}: expected the {what} of its frames, found none; the response needs them")
    system = System(
        np.asarray(source["numbers"].values, dtype=np.int64),
        Basis.from_json(source.attrs["orbital_basis"], labels),
        str(source.attrs["functional"]),
    )
    sizes = {split: getattr(settings, f"n_{split}") for split in SPLITS}
    frames = [
        OccupiedOrbitals(
            int(row), source["positions"].values[row] / BOHR_IN_ANGSTROM, source["orbitals"].values[row].astype(float)
        )
        for row in chosen_rows(source["split"].values, sizes)
    ]
    # what is solved does not depend on how it is fitted
    parts = Parts(output, {"version": METHOD_VERSION, "sizes": sizes, "labels": fingerprint(labels)})
    solved = _in_parts("response", frames, functools.partial(solve, system=system), parts, processes)
    failed = {index: str(part["failure"]) for index, part in solved.items() if str(part["failure"])}
    if failed:
        index, why = next(iter(failed.items()))
        text = f"{len(failed)} of {len(frames)} frames have no response, the first is frame {index}: {why}"
        if len(failed) == len(frames):
            raise DensnetError(f"{labels}: {text}")
        print(f"densnet response: warning: {text}; they are left out", file=sys.stderr)
    good = [frame for frame in frames if frame.index not in failed]
    return _fitted(source, system, settings, good, solved, processes), parts


def polarizabilities(labels: xr.Dataset, path: Path) -> Array:
    """Return the polarizabilities (t, x, field) of labelled geometries in e² Å²/eV, from their orbitals.

    Args:
        labels: content of a file of ``densnet label``, or of several.
        path: the file, for messages.

    Raises:
        DensnetError: orbitals that are not stationary at the level that the file names, or no convergence.
    """
    numbers = np.asarray(labels["numbers"].values, dtype=np.int64)
    basis, orbitals = canonical_orbitals(labels, numbers, path)
    alpha = []
    for positions, occupied in zip(labels["positions"].values / BOHR_IN_ANGSTROM, orbitals, strict=True):
        response = linear_response(basis, numbers, positions, occupied, str(labels.attrs["functional"]))
        alpha.append(response.polarizability)
        report_progress("polarizability", len(alpha), len(orbitals))
    return np.array(alpha) * POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV


def chosen_rows(split: NDArray[Any], sizes: Mapping[str, int]) -> NDArray[np.int64]:
    """Return so many rows of each split, evenly spread, ascending; all of a split that has fewer."""
    rows = []
    for name, wanted in sizes.items():
        of_split = np.flatnonzero(split == name)
        if len(of_split):
            rows.append(evenly_spread(of_split, wanted))
    return np.sort(np.concatenate(rows))


def solve(frame: OccupiedOrbitals, *, system: System) -> dict[str, Any]:
    """Return first-order orbitals and α of a frame; of one whose equations have no solution only why."""
    try:
        response = linear_response(
            system.orbital_basis, system.numbers, frame.positions, frame.occupied, system.functional
        )
    except DensnetError as error:
        return {"failure": str(error)}
    return {"failure": "", "orbitals": response.orbitals, "polarizability": response.polarizability}


def _in_parts(
    stage: str,
    frames: Sequence[OccupiedOrbitals],
    work: Callable[[OccupiedOrbitals], dict[str, Any]],
    parts: Parts,
    processes: int,
) -> dict[int, dict[str, Any]]:
    """Do what of the frames is not among the parts; return the parts of all by row."""
    solved = {frame.index: part for frame in frames if (part := parts.read(_name(frame))) is not None}
    if solved:
        print(f"densnet {stage}: {len(solved)} of {len(frames)} frames were done before; going on", file=sys.stderr)
    missing = [frame for frame in frames if frame.index not in solved]
    for frame, part in zip(missing, map_in_processes(work, missing, processes=processes), strict=True):
        solved[frame.index] = part
        parts.write(_name(frame), part)
        report_progress(stage, len(solved), len(frames))
    return {frame.index: solved[frame.index] for frame in frames}


def _name(frame: OccupiedOrbitals) -> str:
    return f"frame-{frame.index:06d}"


def _fitted(
    source: xr.Dataset,
    system: System,
    settings: ResponseSettings,
    frames: Sequence[OccupiedOrbitals],
    solved: Mapping[int, Mapping[str, Any]],
    processes: int,
) -> xr.Dataset:
    """Fit the responses in their natural functions and put everything together, in the units of the outside."""
    responses = [FrameResponse(f.positions, f.occupied, solved[f.index]["orbitals"]) for f in frames]
    taken = source.isel(frame=[frame.index for frame in frames])
    train = np.flatnonzero(taken["split"].values == "train")
    if not len(train):
        raise DensnetError("split: expected training frames with a response, found none; sample and label some")
    primitives = named_fit_basis(settings.primitives, system.numbers, system.orbital_basis)
    basis = natural_response_basis(
        primitives,
        system.orbital_basis,
        system.numbers,
        [responses[t] for t in evenly_spread(train, settings.natural_frames)],
        share=settings.share,
        ridge=settings.ridge,
        processes=processes,
    )
    print(f"densnet response: {describe_basis(basis, system.numbers)}", file=sys.stderr, flush=True)
    work = functools.partial(fitted_frame, system=system, basis=basis, ridge=settings.ridge)
    coefficients, floors = [], []
    for c, floor in map_in_processes(work, responses, processes=processes):
        coefficients.append(c)
        floors.append(floor)
        report_progress("response: fit", len(floors), len(frames))
    alpha = np.array([solved[frame.index]["polarizability"] for frame in frames])
    return xr.Dataset(
        {
            **{name: taken[name] for name in FROM_LABELS},
            "orbitals": taken["orbitals"],
            "first_order_orbitals": variable(
                ("frame", "field", "ao", "occupied"),
                np.array([response.first_order for response in responses]),
                RESPONSE_UNITS,
                "first-order occupied orbitals in a static field, canonical order",
            ),
            "response_coefficients": variable(
                ("frame", "field", "k"),
                np.array(coefficients),
                RESPONSE_UNITS,
                "coefficients of the density's response",
            ),
            "response_floor_nmae": variable(
                ("frame",), np.array(floors), "%", "NMAE of the fitted response against that of the orbitals"
            ),
            "polarizability": POLARIZABILITY.variable(
                alpha * POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV, long_name="polarizability, coupled-perturbed Kohn-Sham"
            ),
        },
        attrs={
            **{name: source.attrs[name] for name in ("orbital_basis", *LEVEL) if name in source.attrs},
            "fit_basis": basis.to_json(),
            "coefficient_convention": "densnet",
        },
    )


def fitted_frame(response: FrameResponse, *, system: System, basis: Basis, ridge: float) -> tuple[Array, float]:
    """Return the coefficients (x, k) of a response in a basis, and the NMAE that the fit leaves."""
    c = fit_response(response, basis=basis, orbital_basis=system.orbital_basis, numbers=system.numbers, ridge=ridge)
    grid = DensityGrid.around(system.numbers, response.positions, GRID_LEVEL)
    return c, response_nmae(grid, grid.fitted(basis, c), response.on_grid(system.orbital_basis, grid))
