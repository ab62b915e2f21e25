r"""Density coefficients in metatensor's format (.mts), in the layout of lab-cosmo's density models.

A file is a map from (o3_lambda, o3_sigma, atom_type) - degree l, parity, atomic number - to blocks of coefficients

.. math:: \rho(r) = \sum_k c_k \chi_k(r), \qquad c_k = \text{block}_{l, Z}[(\text{system}, \text{atom}), \mu, n],

of the samples "system" (frame) and "atom", the component o3_mu (m = -l .. l, real solid harmonics as in
:mod:`densnet.basis.conventions`, so p functions run y, z, x) and the property "n", the shell among those of that l, in
the order of the basis set. Functions are normalised, ∫χ² = 1; coefficients are in bohr^(-3/2). NaN stands for functions
that an element lacks. Our files name their basis in the map's info.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.basis.basis import L_MAX, Basis
from densnet.errors import DensnetError
from densnet.fitting.fit_basis import basis_from_file
from densnet.fitting.settings import NATURAL
from densnet.io.netcdf import write_atomically
from densnet.reference.imported_files import LABELLED, Reader
from densnet.reference.labelled_xyz import read_labelled_xyz
from densnet.reference.level import UNSAID, level_in

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

INSTALL = "run .venv/bin/pip install '.[mts]'"
ATOM_TYPES = ("atom_type", "center_type")
"""Names of the atomic number among the keys, in files of SCFBench and of rholearn."""
BASIS = "densnet_basis"
"""Key of the map's info under which our files hold the basis as JSON."""


def write_mts(path: Path, basis: Basis, numbers: Numbers, coefficients: Array) -> None:
    """Write coefficients (t, k), canonical order, of t frames of one molecule, with all digits.

    Raises:
        DensnetError: metatensor is not installed; a name that does not end in .mts; the file cannot be written.
    """
    _check_installed()
    if path.suffix != ".mts":
        raise DensnetError(f"output: expected a name that ends in .mts, found {path.name}; metatensor asks for it")
    from metatensor.io import save_buffer

    # metatensor's own writer has errors of its own for a full disk
    content = bytes(save_buffer(tensor_map(basis, numbers, coefficients)))
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def tensor_map(basis: Basis, numbers: Numbers, coefficients: Array) -> Any:
    """Return metatensor's TensorMap of coefficients (t, k), canonical order."""
    from metatensor import Labels, TensorBlock, TensorMap

    layout, frames = basis.layout(numbers), len(coefficients)
    element = np.asarray(numbers)[layout.atom]
    keys, blocks = [], []
    for z, l in sorted({(int(z), int(l)) for z, l in zip(element, layout.l, strict=True)}):
        k = np.flatnonzero((element == z) & (layout.l == l))
        atoms, shells = np.unique(layout.atom[k]), int(layout.n[k].max()) + 1
        # canonical order is atom, shell, m; the block's is frame and atom, m, shell
        values = coefficients[:, k].reshape(frames, len(atoms), shells, 2 * l + 1).swapaxes(2, 3)
        samples = np.stack([np.repeat(np.arange(frames), len(atoms)), np.tile(atoms, frames)], axis=1)
        keys.append([l, 1, z])
        blocks.append(
            TensorBlock(
                values=np.ascontiguousarray(values.reshape(-1, 2 * l + 1, shells)),
                samples=Labels(["system", "atom"], samples.astype(np.int32)),
                components=[Labels(["o3_mu"], np.arange(-l, l + 1, dtype=np.int32)[:, None])],
                properties=Labels(["n"], np.arange(shells, dtype=np.int32)[:, None]),
            )
        )
    tensor = TensorMap(Labels(["o3_lambda", "o3_sigma", ATOM_TYPES[0]], np.array(keys, dtype=np.int32)), blocks)
    tensor.set_info(BASIS, basis.to_json())
    tensor.set_info("unit", "bohr^(-3/2)")
    return tensor


def read_mts(path: Path, xyz: Path, *, fit_basis: str, level: str = "") -> Reader:
    """Return coefficients, and the frames that they are of, by the keys of docs/import.md.

    Args:
        path: the mts file; system t is frame t of the xyz file.
        xyz: extended xyz file with energies and forces.
        fit_basis: name of the basis, or the path of its JSON file; "natural" where the file itself holds it.
        level: level of theory in one phrase, if the xyz file does not say it.

    Raises:
        DensnetError: metatensor is not installed; a file that cannot be read, or is no such map; no basis, or one of
            other functions; other frames or atoms than in the xyz file.
    """
    _check_installed()
    values, said = read_labelled_xyz(xyz)
    tensor = _loaded(path)
    numbers, frames = values["numbers"], len(values["positions"])
    basis = _basis(path, tensor, fit_basis, numbers)
    unsaid = {"functional": UNSAID, "orbital_basis": UNSAID}
    densities = {
        "coefficients": coefficients_of(tensor, basis, numbers, frames, path),
        "fit_basis": basis.to_json(),
        **{"order": "densnet", "normalisation": "normalised", LABELLED: True},
    }
    return Reader(path, unsaid | level_in(level) | said | values | densities, xyz, frozenset(values))


def _check_installed() -> None:
    if find_spec("metatensor") is None:
        raise DensnetError(f"mts: the package metatensor-core is not installed; {INSTALL}")


