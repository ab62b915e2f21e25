"""Energies and forces alone train the energy model on densities that a model predicts; every file gives the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
import xarray as xr
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import kcal, mol

from densnet.cli.export import labels as export
from densnet.cli.import_ import import_labels
from densnet.errors import DensnetError
from densnet.exchange.labelled_molecule import LabelledMolecule, labelled_molecule
from densnet.exchange.qcschema import read_qcschema
from densnet.models.checkpoint import load_model, read_description
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.reference.imported_split import SplitSettings
from densnet.report.metrics import evaluation_metrics
from densnet.training.density import train_density
from densnet.training.energy import train_energy
from densnet.training.evaluation import evaluate_model
from densnet.training.settings import DensityTrainingSettings, EnergyTrainingSettings
from densnet.units import HARTREE_IN_EV

needs_qcelemental = pytest.mark.skipif(find_spec("qcelemental") is None, reason="QCElemental is not installed")
EIGHT_DECIMALS = 0.5001e-8
"""Half the last digit of ASE's columns, and of QCElemental's positions in bohr."""
ENERGY_MODEL = EnergyModelSettings(channels=8, edge_channels=4, l_max=2, cutoff=3.0)


def imported(folder: Path, density: Path, **source: Any) -> xr.Dataset:
    import_labels(output=folder / "alone.nc", density=density, **source)
    return xr.load_dataset(folder / "alone.nc")


Change = Callable[[Atoms, int], None]
"""Of a frame and its number."""


def written(path: Path, water_molecule: LabelledMolecule, change: Change = lambda atoms, t: None) -> Path:
    """Write frames under ASE's own names."""
    images = []
    for t, positions in enumerate(water_molecule.positions):
        atoms = Atoms(water_molecule.numbers, positions, info={"split": str(water_molecule.split[t])})
        atoms.calc = SinglePointCalculator(atoms, energy=water_molecule.energy[t], forces=water_molecule.forces[t])
        change(atoms, t)
        images.append(atoms)
    ase.io.write(path, images, format="extxyz")
    return path


@pytest.mark.parametrize("format", ["extxyz", pytest.param("qcschema", marks=needs_qcelemental)])
def test_what_was_exported_comes_back(
    format: Any, labelled_water: Path, water_molecule: LabelledMolecule, water_run: Path, tmp_path: Path
) -> None:
    export(labels=labelled_water, output=tmp_path / "frames", format=format)
    source = {"xyz" if format == "extxyz" else "qcschema": tmp_path / "frames"}
    data = imported(tmp_path, water_run / "density.pt", **source)
    np.testing.assert_array_equal(data["numbers"], water_molecule.numbers)
    np.testing.assert_array_equal(data["split"].values, water_molecule.split)
    np.testing.assert_allclose(data["positions"], water_molecule.positions, rtol=0, atol=EIGHT_DECIMALS)
    # units are converted and back, at a last digit of 1e-13 of some 2000 eV
    np.testing.assert_allclose(data["energy"], water_molecule.energy, rtol=2e-16 * 4, atol=0)
    np.testing.assert_allclose(data["forces"], water_molecule.forces, rtol=0, atol=EIGHT_DECIMALS)
    np.testing.assert_allclose(data["dipole"], water_molecule.dipole, rtol=1e-14)
    level = xr.load_dataset(labelled_water).attrs
    assert all(data.attrs[name] == level[name] for name in ("functional", "basis", "dispersion", "program"))
    assert data.attrs["reference_density"] == "none" and "coefficients" not in data
    assert data.attrs["density_model"] == "density.pt"
    known = dict(zip(data["element"].values.tolist(), data["atomic_energy"].values.tolist(), strict=True))
    assert known == water_molecule.atomic_energies
    assert data["atomic_energy"].attrs["long_name"] == "energy of the free atom"
    np.testing.assert_array_equal(data["prior"], load_model(water_run / "density.pt").prior(water_molecule.numbers))


