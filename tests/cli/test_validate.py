"""The verbs that put a potential to the test: what they write, and bad input in one line before any work."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.calculator import Calculator
from ase.io import write

from densnet.cli.validate.energy import energy
from densnet.cli.validate.options import MoleculeOptions, PotentialOptions
from densnet.cli.validate.robustness import robustness
from densnet.cli.validate.structure import structure
from densnet.errors import DensnetError
from densnet.validation.settings import ConservationSettings, FailureSettings

GFN2 = PotentialOptions(calculator="gfn2-xtb")
FORCE_FIELD = PotentialOptions(calculator="mmff94")
WATER = MoleculeOptions(smiles="O")
SHORT = ConservationSettings(replicas=2, picoseconds=0.02, thermalise_ps=0.01, reversal_steps=5)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def value_of(path: Path, what: str) -> float:
    (value,) = [float(row["value"]) for row in rows_of(path) if row["what"] == what]
    return value


def test_a_scan_is_the_reference_of_the_next_and_a_potential_beside_itself_has_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan, output = tmp_path / "scan.nc", tmp_path / "own.csv"
    robustness(GFN2, given=WATER, factors=(0.8, 1.2), temperatures=(), scan_output=scan, output=output)
    assert list(rows_of(output)[0]) == ["what", "condition", "value", "unit"]
    assert value_of(output, "points") == 6
    # energies at minima that two relaxations find, each with 2e-3 eV/Å left
    assert value_of(output, "largest difference") < 1e-4
    other = tmp_path / "other.csv"
    heated = FailureSettings(picoseconds=0.005, replicas=2)
    robustness(FORCE_FIELD, reference=str(scan), temperatures=(300.0,), dynamics=heated, output=other)
    assert value_of(other, "points") == 6 and value_of(other, "largest difference") > 0.01
    assert value_of(other, "replicas that failed") == 0
    assert "mmff94 beside gfn2-xtb: H2O, moving both" in capsys.readouterr().out
    for options, expected in (
        ({"factors": (0.9,)}, "factors: those of --reference FILE are taken"),
        ({"moving": "lighter"}, "moving: expected 'both'"),
        ({"scan_output": scan}, "scan-output: is the file of --reference too"),
        ({"given": WATER}, "expected one of --smiles, --xyz and --reference FILE, found --smiles, --reference FILE"),
    ):
        with pytest.raises(DensnetError, match=expected):
            robustness(FORCE_FIELD, reference=str(scan), temperatures=(), **options)  # type: ignore[arg-type]


def test_a_curve_of_its_own_energies_has_no_error(tmp_path: Path) -> None:
    from densnet.molecule import Molecule
    from densnet.potentials import named

    water = molecule("H2O")
    frames = []
    for stretch in (1.0, 1.05, 1.1):
        atoms = water.copy()
        atoms.positions *= stretch
        given = Molecule(atoms.numbers, atoms.positions)
        atoms.info["energy"] = float(named("gfn2-xtb")(given)(atoms.positions[None])["energy"][0])
        frames.append(atoms)
    write(tmp_path / "curve.xyz", frames)
    robustness(GFN2, curve=(tmp_path / "curve.xyz",), output=tmp_path / "curve.csv")
    errors = [float(row["value"]) for row in rows_of(tmp_path / "curve.csv")]
    # written with eight decimals of an Angstrom, at slopes of some eV/Å
    assert len(errors) == 3 and max(errors) < 1e-3


def test_energy_is_written_with_its_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    energy(FORCE_FIELD, given=WATER, settings=SHORT, output=tmp_path / "energy.csv")
    assert value_of(tmp_path / "energy.csv", "ratio of the fluctuations at both time steps") > 1
    assert sum("standard error" in row["what"] for row in rows_of(tmp_path / "energy.csv")) == 7
    assert "mmff94: H2O, constant energy, 300 K, 2 replicas of 0.02 ps" in capsys.readouterr().out


def test_a_structure_beside_a_reference_and_beside_a_file(tmp_path: Path) -> None:
    structure(GFN2, given=WATER, output=tmp_path / "same.csv")
    assert value_of(tmp_path / "same.csv", "root mean square distance after superposition") < 1e-3
    water = molecule("H2O")
    water.positions[1] += 0.02 * (water.positions[1] - water.positions[0]) / water.get_distance(0, 1)
    write(tmp_path / "water.xyz", water)
    structure(FORCE_FIELD, reference=str(tmp_path / "water.xyz"), output=tmp_path / "file.csv")
    assert value_of(tmp_path / "file.csv", "largest difference of a bond length") == pytest.approx(0.02, abs=0.01)
    with pytest.raises(DensnetError, match=r"expected the atoms CHHHH in this order, found OHH in"):
        structure(GFN2, given=MoleculeOptions(smiles="C"), reference=str(tmp_path / "water.xyz"))


def test_the_scan_of_a_reference_alone_is_what_others_are_compared_with(tmp_path: Path) -> None:
    scan = tmp_path / "reference.nc"
    robustness(given=MoleculeOptions(smiles="O"), factors=(0.9,), scan_output=scan)
    robustness(GFN2, reference=str(scan), temperatures=(), output=tmp_path / "scan.csv")
    # energies at minima that two relaxations find, each with 2e-3 eV/Å left
    assert value_of(tmp_path / "scan.csv", "largest difference") < 1e-4
    structure(GFN2, reference=str(scan), output=tmp_path / "structure.csv")
    assert value_of(tmp_path / "structure.csv", "largest difference of a bond length") < 1e-3
    with pytest.raises(DensnetError, match=r"reference: expected one of gfn2-xtb.*, found the file"):
        robustness(reference=str(scan), scan_output=tmp_path / "other.nc")


class Repelling(Calculator):
    """Atoms that repel each other as charges of one sign do, so that a molecule has no minimum."""

    implemented_properties = ("energy", "forces")

    def calculate(self, *given: object, **options: object) -> None:
        """Compute energy and forces."""
        super().calculate(*given, **options)  # type: ignore[arg-type]
        apart = self.atoms.positions[:, None] - self.atoms.positions[None]
        inverse = 1 / (np.linalg.norm(apart, axis=-1) + np.diag(np.full(len(apart), np.inf)))
        self.results = {"energy": inverse.sum() / 2, "forces": np.einsum("ijx,ij->ix", apart, inverse**3)}


def test_a_potential_without_a_minimum_is_an_answer_where_it_is_written(tmp_path: Path) -> None:
    repelling, output = PotentialOptions(calculator=f"{__name__}:Repelling"), tmp_path / "unfit.csv"
    for verb, settings in ((energy, {"settings": SHORT}), (robustness, {"factors": (0.9,)})):
        with pytest.raises(DensnetError):
            verb(repelling, given=WATER, **settings)
        verb(repelling, given=WATER, output=output, **settings)
        (row,) = rows_of(output)
        assert row["what"] == "test that could not be done" and row["condition"]
    # a molecule that is not there is no answer
    with pytest.raises(DensnetError, match="gone"):
        energy(repelling, given=MoleculeOptions(xyz=tmp_path / "gone.xyz"), output=tmp_path / "gone.csv")
    assert not (tmp_path / "gone.csv").exists()


def test_a_chain_is_a_molecule_too() -> None:
    assert len(MoleculeOptions(oligomer="*CC*", units=2).molecule().numbers) == 14


def test_what_cannot_be_asked_is_one_line_before_any_work(tmp_path: Path) -> None:
    for asked, expected in (
        (lambda: energy(PotentialOptions(), given=WATER), "found neither"),
        (lambda: energy(PotentialOptions(tmp_path / "model.pt", "gfn2-xtb"), given=WATER), "found both"),
        (lambda: energy(GFN2), "expected one of --smiles, --xyz and --oligomer, found none"),
        (lambda: energy(GFN2, given=MoleculeOptions("O", tmp_path / "water.xyz")), "found --smiles and --xyz"),
        (
            lambda: structure(GFN2, given=WATER, reference="gfn3"),
            "expected one of .* an xyz file or a scan .*, found 'gfn3'",
        ),
        (lambda: structure(trajectory=tmp_path / "t.nc"), "expected both --trajectory FILE and --against FILE"),
        (lambda: robustness(GFN2), "expected --smiles, --xyz or --reference FILE, or --curve FILE"),
        (lambda: robustness(GFN2, given=WATER, temperatures=(np.inf,)), "temperatures: expected positive numbers"),
        (lambda: robustness(GFN2, given=WATER, scan_output=tmp_path / "scan.csv"), "expected the name of a netCDF"),
        (lambda: robustness(GFN2, given=WATER, reference="psi4"), "psi4 takes long; expected --scan-output"),
        (lambda: robustness(GFN2, reference="gone.nc", temperatures=()), "or a file of --scan-output"),
        (lambda: robustness(GFN2, curve=(tmp_path / "gone.xyz",)), "no such file; expected extended xyz"),
    ):
        with pytest.raises(DensnetError, match=expected) as refused:
            asked()
        assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())
