r"""Where the labels end: how far a geometry is from those that a model has learned from.

Atoms are looked at as the networks see them, by the distances to their neighbours. For each element in turn x_i holds
the distances in Angstrom from atom i to its :data:`NEAREST` nearest atoms of that element, in ascending order, at most
the cutoff of the networks, which also stands for neighbours that there are not. Over the training frames the x_i of the
atoms of an element Z have a mean m_Z and a covariance C_Z, and Mahalanobis's distance of an atom from them is

.. math:: d_i^2 = \frac{1}{f} (x_i - m_{Z_i})^T (C_{Z_i} + \epsilon^2)^{-1} (x_i - m_{Z_i})

with f numbers in x_i. A geometry is as far away as its atoms on average (their root mean square), or as the one that
is farthest: in the first sense nine of ten training frames stay below some d_a, in the second 99 of 100 below some d_b.
The domain distance is what is beyond,

.. math:: D = \max(0, rms_i d_i / d_a - 1, max_i d_i / d_b - 1),

zero inside, 1 at twice these. It has no unit. Bonds that are stretched or broken, contacts, coordination, and by the
distances across them angles and torsions all raise it; the first sense sees what is too hot, the second a lone atom of
many that goes astray.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.bonds import distances

NEAREST = 4
"""Neighbours of each element: with 6 or 8 distances that matter less dilute those that matter (docs/robustness.md)."""
INSIDE, INSIDE_ATOM = 0.9, 0.99
"""Shares of the training frames below d_a and d_b."""
RESOLUTION = 0.01
"""ε, Angstrom: a deviation that is small whatever the training frames' spread."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Domain:
    """What is kept of the training frames.

    Attributes:
        elements: atomic numbers, z of them.
        cutoff: distance in Angstrom beyond which the networks see nothing.
        mean: m, (z, f) in Angstrom.
        whitening: W with WᵀW = (C + ε²)⁻¹, (z, f, f) in 1/Angstrom.
        usual: d_a and d_b.
    """

    elements: tuple[int, ...]
    cutoff: float
    mean: Array
    whitening: Array
    usual: tuple[float, float]

    @classmethod
    def of(cls, elements: Sequence[int], cutoff: float, learned: Sequence[tuple[NDArray[np.integer], Array]]) -> Domain:
        """Return the domain of some geometries.

        Args:
            elements: atomic numbers that the model knows, each of them in one of the molecules.
            cutoff: of its networks, Angstrom.
            learned: of each molecule, atomic numbers (i,) and positions (t, i, 3) in Angstrom.
        """
        x = [neighbour_distances(elements, cutoff, numbers, positions) for numbers, positions in learned]
        mean, whitening = [], []
        for z in elements:
            of_element = np.concatenate(
                [
                    values[:, np.asarray(numbers) == z].reshape(-1, values.shape[2])
                    for (numbers, _), values in zip(learned, x, strict=True)
                ]
            )
            mean.append(of_element.mean(axis=0))
            deviations = of_element - mean[-1]
            covariance = deviations.T @ deviations / len(of_element) + RESOLUTION**2 * np.eye(of_element.shape[1])
            whitening.append(np.linalg.inv(np.linalg.cholesky(covariance)))
        domain = cls(tuple(elements), cutoff, np.array(mean), np.array(whitening), (1.0, 1.0))
        d_a, d_b = np.concatenate([domain._distances(numbers, positions) for numbers, positions in learned], axis=1)
        return replace(domain, usual=(float(np.quantile(d_a, INSIDE)), float(np.quantile(d_b, INSIDE_ATOM))))

    def distance(self, numbers: NDArray[np.integer], positions: Array) -> Array:
        """Return D of geometries (t, i, 3) in Angstrom, (t,).

        Args:
            numbers: atomic numbers (i,), all of which the model knows.
        """
        d_a, d_b = self._distances(numbers, positions)
        return np.maximum(np.maximum(d_a / self.usual[0], d_b / self.usual[1]) - 1, 0)

    def departure(self, numbers: NDArray[np.integer], positions: Array) -> str:
        """Say which distance between two atoms of a geometry (i, 3) is the least usual."""
        x, rows = self._seen(numbers, positions[None])
        deviation = np.linalg.inv(self.whitening)
        spread = np.sqrt(np.square(deviation).sum(axis=2))[rows]
        atom, place = np.unravel_index(int((np.abs(x[0] - self.mean[rows]) / spread).argmax()), spread.shape)
        element, nearest = divmod(int(place), NEAREST)
        return (
            f"{chemical_symbols[self.elements[element]]} neighbour {nearest + 1} of atom {atom} "
            f"({chemical_symbols[numbers[atom]]}) is {x[0, atom, place]:.2f} Angstrom away, in the training frames "
            f"{self.mean[rows][atom, place]:.2f} ± {spread[atom, place]:.2f}"
        )

    def _seen(self, numbers: NDArray[np.integer], positions: Array) -> tuple[Array, list[int]]:
        """Return x (t, i, f), and where each atom's element stands."""
        rows = [self.elements.index(int(z)) for z in numbers]
        return neighbour_distances(self.elements, self.cutoff, numbers, positions), rows

    def _distances(self, numbers: NDArray[np.integer], positions: Array) -> Array:
        """Return root mean square and maximum of d_i, (2, t)."""
        x, rows = self._seen(numbers, positions)
        # atoms first, for a matrix product of each
        whitened = (x - self.mean[rows]).transpose(1, 0, 2) @ self.whitening[rows].transpose(0, 2, 1)
        of_atoms = np.square(whitened).mean(axis=2)
        return np.sqrt([of_atoms.mean(axis=0), of_atoms.max(axis=0)])


def neighbour_distances(
    elements: Sequence[int], cutoff: float, numbers: NDArray[np.integer], positions: Array
) -> Array:
    """Return x of each atom, (t, i, z · :data:`NEAREST`) in Angstrom, of geometries (t, i, 3)."""
    separations = distances(positions)
    separations[:, range(len(numbers)), range(len(numbers))] = cutoff
    x = np.full((*separations.shape[:2], len(elements), NEAREST), cutoff)
    for place, z in enumerate(elements):
        of_element = separations[:, :, np.asarray(numbers) == z]
        if of_element.shape[2] > NEAREST:
            of_element = np.partition(of_element, NEAREST - 1, axis=2)[:, :, :NEAREST]
        x[:, :, place, : of_element.shape[2]] = np.minimum(np.sort(of_element, axis=2), cutoff)
    return x.reshape(*separations.shape[:2], -1)
