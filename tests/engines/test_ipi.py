"""Dynamics by i-PI with our model: what it is given, what it conserves, and what quantum nuclei must have."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ipi_examples import OMEGA_PER_FS, PAUSE, WAVENUMBER, kinetic_energy, springs

from densnet.cli.engine import ipi, trajectory
from densnet.cli.spectrum import spectrum
from densnet.dynamics.settings import DynamicsSettings
from densnet.engines.ipi_driver import ModelDriver
from densnet.engines.ipi_input import PHASES, ending
from densnet.engines.ipi_program import run_ipi
from densnet.engines.ipi_trajectory import ipi_trajectory
from densnet.engines.settings import RingPolymerSettings
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.molecule import from_smiles
from densnet.potentials.model import ModelPotential
from densnet.spectra.settings import SpectrumSettings
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "ethanol.pt"
ETHANOL = from_smiles("CCO")
needs_ipi = pytest.mark.skipif(find_spec("ipi") is None, reason="i-PI is not installed")

FORCES = """
import json, sys
from ipi.engine.simulation import Simulation
system = Simulation.load_from_xml(open("thermalise.xml")).syslist[0]
print(json.dumps({"positions": system.beads.q.tolist(), "forces": system.forces.f.tolist()}))
sys.stdout.flush()
import os; os._exit(0)
"""

RUN = """
from pathlib import Path
from densnet.engines.ipi_program import run_ipi
if __name__ == "__main__":
    run_ipi(Path({folder!r}))
"""


def xyz_of(path: Path, symbols: str = "", comment: str = "") -> Path:
    names = symbols.split() or [str(number) for number in ETHANOL.numbers]
    rows = [f"{name} {x} {y} {z}" for name, (x, y, z) in zip(names, ETHANOL.positions, strict=False)]
    path.write_text("\n".join([str(len(rows)), comment, *rows]) + "\n")
    return path


def test_the_driver_says_what_the_model_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = DynamicsSettings(replicas=1, production_ps=0.1)
    ipi(model=MODEL, output=tmp_path, xyz=xyz_of(tmp_path / "e.xyz"), settings=settings)
    monkeypatch.chdir(tmp_path / "00")
    driver = ModelDriver(verbosity=False)
    frames = ETHANOL.positions + 0.02 * np.random.default_rng(1).standard_normal((3, *ETHANOL.positions.shape))
    expected = ModelPotential.from_file(MODEL, ETHANOL.numbers)(frames)
    answers = driver([np.eye(3)] * 3, list(frames / BOHR_IN_ANGSTROM))
    one = driver(np.eye(3), frames[0] / BOHR_IN_ANGSTROM)
    for t, (energy, forces, virial, extras) in enumerate([*answers, one]):
        assert energy * HARTREE_IN_EV == pytest.approx(expected["energy"][t % 3], abs=1e-3)
        ours = expected["forces"][t % 3]
        # single precision
        np.testing.assert_allclose(
            forces * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM, ours, rtol=0, atol=1e-5 * np.abs(ours).max()
        )
        dipole = np.array(json.loads(extras)["dipole"]) * BOHR_IN_ANGSTROM
        np.testing.assert_allclose(dipole, expected["dipole"][t % 3], atol=1e-5)
        assert virial.shape == (3, 3) and not virial.any()


@needs_ipi
@pytest.mark.slow
def test_forces_through_the_engine_are_ours(tmp_path: Path) -> None:
    """All beads in one batch; single precision rounds to some 1e-6 of the largest force."""
    settings, ring = DynamicsSettings(replicas=1, production_ps=0.1), RingPolymerSettings(beads=4)
    ipi(model=MODEL, output=tmp_path, xyz=xyz_of(tmp_path / "e.xyz"), settings=settings, ring=ring)
    told = subprocess.run(
        [sys.executable, "-c", FORCES], cwd=tmp_path / "00", capture_output=True, text=True, check=True
    )
    said = json.loads(told.stdout.splitlines()[-1])
    positions = np.array(said["positions"]).reshape(4, -1, 3) * BOHR_IN_ANGSTROM
    np.testing.assert_allclose(positions, np.repeat(ETHANOL.positions[None], 4, axis=0), atol=1e-8)
    forces = np.array(said["forces"]).reshape(4, -1, 3) * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM
    ours = ModelPotential.from_file(MODEL, ETHANOL.numbers)(positions)["forces"]
    np.testing.assert_allclose(forces, ours, rtol=0, atol=1e-5 * np.abs(ours).max())


@needs_ipi
@pytest.mark.slow
def test_the_model_conserves_energy_and_gives_a_trajectory(tmp_path: Path) -> None:
    """Verlet's energy trembles by some (ω Δt)²/8 of what vibrates, 1 % at a C-H stretch."""
    settings = DynamicsSettings(replicas=1, thermalise_ps=0.02, production_ps=0.05)
    ipi(model=MODEL, output=tmp_path / "run", xyz=xyz_of(tmp_path / "e.xyz"), run=True, settings=settings)
    moved = read_dataset(tmp_path / "run" / "trajectory.nc", stage="md")
    assert moved["positions"].shape == (1, 51, 9, 3) and moved.attrs["engine"] == "i-PI"
    kinetic = moved["energy_kinetic"].values
    total = moved["energy_potential"].values + kinetic
    assert np.ptp(kinetic) > 0.02
    assert np.ptp(total) < 0.02 * np.ptp(kinetic) + 1e-3
    np.testing.assert_allclose(total, moved["energy_conserved"], atol=2e-6)
    ours = ModelPotential.from_file(MODEL, ETHANOL.numbers)(moved["positions"].values[0, ::10])
    # i-PI writes positions to 1e-6 of their size
    np.testing.assert_allclose(ours["dipole"], moved["dipole"].values[0, ::10], atol=1e-4)
    np.testing.assert_allclose(ours["energy"], moved["energy_potential"].values[0, ::10], atol=2e-3)


