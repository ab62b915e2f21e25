"""``densnet harmonic``: harmonic frequencies and intensities, by a model or by Psi4."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.molecule import Molecule, from_smiles, from_xyz
from densnet.oligomer import oligomer
from densnet.reference.level import LevelOfTheory
from densnet.reference.psi4_forces import Psi4Forces
from densnet.report.table import plain_table
from densnet.spectra.assignment import PARTS
from densnet.spectra.harmonic import METHOD_VERSION, Evaluate, Harmonic, harmonic_dataset
from densnet.spectra.relaxation import DOWNWARD, minimum

DEFAULT = LevelOfTheory()


def harmonic_modes(
    *,
    output: Path,
    model: Path | None = None,
    smiles: str | None = None,
    xyz: Path | None = None,
    repeat_unit: Annotated[str | None, Parameter(name="--oligomer")] = None,
    units: int = 1,
    geometry: Path | None = None,
    charge: int | None = None,
    level: Annotated[LevelOfTheory, Parameter(name="*")] = DEFAULT,
) -> None:
    """Relax a molecule and write its harmonic frequencies and infrared intensities; the same scheme for model and Psi4.

    Args:
        output: netCDF file to write; Psi4's finished geometries are kept in OUTPUT.parts until it is whole.
        model: output of 'densnet train energy'; without it Psi4 gives the forces, at the level of theory below.
        smiles: the molecule as SMILES ...
        xyz: ... or as an xyz file ...
        repeat_unit: ... or as a chain, all anti ...
        units: length of the chain.
        geometry: ... or as another output of this verb, to start from its relaxed geometry.
        charge: total charge; by default the SMILES' formal charge, or what the xyz file says (charge=1), or 0.
        level: level of theory of Psi4.
    """
    molecule = _molecule(smiles, xyz, repeat_unit, units, geometry, charge)
    masses = molecule.atomic_masses
    evaluate: Evaluate
    psi4 = None
    if model is not None:
        evaluate, settings = _model_forces(model, molecule.numbers), {"model": fingerprint(model)}
    else:
        psi4 = evaluate = Psi4Forces(molecule, level, output)
        settings = level.decisive()
    positions, found = minimum(molecule.numbers, molecule.positions, masses, evaluate)
    write_modes(found, molecule, positions, "model" if model else level.name, settings, output)
    if psi4 is not None:
        psi4.remove_parts()


def write_modes(
    found: Harmonic, molecule: Molecule, positions: np.ndarray, method: str, settings: dict[str, Any], output: Path
) -> None:
    """Write normal modes at the relaxed geometry of a molecule, and print them."""
    dataset = harmonic_dataset(found, molecule.numbers, positions, molecule.atomic_masses)
    if molecule.masses is not None:
        dataset["masses"] = variable(("atom",), molecule.masses, "Da", "masses of the isotopes")
    dataset.attrs |= {"method": method, "molecule": molecule.name, "charge": molecule.charge}
    write_dataset(dataset, output, stage="harmonic", method_version=METHOD_VERSION, settings=settings)
    rows = [
        [f"{w:.1f}", f"{i:.2f}", *(f"{100 * s:.0f} %" for s in row)]
        for w, i, row in zip(found.wavenumber, found.intensity, dataset["share"].values, strict=True)
    ]
    print(plain_table(["1/cm", "km/mol", *PARTS], rows), file=sys.stderr)
    if (count := int((found.wavenumber < DOWNWARD).sum())) > 0:
        print(
            f"densnet harmonic: warning: {count} mode(s) still lead down; the geometry is a saddle point",
            file=sys.stderr,
        )


def _molecule(
    smiles: str | None, xyz: Path | None, repeat_unit: str | None, units: int, geometry: Path | None, charge: int | None
) -> Molecule:
    if sum(given is not None for given in (smiles, xyz, repeat_unit, geometry)) != 1:
        raise DensnetError("harmonic: expected one of --smiles, --xyz, --oligomer and --geometry")
    if smiles is not None:
        return from_smiles(smiles, charge=charge)
    if xyz is not None:
        return from_xyz(xyz, charge=charge)
    if repeat_unit is not None:
        return oligomer(repeat_unit, units, count=1).molecules[0]
    return relaxed_molecule(Path(str(geometry)))


def relaxed_molecule(path: Path) -> Molecule:
    """Return the molecule of an output of this verb, at its relaxed geometry.

    Raises:
        DensnetError: not such a file.
    """
    found = read_dataset(path, stage="harmonic", variables=("numbers", "positions"))
    attrs = found.attrs
    return Molecule(
        found["numbers"].values,
        found["positions"].values,
        charge=int(attrs["charge"]),
        name=attrs["molecule"],
        masses=found["masses"].values if "masses" in found else None,
    )


def _model_forces(path: Path, numbers: np.ndarray) -> Evaluate:
    """Return a model's forces and dipoles in double precision, in blocks that bound the memory."""
    import torch

    from densnet.models.checkpoint import load_ensemble

    model = load_ensemble(path, dtype=torch.float64)
    element = model.elements_of(numbers)
    block = max(1, 2000 // len(numbers))

    def evaluate(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = [model(element, torch.as_tensor(positions[n : n + block])) for n in range(0, len(positions), block)]
        return (
            np.concatenate([one.forces.double().cpu().numpy() for one in found]),
            np.concatenate([one.dipole.double().cpu().numpy() for one in found]),
        )

    return evaluate
