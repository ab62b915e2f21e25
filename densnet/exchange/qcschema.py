"""QCSchema: a gradient a line, as the ``AtomicResult`` of QCElemental (MolSSI), in atomic units.

Smith, Lolinco, Glick et al., J. Chem. Phys. 155, 204801 (2021).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from densnet import __version__
from densnet.errors import DensnetError
from densnet.exchange.labelled_molecule import LabelledMolecule
from densnet.io.netcdf import write_text
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

INSTALL = "run .venv/bin/pip install -c envs/requirements.lock '.[exchange]'"


def write_qcschema(molecule: LabelledMolecule, output: Path) -> list[Path]:
    """Write all frames to one file of JSON lines; QCElemental rounds positions to 1e-8 bohr.

    The gradient (hartree/bohr) is ``return_result``; energy (hartree) and dipole (e bohr) are among the properties;
    split, frame, dispersion and source are ``extras``.

    Raises:
        DensnetError: QCElemental is not installed; the file cannot be written.
    """
    if find_spec("qcelemental") is None:
        raise DensnetError(f"qcschema: the package qcelemental is not installed; {INSTALL}")
    lines = [_result(molecule, t) for t in range(len(molecule.energy))]
    write_text(output, "\n".join(lines) + "\n")
    return [output]


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
