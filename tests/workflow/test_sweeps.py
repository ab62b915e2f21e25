"""Sweeps: what a list of values expands to, what variants share, and what is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from configuration import CHECKED, ConfigurationError, configuration
from stages import STAGES, depends
from sweeps import Places, keys_of, variants

ROOT = Path(__file__).parents[2]
GOOD: dict[str, Any] = {
    "run": "try",
    "systems": {"water": {"smiles": "O", "experiment": {"fundamentals": "water"}}},
    "reference": {"shards": 2},
}
CURVES = {
    "training.n_train": [25, 50, 100],
    "density_model.target": ["delta", "direct"],
    "training.seed": [1, 2, 3],
}


@pytest.fixture(autouse=True)
def nothing_checked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHECKED, "")


def swept(sweep: dict[str, Any], **more: Any) -> dict[str, Any]:
    return configuration(GOOD | more | {"sweep": sweep})


def places_of(config: dict[str, Any], stage: str) -> list[str]:
    places = Places(config)
    return [places.of_values(stage, variant.system, variant.values) for variant in variants(config)]


def test_every_combination_is_a_variant_and_keys_move_together() -> None:
    found = variants(swept(CURVES))
    assert len(found) == 18
    assert found[0].values == {
        "density_model.training.n_train": 25,
        "energy_model.training.n_train": 25,
        "density_model.target": "delta",
        "density_model.training.seed": 1,
        "energy_model.training.seed": 1,
    }
    assert {variant.last for variant in found} == {"evaluation"}


def test_keys_are_joined_by_commas_each_with_its_own_value_if_wanted() -> None:
    assert keys_of("architecture.cutoff") == ("density_model.architecture.cutoff", "energy_model.architecture.cutoff")
    steps = "density_model.training.steps, energy_model.training.steps"
    found = [variant.values for variant in variants(swept({steps: [100, [200, 300]]}))]
    assert [list(values.values()) for values in found] == [[100, 100], [200, 300]]


def test_no_sweep_no_variant() -> None:
    assert variants(configuration(GOOD)) == []


def test_labels_are_shared_by_models_and_quantum_chemistry_by_fits() -> None:
    models = swept(CURVES)
    for stage in ("geometries", "label_shard", "atoms", "labels"):
        assert set(places_of(models, stage)) == {"water"}
    assert len(set(places_of(models, "density_model"))) == 18
    fits = swept({"reference.fit_basis": ["def2-SVP-JKFIT", "natural"], "energy_model.training.seed": [1, 2]})
    for stage in ("geometries", "label_shard", "atoms"):
        assert set(places_of(fits, stage)) == {"water"}
    assert len(set(places_of(fits, "labels"))) == len(set(places_of(fits, "density_model"))) == 2
    assert len(set(places_of(fits, "energy_model"))) == len(set(places_of(fits, "evaluation"))) == 4
    assert len(set(places_of(swept({"sampling.seed": [0, 1]}), "label_shard"))) == 2


def test_what_equals_the_run_itself_is_shared_with_it() -> None:
    config = swept({"density_model.architecture.cutoff": [4.0, 5.0, 6.0]})
    assert places_of(config, "evaluation")[1] == "water"


def test_names_of_folders_stay_when_values_and_keys_of_other_stages_are_added() -> None:
    first = places_of(swept({"density_model.training.n_train": [25, 50]}), "density_model")
    assert first == ["water/variants/748153c2", "water/variants/1e44c4e5"]
    more = swept({"density_model.training.n_train": [10, 50, 25], "energy_model.training.seed": [1, 2]})
    assert set(first) < set(places_of(more, "density_model"))


def test_a_variant_sees_its_own_configuration_and_finds_the_stages_before_it() -> None:
    config = swept({"reference.fit_basis": ["def2-SVP-JKFIT"], "energy_model.training.n_train": [9]})
    places = Places(config)
    (energy,) = places_of(config, "energy_model")
    (labels,) = places_of(config, "labels")
    assert places.config_at(energy)["energy_model"]["training"]["n_train"] == 9
    assert places.config_at(energy)["reference"]["fit_basis"] == "def2-SVP-JKFIT"
    assert places.of_stage("labels", energy) == labels
    assert places.of_stage("label_shard", labels) == "water"
    assert places.config_at("water")["reference"]["fit_basis"] == "natural"


def test_dynamics_are_run_only_if_their_keys_are_swept() -> None:
    config = swept({"md.timestep_fs": [0.5, 1.0]}, md={"stride": 1})
    assert {variant.last for variant in variants(config)} == {"metrics"}
    assert set(places_of(config, "energy_model")) == {"water"}
    assert len(set(places_of(config, "trajectory"))) == 2


def test_given_labels_depend_on_numbers_of_frames_alone() -> None:
    assert depends("labels", "sampling.n_train", labels_given=True)
    assert not depends("metrics", "sampling.seed", labels_given=True)
    assert not depends("metrics", "reference.basis", labels_given=True)
    assert depends("labels", "reference.ridge", labels_given=True)


def test_the_table_of_stages_names_keys_that_exist() -> None:
    complete = configuration(GOOD | {"reference": {"shards": 2, "eigenvalue_cutoff": 1e-9}})
    for stage in STAGES.values():
        assert set(stage.after) <= set(STAGES)
        for key in stage.reads:
            section, _, name = key.partition(".")
            assert section in complete
            assert not name or name in complete[section]


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"density_model.training.n_trian": [1]}, ["sweep.density_model.training.n_trian: unknown key", "n_train?"]),
        ({"seed": [1, 2]}, ["sweep.seed: unknown key", "did you mean training.seed, of both models?"]),
        ({"xyzzy.a": [1]}, ["sweep.xyzzy: unknown key", "allowed here"]),
        ({"training.seed": []}, ["sweep.training.seed: expected at least one entry"]),
        ({"training.seed": 3}, ["sweep.training.seed: expected a list, found 3"]),
        ({"training.seed": [1, 2, 1]}, ["sweep.training.seed: found 1 twice"]),
        ({"md.replicas": ["many"]}, ["sweep.md.replicas: expected a whole number of at least 1, found 'many'"]),
        ({"density_model.target": ["detla"]}, ["sweep.density_model.target", "did you mean delta?"]),
        ({"density_model.training": [1]}, ["sweep.density_model.training: a section", "n_train"]),
        ({"energy_model.training.n_train": [10, 151]}, ["sweep.energy_model.training.n_train: 151", "n_train = 150"]),
        ({"reference.fit_basis": ["natrual"]}, ["sweep.reference.fit_basis: 'natrual' cannot be", "no such basis set"]),
        ({"md.potentials": [["gfn2-xtb"], []]}, ["sweep.md.potentials: cannot be swept"]),
        ({"systems.water.charge": [0, 1]}, ["sweep.systems.water.charge: cannot be swept"]),
        ({"training.seed": [1], "energy_model.training.seed": [2]}, ["swept more than once"]),
        (
            {"sampling.n_train": [50, 200], "density_model.training.n_train": [100, 150]},
            ["sweep.sampling.n_train = 50", "cannot be together", "expected at most sampling.n_train = 50"],
        ),
    ],
)
def test_a_mistake_is_one_line(sweep: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        swept(sweep)
    message = str(caught.value)
    assert "\n" not in message
    for words in said:
        assert words in message


def test_values_are_read_as_meant() -> None:
    assert swept({"reference.ridge": ["1e-4"]})["sweep"] == {"reference.ridge": [1e-4]}
    assert swept({"sampling.temperatures": [[300], [300, 500]]})["sweep"]["sampling.temperatures"] == [
        [300],
        [300, 500],
    ]


def jobs(folder: Path, config: dict[str, Any], *targets: str) -> dict[str, int]:
    """Return the number of jobs of each rule in a dry run."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    planned = subprocess.run(
        [*command, "--cores", "2", "--dry-run", "--quiet", "rules", "--", *targets],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    output = planned.stdout + planned.stderr
    assert planned.returncode == 0, output
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


