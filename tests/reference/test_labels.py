"""Labels: forces are the energy's gradient, orbitals are what they are said to be, failures and kills lose nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from label_examples import CHEAP, WATER, needs_psi4, shaken_water, water_frames, write_geometries

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.reference.dispersion import d4
from densnet.reference.labels import label_shard, shard_of
from densnet.reference.level import LevelOfTheory
from densnet.reference.programs import scratch_folder
from densnet.reference.psi4_program import find_psi4
from densnet.units import BOHR_IN_ANGSTROM

pytestmark = needs_psi4
STEP = 0.005


def label(positions: np.ndarray, level: LevelOfTheory, output: Path) -> xr.Dataset:
    return label_shard(water_frames(positions), level, shard=0, shards=1, output=output)[0]


@pytest.fixture(scope="module")
def displaced(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """Water, and water with one hydrogen moved by ± STEP along y."""
    moved = np.stack([WATER, WATER, WATER])
    moved[1, 1, 1] += STEP
    moved[2, 1, 1] -= STEP
    level = LevelOfTheory(
        functional="PBE", basis="6-31G*", dispersion="d4", energy_convergence=1e-9, density_convergence=1e-8
    )
    return label(moved, level, tmp_path_factory.mktemp("label") / "s.nc")


def test_forces_are_the_gradient_of_the_energy(displaced: xr.Dataset) -> None:
    energy = displaced["energy"].values
    force = -(energy[1] - energy[2]) / (2 * STEP)
    # The DFT grid moves with the atoms and its weights are not differentiated: a few meV/Angstrom.
    assert displaced["forces"].values[0, 1, 1] == pytest.approx(force, abs=0.01)
    assert abs(force) > 0.1
    assert abs(displaced["forces"].values[0].sum(axis=0)).max() < 0.01


def test_orbitals_are_orthonormal_and_give_psi4s_dipole_in_our_basis(displaced: xr.Dataset) -> None:
    basis = Basis.from_json(displaced.attrs["orbital_basis"])
    numbers, bohr = displaced["numbers"].values, displaced["positions"].values[0] / BOHR_IN_ANGSTROM
    shells = [tuple(shell) for shell in json.loads(displaced.attrs["psi4_shells"])]
    index, sign = to_canonical(displaced.attrs["ao_convention"], shells)
    orbitals = sign[:, None] * displaced["orbitals"].values[0][index]
    overlap = integrals.overlap(basis, numbers, bohr)
    np.testing.assert_allclose(orbitals.T @ overlap @ orbitals, np.eye(5), atol=1e-7)
    mole = integrals.pyscf_mole(basis, numbers, bohr)
    from_pyscf, pyscf_sign = to_canonical("pyscf", [(mole.bas_atom(s), mole.bas_angular(s)) for s in range(mole.nbas)])
    moments = mole.intor("int1e_r")[:, from_pyscf][:, :, from_pyscf] * pyscf_sign[:, None] * pyscf_sign
    electrons = 2 * np.einsum("mj,xmn,nj->x", orbitals, moments, orbitals)
    dipole = (numbers @ bohr - electrons) * BOHR_IN_ANGSTROM
    np.testing.assert_allclose(displaced["dipole"].values[0], dipole, atol=1e-6)


def test_dispersion_is_d4_and_part_of_energy_and_forces(displaced: xr.Dataset) -> None:
    assert np.all(displaced["dispersion_energy"].values < 0)
    numbers, bohr = displaced["numbers"].values, WATER / BOHR_IN_ANGSTROM
    _, gradient = d4("PBE", numbers, bohr, 0)
    ahead, behind = bohr.copy(), bohr.copy()
    ahead[1, 1] += 1e-3
    behind[1, 1] -= 1e-3
    slope = (d4("PBE", numbers, ahead, 0)[0] - d4("PBE", numbers, behind, 0)[0]) / 2e-3
    assert gradient[1, 1] == pytest.approx(slope, abs=1e-9)


def test_small_starting_grid_does_not_change_the_label(tmp_path: Path, displaced: xr.Dataset) -> None:
    """A converged label does not remember where the iterations started."""
    loose = LevelOfTheory(functional="PBE", basis="6-31G*", dispersion="d4")
    again = label(WATER[None], loose, tmp_path / "s.nc")
    assert again["energy"].values[0] == pytest.approx(displaced["energy"].values[0], abs=1e-6)
    np.testing.assert_allclose(again["forces"].values[0], displaced["forces"].values[0], atol=2e-4)
    np.testing.assert_allclose(again["dipole"].values[0], displaced["dipole"].values[0], atol=1e-5)


def test_frame_without_convergence_is_recorded_and_the_others_are_labelled(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    frames = shaken_water(3)
    frames[1] = 0.0
    labelled = label(frames, CHEAP, tmp_path / "s.nc")
    status = labelled["status"].values
    assert (status[0], status[2]) == ("ok", "ok")
    assert status[1].startswith("Psi4: ")
    assert np.isnan(labelled["energy"].values[1])
    assert np.isnan(labelled["orbitals"].values[1]).all()
    assert np.isfinite(labelled["forces"].values[[0, 2]]).all()
    assert "warning: frame 1 failed" in capfd.readouterr().err
    hopeless = label(shaken_water(1), replace(CHEAP, max_iterations=1), tmp_path / "h.nc")
    assert "converge" in hopeless["status"].values[0]


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (replace(CHEAP, functional="PBEE"), r"functional: 'PBEE' is not one of Psi4's; did you mean .*pbe"),
        (replace(CHEAP, functional="B2PLYP"), "double hybrid"),
        (replace(CHEAP, functional="wPBE-none"), "functional: 'wPBE-none' is not one"),
        (replace(CHEAP, functional="PBE-D3BJ"), "external dispersion program"),
        (replace(CHEAP, basis="def2-SVPX"), r"basis: 'def2-SVPX' is not one of Psi4's; did you mean .*def2-svp"),
        (replace(CHEAP, functional="wB97X-D", dispersion="d4"), "d4 has no parameters"),
    ],
)
def test_misspelt_level_is_one_clear_line_before_any_frame(tmp_path: Path, level: LevelOfTheory, line: str) -> None:
    with pytest.raises(DensnetError, match=line) as error:
        label(shaken_water(2), level, tmp_path / "s.nc")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("s.nc.parts/frame-*"))


def test_element_that_the_basis_lacks_is_named(tmp_path: Path) -> None:
    frames = water_frames(shaken_water(1)).assign(
        numbers=("atom", np.array([92, 1, 1]), {"units": "1", "long_name": "atomic numbers"})
    )
    with pytest.raises(DensnetError, match=r"basis: Psi4's '6-31G' lacks one of the elements \['H', 'U'\]"):
        label_shard(frames, replace(CHEAP, basis="6-31G"), shard=0, shards=1, output=tmp_path / "s.nc")


@pytest.mark.slow
def test_kill_truncation_and_restart_end_at_the_undisturbed_result(tmp_path: Path) -> None:
    geometries = write_geometries(tmp_path / "geometries.nc", water_frames(shaken_water(16)))
    options = ["--functional", "HF", "--basis", "6-31G*", "--shard", "1", "--shards", "2"]

    def command(output: Path) -> list[str]:
        verb = [sys.executable, "-m", "densnet.cli.main", "label", "--geometries", str(geometries)]
        return [*verb, *options, "--output", str(output)]

    output = tmp_path / "killed.nc"
    parts = tmp_path / "killed.nc.parts"
    running = subprocess.Popen(command(output), stderr=subprocess.DEVNULL)
    end = time.monotonic() + 100
    while len(list(parts.glob("frame-*.npz"))) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    scratch = scratch_folder(parts, os.environ)
    while _running_in(scratch):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert not output.exists()
    finished = sorted(parts.glob("frame-*.npz"))
    assert len(finished) < 8
    cut, kept = finished[0], {path: path.stat().st_mtime_ns for path in finished[1:]}
    for damaged in (cut, parts / "ready.json"):
        damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])

    resumed = subprocess.Popen(command(output), stderr=subprocess.PIPE, text=True)
    log = resumed.communicate()[1]
    assert resumed.returncode == 0, log
    assert f"{len(kept)} of 8 frames were done before" in log
    assert not parts.exists()
    assert not scratch.exists()
    undisturbed = tmp_path / "undisturbed.nc"
    subprocess.run(command(undisturbed), check=True, stderr=subprocess.DEVNULL)
    one, other = (read_dataset(path, stage="label").drop_vars("wall_time") for path in (output, undisturbed))
    xr.testing.assert_equal(one, other)
    assert one["frame"].values.tolist() == list(range(1, 16, 2))
    assert (one["status"].values == "ok").all()


def _running_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_parts_of_another_level_are_not_used(tmp_path: Path) -> None:
    first = label(shaken_water(1), CHEAP, tmp_path / "s.nc")
    other = label(shaken_water(1), replace(CHEAP, basis="3-21G"), tmp_path / "s.nc")
    assert abs(first["energy"].values[0] - other["energy"].values[0]) > 1.0


def test_missing_psi4_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match="no 'psi4' command on the PATH; install it"):
        find_psi4({"PATH": str(tmp_path)})
    with pytest.raises(DensnetError, match="DENSNET_PSI4='/none' is not an executable"):
        find_psi4({"PATH": str(tmp_path), "DENSNET_PSI4": "/none"})


def test_python_without_psi4_is_one_clear_line(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "DENSNET_PSI4": sys.executable}
    with pytest.raises(DensnetError, match="cannot import psi4"):
        label_shard(
            water_frames(shaken_water(1)), CHEAP, shard=0, shards=1, output=tmp_path / "s.nc", environment=environment
        )


def test_shards_deal_every_frame_once() -> None:
    dealt = [shard_of(11, shard, 3) for shard in range(3)]
    assert sorted(frame for frames in dealt for frame in frames) == list(range(11))
    with pytest.raises(DensnetError, match="shard: expected 0 to 2"):
        shard_of(11, 3, 3)
