r"""Even-tempered auxiliary basis sets, derived from the orbital basis whose densities they are to hold.

Exponents of one element and l are the geometric series :math:`\alpha_{lj} = \alpha_l^{\min} \beta^j` up to
:math:`\alpha_l^{\max}` (Bardo, Ruedenberg, J. Chem. Phys. 60, 918 (1974)). With :math:`a_l` the largest exponent of the
orbital basis and a the smallest of its s and p functions,

.. math:: \alpha_l^{\min} = a \{0.9, 1.1, 1.5, 2.2, 3, 4, 5\}_l, \qquad
          \alpha_l^{\max} = \{2 a_s, 2 \sqrt{a_s a_p}, 3 a_p, a_p, a_p / 2 ...\}_l :

products of two orbitals of one atom have the sums of their exponents; what a bond adds is more diffuse. The series of
l = 0 is denser, :math:`\beta^{2/3}`: the cores need it, and most of what it adds is contracted away.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from densnet.basis.basis import L_MAX, Basis, Shell
from densnet.errors import DensnetError

RATIO = 2.0
S_POWER = 2.0 / 3.0
"""The ratio of the s exponents is the others' to this power."""
HIGHEST_L = 4
LOWEST = (0.9, 1.1, 1.5, 2.2, 3.0, 4.0, 5.0)
"""Smallest exponent of each l, in units of the smallest of the element's s and p orbitals."""
FEWEST = 4
"""Shells of every l, at least."""

_NAME = re.compile(r"even-tempered(?:-(?P<ratio>\d+(?:\.\d+)?))?(?:-l(?P<l>\d+))?", re.IGNORECASE)


def series(l: int, lowest: float, highest: float, ratio: float) -> tuple[Shell, ...]:
    """Return the shells of one l whose exponents run from ``lowest`` by factors of ``ratio`` to about ``highest``.

    Raises:
        DensnetError: lowest or highest not positive, or a ratio that is not above 1.
    """
    if not (0.0 < lowest <= highest and math.isfinite(highest)):
        raise DensnetError(f"even-tempered: expected exponents 0 < lowest <= highest, got {lowest} and {highest}")
    if not ratio > 1.0:
        raise DensnetError(f"even-tempered: expected a ratio of neighbouring exponents above 1, got {ratio:g}")
    count = 1 + round(math.log(highest / lowest) / math.log(ratio))
    return tuple(Shell(l, (lowest * ratio**j,), (1.0,)) for j in range(count))


def even_tempered_from_ranges(
    name: str, ranges: Mapping[int, tuple[tuple[float, float], ...]], *, ratio: float
) -> Basis:
    """Return the even-tempered basis of given ranges: by atomic number, for l = 0, 1 ..., (lowest, highest) exponent.

    Raises:
        DensnetError: as :func:`series`.
    """
    return Basis(
        name,
        {
            number: tuple(
                shell
                for l, (low, high) in enumerate(rows)
                for shell in series(l, low, high, ratio ** (S_POWER if l == 0 else 1.0))
            )
            for number, rows in ranges.items()
        },
    )


def even_tempered(orbital_basis: Basis, *, ratio: float = RATIO, l_max: int = HIGHEST_L) -> Basis:
    """Return an even-tempered fitting basis for each element of an orbital basis.

    Args:
        orbital_basis: of the densities that are to be fitted.
        ratio: of neighbouring exponents, beta; below 1.6 or so the Coulomb matrix can no longer be factorised.
        l_max: highest angular momentum, 2 to 6; hydrogen and helium have two less.

    Raises:
        DensnetError: l_max or ratio out of range.
    """
    if not 2 <= l_max <= L_MAX:
        raise DensnetError(f"even-tempered: expected l_max from 2 to {L_MAX}, got {l_max}")
    if not 1.3 <= ratio <= 4.0:
        raise DensnetError(f"even-tempered: expected a ratio of neighbouring exponents from 1.3 to 4, got {ratio:g}")
    ranges = {number: _ranges(number, orbital_basis.of(number), ratio, l_max) for number in orbital_basis.shells}
    return even_tempered_from_ranges(f"even-tempered-{ratio:g}-l{l_max}", ranges, ratio=ratio)


def even_tempered_named(name: str, orbital_basis: Basis) -> Basis | None:
    """Return the basis that ``even-tempered``, ``even-tempered-2`` or ``even-tempered-2-l4`` means; else None.

    Raises:
        DensnetError: as :func:`even_tempered`.
    """
    match = _NAME.fullmatch(name.strip())
    if match is None:
        return None
    return even_tempered(
        orbital_basis, ratio=float(match["ratio"] or RATIO), l_max=int(match["l"]) if match["l"] else HIGHEST_L
    )


def _ranges(number: int, orbitals: tuple[Shell, ...], ratio: float, l_max: int) -> tuple[tuple[float, float], ...]:
    valence = min(exponent for shell in orbitals if shell.l <= 1 for exponent in shell.exponents)
    a_s = max((exponent for shell in orbitals if shell.l == 0 for exponent in shell.exponents), default=valence)
    a_p = max((exponent for shell in orbitals if shell.l == 1 for exponent in shell.exponents), default=4.0 * valence)
    highest = [2.0 * a_s, 2.0 * math.sqrt(a_s * a_p), 3.0 * a_p, a_p, *[0.5 * a_p] * (L_MAX - 3)]
    lowest = [valence * factor for factor in LOWEST]
    top = l_max - 2 if number <= 2 else l_max
    return tuple((lowest[l], max(highest[l], lowest[l] * ratio ** (FEWEST - 1))) for l in range(top + 1))
