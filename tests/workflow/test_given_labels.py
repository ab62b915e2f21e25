"""Labels from a folder: nothing is sampled or labelled; what contradicts the folder is refused beforehand."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import yaml
from configuration import CHECKED, ConfigurationError, configuration
from given_labels import labels_in
from test_dag import snakemake
from test_sweeps import jobs

from densnet.io.netcdf import variable, write_dataset

SPLIT = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2


@pytest.fixture(autouse=True)
def nothing_known_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHECKED, "")
    labels_in.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the configuration looks at of ten labels of water."""
    path = tmp_path / "labels"
    split = variable(("frame",), SPLIT, "1", "split")
    numbers = variable(("atom",), [8, 1, 1], "1", "numbers")
    orbitals = variable(("frame",), [0.0] * len(SPLIT), "1", "orbitals")
    level = {"functional": "HF", "basis": "6-31G", "dispersion": "none", "charge": 0, "multiplicity": 1}
    for name, stage, data, attributes in (
        ("geometries.nc", "sample", {"split": split, "numbers": numbers}, {}),
        ("orbitals.nc", "label", {"orbitals": orbitals}, level),
        ("atoms.nc", "atoms", {}, level),
    ):
        dataset = xr.Dataset(data, coords={"frame": range(len(SPLIT))} if stage == "label" else {}, attrs=attributes)
        write_dataset(dataset, path / name, stage=stage, method_version=1, settings={})
    return path


def config(folder: Path, **more: Any) -> dict[str, Any]:
    system = {"labels": str(folder), "experiment": {"fundamentals": "water"}}
    return {"run": "given", "systems": {"water": system}, "reference": {"functional": "HF", "basis": "6-31G"}} | more


def test_nothing_is_sampled_or_labelled(folder: Path, tmp_path: Path) -> None:
    sweep = {"training.n_train": [2, 4, 6]}
    table = jobs(tmp_path, config(folder, sweep=sweep, md={"potentials": []}))
    assert not {"geometries", "label_shard", "atoms"} & set(table)
    assert (table["labels"], table["density_model"], table["evaluation"]) == (1, 4, 4)


def test_what_a_folder_is_called_is_one_word_to_the_shell(folder: Path, tmp_path: Path) -> None:
    named = folder.rename(tmp_path / "la b'els $(touch x)")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config(named)))
    output = snakemake(tmp_path, "--cores", "2", "--dry-run", "--printshellcmds").stdout
    commands = [line for line in output.splitlines() if line.startswith("Shell command:") and "touch" in line]
    assert len(commands) > 3
    for command in commands:
        words = [word for word in shlex.split(command) if "touch" in word]
        assert all(word.startswith(f"{named}/") and word.endswith(".nc") for word in words), command


def test_all_frames_are_taken_unless_sampling_says_how_many(folder: Path) -> None:
    assert configuration(config(folder))["systems"]["water"]["frames"] == {}
    sizes = configuration(config(folder, sampling={"n_train": 4}))["systems"]["water"]["frames"]
    assert sizes == {"n_train": 4}


def test_a_molecule_may_be_named_beside_its_labels(folder: Path) -> None:
    given = config(folder)
    given["systems"]["water"]["smiles"] = "O"
    configuration(given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("systems: {water: {smiles: CCO}}", ["systems.water.smiles: CCO is C2H6O", "of H2O"]),
        ("systems: {water: {charge: 2}}", ["systems.water.charge: expected 0", "found 2"]),
        ("systems: {water: {labels: absent}}", ["systems.water.labels: absent: no such folder"]),
        ("reference: {functional: PBE}", ["systems.water.labels", "functional HF", "reference.functional is PBE"]),
        ("reference: {basis: def2-SVP}", ["systems.water.labels", "basis 6-31G", "reference.basis is def2-SVP"]),
        ("sampling: {n_train: 7}", ["sampling.n_train: expected at most 6", "systems.water.labels", "found 7"]),
        ("density_model: {training: {n_train: 7}}", ["density_model.training.n_train: expected at most", "found 7"]),
        (
            "{sampling: {n_train: 4}, energy_model: {training: {n_train: 5}}}",
            ["energy_model.training.n_train: expected at most", "4, found 5"],
        ),
        ("sweep: {energy_model.training.n_train: [3, 7]}", ["sweep.energy_model.training.n_train: 7 cannot be"]),
        ("sweep: {sampling.seed: [0, 1]}", ["sweep.sampling.seed: changes nothing", "labels are given"]),
    ],
)
def test_a_contradiction_is_one_line(folder: Path, change: str, said: list[str]) -> None:
    wanted = config(folder)
    for section, values in yaml.safe_load(change).items():
        if section == "systems":
            wanted["systems"]["water"] |= values["water"]
        else:
            wanted[section] = wanted.get(section, {}) | values
    with pytest.raises(ConfigurationError) as caught:
        configuration(wanted)
    message = str(caught.value)
    assert "\n" not in message
    for words in said:
        assert words in message


def test_a_file_that_is_missing_or_truncated(folder: Path) -> None:
    orbitals = folder / "orbitals.nc"
    orbitals.write_bytes(orbitals.read_bytes()[:500])
    with pytest.raises(ConfigurationError, match=r"systems\.water\.labels: .*orbitals\.nc: not a readable netCDF"):
        configuration(config(folder))
    orbitals.unlink()
    with pytest.raises(ConfigurationError, match=r"systems\.water\.labels: .*: orbitals\.nc missing"):
        configuration(config(folder))


def with_harmonic(folder: Path, functional: str = "HF", numbers: tuple[int, ...] = (8, 1, 1)) -> dict[str, Any]:
    """Put harmonic frequencies beside the labels, and ask for them."""
    modes = {name: variable(("mode",), [1.0] * 3, "1", name) for name in ("wavenumber", "intensity")}
    atoms = {"numbers": variable(("atom",), list(numbers), "1", "numbers")}
    level = {"functional": functional, "basis": "6-31G", "dispersion": "none"}
    path = folder / "harmonic_psi4.nc"
    write_dataset(xr.Dataset(modes | atoms), path, stage="harmonic", method_version=1, settings=level)
    asked = config(folder, harmonic={"psi4": ["water"]}, md={"potentials": []})
    asked["systems"]["water"]["smiles"] = "O"
    return asked


def test_harmonic_frequencies_beside_the_labels_need_no_gradients(folder: Path, tmp_path: Path) -> None:
    asked = with_harmonic(folder)
    table = jobs(tmp_path, asked)
    assert table["harmonic"] == 1 and not {"displaced", "displaced_shard", "harmonic_psi4"} & set(table)
    (folder / "harmonic_psi4.nc").unlink()
    table = jobs(tmp_path, asked)
    assert table["displaced"] == table["harmonic_psi4"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [({"functional": "PBE"}, "not of these labels: functional PBE"), ({"numbers": (8, 1)}, "other atoms")],
)
def test_harmonic_frequencies_of_something_else_are_one_line(folder: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"systems\.water\.labels: .*harmonic_psi4\.nc .*{said}"):
        configuration(with_harmonic(folder, **change))


def test_harmonic_frequencies_that_cannot_be_read_are_one_line(folder: Path) -> None:
    asked = with_harmonic(folder)
    path = folder / "harmonic_psi4.nc"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ConfigurationError, match=r"systems\.water\.labels: .*harmonic_psi4\.nc: not a readable"):
        configuration(asked)
