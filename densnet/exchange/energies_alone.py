"""Labels without densities: energies and forces that other codes computed, for densities that a model predicts.

The energy model reads densities that the density model predicts (:func:`densnet.training.energy.train_energy`), never
those of the labels. So that it can learn from energies and forces alone, also at another level of theory than that of
the densities.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from ase.data import chemical_symbols

from densnet.errors import DensnetError
from densnet.exchange.qcschema import read_qcschema
from densnet.fitting.label_content import FREE_ATOMS, NO_DENSITY, OF_MODEL, OF_PRIOR, PER_BOHR
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import variable
from densnet.models.checkpoint import load_model, read_description
from densnet.models.densnet_model import DenSNet
from densnet.molecule import formula
from densnet.potential import Make
from densnet.reference.force_checks import check_forces
from densnet.reference.import_checks import check_energies
from densnet.reference.imported_files import Reader, load_npz
from densnet.reference.imported_frames import ImportedFrames, frames_of
from densnet.reference.imported_labels import frame_variables, free_atoms_at_level, level_attributes
from densnet.reference.imported_split import SplitSettings, select
from densnet.reference.labelled_xyz import read_labelled_xyz
from densnet.reference.level import UNSAID, level_in, level_name
from densnet.reference.rmd17 import LEVEL, TEMPERATURE, is_benchmark_file, read_file

LEVEL_KEYS = ("functional", "orbital_basis")
OUTSIDE = 0.2
"""Share of frames outside of a model's domain that is said: of its own training frames it is up to a tenth."""


def read_energies(path: Path, kind: str, level: str = "") -> ImportedFrames:
    """Read geometries with energies and forces.

    Args:
        path: the file.
        kind: "xyz" (:mod:`densnet.reference.labelled_xyz`), "qcschema" (:mod:`densnet.exchange.qcschema`), or "npz":
            that of docs/import.md without densities, or one of revised MD17.
        level: level of theory in one phrase, if the file does not say it.

    Raises:
        DensnetError: the file cannot be read or is at fault, or is of another level than is said.
    """
    values = {key: value for key, value in _values(path, kind).items() if not (key in LEVEL_KEYS and value == UNSAID)}
    said, given = {key: values[key] for key in LEVEL_KEYS if key in values}, level_in(level)
    if given and any(str(value).lower() != given[key].lower() for key, value in said.items()):
        found = "/".join(map(str, said.values()))
        raise DensnetError(f"level: expected that of {path}, {found}, found {level}; leave it out")
    return frames_of(Reader(path, dict.fromkeys(LEVEL_KEYS, UNSAID) | given | values))


def _values(path: Path, kind: str) -> dict[str, Any]:
    """Return what a file holds by the keys of docs/import.md."""
    if kind == "qcschema":
        return read_qcschema(path)
    if kind == "xyz":
        values, said = read_labelled_xyz(path)
        return said | values
    if is_benchmark_file(path):
        frames = read_file(path)
        level = {"functional": LEVEL["functional"], "orbital_basis": LEVEL["basis"], "dispersion": LEVEL["dispersion"]}
        by = {"program": "ORCA (revised MD17)", "temperature": TEMPERATURE}
        names = ("numbers", "positions", "energies", "forces")
        return {name: getattr(frames, name) for name in names} | level | by
    values = load_npz(path)
    densities = [name for name in ("orbitals", "coefficients") if name in values]
    if densities:
        raise DensnetError(f"{path}: has densities of its own ({densities[0]}); leave --density out")
    return values


