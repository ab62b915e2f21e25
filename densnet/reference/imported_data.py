"""What other codes made: frames of one molecule with their densities, checked (docs/import.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import CONVENTIONS, to_canonical
from densnet.errors import DensnetError
from densnet.reference.imported_files import ATOM_KEYS, LABELLED, Reader, read_files
from densnet.reference.imported_frames import ImportedFrames, frames_of

Array = NDArray[np.float64]

NORMALISATIONS = ("normalised", "coulomb", "unnormalised")
"""∫χ² = 1 of each contracted function (densnet, PySCF's spherical functions, Psi4); (χ|χ) = 1 in hartree; bare
r^l exp(-α r²) Y_lm with ∫|Y_lm|² dΩ = 1, for shells of one primitive."""


@dataclass(frozen=True)
class OrderedFunctions:
    """Which function each row of a source's array refers to.

    Attributes:
        basis: the functions.
        order: a key of :data:`densnet.basis.conventions.CONVENTIONS`.
        shells: (atom, l) of each shell in the source's order.
    """

    basis: Basis
    order: str
    shells: tuple[tuple[int, int], ...]

    def canonical(self, array: Array, axis: int, order: str | None = None) -> Array:
        """Return ``array`` with one axis brought to canonical order, as if the source's order were ``order``."""
        index, sign = to_canonical(order or self.order, self.shells)
        shape = [1] * array.ndim
        shape[axis] = -1
        return np.take(array, index, axis=axis) * sign.reshape(shape)


@dataclass(frozen=True)
class ImportedData(ImportedFrames):
    """Frames with densities as orbitals or as coefficients.

    Attributes:
        orbitals: doubly occupied orbitals, (t, m, o), bohr^(-3/2), in the source's order, or None.
        orbital_functions: of m; None if the orbital basis is not needed.
        coefficients: (t, k) in the source's order and normalisation, or None.
        fit_functions: of k, or None.
        labelled: the file says of each coefficient which function it is of, so that their order cannot be wrong.
        normalisation: one of :data:`NORMALISATIONS`.
        overlap: of the first frame's fitting functions in the source's order and normalisation, (k, k), or None.
        atom_density_matrices: by atomic number, (m, m), canonical order of ``orbital_functions.basis``.
    """

    orbitals: Array | None
    orbital_functions: OrderedFunctions | None
    coefficients: Array | None
    fit_functions: OrderedFunctions | None
    labelled: bool
    normalisation: str
    overlap: Array | None
    atom_density_matrices: Mapping[int, Array]


def read_data(npz: Path, xyz: Path | None = None) -> ImportedData:
    """Read frames made elsewhere.

    Args:
        npz: the file of docs/import.md.
        xyz: extended xyz with energies, forces and (optionally) dipoles; the npz then holds the densities alone.

    Raises:
        DensnetError: unreadable file; a key that is missing, unknown or given twice; a wrong shape; NaN; an unknown
            basis, order or normalisation; no closed shell.
    """
    return data_of(read_files(Path(npz), None if xyz is None else Path(xyz)))


def data_of(reader: Reader) -> ImportedData:
    """Return the frames and densities that a file's values describe; raises as :func:`read_data`."""
    frames = frames_of(reader)
    numbers, n, n_electrons = frames.numbers, len(frames.positions), frames.n_electrons
    if "orbitals" not in reader and "coefficients" not in reader:
        raise DensnetError(
            f"{reader.path}: holds no density; give 'orbitals' or 'coefficients' (docs/import.md), or a model that "
            "predicts them (--density)"
        )
    needs_orbital_basis = "orbitals" in reader or any(name.startswith(ATOM_KEYS[0]) for name in reader.values)
    ao = _functions(reader, "orbital_basis", "ao_order", "ao_shells", numbers) if needs_orbital_basis else None
    fit = _functions(reader, "fit_basis", "order", "shells", numbers) if "coefficients" in reader else None
    k = fit.basis.n_functions(numbers) if fit else 0
    described = frames.orbital_basis_name
    name = _basis(described, numbers).name if _is_json(described) else described
    return ImportedData(
        **vars(replace(frames, orbital_basis_name=name)),
        orbitals=_orbitals(reader, n, ao, numbers, n_electrons) if "orbitals" in reader and ao else None,
        orbital_functions=ao,
        coefficients=reader.numeric("coefficients", (n, k)) if fit else None,
        fit_functions=fit,
        labelled=LABELLED in reader,
        normalisation=_normalisation(reader) if fit else NORMALISATIONS[0],
        overlap=reader.numeric("overlap", (k, k)) if fit and "overlap" in reader else None,
        atom_density_matrices=_atom_matrices(reader, ao, numbers) if ao else {},
    )


def _is_json(described: str) -> bool:
    return described.lstrip().startswith("{")


def _basis(described: str, numbers: NDArray[np.int64]) -> Basis:
    basis = Basis.from_json(described) if _is_json(described) else Basis.from_name(described, numbers)
    for number in numbers:
        basis.of(int(number))
    return basis


def _functions(
    reader: Reader, basis_key: str, order_key: str, shells_key: str, numbers: NDArray[np.int64]
) -> OrderedFunctions:
    basis = _basis(reader.text(basis_key), numbers)
    order = reader.text(order_key)
    if order not in CONVENTIONS:
        raise DensnetError(f"{reader.path}: {order_key} must be one of {sorted(CONVENTIONS)}, got {order!r}")
    expected = integrals.shells_of(basis, numbers)
    if shells_key not in reader:
        return OrderedFunctions(basis, order, tuple(expected))
    shells = [(int(atom), int(l)) for atom, l in reader.whole(shells_key, (-1, 2))]
    if sorted(shells) != sorted(expected):
        raise DensnetError(
            f"{reader.path}: {shells_key} does not list the shells (atom, l) of {basis_key} {basis.name!r}; "
            "correct one of the two"
        )
    return OrderedFunctions(basis, order, tuple(shells))


def _orbitals(
    reader: Reader, n: int, functions: OrderedFunctions, numbers: NDArray[np.int64], n_electrons: int
) -> Array:
    size = functions.basis.n_functions(numbers)
    orbitals = reader.raw("orbitals")
    if orbitals.ndim == 3 and orbitals.shape[1] != size:
        raise DensnetError(
            f"{reader.path}: orbitals have {orbitals.shape[1]} functions, but {functions.basis.name!r} has {size} "
            "spherical ones; name the right orbital_basis, and use no Cartesian functions"
        )
    if orbitals.ndim == 3 and 2 * orbitals.shape[2] != n_electrons:
        raise DensnetError(
            f"{reader.path}: expected {n_electrons // 2} doubly occupied orbitals for {n_electrons} electrons, got "
            f"{orbitals.shape[2]}; give the occupied ones alone, of an all-electron calculation, and the right charge"
        )
    return reader.numeric("orbitals", (n, size, n_electrons // 2))


def _normalisation(reader: Reader) -> str:
    name = reader.text("normalisation")
    if name not in NORMALISATIONS:
        raise DensnetError(f"{reader.path}: normalisation must be one of {NORMALISATIONS}, got {name!r}")
    return name


def _atom_matrices(reader: Reader, functions: OrderedFunctions, numbers: NDArray[np.int64]) -> dict[int, Array]:
    """Free atoms in canonical order; their shells come as the molecule has them on its first atom of the element."""
    matrices: dict[int, Array] = {}
    for name in reader.values:
        if not name.startswith(ATOM_KEYS[0]):
            continue
        number = atomic_numbers[name.removeprefix(ATOM_KEYS[0])]
        if number not in numbers:
            raise DensnetError(f"{reader.path}: {name} is of an element that the molecule lacks; leave it out")
        first = int(np.flatnonzero(numbers == number)[0])
        of_element = OrderedFunctions(
            functions.basis, functions.order, tuple((0, l) for atom, l in functions.shells if atom == first)
        )
        size = functions.basis.n_functions([number])
        matrices[number] = of_element.canonical(of_element.canonical(reader.numeric(name, (size, size)), 0), 1)
    return matrices
