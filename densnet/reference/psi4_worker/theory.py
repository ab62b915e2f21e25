"""Level of theory: check it, set Psi4 up for it, and hand its orbital basis over as data."""

from __future__ import annotations

import copy
import difflib
import glob
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from worker_jobs import JobError

SCREENING = 1e-9
"""Integrals and values of orbitals on the grid below this are not made (Psi4's own: 1e-12): for four thiophene units a
quarter of the time less, 1e-4 meV and 0.01 meV/Angstrom, which is less than a converged SCF leaves."""


class ContractedShell(NamedTuple):
    """A contracted shell: exponents in 1/bohr^2, coefficients of normalised primitives."""

    atom: int
    l: int
    exponents: list[float]
    coefficients: list[float]


def molecule(psi4: Any, numbers: Sequence[int], positions: np.ndarray, charge: int, multiplicity: int) -> Any:
    """Return Psi4's molecule in the frame of ``positions`` (atom, 3), bohr: neither moved nor turned, no symmetry."""
    return psi4.core.Molecule.from_arrays(
        geom=np.asarray(positions, dtype=float).reshape(-1),
        elez=[int(number) for number in numbers],
        units="Bohr",
        fix_com=True,
        fix_orientation=True,
        fix_symmetry="c1",
        molecular_charge=charge,
        molecular_multiplicity=multiplicity,
    )


def check_gradient(psi4: Any, name: str) -> None:
    """Refuse a functional whose analytic gradient this release of Psi4 lacks (those with VV10, in old ones)."""
    from psi4.driver.driver import procedures

    if name.lower() not in procedures["gradient"]:
        raise JobError(
            f"functional: Psi4 {psi4.__version__} has no analytic gradient for {name!r}; choose another functional "
            "or a newer Psi4"
        )


def nearest(name: str, known: list[str]) -> str:
    """Return a hint that names the closest known names."""
    # File names write brackets as underscores: no names to type.
    plain = {entry.lower().replace("-", ""): entry for entry in known if "_" not in entry}
    close = difflib.get_close_matches(name.lower().replace("-", ""), list(plain), n=3, cutoff=0.6)
    return "did you mean {}?".format(", ".join(plain[entry] for entry in close)) if close else "see Psi4's manual"


def check_functional(psi4: Any, name: str) -> tuple[str, bool]:
    """Return the functional's own dispersion ("none", "chg", "vv10") and whether it needs a grid, or refuse it."""
    from psi4.driver.procrouting import dft

    if name.lower() not in dft.functionals:
        plain = [known for known in dft.functionals if "-d3" not in known and "-d2" not in known]
        raise JobError(f"functional: {name!r} is not one of Psi4's; {nearest(name, plain)}")
    functional, dispersion = dft.build_superfunctional(name, True)
    if functional.is_c_hybrid():
        raise JobError(f"functional: {name!r} is a double hybrid; choose one without MP2 correlation")
    if functional.needs_vv10():
        return "vv10", True
    if dispersion and dispersion["type"] != "chg":
        raise JobError(
            f"functional: {name!r} asks Psi4 for an external dispersion program; name the bare functional and set "
            "dispersion to d4"
        )
    return ("chg" if dispersion else "none"), bool(functional.needs_xc())


def check_basis(psi4: Any, mol: Any, name: str, elements: list[str]) -> Any:
    """Return the molecule's orbital basis, or refuse it: no such basis, element lacking, or core potentials."""
    folder = os.path.join(psi4.core.get_datadir(), "basis")
    known = [os.path.basename(path)[: -len(".gbs")] for path in glob.glob(os.path.join(folder, "*.gbs"))]
    try:
        basis = psi4.core.BasisSet.build(mol, "BASIS", name, puream=1, quiet=True)
    except Exception as error:  # Psi4 raises several types here, and in some versions plain Exception
        listed = name.lower() in {entry.lower() for entry in known}
        if listed or glob.glob(os.path.join(folder, name.lower().replace("*", "s").replace("+", "p") + ".gbs")):
            raise JobError(
                f"basis: Psi4's {name!r} lacks one of the elements {elements}; choose another basis"
            ) from error
        raise JobError(f"basis: {name!r} is not one of Psi4's; {nearest(name, known)}") from error
    if basis.n_ecp_core():
        raise JobError(
            f"basis: {name!r} replaces core electrons of {elements} by a potential; choose an all-electron basis"
        )
    return basis


