"""Many molecules beside experiment: differences that are known, and what is missing as a gap with one line."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from densnet.cli.gallery import gallery_of_systems
from densnet.cli.harmonic import harmonic_modes
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.report.gallery import Gallery, gallery, read_system
from densnet.report.gallery_figures import gallery as draw
from densnet.report.gallery_table import line_cells, molecule_cells, read_gallery
from densnet.spectra.compare import compare_spectra
from densnet.spectra.experiment import fundamentals
from densnet.spectra.harmonic import harmonic_spectrum
from densnet.spectra.settings import ComparisonSettings

MOLECULES = {"water": ("O", "water"), "carbon_dioxide": ("O=C=O", "Carbon dioxide (12C16O2)")}
SHIFT = 5.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of two molecules: GFN2-xTB as the model, a reference 5 1/cm above it, a band at each of its lines."""
    folder = tmp_path_factory.mktemp("run")
    for name, (smiles, table) in MOLECULES.items():
        here = folder / name
        harmonic_modes(output=here / "harmonic.nc", potential="gfn2-xtb", smiles=smiles)
        modes = read_dataset(here / "harmonic.nc", stage="harmonic")
        reference = modes.assign(wavenumber=modes["wavenumber"] + SHIFT).assign_attrs(method="PBE/def2-SVP")
        reference["wavenumber"].attrs = modes["wavenumber"].attrs
        write_dataset(reference, here / "harmonic_psi4.nc", stage="harmonic", method_version=1, settings={})
        spectrum = harmonic_spectrum(modes, np.arange(400.0, 4200.0), 20.0).assign_attrs(potential="model")
        compared = compare_spectra(spectrum, ComparisonSettings(), table=fundamentals(table))
        write_dataset(compared, here / "comparison.nc", stage="compare", method_version=1, settings={})
    return folder


def outcome(run: Path, output: Path, *names: str, **options: tuple[str, ...]) -> Gallery:
    gallery_of_systems(systems=tuple(run / name for name in names), output=output, **options)
    return read_gallery(output)


def test_differences_are_what_they_must_be(run: Path, tmp_path: Path) -> None:
    known = outcome(run, tmp_path, *MOLECULES)
    assert known.remarks == () and (tmp_path / "gallery.png").exists()
    rows = known.molecules.set_index("system")
    assert rows["model_from_reference_mean"].tolist() == pytest.approx([SHIFT] * 2, abs=0.01)
    assert rows["model_from_reference_largest"].tolist() == pytest.approx([SHIFT] * 2, abs=0.01)
    assert rows["fundamentals"].tolist() == [3, 3] and rows["matched"].tolist() == ["species"] * 2
    for name, of_system in known.lines.groupby("system"):
        apart = (of_system["harmonic_model"] - of_system["fundamental"]).abs()
        assert rows.loc[name, "harmonic_model_mean"] == pytest.approx(apart.mean(), abs=0.01)
        assert rows.loc[name, "harmonic_model_largest"] == pytest.approx(apart.max(), abs=0.01)
        shifted = (of_system["harmonic_reference"] - of_system["harmonic_model"]).tolist()
        assert shifted == pytest.approx([SHIFT] * len(of_system), abs=0.02)


def test_bands_stand_where_the_lines_are_and_dark_ones_have_none(run: Path, tmp_path: Path) -> None:
    lines = outcome(run, tmp_path, "carbon_dioxide").lines.set_index("species")
    assert np.isnan(lines.loc["σg+", "dynamics_model"]), "no dipole changes"
    for species in ("πu", "σu+"):
        # the grid's spacing, and what broadening does to one Gaussian
        assert lines.loc[species, "dynamics_model"] == pytest.approx(lines.loc[species, "harmonic_model"], abs=1.0)


def test_what_is_missing_is_a_gap_and_one_line(run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(run / "water" / "harmonic.nc", alone)
    gallery_of_systems(systems=(run / "water", alone), output=tmp_path / "out")
    known = read_gallery(tmp_path / "out")
    assert known.remarks == (
        "alone: no harmonic lines of the reference",
        "alone: no comparison.nc: its lines are beside no experiment",
    )
    heads, cells = molecule_cells(known)
    assert cells[1] == ["alone", *["–"] * (len(heads) - 1)]
    assert cells[-1][1] == f"{SHIFT:.1f} ({SHIFT:.0f})", "the mean is over those that have it"
    assert "Without published fundamentals: alone." in draw(known).caption


def test_nothing_to_compare_is_still_a_table(run: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    known = outcome(tmp_path, tmp_path / "out", "empty")
    assert known.molecules["system"].tolist() == ["empty"] and line_cells(known, "empty")[1] == []


def test_modes_that_lie_elsewhere_are_given_by_name(run: Path, tmp_path: Path) -> None:
    water = tmp_path / "water"
    water.mkdir()
    for name in ("harmonic.nc", "comparison.nc"):
        shutil.copy(run / "water" / name, water)
    given = run / "water" / "harmonic_psi4.nc"
    known = outcome(tmp_path, tmp_path / "out", "water", harmonic=(f"water={given}",))
    assert known.molecules["model_from_reference_mean"].tolist() == pytest.approx([SHIFT], abs=0.01)
    with pytest.raises(DensnetError, match=r"expected SYSTEM=FILE with a system of water, found 'steam=x\.nc'"):
        outcome(tmp_path, tmp_path / "out", "water", harmonic=("steam=x.nc",))


def test_a_table_of_ones_own_that_lacks_fundamentals_is_matched_by_nearness(run: Path) -> None:
    system = read_system(run / "water")
    assert system.comparison is not None
    mine = system.comparison.drop_dims("region").isel(stick=[0, 1]).assign_attrs(fundamentals="mine")
    known = gallery([dataclasses.replace(system, comparison=mine)])
    assert known.molecules["matched"].tolist() == ["nearest"] and len(known.lines) == 2
    assert known.remarks == ("water: 2 fundamentals for 3 vibrations: each has the nearest line",)


def test_wrong_input_is_one_line(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match="absent: expected the folder of a system"):
        read_system(tmp_path / "absent")
    with pytest.raises(DensnetError, match="expected systems with different names"):
        gallery([read_system(run / "water")] * 2)
    with pytest.raises(DensnetError, match="run 'densnet gallery'"):
        read_gallery(tmp_path)
    for name in ("gallery.csv", "gallery_lines.csv", "gallery_remarks.txt"):
        (tmp_path / name).write_text(pd.DataFrame({"x": [1]}).to_csv())
    with pytest.raises(DensnetError, match="expected the tables of 'densnet gallery', found others"):
        read_gallery(tmp_path)
