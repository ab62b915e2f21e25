r"""ML-HK, the energy from a learned density, and ML-KS, the energy from the potential, by kernel ridge regression.

.. math:: x[v] = \bar x + \sum_m \beta_m k_1(v, v_m), \qquad E = \bar E + \sum_m \alpha_m k_2(x[v], x_m)

x = Lᵀ c are the coefficients of the density in the frame of the aligned molecule, whitened by the density's own metric
J + S = L Lᵀ (Coulomb and overlap, atomic units) at the reference geometry: Euclidean distances of x, on which k₂ and
the errors of the first map rest, are distances between densities carried to that geometry. Brockherde et al. have plane
waves, which do not move with the atoms, in the place of these functions, which do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.rotation import rotated
from densnet.errors import DensnetError
from densnet.kernel.alignment import Alignment, central_geometry
from densnet.kernel.kernel_ridge import KernelRidge, chosen_by_k_means, points_of
from densnet.kernel.settings import KernelSettings
from densnet.kernel.smeared_potential import SmearedNuclei
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]


@dataclass(frozen=True)
class KernelFrames:
    """Frames of one molecule with their densities and energies.

    Attributes:
        basis: of the densities.
        numbers: atomic numbers, (i,).
        positions: Angstrom, (t, i, x).
        coefficients: c, bohr^(-3/2), (t, k), canonical order.
        energy: eV, (t,).
    """

    basis: Basis
    numbers: NDArray[np.int64]
    positions: Array
    coefficients: Array
    energy: Array

    def __getitem__(self, rows: NDArray[np.integer]) -> KernelFrames:
        """Return some of the frames."""
        of_frames = (self.positions[rows], self.coefficients[rows], self.energy[rows])
        return KernelFrames(self.basis, self.numbers, *of_frames)


@dataclass(frozen=True)
class HohenbergKohn:
    """Three fitted maps of one molecule: potential to density, density to energy, and potential to energy.

    Attributes:
        basis: of the densities.
        numbers: atomic numbers, (i,).
        alignment: onto the reference geometry.
        smearing: γ, Angstrom.
        aligned: training geometries, Angstrom, (m, i, x).
        whitened: x of the training densities, (m, k).
        factor: L, lower triangular, (k, k).
        density: v to x.
        energy: x to E, eV.
        direct: v to E, eV, the control.
    """

    basis: Basis
    numbers: NDArray[np.int64]
    alignment: Alignment
    smearing: float
    aligned: Array
    whitened: Array
    factor: Array
    density: KernelRidge
    energy: KernelRidge
    direct: KernelRidge

    @property
    def nuclei(self) -> SmearedNuclei:
        """Return what makes potentials of geometries."""
        return SmearedNuclei(self.numbers.astype(float), self.smearing)

    @property
    def n_points(self) -> int:
        """Return the number of training points, m."""
        return len(self.aligned)

    def coefficients(self, positions: Array) -> Array:
        """Return the densities c, bohr^(-3/2), (t, k), of geometries (t, i, x) in Angstrom, as they lie."""
        aligned, rotation = self.alignment(positions)
        return rotated(self.basis, self.numbers, self._body_coefficients(aligned), rotation.swapaxes(1, 2))

    def dipole(self, positions: Array) -> Array:
        r"""Return the dipole Σ Z R - ∫ r ρ, e Angstrom, (t, x), of geometries (t, i, x), the charge being exact.

        The training densities all have the molecule's charge, and with it every sum of their differences.
        """
        aligned, rotation = self.alignment(positions)
        electrons = self._body_coefficients(aligned)
        q, p = integrals.charges(self.basis, self.numbers), integrals.onsite_dipoles(self.basis, self.numbers)
        atom = self.basis.layout(self.numbers).atom
        of_nuclei = np.einsum("i,tix->tx", self.numbers, aligned)
        of_electrons = np.einsum("tk,k,tkx->tx", electrons, q, aligned[:, atom]) + BOHR_IN_ANGSTROM * electrons @ p
        charge = self.numbers.sum() - electrons @ q
        centre = np.einsum("i,tix->tx", self.alignment.weights, positions)
        return np.einsum("tyx,ty->tx", rotation, of_nuclei - of_electrons) + charge[:, None] * centre

    def energy_and_forces(self, positions: Array, *, by_density: bool = True) -> tuple[Array, Array]:
        """Return E (t,) in eV and F = -∂E/∂R (t, i, x) in eV/Angstrom, the exact gradient.

        Args:
            positions: (t, i, x) in Angstrom.
            by_density: ML-HK, through both maps; else ML-KS.
        """
        aligned, rotation = self.alignment(positions)
        squares = self.nuclei.squared_distances(aligned, self.aligned)
        if by_density:
            energy, slope = self._of_density(squares)
        else:
            kernel = self.direct.kernel(squares)
            energy, slope = self.direct(kernel), -kernel * self.direct.weights / (2.0 * self.direct.width**2)
        in_body = self.nuclei.slope(aligned, self.aligned, slope)
        return energy, -self.alignment.pull_back(in_body, aligned, rotation)

    def _of_density(self, squares: Array) -> tuple[Array, Array]:
        """Return E (t,) and ∂E/∂D² (t, m) from the squared distances D² of potentials."""
        kernel = self.density.kernel(squares)
        x = self.density(kernel)
        to_points = self.energy.kernel(cdist(x, self.whitened, "sqeuclidean"))
        weighted = to_points * self.energy.weights / self.energy.width**2
        slope = weighted @ self.whitened - weighted.sum(axis=1, keepdims=True) * x
        return self.energy(to_points), -kernel * (slope @ self.density.weights.T) / (2.0 * self.density.width**2)

    def _body_coefficients(self, aligned: Array) -> Array:
        x = self.density(self.density.kernel(self.nuclei.squared_distances(aligned, self.aligned)))
        return np.asarray(solve_triangular(self.factor, x.T, lower=True, trans="T").T)


def chosen_frames(frames: KernelFrames, count: int, settings: KernelSettings) -> NDArray[np.int64]:
    """Return the rows of so many training points: the frames whose potentials are nearest to the centres of K-means.

    Raises:
        DensnetError: fewer frames than points, or scikit-learn is missing.
    """
    if count > len(frames.positions):
        raise DensnetError(
            f"m: expected at most {len(frames.positions)}, the training frames that have labels, found {count}; "
            "lower it, or label more"
        )
    alignment = Alignment.onto(frames.numbers, central_geometry(frames.numbers, frames.positions))
    aligned, _ = alignment(frames.positions)
    nuclei = SmearedNuclei(frames.numbers.astype(float), settings.smearing)
    return chosen_by_k_means(points_of(nuclei.inner(aligned, aligned)), count, settings.seed)


def fit_maps(frames: KernelFrames, settings: KernelSettings) -> HohenbergKohn:
    """Fit the three maps to all of some frames.

    Raises:
        DensnetError: frames that all coincide, a basis whose functions are dependent, or scikit-learn is missing.
    """
    reference = central_geometry(frames.numbers, frames.positions)
    alignment = Alignment.onto(frames.numbers, reference)
    aligned, rotation = alignment(frames.positions)
    nuclei = SmearedNuclei(frames.numbers.astype(float), settings.smearing)
    squares = nuclei.squared_distances(aligned, aligned)
    factor = metric_factor(frames.basis, frames.numbers, reference)
    x = rotated(frames.basis, frames.numbers, frames.coefficients, rotation) @ factor
    return HohenbergKohn(
        frames.basis,
        frames.numbers,
        alignment,
        settings.smearing,
        aligned,
        x,
        factor,
        density=KernelRidge.fitted(squares, x),
        energy=KernelRidge.fitted(cdist(x, x, "sqeuclidean"), frames.energy),
        direct=KernelRidge.fitted(squares, frames.energy),
    )


def metric_factor(basis: Basis, numbers: NDArray[np.int64], geometry: Array) -> Array:
    """Return L, lower triangular, (k, k), with L Lᵀ = J + S at a geometry (i, x) in Angstrom.

    Raises:
        DensnetError: the functions are linearly dependent there.
    """
    place = (basis, numbers, geometry / BOHR_IN_ANGSTROM)
    try:
        return np.asarray(np.linalg.cholesky(integrals.coulomb(*place) + integrals.overlap(*place)))
    except np.linalg.LinAlgError as error:
        raise DensnetError(
            f"basis {basis.name!r}: its functions are linearly dependent ({error}); fit the labels in another one"
        ) from error
