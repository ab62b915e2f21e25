"""Models exported to metatomic, through metatomic's own ASE calculator, beside ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from ase import Atoms
from ase.build import molecule

from densnet import DenSNetCalculator
from densnet.basis.basis import Basis
from densnet.basis.integrals import charges
from densnet.cli.export import metatomic as export
from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.models.checkpoint import save_model
from densnet.models.densnet_model import DenSNet
from densnet.models.graph import replicate

ROOT = Path(__file__).parents[2]
MODELS = ("ethanol", "polythiophene")
RELATIVE = 1e-6
"""In float64. The energies and the densities agree to rounding, the forces to 1e-9."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Exported models, in float64."""
    pytest.importorskip("metatomic.torch")
    folder = tmp_path_factory.mktemp("metatomic")
    for name in MODELS:
        export(model=ROOT / "models" / f"{name}.pt", output=folder / f"{name}.mta", dtype="float64")
    return {name: folder / f"{name}.mta" for name in MODELS}


@pytest.fixture
def theirs(files: dict[str, Path], request: pytest.FixtureRequest) -> Any:
    """Metatomic's calculator of a model, which checks what the model gives."""
    from metatomic_ase import MetatomicCalculator

    return MetatomicCalculator(files[getattr(request, "param", "ethanol")], check_consistency=True)


def frames(name: str) -> list[Atoms]:
    """Labelled geometries, of chains in an order that is not that of their lengths, and one far from all labels."""
    folders = ("ethanol", "ethanol") if name == "ethanol" else (f"{name}/2", f"{name}/4", f"{name}/1", f"{name}/2")
    images = []
    for n, folder in enumerate(folders):
        with xr.open_dataset(ROOT / "data" / folder / "geometries.nc") as data:
            images.append(Atoms(data["numbers"].values, data["positions"].values[n]))
    squeezed = images[0].copy()
    squeezed.positions *= 0.65
    return [*images, squeezed]


def outputs() -> dict[str, Any]:
    from metatomic.torch import ModelOutput

    return {
        "energy": ModelOutput(unit="eV", sample_kind="system"),
        "densnet::dipole": ModelOutput(unit="e*angstrom", sample_kind="system"),
        "densnet::density": ModelOutput(sample_kind="atom"),
    }


def in_order(density: Any, basis: Basis, numbers: np.ndarray, system: int = 0) -> np.ndarray:
    """Return the coefficients of a system in canonical order."""
    layout = basis.layout(numbers)
    coefficients = np.full(len(layout), np.nan)
    for key, block in density.items():
        z, l = int(key["atom_type"]), int(key["o3_lambda"])
        assert key["o3_sigma"] == 1 and block.samples.names == ["system", "atom"] and block.properties.names == ["n"]
        assert [component.names for component in block.components] == [["o3_mu"]]
        assert block.components[0].values[:, 0].tolist() == list(range(-l, l + 1))
        for sample, values in zip(block.samples.values.tolist(), block.values.detach().numpy(), strict=True):
            if sample[0] == system:
                assert numbers[sample[1]] == z
                chosen = (layout.atom == sample[1]) & (layout.l == l)
                coefficients[chosen] = values[layout.m[chosen] + l, layout.n[chosen]]
    return coefficients


@pytest.mark.parametrize(("theirs", "name"), [(name, name) for name in MODELS], indirect=["theirs"])
def test_energies_forces_dipoles_and_densities_are_ours(theirs: Any, name: str) -> None:
    ours = DenSNetCalculator(ROOT / "models" / f"{name}.pt", dtype="float64")
    basis = Basis.from_json(theirs.metadata().extra["basis"])
    # twice, for TorchScript changes what it runs after the first calls
    for atoms in 2 * frames(name):
        atoms.calc = ours
        energy, forces, dipole = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_dipole_moment()
        density = ours.density(atoms)
        atoms.calc = theirs
        assert atoms.get_potential_energy() == pytest.approx(energy, rel=RELATIVE**2)
        np.testing.assert_allclose(atoms.get_forces(), forces, rtol=0, atol=RELATIVE * np.abs(forces).max())
        said = theirs.run_model(atoms, outputs())
        vector = said["densnet::dipole"].block().values.detach().numpy()
        np.testing.assert_allclose(vector[0, :, 0], dipole, rtol=0, atol=RELATIVE * np.linalg.norm(dipole))
        coefficients = in_order(said["densnet::density"], basis, atoms.numbers)
        np.testing.assert_allclose(coefficients, density.coefficients, rtol=0, atol=1e-9)
        assert charges(basis, atoms.numbers) @ coefficients == pytest.approx(atoms.numbers.sum(), abs=1e-9)


