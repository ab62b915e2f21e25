"""``densnet chart``: its table, gaps of those who cannot take part, and what cannot be asked."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from PIL import Image

from densnet import potentials
from densnet.cli.chart import chart
from densnet.errors import DensnetError
from densnet.io.netcdf import variable, write_dataset
from densnet.mechanics.timing import nanoseconds_a_day
from densnet.validation.settings import ChartSettings

MODELS = Path(__file__).parents[2] / "models"
SHORT = ChartSettings(batch=2, rounds=1)


def labels_of(path: Path, water_labels: Path, **changes: Any) -> Path:
    """Labels that say their level of theory and program."""
    known: dict[str, Any] = {"functional": "HF", "basis": "STO-3G", "dispersion": "none", "program": "PySCF 2"}
    dataset = xr.load_dataset(water_labels).assign_attrs(**known | changes)
    write_dataset(dataset, path, stage="fit", method_version=1, settings={})
    return path


@pytest.fixture
def labels(water_labels: Path, tmp_path: Path) -> Path:
    return labels_of(tmp_path / "labels.nc", water_labels)


def mace(path: Path, labels: Path, *, shift: float = 0.0) -> Path:
    """An outcome of MACE whose forces are all 0.007 eV/Å off, and whose labels' energies may be others."""
    data = xr.load_dataset(labels)
    test = data.isel(frame=data["split"].values == "test")
    forces = test["forces"].values
    values = {
        "energy_reference": variable(("frame",), test["energy"].values + shift, "eV", "energy"),
        "forces_reference": variable(("frame", "atom", "x"), forces, "eV/angstrom", "forces"),
        "forces_predicted": variable(("frame", "atom", "x"), forces + 0.007, "eV/angstrom", "forces"),
    }
    attrs = {"peer": "MACE", "size": "small", "n_parameters": 84_000, "threads": 1, "batch": 64}
    timed = {"ms_per_evaluation": 30.0, "ms_per_replica_in_batch": 15.0}
    dataset = xr.Dataset(values, attrs=attrs | timed)
    write_dataset(dataset, path, stage="peer", method_version=1, settings={})
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def asked(folder: Path, labels: Path, **options: Any) -> list[dict[str, str]]:
    table = folder / "chart.csv"
    given = {"potentials": ("gfn2-xtb", "mmff94"), "reference_frames": 0, "settings": SHORT} | options
    chart(system=("water",), labels=(labels,), output=table, figures=folder, **given)
    return rows_of(table)


def test_everybody_has_a_row_alone_and_in_a_batch(labels: Path, tmp_path: Path) -> None:
    rows = asked(tmp_path, labels, peer=(mace(tmp_path / "mace.nc", labels),), reference_frames=2)
    shown = [(row["contestant"], row["batch"], row["level"]) for row in rows]
    assert shown == [
        ("gfn2-xtb", "1", "another"),
        ("gfn2-xtb", "2", "another"),
        ("mmff94", "1", "another"),
        ("mmff94", "2", "another"),
        ("MACE small", "1", "HF/STO-3G"),
        ("MACE small", "64", "HF/STO-3G"),
        ("PySCF", "1", "HF/STO-3G"),
    ]
    for row in rows:
        assert not row["gap"] and (row["atoms"], row["threads"]) == ("3", "1")
        # numbers of the table have four digits
        speed = nanoseconds_a_day(float(row["ms_per_geometry"]), float(row["timestep_fs"]))
        assert float(row["ns_per_day"]) == pytest.approx(speed, rel=2e-3)
    by_name = {row["contestant"]: row for row in rows}
    # density fitting changes forces by some meV/Å in this small basis; GFN2-xTB is another level
    assert float(by_name["PySCF"]["force_mae_mev_per_angstrom"]) < 10
    assert float(by_name["gfn2-xtb"]["force_mae_mev_per_angstrom"]) > 100
    assert float(by_name["MACE small"]["force_mae_mev_per_angstrom"]) == pytest.approx(7.0)
    assert by_name["MACE small"]["dipole_mae_debye"] == ""
    assert [by_name[name]["clock"] for name in ("PySCF", "MACE small")] == ["wall", "processor"]
    assert by_name["PySCF"]["n_frames"] == "2" and by_name["mmff94"]["n_frames"] == "3"
    assert not list(tmp_path.glob("*.parts"))
    with Image.open(tmp_path / "speed_accuracy_chart.png") as image:
        assert "squares are of another level" in image.info["Description"]
        assert "MACE small was timed when it had been trained" in image.info["Description"]


