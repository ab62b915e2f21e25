"""Orders and signs of basis functions in different programs, as data.

A convention says, for each l, in which order a shell's 2 l + 1 real solid harmonics run and with which sign. The
harmonics themselves are the standard real ones: m > 0 goes with cos(m φ), m < 0 with sin(|m| φ), without the
Condon-Shortley phase, so that l = 1 is m = -1: y, m = 0: z, m = +1: x.

* ``densnet``: m = -l .. l for every l. e3nn's harmonics are these, fed with (y, z, x): its polar axis is y.
* ``pyscf``: m = -l .. l, except l = 1, which runs x, y, z.
* ``psi4``: m = 0, +1, -1, +2, -2 ... for every l, with shells in the order of Psi4's own basis set object.
* ``molden``: as ``psi4``, except l = 1, which runs x, y, z; the format itself ends at l = 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.basis.basis import L_MAX
from densnet.errors import DensnetError


@dataclass(frozen=True)
class Convention:
    """Order and signs of the functions of a shell.

    Attributes:
        m: for each l the values of m in the order in which they come, (2 l + 1,).
        signs: for each l, the factor ±1 between the program's function and the standard one, (2 l + 1,).
    """

    m: tuple[tuple[int, ...], ...]
    signs: tuple[tuple[int, ...], ...]


_ASCENDING = tuple(tuple(range(-l, l + 1)) for l in range(L_MAX + 1))
_ALTERNATING = tuple((0, *(sign * m for m in range(1, l + 1) for sign in (1, -1))) for l in range(L_MAX + 1))
_POSITIVE = tuple((1,) * (2 * l + 1) for l in range(L_MAX + 1))

CONVENTIONS: dict[str, Convention] = {
    "densnet": Convention(m=_ASCENDING, signs=_POSITIVE),
    "pyscf": Convention(m=(_ASCENDING[0], (1, -1, 0), *_ASCENDING[2:]), signs=_POSITIVE),
    "psi4": Convention(m=_ALTERNATING, signs=_POSITIVE),
    "molden": Convention(m=(_ALTERNATING[0], (1, -1, 0), *_ALTERNATING[2:]), signs=_POSITIVE),
}


def to_canonical(convention: str, shells: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return index and sign, each (k,), with ``canonical[k] = sign[k] * source[index[k]]``.

    Args:
        convention: a key of :data:`CONVENTIONS`.
        shells: (atom, l) of each shell, in the source's own order; shells of the same atom and l keep their order.

    Raises:
        DensnetError: unknown convention, or l beyond what is supported.
    """
    if convention not in CONVENTIONS:
        raise DensnetError(f"convention: expected one of {sorted(CONVENTIONS)}, got {convention!r}")
    if any(not 0 <= l <= L_MAX for _, l in shells):
        raise DensnetError(f"convention {convention!r}: angular momenta must be 0 to {L_MAX}, got {list(shells)}")
    table = CONVENTIONS[convention]
    starts = np.concatenate([[0], np.cumsum([2 * l + 1 for _, l in shells])]).astype(np.int64)
    index: list[int] = []
    sign: list[float] = []
    for shell in sorted(range(len(shells)), key=lambda s: shells[s]):
        l = shells[shell][1]
        for m in range(-l, l + 1):
            place = table.m[l].index(m)
            index.append(int(starts[shell]) + place)
            sign.append(float(table.signs[l][place]))
    return np.asarray(index, dtype=np.int64), np.asarray(sign, dtype=np.float64)


def from_canonical(convention: str, shells: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return index and sign with ``source[j] = sign[j] * canonical[index[j]]``, the inverse of :func:`to_canonical`.

    Raises:
        DensnetError: as :func:`to_canonical`.
    """
    index, sign = to_canonical(convention, shells)
    inverse = np.argsort(index)
    return inverse, sign[inverse]
