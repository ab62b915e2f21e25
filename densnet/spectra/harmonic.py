r"""Harmonic frequencies and infrared intensities from finite differences of forces and dipoles.

Central differences in every Cartesian coordinate give the Hessian :math:`H = -\partial F / \partial R` and
:math:`\partial\mu/\partial R`. Translations and rotations are projected out of the mass-weighted Hessian; its
eigenvalues are :math:`\omega^2`, and a mode's intensity is :math:`N_A / (12 \varepsilon_0 c^2) \, |\partial\mu/\partial
Q|^2`, as in :mod:`densnet.spectra.infrared`. The same scheme whatever gives the forces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import constants

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.potential import Array, Potential, check_quantities
from densnet.spectra.assignment import PARTS, shares_of
from densnet.spectra.infrared import INTENSITY_UNITS
from densnet.spectra.internal_coordinates import InternalCoordinates
from densnet.spectra.scores import SIGMA_PER_WIDTH
from densnet.units import EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2, SPEED_OF_LIGHT_IN_CM_PER_FS

METHOD_VERSION: int = 2

DISPLACEMENT = 0.005
"""Angstrom; the error of central differences grows with its square, that of rounding with its inverse."""
STILL = 0.05
"""eV/Angstrom; above it the geometry is no minimum and its frequencies mean nothing."""
INTENSITY = (
    constants.N_A
    * constants.elementary_charge**2
    / constants.atomic_mass
    / (12 * constants.epsilon_0 * constants.speed_of_light**2)
    / 1e3
)
"""km/mol of one (e/√Da)²."""


@dataclass(frozen=True)
class Harmonic:
    """Normal modes, the softest first.

    Attributes:
        wavenumber: (n,) in 1/cm; negative where the energy curves down.
        intensity: (n,) in km/mol.
        modes: (n, 3 i) mass-weighted, orthonormal.
        rest_force: largest force component at the geometry, eV/Angstrom.
    """

    wavenumber: Array
    intensity: Array
    modes: Array
    rest_force: float


def displaced(positions: Array) -> Array:
    """Return a geometry (i, 3) and what it becomes by each coordinate's step ahead and behind, (1 + 6 i, i, 3)."""
    steps = DISPLACEMENT * np.eye(positions.size).reshape(positions.size, -1, 3)
    return np.concatenate([positions[None], positions + steps, positions - steps])


def harmonic(potential: Potential, positions: Array, masses: Array) -> Harmonic:
    """Return the normal modes at a geometry (i, 3) in Angstrom; masses (i,) in Da.

    Raises:
        DensnetError: the geometry is no stationary point, or the potential gives no dipole.
    """
    check_quantities(potential, ("forces", "dipole"), "harmonic frequencies and intensities")
    differences = potential(displaced(positions))
    return modes_of_differences(differences["forces"], differences["dipole"], positions, masses)


def modes_of_differences(forces: Array, dipoles: Array, positions: Array, masses: Array) -> Harmonic:
    """Return the normal modes from forces (1 + 6 i, i, 3) and dipoles (1 + 6 i, 3) at :func:`displaced` geometries.

    Raises:
        DensnetError: the first geometry is no stationary point.
    """
    size = positions.size
    rest_force = float(np.abs(forces[0]).max())
    if rest_force > STILL:
        raise DensnetError(
            f"harmonic: expected a relaxed geometry, found a force of {rest_force:.3g} eV/Angstrom; relax it with the "
            "method that gives the forces"
        )
    ahead, behind = slice(1, 1 + size), slice(1 + size, None)
    H = -(forces[ahead] - forces[behind]).reshape(size, size) / (2 * DISPLACEMENT)
    slope = (dipoles[ahead] - dipoles[behind]) / (2 * DISPLACEMENT)
    return normal_modes((H + H.T) / 2, slope, positions, masses, rest_force)


