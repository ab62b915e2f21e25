"""Orders and signs against PySCF's and Psi4's own integrals, and against e3nn's harmonics."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from e3nn import o3
from scipy.special import gamma

from densnet.basis.basis import L_MAX, Basis, Shell
from densnet.basis.conventions import CONVENTIONS, from_canonical, to_canonical
from densnet.basis.integrals import evaluate, overlap, position_matrix, pyscf_mole
from densnet.errors import DensnetError

RNG = np.random.default_rng(7)
POLAR = np.array([1, 2, 0])
"""(x, y, z) -> (y, z, x): e3nn's polar axis is y."""


@pytest.mark.parametrize("l", range(L_MAX + 1))
def test_functions_are_the_standard_real_harmonics(l: int) -> None:
    """χ = N r^l exp(-α r²) Y_lm, m = -l .. l, compared with e3nn's Y: catches a swapped m, a sign and a norm."""
    alpha = 0.8
    basis = Basis("one shell", {1: (Shell(l, (alpha,), (1.0,)),)})
    centre, points = RNG.normal(size=(1, 3)), RNG.normal(size=(40, 3))
    r = points - centre
    distance = np.linalg.norm(r, axis=1)
    # Radial normalisation: ∫ N² r^(2l+2) exp(-2 α r²) dr = 1.
    norm = np.sqrt(2.0 * (2.0 * alpha) ** (l + 1.5) / gamma(l + 1.5))
    harmonics = o3.spherical_harmonics(l, torch.tensor(r[:, POLAR]), normalize=True, normalization="integral").numpy()
    expected = (norm * distance**l * np.exp(-alpha * distance**2))[:, None] * harmonics
    np.testing.assert_allclose(evaluate(basis, [1], centre, points), expected, atol=1e-12)


def test_first_harmonics_by_hand() -> None:
    """l = 1 runs y, z, x; l = 2 runs xy, yz, 3z²-r², xz, x²-y²: up to a positive factor."""
    basis = Basis("p and d", {1: (Shell(1, (0.5,), (1.0,)), Shell(2, (0.5,), (1.0,)))})
    x, y, z = point = np.array([0.3, -0.5, 0.7])
    values = evaluate(basis, [1], np.zeros((1, 3)), point[None])[0]
    np.testing.assert_allclose(values[:3] / values[2], np.array([y, z, x]) / x, rtol=1e-12)
    root = np.sqrt(3.0)
    d = [root * x * y, root * y * z, (2 * z * z - x * x - y * y) / 2, root * x * z, root / 2 * (x * x - y * y)]
    np.testing.assert_allclose(values[3:] / values[3], np.array(d) / d[0], rtol=1e-12)
    assert values[2] > 0


def test_pyscf_order_reproduces_pyscfs_own_labels() -> None:
    """PySCF names its functions: the canonical order must pick them by name."""
    mole = pyscf_mole(Basis("p, d", {1: (Shell(1, (0.5,), (1.0,)), Shell(2, (0.5,), (1.0,)))}), [1], np.zeros((1, 3)))
    index, _ = to_canonical("pyscf", [(0, 1), (0, 2)])
    names = [label.split()[2].lstrip("23456789") for label in mole.ao_labels()]
    assert [names[i] for i in index] == ["py", "pz", "px", "dxy", "dyz", "dz^2", "dxz", "dx2-y2"]


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
def test_from_and_to_are_inverse(convention: str) -> None:
    shells = [(1, 3), (0, 1), (1, 0), (0, 0), (0, 1), (1, 6)]
    size = sum(2 * l + 1 for _, l in shells)
    source = RNG.normal(size=size)
    index, sign = to_canonical(convention, shells)
    canonical = sign * source[index]
    back, back_sign = from_canonical(convention, shells)
    np.testing.assert_array_equal(back_sign * canonical[back], source)
    assert sorted(index) == list(range(size))


def test_unknown_convention_is_refused() -> None:
    with pytest.raises(DensnetError, match="expected one of"):
        to_canonical("gamess", [(0, 0)])
    with pytest.raises(DensnetError, match="0 to 6"):
        to_canonical("psi4", [(0, 7)])


PSI4_SCRIPT = """
import json, sys
import numpy as np
import psi4
positions, out = json.loads(sys.argv[1]), sys.argv[2]
psi4.core.set_output_file(out + ".log", False)
mol = psi4.core.Molecule.from_arrays(geom=np.ravel(positions), elez=[8, 1, 1], units="Bohr", fix_com=True,
                                     fix_orientation=True, fix_symmetry="c1")
basis = psi4.core.BasisSet.build(mol, "BASIS", "cc-pV6Z", puream=1, quiet=True)
shells, data = [], {}
for s in range(basis.nshell()):
    shell = basis.shell(s)
    entry = {"l": shell.am, "exponents": [shell.exp(p) for p in range(shell.nprimitive)],
             "coefficients": [shell.original_coef(p) for p in range(shell.nprimitive)]}
    atom = basis.shell_to_center(s)
    shells.append([atom, shell.am])
    if atom < 2:
        data.setdefault({0: "8", 1: "1"}[atom], []).append(entry)
mints = psi4.core.MintsHelper(basis)
np.savez(out, S=np.asarray(mints.ao_overlap()), x=np.array([np.asarray(m) for m in mints.ao_dipole()]),
         shells=np.array(shells), basis=json.dumps({"name": "cc-pV6Z", "shells": data}))
"""


@pytest.mark.psi4
@pytest.mark.skipif(shutil.which("psi4") is None, reason="needs Psi4")
def test_psi4_order_reproduces_psi4s_own_integrals(tmp_path: Path) -> None:
    """Overlap and dipole integrals of a skew water molecule with functions up to l = 6, in both programs."""
    from densnet.reference.psi4_program import find_psi4

    positions = np.array([[0.1, -0.2, 0.3], [1.5, 0.4, -0.7], [-0.6, 1.3, 1.1]])
    program = find_psi4(os.environ)
    (tmp_path / "integrals.py").write_text(PSI4_SCRIPT)
    result = subprocess.run(
        [program.interpreter, "integrals.py", json.dumps(positions.tolist()), "integrals.npz"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": program.python_path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    stored = np.load(tmp_path / "integrals.npz")
    shells = [(int(a), int(l)) for a, l in stored["shells"]]
    basis = Basis.from_json(str(stored["basis"]))
    assert basis.l_max == 6
    index, sign = to_canonical("psi4", shells)
    S = stored["S"][np.ix_(index, index)] * np.outer(sign, sign)
    np.testing.assert_allclose(overlap(basis, [8, 1, 1], positions), S, atol=1e-8)
    # Psi4's dipole integrals carry the electron's charge.
    X = -stored["x"][:, index[:, None], index] * np.outer(sign, sign)
    np.testing.assert_allclose(position_matrix(basis, [8, 1, 1], positions), X, atol=1e-7)
