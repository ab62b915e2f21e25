r"""Raman activities of harmonic modes from finite differences of the polarizability.

Central differences in every Cartesian coordinate, at the geometries that the Hessian is made from
(:mod:`densnet.spectra.harmonic`), give :math:`\partial\alpha/\partial R`; with a mode's mass-weighted vector that is
:math:`\alpha' = \partial\alpha/\partial Q`, whose invariants are a mode's activity :math:`45 a'^2 + 7 \gamma'^2` and
its depolarisation ratio (:mod:`densnet.spectra.raman`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from densnet.density.response import invariants
from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.potential import Array, Potential
from densnet.spectra.harmonic import DISPLACEMENT, displaced, harmonic_spectrum
from densnet.spectra.raman import CROSS_SECTION_UNITS, activity, cross_section_factor, depolarisation
from densnet.units import E2_ANGSTROM2_PER_EV_IN_ANGSTROM3


@dataclass(frozen=True)
class RamanModes:
    """What each mode scatters.

    Attributes:
        activity: (n,) 45 a'² + 7 γ'² in Å⁴/Da.
        depolarisation: (n,) ratio 3 γ'² / (45 a'² + 4 γ'²); NaN of a mode that scatters nothing.
    """

    activity: Array
    depolarisation: Array

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of ``harmonic.nc`` that they are written as."""
        return {
            "raman_activity": variable(("mode",), self.activity, "angstrom4 Da-1", "Raman activity, 45 a'² + 7 γ'²"),
            "raman_depolarisation": variable(("mode",), self.depolarisation, "1", "depolarisation ratio"),
        }


def raman_modes(potential: Potential, positions: Array, masses: Array, modes: Array) -> RamanModes:
    """Return the Raman activities of normal modes at a geometry.

    Args:
        potential: gives polarizabilities.
        positions: (i, 3) in Angstrom.
        masses: (i,) in Da.
        modes: (n, 3 i) mass-weighted, orthonormal.

    Raises:
        DensnetError: the potential gives no polarizability.
    """
    return raman_of_differences(polarizability_of(potential, displaced(positions)), masses, modes)


def raman_of_differences(alpha: Array, masses: Array, modes: Array) -> RamanModes:
    """Return the Raman activities of normal modes from polarizabilities at displaced geometries.

    Args:
        alpha: (1 + 6 i, x, field) in e² Angstrom²/eV, in the order of :func:`densnet.spectra.harmonic.displaced`.
        masses: (i,) in Da.
        modes: (n, 3 i) mass-weighted, orthonormal.
    """
    size = 3 * len(masses)
    slope = (alpha[1 : 1 + size] - alpha[1 + size :]) / (2 * DISPLACEMENT)
    along = np.einsum("nr,rxy->nxy", modes * np.repeat(masses, 3) ** -0.5, (slope + slope.transpose(0, 2, 1)) / 2)
    isotropic, anisotropic = invariants(E2_ANGSTROM2_PER_EV_IN_ANGSTROM3 * along)
    return RamanModes(activity(isotropic, anisotropic), depolarisation(isotropic, anisotropic))


def polarizability_of(potential: Potential, positions: Array) -> Array:
    """Return the polarizabilities of geometries (t, i, 3) in Angstrom, (t, x, field) in e² Angstrom²/eV.

    Raises:
        DensnetError: the potential gives none.
    """
    alpha = potential.polarizability(positions)
    if alpha is None:
        raise DensnetError(
            f"{potential.name}: gives no polarizability, needed for Raman activities; choose another potential"
        )
    return alpha


def raman_harmonic_spectrum(
    modes: xr.Dataset, wavenumber: Array, width: float, laser_nm: float, temperature: float | None
) -> xr.Dataset:
    """Return the Raman spectrum of harmonic lines as one of dynamics is.

    Args:
        modes: content of ``harmonic.nc``; imaginary modes are left out.
        wavenumber: (n,) 1/cm.
        width: full width at half maximum of the lines' Gaussians, 1/cm.
        laser_nm: wavelength of the laser.
        temperature: K; None for 0 K.

    Raises:
        DensnetError: the modes have no Raman activities.
    """
    if "raman_activity" not in modes:
        raise DensnetError(
            f"harmonic, {modes.attrs.get('method')}: expected Raman activities, found none; run 'densnet harmonic "
            "--raman'"
        )
    real = modes.isel(mode=modes["wavenumber"].values > 0)
    factor = cross_section_factor(real["wavenumber"].values, laser_nm, temperature)
    scattering = real.assign(intensity=("mode", factor * real["raman_activity"].values))
    return harmonic_spectrum(scattering, wavenumber, width, CROSS_SECTION_UNITS).assign_attrs(kind="raman")