def normal_modes(hessian: Array, dipole_slope: Array, positions: Array, masses: Array, rest_force: float) -> Harmonic:
    """Return the normal modes of a Hessian (3 i, 3 i) in eV/Angstrom² and dμ/dR (3 i, 3) in e.

    The motions of the whole are left out: 3 translations, and 3 rotations, 2 of a linear molecule.
    """
    light = np.repeat(masses, 3) ** -0.5
    internal = _without_rigid_motion(positions, masses)
    weighted = internal.T @ (hessian * light[:, None] * light) @ internal
    values, vectors = np.linalg.eigh(weighted)
    rate = np.sign(values) * np.sqrt(np.abs(values) * EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2)
    modes = (internal @ vectors).T
    slopes = (modes * light) @ dipole_slope
    return Harmonic(
        wavenumber=rate / (2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS),
        intensity=INTENSITY * (slopes**2).sum(1),
        modes=modes,
        rest_force=rest_force,
    )


def _without_rigid_motion(positions: Array, masses: Array) -> Array:
    """Return an orthonormal basis of the mass-weighted motions that are no translation nor rotation, (3 i, n)."""
    centred = positions - masses @ positions / masses.sum()
    translations = np.tile(np.eye(3), (len(masses), 1))
    rotations = np.stack([np.cross(axis, centred).ravel() for axis in np.eye(3)], axis=1)
    rigid = np.concatenate([translations, rotations], axis=1) * np.repeat(masses, 3)[:, None] ** 0.5
    vectors, values, _ = np.linalg.svd(rigid, full_matrices=True)
    return vectors[:, int((values > 1e-4 * values[0]).sum()) :]


def harmonic_dataset(normal: Harmonic, numbers: NDArray[np.int64], positions: Array, masses: Array) -> xr.Dataset:
    """Return the content of ``harmonic.nc``: frequencies, intensities, modes and the kinds of motion in each."""
    coordinates = InternalCoordinates.of(numbers, positions)
    shares = shares_of(coordinates, positions, masses, normal.modes)
    modes = normal.modes.reshape(len(normal.modes), -1, 3)
    return xr.Dataset(
        {
            "wavenumber": variable(("mode",), normal.wavenumber, "cm-1", "harmonic wavenumber, negative if imaginary"),
            "intensity": variable(("mode",), normal.intensity, "km/mol", "infrared intensity"),
            "mode_vector": variable(("mode", "atom", "x"), modes, "1", "mass-weighted displacements, orthonormal"),
            "share": variable(
                ("mode", "kind"), np.stack([shares[kind] for kind in PARTS], axis=1), "1", "share of kinetic energy"
            ),
            "numbers": variable(("atom",), numbers, "1", "atomic numbers"),
            "positions": variable(("atom", "x"), positions, "angstrom", "geometry"),
        },
        coords={"kind": variable(("kind",), list(PARTS), "1", "kind of motion")},
        attrs={"rest_force": normal.rest_force, "displacement_angstrom": DISPLACEMENT},
    )


def harmonic_spectrum(modes: xr.Dataset, wavenumber: Array, width: float, units: str = INTENSITY_UNITS) -> xr.Dataset:
    """Return the spectrum of harmonic lines as one of dynamics is: one row, which no other replica would change.

    Args:
        modes: content of ``harmonic.nc``; imaginary modes are left out.
        wavenumber: (n,) 1/cm.
        width: full width at half maximum of the lines' Gaussians, 1/cm.
        units: of the modes' intensities per 1/cm.
    """
    order = np.argsort(-modes["intensity"].values, kind="stable")
    lines, intensity = (modes[name].values[order] for name in ("wavenumber", "intensity"))
    lines, intensity = lines[lines > 0], intensity[lines > 0]
    sigma = width * SIGMA_PER_WIDTH
    profile = np.exp(-0.5 * ((wavenumber[:, None] - lines) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    curve, heights = profile @ intensity, intensity / (sigma * np.sqrt(2 * np.pi))
    return xr.Dataset(
        {
            "intensity": variable(("wavenumber",), curve, units, "harmonic lines"),
            "intensity_by_replica": variable(("replica", "wavenumber"), curve[None], units, "the same"),
            "line_wavenumber": variable(("line",), lines, "cm-1", "harmonic wavenumber, strongest first"),
            "line_intensity": variable(("line",), heights, units, "height of a lone line"),
        },
        coords={"wavenumber": variable(("wavenumber",), wavenumber, "cm-1", "wavenumber")},
        # a slash would be a group in netCDF
        attrs={"potential": f"harmonic-{modes.attrs['method']}".replace("/", "-"), "sampled": 0},
    )
