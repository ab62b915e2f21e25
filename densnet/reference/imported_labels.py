"""The stage ``densnet import``: what other codes made becomes the same ``labels.nc`` as Psi4's labels.

Orbitals take the way of Psi4's: they are written as geometries, a shard and free atoms, and fitted by the stage "fit".
Coefficients of a named basis are taken over; only charge and dipole are made exact, as in our own fits.
"""

from __future__ import annotations

import functools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.errors import DensnetError
from densnet.fitting.fitted_labels import fit_labels
from densnet.fitting.kohn_sham_labels import psi4_version
from densnet.fitting.label_content import FittedFrame, label_content
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.potential import Make
from densnet.processes.pool import map_in_processes, one_thread, report_progress
from densnet.quantities import DIPOLE, ENERGY, FORCES
from densnet.reference import import_checks as checks
from densnet.reference.force_checks import check_forces
from densnet.reference.imported_coefficients import ImportedMolecule, take_frame
from densnet.reference.imported_data import ImportedData
from densnet.reference.imported_frames import ImportedFrames
from densnet.reference.imported_split import Selection, SplitSettings, select

METHOD_VERSION: int = 1

Array = NDArray[np.float64]

OF_DIPOLE = "dipole about the frame's origin"
SAME_FUNCTIONS = 1e-6
"""Relative; exponents and coefficients of a basis set as two programs have them."""


@dataclass(frozen=True)
class ImportedAtoms:
    """Free atoms at the labels' level: density matrices (m, m), canonical order of ``basis``, and energies in eV."""

    basis: Basis
    density_matrices: dict[int, Array]
    energies: dict[int, float]


@one_thread()
def import_labels(
    data: ImportedData,
    settings: FitSettings,
    split: SplitSettings,
    *,
    atoms: Path | None,
    processes: int,
    force_check: Make | None,
) -> xr.Dataset:
    """Check labels made elsewhere and return the content of ``labels.nc``.

    Args:
        data: from :func:`densnet.reference.imported_data.read_data`.
        settings: of the fit; coefficients that are given need its grid and eigenvalue cutoff alone.
        split: for frames that have none.
        atoms: file of ``densnet atoms`` at the same functional and basis; None if ``data`` has free atoms.
        processes: worker processes, one thread each; the result does not depend on it.
        force_check: makes GFN2-xTB, which forces are held against; None takes them as they are.

    Raises:
        DensnetError: orbitals are not orthonormal; charge, dipole, overlap or energy contradict the density; forces
            contradict the energies; no free atoms; a split that cannot be made; the fit fails.
    """
    free = atoms_of(data, atoms)
    checks.check_energies(data, free.energies)
    if force_check is not None:
        check_forces(data, force_check)
    selection = select(data, split)
    make = _fitted if data.coefficients is None else _taken_over
    labels = make(data, free, settings, selection, processes)
    source = variable(
        ("frame",), selection.rows[labels["frame"].values], "1", "index of the frame in the imported file"
    )
    return labels.assign(source_frame=source).assign_attrs(imported_from=data.source.name, program=data.program)


def atoms_of(data: ImportedData, path: Path | None) -> ImportedAtoms:
    """Return the free atoms of the file of ``densnet atoms`` or, without one, those that came with the data.

    Raises:
        DensnetError: an element is missing, or the file is of another level of theory than the data.
    """
    elements = sorted({int(number) for number in data.numbers})
    if path is not None:
        return _psi4_atoms(data, path, elements)
    lacking = [z for z in elements if z not in data.atom_density_matrices or z not in data.atom_energies]
    if lacking or data.orbital_functions is None:
        symbol = chemical_symbols[(lacking or elements)[0]]
        raise DensnetError(
            f"{data.source}: no free atom for {symbol}; add atom_density_matrix_{symbol} and atom_energy_{symbol}, or "
            "give a file of 'densnet atoms' at the same functional and basis (--atoms)"
        )
    return ImportedAtoms(
        data.orbital_functions.basis,
        {z: data.atom_density_matrices[z] for z in elements},
        {z: data.atom_energies[z] for z in elements},
    )


