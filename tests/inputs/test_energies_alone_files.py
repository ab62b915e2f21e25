"""Energies and forces without densities (``densnet import --density``): extended xyz, QCSchema, npz; their faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import kcal, mol
from input_case import READ, REFUSED, SAID, InputCase

from densnet.cli.export import labels as export
from densnet.cli.import_ import import_labels
from densnet.errors import DensnetError
from densnet.exchange.labelled_molecule import LabelledMolecule, labelled_molecule
from densnet.io.netcdf import write_dataset
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV

LEVEL = {"functional": "HF", "basis": "STO-3G", "dispersion": "none", "program": "PySCF"}
OF_UNIT = {"hartree/bohr": HARTREE_IN_EV / BOHR_IN_ANGSTROM, "kcal/mol/Å": kcal / mol, "eV/bohr": 1 / BOHR_IN_ANGSTROM}


@pytest.fixture(scope="module")
def labelled(water_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "labels.nc"
    data = xr.load_dataset(water_run / "labels.nc").assign_attrs(LEVEL)
    write_dataset(data, path, stage="fit", method_version=1, settings={})
    return path


@pytest.fixture(scope="module")
def right(labelled: Path) -> LabelledMolecule:
    return labelled_molecule(labelled)


def check(case: InputCase, path: Path, option: str, density: Path, capsys: pytest.CaptureFixture) -> None:
    """Import a file: it is read, read and said, or refused with one line, and nothing is written then."""
    output = path.with_name("labels.nc")
    capsys.readouterr()
    if case.outcome == REFUSED:
        with pytest.raises(DensnetError) as caught:
            import_labels(**{option: path}, density=density, output=output)
        assert case.words in str(caught.value) and "\n" not in str(caught.value)
        assert path.name in str(caught.value) and not output.exists()
        return
    import_labels(**{option: path}, density=density, output=output)
    # the last line says that it is done
    *said, done = capsys.readouterr().err.splitlines()
    assert done.startswith("import: ") and len(xr.load_dataset(output)["frame"])
    assert [case.words in line for line in said] == [True] * (case.outcome == SAID)


# Extended xyz


def frames(molecule: LabelledMolecule, change: Callable[[Atoms, int], None], prefix: str = "") -> list[Atoms]:
    """Return frames with ASE's own names, or with a prefix."""
    images = []
    for t, positions in enumerate(molecule.positions):
        atoms = Atoms(molecule.numbers, positions)
        energy, forces = float(molecule.energy[t]), molecule.forces[t]
        if prefix:
            atoms.info[f"{prefix}energy"] = energy
            atoms.arrays[f"{prefix}forces"] = forces
        else:
            atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        change(atoms, t)
        images.append(atoms)
    return images


def as_it_is(atoms: Atoms, t: int) -> None:
    pass


def scaled(name: str, factor: float) -> Callable[[Atoms, int], None]:
    def change(atoms: Atoms, t: int) -> None:
        atoms.calc.results[name] = factor * atoms.calc.results[name]

    return change


def without(name: str) -> Callable[[Atoms, int], None]:
    def change(atoms: Atoms, t: int) -> None:
        if t == 2:
            del atoms.calc.results[name]

    return change


def saying(**info: Any) -> Callable[[Atoms, int], None]:
    return lambda atoms, t: atoms.info.update(info)


def of_two_levels(atoms: Atoms, t: int) -> None:
    atoms.info["level"] = "PBE/def2-SVP" if t < 8 else "PBE0/def2-SVP"


def in_a_cell(atoms: Atoms, t: int) -> None:
    atoms.center(vacuum=4.0)
    atoms.pbc = True


def wrapped(atoms: Atoms, t: int) -> None:
    atoms.set_cell([9.0, 9.0, 9.0])
    atoms.pbc = True
    atoms.wrap()


def moved(factor: float) -> Callable[[Atoms, int], None]:
    def change(atoms: Atoms, t: int) -> None:
        atoms.positions *= factor

    return change


def lost(atoms: Atoms, t: int) -> None:
    if t == 3:
        atoms.calc.results["forces"] = np.where(np.eye(3, dtype=bool), np.nan, atoms.calc.results["forces"])