def test_the_wall_and_the_bound_are_among_what_was_compared() -> None:
    model: DenSNet = DenSNetCalculator(ROOT / "models/ethanol.pt", dtype="float64").model.members[0]
    *_, squeezed = frames("ethanol")
    graph = replicate(model.elements_of(squeezed.numbers), torch.as_tensor(squeezed.positions[None]), model.cutoff)
    edges = model.edge_functions[-1](graph.element, graph.sender, *graph.edges())
    assert model.energy is not None and model.energy.repulsion is not None
    wall, _ = model.energy.repulsion(graph, graph.edges()[0], edges.ends, model.energy.edges.trusted)
    learned = model.energy.learned(graph, model.density(graph)[1])
    assert float(wall) > 1.0 and (learned < model.energy.least[graph.element] - 1.0).any()


def test_forces_are_the_slope_of_the_energy(theirs: Any) -> None:
    atoms = frames("ethanol")[0]
    atoms.calc = theirs
    direction = np.random.default_rng(3).standard_normal(atoms.positions.shape)
    forces, start, h = atoms.get_forces(), atoms.positions.copy(), 2e-3
    energies = []
    for step in (-2, -1, 1, 2):
        atoms.positions = start + step * h * direction
        energies.append(atoms.get_potential_energy())
    slope = np.dot([1, -8, 8, -1], energies) / (12 * h)
    # the formula's error is of fourth order; 2e-8 eV/Angstrom is the rounding of an energy of 4000 eV over h
    assert -np.vdot(forces, direction) == pytest.approx(slope, rel=1e-6)


def test_turned_and_moved(theirs: Any) -> None:
    atoms = frames("ethanol")[0]
    turned = atoms.copy()
    turned.rotate(70, (1.0, 2.0, -0.5))
    turned.translate((30.0, -20.0, 10.0))
    values = []
    for image in (atoms, turned):
        image.calc = theirs
        said = theirs.run_model(image, outputs())
        values.append(
            (image.get_potential_energy(), image.get_forces(), said["densnet::dipole"].block().values[0, :, 0].numpy())
        )
    (energy, forces, dipole), (turned_energy, turned_forces, turned_dipole) = values
    vectors = Atoms("H10", np.vstack([forces, dipole]))
    vectors.rotate(70, (1.0, 2.0, -0.5))
    assert turned_energy == pytest.approx(energy, abs=1e-8)
    np.testing.assert_allclose(np.vstack([turned_forces, turned_dipole]), vectors.positions, atol=1e-7)


def test_several_systems_at_once(theirs: Any) -> None:
    """Of unlike molecules, one of them a lone atom, as one by one."""
    systems = [molecule("CH3CH2OH"), molecule("H2O"), Atoms("O", [[7.0, 8.0, 9.0]]), molecule("CH4")]
    together = theirs.compute_energy(systems, compute_forces_and_stresses=True, per_atom=True)
    said = theirs.run_model(systems, outputs())
    basis = Basis.from_json(theirs.metadata().extra["basis"])
    assert said["energy"].block().values.shape == (4, 1)
    for n, atoms in enumerate(systems):
        by_itself = theirs.compute_energy(atoms, compute_forces_and_stresses=True, per_atom=True)
        assert together["energy"][n] == pytest.approx(by_itself["energy"], abs=1e-8)
        assert together["energies"][n].sum() == pytest.approx(together["energy"][n], abs=1e-8)
        np.testing.assert_allclose(together["forces"][n], by_itself["forces"], rtol=0, atol=1e-8)
        alone = theirs.run_model(atoms, outputs())
        for name in ("energy", "densnet::dipole"):
            torch.testing.assert_close(said[name].block().values[n], alone[name].block().values[0], rtol=0, atol=1e-8)
        coefficients = in_order(alone["densnet::density"], basis, atoms.numbers)
        joint = in_order(said["densnet::density"], basis, atoms.numbers, system=n)
        np.testing.assert_allclose(joint, coefficients, rtol=0, atol=1e-9)


