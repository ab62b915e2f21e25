"""QCSchema: gradients as the ``AtomicResult`` of QCElemental (MolSSI), in atomic units, written and read.

Smith, Lolinco, Glick et al., J. Chem. Phys. 155, 204801 (2021).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from densnet import __version__
from densnet.errors import DensnetError
from densnet.exchange.labelled_molecule import LabelledMolecule
from densnet.io.netcdf import write_text
from densnet.reference.level import level_in
from densnet.text_files import read_text
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

INSTALL = "run .venv/bin/pip install -c envs/requirements.lock '.[exchange]'"


def write_qcschema(molecule: LabelledMolecule, output: Path) -> list[Path]:
    """Write all frames to one file of JSON lines; QCElemental rounds positions to 1e-8 bohr.

    The gradient (hartree/bohr) is ``return_result``; energy (hartree) and dipole (e bohr) are among the properties;
    split, frame, dispersion and source are ``extras``.

    Raises:
        DensnetError: QCElemental is not installed; the file cannot be written.
    """
    _check_installed()
    lines = [_result(molecule, t) for t in range(len(molecule.energy))]
    write_text(output, "\n".join(lines) + "\n")
    return [output]


def _check_installed() -> None:
    if find_spec("qcelemental") is None:
        raise DensnetError(f"qcschema: the package qcelemental is not installed; {INSTALL}")


def _result(molecule: LabelledMolecule, t: int) -> str:
    """Return a frame as one line of JSON."""
    from qcelemental.models import AtomicResult, Molecule

    gradient = -molecule.forces[t] / HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM
    properties: dict[str, Any] = {
        "return_energy": float(molecule.energy[t]) / HARTREE_IN_EV,
        "return_gradient": gradient,
        "calcinfo_natom": len(molecule.numbers),
    }
    if np.isfinite(molecule.dipole[t]).all():
        properties["scf_dipole_moment"] = molecule.dipole[t] / BOHR_IN_ANGSTROM
    creator, _, version = molecule.program.partition(" ")
    result = AtomicResult(
        molecule=Molecule(
            symbols=molecule.symbols,
            geometry=molecule.positions[t] / BOHR_IN_ANGSTROM,
            molecular_charge=molecule.charge,
            molecular_multiplicity=molecule.multiplicity,
            fix_com=True,
            fix_orientation=True,
        ),
        driver="gradient",
        model={"method": molecule.level.partition("/")[0], "basis": molecule.basis},
        properties=properties,
        return_result=gradient,
        provenance={"creator": creator, "version": version, "routine": f"densnet {__version__}"},
        extras={
            "split": str(molecule.split[t]),
            "frame": int(molecule.frame[t]),
            "dispersion": molecule.dispersion,
            "source": molecule.source,
        },
        success=True,
    )
    return str(result.serialize("json"))


def read_qcschema(path: Path) -> dict[str, Any]:
    """Return geometries, energies, forces F = -gradient, level and charge by the keys of docs/import.md, in eV and Å.

    Args:
        path: one AtomicResult, a list of them, or one on each line; of driver gradient, all of one molecule.

    Raises:
        DensnetError: QCElemental is not installed; the file is no JSON, or no AtomicResult; another driver, a
            calculation that failed, a result without energy, an open shell; results of different molecules or levels.
    """
    _check_installed()
    results = [_parsed(path, number, content) for number, content in enumerate(_contents(path))]
    if not results:
        raise DensnetError(f"{path}: expected results of QCSchema, found none; compute some")
    levels = {_level(result) for result in results}
    if len(levels) > 1:
        found = ", ".join(sorted("/".join(level[:2]) for level in levels))
        raise DensnetError(f"{path}: expected one level of theory, found {found}; import one at a time")
    for number, result in enumerate(results):
        if not np.array_equal(result.molecule.atomic_numbers, results[0].molecule.atomic_numbers):
            formulas = " and ".join(r.molecule.get_molecular_formula() for r in (result, results[0]))
            raise DensnetError(
                f"{path}: result {number} is of other atoms than result 0, {formulas}; import one molecule at a time, "
                "with its atoms in one order"
            )
    functional, basis, dispersion, program, charge = levels.pop()
    gradients = np.array([result.return_result for result in results], dtype=float)
    values: dict[str, Any] = {
        "numbers": np.asarray(results[0].molecule.atomic_numbers, dtype=np.int64),
        "positions": np.array([result.molecule.geometry for result in results]) * BOHR_IN_ANGSTROM,
        "energies": np.array([result.properties.return_energy for result in results]) * HARTREE_IN_EV,
        "forces": -gradients * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM,
        "charge": charge,
        **{"functional": functional, "orbital_basis": basis, "dispersion": dispersion, "program": program},
    }
    dipoles = [result.properties.scf_dipole_moment for result in results]
    if all(dipole is not None for dipole in dipoles):
        values["dipoles"] = np.array(dipoles, dtype=float).reshape(-1, 3) * BOHR_IN_ANGSTROM
    if all("split" in result.extras for result in results):
        values["split"] = np.array([str(result.extras["split"]) for result in results])
    return values


def _contents(path: Path) -> Sequence[Any]:
    """Return the objects of a JSON file: of a list, of the whole, or of each line."""
    text = read_text(path, "a file of QCSchema results")
    try:
        whole = json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
    else:
        return whole if isinstance(whole, list) else [whole]
    contents = []
    for number, line in enumerate(lines):
        try:
            contents.append(json.loads(line))
        except ValueError as error:
            raise DensnetError(
                f"{path}: expected QCSchema results as one JSON, a list, or one on each line; line {number + 1} is no "
                f"JSON ({error}); write it again"
            ) from error
    return contents


def _parsed(path: Path, number: int, content: Any) -> Any:
    """Return QCElemental's AtomicResult of an object, in version 1 of the schema."""
    where = f"{path}: result {number}"
    if not isinstance(content, dict) or not {"driver", "input_data", "success"} & content.keys():
        found = f"keys {', '.join(sorted(content)[:6])}" if isinstance(content, dict) else type(content).__name__
        raise DensnetError(f"{where}: expected an AtomicResult of QCSchema, found {found}; write it with QCElemental")
    if content.get("success") is False:
        raise DensnetError(f"{where}: its calculation failed; leave it out")
    try:
        result = _validated(content)
    except Exception as error:  # QCElemental fails in as many ways as results are wrong
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]
        raise DensnetError(f"{where}: no AtomicResult of QCSchema ({reason}); write it with QCElemental") from error
    if result.driver != "gradient":
        raise DensnetError(f"{where}: driver: expected gradient, found {result.driver.value}; compute gradients")
    n_atoms = len(result.molecule.symbols)
    if np.shape(result.return_result) != (n_atoms, 3):
        raise DensnetError(
            f"{where}: return_result: expected a gradient of shape {(n_atoms, 3)}, found "
            f"{np.shape(result.return_result)}; compute it again"
        )
    if result.properties.return_energy is None:
        raise DensnetError(f"{where}: properties.return_energy is missing; the energy in hartree is needed")
    if result.molecule.molecular_multiplicity != 1:
        found = result.molecule.molecular_multiplicity
        raise DensnetError(f"{where}: molecular_multiplicity: expected 1, a closed shell, found {found}; leave it out")
    return result


def _validated(content: dict[str, Any]) -> Any:
    if content.get("schema_version") == 2:
        from qcelemental.models.v2 import AtomicResult as SecondVersion

        return SecondVersion(**content).convert_v(1)
    from qcelemental.models import AtomicResult

    return AtomicResult.parse_obj(content)


def _level(result: Any) -> tuple[str, str, str, str, float]:
    """Return functional, basis, dispersion, program and charge of a result."""
    level = level_in(f"{result.model.method}/{result.model.basis or ''}")
    program = f"{result.provenance.creator} {result.provenance.version or ''}".strip() or "another code"
    charge = float(result.molecule.molecular_charge)
    return level["functional"], level["orbital_basis"], level["dispersion"], program, charge