def test_who_cannot_take_part_is_a_gap_with_one_line(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(potentials, "find_spec", lambda package: None)
    lacking_oxygen = MODELS / "polythiophene.pt"
    rows = asked(
        tmp_path,
        labels,
        model=(lacking_oxygen,),
        potentials=("gfn2-xtb", "so3lr"),
        peer=(mace(tmp_path / "mace.nc", labels, shift=1.0),),
    )
    gaps = {row["contestant"]: row["gap"] for row in rows if row["gap"]}
    assert gaps["so3lr"].startswith("the package so3krates_torch is not installed; run ")
    assert "expected those of the model [1, 6, 16], found [8]" in gaps["densnet"]
    assert gaps["MACE small"] == "was judged by other frames than those of water"
    assert [row["ms_per_geometry"] for row in rows if row["gap"]] == [""] * 3
    assert len(rows) == 5
    said = [line for line in capsys.readouterr().err.splitlines() if "is left out" in line]
    assert len(said) == 3 and any(line.startswith("chart: water: so3lr is left out: the package") for line in said)
    with Image.open(tmp_path / "speed_accuracy_chart.png") as image:
        assert "so3lr (water)" in image.info["Description"]


def test_a_model_of_the_labels_level_and_one_of_another(water_labels: Path, tmp_path: Path) -> None:
    for functional, level in (("PBE", "PBE/def2-SVP"), ("PBE0", "another")):
        labels = labels_of(tmp_path / "labels.nc", water_labels, functional=functional, basis="def2-SVP")
        alone, together = asked(tmp_path, labels, model=(MODELS / "ethanol.pt",), potentials=())
        assert alone["level"] == together["level"] == level
        assert (alone["dtype"], alone["batch"], together["batch"]) == ("float32", "1", "2")
        assert int(alone["weights"]) > 100_000


def test_a_program_that_is_not_there_or_not_ours_is_a_gap(water_labels: Path, tmp_path: Path) -> None:
    for changes, said in (
        ({"program": "ORCA 5"}, "expected labels by Psi4 or PySCF, found those by ORCA 5"),
        ({"functional": "nonsense"}, "nonsense"),
    ):
        labels = labels_of(tmp_path / "labels.nc", water_labels, **changes)
        *_, reference = asked(tmp_path, labels, potentials=("mmff94",), reference_frames=1)
        assert (reference["role"], reference["ms_per_geometry"]) == ("reference", "")
        assert said in reference["gap"] and "\n" not in reference["gap"]


def test_what_cannot_be_asked_is_one_line_and_leaves_no_file(labels: Path, water_labels: Path, tmp_path: Path) -> None:
    no_test = tmp_path / "no_test.nc"
    dataset = xr.load_dataset(labels)
    write_dataset(
        dataset.isel(frame=dataset["split"].values != "test"), no_test, stage="fit", method_version=1, settings={}
    )
    for given, said in (
        (
            {"labels": no_test},
            r"split: expected one of .*no_test\.nc has frames \(10 train, 3 validation\), found",
        ),
        ({"labels": tmp_path / "gone.nc"}, "gone.nc"),
        ({"labels": labels, "model": (tmp_path / "gone.pt",)}, "gone.pt"),
        ({"labels": labels, "peer": (labels,)}, "labels.nc"),
        ({"labels": labels, "potentials": ("gfn3",)}, "expected one of gfn2-xtb.*found 'gfn3'"),
        ({"labels": labels, "potentials": ("psi4",)}, "asked for by --reference-frames"),
        ({"labels": labels, "reference_frames": -1}, "reference-frames: expected at least 0, found -1"),
        ({"labels": labels, "potentials": ()}, "nobody can take part in water"),
    ):
        with pytest.raises(DensnetError, match=said) as refused:
            asked(tmp_path, **given)
        assert "\n" not in str(refused.value)
    with pytest.raises(DensnetError, match="expected as many --labels as --system, 2, found 1"):
        chart(system=("a", "b"), labels=(labels,), output=tmp_path / "chart.csv", figures=tmp_path)
    assert not (tmp_path / "chart.csv").exists() and not list(tmp_path.glob("*.png"))