def of_elements(numbers: list[int], at: int | None = None) -> Callable[[Atoms, int], None]:
    def change(atoms: Atoms, t: int) -> None:
        if at is None or t == at:
            atoms.set_atomic_numbers(numbers)

    return change


def with_free_atoms(molecule: LabelledMolecule) -> list[Atoms]:
    free = molecule.atomic_energies.items()
    return [
        *(Atoms([z], info={"REF_energy": energy, "config_type": "IsolatedAtom"}) for z, energy in free),
        *frames(molecule, as_it_is),
    ]


XYZ_CASES = (
    InputCase("energies in eV and forces in eV/Å under ASE's names", READ, "", lambda m: frames(m, as_it_is)),
    InputCase("MACE's names, REF_energy and REF_forces", READ, "", lambda m: frames(m, as_it_is, "REF_")),
    InputCase("free atoms among the frames (config_type=IsolatedAtom)", READ, "", with_free_atoms),
    InputCase("a whole molecule in a periodic cell", READ, "", lambda m: frames(m, in_a_cell)),
    InputCase("a level of theory (level) of its own", READ, "", lambda m: frames(m, saying(level="PBE0/def2-TZVP"))),
    InputCase(
        "copies of frames",
        SAID,
        "1 of 17 frames are copies of others: left out",
        lambda m: [*frames(m, as_it_is), frames(m, as_it_is)[3]],
    ),
    InputCase("no forces in a frame", REFUSED, "frame 2 has no 'forces'", lambda m: frames(m, without("forces"))),
    InputCase("no energy in a frame", REFUSED, "frame 2 has no 'energy'", lambda m: frames(m, without("energy"))),
    InputCase(
        "other names than those of ASE and MACE",
        REFUSED,
        "expected it under that name, which is ASE's, or as 'REF_energy', in eV and Å, found dft_energy, dft_forces",
        lambda m: frames(m, as_it_is, "dft_"),
    ),
    InputCase(
        "two energies that differ",
        REFUSED,
        "frame 0 has 'energy' and 'REF_energy', which differ",
        lambda m: frames(m, saying(REF_energy=0.0)),
    ),
    InputCase("a number that is missing", REFUSED, "forces is not finite in frame 3", lambda m: frames(m, lost)),
    InputCase(
        "gradients for forces",
        REFUSED,
        "the forces look like gradients instead of forces",
        lambda m: frames(m, scaled("forces", -1.0)),
    ),
    *(
        InputCase(
            f"forces in {unit}",
            REFUSED,
            f"the forces look like numbers in {unit}",
            lambda m, factor=factor: frames(m, scaled("forces", 1 / factor)),
        )
        for unit, factor in OF_UNIT.items()
    ),
    InputCase(
        "energies in hartree",
        REFUSED,
        "looks like a number in hartree; give both in eV",
        lambda m: frames(m, scaled("energy", 1 / HARTREE_IN_EV)),
    ),
    InputCase(
        "energies in kcal/mol",
        REFUSED,
        "looks like a number in kcal/mol; give both in eV",
        lambda m: frames(m, scaled("energy", mol / kcal)),
    ),
    InputCase(
        "positions in bohr",
        REFUSED,
        "the positions are no molecule in Angstrom, but one in bohr",
        lambda m: frames(m, moved(1 / BOHR_IN_ANGSTROM)),
    ),
    InputCase(
        "positions in nanometres",
        REFUSED,
        "atoms 0 and 2 are only 0.09 Angstrom apart; correct the geometry (are its units Angstrom?)",
        lambda m: frames(m, moved(0.1)),
    ),
    InputCase(
        "another charge (charge=2)",
        REFUSED,
        "the density model is of the charge 0",
        lambda m: frames(m, saying(charge=2)),
    ),
    InputCase(
        "a triplet (multiplicity=3)",
        REFUSED,
        "multiplicity: expected 1, a closed shell, found 3",
        lambda m: frames(m, saying(multiplicity=3)),
    ),
    InputCase(
        "an element that the density model lacks",
        REFUSED,
        "the density model lacks S",
        lambda m: frames(m, of_elements([16, 1, 1])),
    ),
    InputCase(
        "two molecules",
        REFUSED,
        "frame 2 has other atoms than frame 0, NH2 and OH2",
        lambda m: frames(m, of_elements([7, 1, 1], 2)),
    ),
    InputCase(
        "atoms in another order in one frame",
        REFUSED,
        "frame 2 has other atoms than frame 0, HOH and OH2",
        lambda m: frames(m, of_elements([1, 8, 1], 2)),
    ),
    InputCase(
        "a molecule wrapped in its periodic cell",
        REFUSED,
        "frame 0: the molecule is wrapped",
        lambda m: frames(m, wrapped),
    ),
    InputCase(
        "frames of two levels of theory",
        REFUSED,
        "level: expected one of all frames, found PBE/def2-SVP, PBE0/def2-SVP",
        lambda m: frames(m, of_two_levels),
    ),
    InputCase("nothing", REFUSED, "holds no frames", lambda m: []),
)


