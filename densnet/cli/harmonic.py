"""``densnet harmonic``: harmonic frequencies and intensities, by a model or by quantum chemistry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.kernel.kernel_files import is_kernel_file
from densnet.molecule import Molecule, from_smiles, from_xyz
from densnet.oligomer import oligomer
from densnet.potential import Potential
from densnet.potentials import named
from densnet.potentials.kernel import KernelPotential
from densnet.potentials.reference import ReferencePotential
from densnet.reference.level import LevelOfTheory
from densnet.reference.programs import described
from densnet.report.table import plain_table
from densnet.spectra.assignment import PARTS
from densnet.spectra.harmonic import METHOD_VERSION, Harmonic, harmonic_dataset
from densnet.spectra.minimum import DOWNWARD, minimum
from densnet.spectra.raman_modes import RamanModes, polarizability_of, raman_modes

DEFAULT = LevelOfTheory()


def harmonic_modes(
    *,
    output: Path,
    model: Path | None = None,
    potential: str | None = None,
    smiles: str | None = None,
    xyz: Path | None = None,
    repeat_unit: Annotated[str | None, Parameter(name="--oligomer")] = None,
    units: int = 1,
    geometry: Path | None = None,
    charge: int | None = None,
    raman: bool = False,
    level: Annotated[LevelOfTheory, Parameter(name="*")] = DEFAULT,
) -> None:
    """Relax a molecule and write its harmonic frequencies and infrared intensities, whatever gives the forces.

    With --raman also Raman activities and depolarisation ratios.

    Args:
        output: netCDF file to write; finished geometries of Psi4 or PySCF are kept in OUTPUT.parts until then.
        model: output of 'densnet train energy', or of 'densnet kernel', that gives the forces ...
        potential: ... or a potential by its name, such as gfn2-xtb; without both Psi4 or PySCF at the level below.
        smiles: the molecule as SMILES ...
        xyz: ... or as an xyz file ...
        repeat_unit: ... or as a chain, all anti ...
        units: length of the chain.
        geometry: ... or as another output of this verb, to start from its relaxed geometry.
        charge: total charge; by default the SMILES' formal charge, or what the xyz file says (charge=1), or 0.
        raman: compute Raman activities and depolarisation ratios too, of potentials that give polarizabilities.
        level: level of theory, and which of the two programs computes it.
    """
    molecule = _molecule(smiles, xyz, repeat_unit, units, geometry, charge)
    mover, settings = _potential(model, potential, level, molecule, output)
    if raman:
        # what it cannot give is said before the relaxation
        polarizability_of(mover, molecule.positions[None])
    positions, modes = minimum(mover, molecule.positions, molecule.atomic_masses)
    scattering = raman_modes(mover, positions, molecule.atomic_masses, modes.modes) if raman else None
    write_modes(modes, molecule, positions, mover.name, settings, output, scattering)
    if isinstance(mover, ReferencePotential):
        mover.remove_parts()


def write_modes(
    modes: Harmonic,
    molecule: Molecule,
    positions: np.ndarray,
    method: str,
    settings: dict[str, Any],
    output: Path,
    scattering: RamanModes | None = None,
) -> None:
    """Write normal modes at the relaxed geometry of a molecule, what they scatter if it is known, and print them."""
    dataset = harmonic_dataset(modes, molecule.numbers, positions, molecule.atomic_masses)
    if molecule.masses is not None:
        dataset["masses"] = variable(("atom",), molecule.masses, "Da", "masses of the isotopes")
    dataset.attrs |= {"method": method, "molecule": molecule.name, "charge": molecule.charge}
    if scattering is not None:
        dataset = dataset.assign(scattering.variables)
    write_dataset(dataset, output, stage="harmonic", method_version=METHOD_VERSION, settings=settings)
    columns = {"1/cm": [f"{w:.1f}" for w in modes.wavenumber], "km/mol": [f"{i:.2f}" for i in modes.intensity]}
    if scattering is not None:
        columns["Å⁴/Da"] = [f"{a:.2f}" for a in scattering.activity]
        columns["depolarisation"] = [f"{ratio:.2f}" for ratio in scattering.depolarisation]
    shares = zip(PARTS, dataset["share"].values.T, strict=True)
    columns |= {kind: [f"{100 * share:.0f} %" for share in of_modes] for kind, of_modes in shares}
    print(plain_table([*columns], list(zip(*columns.values(), strict=True))), file=sys.stderr)
    if (count := int((modes.wavenumber < DOWNWARD).sum())) > 0:
        print(
            f"densnet harmonic: warning: {count} mode(s) still lead down; the geometry is a saddle point",
            file=sys.stderr,
        )


def _molecule(
    smiles: str | None, xyz: Path | None, repeat_unit: str | None, units: int, geometry: Path | None, charge: int | None
) -> Molecule:
    if sum(source is not None for source in (smiles, xyz, repeat_unit, geometry)) != 1:
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
    dataset = read_dataset(path, stage="harmonic", variables=("numbers", "positions"))
    attrs = dataset.attrs
    return Molecule(
        dataset["numbers"].values,
        dataset["positions"].values,
        charge=int(attrs["charge"]),
        name=attrs["molecule"],
        masses=dataset["masses"].values if "masses" in dataset else None,
    )


def _potential(
    model: Path | None, name: str | None, level: LevelOfTheory, molecule: Molecule, output: Path
) -> tuple[Potential, dict[str, Any]]:
    """Return what gives the forces, and the settings that decide it."""
    if model is not None and name is not None:
        raise DensnetError("harmonic: expected --model FILE or --potential NAME or neither, found both; give one")
    if name is not None:
        return named(name)(molecule), {"potential": name}
    if model is None:
        reference = ReferencePotential(molecule, level, output)
        print(f"densnet harmonic: {described(reference.level)}", file=sys.stderr)
        return reference, reference.level.decisive()
    if is_kernel_file(model):
        return KernelPotential.from_file(model, molecule.numbers), {"model": fingerprint(model)}
    import torch

    from densnet.potentials.model import ModelPotential

    # in double precision, and in blocks that bound the memory
    potential = ModelPotential.from_file(model, molecule.numbers, dtype=torch.float64, atoms_at_once=2000)
    return potential, {"model": fingerprint(model)}
