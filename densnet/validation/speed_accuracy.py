"""What energy and forces of a molecule cost and how wrong they are, measured in the same way for every potential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from densnet.mechanics.timing import milliseconds_in_turns
from densnet.molecule import Molecule
from densnet.potential import Array, Potential
from densnet.quantities import DIPOLE, ENERGY, FORCES
from densnet.validation.ladder import judged_frames
from densnet.validation.maker import Maker
from densnet.validation.settings import ChartSettings

CALLS_ALONE, CALLS_IN_BATCH = 10, 2
"""Calls that are timed in a turn."""


@dataclass(frozen=True)
class HeldOutFrames:
    """Labelled frames of one molecule that no potential has learned from.

    Attributes:
        molecule: its first geometry decides which atoms a force field takes for bonded.
        positions: Angstrom, (t, i, x).
        energy: eV, (t,).
        forces: eV/Angstrom, (t, i, x).
        dipole: e Angstrom, (t, x); NaN where it is not known.
    """

    molecule: Molecule
    positions: Array
    energy: Array
    forces: Array
    dipole: Array


@dataclass(frozen=True)
class Accuracy:
    """Mean absolute errors on held-out frames.

    Attributes:
        force_mae: of the components, meV/Angstrom.
        dipole_mae: length of the difference of both vectors, D; None if either dipole is not known.
        n_frames: for which there was an answer.
    """

    force_mae: float
    dipole_mae: float | None
    n_frames: int


@dataclass(frozen=True)
class Contestant:
    """A potential that has been judged and is to be timed.

    Attributes:
        alone: takes one geometry a call.
        together: takes as many as a batch has.
    """

    alone: Potential
    together: Potential
    accuracy: Accuracy


@dataclass(frozen=True)
class Cost:
    """Processor time of energy and forces of one geometry in ms, alone and in a batch."""

    alone_ms: float
    together_ms: float


def contestant(make: Maker, frames: HeldOutFrames, settings: ChartSettings) -> Contestant:
    """Return a potential of the molecule with its errors.

    Raises:
        DensnetError: it is not installed, does not know an element, or has an answer for none of the frames.
    """
    alone = make(frames.molecule, 1, lasting=True)
    accuracy = accuracy_of(alone, frames)
    return Contestant(alone, make(frames.molecule, settings.batch, lasting=True), accuracy)


def accuracy_of(potential: Potential, frames: HeldOutFrames) -> Accuracy:
    """Return the errors of a potential that takes one geometry a call.

    Raises:
        DensnetError: no frame for which it has an answer.
    """
    count = len(frames.positions)
    judged = judged_frames(
        potential,
        frames.positions,
        {ENERGY.name: frames.energy, FORCES.name: frames.forces, DIPOLE.name: frames.dipole},
        condition=np.full(count, "held out"),
        test=np.full(count, True),
        batch=1,
        remove_offset=True,
    )
    errors = {name: float(error.mean()) for name, error in judged.errors.items()}
    dipole = errors.get(DIPOLE.name, np.nan)
    return Accuracy(errors[FORCES.name], dipole if np.isfinite(dipole) else None, len(judged.test))


def accuracy_between(forces: Array, dipole: Array, frames: HeldOutFrames) -> Accuracy:
    """Return the errors of forces (t, i, x) in eV/Angstrom and dipoles (t, x) in e Angstrom of the first t frames."""
    count = len(forces)
    off = FORCES.error.factor * np.abs(forces - frames.forces[:count]).mean()
    apart = DIPOLE.error.factor * np.linalg.norm(dipole - frames.dipole[:count], axis=-1).mean()
    return Accuracy(float(off), float(apart) if np.isfinite(apart) else None, count)


def costs(contestants: Sequence[Contestant], frames: HeldOutFrames, settings: ChartSettings) -> list[Cost]:
    """Return what each contestant costs; all take turns (:func:`densnet.mechanics.timing.milliseconds_in_turns`)."""
    batch = np.resize(frames.positions, (settings.batch, *frames.positions.shape[1:]))
    alone = milliseconds_in_turns(
        [entrant.alone for entrant in contestants], batch[:1], rounds=settings.rounds, repetitions=CALLS_ALONE
    )
    together = milliseconds_in_turns(
        [entrant.together for entrant in contestants], batch, rounds=settings.rounds, repetitions=CALLS_IN_BATCH
    )
    return [Cost(single, several / settings.batch) for single, several in zip(alone, together, strict=True)]