@pytest.mark.parametrize("case", XYZ_CASES, ids=str)
def test_extended_xyz(
    case: InputCase, right: LabelledMolecule, water_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images = case.make(right)
    ase.io.write(tmp_path / "theirs.xyz", images, format="extxyz") if images else (tmp_path / "theirs.xyz").touch()
    check(case, tmp_path / "theirs.xyz", "xyz", water_run / "density.pt", capsys)


# QCSchema


def changed(change: Callable[[dict[str, Any]], None], at: int | None = None) -> Callable[[list[dict[str, Any]]], Any]:
    """Return what changes all results, or one of them, in place."""

    def of_results(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for t, result in enumerate(results):
            if at is None or t == at:
                change(result)
        return results

    return of_results


def in_place(*keys: str, of: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    """Return what changes the value below some keys of a result."""

    def change(result: dict[str, Any]) -> None:
        for key in keys[:-1]:
            result = result[key]
        result[keys[-1]] = of(result.get(keys[-1]))

    return change


def times(factor: float) -> Callable[[Any], Any]:
    return lambda value: (factor * np.asarray(value)).tolist()


def second_version(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from qcelemental.models import AtomicResult

    if not hasattr(AtomicResult, "convert_v"):
        pytest.skip("this QCElemental knows version 1 of the schema alone")
    return [json.loads(AtomicResult.parse_obj(result).convert_v(2).model_dump_json()) for result in results]


QCSCHEMA_CASES = (
    InputCase("gradients in hartree/bohr, a result on each line", READ, "", lambda r: "\n".join(map(json.dumps, r))),
    InputCase("a list of results", READ, "", lambda r: r),
    InputCase("version 2 of the schema", READ, "", second_version),
    InputCase(
        "a driver other than gradient",
        REFUSED,
        "result 2: driver: expected gradient, found energy; compute gradients",
        changed(in_place("driver", of=lambda d: "energy"), 2),
    ),
    InputCase(
        "a calculation that failed",
        REFUSED,
        "result 2: its calculation failed; leave it out",
        changed(in_place("success", of=lambda s: False), 2),
    ),
    InputCase(
        "no energy",
        REFUSED,
        "result 2: properties.return_energy is missing",
        changed(in_place("properties", "return_energy", of=lambda e: None), 2),
    ),
    InputCase(
        "forces in place of gradients",
        REFUSED,
        "the forces look like gradients instead of forces",
        changed(in_place("return_result", of=times(-1.0))),
    ),
    InputCase(
        "geometries in Å",
        REFUSED,
        "no molecule in Angstrom, but one in units of 1.89 Angstrom, as if Angstrom had been taken for bohr",
        changed(in_place("molecule", "geometry", of=times(BOHR_IN_ANGSTROM))),
    ),
    InputCase(
        "energies in eV",
        REFUSED,
        "looks like a number in eV that was taken for hartree",
        changed(in_place("properties", "return_energy", of=times(HARTREE_IN_EV))),
    ),
    InputCase(
        "a triplet",
        REFUSED,
        "result 2: molecular_multiplicity: expected 1, a closed shell, found 3",
        changed(in_place("molecule", "molecular_multiplicity", of=lambda m: 3), 2),
    ),
    InputCase(
        "another charge",
        REFUSED,
        "the density model is of the charge 0",
        changed(in_place("molecule", "molecular_charge", of=lambda q: 2.0)),
    ),
    InputCase(
        "two levels of theory",
        REFUSED,
        "expected one level of theory, found HF/STO-3G, PBE/STO-3G",
        changed(in_place("model", "method", of=lambda m: "PBE"), 2),
    ),
    InputCase("another JSON file", REFUSED, "result 0: expected an AtomicResult of QCSchema", lambda r: {"frames": []}),
    InputCase("no JSON", REFUSED, "line 1 is no JSON", lambda r: "energy -75.0\n"),
)


@pytest.mark.skipif(find_spec("qcelemental") is None, reason="QCElemental is not installed")
@pytest.mark.parametrize("case", QCSCHEMA_CASES, ids=str)
def test_qcschema(
    case: InputCase, labelled: Path, water_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    export(labels=labelled, output=tmp_path / "right.jsonl", format="qcschema")
    results = [json.loads(line) for line in (tmp_path / "right.jsonl").read_text("utf-8").splitlines()]
    content = case.make(results)
    (tmp_path / "theirs.json").write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    check(case, tmp_path / "theirs.json", "qcschema", water_run / "density.pt", capsys)


# npz


def benchmark(molecule: LabelledMolecule, unit: float = kcal / mol, **more: Any) -> dict[str, Any]:
    """Revised MD17's keys, in its units."""
    return {
        "nuclear_charges": molecule.numbers,
        "coords": molecule.positions,
        "energies": molecule.energy / unit,
        "forces": molecule.forces / unit,
    } | more


def ours(molecule: LabelledMolecule) -> dict[str, Any]:
    """The keys of docs/import.md, without densities."""
    return {
        "numbers": molecule.numbers,
        "positions": molecule.positions,
        "energies": molecule.energy,
        "forces": molecule.forces,
    }


def lacking(content: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != key}


NPZ_CASES = (
    InputCase("revised MD17's keys, in kcal/mol and Å", READ, "", benchmark),
    InputCase("densnet's keys, in eV and Å", READ, "", ours),
    InputCase(
        "revised MD17's keys, in eV",
        REFUSED,
        "looks like a number in eV that was taken for kcal/mol",
        lambda m: benchmark(m, unit=1.0),
    ),
    InputCase(
        "revised MD17's keys without forces",
        REFUSED,
        "the key forces is missing; expected nuclear_charges, coords, energies, forces",
        lambda m: lacking(benchmark(m), "forces"),
    ),
    InputCase("densnet's keys without forces", REFUSED, "'forces' is missing", lambda m: lacking(ours(m), "forces")),
    InputCase(
        "gradients for forces",
        REFUSED,
        "the forces look like gradients instead of forces",
        lambda m: benchmark(m, forces=-m.forces / (kcal / mol)),
    ),
    InputCase(
        "positions in bohr",
        REFUSED,
        "the positions are no molecule in Angstrom, but one in bohr",
        lambda m: benchmark(m, coords=m.positions / BOHR_IN_ANGSTROM),
    ),
    InputCase(
        "densities of its own",
        REFUSED,
        "has densities of its own (orbitals); leave --density out",
        lambda m: ours(m) | {"orbitals": np.zeros((len(m.energy), 7, 5))},
    ),
    InputCase(
        "a Python object, which could run code",
        REFUSED,
        "write plain arrays with numpy.savez, no objects",
        lambda m: ours(m) | {"energies": [None]},
    ),
)


@pytest.mark.parametrize("case", NPZ_CASES, ids=str)
def test_npz(
    case: InputCase, right: LabelledMolecule, water_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    np.savez(tmp_path / "theirs.npz", **case.make(right))
    check(case, tmp_path / "theirs.npz", "data", water_run / "density.pt", capsys)
