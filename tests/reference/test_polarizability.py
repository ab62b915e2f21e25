"""Polarizabilities from the orbitals of Psi4's labels, beside Psi4's own dipoles in finite fields."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from label_examples import WATER, needs_psi4, water_frames

from densnet.fitting.response_labels import polarizabilities
from densnet.reference.labels import label_shard
from densnet.reference.level import LevelOfTheory
from densnet.reference.psi4_program import find_psi4
from densnet.units import POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV

pytestmark = needs_psi4
STEP = 2e-3
"""hartree/(e bohr); a relative error of its square times the second hyperpolarizability, some 1e-4, is left."""

IN_FIELDS = """
import json, sys
import psi4
psi4.core.be_quiet()
given = json.loads(sys.argv[1])
psi4.geometry(given["geometry"])
psi4.set_options({"basis": "def2-SVP", "e_convergence": 1e-10, "d_convergence": 1e-8})
psi4.set_options({"perturb_h": True, "perturb_with": "dipole"})
dipoles = []
for field in given["fields"]:
    psi4.set_options({"perturb_dipole": field})
    psi4.energy("pbe")
    dipoles.append([psi4.variable("SCF DIPOLE " + x) / psi4.constants.dipmom_au2debye for x in "XYZ"])
print(json.dumps(dipoles))
"""


def dipoles_in_fields(fields: np.ndarray, folder: Path) -> np.ndarray:
    """Return Psi4's PBE/def2-SVP dipoles of water, e bohr, with fields along the axes."""
    psi4 = find_psi4(os.environ)
    rows = [f"{s} {x} {y} {z}" for s, (x, y, z) in zip("OHH", WATER, strict=True)]
    geometry = "\n".join(["0 1", *rows, "symmetry c1", "no_reorient", "no_com"])
    ran = subprocess.run(
        [psi4.interpreter, "-c", IN_FIELDS, json.dumps({"geometry": geometry, "fields": fields.tolist()})],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": psi4.python_path, "PSI_SCRATCH": str(folder)},
        check=True,
    )
    return np.array(json.loads(ran.stdout.splitlines()[-1]))


def test_polarizability_of_labels_is_that_of_psi4_in_finite_fields(tmp_path: Path) -> None:
    level = LevelOfTheory(
        functional="PBE", basis="def2-SVP", program="psi4", energy_convergence=1e-10, density_convergence=1e-8
    )
    labels = label_shard(water_frames(WATER[None]), level, shard=0, shards=1, output=tmp_path / "labels.nc")[0]
    alpha = polarizabilities(labels, tmp_path / "labels.nc")[0] / POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV
    fields = STEP * np.concatenate([np.eye(3), -np.eye(3)])
    dipoles = dipoles_in_fields(fields, tmp_path)
    # whether Psi4 adds +F·μ or -F·μ to the energy is its own convention; of the two the one with α > 0
    finite = (dipoles[:3] - dipoles[3:]).T / (2 * STEP)
    finite *= np.sign(np.trace(finite))
    # another grid, and Coulomb integrals fitted in another basis: 2e-4 of α each
    np.testing.assert_allclose(alpha, finite, atol=3e-3)
    assert np.trace(alpha) / 3 == pytest.approx(np.trace(finite) / 3, rel=5e-4)