def free_atoms_at_level(data: ImportedFrames, path: Path) -> xr.Dataset:
    """Read a file of ``densnet atoms``.

    Raises:
        DensnetError: no such file, or one of another level of theory than the data.
    """
    dataset = read_dataset(path, stage="atoms", variables=("element", "energy"))
    for name, expected in (("functional", data.functional), ("basis", data.orbital_basis_name)):
        if str(dataset.attrs.get(name)).lower() != expected.lower():
            raise DensnetError(
                f"{path}: its {name} is {dataset.attrs.get(name)!r}, that of {data.source} is {expected!r}; "
                "run 'densnet atoms' at the labels' level"
            )
    return dataset


def _psi4_atoms(data: ImportedData, path: Path, elements: list[int]) -> ImportedAtoms:
    dataset = free_atoms_at_level(data, path)
    basis = Basis.from_json(dataset.attrs["orbital_basis"])
    matrices: dict[int, Array] = {}
    for number in elements:
        symbol = chemical_symbols[number]
        if f"density_matrix_{symbol}" not in dataset:
            raise DensnetError(f"{path}: no free atom for {symbol}; run 'densnet atoms' for all elements")
        shells = [(0, int(l)) for l in json.loads(dataset.attrs["psi4_shells"])[str(number)]]
        index, sign = to_canonical(dataset.attrs["ao_convention"], shells)
        matrices[number] = dataset[f"density_matrix_{symbol}"].values[np.ix_(index, index)] * np.outer(sign, sign)
    functions = data.orbital_functions
    if functions is not None:
        if not all(_same_functions(basis, functions.basis, number) for number in elements):
            raise DensnetError(
                f"{path}: its orbital basis is not the {functions.basis.name!r} of {data.source}; put the free atoms "
                "of the same program into the npz"
            )
        basis = functions.basis
    energies = dataset["energy"]
    return ImportedAtoms(basis, matrices, {z: float(energies.sel(element=z)) for z in elements})


def _same_functions(first: Basis, second: Basis, number: int) -> bool:
    pairs = list(zip(first.of(number), second.of(number), strict=False))
    return len(first.of(number)) == len(second.of(number)) and all(
        a.l == b.l
        and len(a.exponents) == len(b.exponents)
        and np.allclose(a.exponents, b.exponents, rtol=SAME_FUNCTIONS)
        and np.allclose(a.coefficients, b.coefficients, rtol=SAME_FUNCTIONS, atol=SAME_FUNCTIONS)
        for a, b in pairs
    )


def level_attributes(data: ImportedFrames) -> dict[str, Any]:
    """Attributes that name the level of theory, as Psi4's files have them; what is not known is NaN."""
    return {
        "functional": data.functional,
        "basis": data.orbital_basis_name,
        "dispersion": data.dispersion,
        "energy_convergence": float("nan"),
        "density_convergence": float("nan"),
        "psi4_version": psi4_version(data.program),
        "charge": data.charge,
        "multiplicity": 1,
    }


def _fitted(
    data: ImportedData, free: ImportedAtoms, settings: FitSettings, selection: Selection, processes: int
) -> xr.Dataset:
    """Write what Psi4's stages would have written, and fit it."""
    labels = orbital_labels(data, free.basis, selection)
    contents = {
        "sample": labels.drop_vars(["orbitals", "status"]),
        "label": labels,
        "atoms": _atoms_dataset(free, labels.attrs),
    }
    with tempfile.TemporaryDirectory(prefix="densnet-import-") as folder:
        paths = {stage: Path(folder) / f"{stage}.nc" for stage in contents}
        for stage, dataset in contents.items():
            write_dataset(dataset, paths[stage], stage=stage, method_version=METHOD_VERSION, settings={})
        return fit_labels([paths["label"]], paths["sample"], paths["atoms"], settings, processes=processes)


