"""The workflow as Snakemake sees it: the whole graph in a fresh folder, without running anything."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = {
    "geometries",
    "label_shard",
    "atoms",
    "labels",
    "density_model",
    "energy_model",
    "evaluation",
    "trajectory",
    "peer_trajectory",
    "spectrum",
    "peer_spectrum",
    "assignment",
    "comparison",
    "metrics",
    "figures",
    "report",
}


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on the project's workflow with ``folder`` as working directory."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def dry_run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Plan with the local profile."""
    return snakemake(folder, "--workflow-profile", str(ROOT / "profiles" / "local"), "--dry-run")


def jobs(output: str) -> dict[str, int]:
    """Return the number of jobs of each rule from Snakemake's table."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


JCAMP = """\
##TITLE=water
##JCAMP-DX=4.24
##DATA TYPE=INFRARED SPECTRUM
##XUNITS=1/CM
##YUNITS=ABSORBANCE
##FIRSTX=1000
##LASTX=4000
##NPOINTS=31
##XYPOINTS=(XY..XY)
"""


def test_every_file_that_a_user_names_is_one_word_to_the_shell(tmp_path: Path) -> None:
    names = {"xyz": "a $(touch x).xyz", "fundamentals": "l'i`touch y`.csv", "jcamp": "j;touch z #.jdx"}
    (tmp_path / names["xyz"]).write_text("3\n\nO 0 0 0\nH 0 0 0.96\nH 0.93 0 -0.24\n")
    (tmp_path / names["fundamentals"]).write_text("wavenumber\n1595\n3657\n")
    (tmp_path / names["jcamp"]).write_text(
        JCAMP + "".join(f"{1000 + 100 * n}, {n % 3 / 3}\n" for n in range(31)) + "##END=\n"
    )
    experiment = {key: names[key] for key in ("fundamentals", "jcamp")}
    config = {"run": "try", "systems": {"water": {"xyz": names["xyz"], "experiment": experiment}}}
    (tmp_path / "c $(touch w).yaml").write_text(yaml.safe_dump(config))
    arguments = ("--configfile", "c $(touch w).yaml", "--cores", "2", "--dry-run", "--printshellcmds")
    planned = snakemake(tmp_path, *arguments)
    assert planned.returncode == 0, planned.stderr
    commands = re.findall(r"^Shell command: (.*touch.*)$", planned.stdout + planned.stderr, re.MULTILINE)
    assert len(commands) >= 3
    words = {word for command in commands for word in shlex.split(command) if "touch" in word}
    manifest = next(word for word in words if word.startswith("{"))
    assert words - {manifest} == set(names.values()) and json.loads(manifest)["config"].endswith("/c $(touch w).yaml")
    assert not any((tmp_path / name).exists() for name in "xyzw")


def test_the_whole_graph_is_planned_and_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.yaml").read_bytes())
    planned = dry_run(tmp_path)
    assert planned.returncode == 0, planned.stderr
    table = jobs(planned.stdout + planned.stderr)
    shards = yaml.safe_load((ROOT / "config.yaml").read_text())["reference"]["shards"]
    assert table.pop("total") == len(RULES) + shards  # with the rule all, and label_shard once in RULES
    assert table.pop("all") == 1
    assert table == dict.fromkeys(RULES, 1) | {"label_shard": shards}
    assert not (tmp_path / "results").exists()


def test_systems_run_side_by_side_and_the_peer_can_be_left_out(tmp_path: Path) -> None:
    systems = {name: {"smiles": s, "experiment": {"fundamentals": "water"}} for name, s in (("a", "O"), ("b", "CS"))}
    config = {"run": "two", "systems": systems, "reference": {"shards": 3}, "md": {"potentials": []}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    planned = dry_run(tmp_path)
    assert planned.returncode == 0, planned.stderr
    table = jobs(planned.stdout + planned.stderr)
    single = {"report": 1, "all": 1}
    expected = dict.fromkeys(RULES - {"peer_trajectory", "peer_spectrum"}, 2) | {"label_shard": 6} | single
    assert table == expected | {"total": sum(expected.values())}


def test_every_potential_of_the_list_runs_beside_the_model(tmp_path: Path) -> None:
    config = {"run": "four", "systems": {"water": {"smiles": "O", "experiment": {"fundamentals": "water"}}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"md": {"potentials": ["mmff94", "gfn2-xtb"]}}))
    planned = snakemake(tmp_path, "--cores", "2", "--dry-run", "--printshellcmds")
    output = planned.stdout + planned.stderr
    assert planned.returncode == 0, output
    table, here = jobs(output), "results/four/water"
    assert table["peer_trajectory"] == table["peer_spectrum"] == 2
    for name, stem in (("mmff94", "mmff94"), ("gfn2-xtb", "gfn2")):
        assert f"densnet md --potential {name} " in output and f"--output {here}/trajectory_{stem}.nc" in output
    both = [f"{here}/spectrum_{stem}.nc" for stem in ("mmff94", "gfn2")]
    assert f"--peer {' '.join(both)}" in output and f"--peer-spectrum {' '.join(both)}" in output


def test_members_of_an_ensemble_are_trained_side_by_side_and_joined(tmp_path: Path) -> None:
    config = {"run": "three", "systems": {"water": {"smiles": "O", "experiment": {"fundamentals": "water"}}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"reference": {"shards": 2}, "ensemble": 3}))
    gpus = ("--set-resources", "density_model:gpu=2")
    planned = snakemake(tmp_path, "--cores", "2", "--dry-run", "--printshellcmds", *gpus)
    output = planned.stdout + planned.stderr
    assert planned.returncode == 0, output
    table = jobs(output)
    expected = dict.fromkeys(RULES, 1) | {"density_model": 3, "energy_model": 3, "ensemble": 1, "label_shard": 2}
    assert table == expected | {"all": 1, "total": sum(expected.values()) + 1}
    results = "results/three/water"
    for member in (1, 2, 3):
        (training,) = re.findall(rf"densnet train density .*--output {results}/members/{member}/density\.pt", output)
        assert f"--seed {member} " in training
        assert "--processes 2 " in training, "one for each GPU"
        assert re.search(rf"densnet train energy .*--processes 1 .*--output {results}/members/{member}/energy", output)
    models = " ".join(f"{results}/members/{member}/model.pt" for member in (1, 2, 3))
    assert f"densnet train join --models {models} --output {results}/model.pt" in output
    assert f"densnet md --model {results}/model.pt" in output
    assert f"{results}/figures/calibration.png" in output


def test_rounds_of_active_learning_go_on_from_each_other_and_end_in_the_models(tmp_path: Path) -> None:
    config = {
        "run": "rounds",
        "systems": {"water": {"smiles": "O", "experiment": {"fundamentals": "water"}}},
        "reference": {"shards": 2},
        "density_model": {"training": {"steps": 1000, "learning_rate": 0.01}},
        "active": {"rounds": 2, "frames": 5, "members": 2, "temperatures": [400], "steps_share": 0.3, "warm_rate": 0.5},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    planned = snakemake(tmp_path, "--cores", "2", "--dry-run", "--printshellcmds")
    output = planned.stdout + planned.stderr
    assert planned.returncode == 0, output
    each = {"round_density": 4, "round_energy": 4, "round_model": 2, "round_geometries": 2, "round_shard": 4}
    expected = dict.fromkeys(RULES, 1) | {"label_shard": 2, "round_labels": 2, "fit_basis": 1, "rounds": 1} | each
    assert jobs(output) == expected | {"all": 1, "total": sum(expected.values()) + 1}
    here = "results/rounds/water"
    trainings = {
        (number, member): re.findall(
            rf"densnet train density .*--output {here}/rounds/{number}/members/{member}/", output
        )
        for number in (1, 2)
        for member in (1, 2)
    }
    assert all(len(found) == 1 for found in trainings.values())
    assert f"--labels {here}/labels.nc --" in " ".join(trainings[1, 2][0].split())
    assert "--seed 2" in trainings[1, 2][0] and "--steps 300" in trainings[1, 2][0]
    assert "--learning-rate 0.01 " in trainings[1, 2][0] and "--start" not in trainings[1, 2][0]
    assert f"--labels {here}/labels.nc {here}/rounds/1/labels.nc --start" in " ".join(trainings[2, 1][0].split())
    assert f"--start {here}/rounds/1/members/1/density.pt" in trainings[2, 1][0]
    assert "--learning-rate 0.005 " in trainings[2, 1][0]
    (last,) = re.findall(rf"densnet train energy .*--output {here}/energy.pt", output)
    assert f"--labels {here}/labels.nc {here}/rounds/1/labels.nc {here}/rounds/2/labels.nc " in last
    assert "--start" not in last
    (search,) = re.findall(rf"densnet collect .*--output {here}/rounds/1/geometries.nc", output)
    assert "--temperatures 400" in search and "--frames 5" in search and "--rounds" not in search


def test_a_configfile_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.yaml").read_bytes())
    toy = str(ROOT / "tests" / "workflow" / "toy.yaml")
    planned = snakemake(tmp_path, "--cores", "2", "--dry-run", "--configfile", toy)
    assert planned.returncode == 0, planned.stderr
    assert "results/toy/water/model.pt" in planned.stdout + planned.stderr
    assert "ethanol" not in planned.stdout + planned.stderr


def test_lint() -> None:
    linted = snakemake(ROOT, "--lint")
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("run: x\nsystems: {a: {smiles: O}}\nmd: {temprature: 1}\n", "md.temprature: unknown key; did you mean"),
        ("run: x\nsystems: {a: {smiles: 'C('}}\n", "systems.a: smiles: RDKit refuses 'C('"),
        ("run: x\nrun x\n", "Config file is not valid JSON or YAML"),
        ("- run\n", "Config file must be given as JSON or YAML with keys at top level"),
    ],
)
def test_a_bad_config_stops_everything_without_a_traceback(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    planned = dry_run(tmp_path)
    assert planned.returncode == 1
    assert line in planned.stdout + planned.stderr
    assert "Traceback" not in planned.stdout + planned.stderr
    assert not (tmp_path / "results").exists()
