r"""Which harmonic line belongs to which measured fundamental, and which mode of one potential to which of another.

A degenerate fundamental stands once in a table and has as many modes as its species says. Where the fundamentals of a
molecule are complete and the modes have the symmetry that their species speak of, lines are matched in order within
each species; which of two species with as many vibrations is which, for the names of axes are a convention, follows
from the least sum of differences. Otherwise they are matched in order of their wavenumbers, or, if fundamentals are
missing, each to a line of its own with the least sum of differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from densnet.errors import DensnetError
from densnet.mechanics.alignment import centred, rotations_from
from densnet.spectra.published import Vibration
from densnet.spectra.symmetry import Species

Array = NDArray[np.float64]
How = Literal["species", "order", "nearest"]

DEGENERACY = {"e": 2, "π": 2, "δ": 2, "t": 3, "f": 3}
"""By the first letter of a species; 1 of all others."""
SYMMETRIC = ("a", "a'", "ag", "a1", "a1g", "a1'", "σ+", "σg+")
"""Totally symmetric species."""
ANOTHER_CONFORMER = 0.5
"""Angstrom between an atom in two minima laid onto each other; the same minimum by two methods differs by 0.1 at most,
turned methyl and hydroxyl groups by 1 and more."""


@dataclass(frozen=True)
class Matching:
    """Lines of one potential beside the fundamentals of a molecule.

    Attributes:
        wavenumber: (fundamental,) of the line that belongs to it, 1/cm, of a degenerate one the mean; NaN if none does.
        how: in order within species, in order of wavenumbers, or the nearest.
    """

    wavenumber: Array
    how: How


def degeneracy(species: str) -> int:
    """Return how many modes a fundamental of a species stands for."""
    return DEGENERACY.get(species[:1].lower(), 1)


def once_each(fundamentals: Sequence[Vibration], n_modes: int) -> list[Vibration]:
    """Return the fundamentals without those that are listed twice.

    Resonances and inversion split a fundamental into two lines, which tables list both. Only where there are more than
    the molecule has vibrations, a line that repeats species and motion of another is left out: those of one wavenumber
    first, then the less certain one.
    """
    left = list(fundamentals)
    while (surplus := sum(degeneracy(known.species) for known in left) - n_modes) > 0:
        pairs = [
            (abs(first.wavenumber - second.wavenumber), max(first, second, key=lambda known: known.uncertainty))
            for number, first in enumerate(left)
            for second in left[number + 1 :]
            if (first.species, first.mode) == (second.species, second.mode) and degeneracy(first.species) <= surplus
        ]
        if not pairs:
            break
        repeated = min(pairs, key=lambda pair: pair[0])[1]
        del left[next(place for place, known in enumerate(left) if known is repeated)]
    return left


def match(fundamentals: Sequence[Vibration], lines: Array, species: Sequence[Species] | None) -> Matching:
    """Return the line of each fundamental.

    Args:
        fundamentals: of the molecule, each once.
        lines: (n,) 1/cm, all modes.
        species: of the modes, None if unknown.
    """
    measured = np.array([known.wavenumber for known in fundamentals])
    counts = np.array([degeneracy(known.species) for known in fundamentals])
    if counts.sum() != len(lines):
        return Matching(_nearest(measured, counts, lines), "nearest")
    names = [known.species.lower() for known in fundamentals]
    pairs = _same_species(names, measured, counts, lines, species) if species else None
    if pairs is None:
        return Matching(_in_order(measured, counts, lines), "order")
    wavenumber = np.empty(len(measured))
    for rows, modes in pairs:
        wavenumber[rows] = _in_order(measured[rows], counts[rows], lines[modes])
    return Matching(wavenumber, "species")


def _in_order(measured: Array, counts: NDArray[np.int64], lines: Array) -> Array:
    """Return the mean of as many lines as each fundamental has modes, both ascending."""
    order = np.argsort(measured, kind="stable")
    means = np.empty(len(measured))
    means[order] = [part.mean() for part in np.split(np.sort(lines), np.cumsum(counts[order])[:-1])]
    return means


def _nearest(measured: Array, counts: NDArray[np.int64], lines: Array) -> Array:
    owner = np.repeat(np.arange(len(measured)), counts)
    rows, columns = linear_sum_assignment(np.abs(measured[owner][:, None] - lines))
    return np.array(
        [lines[columns[owner[rows] == k]].mean() if k in owner[rows] else np.nan for k in range(len(measured))]
    )


def _same_species(
    names: Sequence[str], measured: Array, counts: NDArray[np.int64], lines: Array, species: Sequence[Species]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]] | None:
    """Return fundamentals and modes of each species; None if they cannot be of the same point group."""
    groups = [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]
    if len(groups) != len(species):
        return None
    cost = np.full((len(groups), len(species)), np.inf)
    for row, members in enumerate(groups):
        x, each = measured[members], counts[members]
        for column, block in enumerate(species):
            alike = (names[members[0]] in SYMMETRIC) == block.symmetric
            if alike and each.sum() == len(block.modes):
                cost[row, column] = (each * np.abs(x - _in_order(x, each, lines[block.modes]))).sum()
    try:
        rows, columns = linear_sum_assignment(cost)
    except ValueError:
        return None
    return [(groups[row], species[column].modes) for row, column in zip(rows, columns, strict=True)]


def mode_pairs(modes: xr.Dataset, others: xr.Dataset, masses: Array) -> NDArray[np.int64]:
    """Return for each mode of one potential that of another in which the atoms move most alike, (n,).

    The minima are laid onto each other; the pairs have the largest sum of squared overlaps of mass-weighted modes.

    Args:
        modes: outcome of "harmonic".
        others: outcome of "harmonic" of the same atoms in the same order.
        masses: (i,) in Da.

    Raises:
        DensnetError: other atoms, or another conformer.
    """
    if not np.array_equal(modes["numbers"].values, others["numbers"].values):
        raise DensnetError("modes: expected those of the same atoms in the same order, found those of other atoms")
    x, y = (centred(masses, dataset["positions"].values) for dataset in (modes, others))
    turn = rotations_from(masses, y, x)
    apart = float(np.linalg.norm(y @ turn.T - x, axis=1).max())
    if apart > ANOTHER_CONFORMER:
        raise DensnetError(
            f"modes: expected one minimum by {modes.attrs['method']} and {others.attrs['method']}, found two "
            f"conformers, an atom {apart:.2g} Angstrom apart; start both from one geometry (--geometry)"
        )
    vectors, turned = modes["mode_vector"].values, others["mode_vector"].values @ turn.T
    if vectors.shape != turned.shape:
        raise DensnetError(f"modes: expected {len(vectors)} of each potential, found {len(turned)} of the other")
    overlap = np.einsum("max,nax->mn", vectors, turned) ** 2
    return np.asarray(linear_sum_assignment(overlap, maximize=True)[1])