def test_networks_of_float32_as_trained(files: dict[str, Path], tmp_path: Path) -> None:
    from metatomic_ase import MetatomicCalculator

    export(model=ROOT / "models/ethanol.pt", output=tmp_path / "single.mta")
    assert (tmp_path / "single.mta").stat().st_size < 0.7 * files["ethanol"].stat().st_size
    atoms = frames("ethanol")[0]
    values = []
    for calculator in (
        MetatomicCalculator(tmp_path / "single.mta", check_consistency=True),
        DenSNetCalculator(ROOT / "models/ethanol.pt"),
    ):
        atoms.calc = calculator
        values.append((atoms.get_potential_energy(), atoms.get_forces()))
    # rounding of float32 in sums of some thousand terms; the energy of 4000 eV has more digits than float32 holds
    assert values[0][0] == pytest.approx(values[1][0], abs=2e-5)
    np.testing.assert_allclose(values[0][1], values[1][1], rtol=0, atol=2e-4)


def test_what_the_file_says_of_itself(files: dict[str, Path]) -> None:
    from metatomic.torch import load_atomistic_model, read_model_metadata

    metadata = read_model_metadata(str(files["ethanol"]))
    assert "https://arxiv.org/abs/2604.24563" in metadata.references["architecture"]
    assert '"functional": "PBE"' in metadata.extra["provenance"] and metadata.extra["charge"] == "0"
    capabilities = load_atomistic_model(files["ethanol"]).capabilities()
    assert capabilities.length_unit == "angstrom" and sorted(capabilities.atomic_types) == [1, 6, 8]
    assert capabilities.outputs["energy"].unit == "eV" and capabilities.outputs["densnet::dipole"].unit == "e*angstrom"


