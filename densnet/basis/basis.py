"""Atom-centred Gaussian basis sets as data, and the canonical order of their functions."""

from __future__ import annotations

import difflib
import functools
import json
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from densnet.errors import DensnetError

L_MAX = 6
"""Highest angular momentum that the conventions and the integrals are written for."""


@dataclass(frozen=True)
class Shell:
    r"""One contracted Gaussian shell, 2 l + 1 functions of the same radial part.

    .. math:: \chi_{lm}(r) = \sum_p a_p N_l(\alpha_p) r^l e^{-\alpha_p r^2} Y_{lm}(\hat r), \quad \int \chi_{lm}^2 = 1

    Attributes:
        l: angular momentum, 0 to 6.
        exponents: alpha_p > 0 in 1/bohr².
        coefficients: a_p, those of *normalised* primitives; on construction they are scaled (by a positive factor, so
            signs stay) until the contracted function is normalised.

    Raises:
        DensnetError: l out of range, exponents not positive, lengths differ, or a contraction that vanishes.
    """

    l: int
    exponents: tuple[float, ...]
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        exponents = np.asarray(self.exponents, dtype=float)
        coefficients = np.asarray(self.coefficients, dtype=float)
        if not 0 <= self.l <= L_MAX:
            raise DensnetError(f"shell: l must be 0 to {L_MAX}, got {self.l}; choose another basis")
        if exponents.shape != coefficients.shape or exponents.ndim != 1 or exponents.size == 0:
            raise DensnetError(
                f"shell with l = {self.l}: expected as many coefficients as exponents (at least one), "
                f"got {coefficients.size} and {exponents.size}"
            )
        if not (np.isfinite(exponents).all() and (exponents > 0).all()):
            raise DensnetError(f"shell with l = {self.l}: exponents must be positive, got {self.exponents}")
        square = float(coefficients @ _primitive_overlap(exponents, self.l) @ coefficients)
        if not (math.isfinite(square) and square > 1e-20):
            raise DensnetError(f"shell with l = {self.l}: the contraction {self.coefficients} cannot be normalised")
        # Rescaling a normalised shell would change its last digit at each reading and spoil equality of bases; where
        # large coefficients cancel, the square of the norm is 1 to no more than 1e-12.
        scale = 1.0 if abs(square - 1.0) < 1e-10 else 1.0 / math.sqrt(square)
        object.__setattr__(self, "l", int(self.l))
        object.__setattr__(self, "exponents", tuple(float(x) for x in exponents))
        object.__setattr__(self, "coefficients", tuple(float(x) for x in coefficients * scale))


@dataclass(frozen=True)
class Layout:
    """What each function of a molecule's basis is, in canonical order; four integer arrays of shape (k,).

    Attributes:
        atom: index of the atom.
        l: angular momentum.
        n: index of the shell among the atom's shells of that l.
        m: -l .. l; the real solid harmonics of :mod:`densnet.basis.conventions`.
    """

    atom: NDArray[np.int64]
    l: NDArray[np.int64]
    n: NDArray[np.int64]
    m: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.atom)