@needs_ipi
@pytest.mark.slow
def test_the_spectrum_of_springs_is_one_line(tmp_path: Path) -> None:
    settings = DynamicsSettings(replicas=1, thermalise_ps=0.05, production_ps=1.3, temperature=400, stride=8)
    for folder in springs(tmp_path, settings, RingPolymerSettings()):
        run_ipi(folder)
    trajectory(tmp_path, output=tmp_path / "t.nc")
    moved = xr.load_dataset(tmp_path / "t.nc")
    # velocities are the derivative of positions: of one frequency, central differences are v sin(ω Δt) / (ω Δt)
    apart = settings.timestep_fs * settings.stride
    slope = (moved["positions"].values[:, 2:] - moved["positions"].values[:, :-2]) / (2 * apart)
    slope /= np.sinc(OMEGA_PER_FS * apart / np.pi)
    np.testing.assert_allclose(slope, moved["velocities"].values[:, 1:-1], atol=0.01 * np.abs(slope).max())
    assert moved["energy_potential"].values.min() > 1000
    assert moved.attrs["nve_drift_mev_per_atom_per_ps"] < 0.05
    spectrum(
        trajectory=tmp_path / "t.nc",
        output=tmp_path / "s.nc",
        settings=SpectrumSettings(resolution=40, wavenumber_max=2000),
    )
    assert xr.load_dataset(tmp_path / "s.nc")["line_wavenumber"].values[0] == pytest.approx(WAVENUMBER, abs=5)