def shells_of(basis: Any) -> list[ContractedShell]:
    """Return each shell, in Psi4's order."""
    listed = []
    for index in range(basis.nshell()):
        shell = basis.shell(index)
        primitives = range(shell.nprimitive)
        listed.append(
            ContractedShell(
                int(basis.shell_to_center(index)),
                int(shell.am),
                [float(shell.exp(p)) for p in primitives],
                [float(shell.original_coef(p)) for p in primitives],
            )
        )
    return listed


def orbital_basis(name: str, numbers: Sequence[int], shells: list[ContractedShell]) -> dict[str, Any]:
    """Return the basis set as data: for each element its shells, l ascending, in Psi4's order within l."""
    elements: dict[str, list[dict[str, Any]]] = {}
    for atom, number in enumerate(numbers):
        of_atom = sorted((shell for shell in shells if shell.atom == atom), key=lambda shell: shell.l)
        elements[str(int(number))] = [
            {"l": shell.l, "exponents": shell.exponents, "coefficients": shell.coefficients} for shell in of_atom
        ]
    return {"name": name, "shells": elements}


def remember_parsed_bases() -> None:
    """Parse an element of a basis set file once, not several times a frame: a tenth of a small molecule's time."""
    try:
        from psi4.driver.qcdb.libmintsbasissetparser import Gaussian94BasisSetParser as Parser
    except ImportError:
        return
    parse = Parser.parse
    known: dict[Any, Any] = {}

    def remembering(self: Any, symbol: str, dataset: Any) -> Any:
        lines = dataset if isinstance(dataset, str) else tuple(dataset)
        flags = tuple(sorted((name, str(value)) for name, value in vars(self).items()))
        key = (flags, symbol, lines)
        if key not in known:
            known[key] = parse(self, symbol, dataset)
        return copy.deepcopy(known[key])

    Parser.parse = remembering


def prepare(psi4: Any, job: dict[str, Any], mol: Any) -> tuple[Any, dict[str, Any]]:
    """Set Psi4 up for the job; return the molecule's basis and what the "ready" event says."""
    elements = sorted({mol.symbol(atom) for atom in range(mol.natom())})
    remember_parsed_bases()
    level = job["level"]
    psi4.core.set_output_file("psi4.out", False)
    psi4.core.set_num_threads(1, quiet=True)
    psi4.core.set_memory_bytes(int(level["memory_gib"] * 2**30), True)
    psi4.core.IOManager.shared_object().set_default_path(os.getcwd())
    own_dispersion, needs_grid = check_functional(psi4, level["functional"])
    basis = check_basis(psi4, mol, level["basis"], elements)
    return basis, {
        "event": "ready",
        "program": "Psi4 {}".format(psi4.__version__),
        "ao_convention": "psi4",
        "own_dispersion": own_dispersion,
        "needs_grid": needs_grid,
    }


def set_scf_options(psi4: Any, level: dict[str, Any], **changes: Any) -> None:
    """Set every SCF option that matters, and no other."""
    options = {
        "basis": level["basis"],
        "puream": True,
        "scf_type": "df",
        "reference": "rhf",
        "guess": "sad",
        "e_convergence": level["energy_convergence"],
        "d_convergence": level["density_convergence"],
        "maxiter": level["max_iterations"],
        "fail_on_maxiter": True,
        "ints_tolerance": SCREENING,
        "dft_basis_tolerance": SCREENING,
    }
    options.update(changes)
    psi4.core.clean_options()
    psi4.set_options(options)


def clean(psi4: Any) -> None:
    """Remove what the last calculation left in scratch and start a new output file."""
    psi4.core.clean()
    psi4.core.clean_variables()
    for path in glob.glob("psi.*"):
        os.remove(path)
    psi4.core.set_output_file("psi4.out", False)
