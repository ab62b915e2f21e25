"""Chains of several lengths in one configuration: what it becomes, what it costs, what is refused."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from configuration import CHECKED, ConfigurationError, configuration
from given_labels import labels_in
from operations import costs
from sweeps import Places, variants

from densnet.io.netcdf import variable, write_dataset
from densnet.oligomer import chain_numbers

ROOT = Path(__file__).parents[2]
FAMILY: dict[str, Any] = {
    "oligomer": "thiophene",
    "sizes": {1: {"n_train": 20, "n_test": 5}, 2: {"n_train": 10, "n_validation": 3}, 4: {"n_train": 4}},
    "extrapolate": {6: 2},
    "experiment": {"fundamentals": "thiophene"},
}


def config(system: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a configuration with one family, some of its keys changed; a key that is None is left out."""
    own = {key: value for key, value in (FAMILY | (system or {})).items() if value is not None}
    return {"run": "f", "systems": {"pt": own}, "md": {"potentials": []}, "reference": {"shards": 8}} | more


@pytest.fixture(autouse=True)
def nothing_checked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHECKED, "")


def test_each_length_is_a_system_with_its_own_budget() -> None:
    found = configuration(config())
    assert list(found["systems"]) == ["pt/1", "pt/2", "pt/4", "pt/6"]
    assert found["families"] == {"pt": {"sizes": [1, 2, 4], "unseen": [6], "basis_from": 2}}
    places = Places(found)
    assert places.config_at("pt/1")["sampling"]["n_train"] == 20
    assert places.config_at("pt/2")["sampling"]["n_validation"] == 3
    assert places.config_at("pt/4")["sampling"]["n_test"] == 20
    assert (found["systems"]["pt/4"]["unseen"], found["systems"]["pt/6"]["unseen"]) == (0, 2)


def test_models_and_atoms_are_the_familys_all_else_is_each_lengths() -> None:
    places = Places(configuration(config()))
    assert [places.of_stage("density_model", f"pt/{n}") for n in (1, 4, 6)] == ["pt"] * 3
    assert places.of_stage("labels", "pt/4") == "pt/4"
    assert places.of_stage("geometries", "pt") == "pt/2"
    assert places.of_training("labels", "pt") == ["pt/1", "pt/2", "pt/4"]


def test_variants_of_models_label_nothing_again() -> None:
    swept = configuration(config(sweep={"training.max_units": [2, 4], "density_model.target": ["direct"]}))
    places = Places(swept)
    found = variants(swept)
    assert len(found) == 2 * 4
    models = {places.of_values("energy_model", variant.system, variant.values) for variant in found}
    assert len(models) == 2
    assert all(model.startswith("pt/variants/") for model in models)
    for model in models:
        assert places.of_training("labels", model) == ["pt/1", "pt/2", "pt/4"]
    evaluated = {places.of_values("evaluation", variant.system, variant.values) for variant in found}
    assert len(evaluated) == 2 * 4
    for place in evaluated:
        assert places.of_stage("energy_model", place) in models
        assert places.of_stage("label_shard", place) == place.split("/variants")[0]


@pytest.mark.parametrize("system", [{"thiophene": 3}, {"oligomer": "*c1ccc(*)s1", "units": 3}])
def test_a_lone_chain(system: dict[str, Any]) -> None:
    found = configuration({"run": "f", "systems": {"pt": system}})
    assert found["systems"]["pt"]["units"] == 3
    assert found["families"] == {}


