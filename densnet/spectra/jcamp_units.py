"""Units and kinds of what JCAMP-DX files hold: to 1/cm, and to absorbance or Raman intensity.

A = -log10 T.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.spectra.kinds import Kind

Array = NDArray[np.float64]

LOWEST_TRANSMITTANCE = 1e-3
"""What a saturated band is given: no instrument of these collections measures absorbances beyond 3."""
MAX_UNPHYSICAL_SHARE = 0.5
"""Beyond this share of points outside 0 < T <= 1 the ordinate is no transmittance."""
INFRARED = (50.0, 14000.0)
"""1/cm; a spectrum that lies outside altogether is in other units, or of something else."""
LARGEST_WAVENUMBER = 1e5
"""1/cm; beyond it an abscissa is damaged."""
RAMAN = (50.0, 6000.0)
"""1/cm; Raman shifts that lie outside altogether are absolute wavenumbers, or in other units."""
LARGEST_ABSORBANCE = 10.0
"""No detector sees one photon in 10^10."""


def check_data_type(said: str | None, path: Path, notes: list[str], kind: Kind) -> None:
    """Refuse what is said to be another kind of spectrum.

    Args:
        said: ##DATA TYPE= of the file.
        path: of the file.
        notes: takes that the file does not say it.
        kind: what is expected.
    """
    article: dict[Kind, str] = {"infrared": "an infrared", "raman": "a Raman"}
    if not said:
        notes.append(f"the file does not say its ##DATA TYPE=: taken for {article[kind]} spectrum")
        return
    words = set(re.sub(r"[^A-Z]+", " ", said.upper()).split())
    is_raman, unusable = "RAMAN" in words, {"INTERFEROGRAM", "PEAK"} & words
    is_infrared = bool({"INFRARED", "IR", "FTIR", "MIDINFRARED", "MIR", "FIR", "NIR"} & words) and not is_raman
    if unusable or not (is_raman if kind == "raman" else is_infrared):
        other: Kind = "infrared" if kind == "raman" else "raman"
        swapped = not unusable and (is_raman or is_infrared)
        remedy = f"give {article[kind]} spectrum" + f", or lay it beside {article[other]} one" * swapped
        raise DensnetError(f"{path}: ##DATA TYPE= expected {kind.upper()} SPECTRUM, found {said!r}; {remedy}")


def wavenumbers(x: Array, units: str, path: Path) -> Array:
    """Return the abscissa in 1/cm."""
    name = _bare(units)
    factor: float | None
    if "shift" in name:
        factor = None
    elif re.fullmatch(r"(wavenumbers?|reciprocalcentimet(er|re)s?)?(in)?(1cm|cm-1)?", name) and name:
        factor = 0.0
    elif re.fullmatch(r"(wavelength)?(in)?(micromet(er|re)s?|microns?|um)", name):
        factor = 1e4
    elif re.fullmatch(r"(wavelength)?(in)?(nanomet(er|re)s?|nm)", name):
        factor = 1e7
    else:
        factor = None
    if factor is None:
        raise DensnetError(f"{path}: ##XUNITS= expected 1/CM, MICROMETERS or NANOMETERS, found {units!r}")
    if factor and (x <= 0).any():
        raise DensnetError(f"{path}: expected positive wavelengths, found {x.min():g} {units}")
    wavenumber = factor / x if factor else x
    low, high = np.nanmin(wavenumber), np.nanmax(wavenumber)
    if high < INFRARED[0] or low > INFRARED[1] or low < 0 or high > LARGEST_WAVENUMBER:
        looks = "; do they look like micrometres?" if not factor and 0 < high < INFRARED[0] else ""
        looks = "; do they look like 1/cm?" if factor == 1e4 and high < INFRARED[0] else looks
        raise DensnetError(
            f"{path}: abscissas from {x.min():g} to {x.max():g} are no infrared spectrum in {units}{looks} Correct "
            "##XUNITS= or give another file"
        )
    return wavenumber


def absorbance(y: Array, units: str, path: Path, notes: list[str]) -> Array:
    """Return the ordinate as absorbance; ``notes`` takes what had to be put right."""
    name = re.sub(r"\s+", " ", units.strip().lower())
    largest, middle = np.nanpercentile(y, 99), np.nanmedian(y)
    if re.match(r"absorbance|absorption|a\.?u\.?$|arbitrary units|abs$", name) or "(base 10)" in name:
        if name.startswith("abs") and largest > LARGEST_ABSORBANCE:
            raise DensnetError(
                f"{path}: ##YUNITS={units} with values up to {largest:g}: percent transmittance? Correct ##YUNITS="
            )
        if name.startswith("abs") and largest > 0.5 and middle > 0.9 * largest:
            notes.append("most of the spectrum absorbs as strongly as its strongest band: is it a transmittance?")
        return y
    if not ("transmit" in name or "transmission" in name or name in ("%t", "t", "t%", "% t")):
        raise DensnetError(f"{path}: ##YUNITS= expected TRANSMITTANCE or ABSORBANCE, found {units!r}")
    transmittance = y
    if "%" in name or "percent" in name:
        if largest > 2.0:
            transmittance = y / 100.0
        else:
            notes.append(f"percent transmittance that does not exceed {largest:.3g}: read as fractions of one")
    elif largest > 2.0:
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


def raman_shifts(x: Array, y: Array, units: str, path: Path, notes: list[str]) -> tuple[Array, Array]:
    """Return Raman shifts in 1/cm, those on the laser's other side left out, and what was measured there."""
    if not re.fullmatch(r"(?=.)(raman|relative)?(shift|wavenumbers?)?(in)?(1cm|cm-1)?", _bare(units)):
        raise DensnetError(
            f"{path}: ##XUNITS= expected 1/CM or RAMAN SHIFT, found {units!r}; give shifts from the laser in 1/cm"
        )
    if not ((x > RAMAN[0]) & (x < RAMAN[1])).any():
        raise DensnetError(
            f"{path}: abscissas from {x.min():g} to {x.max():g} are no Raman shifts in {units}; subtract them from the "
            "laser's wavenumber, correct ##XUNITS= or give another file"
        )
    other_side = x <= 0
    if other_side.any():
        notes.append(f"{int(other_side.sum())} points at Raman shifts of zero and below (anti-Stokes) left out")
    return x[~other_side], y[~other_side]


def scattering(y: Array, units: str, path: Path) -> Array:
    """Return the ordinate of a Raman spectrum, whose scale is arbitrary."""
    if not re.search(r"raman|scatter|intensit|arbitrary|counts?|^a\.?\s*u\.?$|^cps$", units.strip().lower()):
        raise DensnetError(f"{path}: ##YUNITS= expected RAMAN INTENSITY or ARBITRARY UNITS, found {units!r}")
    return y


def _bare(units: str) -> str:
    """Return the name of a unit in small letters without signs."""
    bare = re.sub(r"[\s()\[\]/^*.]", "", units.lower())
    return bare.replace("⁻¹", "-1").replace("\u03bc", "u").replace("\u00b5", "u")
