"""Integrals of the usual fitting bases and the potential of a fitted density against Psi4's own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from densnet import Density
from densnet.basis import integrals
from densnet.basis.basis import Basis, Shell
from densnet.basis.conventions import to_canonical
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV

pytestmark = [pytest.mark.psi4, pytest.mark.skipif(shutil.which("psi4") is None, reason="needs Psi4")]

NAMES = ["def2-SVP-JKFIT", "cc-pVTZ-JKFIT", "aug-cc-pVQZ-JKFIT"]
NUMBERS = np.array([8, 1, 6])
POSITIONS = np.array([[0.1, -0.2, 0.3], [1.5, 0.4, -0.7], [-0.6, 1.9, 1.1]])
POINTS = np.random.default_rng(1).normal(size=(6, 3)) * 2.5

# Ghosts carry the functions and one proton probes: Psi4's attraction integrals with a flat second function are then
# the potential of each function at the proton.
SCRIPT = """
import json, sys
import numpy as np
import psi4
psi4.core.set_output_file("psi4.log", False)
job = json.load(open("job.json"))
zero = psi4.core.BasisSet.zero_ao_basis_set()
def build(name, probe):
    mol = psi4.core.Molecule.from_arrays(
        geom=np.ravel(job["positions"] + [probe]), elez=job["numbers"] + [1], elea=[-1] * (len(job["numbers"]) + 1),
        real=[False] * len(job["numbers"]) + [True], units="Bohr", fix_com=True, fix_orientation=True,
        fix_symmetry="c1", molecular_multiplicity=2)
    return psi4.core.BasisSet.build(mol, "BASIS", name, puream=1, quiet=True)
result = {}
for name in job["names"]:
    basis = build(name, job["points"][0])
    shells, data = [], {}
    for s in range(basis.nshell()):
        shell, atom = basis.shell(s), basis.shell_to_center(s)
        if atom < len(job["numbers"]):
            shells.append([atom, shell.am])
            data.setdefault(str(job["numbers"][atom]), []).append({"l": shell.am,
                "exponents": [shell.exp(p) for p in range(shell.nprimitive)],
                "coefficients": [shell.original_coef(p) for p in range(shell.nprimitive)]})
    n = sum(2 * l + 1 for _, l in shells)
    mints = psi4.core.MintsHelper(basis)
    result[name + " S"] = np.asarray(mints.ao_overlap())[:n, :n]
    result[name + " X"] = np.array([np.asarray(m) for m in mints.ao_dipole()])[:, :n, :n]
    result[name + " q"] = np.asarray(mints.ao_overlap(basis, zero))[:n, 0]
    result[name + " J"] = np.asarray(mints.ao_eri(basis, zero, basis, zero)).reshape(basis.nbf(), -1)[:n, :n]
    rows = []
    for point in job["points"]:
        at = build(name, point)
        rows.append(-np.asarray(psi4.core.MintsHelper(at).ao_potential(at, zero))[:n, 0])
    result[name + " V"] = np.array(rows)
    result[name + " shells"] = np.array(shells)
    result[name + " basis"] = json.dumps({"name": name, "shells": data})
np.savez("result.npz", **result)
"""


@pytest.fixture(scope="module")
def psi4_results(tmp_path_factory: pytest.TempPathFactory) -> dict:
    from densnet.reference.psi4_program import find_psi4

    folder: Path = tmp_path_factory.mktemp("psi4")
    job = {
        "names": NAMES,
        "numbers": NUMBERS.tolist(),
        "positions": POSITIONS.tolist(),
        "points": POINTS.tolist(),
    }
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "integrals.py").write_text(SCRIPT)
    program = find_psi4(os.environ)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": program.python_path, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [program.interpreter, "integrals.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    with np.load(folder / "result.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest, psi4_results: dict) -> tuple[Basis, dict[str, np.ndarray]]:
    """Psi4's basis, and its integrals in canonical order."""
    name = request.param
    stored = {key: psi4_results[f"{name} {key}"] for key in ("S", "X", "q", "J", "V", "shells", "basis")}
    index, sign = to_canonical("psi4", [(int(a), int(l)) for a, l in stored["shells"]])
    for key in ("S", "J", "X"):
        stored[key] = stored[key][..., index[:, None], index] * np.outer(sign, sign)
    for key in ("q", "V"):
        stored[key] = stored[key][..., index] * sign
    return Basis.from_json(str(stored["basis"])), stored


def test_our_basis_of_that_name_is_psi4s(case: tuple) -> None:
    basis, _ = case
    named = Basis.from_name(basis.name, NUMBERS)

    def key(shell: Shell) -> tuple:
        return shell.l, shell.exponents

    for number in NUMBERS:
        for ours, psi4s in zip(sorted(named.of(number), key=key), sorted(basis.of(number), key=key), strict=True):
            assert ours.l == psi4s.l
            np.testing.assert_allclose(ours.exponents, psi4s.exponents, rtol=1e-9)
            np.testing.assert_allclose(ours.coefficients, psi4s.coefficients, atol=1e-9)


def test_integrals_equal_psi4s(case: tuple) -> None:
    basis, psi4 = case
    assert basis.l_max >= 4
    np.testing.assert_allclose(integrals.overlap(basis, NUMBERS, POSITIONS), psi4["S"], atol=1e-8)
    np.testing.assert_allclose(integrals.charges(basis, NUMBERS), psi4["q"], atol=1e-8)
    # Psi4's dipole integrals carry the electron's charge.
    np.testing.assert_allclose(integrals.position_matrix(basis, NUMBERS, POSITIONS), -psi4["X"], atol=1e-8)
    # The tightest functions' own integrals are near 100 hartree.
    np.testing.assert_allclose(integrals.coulomb(basis, NUMBERS, POSITIONS), psi4["J"], atol=1e-8, rtol=1e-10)


def test_potential_equals_psi4s(case: tuple) -> None:
    """1e-6 a.u. asked of a molecule's density; here for every function and a random density of norm 1."""
    basis, psi4 = case
    c = np.random.default_rng(2).normal(size=len(psi4["q"]))
    density = Density(basis, NUMBERS, POSITIONS * BOHR_IN_ANGSTROM, c / np.linalg.norm(c))
    distance = np.linalg.norm(POINTS[:, None] - POSITIONS, axis=-1)
    expected = (NUMBERS / distance).sum(axis=1) - psi4["V"] @ density.coefficients
    found = density.potential(POINTS * BOHR_IN_ANGSTROM) / HARTREE_IN_EV
    np.testing.assert_allclose(found, expected, atol=1e-9)