def test_learning_curves_label_once(tmp_path: Path) -> None:
    table = jobs(tmp_path, GOOD | {"sweep": CURVES}, "sweep")
    once = dict.fromkeys(("geometries", "atoms", "labels", "sweep_plan", "sweep"), 1)
    often = dict.fromkeys(("density_model", "energy_model", "evaluation"), 18)
    assert table == once | often | {"label_shard": 2, "total": 61}


def test_mace_is_trained_once_for_each_number_of_frames(tmp_path: Path) -> None:
    table = jobs(tmp_path, GOOD | {"sweep": CURVES, "peers": {"mace": ["small"]}}, "sweep")
    assert (table["mace"], table["sweep_peers"]) == (len(CURVES["training.n_train"]), 1)


def test_bases_are_fitted_to_the_same_labels_and_the_run_itself_is_one_of_them(tmp_path: Path) -> None:
    sweep = {"reference.fit_basis": ["natural", "def2-SVP-JKFIT"], "energy_model.training.force_weight": [1.0, 2.0]}
    table = jobs(tmp_path, GOOD | {"sweep": sweep, "md": {"potentials": []}})
    expected = {"label_shard": 2, "labels": 2, "density_model": 2, "energy_model": 4, "evaluation": 4, "trajectory": 1}
    assert expected.items() <= table.items()
    assert table["geometries"] == table["atoms"] == table["sweep"] == table["report"] == 1


def test_dynamics_of_variants(tmp_path: Path) -> None:
    table = jobs(tmp_path, GOOD | {"sweep": {"md.temperature": [300, 400]}}, "sweep")
    expected = {
        "energy_model": 1,
        "evaluation": 1,
        "trajectory": 2,
        "peer_trajectory": 2,
        "comparison": 2,
        "metrics": 2,
    }
    assert expected.items() <= table.items()


def test_ensembles_of_variants(tmp_path: Path) -> None:
    config = GOOD | {"ensemble": 2, "sweep": {"density_model.target": ["delta", "direct"]}}
    table = jobs(tmp_path, config, "sweep")
    expected = {"labels": 1, "density_model": 4, "energy_model": 4, "ensemble": 2, "evaluation": 2}
    assert expected.items() <= table.items()
