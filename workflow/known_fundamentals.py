"""Which published fundamentals a system's spectrum is laid beside: those of the molecule itself, if a table has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from densnet.errors import DensnetError
from densnet.molecule import from_xyz, inchi_of_geometry, inchi_of_smiles
from densnet.spectra.experiment import table_of

AUTO, NONE = "auto", "none"
LARGEST = 24
"""Atoms; no molecule of the tables has more, and the search for bond orders takes long where there are many."""


def with_fundamentals(systems: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the systems with the name of a table for ``auto`` and without the key for none, and a line for each."""
    named: dict[str, Any] = {}
    notes = []
    for name, system in systems.items():
        experiment = dict(system["experiment"])
        asked = experiment.get("fundamentals")
        if asked in (AUTO, NONE):
            table = table_of_system(system) if asked == AUTO else None
            if table:
                experiment["fundamentals"] = table
                notes.append(f"systems.{name}: the published fundamentals of {table} are laid beside its spectrum")
            else:
                del experiment["fundamentals"]
            if not table and asked == AUTO and {"smiles", "xyz"} & set(system):
                notes.append(f"systems.{name}: no table has its fundamentals; name a CSV file of yours, if any")
        named[name] = system | {"experiment": experiment}
    return named, notes


def table_of_system(system: Mapping[str, Any]) -> str | None:
    """Return the name of a molecule's table; None if there is none, or if what the molecule is does not follow."""
    try:
        if "smiles" in system:
            return table_of(inchi_of_smiles(system["smiles"]))
        if "xyz" in system:
            molecule = from_xyz(Path(system["xyz"]), charge=system["charge"], multiplicity=system["multiplicity"])
            small = len(molecule.numbers) <= LARGEST and molecule.masses is None
            inchi = inchi_of_geometry(molecule) if small else None
            return inchi and table_of(inchi)
    except DensnetError:
        # said where the molecule itself is checked
        return None
    return None