def test_they_train_the_same_energy_model(
    labelled_water: Path,
    water_molecule: LabelledMolecule,
    water_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    """The energy model never sees the labels' densities: without them the weights are the same."""
    np.savez(
        tmp_path / "frames.npz",
        **{"numbers": water_molecule.numbers, "positions": water_molecule.positions, "forces": water_molecule.forces},
        **{
            "energies": water_molecule.energy,
            "split": water_molecule.split,
            "functional": "HF",
            "orbital_basis": "STO-3G",
        },
    )
    data = imported(tmp_path, water_run / "density.pt", data=tmp_path / "frames.npz")
    assert "dipole" not in data
    training = EnergyTrainingSettings(steps=2, batch_size=4)
    models = [
        train_energy(
            labels,
            water_run / "density.pt",
            ENERGY_MODEL,
            training,
            output=tmp_path / f"{labels.stem}_energy.pt",
            combined=tmp_path / f"{labels.stem}_model.pt",
            log=tmp_path / f"{labels.stem}.csv",
        )
        for labels in (labelled_water, tmp_path / "alone.nc")
    ]
    weights, alone = (model.energy.state_dict() for model in models)
    for name, values in weights.items():
        np.testing.assert_array_equal(values.numpy(), alone[name].numpy(), err_msg=name)
    capsys.readouterr()
    evaluation, of_densities = (
        evaluate_model(labels, tmp_path / "alone_model.pt", tmp_path / f"{labels.stem}_evaluation.nc")
        for labels in (tmp_path / "alone.nc", labelled_water)
    )
    assert "alone.nc has no densities: errors of the density are not known" in capsys.readouterr().err
    metrics, others = evaluation_metrics(evaluation), evaluation_metrics(of_densities)
    assert metrics["energy_mae_mev_per_atom"] == others["energy_mae_mev_per_atom"]
    assert metrics["force_mae_mev_per_angstrom"] == others["force_mae_mev_per_angstrom"]
    unknown = {key for key, value in metrics.items() if value is None}
    assert unknown == {key for key in others if key.startswith(("density_", "prior_", "potential_", "dipole_"))} - {
        "density_ms_per_frame",
        "prior_ms_per_frame",
    }


def test_another_level_is_allowed_and_said(
    labelled_water: Path, water_molecule: LabelledMolecule, water_run: Path, tmp_path: Path
) -> None:
    lone = {"config_type": "IsolatedAtom"}
    free = [
        Atoms([z], info={"REF_energy": energy + 0.125, **lone}) for z, energy in water_molecule.atomic_energies.items()
    ]
    path = written(tmp_path / "frames.xyz", water_molecule)
    ase.io.write(tmp_path / "frames.xyz", [*free, *ase.io.read(path, ":")], format="extxyz")
    data = imported(tmp_path, water_run / "density.pt", xyz=path, level="PBE0-D4/def2-TZVP")
    said = {name: data.attrs[name] for name in ("functional", "basis", "dispersion", "density_model_level")}
    assert said == {
        **{"functional": "PBE0", "basis": "def2-TZVP", "dispersion": "d4"},
        "density_model_level": "not said/not said",
    }
    assert len(data["frame"]) == len(water_molecule.energy)
    known = dict(zip(data["element"].values.tolist(), data["atomic_energy"].values.tolist(), strict=True))
    assert known == {z: energy + 0.125 for z, energy in water_molecule.atomic_energies.items()}
    # the reference energies of a file of both models stand in where nothing better is known
    model = imported(tmp_path, water_run / "model.pt", xyz=written(tmp_path / "bare.xyz", water_molecule))
    assert model.attrs["functional"] == "not said"
    exported = labelled_molecule(tmp_path / "alone.nc")
    np.testing.assert_array_equal(exported.forces, model["forces"])
    assert exported.level == "not said/not said" and np.isnan(exported.dipole).all()
    training = EnergyTrainingSettings(steps=1, batch_size=4)
    paths = {name: tmp_path / f"{name}.pt" for name in ("output", "combined")}
    train_energy(tmp_path / "alone.nc", water_run / "density.pt", ENERGY_MODEL, training, log=tmp_path / "log", **paths)
    provenance = read_description(paths["output"])["provenance"]
    assert provenance["energy_level"]["functional"] == "not said" and "functional" not in provenance["level"]


def test_the_benchmarks_own_file(water_molecule: LabelledMolecule, water_run: Path, tmp_path: Path) -> None:
    """Revised MD17's keys and units."""
    unit = kcal / mol
    np.savez(
        tmp_path / "rmd17_water_train_01.npz",
        **{"nuclear_charges": water_molecule.numbers.astype(np.uint8), "coords": water_molecule.positions},
        **{
            "energies": water_molecule.energy / unit,
            "forces": water_molecule.forces / unit,
            "old_indices": np.arange(16),
        },
    )
    source = {"data": tmp_path / "rmd17_water_train_01.npz", "split": SplitSettings(n_validation=2, n_test=3)}
    data = imported(tmp_path, water_run / "density.pt", **source)
    rows = data["source_frame"].values
    # ASE's kcal/mol is another in the ninth digit
    np.testing.assert_allclose(data["energy"], water_molecule.energy[rows], rtol=1e-8)
    np.testing.assert_allclose(data["forces"], water_molecule.forces[rows], rtol=1e-8, atol=1e-12)
    assert data.attrs["functional"] == "PBE" and (data["temperature"] == 500.0).all()


def no_forces(atoms: Atoms, t: int) -> None:
    if t == 2:
        del atoms.calc.results["forces"]


def other_molecule(atoms: Atoms, t: int) -> None:
    if t == 2:
        atoms.numbers = [7, 1, 1]


def two_energies(atoms: Atoms, t: int) -> None:
    atoms.info["REF_energy"] = 0.0


def triplet(atoms: Atoms, t: int) -> None:
    atoms.info["multiplicity"] = 3


def charged(atoms: Atoms, t: int) -> None:
    atoms.info["charge"] = 2


def scaled(name: str, factor: float) -> Change:
    def change(atoms: Atoms, t: int) -> None:
        atoms.calc.results[name] = factor * atoms.calc.results[name]

    return change


@pytest.mark.parametrize(
    "change, line",
    [
        (no_forces, r"frame 2 has no 'forces'; expected it under that name, which is ASE's, or as 'REF_forces'"),
        (other_molecule, r"frame 2 has other atoms than frame 0, NH2 and OH2; import one molecule at a time"),
        (two_energies, r"frame 0 has 'energy' and 'REF_energy', which differ; keep one of them"),
        (triplet, r"frame 0: multiplicity: expected 1, a closed shell, found 3"),
        (charged, r"the density model is of the charge 0, .*frames.xyz of 2"),
        (scaled("forces", -1.0), r"frames.xyz: the forces look like gradients"),
        (scaled("forces", 23.06), r"frames.xyz: the forces look like numbers in kcal/mol/Å"),
        (scaled("energy", 1 / HARTREE_IN_EV), r"frame 0: its energy -\d+.\d+ eV lies .* give both in eV"),
        (lambda atoms, t: atoms.set_atomic_numbers([16, 1, 1]), r"the density model lacks S; expected one of .* H, S"),
        (lambda atoms, t: atoms.set_atomic_numbers([8, 8, 8]), r"the density model knows, .* does not have, H"),
    ],
)
def test_a_file_at_fault_is_one_line(
    change: Change, line: str, water_molecule: LabelledMolecule, water_run: Path, tmp_path: Path
) -> None:
    path = written(tmp_path / "frames.xyz", water_molecule, change)
    (tmp_path / "alone.nc").write_text("what was there before")
    with pytest.raises(DensnetError, match=line) as error:
        import_labels(xyz=path, density=water_run / "density.pt", output=tmp_path / "alone.nc")
    assert "\n" not in str(error.value)
    assert (tmp_path / "alone.nc").read_text() == "what was there before"


@needs_qcelemental
@pytest.mark.parametrize(
    "change, line",
    [
        (lambda results: {"frames": results}, r"result 0: expected an AtomicResult of QCSchema, found keys frames"),
        (
            lambda results: [*results, {**results[0], "driver": "energy"}],
            r"result 16: driver: expected gradient, found",
        ),
        (lambda results: [*results, {"success": False}], r"result 16: its calculation failed; leave it out"),
        (lambda results: [{**results[0], "molecule": {}}], r"result 0: no AtomicResult of QCSchema \(KeyError"),
        (lambda results: [], r"expected results of QCSchema, found none"),
        (
            lambda results: [results[0], {**results[1], "model": {"method": "PBE", "basis": "STO-3G"}}],
            r"expected one level of theory, found HF/STO-3G, PBE/STO-3G",
        ),
    ],
)
def test_no_qcschema_is_one_line(
    change: Callable[[list[Any]], Any], line: str, labelled_water: Path, tmp_path: Path
) -> None:
    export(labels=labelled_water, output=tmp_path / "frames.jsonl", format="qcschema")
    results = [json.loads(text) for text in (tmp_path / "frames.jsonl").read_text("utf-8").splitlines()]
    (tmp_path / "changed.json").write_text(json.dumps(change(results)), "utf-8")
    with pytest.raises(DensnetError, match=line) as error:
        read_qcschema(tmp_path / "changed.json")
    assert "\n" not in str(error.value)


@needs_qcelemental
def test_every_form_of_qcschema_is_one(labelled_water: Path, tmp_path: Path) -> None:
    """Lines, a list, and version 2 of the schema, where this QCElemental has it."""
    from qcelemental.models import AtomicResult

    export(labels=labelled_water, output=tmp_path / "frames.jsonl", format="qcschema", split=("test",))
    lines = (tmp_path / "frames.jsonl").read_text("utf-8").splitlines()
    (tmp_path / "list.json").write_text(f"[{', '.join(lines)}]", "utf-8")
    files = [tmp_path / "frames.jsonl", tmp_path / "list.json"]
    if hasattr(AtomicResult, "convert_v"):
        second = [AtomicResult.parse_raw(line).convert_v(2).model_dump_json() for line in lines]
        (tmp_path / "second.jsonl").write_text("\n".join(second), "utf-8")
        files.append(tmp_path / "second.jsonl")
    first, *others = (read_qcschema(file) for file in files)
    for other in others:
        assert first.keys() == other.keys()
        for key, value in first.items():
            np.testing.assert_array_equal(value, other[key], err_msg=key)


def test_what_belongs_together(
    labelled_water: Path, water_molecule: LabelledMolecule, water_run: Path, tmp_path: Path
) -> None:
    path = written(tmp_path / "frames.xyz", water_molecule)
    output, density = tmp_path / "alone.nc", water_run / "density.pt"
    with pytest.raises(DensnetError, match="--xyz holds energies and forces alone; name the model"):
        import_labels(xyz=path, output=output)
    with pytest.raises(DensnetError, match="expected one of --data, --xyz and --qcschema beside --density, found 2"):
        import_labels(xyz=path, data=tmp_path / "some.npz", density=density, output=output)
    export(labels=labelled_water, output=tmp_path / "said.xyz")
    with pytest.raises(DensnetError, match=r"level: expected that of .*said.xyz, HF/STO-3G, found PBE/def2-SVP"):
        import_labels(xyz=tmp_path / "said.xyz", density=density, level="PBE/def2-SVP", output=output)
    import_labels(xyz=path, density=density, output=output)
    with pytest.raises(DensnetError, match=r"expected labels with densities, found energies and forces alone"):
        train_density(
            output,
            DensityModelSettings(),
            DensityTrainingSettings(steps=1),
            output=tmp_path / "density.pt",
            log=tmp_path / "log.csv",
        )


def test_reference_energies_are_no_free_atoms(
    water_molecule: LabelledMolecule, water_run: Path, tmp_path: Path
) -> None:
    """A file of both models without the free atoms, as earlier versions wrote them."""
    content = torch.load(water_run / "model.pt", weights_only=True)
    description = json.loads(content["description"])
    del description["provenance"]["free_atom_energies"]
    torch.save(content | {"description": json.dumps(description)}, tmp_path / "earlier.pt")
    path = written(tmp_path / "frames.xyz", water_molecule)
    data = imported(tmp_path, tmp_path / "earlier.pt", xyz=path)
    assert "reference energy" in data["atomic_energy"].attrs["long_name"]
    energy = load_model(tmp_path / "earlier.pt").energy
    assert energy is not None
    np.testing.assert_array_equal(data["atomic_energy"], energy.atomic_energy)
    assert labelled_molecule(tmp_path / "alone.nc").atomic_energies == {}
    torch.save(content | {"description": json.dumps(description | {"energy_model": None})}, tmp_path / "density.pt")
    with pytest.raises(DensnetError, match=r"frames.xyz: no energy of the free atom H; give a file of 'densnet atoms'"):
        imported(tmp_path, tmp_path / "density.pt", xyz=path)
