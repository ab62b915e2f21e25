"""Molecules of revised MD17 in the workflow: planned with Psi4 or with given orbitals, and refused in one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from configuration import CHECKED, ConfigurationError, configuration
from given_benchmarks import _numbers_in
from operations import costs
from test_dag import jobs, snakemake

ROOT = Path(__file__).parents[2]
WATER = np.array([[0.0, 0.0, 0.117], [0.0, 0.757, -0.469], [0.0, -0.757, -0.469]])
FRAMES = {"train": 12, "test": 6}
SAMPLING = {"n_train": 8, "n_validation": 2, "n_test": 3}


@pytest.fixture(autouse=True)
def nothing_known_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CHECKED, "")
    monkeypatch.setenv("DENSNET_DATA", str(tmp_path / "data"))
    _numbers_in.cache_clear()


def write_files(data: Path, molecule: str = "ethanol", numbers: tuple[int, ...] = (8, 1, 1)) -> Path:
    """Write a benchmark of displaced waters below ``data``, whatever its name says; return its folder."""
    folder = data / "rmd17"
    folder.mkdir(parents=True, exist_ok=True)
    for part, frames in FRAMES.items():
        coords = WATER + 0.03 * np.random.default_rng(frames).normal(size=(frames, 3, 3))
        content = {"nuclear_charges": np.array(numbers, dtype=np.uint8), "coords": coords}
        values = {"energies": np.full(frames, -47_900.0), "forces": np.zeros((frames, 3, 3))}
        np.savez(folder / f"rmd17_{molecule}_{part}_01.npz", **content, **values)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path / "data")


def write_orbitals(folder: Path, frames: int) -> Path:
    """Write what the workflow looks at of the orbitals of all frames to learn from, and of the first of the others."""
    coords = [np.load(folder / f"rmd17_ethanol_{part}_01.npz")["coords"] for part in FRAMES]
    path = folder / "ethanol_01_orbitals.npz"
    np.savez(path, positions=np.concatenate([coords[0], coords[1][:frames]]))
    return path


def config(**more: Any) -> dict[str, Any]:
    own = {"rmd17": "ethanol", "experiment": {"fundamentals": "water"}}
    reference = {"functional": "PBE", "basis": "def2-SVP", "shards": 2}
    rest = {"sampling": SAMPLING, "reference": reference, "md": {"potentials": []}}
    return {"run": "judged", "systems": {"mine": own}} | rest | more


def planned(folder: Path, wanted: dict[str, Any]) -> tuple[dict[str, int], str]:
    """Return the number of jobs of each rule and all that Snakemake printed."""
    (folder / "config.yaml").write_text(yaml.safe_dump(wanted))
    done = snakemake(folder, "--cores", "2", "--dry-run", "--printshellcmds")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return jobs(output), output


def test_frames_of_the_benchmark_are_labelled_learned_from_and_judged_by(folder: Path, tmp_path: Path) -> None:
    sampled = {"smiles": "O", "experiment": {"fundamentals": "water"}}
    wanted = config(peers={"mace": ["small"]})
    wanted["systems"]["other"] = sampled
    table, output = planned(tmp_path, wanted)
    assert (table["benchmark_geometries"], table["geometries"], table["label_shard"], table["atoms"]) == (1, 1, 4, 2)
    assert (table["benchmark_errors"], table["benchmark_table"], table["mace"]) == (1, 1, 2)
    results = "results/judged"
    sizes = "--n-train 8 --n-validation 2 --n-test 3"
    made = (
        f"densnet benchmark geometries --data {folder} --molecule ethanol {sizes} --output {results}/mine/geometries.nc"
    )
    assert made in output
    assert f"densnet label --geometries {results}/mine/geometries.nc --shard 1 --shards 2 " in output
    judged = f"densnet benchmark errors --model {results}/mine/model.pt --data {folder} --molecule ethanol "
    assert judged in output
    assert (
        f"densnet benchmark table --system mine --errors {results}/mine/rmd17.json --output {results}/rmd17.csv"
        in output
    )
    assert f'"benchmark": "{results}/rmd17.csv"' in output
    assert re.search(rf"densnet fit .*--geometries {results}/mine/geometries\.nc", output)


def test_given_orbitals_need_no_psi4(folder: Path, tmp_path: Path) -> None:
    orbitals = write_orbitals(folder, 3)
    table, output = planned(tmp_path, config())
    assert table["benchmark_labels"] == 1 and not {"label_shard", "atoms", "geometries"} & set(table)
    atoms = os.path.relpath(ROOT / "data" / "ethanol" / "atoms.nc", tmp_path)
    home = "results/judged/mine"
    assert (
        f"labels --orbitals {orbitals} --geometries {home}/geometries.nc --atoms {atoms} --output {home}/shards/0.nc"
        in (output)
    )
    assert f"--shards {home}/shards/0.nc --geometries {home}/geometries.nc --atoms {atoms} " in output


def test_variants_have_frames_of_their_own(folder: Path, tmp_path: Path) -> None:
    table, output = planned(tmp_path, config(sweep={"sampling.n_train": [4, 8]}))
    assert (table["benchmark_geometries"], table["label_shard"]) == (2, 4)
    assert re.search(r"--n-train 4 .*--output results/judged/mine/variants/[0-9a-f]{8}/geometries\.nc", output)


def test_elements_that_no_shipped_atom_has_are_made(tmp_path: Path) -> None:
    write_orbitals(write_files(tmp_path / "data", numbers=(16, 1, 1)), 3)
    assert planned(tmp_path, config())[0]["atoms"] == 1


def test_costs_are_those_of_the_molecule(folder: Path) -> None:
    complete = configuration(config())
    assert costs.work("label_shard", complete, "mine") == costs.Work(amount=7, size=24)
    assert costs.work("density_model", complete, "mine").size == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("systems: {mine: {rmd17: etanol}}", "systems.mine.rmd17: found 'etanol'; did you mean ethanol?"),
        ("systems: {mine: {rmd17: uracil}}", "systems.mine.rmd17: .*uracil_train_01.npz: no such file; fetch it from"),
        ("systems: {mine: {smiles: CCO}}", "systems.mine: expected one of rmd17, smiles, .* found rmd17 and smiles"),
        ("systems: {mine: {charge: 2}}", "systems.mine.charge: expected 0 for systems.mine.rmd17, found 2"),
        ("reference: {functional: PBE0}", "reference.functional: expected PBE, the level of theory .* found PBE0"),
        ("reference: {basis: def2-TZVP}", "reference.basis: expected def2-SVP, the level .* found def2-TZVP"),
        ("reference: {dispersion: d4}", "reference.dispersion: expected none, the level of theory"),
        (
            "sampling: {n_train: 11}",
            r"sampling.n_train: expected with n_validation at most 12, .* got 11 \+ 2 \(systems",
        ),
        ("sampling: {n_test: 7}", "sampling.n_test: expected at most 6, as many as .*test_01.npz holds, got 7"),
        ("harmonic: {model: all}", "harmonic: systems.mine is of revised MD17, .* leave it out"),
        ("sweep: {sampling.seed: [0, 1]}", "sweep.sampling.seed: changes nothing for systems.mine, whose frames"),
        ("sweep: {sampling.n_test: [3, 9]}", "sweep.sampling.n_test: 9 cannot be: sampling.n_test: expected at most 6"),
    ],
)
def test_a_contradiction_is_one_line(folder: Path, change: str, said: str) -> None:
    wanted = config()
    for section, values in yaml.safe_load(change).items():
        if section == "systems":
            wanted["systems"]["mine"] |= values["mine"]
        else:
            wanted[section] = wanted.get(section, {}) | values
    with pytest.raises(ConfigurationError, match=said) as caught:
        configuration(wanted)
    assert "\n" not in str(caught.value)


def test_frames_that_the_orbitals_lack_are_one_line(folder: Path) -> None:
    path = write_orbitals(folder, 2)
    with pytest.raises(
        ConfigurationError, match=r"systems\.mine\.rmd17: .*orbitals of 1 of the 13 geometries"
    ) as caught:
        configuration(config())
    assert "\n" not in str(caught.value)
    path.write_bytes(b"none")
    with pytest.raises(ConfigurationError, match=r"ethanol_01_orbitals\.npz: not a readable npz file with positions"):
        configuration(config())


@pytest.mark.parametrize(
    ("data", "said"), [("", "DENSNET_DATA: not set; .* fetch them"), ("absent", "DENSNET_DATA: .*/rmd17 is no folder")]
)
def test_a_folder_that_is_not_there_is_one_line_for_all_systems(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: str, said: str
) -> None:
    monkeypatch.setenv("DENSNET_DATA", data)
    wanted = config()
    wanted["systems"]["second"] = {"rmd17": "uracil", "experiment": {"fundamentals": "water"}}
    with pytest.raises(ConfigurationError, match=rf"^systems\.mine\.rmd17: {said}") as caught:
        configuration(wanted)
    assert "\n" not in str(caught.value)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(wanted))
    command = [sys.executable, ROOT / "workflow" / "launch.py", "--plan", "-s", ROOT / "workflow" / "Snakefile"]
    done = subprocess.run([*command, "--cores", "2"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(rf"densnet: error: config\.yaml:16: systems\.mine\.rmd17: {said}.*", done.stderr.strip())


def test_the_study_is_good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(FRAMES, "train", 1000)
    monkeypatch.setitem(FRAMES, "test", 1000)
    for molecule in ("ethanol", "malonaldehyde"):
        write_files(tmp_path / "data", molecule)
    configuration(yaml.safe_load((ROOT / "studies" / "rmd17.yaml").read_text()))
