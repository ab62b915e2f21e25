"""Errors of a potential along curves that others have published: energies in extended xyz files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.molecule import Molecule, formula
from densnet.potential import Array
from densnet.units import EV_IN_MEV
from densnet.validation.findings import Finding
from densnet.validation.maker import Maker
from densnet.validation.pair_scan import energies_above

BELOW = (1.0, 2.0, 4.0)
"""eV above a curve's lowest point; up to each the largest error is given."""


@dataclass(frozen=True)
class EnergyCurve:
    """Geometries of one molecule with the energies that others give.

    Attributes:
        name: of the file, and of the kind of curve if the file has several.
        numbers: atomic numbers, (i,).
        positions: Angstrom, (t, i, x).
        energy: eV, (t,).
    """

    name: str
    numbers: NDArray[np.int64]
    positions: Array
    energy: Array

    @property
    def lowest(self) -> Array:
        """Return the geometry (i, x) of the lowest energy."""
        return np.asarray(self.positions[int(self.energy.argmin())])


def read_curves(path: Path) -> list[EnergyCurve]:
    """Return the curves of an extended xyz file, one for each molecule and ``config_type`` with two points or more.

    Raises:
        DensnetError: no such file, no extended xyz, or no energies.
    """
    from ase.io import read

    if not path.is_file():
        raise DensnetError(f"{path}: no such file; expected extended xyz with energies in eV")
    try:
        frames: Any = read(path, index=":", format="extxyz")
        energies = [
            float(frame.info["energy"] if frame.calc is None else frame.get_potential_energy()) for frame in frames
        ]
    except Exception as error:  # ASE's reader raises many types: ValueError, KeyError, XYZError ...
        reason = (str(error).splitlines() or [""])[0]
        raise DensnetError(
            f"{path}: expected extended xyz with energies in eV ({type(error).__name__}: {reason})"
        ) from error
    groups: dict[tuple[tuple[int, ...], str], list[int]] = {}
    for row, frame in enumerate(frames):
        key = tuple(int(z) for z in frame.numbers), str(frame.info.get("config_type", ""))
        groups.setdefault(key, []).append(row)
    long_enough = {key: rows for key, rows in groups.items() if len(rows) > 1}
    return [
        EnergyCurve(
            f"{path.name} {kind or formula(numbers)}" if len(long_enough) > 1 else path.name,
            np.array(numbers, dtype=np.int64),
            np.array([frames[row].positions for row in rows]),
            np.array([energies[row] for row in rows]),
        )
        for (numbers, kind), rows in long_enough.items()
    ]


def errors_along(curve: EnergyCurve, tested: Maker) -> dict[float, float]:
    """Return the largest errors in eV of a potential along a curve, for each of :data:`BELOW`.

    Raises:
        DensnetError: the potential refuses the molecule, or has no energy at the curve's lowest point.
    """
    size = tested.batch and min(tested.batch, len(curve.energy))
    potential = tested(Molecule(curve.numbers, curve.lowest), size or 1)
    return curve_errors(energies_above(potential, curve.lowest, curve.positions, batch=size), curve.energy, BELOW)


def curve_findings(curve: EnergyCurve, errors: dict[float, float]) -> list[Finding]:
    """Return what :func:`errors_along` gives as findings."""
    return [
        Finding("largest error of a curve", f"{curve.name}; below {bound:g} eV", EV_IN_MEV * error, "meV")
        for bound, error in errors.items()
    ]


def curve_errors(energies: Array, reference: Array, below: Sequence[float] = BELOW) -> dict[float, float]:
    """Return the largest absolute error in eV along a curve, for each bound.

    Both curves are shifted to be zero at the reference's lowest point.

    Args:
        energies: eV, (t,), tested; one that is not finite makes the error infinite.
        reference: eV, (t,).
        below: eV; for each, the points count whose reference is below it.

    Raises:
        DensnetError: curves of different length, without points, or a reference that is not finite.
    """
    energies, reference = np.asarray(energies, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if energies.ndim != 1 or energies.shape != reference.shape or not energies.size:
        raise DensnetError(f"curve: expected two curves of one length, got {energies.shape} and {reference.shape}")
    if not np.isfinite(reference).all():
        raise DensnetError("curve: a reference energy is not finite; leave that point out")
    lowest = int(reference.argmin())
    height, tested = reference - reference[lowest], np.where(np.isfinite(energies), energies, np.inf)
    if not math.isfinite(tested[lowest]):
        return dict.fromkeys(below, math.inf)
    off = np.abs(tested - tested[lowest] - height)
    return {bound: float(off[height < bound].max()) for bound in below}