def energy_labels(
    frames: ImportedFrames, density: Path, split: SplitSettings, *, atoms: Path | None, force_check: Make | None
) -> xr.Dataset:
    """Check energies and forces and return the content of ``labels.nc``, which names the model and has no densities.

    The energies of free atoms are those of ``atoms``, or that came with the frames, or that the model file knows; in a
    file of both models these are the references of its energies, which differ from the free atoms' by a share of the
    mean binding energy. They set the zero of what is learned and nothing else.

    Args:
        frames: from :func:`read_energies`.
        density: file of the density model, or of both models.
        split: for frames that have none.
        atoms: file of ``densnet atoms`` at the level of the energies.
        force_check: makes GFN2-xTB, which forces are held against; None takes them as they are.

    Raises:
        DensnetError: no such model, or one of other elements or another charge; energies of free atoms that are not
            known; energies and forces that contradict each other; a split that cannot be made.
    """
    model = load_model(density)
    _check_molecule(frames, model, density)
    energies, meaning = _atomic_energies(frames, model, density, atoms)
    check_energies(frames, energies)
    if force_check is not None:
        check_forces(frames, force_check)
    selection = select(frames, split)
    _say_how_far(frames, model, selection.rows)
    elements = sorted(energies)
    of_model = _level_of(density)
    dipoles = None if frames.dipoles is None else frames.dipoles[selection.rows]
    return xr.Dataset(
        frame_variables(frames, selection, dipoles)
        | {
            "prior": variable(("k",), model.prior(frames.numbers), PER_BOHR, OF_PRIOR),
            "atomic_energy": variable(("element",), np.array([energies[z] for z in elements]), "eV", meaning),
            "source_frame": variable(("frame",), selection.rows, "1", "index of the frame in the imported file"),
        },
        coords={
            "frame": variable(("frame",), np.arange(len(selection.rows)), "1", "index of the frame"),
            "element": variable(("element",), np.array(elements), "1", "atomic number"),
        },
        attrs=level_attributes(frames)
        | {
            "title": f"energies and forces of {formula(frames.numbers)}",
            "fit_basis": model.density.whitened.basis.to_json(),
            "coefficient_convention": "densnet",
            "failed_frames": "{}",
            "reference_density": NO_DENSITY,
            "density_model": density.name,
            "density_model_fingerprint": fingerprint(density),
            "density_model_level": of_model,
            "imported_from": frames.source.name,
            "program": frames.program,
        },
    )


def _check_molecule(frames: ImportedFrames, model: DenSNet, density: Path) -> None:
    """Refuse a molecule that the density model does not know, of other elements or another charge."""
    known, present = set(model.density.whitened.elements), set(frames.numbers.tolist())
    for elements, problem in ((present - known, "lacks"), (known - present, "knows, and the molecule does not have,")):
        if elements:
            symbols = ", ".join(chemical_symbols[z] for z in sorted(elements))
            raise DensnetError(
                f"{density}: the density model {problem} {symbols}; expected one of the elements of {frames.source}, "
                f"{', '.join(chemical_symbols[z] for z in sorted(present))}; train it on such molecules"
            )
    if model.density.charge != frames.charge:
        raise DensnetError(
            f"{density}: the density model is of the charge {model.density.charge}, {frames.source} of "
            f"{frames.charge}; train a density model for it"
        )


def _atomic_energies(
    frames: ImportedFrames, model: DenSNet, density: Path, atoms: Path | None
) -> tuple[dict[int, float], str]:
    """Return the energies of the free atoms in eV, and what they are."""
    elements = model.density.whitened.elements
    stored = read_description(density)["provenance"].get("free_atom_energies", {})
    sources: list[tuple[dict[int, float], str]] = [(dict(frames.atom_energies), FREE_ATOMS)]
    sources.append(({int(z): float(energy) for z, energy in stored.items()}, FREE_ATOMS))
    if atoms is not None:
        dataset = free_atoms_at_level(frames, atoms)
        values = zip(dataset["element"].values.tolist(), dataset["energy"].values.tolist(), strict=True)
        sources.insert(0, (dict(values), FREE_ATOMS))
    if model.energy is not None:
        references = model.energy.atomic_energy.tolist()
        sources.append((dict(zip(elements, references, strict=True)), OF_MODEL))
    for energies, meaning in sources:
        if set(elements) <= energies.keys():
            return {z: energies[z] for z in elements}, meaning
    lacking = next((z for z in elements if z not in frames.atom_energies), elements[0])
    raise DensnetError(
        f"{frames.source}: no energy of the free atom {chemical_symbols[lacking]}; give a file of 'densnet atoms' at "
        "the level of the energies (--atoms), or frames of single atoms with config_type=IsolatedAtom"
    )


def _level_of(density: Path) -> str:
    """Return the level of theory of the densities that a model has learned."""
    level = read_description(density)["provenance"].get("level", {})
    functional, basis = (str(level.get(name, UNSAID)) for name in ("functional", "basis"))
    return level_name(functional, basis, str(level.get("dispersion", "none")))


def _say_how_far(frames: ImportedFrames, model: DenSNet, rows: np.ndarray) -> None:
    """Say how many frames lie outside of those that the density model has learned from, if it knows that."""
    if model.domain is None:
        return
    outside = model.domain.distance(frames.numbers, torch.as_tensor(frames.positions[rows])) > 0
    if outside.double().mean() > OUTSIDE:
        print(
            f"densnet import: {int(outside.sum())} of {len(rows)} frames lie outside of those that the density model "
            "has learned from; its densities are uncertain there",
            file=sys.stderr,
        )
