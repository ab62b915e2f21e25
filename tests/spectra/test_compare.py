"""Comparison of spectra: scores, regions, lines, and the verbs on files."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from spectra_examples import trajectory_dataset

from densnet.cli.compare import compare
from densnet.cli.spectrum import spectrum
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.spectra.compare import band_in, compare_spectra, peer_labels, region_windows, unit_area
from densnet.spectra.experiment import fundamentals
from densnet.spectra.infrared import spectrum_of_trajectory
from densnet.spectra.jcamp_dx import ExperimentalSpectrum
from densnet.spectra.scores import SCORES
from densnet.spectra.settings import ComparisonSettings, SpectrumSettings

SETTINGS = SpectrumSettings(resolution=20.0, correct_timestep=False)
ETHANOL_LIKE = [3680.0, 2950.0, 1450.0, 1240.0, 1050.0, 880.0]


def spectrum_dataset(wavenumbers: list[float], potential: str = "model") -> xr.Dataset:
    trajectory = trajectory_dataset(wavenumbers, n_replicas=4, n_times=6000, potential=potential)
    return spectrum_of_trajectory(trajectory, SETTINGS)


def measured(wavenumbers: list[float]) -> ExperimentalSpectrum:
    x = np.arange(400.0, 4200.0)
    return ExperimentalSpectrum("measured", x, sum(np.exp(-(((x - w) / 15) ** 2)) for w in wavenumbers), ())


def test_a_spectrum_is_like_itself_whatever_its_scale_and_offset() -> None:
    dataset = spectrum_dataset(ETHANOL_LIKE)
    x, y = dataset["wavenumber"].values, dataset["intensity"].values
    other = ExperimentalSpectrum("same", x, 0.3 + 7.0 * y, ())
    result = compare_spectra(dataset, ComparisonSettings(), experiment=other)
    assert result["pearson"].values == pytest.approx([1.0], abs=1e-9)
    assert result["spearman"].values == pytest.approx([1.0], abs=1e-6)


def test_a_shifted_spectrum_scores_less_than_one_in_its_place() -> None:
    here = spectrum_dataset(ETHANOL_LIKE)
    near = compare_spectra(here, ComparisonSettings(), experiment=measured(ETHANOL_LIKE))
    shifted = compare_spectra(here, ComparisonSettings(), experiment=measured([w + 100 for w in ETHANOL_LIKE]))
    assert near["pearson"].values[0] > 0.9 > 0.3 > shifted["pearson"].values[0]


def test_scores_only_for_references_with_intensities() -> None:
    here, peer = spectrum_dataset(ETHANOL_LIKE), spectrum_dataset([w - 60 for w in ETHANOL_LIKE], "gfn2-xtb")
    table = fundamentals("ethanol")
    only_table = compare_spectra(here, ComparisonSettings(), table=table)
    assert "pearson" not in only_table and "sticks" in only_table
    result = compare_spectra(here, ComparisonSettings(), peers=[peer], table=table, experiment=measured(ETHANOL_LIKE))
    assert result["reference"].values.tolist() == ["jcamp", "gfn2-xtb"]
    assert result["pearson"].values[0] > result["pearson"].values[1]
    assert float(result["pearson_peer"]) < 0.5


def test_a_spectrum_of_nothing_has_no_area() -> None:
    grid = np.arange(500.0, 4000.0)
    assert np.trapezoid(unit_area(np.exp(-(((grid - 1000) / 20) ** 2)), grid), grid) == pytest.approx(1.0)
    with pytest.raises(DensnetError, match="zero all over"):
        unit_area(np.zeros_like(grid), grid)


def test_regions_find_the_bands_of_model_peer_and_experiment() -> None:
    peer = spectrum_dataset([w - 60 for w in ETHANOL_LIKE], "gfn2-xtb")
    result = compare_spectra(
        spectrum_dataset(ETHANOL_LIKE),
        ComparisonSettings(),
        peers=[peer],
        table=fundamentals("ethanol"),
        experiment=measured(ETHANOL_LIKE),
    ).set_coords("region")
    stretch = result.sel(region="O-H stretch")
    assert float(stretch["region_experiment"]) == 3653.0
    assert float(stretch["region_model_peak"]) == pytest.approx(3680.0, abs=1.5)
    assert float(stretch["region_peer_peak"]) == pytest.approx(3620.0, abs=1.5)
    assert float(stretch["region_jcamp_peak"]) == pytest.approx(3680.0, abs=1.5)
    assert float(stretch["region_model_centroid"]) == pytest.approx(3680.0, abs=5.0)
    assert float(result.sel(region="C-O stretch and CH3 rock")["region_model_peak"]) == pytest.approx(1050.0, abs=1.5)


def test_region_without_a_maximum_has_no_band() -> None:
    grid = np.arange(500.0, 4000.0)
    band = band_in(grid, np.exp(-(((grid - 1000) / 20) ** 2)), (3000.0, 3200.0))
    assert np.isnan(band.peak)
    ripple = np.exp(-(((grid - 1000) / 20) ** 2)) + 0.003 * np.exp(-(((grid - 3100) / 20) ** 2))
    assert np.isnan(band_in(grid, ripple, (3000.0, 3200.0)).peak)


def test_region_windows_do_not_overlap_and_hold_their_fundamentals() -> None:
    table = fundamentals("ethanol")
    windows = region_windows(table, 250.0)
    ordered = sorted(windows.values())
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ordered))
    for name, sticks in table.regions().items():
        assert windows[name][0] < sticks.min() and sticks.max() < windows[name][1]
    assert windows["O-H stretch"] == (3403.0, 3903.0)


def test_strongest_lines_stand_beside_the_nearest_fundamentals() -> None:
    result = compare_spectra(
        spectrum_dataset([3680.0, 1050.0]), ComparisonSettings(n_lines=2), table=fundamentals("ethanol")
    )
    assert sorted(result["line_wavenumber"].values) == pytest.approx([1050.0, 3680.0], abs=0.5)
    assert sorted(result["line_experiment"].values) == [1028.0, 3653.0]
    assert set(result["line_description"].values) == {"O-H stretch", "C-O stretch and CH3 rock"}


def test_each_of_several_peers_has_its_scores_bands_and_lines() -> None:
    shifts = {"gfn2-xtb": -60, "mmff94": 80, "so3lr": 0}
    here = spectrum_dataset(ETHANOL_LIKE)
    peers = [spectrum_dataset([w + shift for w in ETHANOL_LIKE], name) for name, shift in shifts.items()]
    experiment, table = measured(ETHANOL_LIKE), fundamentals("ethanol")
    result = compare_spectra(here, ComparisonSettings(), peers=peers, table=table, experiment=experiment)
    assert result["reference"].values.tolist() == ["jcamp", *shifts]
    labels = peer_labels(result.attrs["peers"].split())
    assert labels == {"gfn2-xtb": "peer", "mmff94": "mmff94", "so3lr": "so3lr"}
    assert float(result["pearson_so3lr"]) > 0.9 > float(result["pearson_peer"])
    stretch = result.sel(region=result["region"] == "O-H stretch").isel(region=0)
    for name, label in labels.items():
        assert float(stretch[f"region_{label}_peak"]) == pytest.approx(3680 + shifts[name], abs=1.5)
        assert result[f"{label}_line_wavenumber"].size
    # the first one's numbers do not depend on the others
    alone = compare_spectra(here, ComparisonSettings(), peers=peers[:1], table=table, experiment=experiment)
    of_references = {"reference", *SCORES, *(f"{kind}_interval" for kind in SCORES)}
    for variable in alone.variables.keys() - of_references:
        np.testing.assert_array_equal(alone[variable], result[variable])
    with pytest.raises(DensnetError, match="expected the spectrum of another method, found one of 'gfn2-xtb'"):
        compare_spectra(here, ComparisonSettings(), peers=[peers[0], peers[0]])


def test_nothing_to_compare_with_is_said() -> None:
    with pytest.raises(DensnetError, match="at least one of"):
        compare_spectra(spectrum_dataset(ETHANOL_LIKE), ComparisonSettings())


def test_verbs_from_trajectories_to_comparison(tmp_path: Path) -> None:
    for name, shift in (("model", 0.0), ("gfn2-xtb", -60.0)):
        trajectory = trajectory_dataset([w + shift for w in ETHANOL_LIKE], n_replicas=3, n_times=6000, potential=name)
        write_dataset(trajectory, tmp_path / f"{name}.nc", stage="md", method_version=1, settings={})
        spectrum(trajectory=tmp_path / f"{name}.nc", output=tmp_path / f"s_{name}.nc", settings=SETTINGS)
    compare(
        spectrum=tmp_path / "s_model.nc",
        peer=[tmp_path / "s_gfn2-xtb.nc"],
        fundamentals="ethanol",
        output=tmp_path / "comparison.nc",
    )
    result = read_dataset(tmp_path / "comparison.nc", stage="compare")
    assert result["reference"].values.tolist() == ["gfn2-xtb"]
    assert result["region_model_peak"].sizes == {"region": 6}
    with pytest.raises(DensnetError, match="expected the output of 'densnet md'"):
        spectrum(trajectory=tmp_path / "s_model.nc", output=tmp_path / "x.nc")


def test_without_infrared_activity_nothing_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    model, peer = (trajectory_dataset([2330.0], n_replicas=2, n_times=6000, potential=n) for n in ("model", "gfn2-xtb"))
    for name, trajectory in (("model", model), ("peer", peer)):
        trajectory["dipole"] = 1e-13 * trajectory["dipole"]
        write_dataset(trajectory, tmp_path / f"{name}.nc", stage="md", method_version=1, settings={})
        spectrum(trajectory=tmp_path / f"{name}.nc", output=tmp_path / f"{name}_spectrum.nc", settings=SETTINGS)
    compare(
        spectrum=tmp_path / "model_spectrum.nc",
        peer=[tmp_path / "peer_spectrum.nc"],
        fundamentals="water",
        output=tmp_path / "comparison.nc",
    )
    result = read_dataset(tmp_path / "comparison.nc", stage="compare")
    assert "pearson" not in result and result.sizes["line"] == 0
    assert np.isnan(result["region_model_peak"].values).all()
    assert capsys.readouterr().err.count("no infrared activity") == 4


def test_fundamentals_of_another_molecule_are_refused() -> None:
    here = spectrum_dataset(ETHANOL_LIKE).assign_attrs(formula="C2H6O")
    assert compare_spectra(here, ComparisonSettings(), table=fundamentals("ethanol")).attrs["fundamentals"] == "ethanol"
    with pytest.raises(DensnetError, match="fundamentals water: expected those of C2H6O, found those of H2O"):
        compare_spectra(here, ComparisonSettings(), table=fundamentals("water"))
