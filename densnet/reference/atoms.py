"""Free atoms at the labels' own level of theory: the prior density and the reference energies."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.io.parts import Parts
from densnet.reference.labels import basis_attributes, of_level
from densnet.reference.level import LevelOfTheory
from densnet.reference.programs import CHECKS, WorkerCrashError, run_worker, settled
from densnet.units import HARTREE_IN_EV

METHOD_VERSION: int = 1


def configuration(number: int) -> list[int]:
    """Return the number of electrons of each l (s, p, d, f) of a neutral atom's ground state.

    Raises:
        DensnetError: no such element.
    """
    from pyscf.data.elements import CONFIGURATION

    if not 0 < number < len(CONFIGURATION):
        raise DensnetError(f"element: expected an atomic number from 1 to {len(CONFIGURATION) - 1}, got {number}")
    return [int(count) for count in CONFIGURATION[number]]


def free_atoms(
    numbers: Sequence[int], level: LevelOfTheory, *, output: Path, environment: Mapping[str, str] = os.environ
) -> tuple[xr.Dataset, Parts]:
    r"""Compute the spherical, spin-averaged density matrix and energy of each element's neutral atom.

    The electrons of the ground state's configuration are spread evenly over m and spin (carbon: 2s² and 2/3 of an
    electron in each p orbital), so that the density is exactly spherical,

    .. math:: D_{alm,bl'm'} = \delta_{ll'} \delta_{mm'} D^{(l)}_{ab}, \qquad \operatorname{tr} D S = Z,

    and the restricted Kohn-Sham equations are solved self-consistently for it with the program's integrals and grid.
    The energy is that of this averaged atom (above the spin-polarised ground state's); D4 adds nothing to a free atom.

    Args:
        numbers: atomic numbers; repeats allowed.
        output: where the data set will be written; decides only where the parts are.
        environment: that the program is looked for and started in.

    Returns:
        The data set, and the parts, to be removed once it is written.

    Raises:
        DensnetError: no such program; functional or basis unknown; an element that the basis lacks; no convergence.
    """
    level = settled(level, environment)
    elements = sorted({int(number) for number in numbers})
    parts = Parts(output, {"version": METHOD_VERSION, "level": level.decisive(), "elements": elements})
    job = {
        "task": "atoms",
        **of_level(level),
        "configurations": {str(number): configuration(number) for number in elements},
    }
    ready: dict[str, Any] = {}

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "ready":
            ready.update(event)
        elif event["event"] == "done":
            symbol = chemical_symbols[event["item"]]
            print(f"densnet atoms: {symbol} done in {event['wall_time']:.1f} s", file=sys.stderr)

    try:
        run_worker(job, parts.folder, on_event, environment)
    except WorkerCrashError as error:
        remedy = CHECKS[level.program]
        raise DensnetError(f"{level.program}: {error.reason} at element {error.item}; {remedy}") from error
    return _assemble(elements, parts, ready, level), parts


def _assemble(elements: list[int], parts: Parts, ready: dict[str, Any], level: LevelOfTheory) -> xr.Dataset:
    variables: dict[str, Any] = {}
    energies, shells = [], {}
    for number in elements:
        part = parts.read(f"element-{number:03d}")
        if part is None:
            raise DensnetError(f"{parts.folder}: the part of element {number} has vanished; run again")
        symbol = chemical_symbols[number]
        variables[f"density_matrix_{symbol}"] = variable(
            (f"ao_{symbol}", f"ao_{symbol}_"),
            part["density_matrix"],
            "bohr^-3",
            f"spherical density matrix of the free {symbol} atom, both spins, in the order of ao_convention",
        )
        energies.append(float(part["energy"]) * HARTREE_IN_EV)
        shells[str(number)] = [int(l) for l in part["shells"]]
    variables["energy"] = variable(
        ("element",), np.array(energies), "eV", "energy of the spherical, spin-averaged free atom"
    )
    return xr.Dataset(
        variables,
        coords={"element": ("element", elements, {"units": "1", "long_name": "atomic number"})},
        attrs={**level.decisive(), **basis_attributes(ready), "psi4_shells": json.dumps(shells)},
    )
