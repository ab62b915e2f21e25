"""What every potential keeps to: shapes, units, forces that are gradients, frames that know nothing of each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from ase import Atoms

from densnet.cli.harmonic import harmonic_modes
from densnet.cli.md import md
from densnet.dynamics.simulation import DynamicsSettings
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.molecule import Molecule, from_smiles
from densnet.potential import Potential, check_elements
from densnet.potentials import NAMED, check, named, named_class
from densnet.potentials.ase import AseCalculator, AsePotential
from densnet.potentials.model import ModelPotential
from densnet.units import E_ANGSTROM_IN_DEBYE

ROOT = Path(__file__).parents[2]
ETHANOL = from_smiles("CCO")
FRAMES = ETHANOL.positions + 0.03 * np.random.default_rng(3).normal(size=(3, *ETHANOL.positions.shape))
WATER = Molecule(np.array([8, 1, 1]), np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]]))
CALIFORNIUM_HYDRIDE = Molecule(np.array([98, 1, 1]), np.array([[0.0, 0, 0], [0, 0, 2.0], [0, 0, -2.0]]))


def missing(name: str) -> bool:
    needs = named_class(name).needs
    return needs is not None and find_spec(needs[0]) is None


NAMES = [pytest.param(name, marks=pytest.mark.skipif(missing(name), reason="not installed")) for name in NAMED]


def our_model(molecule: Molecule) -> Potential:
    path = ROOT / "models" / "ethanol.pt"
    return ModelPotential.from_file(path, molecule.numbers, dtype=torch.float64, atoms_at_once=20)


MAKERS = [pytest.param(named(name.values[0]), marks=name.marks, id=name.values[0]) for name in NAMES]  # type: ignore[arg-type]
MAKERS.append(pytest.param(our_model, id="model"))


@pytest.fixture(params=MAKERS, scope="module")
def make(request: pytest.FixtureRequest) -> Callable[[Molecule], Potential]:
    return request.param


@pytest.fixture(scope="module")
def ethanol(make: Callable[[Molecule], Potential]) -> Potential:
    return make(ETHANOL)


def test_it_says_what_it_is_and_gives_what_it_says(ethanol: Potential) -> None:
    assert ethanol.name and ethanol.device == "cpu"
    np.testing.assert_array_equal(ethanol.numbers, ETHANOL.numbers)
    check_elements(ethanol, ETHANOL.numbers)
    answer = ethanol(FRAMES)
    assert set(answer) == ethanol.quantities >= {"energy", "forces", "dipole"}
    assert answer["energy"].shape == (3,) and answer["forces"].shape == FRAMES.shape
    assert answer["dipole"].shape == (3, 3)
    for values in answer.values():
        assert values.dtype == np.float64 and np.isfinite(values).all()


def test_forces_are_the_gradient_of_the_energy(ethanol: Potential) -> None:
    """Central differences of 1e-3 Å are off by the third derivative, some 100 eV/Å³, times 1e-6 Å² / 6."""
    assert ethanol.exact_gradient
    forces = ethanol(FRAMES[:1])["forces"][0]
    for atom, axis in ((0, 0), (2, 1), (5, 2)):
        moved = np.repeat(FRAMES[:1], 2, axis=0)
        moved[:, atom, axis] += [1e-3, -1e-3]
        energies = ethanol(moved)["energy"]
        # self-consistencies stop at about 1e-6 hartree
        assert (energies[1] - energies[0]) / 2e-3 == pytest.approx(forces[atom, axis], abs=2e-3)


def test_units_are_those_of_the_outside(ethanol: Potential) -> None:
    """A bond of some 31 eV/Å² stretched by 0.1 Å costs 0.15 to 0.3 eV; the dipole, 1.5 to 1.7 D, points away from O."""
    oxygen = int(np.flatnonzero(ETHANOL.numbers == 8)[0])
    distances = np.linalg.norm(ETHANOL.positions - ETHANOL.positions[oxygen], axis=1)
    (hydrogen,) = np.flatnonzero((distances < 1.1) & (ETHANOL.numbers == 1))
    stretched = ETHANOL.positions.copy()
    bond = (ETHANOL.positions[hydrogen] - ETHANOL.positions[oxygen]) / distances[hydrogen]
    stretched[hydrogen] += 0.1 * bond
    answer = ethanol(np.stack([ETHANOL.positions, stretched]))
    assert 0.1 < answer["energy"][1] - answer["energy"][0] < 0.35
    assert answer["forces"][1, hydrogen] @ bond < -2.0
    assert 1.2 < E_ANGSTROM_IN_DEBYE * np.linalg.norm(answer["dipole"][0]) < 2.6
    away = ETHANOL.positions.mean(axis=0) - ETHANOL.positions[oxygen]
    assert answer["dipole"][0] @ away > 0


def test_turned_molecules_have_the_same_energy_and_turned_vectors(ethanol: Potential) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    plain = ethanol(FRAMES)
    ethanol.forget()
    turned = ethanol(FRAMES @ turn.T + [1.0, -2.0, 3.0])
    np.testing.assert_allclose(turned["energy"], plain["energy"], atol=1e-4)
    np.testing.assert_allclose(turned["forces"], plain["forces"] @ turn.T, atol=1e-3)
    np.testing.assert_allclose(turned["dipole"], plain["dipole"] @ turn.T, atol=1e-3)


def test_frames_know_nothing_of_each_other_and_nothing_is_left_once_forgotten(ethanol: Potential) -> None:
    ethanol.forget()
    together = ethanol(FRAMES)
    ethanol(FRAMES[::-1])
    ethanol.forget()
    again = ethanol(FRAMES)
    ethanol.forget()
    order = [2, 0, 1]
    mixed = ethanol(FRAMES[order])
    ethanol.forget()
    alone = ethanol(FRAMES[2:])
    for name, values in together.items():
        np.testing.assert_array_equal(again[name], values)
        # a batch of another size may be summed in another order
        np.testing.assert_allclose(mixed[name], values[order], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(alone[name], values[2:], rtol=1e-9, atol=1e-9)


def test_there_and_back_through_ase(ethanol: Potential) -> None:
    calculator = AseCalculator(ethanol)
    back = AsePotential(calculator, ETHANOL)
    assert back.quantities == {"energy", "forces", "dipole"}
    ethanol.forget()
    expected = [ethanol(frame[None]) for frame in FRAMES]
    ethanol.forget()
    found = back(FRAMES)
    for name in back.quantities:
        np.testing.assert_array_equal(found[name], np.concatenate([one[name] for one in expected]))
    atoms = Atoms(ETHANOL.numbers, FRAMES[-1], calculator=calculator)
    assert atoms.get_potential_energy() == found["energy"][-1] and isinstance(calculator.results["energy"], float)
    with pytest.raises(DensnetError, match="expected the atoms that the potential was made for"):
        Atoms(WATER.numbers, WATER.positions, calculator=calculator).get_forces()
    with pytest.raises(DensnetError, match="periodic"):
        Atoms(ETHANOL.numbers, FRAMES[0], pbc=True, calculator=calculator).get_forces()


def test_an_unknown_element_is_named(make: Callable[[Molecule], Potential]) -> None:
    with pytest.raises(DensnetError, match=r"does not know Cf|found \[98\]"):
        make(CALIFORNIUM_HYDRIDE)


@pytest.mark.parametrize("name", NAMES)
def test_dynamics_and_harmonic_frequencies_of_a_name(name: str, tmp_path: Path) -> None:
    split = np.array(["train", "train"])
    frames = WATER.positions + 0.02 * np.random.default_rng(1).normal(size=(2, 3, 3))
    dataset = xr.Dataset(
        {
            "positions": variable(("frame", "atom", "x"), frames, "angstrom", "positions"),
            "numbers": variable(("atom",), WATER.numbers, "1", "atomic numbers"),
            "split": variable(("frame",), split, "1", "split"),
        },
        attrs={"charge": 0, "multiplicity": 1, "molecule": "water"},
    )
    write_dataset(dataset, tmp_path / "g.nc", stage="sample", method_version=1, settings={})
    settings = DynamicsSettings(replicas=2, thermalise_ps=0.002, production_ps=0.004)
    md(geometries=tmp_path / "g.nc", output=tmp_path / "t.nc", potential=name, settings=settings)
    trajectory = read_dataset(tmp_path / "t.nc", stage="md")
    assert trajectory.attrs["potential"] == name and trajectory["dipole"].shape == (2, 4, 3)
    assert np.isfinite(trajectory["energy_potential"].values).all()

    (tmp_path / "water.xyz").write_text("3\n\nO 0 0 0.12\nH 0 0.76 -0.47\nH 0 -0.76 -0.47\n")
    harmonic_modes(output=tmp_path / "h.nc", xyz=tmp_path / "water.xyz", potential=name)
    bend, *stretches = read_dataset(tmp_path / "h.nc", stage="harmonic")["wavenumber"].values
    assert 1450 < bend < 1750 and all(3500 < stretch < 4050 for stretch in stretches)


def test_the_page_of_the_docs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "potentials.md").read_text("utf-8"), re.S | re.M)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/potentials.md", "exec"), names)
    # each starts its self-consistency elsewhere
    np.testing.assert_allclose(names["again"](FRAMES)["forces"], names["gfn2"](FRAMES)["forces"], atol=1e-3)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DensnetError, match=r"expected one of gfn2-xtb, .*found 'gfn3'"):
        named("gfn3")

    with pytest.raises(DensnetError, match=r"mmff94: does not know Cf"):
        check("mmff94", CALIFORNIUM_HYDRIDE.numbers)
    with pytest.raises(DensnetError, match="gfn2-xtb: gives no polarizability, needed for Raman spectra"):
        check("gfn2-xtb", (1,), ("energy", "polarizability"), "Raman spectra")
    unclear = Molecule(np.array([6, 6, 8]), np.array([[0.0, 0, 0], [0, 0, 5.0], [0, 0, 10.0]]))
    with pytest.raises(DensnetError, match="mmff94"):
        named("mmff94")(unclear)
