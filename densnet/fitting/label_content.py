"""What a ``labels.nc`` holds: frames as they were labelled, with fitted densities and the fits' own errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.io.netcdf import variable
from densnet.molecule import formula

Array = NDArray[np.float64]

PER_BOHR = "bohr^-1.5"
OF_PRIOR = "coefficients of the superposed free atoms"
FREE_ATOMS, OF_MODEL = "energy of the free atom", "reference energy of the atom in the density model's file"
"""What ``atomic_energy`` of a label file is, its long name."""
NO_DENSITY = "none"
"""Attribute ``reference_density`` of labels that have energies and forces alone."""
MEASURED = {
    "floor_nmae": ("percent", "NMAE of the fit against the Kohn-Sham density"),
    "floor_dipole_error": ("D", "dipole error of the fit without dipole constraint"),
    "floor_self_energy": ("mHa", "Coulomb self-energy (d|d) of the fit's residual"),
    "prior_nmae": ("percent", "NMAE of the free atoms against the fit"),
    "condition_number": ("1", "condition number of the scaled Coulomb matrix"),
}
"""Units and descriptions of what is measured of each fit; NaN where it was not."""


@dataclass(frozen=True)
class FittedFrame:
    """One frame's result, in the units of the file; ``failure`` is empty or one line that says what went wrong."""

    failure: str
    coefficients: Array
    floor_nmae: float = float("nan")
    floor_dipole_error: float = float("nan")
    floor_self_energy: float = float("nan")
    prior_nmae: float = float("nan")
    condition_number: float = float("nan")


def label_content(
    copied: Mapping[str, Any],
    results: Sequence[FittedFrame],
    *,
    frame: Any,
    numbers: NDArray[np.int64],
    fit_basis: Basis,
    prior: Array,
    atomic_energies: Mapping[int, float],
    orbital_basis: Basis | None,
    orbitals: Array | None,
    failures: Mapping[int, str],
    level: Mapping[str, Any],
) -> xr.Dataset:
    """Return the content of ``labels.nc``.

    Args:
        copied: variables of the frames that are taken over as they are.
        results: of the same frames.
        frame: the coordinate of the frames.
        prior: coefficients of the superposed free atoms, (k,).
        atomic_energies: of the free atoms in eV, by atomic number.
        orbital_basis: of the functions m; None, like the orbitals, for densities that came without.
        orbitals: doubly occupied, (t, m, o), canonical order.
        failures: what went wrong, by frame, for those that were left out.
        level: attributes that name the level of theory.
    """
    elements = np.array(sorted(atomic_energies), dtype=np.int64)
    energies = np.array([atomic_energies[int(z)] for z in elements])
    coefficients = np.array([r.coefficients for r in results]).reshape(len(results), len(prior))
    new: dict[str, Any] = {
        "coefficients": variable(("frame", "k"), coefficients, PER_BOHR, "fitted density coefficients c"),
        "prior": variable(("k",), prior, PER_BOHR, OF_PRIOR),
        "atomic_energy": variable(("element",), energies, "eV", FREE_ATOMS),
    }
    for name, described in MEASURED.items():
        new[name] = variable(("frame",), np.array([getattr(r, name) for r in results]), *described)
    attributes = dict(level) | {
        "title": f"fitted densities of {formula(numbers)}",
        "fit_basis": fit_basis.to_json(),
        "coefficient_convention": "densnet",
        "failed_frames": json.dumps(dict(failures)),
    }
    if orbital_basis is not None and orbitals is not None:
        long_name = "occupied Kohn-Sham orbitals, canonical order"
        new["orbitals"] = variable(("frame", "ao", "occupied"), orbitals, PER_BOHR, long_name)
        attributes["orbital_basis"] = orbital_basis.to_json()
    element = variable(("element",), elements, "1", "atomic number")
    return xr.Dataset(dict(copied) | new, coords={"frame": frame, "element": element}, attrs=attributes)
