"""metrics.json: the contract's keys, from numbers that can be checked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from densnet.density.frame_errors import PAIRS
from densnet.errors import DensnetError
from densnet.quantities import METRICS, metric_of
from densnet.report.doubts import doubts
from densnet.report.metrics import (
    RESPONSE,
    collect_metrics,
    describe,
    evaluation_metrics,
    read_metrics,
)
from densnet.report.table import SCORE_HEADS, band_rows, line_texts, plain_table, score_rows, summary_text
from densnet.units import E_ANGSTROM_IN_DEBYE


def evaluation() -> xr.Dataset:
    """Two frames of a diatomic with known errors."""
    zero = np.zeros((2, 2, 3))
    return xr.Dataset(
        {
            "energy_reference": (("frame",), [1.0, 2.0]),
            "energy_predicted": (("frame",), [1.010, 1.998]),
            "forces_reference": (("frame", "atom", "x"), zero),
            "forces_predicted": (("frame", "atom", "x"), zero + 0.05),
            "dipole_reference": (("frame", "x"), np.zeros((2, 3))),
            "dipole_predicted": (("frame", "x"), [[0.03, 0.04, 0.0], [0.0, 0.0, -0.15]]),
            "nmae": (("frame",), [0.2, 0.4]),
            "nmae_true": (("frame",), [1.0, 2.0]),
            "floor_nmae": (("frame",), [0.9, 1.1]),
            "prior_nmae": (("frame",), [7.0, 9.0]),
            "coulomb_error": (("frame",), [0.02, 0.04]),
            "charge_error": (("frame",), [1e-7, -3e-7]),
            "distance_to_train": (("frame",), [0.04, 0.08]),
            "numbers": (("atom",), [9, 1]),
            "nmae_by_atom": (("pair", "frame", "atom"), np.tile([[0.15, 0.05], [0.25, 0.15]], (4, 1, 1))),
            "overlap_error_relative": (("pair", "frame"), by_pair(0.1, 1.0, 0.9, 3.0)),
            "potential_rms_error": (("pair", "frame"), by_pair(10.0, 11.0, 4.0, 300.0)),
            "potential_max_error": (("pair", "frame"), by_pair(30.0, 33.0, 15.0, 900.0)),
            "potential_relative_error": (("pair", "frame"), by_pair(3.0, 3.5, 1.5, 98.0)),
            "prior_negative_volume": (("frame",), [70.0, 80.0]),
            "has_orbitals": (("frame",), np.array([1, 1], dtype=np.int8)),
        },
        coords={"pair": list(PAIRS)},
        attrs={"n_train": 50, "seed": 4, "density_ms_per_frame": 3.0, "prior_ms_per_frame": 0.25},
    )


def by_pair(*values: float) -> np.ndarray:
    """A tenth below and above each value."""
    return np.outer(values, [0.9, 1.1])


def trajectory() -> xr.Dataset:
    time = np.arange(1000) * 2.0
    return xr.Dataset(
        {"dipole": (("replica", "time", "x"), np.zeros((3, 1000, 3)))},
        coords={"time": time},
        attrs={"nve_drift_mev_per_atom_per_ps": -0.2, "ms_per_step_per_replica": 0.5},
    )


def comparison() -> xr.Dataset:
    return xr.Dataset(
        {
            "reference": (("reference",), ["jcamp", "gfn2-xtb"]),
            "pearson": (("reference",), [0.8, 0.6]),
            "spearman": (("reference",), [0.9, 0.7]),
            "overlap": (("reference",), [0.75, 0.6]),
            "scaling_factor": (("reference",), [0.99, np.nan]),
            "halves_pearson": 0.85,
            "converged_ps": np.nan,
        }
    )


def test_errors_at_each_temperature() -> None:
    hot_and_cold = evaluation().assign(temperature=("frame", [500.0, 300.0]))
    metrics, cold = evaluation_metrics(hot_and_cold), evaluation_metrics(evaluation().isel(frame=[1]))
    assert metrics["density_nmae_at_300k_percent"] == cold["density_nmae_percent"]
    assert metrics["force_mae_at_300k_mev_per_angstrom"] == cold["force_mae_mev_per_angstrom"]
    mean = (metrics["dipole_mae_at_300k_debye"] + metrics["dipole_mae_at_500k_debye"]) / 2
    assert mean == pytest.approx(metrics["dipole_mae_debye"])
    assert metric_of("dipole_mae_at_500k_debye").label == "Dipole error, 500 K"
    same = evaluation_metrics(evaluation().assign(temperature=("frame", [500.0, 500.0])))
    assert not [key for key in same if "_at_" in key], "one temperature is what the errors are of anyway"


def test_values_by_hand() -> None:
    metrics = collect_metrics(evaluation(), trajectory(), comparison())
    expected = {
        "density_nmae_percent": 0.3,
        "density_nmae_true_percent": 1.5,
        "density_floor_percent": 1.0,
        "density_prior_percent": 8.0,
        "density_coulomb_error_mha": 0.03,
        "density_overlap_error_percent": 0.1,
        "density_nmae_of_H_percent": 0.1,
        "density_nmae_of_F_percent": 0.2,
        "prior_negative_volume_percent": 75.0,
        "dipole_mae_debye": 0.10 * E_ANGSTROM_IN_DEBYE,
        "potential_rms_error_mv": 10.0,
        "potential_rms_error_true_mv": 11.0,
        "potential_floor_mv": 4.0,
        "potential_prior_mv": 300.0,
        "potential_max_error_mv": 33.0,
        "potential_relative_error_percent": 3.0,
        "charge_max_error_e": 3e-7,
        "energy_mae_mev_per_atom": 3.0,
        "force_mae_mev_per_angstrom": 50.0,
        "nve_drift_mev_per_atom_per_ps": -0.2,
        "md_ps_total": 6.0,
        "md_ms_per_step_per_replica": 0.5,
        "density_ms_per_frame": 3.0,
        "prior_ms_per_frame": 0.25,
        "spectrum_pearson_jcamp": 0.8,
        "spectrum_pearson_gfn2-xtb": 0.6,
        "spectrum_spearman_jcamp": 0.9,
        "spectrum_spearman_gfn2-xtb": 0.7,
        "spectrum_overlap_jcamp": 0.75,
        "spectrum_overlap_gfn2-xtb": 0.6,
        "spectrum_scaling_factor_jcamp": 0.99,
        "spectrum_scaling_factor_gfn2-xtb": None,
        "spectrum_halves_pearson": 0.85,
        "spectrum_converged_ps": None,
        "n_train": 50,
        "n_test": 2,
        "test_distance_to_train_angstrom": 0.06,
        "seed": 4,
    }
    assert metrics == pytest.approx(expected)
    assert list(metrics) == list(expected)


def without_orbitals(dataset: xr.Dataset) -> xr.Dataset:
    bare = dataset.copy(deep=True)
    bare["has_orbitals"].values[:] = 0
    bare["nmae_true"].values[:] = np.nan
    bare["floor_nmae"].values[:] = np.nan
    for name in ("potential_rms_error", "potential_max_error", "potential_relative_error", "overlap_error_relative"):
        bare[name].loc[{"pair": ["model-true", "fit-true"]}] = np.nan
    return bare


def test_without_orbitals_the_truth_is_not_available(tmp_path: Path) -> None:
    whole = collect_metrics(evaluation(), trajectory(), comparison())
    metrics = collect_metrics(without_orbitals(evaluation()), trajectory(), comparison())
    unknown = {key for key, value in metrics.items() if value is None}
    assert unknown == {
        "density_nmae_true_percent",
        "density_floor_percent",
        "potential_rms_error_true_mv",
        "potential_floor_mv",
        "spectrum_converged_ps",
        "spectrum_scaling_factor_gfn2-xtb",
    }
    assert {key: value for key, value in metrics.items() if key not in unknown} == {
        key: value for key, value in whole.items() if key not in unknown
    }
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(metrics, allow_nan=False))
    assert read_metrics(path) == metrics
    shown = {label: value for label, value, _, _ in describe(metrics)}
    assert shown["Floor"] == "not available" and shown["Prior"] == "8"
    assert "not available" in summary_text(["x"], [metrics], [lines_and_regions()])


def test_frames_with_orbitals_count_for_the_truth() -> None:
    some = evaluation()
    some["has_orbitals"].values[:] = [0, 1]
    some["nmae_true"].values[0] = some["floor_nmae"].values[0] = np.nan
    some["potential_rms_error"].loc[{"pair": ["model-true", "fit-true"]}] = np.array([[np.nan, 11.0], [np.nan, 4.0]])
    metrics = collect_metrics(some, trajectory(), comparison())
    assert (metrics["density_nmae_true_percent"], metrics["density_floor_percent"]) == (2.0, 1.1)
    assert metrics["potential_floor_mv"] == 4.0 and metrics["density_nmae_percent"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    "name",
    [
        "nmae",
        "nmae_true",
        "nmae_by_atom",
        "prior_negative_volume",
        "charge_error",
        "forces_predicted",
        "dipole_predicted",
        "energy_reference",
    ],
)
def test_a_number_that_is_none_is_refused(name: str) -> None:
    broken = evaluation()
    broken[name].values.flat[0] = np.nan
    with pytest.raises(DensnetError, match="not a finite number"):
        collect_metrics(broken, trajectory(), comparison())


def test_missing_attribute_names_the_stage() -> None:
    broken = trajectory()
    del broken.attrs["ms_per_step_per_replica"]
    with pytest.raises(DensnetError, match=r"trajectory.*ms_per_step_per_replica"):
        collect_metrics(evaluation(), broken, comparison())


def test_every_key_is_explained_once() -> None:
    metrics = collect_metrics(evaluation(), trajectory(), comparison())
    rows = describe(metrics)
    assert len(rows) == len(metrics)
    known = {metric.key for metric in METRICS if not metric.match(metric.key).groups()}
    of_an_ensemble = {key for key in known if "_spread_" in key} | {"n_members", "density_pairwise_nmae_percent"}
    assert known - set(metrics) == of_an_ensemble | set(RESPONSE) | {"md_outside_percent"}
    with_response = collect_metrics(evaluation(), trajectory(), comparison(), dict.fromkeys(RESPONSE, 1.0))
    assert len(describe(with_response)) == len(metrics) + len(RESPONSE)


def test_damaged_metrics_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    for text, message in (('{"a": 1', "not JSON"), ('{"a": [1]}', "flat keys"), ("[]", "flat keys")):
        path.write_text(text)
        with pytest.raises(DensnetError, match=message):
            read_metrics(path)
    with pytest.raises(DensnetError, match="cannot be read"):
        read_metrics(tmp_path / "none.json")


def lines_and_regions() -> xr.Dataset:
    return xr.Dataset(
        {
            "line_wavenumber": (("line",), [1031.6, 3702.2]),
            "line_experiment": (("line",), [1028.0, 3653.0]),
            "line_description": (("line",), ["C-O stretch", "O-H stretch"]),
            "region": (("region",), ["C-O stretch", "O-H stretch"]),
            "region_experiment": (("region",), [1060.0, 3653.0]),
            "region_experiment_low": (("region",), [1028.0, 3653.0]),
            "region_experiment_high": (("region",), [1091.0, 3653.0]),
            "region_model_peak": (("region",), [1031.6, 3702.2]),
            "region_peer_peak": (("region",), [np.nan, 3500.0]),
        },
        attrs={"peer": "gfn2-xtb"},
    )


def test_lines_and_regions_stand_beside_experiment() -> None:
    dataset = lines_and_regions()
    assert line_texts(dataset) == ["1032 (1028 C-O stretch)", "3702 (3653 O-H stretch)"]
    header, rows = band_rows(dataset)
    assert header[:3] == ["region", "fundamentals", "model"] and len(header) == 4
    assert rows == [["O-H stretch", "3653", "3702", "3500"], ["C-O stretch", "1028–1091", "1032", "–"]]
    bare = dataset.drop_vars([name for name in dataset.variables if "experiment" in name or "region" in name])
    assert band_rows(bare) == ([], [])
    text = summary_text(["ethanol"], [{}], [bare])
    assert "strongest lines" in text and "fundamental" not in text


def test_every_potential_beside_the_model_has_its_column() -> None:
    dataset = lines_and_regions().assign_attrs(peers="gfn2-xtb mmff94")
    dataset["region_mmff94_peak"] = (("region",), [1010.0, 3800.0])
    heads, rows = band_rows(dataset)
    assert heads[-2:] == ["gfn2-xtb", "mmff94"]
    assert [row[-2:] for row in rows] == [["3500", "3800"], ["–", "1010"]]


def test_summary_shows_systems_side_by_side() -> None:
    metrics = collect_metrics(evaluation(), trajectory(), comparison())
    bare = {key: value for key, value in metrics.items() if "pearson" not in key}
    text = summary_text(["ethanol", "water"], [metrics, bare], [lines_and_regions(), lines_and_regions()])
    header, rule, first = text.splitlines()[:3]
    assert header.split() == ["ethanol", "water"] and set(rule) == {"-"}
    assert first.split()[-2:] == ["0.3", "0.3"]
    assert "Spectrum against jcamp" in text and "–" in text
    assert "O-H stretch" in text and "measured" not in text


def test_a_spectrum_that_cannot_be_believed_says_so() -> None:
    outside = trajectory()
    distance = np.zeros((outside.sizes["replica"], outside.sizes["time"]))
    distance[:, ::2] = 0.1
    outside["domain_distance"] = (("replica", "time"), distance)
    metrics = collect_metrics(evaluation(), outside, comparison())
    assert metrics["md_outside_percent"] == 100 * (distance > 0).mean()
    text = summary_text(["ethanol"], [metrics], [lines_and_regions()])
    assert (
        "ethanol: Forces on held-out frames are off by 50 meV/Å" in text and "50 % of the dynamics lies outside" in text
    )
    good = metrics | {"force_mae_mev_per_angstrom": 20.0, "md_outside_percent": 10.0}
    assert doubts(good) == [] and "held-out" not in summary_text(["ethanol"], [good], [lines_and_regions()])


def test_scores_are_told_with_their_intervals() -> None:
    ends = ("reference", "quantile")
    scored = xr.Dataset(
        {
            "reference": (("reference",), ["jcamp", "gfn2-xtb"]),
            **{kind: (("reference",), [0.8, 0.614]) for kind in SCORE_HEADS},
            **{f"{kind}_interval": (ends, [[0.7, 0.85], [np.nan, np.nan]]) for kind in SCORE_HEADS},
            **{f"{kind}_peer": 0.5 for kind in SCORE_HEADS},
            **{f"{kind}_peer_interval": (("quantile",), [0.4, 0.6]) for kind in SCORE_HEADS},
        },
        attrs={"peers": "gfn2-xtb", "largest_scaling": 0.06},
    )
    scored["scaling_factor"][:] = [1.006, np.nan]
    scored["scaling_factor_peer"] = 1.06
    header, rows = score_rows(scored)
    assert header == ["spectra", *SCORE_HEADS.values()]
    assert rows[0][:2] == ["model, measured", "0.80 (0.70–0.85)"] and rows[0][4] == "1.006 (0.700–0.850)"
    # no interval of one replica, no factor where too little is shared, none found within the range
    assert rows[1][:2] == ["model, gfn2-xtb", "0.61"] and rows[1][4] == "–"
    assert rows[2][0] == "gfn2-xtb, measured" and rows[2][4].startswith("≥ 1.060")
    assert score_rows(xr.Dataset()) == ([], [])


def test_plain_table_is_aligned() -> None:
    lines = plain_table(["", "a"], [["row", "1"], ["longer row", "22"]]).splitlines()
    assert lines[2].endswith(" 1") and lines[3].endswith("22") and len(lines[2]) == len(lines[3])