@pytest.mark.parametrize(
    ("system", "more", "said"),
    [
        ({"sizes": {0: {"n_train": 4}}}, {}, ["systems.pt.sizes.0", "at least 1", "'0'"]),
        ({"sizes": {-1: {"n_train": 4}}}, {}, ["systems.pt.sizes.-1", "at least 1"]),
        ({"extrapolate": {0: 2}}, {}, ["systems.pt.extrapolate.0", "at least 1"]),
        ({"sizes": {1: {"n_train": 4, "n_trian": 4}}}, {}, ["systems.pt.sizes.1.n_trian", "did you mean n_train?"]),
        ({"sizes": {}}, {}, ["systems.pt.sizes: expected at least one entry"]),
        ({"sizes": None, "extrapolate": None}, {}, ["systems.pt.oligomer: expected either units or sizes", "neither"]),
        ({"units": 3}, {}, ["systems.pt.oligomer", "found sizes and units"]),
        ({"oligomer": None}, {}, ["systems.pt.sizes: expected only beside oligomer"]),
        ({"sizes": None, "units": 2}, {}, ["systems.pt.extrapolate: expected only beside sizes"]),
        ({"basis_from": 3}, {}, ["systems.pt.basis_from: expected one of the sizes 1, 2, 4, found 3"]),
        ({"replicas": {3: 8}}, {}, ["systems.pt.replicas: expected lengths among 1, 2, 4, 6, found 3"]),
        ({"replicas": {2: 0}}, {}, ["systems.pt.replicas.2", "at least 1"]),
        (
            {"replicas": {2: 8}},
            {"sweep": {"md.replicas": [2, 4]}},
            ["sweep.md.replicas: changes nothing for systems.pt/2, which has its own number of replicas"],
        ),
        ({"smiles": "C"}, {}, ["systems.pt: expected one of smiles, xyz and oligomer, found smiles and oligomer"]),
        ({"oligomer": "CC"}, {}, ["systems.pt", "exactly two attachment points", "'CC' with 0"]),
        ({"oligomer": "*CC"}, {}, ["systems.pt", "exactly two attachment points", "with 1"]),
        ({"labels": "absent"}, {}, ["systems.pt.labels: absent/1: no such folder"]),
        (
            {},
            {"harmonic": {"psi4": ["pt/3"]}},
            ["harmonic.psi4: expected names among pt/1, pt/2, pt/4, pt/6, found pt/3"],
        ),
        ({}, {"harmonic": {"model": "some"}}, ["harmonic.model", "expected one of families, all, none"]),
        ({}, {"sweep": {"harmonic.model": ["all"]}}, ["sweep.harmonic.model: cannot be swept"]),
        ({}, {"peers": {"mace": ["small"]}}, ["peers.mace: cannot be trained on systems.pt"]),
        ({}, {"peers": {"kernel": [5]}}, ["peers.kernel: cannot be fitted to systems.pt"]),
        ({}, {"density_model": {"training": {"n_train": 3}}}, ["density_model.training.n_train: cannot be set"]),
        (
            {"sizes": {2: {"n_train": 4}}},
            {"energy_model": {"training": {"max_units": 1}}},
            ["energy_model.training.max_units: expected at least 2, the shortest chain of systems.pt.sizes, found 1"],
        ),
    ],
)
def test_a_mistake_is_one_line(system: dict[str, Any], more: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration(config(system, **more))
    first = str(caught.value).splitlines()[0]
    assert len(set(str(caught.value).splitlines())) == (1 if system.get("labels") is None else 3)
    for words in said:
        assert words in first


@pytest.mark.parametrize(("units", "found"), [(0, "0"), (-3, "-3")])
def test_a_chain_of_nothing(units: int, found: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^systems\.pt\.thiophene: expected .* at least 1, found {found}$"):
        configuration({"run": "f", "systems": {"pt": {"thiophene": units}}})


def test_a_length_that_is_also_trained_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = configuration(config({"extrapolate": {2: 5, 6: 2}}))
    assert found["families"]["pt"]["unseen"] == [6]
    said = capsys.readouterr().err
    assert said.count("densnet: systems.pt") == 1
    assert "systems.pt.extrapolate.2: this length is also trained on" in said


def test_costs_are_those_of_each_length_and_of_a_model_of_all() -> None:
    complete = configuration(config())
    shards = {name: costs.work("label_shard", complete, name) for name in complete["systems"]}
    assert [work.size for work in shards.values()] == [94, 178, 346, 514]
    sizes = {name: costs.work("labels", complete, name).amount for name in complete["systems"]}
    budget = {name: sum(one["budget"].values()) for name, one in complete["systems"].items() if not one["unseen"]}
    assert budget.items() <= sizes.items()
    trained = [one for one in complete["systems"].values() if not one["unseen"]]
    atoms = sum(one["budget"]["n_train"] * (7 * one["units"] + 2) for one in trained)
    mean = round(atoms / sum(one["budget"]["n_train"] for one in trained))
    assert {costs.work("density_model", complete, name).size for name in complete["systems"]} == {mean}


def test_a_length_may_have_its_own_number_of_replicas() -> None:
    complete = configuration(config({"replicas": {6: 12}}, md={"potentials": [], "replicas": 4}))
    places = Places(complete)
    assert [places.config_at(f"pt/{n}")["md"]["replicas"] for n in (1, 2, 4, 6)] == [4, 4, 4, 12]
    one, other = (costs.work("trajectory", places.config_at(f"pt/{n}"), f"pt/{n}").amount for n in (4, 6))
    assert other == 3 * one


def test_the_study_of_polythiophene_is_good() -> None:
    study = configuration(yaml.safe_load((ROOT / "studies" / "polythiophene.yaml").read_text()))
    assert study["families"]["polythiophene"]["unseen"] == [8, 10, 12]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """What the configuration looks at of labels of chains of 1, 2, 4 and 6 units; the last has test frames alone."""
    labels_in.cache_clear()
    level = {"functional": "PBE", "basis": "def2-SVP", "dispersion": "none", "charge": 0, "multiplicity": 1}
    for n, split in ((1, "tttvs"), (2, "ttvs"), (4, "ttvs"), (6, "ss")):
        names = [{"t": "train", "v": "validation", "s": "test"}[letter] for letter in split]
        numbers = variable(("atom",), chain_numbers("thiophene", n), "1", "numbers")
        files = {
            "geometries.nc": ("sample", {"split": variable(("frame",), names, "1", "split"), "numbers": numbers}),
            "orbitals.nc": ("label", {"orbitals": variable(("frame",), np.zeros(len(split)), "1", "orbitals")}),
            "atoms.nc": ("atoms", {}),
        }
        for name, (stage, data) in files.items():
            coords = {"frame": range(len(split))} if stage == "label" else {}
            dataset = xr.Dataset(data, coords=coords, attrs=level)
            write_dataset(dataset, tmp_path / "data" / str(n) / name, stage=stage, method_version=1, settings={})
    return tmp_path / "data"


def given(labels: Path, n_train: int = 2) -> dict[str, Any]:
    budget = {"n_train": n_train, "n_validation": 1, "n_test": 1}
    return config({"labels": str(labels), "sizes": {1: budget, 2: budget, 4: budget}})


def test_a_budget_beyond_the_given_labels_is_one_line(labels: Path) -> None:
    assert configuration(given(labels))["systems"]["pt/6"]["frames"] == {"n_test": 2}
    with pytest.raises(ConfigurationError) as caught:
        configuration(given(labels, n_train=3))
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"systems.pt.sizes.{n}.n_train" for n in (2, 4)]
    assert "expected at most 2, as many as" in lines[0]
    assert lines[0].endswith("(systems.pt.labels), found 3")


def planned(folder: Path, what: dict[str, Any]) -> tuple[dict[str, int], list[str]]:
    """Return the jobs of each rule that Snakemake plans, and the lines that it prints."""
    (folder / "config.yaml").write_text(yaml.safe_dump(what))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile"), "--dry-run"]
    command += ["--workflow-profile", str(ROOT / "profiles" / "local"), "--printshellcmds"]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    text = found.stdout.split("Job stats")[1]
    counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    return counts, found.stdout.splitlines()


@pytest.mark.slow
def test_jobs_of_a_family(tmp_path: Path) -> None:
    asked = config(sweep={"density_model.target": ["direct"]}, harmonic={"psi4": ["pt/1", "pt/2"]})
    counts, lines = planned(tmp_path, asked)
    assert [counts[rule] for rule in ("atoms", "fit_basis", "frames", "lengths", "chains")] == [1] * 5
    assert (counts["harmonic"], counts["assignment"]) == (4, 4)
    assert [counts[rule] for rule in ("displaced", "displaced_shard", "harmonic_psi4")] == [2, 16, 2]
    (drawn,) = (line for line in lines if "densnet chains" in line)
    modes = "pt/6/harmonic.nc results/f/pt/1/harmonic_psi4.nc results/f/pt/2/harmonic_psi4.nc"
    assert "--labels results/f/pt/1/labels.nc results/f/pt/2/labels.nc results/f/pt/4/labels.nc --harmonic" in drawn
    assert modes in drawn
    (shard,) = (line for line in lines if "--output results/f/pt/2/harmonic_psi4/3.nc" in line)
    assert "--shard 3 --shards 8" in shard and "--density-convergence 1e-08" in shard
    assert (counts["geometries"], counts["labels"], counts["trajectory"]) == (4, 4, 4)
    assert counts["label_shard"] == 8 + 8 + 8 + 2
    assert (counts["density_model"], counts["energy_model"], counts["evaluation"]) == (2, 2, 8)
    training = [line for line in lines if "train density" in line]
    assert len(training) == 2
    assert all("pt/1/labels.nc results/f/pt/2/labels.nc results/f/pt/4/labels.nc" in line for line in training)
    (swept,) = (line for line in lines if "densnet sweep " in line)
    assert "--figures results/f/figures " in swept, "sweep_pt/1.png is named from there"
    fits = [line for line in lines if "densnet fit " in line]
    assert sum("--fit-basis results/f/pt/fit_basis.json" in line for line in fits) == 3


@pytest.mark.slow
def test_jobs_of_a_family_whose_labels_are_given(labels: Path, tmp_path: Path) -> None:
    counts, lines = planned(tmp_path, given(labels))
    # of the unseen length only what its dynamics start from is sampled
    assert counts["geometries"] == 1
    assert not {"label_shard", "atoms", "frames"} & set(counts)
    (fit,) = (line for line in lines if "densnet fit " in line and "data/6" in line)
    assert f"--shards {labels}/6/orbitals.nc --geometries {labels}/6/geometries.nc" in fit
    (drawn,) = (line for line in lines if "densnet chains" in line)
    assert f"--geometries {labels}/1/geometries.nc {labels}/2/geometries.nc {labels}/4/geometries.nc results/" in drawn


@pytest.mark.slow
def test_an_unseen_length_that_given_labels_lack_is_labelled_here(labels: Path, tmp_path: Path) -> None:
    shutil.rmtree(labels / "6")
    counts, lines = planned(tmp_path, given(labels) | {"reference": {"shards": 1}})
    assert (counts["geometries"], counts["frames"], counts["label_shard"], counts["labels"]) == (1, 1, 1, 4)
    assert "atoms" not in counts
    (fit,) = (line for line in lines if "densnet fit " in line and "results/f/pt/6" in line)
    assert f"--shards results/f/pt/6/shards/0.nc --geometries results/f/pt/6/frames.nc --atoms {labels}/2/atoms" in fit
