"""Published fundamentals of 213 molecules (Shimanouchi 1972), found by the molecule itself.

A fundamental is infrared active if a component of the dipole belongs to its species in the molecule's point group, and
Raman active if one of the polarizability does. The table gives the species alone; the point group is the smallest one
of :data:`ACTIVE` that has all of them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from itertools import groupby
from typing import NamedTuple

import numpy as np

from densnet.spectra.kinds import Kind

SOURCE = "T. Shimanouchi, NSRDS-NBS 39 (1972)"
UNCERTAINTY = {"A": "0 to 1", "B": "1 to 3", "C": "3 to 6", "D": "6 to 15", "E": "15 to 30"}
"""1/cm."""
APART = 150.0
"""1/cm between neighbours of one description from which on they are two bands."""

ACTIVE = {
    "C1": ("a", "a", "a"),
    "Cs": ("a' a''", "a' a''", "a' a''"),
    "C2": ("a b", "a b", "a b"),
    "C2h": ("ag bg au bu", "au bu", "ag bg"),
    "C2v": ("a1 a2 b1 b2", "a1 b1 b2", "a1 a2 b1 b2"),
    "C3v": ("a1 a2 e", "a1 e", "a1 e"),
    "D2d": ("a1 a2 b1 b2 e", "b2 e", "a1 b1 b2 e"),
    "D2h": ("ag b1g b2g b3g au b1u b2u b3u", "b1u b2u b3u", "ag b1g b2g b3g"),
    "D3d": ("a1g a2g eg a1u a2u eu", "a2u eu", "a1g eg"),
    "D3h": ("a1' a2' e' a1'' a2'' e''", "a2'' e'", "a1' e' e''"),
    "D4h": ("a1g a2g b1g b2g eg a1u a2u b1u b2u eu", "a2u eu", "a1g b1g b2g eg"),
    "D6h": ("a1g a2g b1g b2g e1g e2g a1u a2u b1u b2u e1u e2u", "a2u e1u", "a1g e1g e2g"),
    "Td": ("a1 a2 e f1 f2", "f2", "a1 e f2"),
    "Oh": ("a1g a2g eg f1g f2g a1u a2u eu f1u f2u", "f1u", "a1g eg f2g"),
    "C∞v": ("σ+ σ- π δ", "σ+ π", "σ+ π δ"),
    "D∞h": ("σg+ σg- πg δg σu+ σu- πu δu", "σu+ πu", "σg+ πg δg"),
}
"""Species of vibrations in each point group, those of the dipole's components, and those of the polarizability's
(character tables)."""


class Mode(NamedTuple):
    """A row of the table."""

    name: str
    inchi: str
    species: str
    mode: str
    wavenumber: str
    uncertainty: str


def active_species(species: Iterable[str], kind: Kind = "infrared") -> set[str]:
    """Return which of a molecule's species are active in spectra of a kind; all, if no point group has them."""
    of_molecule, column = set(species), {"infrared": 1, "raman": 2}[kind]
    groups = [(row[0].split(), row[column].split()) for row in ACTIVE.values()]
    fitting = [(len(known), active) for known, active in groups if of_molecule <= set(known)]
    return of_molecule & set(min(fitting)[1]) if fitting else of_molecule


def molecule_named(name: str) -> str | None:
    """Return the name of a molecule as the table spells it, None if it is not there."""
    return {known.lower(): known for known in published_names()}.get(name.lower())


def molecule_with(inchi: str) -> str | None:
    """Return the name of a molecule; isotopes in its InChI (without the prefix) are another molecule."""
    return next((name for name, modes in _molecules().items() if modes[0].inchi == inchi), None)


def formula_of(name: str) -> str:
    """Return the formula of a molecule of the table, "" of isotopologues and of the few without an InChI."""
    _, formula, *layers = [*_molecules()[name][0].inchi.split("/"), ""]
    return "" if any(layer.startswith("i") for layer in layers) else formula


def published(name: str, kind: Kind = "infrared") -> list[tuple[float, str, str, str]]:
    """Return wavenumber (1/cm), species, description and source of the active modes of a molecule, ascending.

    Args:
        name: as the table spells it.
        kind: of spectra in which they are active.
    """
    modes = _molecules()[name]
    active = active_species((mode.species for mode in modes), kind)
    shown = sorted((mode for mode in modes if mode.species in active), key=lambda mode: float(mode.wavenumber))
    return [
        (float(mode.wavenumber), mode.species, description, _source(mode.uncertainty))
        for mode, description in zip(shown, _descriptions(shown), strict=True)
    ]


class Vibration(NamedTuple):
    """A measured fundamental, active or not.

    Attributes:
        species: "" if unknown.
        mode: the motion, as its table says it.
        wavenumber: 1/cm.
        uncertainty: a letter of :data:`UNCERTAINTY`, "" if unknown.
    """

    species: str
    mode: str
    wavenumber: float
    uncertainty: str


def vibrations(name: str) -> list[Vibration]:
    """Return all fundamentals of a molecule, those that no spectrum shows among them; not those that nobody measured.

    Args:
        name: as the table spells it.
    """
    known = [mode for mode in _molecules()[name] if mode.wavenumber]
    return [Vibration(mode.species, mode.mode, float(mode.wavenumber), mode.uncertainty) for mode in known]


def published_names() -> list[str]:
    """Return the names of the molecules of the table."""
    return list(_molecules())


@cache
def _molecules() -> dict[str, list[Mode]]:
    text = (resources.files("densnet.spectra") / "shimanouchi.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    modes = [Mode(*row) for row in list(csv.reader(lines))[1:]]
    return {name: list(rows) for name, rows in groupby(modes, key=lambda mode: mode.name)}


def _source(uncertainty: str) -> str:
    return f"{SOURCE}, uncertain by {UNCERTAINTY[uncertainty]} 1/cm" if uncertainty else SOURCE


def _descriptions(modes: list[Mode]) -> tuple[str, ...]:
    """Return the motion of each of the modes, ascending; motions of one name that lie apart are told by a number."""
    motions = [motion(mode.mode) for mode in modes]
    x = np.array([float(mode.wavenumber) for mode in modes])
    descriptions = list(motions)
    for name in set(motions):
        rows = np.flatnonzero(np.array(motions) == name)
        bands = np.split(rows, np.flatnonzero(np.diff(x[rows]) > APART) + 1)
        for band in bands if len(bands) > 1 else ():
            for row in band:
                descriptions[row] = f"{name} near {x[band].mean():.0f}"
    return tuple(descriptions)


ABBREVIATIONS = {
    "str": "stretch",
    "deform": "deformation",
    "scis": "scissors",
    "puck": "puckering",
    "Deg": "degenerate",
    "Sym": "symmetric",
    "Anti": "antisymmetric",
    "Ring": "ring",
    "Bend": "bend",
    "Torsion": "torsion",
}
PLANES = {"ip": "in the plane", "op": "out of the plane"}


def motion(mode: str) -> str:
    """Return the words of a mode of the table: "CH str" is a C-H stretch, "CH ip-bend" a C-H bend in the plane."""
    words = re.sub(r"\(\w+\)|\b[IV]+\b", "", mode).split()
    plane = next((PLANES[match[1]] for word in words if (match := re.match("(ip|op)-", word))), "")
    words = [re.sub(r"^(ip|op|s|a|d)-", "", word) for word in words]
    words = [ABBREVIATIONS.get(word, word) for word in words]
    if "stretch" in words:
        words = [re.sub(r"^([A-Z][a-z]?)([A-Z][a-z]?)$", r"\1-\2", word) for word in words]
    return " ".join([*words, plane]).strip()
