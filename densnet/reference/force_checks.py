"""Are imported forces those of the imported energies, frame by frame, in eV/Å? If not, what do they look like?

Two tests, each a straight line through the origin with a slope and a correlation:

    E_s - E_t = a · [-1/2 Σ_i (F_i^s + F_i^t)·(R_i^s - R_i^t)]       pairs s, t of near frames; a = 1
    F_i^t = b · F_i^t(GFN2-xTB)                                       some frames; b near 1

The first is the trapezoidal rule, exact to third order in the distance of the frames. The second knows forces by
themselves: right ones of light elements have slopes of 0.9 to 1.2 and correlations of 0.7 to 0.95, of an ionic molecule
3.6 was found.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import calorie

from densnet.errors import DensnetError
from densnet.molecule import Molecule
from densnet.potential import Make, Potential
from densnet.reference.imported_frames import ImportedFrames
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, KCAL_PER_MOL_IN_EV

Array = NDArray[np.float64]

NEAR = 0.25
"""Å; root mean square displacement of an atom between near frames."""
MAX_PAIRS = 300
MIN_PAIRS = 5
MAX_FRAMES = 10
"""Frames that GFN2-xTB is asked about."""
SURE = 0.85
"""Correlation beyond which the slope of near frames decides."""
LIKELY = 0.5
"""Correlation with GFN2-xTB that right forces exceed; those of other frames stay below 0.2."""
UNLIKE, UNLIKE_PAIRS = 0.4, 0.4
"""Correlation of energies with GFN2-xTB's, and with the forces of near frames, that right energies exceed."""
RIGHT_PAIRS = (0.7, 1.4)
RIGHT_GFN2 = (0.6, 6.0)
UNITS = {
    "hartree/bohr": HARTREE_IN_EV / BOHR_IN_ANGSTROM,
    "eV/bohr": 1.0 / BOHR_IN_ANGSTROM,
    "hartree/Å": HARTREE_IN_EV,
    "kcal/mol/Å": KCAL_PER_MOL_IN_EV,
    "kJ/mol/Å": KCAL_PER_MOL_IN_EV / calorie,
    "kJ/mol/nm": 0.1 * KCAL_PER_MOL_IN_EV / calorie,
}
"""eV/Å of a unit of force."""


@dataclass(frozen=True)
class Line:
    """A line through the origin: its slope, the correlation about it, and how many points it has."""

    slope: float
    correlation: float
    points: int

    @classmethod
    def through(cls, x: Array, y: Array) -> Line:
        """Fit y = slope · x."""
        xx, xy, yy = float(x @ x), float(x @ y), float(y @ y)
        return cls(xy / xx, xy / (xx * yy) ** 0.5, len(x)) if xx > 0 and yy > 0 else cls(0.0, 0.0, len(x))

    def __str__(self) -> str:
        return f"slope {self.slope:.3g}, correlation {self.correlation:.2f}"


def along_pairs(positions: Array, energies: Array, forces: Array) -> Line:
    """Return energies against forces along pairs of near frames.

    Args:
        positions: (t, i, x), Å.
        energies: (t,), eV.
        forces: (t, i, x), eV/Å.
    """
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return Line(0.0, 0.0, 0)
    centred = (positions - positions.mean(axis=1, keepdims=True)).reshape(len(positions), -1)
    tree = cKDTree(centred)
    reach, nearest = tree.query(centred, k=min(len(centred), 7), distance_upper_bound=NEAR * positions.shape[1] ** 0.5)
    s = np.repeat(np.arange(len(centred)), reach.shape[1])
    t = nearest.ravel()
    related = np.isfinite(reach.ravel()) & (s != t) & (reach.ravel() > 0)
    pairs = np.unique(np.sort(np.column_stack([s[related], t[related]]), axis=1), axis=0)
    if len(pairs) > MAX_PAIRS:
        pairs = pairs[np.linspace(0, len(pairs) - 1, MAX_PAIRS).astype(int)]
    if not len(pairs):
        return Line(0.0, 0.0, 0)
    s, t = pairs.T
    step = (centred[s] - centred[t]).reshape(len(pairs), -1)
    work = -0.5 * np.einsum("pn,pn->p", (forces[s] + forces[t]).reshape(len(pairs), -1), step)
    return Line.through(work, energies[s] - energies[t])


