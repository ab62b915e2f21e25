"""PySCF's labels: those of Psi4, forces that are the energy's gradient, failures and refusals as Psi4's."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from label_examples import WATER, needs_psi4, shaken_water, water_frames

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.basis.pyscf_functionals import LIBXC, OWN_DISPERSION, libxc_name
from densnet.density.error import DensityGrid
from densnet.errors import DensnetError
from densnet.molecule import from_smiles
from densnet.potentials.reference import ReferencePotential
from densnet.reference.atoms import free_atoms
from densnet.reference.labels import label_shard
from densnet.reference.level import FUNCTIONALS, LevelOfTheory
from densnet.reference.programs import described, settled
from densnet.units import BOHR_IN_ANGSTROM, E_ANGSTROM_IN_DEBYE, HARTREE_IN_EV

LEVEL = LevelOfTheory(program="pyscf")
CHEAP = LevelOfTheory(functional="HF", basis="STO-3G", program="pyscf")
STEP = 0.0005
"""Å; its second order is 1e-5 eV/Å in the force of an O-H bond."""


def label(positions: np.ndarray, level: LevelOfTheory, output: Path) -> xr.Dataset:
    return label_shard(water_frames(positions), level, shard=0, shards=1, output=output)[0]


def orbitals_of(labelled: xr.Dataset) -> tuple[Basis, np.ndarray]:
    shells = [tuple(shell) for shell in json.loads(labelled.attrs["psi4_shells"])]
    index, sign = to_canonical(labelled.attrs["ao_convention"], shells)
    return Basis.from_json(labelled.attrs["orbital_basis"]), labelled["orbitals"].values[0][index] * sign[:, None]


def moved_by(step: float) -> np.ndarray:
    """Return water, and water with one hydrogen moved by ± step along y."""
    moved = np.stack([WATER, WATER, WATER])
    moved[1, 1, 1] += step
    moved[2, 1, 1] -= step
    return moved


@pytest.mark.psi4
@needs_psi4[1]
@pytest.mark.parametrize(
    ("functional", "basis", "dispersion", "mev_per_angstrom"),
    [("PBE", "def2-SVP", "d4", 1.0), ("PBE0", "6-31G*", "none", 1.0), ("HF", "aug-cc-pVDZ", "none", 0.1)],
)
def test_labels_are_those_of_psi4(
    functional: str, basis: str, dispersion: str, mev_per_angstrom: float, tmp_path: Path
) -> None:
    """Each orbital basis takes another auxiliary basis; with one of another name energies differ by some meV.

    Measured: 0.002 meV, 1e-5 D, 5e-5 %, and 0.8, 0.5 and 0.04 meV/Å, for the weights of both programs' grids, which
    are not the same, are not differentiated; Hartree-Fock has none.
    """
    level = LevelOfTheory(functional=functional, basis=basis, dispersion=dispersion)  # type: ignore[arg-type]
    first, second = (
        label(WATER[None], replace(level, program=program), tmp_path / f"{program}.nc")  # type: ignore[arg-type]
        for program in ("psi4", "pyscf")
    )
    assert first.attrs["program"].startswith("Psi4 ") and second.attrs["program"].startswith("PySCF ")
    assert float(abs(first["energy"] - second["energy"])[0]) < 1e-4
    assert abs(first["forces"] - second["forces"]).values.max() < mev_per_angstrom / 1000
    assert abs(first["dipole"] - second["dipole"]).values.max() * E_ANGSTROM_IN_DEBYE < 1e-4
    numbers = first["numbers"].values
    grid = DensityGrid.around(numbers, WATER / BOHR_IN_ANGSTROM, 4)
    rho, other = (grid.kohn_sham(*orbitals_of(labelled)) for labelled in (first, second))
    assert grid.nmae(rho, other, float(numbers.sum())) < 1e-3


@pytest.mark.parametrize(("functional", "tolerance"), [("HF", 2e-5), ("PBE", 0.01)])
def test_forces_are_the_gradient_of_the_energy(functional: str, tolerance: float, tmp_path: Path) -> None:
    """The grid's weights are not differentiated: a few meV/Å. Hartree-Fock has none: the second order of the step."""
    level = replace(LEVEL, functional=functional, basis="6-31G*", energy_convergence=1e-10, density_convergence=1e-8)
    labelled = label(moved_by(STEP), level, tmp_path / "s.nc")
    energy = labelled["energy"].values
    force = -(energy[1] - energy[2]) / (2 * STEP)
    assert labelled["forces"].values[0, 1, 1] == pytest.approx(force, abs=tolerance)
    assert abs(force) > 0.1