@needs_ipi
@pytest.mark.slow
def test_both_estimators_of_quantum_kinetic_energy_agree(tmp_path: Path) -> None:
    """Virial and primitive estimator have the same mean, that of the harmonic ring polymer, far above the classical."""
    beads = 8
    settings = DynamicsSettings(replicas=1, thermalise_ps=0.2, production_ps=2.0, stride=10, friction_per_ps=20.0)
    for folder in springs(tmp_path, settings, RingPolymerSettings(beads=beads, thermostat="all")):
        run_ipi(folder)
    moved = ipi_trajectory(tmp_path)
    expected = kinetic_energy(settings.temperature, beads)
    classical = kinetic_energy(settings.temperature, 1)
    for name in ("energy_kinetic", "energy_kinetic_primitive"):
        values = moved[name].values[0, : moved.sizes["time"] // 20 * 20]
        means = values.reshape(20, -1).mean(axis=1)
        error = means.std(ddof=1) / len(means) ** 0.5
        assert error < 0.1 * (expected - classical), (name, error)
        assert means.mean() == pytest.approx(expected, abs=4 * error), (name, error)


@needs_ipi
@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_was_stopped_ends_as_if_it_had_not(tmp_path: Path, signum: signal.Signals) -> None:
    settings = DynamicsSettings(replicas=1, thermalise_ps=0.02, production_ps=0.8, stride=5, chunk_steps=100)
    ring = RingPolymerSettings(beads=2)
    (whole,) = springs(tmp_path / "whole", settings, ring)
    run_ipi(whole)
    (stopped,) = springs(tmp_path / "stopped", settings, ring)
    (tmp_path / "run.py").write_text(RUN.format(folder=str(stopped)))
    # the signal is seen within two seconds, and what is left takes half a minute
    slowed = os.environ | {PAUSE: "0.02"}
    process = subprocess.Popen([sys.executable, str(tmp_path / "run.py")], env=slowed, stderr=subprocess.DEVNULL)
    properties = stopped / "production.properties"
    deadline = time.monotonic() + 60
    while not (properties.exists() and len(properties.read_bytes().splitlines()) > 20):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signum)
    process.wait()
    assert not (stopped / ending(PHASES[-1])).exists()
    run_ipi(stopped)
    for name, values in ipi_trajectory(tmp_path / "whole").variables.items():
        # i-PI writes six digits, and starts anew from some more
        largest = float(np.abs(values).max())
        np.testing.assert_allclose(ipi_trajectory(tmp_path / "stopped")[name], values, rtol=0, atol=1e-5 * largest)


def test_bad_input_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = DynamicsSettings(replicas=1)

    def refused(message: str, **arguments: object) -> None:
        with pytest.raises(DensnetError, match=message) as refusal:
            ipi(**({"model": MODEL, "output": tmp_path / "run", "settings": settings} | arguments))  # type: ignore[arg-type]
        assert "\n" not in str(refusal.value)

    refused("expected one of --geometries FILE and --xyz FILE")
    cell = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3 pbc="T T T"'
    refused("found a periodic cell", xyz=xyz_of(tmp_path / "cell.xyz", "C C O H H H H H H", cell))
    refused(r"S|16", xyz=xyz_of(tmp_path / "thiol.xyz", "C C S H H H H H H"))
    refused("no such file|cannot be read", model=tmp_path / "nothing.pt", xyz=xyz_of(tmp_path / "e.xyz"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").write_text("no folder")
    refused("cannot be written", output=tmp_path / "file", xyz=tmp_path / "e.xyz")
    ipi(model=MODEL, output=tmp_path / "run", xyz=tmp_path / "e.xyz", settings=settings)
    before = (tmp_path / "run" / "run.json").read_bytes()
    refused("found a run of other settings", xyz=tmp_path / "e.xyz", settings=DynamicsSettings(replicas=1, seed=2))
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    with pytest.raises(DensnetError, match="expected a finished run of i-PI"):
        trajectory(tmp_path / "run", output=tmp_path / "t.nc")
    with pytest.raises(DensnetError, match="expected what 'densnet engine ipi' wrote"):
        trajectory(tmp_path, output=tmp_path / "t.nc")
    monkeypatch.setattr("densnet.engines.ipi_program.find_spec", lambda name: None)
    refused(r"ipi is not installed; run .*\[engines\]", output=tmp_path / "new", xyz=tmp_path / "e.xyz", run=True)
    assert not (tmp_path / "new").exists() and not (tmp_path / "t.nc").exists()


@needs_ipi
def test_what_fails_inside_i_pi_is_said(tmp_path: Path) -> None:
    (folder,) = springs(tmp_path, DynamicsSettings(replicas=1), RingPolymerSettings())
    (folder / "densnet_driver.py").write_text("raise RuntimeError('no such potential')\n")
    with pytest.raises(DensnetError, match=r"i-PI ended before thermalise was done: .*no such potential"):
        run_ipi(folder)
