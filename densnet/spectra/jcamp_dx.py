"""Experimental spectra from JCAMP-DX files: absorbance on an even grid of wavenumbers.

A = -log10 T. R. S. McDonald and P. A. Wilks, Appl. Spectrosc. 42, 151 (1988) (the format).
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jcamp
import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError

Array = NDArray[np.float64]

STEP_WAVENUMBER = 1.0
"""Spacing of the even grid, 1/cm."""
LOWEST_TRANSMITTANCE = 1e-3
"""What a saturated band is given: no instrument of these collections measures absorbances beyond 3."""
MAX_UNPHYSICAL_SHARE = 0.5
"""Beyond this share of points outside 0 < T <= 1 the ordinate is no transmittance."""


@dataclass(frozen=True)
class ExperimentalSpectrum:
    """A measured spectrum.

    Attributes:
        title: as the file says.
        wavenumber: (n,) 1/cm, ascending, even.
        absorbance: (n,) base 10 (or what the file calls proportional to it).
        notes: what had to be put right, one line each; empty if nothing.
    """

    title: str
    wavenumber: Array
    absorbance: Array
    notes: tuple[str, ...]


def read_jcamp_dx(path: Path) -> ExperimentalSpectrum:
    """Read a JCAMP-DX file of one infrared spectrum.

    Raises:
        DensnetError: no such file, not JCAMP-DX, truncated, or units that are not infrared's.
    """
    path = Path(path)
    content = _parse(path)
    notes: list[str] = []
    wavenumber = _wavenumbers(np.asarray(content["x"], dtype=float), str(content.get("xunits", "")), path)
    absorbance = _absorbance(np.asarray(content["y"], dtype=float), str(content.get("yunits", "")), path, notes)
    finite = np.isfinite(wavenumber) & np.isfinite(absorbance)
    if finite.sum() < 10:
        raise DensnetError(f"{path}: expected a spectrum, found {int(finite.sum())} usable points; export it again")
    if not finite.all():
        notes.append(f"{int((~finite).sum())} points without a number left out")
    state = str(content.get("state", "")).strip().lower()
    if state and not state.startswith(("gas", "vapo")):
        notes.append(f"the sample's state is {state!r}: bands may be shifted against the gas phase")
    order = np.argsort(wavenumber[finite], kind="stable")
    x, first = np.unique(wavenumber[finite][order], return_index=True)
    y = absorbance[finite][order][first]
    grid = np.arange(np.ceil(x[0]), np.floor(x[-1]) + STEP_WAVENUMBER / 2, STEP_WAVENUMBER)
    return ExperimentalSpectrum(str(content.get("title", path.stem)), grid, np.interp(grid, x, y), tuple(notes))


def _parse(path: Path) -> dict[str, Any]:
    """Return the jcamp package's dictionary, checked for completeness."""
    if not path.is_file():
        raise DensnetError(f"jcamp: {path} is no file; give the path of a JCAMP-DX file or leave it out")
    remarks = io.StringIO()
    try:
        with contextlib.redirect_stdout(remarks):
            content = dict(jcamp.readfile(str(path)))
    # The parser raises whatever its broken line led to.
    except Exception as error:
        raise DensnetError(
            f"{path}: not a readable JCAMP-DX file ({type(error).__name__}: {error}); export it again"
        ) from error
    if "jcamp-dx" not in content and "title" not in content:
        raise DensnetError(f"{path}: not a JCAMP-DX file (no ##TITLE= nor ##JCAMP-DX=); export it again")
    if content.get("children"):
        raise DensnetError(f"{path}: expected one spectrum, found {len(content['children'])} blocks; export one alone")
    n_x, n_y = np.size(content["x"]), np.size(content["y"])
    expected = content.get("npoints", n_y)
    if n_y == 0:
        raise DensnetError(f"{path}: no data (##XYDATA= in (X++(Y..Y)) or (XY..XY) form expected); export it again")
    if n_x != n_y or n_y != expected or ("end" not in content and "npoints" not in content):
        raise DensnetError(f"{path}: truncated: expected {expected} points, found {n_y}; fetch the file again")
    return content


def _wavenumbers(x: Array, units: str, path: Path) -> Array:
    """Return the abscissa in 1/cm."""
    name = units.strip().lower().replace(" ", "")
    if name in ("1/cm", "cm-1", "cm^-1", "wavenumbers", "wavenumber"):
        return x
    per_unit = {"micrometers": 1e4, "micrometer": 1e4, "microns": 1e4, "um": 1e4, "nanometers": 1e7, "nm": 1e7}
    per_unit |= {"\u00b5m": 1e4, "\u03bcm": 1e4, "wavelength(um)": 1e4, "nanometer": 1e7}
    if name not in per_unit:
        raise DensnetError(f"{path}: ##XUNITS= expected 1/CM, MICROMETERS or NANOMETERS, found {units!r}")
    if (x <= 0).any():
        raise DensnetError(f"{path}: expected positive wavelengths, found {x.min():g} {units}")
    return per_unit[name] / x


def _absorbance(y: Array, units: str, path: Path, notes: list[str]) -> Array:
    """Return the ordinate as absorbance; ``notes`` takes what had to be put right."""
    name = units.strip().lower()
    if name == "absorbance" or "(base 10)" in name or name in ("arbitrary units", "absorbance units"):
        return y
    if not ("transmit" in name or name in ("%t", "t", "t%")):
        raise DensnetError(f"{path}: ##YUNITS= expected TRANSMITTANCE or ABSORBANCE, found {units!r}")
    transmittance = y
    if "%" in name or "percent" in name:
        transmittance = y / 100.0
    elif np.nanpercentile(y, 99) > 2.0:
        transmittance = y / 100.0
        notes.append("transmittance beyond 2: read as percent")
    below, above = transmittance <= 0, transmittance > 1
    if below.mean() > MAX_UNPHYSICAL_SHARE:
        raise DensnetError(f"{path}: {below.mean():.0%} of the transmittances are not positive; check ##YUNITS=")
    if below.any():
        notes.append(f"{int(below.sum())} points with transmittance <= 0 set to {LOWEST_TRANSMITTANCE:g} (saturated)")
    if above.any():
        notes.append(f"{int(above.sum())} points with transmittance > 1 set to 1 (baseline)")
    return -np.log10(np.clip(transmittance, LOWEST_TRANSMITTANCE, 1.0))