def test_orbitals_are_orthonormal_in_our_basis_and_give_the_dipole(tmp_path: Path) -> None:
    labelled = label(WATER[None], replace(LEVEL, basis="6-31G*"), tmp_path / "s.nc")
    basis, C = orbitals_of(labelled)
    numbers, bohr = labelled["numbers"].values, WATER / BOHR_IN_ANGSTROM
    np.testing.assert_allclose(C.T @ integrals.overlap(basis, numbers, bohr) @ C, np.eye(5), atol=1e-9)
    electrons = 2 * np.einsum("mj,xmn,nj->x", C, integrals.position_matrix(basis, numbers, bohr), C)
    dipole = (numbers @ bohr - electrons) * BOHR_IN_ANGSTROM
    np.testing.assert_allclose(labelled["dipole"].values[0], dipole, atol=1e-8)


@pytest.mark.psi4
@needs_psi4[1]
@pytest.mark.parametrize("functional", ["HF", "PBE", "B3LYP"])
def test_free_atoms_are_those_of_psi4(functional: str, tmp_path: Path) -> None:
    """Measured: 2e-6 in the density matrices, 0.03 meV; the grids of an atom are not turned in the same way."""
    matrices, energies = [], []
    for program in ("psi4", "pyscf"):
        level = LevelOfTheory(functional=functional, program=program)  # type: ignore[arg-type]
        dataset, _ = free_atoms([1, 6, 17], level, output=tmp_path / f"{program}.nc")
        energies.append(dataset["energy"].values)
        for number, symbol in ((1, "H"), (6, "C"), (17, "Cl")):
            shells = [(0, l) for l in json.loads(dataset.attrs["psi4_shells"])[str(number)]]
            index, sign = to_canonical(dataset.attrs["ao_convention"], shells)
            D = dataset[f"density_matrix_{symbol}"].values[np.ix_(index, index)] * np.outer(sign, sign)
            matrices.append(D)
    for D, other in zip(matrices[:3], matrices[3:], strict=True):
        np.testing.assert_allclose(D, other, atol=2e-5)
    np.testing.assert_allclose(energies[0], energies[1], atol=1e-4)


@pytest.mark.slow
def test_functional_with_nonlocal_correlation_has_a_gradient(tmp_path: Path) -> None:
    level = replace(LEVEL, functional="B97M-V", basis="STO-3G", energy_convergence=1e-10, density_convergence=1e-8)
    positions = np.array([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.9 + move]] for move in (0.0, STEP, -STEP)])
    frames = water_frames(positions, (1, 1))
    labelled, _ = label_shard(frames, level, shard=0, shards=1, output=tmp_path / "s.nc")
    energy = labelled["energy"].values
    assert labelled["forces"].values[0, 1, 2] == pytest.approx(-(energy[1] - energy[2]) / (2 * STEP), abs=0.02)


def test_frame_that_fails_is_recorded_and_the_others_are_labelled(tmp_path: Path) -> None:
    frames = shaken_water(3)
    frames[1] = 0.0
    labelled = label(frames, CHEAP, tmp_path / "s.nc")
    assert labelled["status"].values.tolist() == ["ok", "PySCF: atoms are too close", "ok"]
    assert np.isnan(labelled["energy"].values[1]) and np.isfinite(labelled["forces"].values[[0, 2]]).all()
    hopeless = label(shaken_water(1), replace(CHEAP, max_iterations=1), tmp_path / "h.nc")
    assert hopeless["status"].values[0] == "PySCF: the SCF did not converge in 1 iterations"


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (replace(CHEAP, functional="PBEE"), r"functional: 'PBEE' is not one .*; did you mean PBE"),
        (replace(CHEAP, functional="wB97X-D"), "functional: PySCF lacks wB97X-D's dispersion; set program to psi4"),
        (replace(CHEAP, basis="def2-SVPX"), "basis 'def2-SVPX': no such basis set"),
    ],
)
def test_level_that_cannot_be_is_one_line_before_any_frame(tmp_path: Path, level: LevelOfTheory, line: str) -> None:
    with pytest.raises(DensnetError, match=line) as error:
        label(shaken_water(1), level, tmp_path / "s.nc")
    assert "\n" not in str(error.value) and not list(tmp_path.glob("s.nc.parts/frame-*"))