def test_it_runs_without_this_package(files: dict[str, Path]) -> None:
    code = f"""
import sys
from ase.build import molecule
from metatomic_ase import MetatomicCalculator

print(molecule("CH3CH2OH", calculator=MetatomicCalculator({str(files["ethanol"])!r})).get_potential_energy())
assert not [name for name in sys.modules if name.partition(".")[0] in ("densnet", "e3nn")]
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=files["ethanol"].parent)
    assert ended.returncode == 0, ended.stderr
    ours = molecule("CH3CH2OH", calculator=DenSNetCalculator(ROOT / "models/ethanol.pt", dtype="float64"))
    assert float(ended.stdout) == pytest.approx(ours.get_potential_energy(), abs=1e-8)


def test_the_density_is_laid_out_as_lab_cosmo_does(theirs: Any) -> None:
    metatensor = pytest.importorskip("metatensor")
    file = Path(os.environ.get("DENSNET_DATA", "")) / "mts/scfbench_molecule_3464_rho_c_jfit.mts"
    if not file.is_file():
        pytest.skip("DENSNET_DATA names no folder with coefficients of lab-cosmo")
    published = metatensor.load(file)
    ours = theirs.run_model(molecule("CH3COOH"), outputs())["densnet::density"]
    assert ours.keys.names == published.keys.names
    for key, block in published.items():
        same = ours.block({name: int(key[name]) for name in key.names})
        assert same.samples.names == block.samples.names and same.properties.names == block.properties.names
        assert same.components[0].names == block.components[0].names
        np.testing.assert_array_equal(same.components[0].values, block.components[0].values)


def test_units_of_the_engine(theirs: Any) -> None:
    from metatomic.torch import ModelOutput

    atoms = molecule("H2O")
    said = theirs.run_model(
        atoms, {"densnet::dipole": ModelOutput(unit="e*bohr"), "energy": ModelOutput(unit="kJ/mol")}
    )
    ours = theirs.run_model(atoms, outputs())
    ratio = said["densnet::dipole"].block().values[0, 2, 0] / ours["densnet::dipole"].block().values[0, 2, 0]
    assert float(ratio) == pytest.approx(1 / 0.529177, rel=1e-5)
    assert float(said["energy"].block().values / ours["energy"].block().values) == pytest.approx(96.4853, rel=1e-5)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (lambda atoms: atoms.numbers.__setitem__(0, 7), "does not support the atomic type '7'"),
        (lambda atoms: (atoms.center(vacuum=5), atoms.set_pbc(True)), "pbc: expected molecules, found a periodic cell"),
        (lambda atoms: (atoms.center(vacuum=5), atoms.set_pbc([False, False, True])), "pbc: expected molecules"),
        (lambda atoms: atoms.positions.__setitem__(1, atoms.positions[0] + 1e-5), "two atoms stand at the same place"),
    ],
)
def test_systems_that_are_refused(theirs: Any, fault: Any, line: str) -> None:
    atoms = molecule("CH3CH2OH")
    fault(atoms)
    atoms.calc = theirs
    with pytest.raises(Exception, match=line) as refused:
        atoms.get_potential_energy()
    assert line in str(refused.value).strip().splitlines()[-1]


def test_a_geometry_that_has_blown_up_is_refused(files: dict[str, Path]) -> None:
    """Where the engine does not see it, as metatomic's calculator does, and finds no pairs."""
    from metatensor.torch import Labels, TensorBlock
    from metatomic.torch import ModelEvaluationOptions, System, load_atomistic_model

    model = load_atomistic_model(files["ethanol"])
    positions = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, torch.nan]], dtype=torch.float64)
    system = System(torch.tensor([1, 1]), positions, torch.zeros(3, 3).double(), torch.zeros(3, dtype=torch.bool))
    names = ["first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"]
    no_pairs = TensorBlock(
        torch.zeros(0, 3, 1, dtype=torch.float64),
        Labels(names, torch.zeros(0, 5, dtype=torch.int32)),
        [Labels(["xyz"], torch.arange(3, dtype=torch.int32).reshape(-1, 1))],
        Labels(["distance"], torch.zeros(1, 1, dtype=torch.int32)),
    )
    system.add_neighbor_list(model.requested_neighbor_lists()[0], no_pairs)
    with pytest.raises(Exception, match="positions: expected finite numbers, found NaN"):
        model([system], ModelEvaluationOptions(length_unit="angstrom", outputs=outputs()), check_consistency=False)


def test_a_cell_without_periodic_boundaries_is_none(theirs: Any) -> None:
    atoms = molecule("CH3CH2OH", calculator=theirs)
    energy = atoms.get_potential_energy()
    atoms.center(vacuum=5)
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-8)


def test_a_part_of_the_atoms_is_refused(theirs: Any) -> None:
    from metatensor.torch import Labels

    every = torch.tensor([[0, n] for n in range(9)], dtype=torch.int32)
    atoms = molecule("CH3CH2OH")
    whole = theirs.run_model(atoms, outputs(), selected_atoms=Labels(["system", "atom"], every))
    assert float(whole["energy"].block().values) == pytest.approx(theirs.compute_energy(atoms)["energy"], abs=1e-8)
    with pytest.raises(Exception, match="selected_atoms: expected all atoms"):
        theirs.run_model(atoms, outputs(), selected_atoms=Labels(["system", "atom"], every[:4]))


def test_models_that_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    member: DenSNet = DenSNetCalculator(ROOT / "models/ethanol.pt").model.members[0]
    density = tmp_path / "density.pt"
    save_model(DenSNet(member.density, None, member.free_atoms), density, provenance={})
    with pytest.raises(DensnetError, match="density model alone"):
        export(model=density, output=tmp_path / "density.mta")
    write_text(tmp_path / "other.pt", "no model")
    with pytest.raises(DensnetError, match=r"other\.pt: expected a densnet model"):
        export(model=tmp_path / "other.pt", output=tmp_path / "other.mta")
    assert not list(tmp_path.glob("*.mta"))


def test_without_metatomic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("densnet.exchange.metatomic_file.find_spec", lambda name: None)
    with pytest.raises(DensnetError, match=r"^metatomic: .*pip install -c envs/requirements.lock '\.\[metatomic\]'$"):
        export(model=ROOT / "models/ethanol.pt", output=tmp_path / "ethanol.mta")
