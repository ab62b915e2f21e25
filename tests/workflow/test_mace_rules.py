"""MACE in the workflow: planned for each system and size if asked for, and not otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from configuration import ConfigurationError, configuration
from test_dag import jobs, snakemake

from densnet.peers.mace import SIZES

SYSTEMS = {name: {"smiles": s, "experiment": {"fundamentals": "water"}} for name, s in (("a", "O"), ("b", "CS"))}


def test_each_system_and_size_is_trained_and_shown(tmp_path: Path) -> None:
    config = {"run": "two", "systems": SYSTEMS, "peers": {"mace": ["small", "large"], "mace_minutes": 7}}
    learned = {"energy_model": {"training": {"n_train": 60}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | learned))
    planned = snakemake(tmp_path, "--cores", "2", "--dry-run", "--printshellcmds")
    output = planned.stdout + planned.stderr
    assert planned.returncode == 0, output
    table = jobs(output)
    assert (table["mace"], table["peers"]) == (4, 1)
    results = "results/two"
    (command,) = re.findall(rf"densnet peer mace .*--output {results}/b/mace_large\.nc", output)
    assert f"--labels {results}/b/labels.nc --model {results}/b/model.pt" in command
    assert "--size large --minutes 7 --n-train 60 " in command
    peers = " ".join(f"{results}/{system}/mace_{size}.nc" for system in "ab" for size in SIZES)
    logs = " ".join(f"{results}/{system}/{model}.csv" for system in "ab" for model in ("density", "energy"))
    assert f"--peer {peers} --training-log {logs} --output {results}/peers.csv" in output
    assert f'"peers": "{results}/peers.csv"' in output


def test_a_foundation_is_fine_tuned_beside_them(tmp_path: Path) -> None:
    (tmp_path / "of others.model").touch()
    config = {"run": "two", "systems": SYSTEMS, "peers": {"mace_foundation": "of others.model"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    planned = snakemake(tmp_path, "--cores", "2", "--dry-run", "--printshellcmds")
    output = planned.stdout + planned.stderr
    assert planned.returncode == 0, output
    (command,) = re.findall(r"densnet peer mace .*--output results/two/b/mace_fine_tuned\.nc", output)
    assert "--foundation 'of others.model'" in command and "--size" not in command
    assert (jobs(output)["mace"], jobs(output)["peers"]) == (2, 1)


def test_keys() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^peers\.mace\.0: expected one of small, large, found 'smal'; did you mean small\?"
    ):
        configuration({"run": "x", "systems": SYSTEMS, "peers": {"mace": ["smal"]}})
    with pytest.raises(ConfigurationError, match=r"^peers\.mace_minutes: expected a number of more than 0, found 0"):
        configuration({"run": "x", "systems": SYSTEMS, "peers": {"mace_minutes": 0}})
    with pytest.raises(
        ConfigurationError, match=r"^peers\.mace_foundation: expected a model file of MACE, gone\.model is"
    ):
        configuration({"run": "x", "systems": SYSTEMS, "peers": {"mace_foundation": "gone.model"}})