def orbital_labels(data: ImportedData, basis: Basis, selection: Selection) -> xr.Dataset:
    """Return what "label" writes, of selected frames whose orbitals another code made, in canonical order.

    Args:
        data: with orbitals.
        basis: the orbitals' functions, as the free atoms that they are fitted with have them.

    Raises:
        DensnetError: the orbitals are not orthonormal, or have another dipole than is given.
    """
    orbitals = checks.canonical_orbitals(data)
    frames = frame_variables(data, selection, checks.orbital_dipoles(data, orbitals)[selection.rows])
    n = len(selection.rows)
    only_label = {
        "orbitals": variable(("frame", "ao", "occupied"), orbitals[selection.rows], "bohr^-3/2", "occupied orbitals"),
        "status": variable(("frame",), np.full(n, "ok"), "1", "ok, or what failed"),
    }
    attributes = level_attributes(data) | {
        "orbital_basis": basis.to_json(),
        "ao_convention": "densnet",
        "psi4_shells": json.dumps(integrals.shells_of(basis, data.numbers)),
    }
    coords = {"frame": variable(("frame",), np.arange(n), "1", "index into the geometries")}
    return xr.Dataset(frames | only_label, coords=coords, attrs=attributes)


def _atoms_dataset(free: ImportedAtoms, attributes: dict[str, Any]) -> xr.Dataset:
    elements = sorted(free.energies)
    variables: dict[str, Any] = {
        f"density_matrix_{symbol}": variable(
            (f"ao_{symbol}", f"ao_{symbol}_"), free.density_matrices[z], "bohr^-3", "density matrix, canonical order"
        )
        for z in elements
        for symbol in [chemical_symbols[z]]
    }
    variables["energy"] = variable(("element",), np.array([free.energies[z] for z in elements]), "eV", "energy")
    shells = {str(z): [shell.l for shell in free.basis.of(z)] for z in elements}
    element = variable(("element",), np.array(elements), "1", "atomic number")
    return xr.Dataset(variables, coords={"element": element}, attrs=attributes | {"psi4_shells": json.dumps(shells)})


def _taken_over(
    data: ImportedData, free: ImportedAtoms, settings: FitSettings, selection: Selection, processes: int
) -> xr.Dataset:
    """Take coefficients of a named basis over; orbitals, if there are some as well, measure their error."""
    molecule, all_frames = ImportedMolecule.of(data, free.basis, free.density_matrices)
    frames = [all_frames[row] for row in selection.rows]
    taken: list[tuple[FittedFrame, Array]] = []
    work = functools.partial(take_frame, molecule=molecule, settings=settings)
    for result in map_in_processes(work, frames, processes=processes):
        taken.append(result)
        report_progress("import", len(taken), len(frames))
    with_orbitals = molecule.orbital_basis is not None
    return label_content(
        frame_variables(data, selection, np.array([dipole for _, dipole in taken])),
        [fitted for fitted, _ in taken],
        frame=variable(("frame",), np.arange(len(taken)), "1", "index of the frame"),
        numbers=molecule.numbers,
        fit_basis=molecule.fit_basis,
        prior=molecule.prior,
        atomic_energies=free.energies,
        orbital_basis=molecule.orbital_basis,
        orbitals=np.array([frame.orbitals for frame in frames]) if with_orbitals else None,
        failures={},
        level=level_attributes(data),
    )


def frame_variables(data: ImportedFrames, selection: Selection, dipoles: Array | None) -> dict[str, Any]:
    """Variables that labels.nc takes over, for the selected frames; dipoles (t, 3) in e Å are theirs, if known."""
    frame, rows = ("frame",), selection.rows
    nearest = "root mean square difference of sorted distances to nearest train frame"
    return {
        "numbers": variable(("atom",), data.numbers, "1", "atomic numbers"),
        "positions": variable(("frame", "atom", "x"), data.positions[rows], "angstrom", "positions"),
        "split": variable(frame, selection.split.astype(str), "1", "train, validation or test"),
        "energy": ENERGY.variable(data.energies[rows]),
        "forces": FORCES.variable(data.forces[rows]),
        **({} if dipoles is None else {"dipole": DIPOLE.variable(dipoles, long_name=OF_DIPOLE)}),
        "wall_time": variable(frame, np.full(len(rows), np.nan), "s", "wall time of the label"),
        "temperature": variable(frame, data.temperature[rows], "K", "temperature of the geometries"),
        "distance_to_train": variable(frame, selection.distance_to_train, "angstrom", nearest),
    }