def _loaded(path: Path) -> Any:
    import metatensor

    if not path.is_file():
        raise DensnetError(f"{path}: no such file; expected a TensorMap of metatensor (.mts)")
    try:
        return metatensor.load(str(path))
    except Exception as error:  # metatensor and numpy fail in as many ways as files are wrong
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DensnetError(f"{path}: expected a TensorMap of metatensor (.mts), cannot be read ({reason})") from error


def _basis(path: Path, tensor: Any, fit_basis: str, numbers: Numbers) -> Basis:
    stored = tensor.info().get(BASIS)
    if fit_basis == NATURAL and stored is None:
        raise DensnetError(f"{path}: does not hold its basis; name it by --fit-basis (such as def2-universal-jfit)")
    if fit_basis == NATURAL:
        return Basis.from_json(stored, path)
    if fit_basis.endswith(".json"):
        return basis_from_file(Path(fit_basis))
    return Basis.from_name(fit_basis, numbers)


def coefficients_of(tensor: Any, basis: Basis, numbers: Numbers, frames: int, path: Path) -> Array:
    """Return the coefficients (t, k), canonical order, of a map that has every function of the basis once.

    Raises:
        DensnetError: the map has other names, frames, atoms or functions.
    """
    if unknown := sorted(set(numbers.tolist()) - set(basis.shells)):
        raise DensnetError(
            f"{path}: its basis {basis.name!r} has no functions for {chemical_symbols[unknown[0]]}, which the xyz file "
            "has; give the geometries of the same frames"
        )
    layout = basis.layout(numbers)
    place = {key: k for k, key in enumerate(zip(layout.atom, layout.l, layout.m, layout.n, strict=True))}
    coefficients = np.full((frames, len(layout)), np.nan)
    for key, block in tensor.items():
        l, z = _degree_and_element(dict(zip(tensor.keys.names, key.values.tolist(), strict=True)), path)
        samples, m, n, values = _axes(block, path)
        for (frame, atom), by_function in zip(samples, values, strict=True):
            _check_sample(frame, atom, z, frames, numbers, path)
            for row, column in np.argwhere(np.isfinite(by_function)):
                k = place.get((atom, l, m[row], n[column]))
                if k is None:
                    raise DensnetError(
                        f"{path}: has l = {l}, m = {m[row]}, n = {n[column]} on {chemical_symbols[z]}, which the basis "
                        f"{basis.name!r} lacks; name the file's own by --fit-basis"
                    )
                coefficients[frame, k] = by_function[row, column]
    lacking = np.argwhere(np.isnan(coefficients))
    if len(lacking):
        frame, k = lacking[0]
        raise DensnetError(
            f"{path}: system {frame}: no coefficient of l = {layout.l[k]}, m = {layout.m[k]}, n = {layout.n[k]} on "
            f"atom {layout.atom[k]} ({chemical_symbols[numbers[layout.atom[k]]]}), which the basis {basis.name!r} has; "
            "name the file's own by --fit-basis"
        )
    return coefficients


def _degree_and_element(key: Mapping[str, int], path: Path) -> tuple[int, int]:
    """Return l and the atomic number of a block's key."""
    element = [name for name in ATOM_TYPES if name in key]
    if "o3_lambda" not in key or len(element) != 1:
        raise DensnetError(
            f"{path}: expected the keys o3_lambda, o3_sigma and {' or '.join(ATOM_TYPES)}, found {', '.join(key)}; "
            "give coefficients of a density in lab-cosmo's layout"
        )
    if key.get("o3_sigma", 1) != 1:
        raise DensnetError(f"{path}: o3_sigma: expected 1, as of densities, found {key['o3_sigma']}")
    l, z = key["o3_lambda"], key[element[0]]
    if not (0 <= l <= L_MAX and 0 < z < len(chemical_symbols)):
        raise DensnetError(f"{path}: expected degrees up to {L_MAX} and atomic numbers, found l = {l} of element {z}")
    return l, z


def _axes(block: Any, path: Path) -> tuple[list[list[int]], list[int], list[int], Array]:
    """Return frame and atom of each sample, m of each component, n of each property, and the values of a block."""
    of_components = [name for labels in block.components for name in labels.names]
    names = [list(block.samples.names), of_components, list(block.properties.names)]
    if names != [["system", "atom"], ["o3_mu"], ["n"]]:
        found = "; ".join(", ".join(listed) for listed in names)
        raise DensnetError(f"{path}: expected samples system, atom; components o3_mu; properties n, found {found}")
    m, n = block.components[0].values[:, 0].tolist(), block.properties.values[:, 0].tolist()
    return block.samples.values.tolist(), m, n, np.asarray(block.values, dtype=np.float64)


def _check_sample(frame: int, atom: int, z: int, frames: int, numbers: Numbers, path: Path) -> None:
    """Refuse a sample that is of no frame or atom of the geometries."""
    if not 0 <= frame < frames:
        raise DensnetError(f"{path}: system {frame}: expected one of the {frames} frames of the xyz file, from 0")
    if not 0 <= atom < len(numbers) or numbers[atom] != z:
        there = chemical_symbols[numbers[atom]] if 0 <= atom < len(numbers) else "no atom"
        raise DensnetError(
            f"{path}: system {frame}: atom {atom} is {chemical_symbols[z]}, in the xyz file {there}; give the "
            "geometries of the same frames"
        )
