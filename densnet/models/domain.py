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
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray
from torch import nn

NEAREST = 4
"""Neighbours of each element: with 6 or 8 distances that matter less dilute those that matter."""
INSIDE, INSIDE_ATOM = 0.9, 0.99
"""Shares of the training frames below d_a and d_b."""
RESOLUTION = 0.01
"""ε, Angstrom: a deviation that is small whatever the training frames' spread."""

Numbers = NDArray[np.integer]


@dataclass(frozen=True)
class Domain:
    """What is kept of the training frames.

    Attributes:
        elements: atomic numbers, z of them.
        cutoff: distance in Angstrom beyond which the networks see nothing.
        mean: m, (z, f) in Angstrom, float64.
        whitening: W with WᵀW = (C + ε²)⁻¹, (z, f, f) in 1/Angstrom.
        usual: d_a and d_b.
    """

    elements: tuple[int, ...]
    cutoff: float
    mean: torch.Tensor
    whitening: torch.Tensor
    usual: tuple[float, float]

    @classmethod
    def of(cls, elements: Sequence[int], cutoff: float, learned: Sequence[tuple[Numbers, torch.Tensor]]) -> Domain:
        """Return the domain of some geometries.

        Args:
            elements: atomic numbers that the model knows, each of them in one of the molecules.
            cutoff: of its networks, Angstrom.
            learned: of each molecule, atomic numbers (i,) and positions (t, i, 3) in Angstrom.
        """
        x = [neighbour_distances(elements, cutoff, numbers, positions) for numbers, positions in learned]
        mean, whitening = [], []
        for z in elements:
            of_element = torch.cat(
                [
                    seen[:, np.flatnonzero(numbers == z)].flatten(0, 1)
                    for (numbers, _), seen in zip(learned, x, strict=True)
                ]
            )
            mean.append(of_element.mean(0))
            covariance = torch.cov(of_element.T, correction=0) + RESOLUTION**2 * torch.eye(of_element.shape[1]).double()
            whitening.append(torch.linalg.inv(torch.linalg.cholesky(covariance)))
        domain = cls(tuple(elements), cutoff, torch.stack(mean), torch.stack(whitening), (1.0, 1.0))
        d_a, d_b = torch.cat([domain._distances(numbers, positions) for numbers, positions in learned], dim=1).numpy()
        return replace(domain, usual=(float(np.quantile(d_a, INSIDE)), float(np.quantile(d_b, INSIDE_ATOM))))

    def to(self, device: torch.device | str) -> Domain:
        """Return the domain on a device."""
        return replace(self, mean=self.mean.to(device), whitening=self.whitening.to(device))

    def distance(self, numbers: Numbers, positions: torch.Tensor) -> torch.Tensor:
        """Return D of geometries (t, i, 3) in Angstrom, (t,).

        Args:
            numbers: atomic numbers (i,), all of which the model knows.
        """
        d_a, d_b = self._distances(numbers, positions)
        return (torch.maximum(d_a / self.usual[0], d_b / self.usual[1]) - 1).clamp(min=0)

    def departure(self, numbers: Numbers, positions: torch.Tensor) -> str:
        """Say which distance between two atoms of a geometry (i, 3) is the least usual."""
        (x,), rows = self._seen(numbers, positions[None])
        spread = torch.linalg.inv(self.whitening).square().sum(2).sqrt()[rows]
        unusual = (x - self.mean[rows]).abs() / spread
        atom, place = divmod(int(unusual.argmax()), unusual.shape[1])
        element, nearest = divmod(place, NEAREST)
        return (
            f"{chemical_symbols[self.elements[element]]} neighbour {nearest + 1} of atom {atom} "
            f"({chemical_symbols[int(numbers[atom])]}) is {x[atom, place]:.2f} Angstrom away, in the training frames "
            f"{self.mean[rows][atom, place]:.2f} ± {spread[atom, place]:.2f}"
        )

    def _seen(self, numbers: Numbers, positions: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
        """Return x (t, i, f), and where each atom's element stands."""
        rows = [self.elements.index(int(z)) for z in numbers]
        return neighbour_distances(self.elements, self.cutoff, numbers, positions.to(self.mean)), rows

    def _distances(self, numbers: Numbers, positions: torch.Tensor) -> torch.Tensor:
        """Return root mean square and maximum of d_i, (2, t)."""
        x, rows = self._seen(numbers, positions)
        # atoms first, for a matrix product of each
        whitened = (x - self.mean[rows]).transpose(0, 1) @ self.whitening[rows].transpose(1, 2)
        of_atoms = whitened.square().mean(2)
        return torch.stack([of_atoms.mean(0), of_atoms.amax(0)]).sqrt()


def neighbour_distances(
    elements: Sequence[int], cutoff: float, numbers: Numbers, positions: torch.Tensor
) -> torch.Tensor:
    """Return x of each atom, (t, i, z · :data:`NEAREST`) in Angstrom, of geometries (t, i, 3)."""
    # what is no neighbour of the element, or the atom itself, stands at the cutoff
    of_other_elements = np.asarray(numbers)[None, :] != np.asarray(elements)[:, None]
    hidden = cutoff * (of_other_elements | np.eye(len(numbers), dtype=bool)[:, None])
    r = torch.cdist(positions, positions).clamp(max=cutoff).unsqueeze(2)
    x = torch.maximum(r, torch.as_tensor(hidden).to(r)).topk(min(NEAREST, len(numbers)), largest=False).values
    return nn.functional.pad(x, (0, NEAREST - x.shape[3]), value=cutoff).flatten(2)
