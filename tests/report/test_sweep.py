"""Table and figures of a sweep, from synthetic evaluations of known errors."""

from __future__ import annotations

import csv
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from report_examples import write_labels_and_evaluation, write_log, write_manifest, write_run

from densnet.cli.figures import figures
from densnet.cli.report import report
from densnet.cli.sweep import sweep
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.report.peer_table import PeerRow
from densnet.report.style import read_picture
from densnet.report.sweep_figures import _places, abscissa, draw_peers, sweep_figures
from densnet.report.sweep_table import Axis, axes_of, mean_rows, read_plan, sweep_table, value_text

N_TRAIN, TARGETS, SEEDS = (25, 50, 100), ("delta", "direct"), (1, 2, 3)
BOTH = ("density_model.training.", "energy_model.training.")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen variants whose density error is 10 / n_train, twice that for direct, within 10 % by seed."""
    folder = tmp_path_factory.mktemp("sweep")
    write_labels_and_evaluation(folder)
    evaluation = read_dataset(folder / "evaluation.nc", stage="evaluate")
    write_log(folder / "log.csv", ["validation_dipole_mae_debye"])
    rows = []
    for n in N_TRAIN:
        for target in TARGETS:
            for seed in SEEDS:
                error = 10.0 / n * (1 + (target == "direct")) * (1 + 0.1 * (seed - 2))
                nmae = evaluation["nmae"].copy(data=np.full(evaluation.sizes["frame"], error))
                path = folder / f"{n}{target}{seed}.nc"
                changed = evaluation.assign(nmae=nmae).assign_attrs(n_train=n, seed=seed)
                write_dataset(changed, path, stage="evaluate", method_version=1, settings={})
                settings: dict[str, Any] = {f"{where}n_train": n for where in BOTH}
                settings["density_model.training.steps"] = 10 * n
                settings |= {"density_model.target": target} | {f"{where}seed": seed for where in BOTH}
                rows.append(
                    {
                        "system": "water",
                        "settings": settings,
                        "folder": path.stem,
                        "evaluation": str(path),
                        "density_logs": [str(folder / "log.csv")],
                        "energy_logs": [str(folder / "log.csv")] * 2,
                        "metrics": None,
                    }
                )
    axes = [
        {
            "name": "training.n_train, density_model.training.steps",
            "keys": [*(f"{where}n_train" for where in BOTH), "density_model.training.steps"],
        },
        {"name": "density_model.target", "keys": ["density_model.target"]},
        {"name": "training.seed", "keys": [f"{where}seed" for where in BOTH]},
    ]
    (folder / "sweep.json").write_text(json.dumps({"axes": axes, "rows": rows}))
    return folder / "sweep.json"


def test_errors_of_the_hottest_frames_have_their_columns(plan: Path) -> None:
    table = sweep_table(read_plan(plan))
    header, _ = mean_rows(table)
    assert not [name for name in header if name.endswith(" K [%]")]
    at = {f"density_nmae_at_{T}k_percent": table["density_nmae_percent"] * T for T in (300, 500)}
    header, rows = mean_rows(table.assign(at))
    (column,) = (number for number, name in enumerate(header) if "300 K" in name or "500 K" in name)
    assert header[column] == "Density error (NMAE), 500 K [%]"
    assert rows[0][column].startswith("200"), "0.4 % times 500"


def test_peers_are_drawn_against_their_numbers_of_frames(plan: Path) -> None:
    table = sweep_table(read_plan(plan))
    blank = dict.fromkeys((field.name for field in fields(PeerRow)), "")
    rows = [
        blank | {"system": "water", "model": model, "n_train": str(n), "force_mae_mev_per_angstrom": str(3000 / n)}
        for model in ("densnet", "MACE small")
        for n in N_TRAIN
    ]
    hot = rows[-1] | {"temperature_kelvin": "500", "force_mae_mev_per_angstrom": "1e9"}
    panel = Figure().subplots()
    draw_peers(panel, "force_mae_mev_per_angstrom", rows)
    (line,) = panel.get_lines()
    assert line.get_label() == "MACE small"
    assert line.get_xydata().tolist() == [[n, 3000 / n] for n in N_TRAIN]
    draw_peers(panel, "density_nmae_percent", rows)
    assert len(panel.get_lines()) == 1, "a peer has no density"
    shown = [next(sweep_figures(table, peers)).png for peers in ([], rows, [*rows, hot])]
    assert shown[0] != shown[1] and shown[1] == shown[2]


def test_every_variant_is_a_row_with_its_keys_errors_and_cost(plan: Path) -> None:
    table = sweep_table(read_plan(plan))
    assert table.sizes["variant"] == 18
    np.testing.assert_array_equal(table["energy_model.training.n_train"].values, np.repeat(N_TRAIN, 6))
    assert table["density_model.target"].values.tolist()[:4] == ["delta"] * 3 + ["direct"]
    np.testing.assert_allclose(table["density_nmae_percent"].values[:3], [0.36, 0.40, 0.44])
    # 2000 steps of 0.05 s each; two members of the energy model
    np.testing.assert_allclose(table["training_seconds_density_model"].values, 100.0)
    np.testing.assert_allclose(table["training_seconds"].values, 300.0)
    assert table["density_nmae_percent"].attrs["units"] == "%"
    for variable in table.data_vars.values():
        assert {"units", "long_name"} <= set(variable.attrs)


def test_seeds_are_averaged_in_the_short_table(plan: Path) -> None:
    header, rows = mean_rows(sweep_table(read_plan(plan)))
    assert header[:3] == ["system", "n train", "target"]
    assert len(rows) == 6
    assert rows[0][:4] == ["water", "25", "delta", "0.4 ± 0.04"]
    assert rows[1][2:4] == ["direct", "0.8 ± 0.08"]


def test_files_and_figure_of_the_verb(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    sweep(plan=plan, output=tmp_path / "sweep.nc", csv=tmp_path / "sweep.csv", figures=tmp_path)
    with (tmp_path / "sweep.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 18
    assert (rows[0]["density_model.training.n_train"], rows[0]["density_model.target"]) == ("25", "delta")
    assert float(rows[17]["density_nmae_percent"]) == pytest.approx(0.22)
    stored = read_dataset(tmp_path / "sweep.nc", stage="sweep")
    assert stored["density_nmae_percent"].values[17] == pytest.approx(0.22)
    shown = read_picture(tmp_path / "sweep_water.png")
    assert shown.title == "Learning curves"
    assert "A line for each target" in shown.caption
    assert "3 seeds" in shown.caption
    assert "0.8 ± 0.08" in capsys.readouterr().err


def test_the_page_of_the_run_has_a_section(plan: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    figures(name="water", output=tmp_path / "figures", **run)
    sweep(plan=plan, output=tmp_path / "sweep.nc", csv=tmp_path / "sweep.csv", figures=tmp_path / "sweep")
    pictures = [str(tmp_path / "sweep" / "sweep_water.png")]
    for swept in (None, {"table": str(tmp_path / "sweep.nc"), "figures": pictures}):
        manifest = write_manifest(tmp_path / "manifest.json", run, tmp_path / "figures", sweep=swept)
        report(manifest=manifest, output=tmp_path / "report.html")
        page = (tmp_path / "report.html").read_text()
        assert ('id="sweep"' in page) == ("0.8 ± 0.08" in page) == ("Learning curves" in page) == bool(swept)


def test_other_keys_are_drawn_against_their_own_values(plan: Path) -> None:
    """Categories side by side; what is not known of a variant stays out of its panel."""
    table = sweep_table(read_plan(plan)).isel(variant=slice(12, 18))
    table = table.assign_attrs(axes=json.dumps([{"name": "t", "keys": ["density_model.target"]}]))
    (shown,) = sweep_figures(table)
    assert shown.title == "Errors against target"
    assert "density_model.target" in shown.caption


def test_variants_that_share_some_of_their_values_stay_apart(plan: Path) -> None:
    """Architectures differ in one number or another; the first of them alone, or their set, would mix them up."""
    table = sweep_table(read_plan(plan)).isel(variant=slice(0, 3))
    keys = [
        "energy_model.architecture.channels",
        "energy_model.architecture.l_density",
        "energy_model.architecture.l_max",
    ]
    for key, values in zip(keys, ([32, 32, 32], [2, 3, 3], [3, 3, 2]), strict=True):
        table[key] = ("variant", values)
    table = table.assign_attrs(axes=json.dumps([{"name": "a", "keys": keys}]))
    header, rows = mean_rows(table)
    assert header[1] == "channels / l density / l max"
    assert [row[1] for row in rows] == ["32 / 2 / 3", "32 / 3 / 3", "32 / 3 / 2"]
    places, ticks, numeric = _places(table, axes_of(table)[0])
    assert not numeric and len(set(places.tolist())) == len(ticks) == 3


def test_what_both_models_share_is_written_once(plan: Path) -> None:
    table = sweep_table(read_plan(plan)).isel(variant=slice(0, 1))
    both = Axis("training.seed", ("density_model.training.seed", "energy_model.training.seed"))
    assert (both.title, value_text(table, both, 0)) == ("seed", "1")


def test_numbers_of_frames_come_first_and_seeds_last() -> None:
    n_train, seed = Axis("a", ("x.n_train",)), Axis("b", ("x.seed", "y.seed"))
    cutoff = Axis("c", ("x.cutoff",))
    assert abscissa((seed, cutoff, n_train)) is n_train
    assert abscissa((seed, cutoff)) is cutoff
    assert abscissa((seed,)) is seed


def test_a_broken_plan_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "sweep.json"
    for text, said in (("{", "not the plan of a sweep"), ('{"axes": [], "rows": []}', "at least one variant")):
        path.write_text(text)
        with pytest.raises(DensnetError, match=said):
            read_plan(path)
    with pytest.raises(DensnetError, match="cannot be read"):
        read_plan(tmp_path / "absent.json")