@dataclass(frozen=True)
class Basis:
    """A basis set: its name and the shells of each element.

    Canonical order of a molecule's functions: atoms as they come; within an atom l ascending; within l the shells as
    the basis lists them; within a shell m = -l .. l, for every l (so l = 1 runs y, z, x).

    Attributes:
        name: the name it was made from; it identifies nothing, the shells do.
        shells: by atomic number; sorted by l on construction, shells of the same l keep their order.

    Raises:
        DensnetError: an element without shells, or an atomic number that does not exist.
    """

    name: str
    shells: Mapping[int, tuple[Shell, ...]]

    def __post_init__(self) -> None:
        for number, shells in self.shells.items():
            if not 0 < number < len(chemical_symbols) or not shells:
                raise DensnetError(f"basis {self.name!r}: element {number} needs an atomic number > 0 and some shells")
        ordered = {
            int(number): tuple(sorted(self.shells[number], key=lambda shell: shell.l)) for number in sorted(self.shells)
        }
        object.__setattr__(self, "shells", ordered)

    @classmethod
    def from_name(cls, name: str, numbers: Iterable[int]) -> Basis:
        """Look a basis set up by name, offline, in PySCF's library and then in the Basis Set Exchange.

        Names are insensitive to case, hyphens and underscores; the usual aliases work (def2-SVP-JKFIT is
        def2-universal-JKFIT). Generally contracted shells become one shell a contraction.

        Args:
            numbers: atomic numbers (repeats allowed) of the elements that are needed.

        Raises:
            DensnetError: no basis of that name (the nearest names are given), or it lacks an element.
        """
        elements = sorted({int(number) for number in numbers})
        return cls(name=name, shells={number: _look_up(name, number) for number in elements})

    @classmethod
    def from_json(cls, text: str, where: object = "") -> Basis:
        """Read what :meth:`to_json` wrote.

        Args:
            text: JSON.
            where: it stands, the name of a file, for messages.

        Raises:
            DensnetError: the text is not a basis set.
        """
        try:
            content = json.loads(text)
            shells = {
                int(number): tuple(Shell(int(s["l"]), tuple(s["exponents"]), tuple(s["coefficients"])) for s in listed)
                for number, listed in content["shells"].items()
            }
            return cls(name=str(content["name"]), shells=shells)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            form = '{"name": ..., "shells": {"6": [{"l", "exponents", "coefficients"}]}}'
            raise DensnetError(
                f"{where or 'basis set'}: expected a basis set as JSON {form}, got something else "
                f"({type(error).__name__}: {error})"
            ) from error

    def to_json(self) -> str:
        """Return the basis as JSON that keeps every digit."""
        shells = {
            str(number): [
                {"l": s.l, "exponents": list(s.exponents), "coefficients": list(s.coefficients)} for s in listed
            ]
            for number, listed in self.shells.items()
        }
        return json.dumps({"name": self.name, "shells": shells})

    def of(self, number: int) -> tuple[Shell, ...]:
        """Return an element's shells.

        Raises:
            DensnetError: the basis was made without this element.
        """
        if int(number) not in self.shells:
            have = ", ".join(chemical_symbols[z] for z in self.shells)
            raise DensnetError(
                f"basis {self.name!r}: no functions for {_symbol(number)}; it was made for {have}; "
                f"name a basis that has this element"
            )
        return self.shells[int(number)]

    def n_radial(self, number: int, l: int) -> int:
        """Return how many shells of angular momentum ``l`` an element has."""
        return sum(shell.l == l for shell in self.of(number))

    @property
    def l_max(self) -> int:
        """Highest angular momentum of any element."""
        return max(shell.l for shells in self.shells.values() for shell in shells)

    def n_functions(self, numbers: Sequence[int] | NDArray[np.integer]) -> int:
        """Return the number of functions k of a molecule."""
        return sum(2 * shell.l + 1 for number in numbers for shell in self.of(int(number)))

    def layout(self, numbers: Sequence[int] | NDArray[np.integer]) -> Layout:
        """Say which atom, l, shell and m each function of a molecule belongs to, in canonical order."""
        rows: list[tuple[int, int, int, int]] = []
        for atom, number in enumerate(numbers):
            seen: dict[int, int] = {}
            for shell in self.of(int(number)):
                n = seen.get(shell.l, 0)
                seen[shell.l] = n + 1
                rows.extend((atom, shell.l, n, m) for m in range(-shell.l, shell.l + 1))
        table = np.asarray(rows, dtype=np.int64).reshape(-1, 4)
        return Layout(atom=table[:, 0], l=table[:, 1], n=table[:, 2], m=table[:, 3])


def _primitive_overlap(exponents: NDArray[np.float64], l: int) -> NDArray[np.float64]:
    """Overlap of normalised primitives on one centre, (2 sqrt(ab) / (a + b))^(l + 3/2)."""
    a, b = exponents[:, None], exponents[None, :]
    return (2.0 * np.sqrt(a * b) / (a + b)) ** (l + 1.5)


def _symbol(number: int) -> str:
    return chemical_symbols[number] if 0 < number < len(chemical_symbols) else f"Z = {number}"


def _simplified(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


@functools.cache
def _known_names() -> dict[str, str]:
    """Map the simplified form of every known basis name to a form that a person recognises."""
    from basis_set_exchange import get_all_basis_names
    from pyscf.gto.basis import ALIAS

    names = {key: str(file).removesuffix(".dat") for key, file in ALIAS.items()}
    hyphened = {key: re.sub(r"^def2(.+?)(jkfit|jfit|ri)$", r"def2-\1-\2", key) for key in names}
    names = {key: stem if _simplified(stem) == key else hyphened[key] for key, stem in names.items()}
    return names | {_simplified(name): name for name in get_all_basis_names()}


def _look_up(name: str, number: int) -> tuple[Shell, ...]:
    from pyscf.gto import basis as library
    from pyscf.lib.exceptions import BasisNotFoundError

    known = _known_names()
    if _simplified(name) not in known:
        near = difflib.get_close_matches(_simplified(name), known, n=3, cutoff=0.6)
        hint = "nearest names: " + ", ".join(known[key] for key in near) if near else "no name is similar"
        raise DensnetError(f"basis {name!r}: no such basis set; {hint}")
    if _symbol(number) not in atomic_numbers:
        raise DensnetError(f"basis {name!r}: expected atomic numbers, got {number}")
    # PySCF looks aliases up in its own files and passes other names on to the Basis Set Exchange as they are written.
    # The space keeps it from reading a file of that name that happens to lie in the working directory.
    spelled = f"{_simplified(name)} " if _simplified(name) in library.ALIAS else known[_simplified(name)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            listed = library.load(spelled, chemical_symbols[number])
    except (BasisNotFoundError, KeyError, RuntimeError) as error:
        raise DensnetError(
            f"basis {name!r}: has no functions for {_symbol(number)}; choose a basis that covers every element"
        ) from error
    shells = [
        Shell(int(entry[0]), tuple(row[0] for row in rows), tuple(row[column] for row in rows))
        for entry in listed
        for column in range(1, len(entry[1]))
        for rows in [[row for row in entry[1:] if row[column] != 0.0]]
    ]
    return tuple(sorted(shells, key=lambda shell: shell.l))
