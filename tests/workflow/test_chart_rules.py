"""The chart of speed and accuracy in the workflow: which models are in it, and that it is made only if asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from configuration import ConfigurationError, configuration
from test_dag import jobs, snakemake

SYSTEMS = {name: {"smiles": s, "experiment": {"fundamentals": "water"}} for name, s in (("a", "O"), ("b", "CS"))}


def planned(folder: Path, config: dict[str, object]) -> str:
    (folder / "config.yaml").write_text(yaml.safe_dump({"run": "two", "systems": SYSTEMS} | config))
    done = snakemake(folder, "--cores", "2", "--dry-run", "--printshellcmds")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def test_each_system_has_the_models_of_its_labels_in_its_chart(tmp_path: Path) -> None:
    # two architectures learn from the labels of the run, the other number of frames from others
    sweep = {"energy_model.architecture.channels": [16, 32], "sampling.n_train": [150, 100]}
    output = planned(
        tmp_path, {"chart": True, "sweep": sweep, "peers": {"mace": ["small"]}, "md": {"timestep_fs": 0.25}}
    )
    assert jobs(output)["chart"] == 2
    results = "results/two"
    for system in "ab":
        (command,) = re.findall(rf"densnet chart --system {system} .*", output)
        (models,) = re.findall(r"--model (.*) --peer", command)
        ours, variant = models.split()
        assert ours == f"{results}/{system}/model.pt"
        assert re.fullmatch(rf"{results}/{system}/variants/[0-9a-f]{{8}}/model\.pt", variant)
        assert f"--labels {results}/{system}/labels.nc" in command
        assert f"--peer {results}/{system}/mace_small.nc --timestep-fs 0.25" in command
        assert f"--output {results}/{system}/speed_accuracy_chart.csv --figures {results}/{system}/figures" in command
        assert f'"chart": "{results}/{system}/speed_accuracy_chart.csv"' in output
        assert f'"{results}/{system}/figures/speed_accuracy_chart.png"' in output


def test_it_is_not_made_unasked(tmp_path: Path) -> None:
    output = planned(tmp_path, {})
    assert "chart" not in jobs(output) and '"chart": null' in output


def test_keys() -> None:
    for value in ("yes please", 1):
        with pytest.raises(ConfigurationError, match=r"^chart: expected true or false, found"):
            configuration({"run": "x", "systems": SYSTEMS, "chart": value})
    with pytest.raises(ConfigurationError, match=r"^sweep\.chart: cannot be swept"):
        configuration({"run": "x", "systems": SYSTEMS, "sweep": {"chart": [True, False]}})
