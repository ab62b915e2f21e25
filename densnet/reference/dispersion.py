"""D4 dispersion (Caldeweyher et al., J. Chem. Phys. 150, 154122 (2019)) by the dftd4 package."""

from __future__ import annotations

import difflib

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError

KNOWN: tuple[str, ...] = (
    "hf",
    "blyp",
    "bp86",
    "pbe",
    "pbesol",
    "revpbe",
    "rpbe",
    "tpss",
    "scan",
    "r2scan",
    "m06l",
    "b97d",
)
KNOWN += ("b3lyp", "b3pw91", "bhlyp", "pbe0", "revpbe0", "tpssh", "pw6b95", "m06", "camb3lyp", "lcblyp", "r2scan0")
"""Some names that dftd4 has parameters for, to suggest from."""


def check_d4(functional: str) -> None:
    """Check that D4 has damping parameters for a functional.

    Raises:
        DensnetError: it has none.
    """
    from dftd4.interface import DampingParam

    try:
        DampingParam(method=functional.lower())
    except RuntimeError as error:
        close = difflib.get_close_matches(functional.lower().replace("-", ""), KNOWN, n=3)
        hint = f"choose {' or '.join(close)}, or set" if close else "set"
        raise DensnetError(
            f"dispersion: d4 has no parameters for the functional {functional!r}; {hint} dispersion to none"
        ) from error


def d4(
    functional: str, numbers: NDArray[np.int64], positions: NDArray[np.float64], charge: int
) -> tuple[float, NDArray[np.float64]]:
    """Return the D4 energy and its gradient with respect to the positions.

    Args:
        numbers: atomic numbers, (i,).
        positions: bohr, (i, x).

    Returns:
        Hartree, and Hartree/bohr (i, x).

    Raises:
        DensnetError: no parameters for this functional.
    """
    from dftd4.interface import DampingParam, DispersionModel

    check_d4(functional)
    result = DispersionModel(np.asarray(numbers), np.asarray(positions), charge=float(charge)).get_dispersion(
        DampingParam(method=functional.lower()), grad=True
    )
    return float(result["energy"]), np.asarray(result["gradient"])