def test_every_functional_of_psi4_has_a_name_here_or_a_refusal() -> None:
    from pyscf.dft import libxc

    assert set(FUNCTIONALS) == {*LIBXC, OWN_DISPERSION}
    for name in LIBXC:
        if name != "HF":
            libxc.parse_xc(libxc_name(name.upper()))


def test_restart_takes_what_is_there_and_another_program_does_not(tmp_path: Path) -> None:
    first, parts = label_shard(water_frames(shaken_water(2)), CHEAP, shard=0, shards=1, output=tmp_path / "s.nc")
    stamps = {path: path.stat().st_mtime_ns for path in parts.folder.glob("frame-*.npz")}
    again = label(shaken_water(2), CHEAP, tmp_path / "s.nc")
    assert {path: path.stat().st_mtime_ns for path in parts.folder.glob("frame-*.npz")} == stamps
    xr.testing.assert_identical(first, again)
    assert CHEAP.decisive() == replace(CHEAP, program="psi4").decisive() | {"program": "pyscf"}


def test_crash_is_told_from_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed as soon as it has begun, twice."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, sys\nif 'pyscf_worker' in ' '.join(sys.orig_argv): os.kill(os.getpid(), {signal.SIGKILL.value})\n"
    )
    monkeypatch.setattr("densnet.reference.programs.SHARED", tmp_path)
    with pytest.raises(
        DensnetError, match=r"pyscf: PySCF crashed \(signal SIGKILL\), twice, before any frame: .* run "
    ):
        label(shaken_water(1), CHEAP, tmp_path / "s.nc")


def test_auto_is_psi4_where_it_is_found_and_pyscf_elsewhere(tmp_path: Path) -> None:
    nowhere = {"PATH": str(tmp_path)}
    (tmp_path / "there").mkdir()
    command = tmp_path / "there" / "psi4"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    there = {"PATH": str(command.parent)}
    level = LevelOfTheory()
    assert settled(level, nowhere).program == "pyscf" and settled(level, there).program == "psi4"
    assert settled(level, nowhere | {"DENSNET_PSI4": sys.executable}).program == "psi4"
    assert settled(level, there | {"DENSNET_PROGRAM": "pyscf"}).program == "pyscf"
    assert settled(replace(level, program="psi4"), nowhere).program == "psi4"
    assert described(settled(level, there), there) == f"quantum chemistry by Psi4 ({command})"
    assert described(settled(level, nowhere), nowhere).startswith("quantum chemistry by PySCF 2.")
    with pytest.raises(DensnetError, match="DENSNET_PROGRAM: expected psi4 or pyscf, found 'orca'"):
        settled(level, there | {"DENSNET_PROGRAM": "orca"})


def test_labels_without_psi4_on_the_machine(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path), "DENSNET_PSI4": ""}
    level = LevelOfTheory(functional="HF", basis="STO-3G")
    frames = water_frames(shaken_water(1))
    labelled, _ = label_shard(frames, level, shard=0, shards=1, output=tmp_path / "s.nc", environment=environment)
    assert labelled.attrs["program"].startswith("PySCF ") and labelled["status"].values.tolist() == ["ok"]
    assert labelled.attrs["psi4_version"] == f"not used: labels by {labelled.attrs['program']}"


def test_potential(tmp_path: Path) -> None:
    water = from_smiles("O")
    potential = ReferencePotential(water, CHEAP, tmp_path / "o.nc")
    energies = [potential(water.positions[None])["energy"] for _ in range(2)]
    assert energies[0] == energies[1] and potential.level.program == "pyscf"
    assert float(energies[0][0]) == pytest.approx(
        -74.96 * HARTREE_IN_EV, rel=1e-3
    )  # RHF/STO-3G at its minimum: -74.966
