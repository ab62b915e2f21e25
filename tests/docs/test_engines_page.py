"""The examples of docs/engines.md, where their program is installed: forces are the model's, energy is conserved.

Each program hands over positions and takes forces as doubles, so that forces differ by rounding alone.
"""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.units import fs, kJ, mol, nm

from densnet import DenSNetCalculator
from densnet.basis.basis import Basis
from densnet.cli.export import metatomic as export

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "engines.md").read_text("utf-8")

LARGEST_DIFFERENCE = 1e-5
"""eV/Å, of forces of some eV/Å; networks compute in float32."""
LARGEST_DRIFT = 2e-3
"""eV. Twenty steps of 0.5 fs; Verlet's energy trembles by some 1 % of the kinetic energy, 0.1 eV."""


def run(title: str, monkeypatch: pytest.MonkeyPatch, folder: Path = ROOT) -> dict[str, Any]:
    """Run the example below a title in a folder."""
    (code,) = re.findall(rf"^## {title}$.*?^```python\n(.*?)^```", PAGE, re.S | re.M)
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(compile(code, f"docs/engines.md, {title}", "exec"), names)
    return names


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


@pytest.mark.slow
@needs("openmm")
def test_openmm(monkeypatch: pytest.MonkeyPatch) -> None:
    names = run("OpenMM", monkeypatch)
    context, ethanol = names["context"], names["ethanol"]

    def total() -> float:
        state = context.getState(getEnergy=True)
        return float((state.getKineticEnergy() + state.getPotentialEnergy())._value) * kJ / mol

    state = context.getState(getPositions=True, getForces=True)
    ethanol.positions = state.getPositions(asNumpy=True)._value * nm
    theirs = np.array(state.getForces(asNumpy=True)._value) * kJ / mol / nm
    np.testing.assert_allclose(theirs, ethanol.get_forces(), atol=LARGEST_DIFFERENCE)
    before = total()
    context.getIntegrator().step(20)
    assert abs(total() - before) < LARGEST_DRIFT


@pytest.mark.slow
@needs("lammps")
def test_lammps(monkeypatch: pytest.MonkeyPatch) -> None:
    names = run("LAMMPS", monkeypatch)
    lmp, ethanol = names["lmp"], names["ethanol"]
    order = np.argsort(lmp.numpy.extract_atom("id"))
    ethanol.positions = lmp.numpy.extract_atom("x")[order]
    np.testing.assert_allclose(lmp.numpy.extract_atom("f")[order], ethanol.get_forces(), atol=LARGEST_DIFFERENCE)
    before = lmp.get_thermo("etotal")
    lmp.command("run 20")
    assert lmp.get_thermo("ke") > 0.01 and abs(lmp.get_thermo("etotal") - before) < LARGEST_DRIFT


@pytest.mark.slow
@needs("torch_sim")
def test_torch_sim(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = run("TorchSim", monkeypatch)
        engine, model, moved, ethanol = (names[name] for name in ("torch_sim", "model", "moved", "ethanol"))
        steps = {"n_steps": 20, "temperature": 300, "timestep": 0.0005}
        later = engine.integrate(system=moved.clone(), model=model, integrator=names["nve"], **steps)
    assert moved.positions.shape == (36, 3)
    ethanol.calc = DenSNetCalculator("models/ethanol.pt")
    for system in range(4):
        rows = slice(9 * system, 9 * system + 9)
        ethanol.positions = moved.positions.numpy()[rows]
        np.testing.assert_allclose(moved.forces.numpy()[rows], ethanol.get_forces(), atol=LARGEST_DIFFERENCE)
        assert float(moved.energy[system]) == pytest.approx(ethanol.get_potential_energy(), abs=1e-6)
    before, after = kinetic_energies(moved), kinetic_energies(later)
    assert before.min() > 0.1
    # at 300 K from the first step on: more than three times the kinetic energy of the other examples
    np.testing.assert_allclose(moved.energy + before, later.energy + after, atol=4 * LARGEST_DRIFT)


def kinetic_energies(state: Any) -> Any:
    """Σ p²/2m of each of four systems in eV, as in LAMMPS's metal units with masses that take the conversion."""
    return (0.5 * (state.momenta**2).sum(dim=1) / state.masses).reshape(4, 9).sum(dim=1)


@needs("metatomic")
def test_metatomic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    title = "metatomic: one file without this package"
    (command,) = re.findall(rf"^## {title}\n\n    densnet export metatomic (.*)$", PAGE, re.M)
    words = command.split()
    assert words[::2] == ["--model", "--output"]
    export(model=ROOT / words[1], output=tmp_path / words[3])
    names = run(title, monkeypatch, tmp_path)
    ethanol, values = names["ethanol"], names["values"]
    before = ethanol.get_total_energy()
    names["VelocityVerlet"](ethanol, 0.5 * fs).run(20)
    assert ethanol.get_kinetic_energy() > 0.01 and abs(ethanol.get_total_energy() - before) < LARGEST_DRIFT
    assert Basis.from_json(ethanol.calc.metadata().extra["basis"]).l_max == max(
        int(key["o3_lambda"]) for key in values["densnet::density"].keys
    )
    written = names["metatensor"].torch.load(tmp_path / "ethanol.mts")
    assert written.keys.names == ["o3_lambda", "o3_sigma", "atom_type"]
    theirs = ethanol.get_forces()
    ethanol.calc = DenSNetCalculator(ROOT / "models/ethanol.pt")
    np.testing.assert_allclose(theirs, ethanol.get_forces(), atol=1e-3)