def against(potential: Potential, positions: Array, energies: Array, forces: Array) -> tuple[Line, float]:
    """Return forces against those of a potential, and the correlation of the energies.

    Args:
        potential: of the same molecule.
        positions, energies, forces: of the frames to look at, as above.

    Raises:
        DensnetError: the potential has no answer.
    """
    said = potential(positions)
    centred = said["energy"] - said["energy"].mean()
    likeness = Line.through(centred, energies - energies.mean()).correlation
    return Line.through(said["forces"].ravel(), forces.ravel()), likeness


def check_forces(data: ImportedFrames, make: Make) -> None:
    """Compare forces with the energies of near frames, and with GFN2-xTB where that does not decide.

    Args:
        data: what was imported.
        make: makes GFN2-xTB, whose slopes and correlations the bounds above are of.

    Raises:
        DensnetError: forces that are zero, gradients, in other units or of other frames; energies of other frames.
    """
    zero = np.flatnonzero(np.abs(data.forces).max(axis=(1, 2)) == 0)
    if len(zero):
        raise _refusal(data, f"the forces of {len(zero)} of {len(data.forces)} frames are zero, first frame {zero[0]}")
    pairs = along_pairs(data.positions, data.energies, data.forces)
    decided = pairs.points >= MIN_PAIRS and abs(pairs.correlation) > SURE
    if decided and RIGHT_PAIRS[0] < pairs.slope < RIGHT_PAIRS[1]:
        return
    rows = np.linspace(0, len(data.positions) - 1, min(MAX_FRAMES, len(data.positions))).astype(int)
    frames = (data.positions[rows], data.energies[rows], data.forces[rows])
    evidence = f"against energies of near frames: {pairs}"
    try:
        line, likeness = against(make(Molecule(data.numbers, data.positions[0], data.charge)), *frames)
    except DensnetError:
        # an element that it does not know, or no convergence
        if decided:
            raise _refusal(data, f"{_looks_like(pairs.slope)} ({evidence})") from None
        print(
            f"densnet import: warning: {data.frames}: nothing tells whether forces and energies agree", file=sys.stderr
        )
        return
    evidence = f"{evidence}; against GFN2-xTB: {line}"
    if line.correlation < LIKELY and -line.correlation < LIKELY:
        raise _refusal(data, f"the forces look like those of other frames or of atoms in another order ({evidence})")
    if line.correlation < 0 or not RIGHT_GFN2[0] < line.slope < RIGHT_GFN2[1]:
        raise _refusal(data, f"{_looks_like(pairs.slope if decided else 1.0 / line.slope)} ({evidence})")
    if decided:
        raise _refusal(data, f"{_looks_like(pairs.slope)} ({evidence})")
    unlike = pairs.correlation < UNLIKE_PAIRS and likeness < SURE if pairs.points >= MIN_PAIRS else likeness < UNLIKE
    if unlike and len(rows) >= MIN_PAIRS:
        evidence += f"; energies against GFN2-xTB: correlation {likeness:.2f}"
        raise _refusal(data, f"the energies look like those of other frames ({evidence})")


def _looks_like(unit: float) -> str:
    """Return what forces are that have to be multiplied by ``unit`` to be in eV/Å."""
    sign = "gradients instead of forces" if unit < 0 else ""
    name, nearest = min(UNITS.items(), key=lambda item: abs(np.log(abs(unit) / item[1])))
    if abs(np.log(abs(unit))) < abs(np.log(abs(unit) / nearest)):
        name = ""
    return "the forces look like " + (
        f"{sign}, in {name}" if sign and name else sign or f"numbers in {name or 'other units'}"
    )


def _refusal(data: ImportedFrames, problem: str) -> DensnetError:
    return DensnetError(
        f"{data.frames}: {problem}; give forces F = -dE/dR in eV/Å and total energies in eV of the same frames, or "
        "--accept-forces if they are right"
    )
