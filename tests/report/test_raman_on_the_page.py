"""The Raman spectrum of a run: its figure beside the infrared one, its lines and scores on the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from report_examples import write_manifest, write_run

from densnet.cli.compare import compare
from densnet.cli.figures import figures
from densnet.cli.report import report
from densnet.cli.spectrum import spectrum
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.quantities import POLARIZABILITY
from densnet.report.lines import raman_rows
from densnet.report.style import read_picture
from densnet.spectra.settings import SpectrumSettings
from densnet.units import SPEED_OF_LIGHT_IN_CM_PER_FS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of water whose stretch scatters polarised and whose bend depolarised light."""
    folder = tmp_path_factory.mktemp("run")
    files = write_run(folder)
    time, rng = np.arange(3000) * 1.0, np.random.default_rng(2)
    alpha = np.zeros((6, len(time), 3, 3)) + np.eye(3)
    for place, slope in ((3660.0, 0.01 * np.eye(3)), (1600.0, 0.01 * np.diag([1.0, -1.0, 0.0]))):
        phase = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * place * time + rng.uniform(0, 6.28, (6, 1))
        alpha += (rng.uniform(0.8, 1.2, (6, 1)) * np.cos(phase))[..., None, None] * slope
    trajectory = read_dataset(files["trajectory"], stage="md").isel(replica=slice(6))
    trajectory["polarizability"] = POLARIZABILITY.variable(alpha, ("replica", "polarizability_time"))
    trajectory["polarizability_time"] = variable(("polarizability_time",), time, "fs", "time")
    write_dataset(trajectory, folder / "polar.nc", stage="md", method_version=1, settings={})
    settings = SpectrumSettings(resolution=25.0, correct_timestep=False)
    spectrum(trajectory=folder / "polar.nc", output=folder / "raman.nc", raman=True, settings=settings)
    for path in files["harmonic"][:1]:
        modes = read_dataset(path, stage="harmonic").load()
        modes["raman_activity"] = variable(("mode",), np.array([5.0, 80.0, 20.0]), "angstrom4 Da-1", "Raman activity")
        write_dataset(modes, path, stage="harmonic", method_version=1, settings={})
    compare(
        spectrum=folder / "raman.nc",
        harmonic=files["harmonic"][:1],
        fundamentals="water",
        output=folder / "raman_comparison.nc",
    )
    return files | {"raman": folder / "raman.nc", "raman_comparison": folder / "raman_comparison.nc"}


def test_the_figure_and_the_page(run: dict[str, Any], tmp_path: Path) -> None:
    figures(name="water", output=tmp_path / "figures", **run)
    shown = read_picture(tmp_path / "figures" / "raman.png")
    assert shown.title == "Raman spectrum" and "6 replicas of 3.00 ps" in shown.caption
    assert "harmonic lines by model in one conformer" in shown.caption
    assert "{" not in shown.caption and "nan" not in shown.caption
    manifest = write_manifest(tmp_path / "manifest.json", run, tmp_path / "figures")
    content = json.loads(manifest.read_text())
    report(manifest=manifest, output=tmp_path / "without.html")
    content["systems"][0] |= {name: str(run[name]) for name in ("raman", "raman_comparison")}
    manifest.write_text(json.dumps(content))
    report(manifest=manifest, output=tmp_path / "with.html")
    before, after = ((tmp_path / name).read_text() for name in ("without.html", "with.html"))
    for words in ("Strongest Raman lines", "How alike the Raman spectra are", "model, harmonic-model"):
        assert words in after and words not in before
    places = [after.index(words) for words in ("Infrared spectrum.", "Raman spectrum.", "<h3>Strongest Raman")]
    assert places == sorted(places)


def test_lines_are_listed_with_their_polarisation(run: dict[str, Any]) -> None:
    scattering = read_dataset(run["raman"], stage="spectrum")
    header, rows = raman_rows(scattering, read_dataset(run["assignment"], stage="assign"))
    assert header == ["Raman line [1/cm]", "depolarisation ratio", "motion"]
    assert [(row[0], row[1].split()[0]) for row in rows] in (
        [("3660", "0.00"), ("1600", "0.75")],
        [("1600", "0.75"), ("3660", "0.00")],
    )
    assert {row[2].split()[1] for row in rows} == {"stretch", "bend"}
    dark: xr.Dataset = scattering.isel(line=slice(0))
    assert raman_rows(dark, None) == (header[:2], [])


@pytest.mark.parametrize(
    ("option", "given", "message"),
    [
        ("raman", "spectrum", "'densnet spectrum' for Raman spectra, found that for infrared spectra"),
        ("spectrum", "raman", "'densnet spectrum' for infrared spectra, found that for Raman spectra"),
        ("raman_comparison", "comparison", "'densnet compare' for Raman spectra, found that for infrared spectra"),
    ],
)
def test_files_of_the_other_kind_are_one_line(
    run: dict[str, Any], tmp_path: Path, option: str, given: str, message: str
) -> None:
    with pytest.raises(DensnetError, match=message):
        figures(name="water", output=tmp_path, **(run | {option: run[given]}))
