"""Bad configurations: each mistake is one line that names the key, what was found and what is allowed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from configuration import CHECKED, ConfigurationError, as_options, configuration, method_version

from densnet.potentials.gfn2 import Gfn2

ROOT = Path(__file__).parents[2]
GOOD: dict[str, Any] = {
    "run": "try",
    "systems": {"water": {"smiles": "O", "experiment": {"fundamentals": "water"}}},
}


def changed(*path: str, to: Any) -> dict[str, Any]:
    """Return a good configuration with one key set."""
    config = yaml.safe_load(yaml.safe_dump(GOOD))
    section = config
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = to
    return config


@pytest.fixture(autouse=True)
def nothing_checked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is a run of its own."""
    monkeypatch.setenv(CHECKED, "")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with files that are not what they should be."""
    (tmp_path / "empty.xyz").write_text("")
    (tmp_path / "half.xyz").write_text("3\nwater\nO 0.0 0.0 0.0\nH 0.0 0.0 0.96\n")
    (tmp_path / "radical.xyz").write_text("2\nhydroxyl\nO 0.0 0.0 0.0\nH 0.0 0.0 0.97\n")
    (tmp_path / "text.jdx").write_text("no spectrum at all\n")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("runn",), "x", ["runn: unknown key", "did you mean run?"]),
        (("md", "temprature"), 300, ["md.temprature: unknown key", "did you mean temperature?"]),
        (("md", "xyzzy"), 1, ["md.xyzzy: unknown key", "allowed here: replicas, temperature"]),
        (("density_model", "training", "step"), 1, ["density_model.training.step", "did you mean steps?"]),
        (("systems", "water", "smile"), "O", ["systems.water.smile", "did you mean smiles?"]),
        (("run",), "a/b", ["run: expected at most 64 letters, digits, _ and -", "'a/b'"]),
        (("run",), None, ["run: expected text", "found nothing"]),
        (("systems",), {}, ["systems: expected at least one entry"]),
        (("systems",), {"a b": {"smiles": "O"}}, ["systems.a b", "letters, digits"]),
        (("systems", "water"), "O", ["systems.water: expected a section of keys", "'O'"]),
        (("systems", "water", "smiles"), ["OH-"], ["systems.water.smiles: expected text", "put it in quotes"]),
        (("md", "replicas"), "many", ["md.replicas: expected a whole number of at least 1", "'many'"]),
        (("md", "replicas"), 0, ["md.replicas: expected a whole number of at least 1", "found 0"]),
        (("md", "replicas"), True, ["md.replicas", "found true"]),
        (("md", "timestep_fs"), 50, ["md.timestep_fs", "at most 2.0", "found 50"]),
        (("md", "timestep_fs"), -0.5, ["md.timestep_fs", "more than 0"]),
        (("md", "potentials"), "gfn2-xtb", ["md.potentials: expected a list", "'gfn2-xtb'"]),
        (("md", "potentials"), ["gfn1"], ["md.potentials: expected one of gfn2-xtb", "found 'gfn1'"]),
        (("md", "peer"), "maybe", ["md.peer: unknown key"]),
        (
            ("validation", "tests"),
            ["energies"],
            ["validation.tests.0: expected one of energy, robustness", "'energies'"],
        ),
        (("harmonic", "potentials"), ["gfn1"], ["harmonic.potentials: expected one of gfn2-xtb", "found 'gfn1'"]),
        (("validation", "potentials"), ["gfn1"], ["validation.potentials: expected one of gfn2-xtb", "'gfn1'"]),
        (("validation", "reference"), "psi5", ["validation.reference: expected one of gfn2-xtb", "psi4", "'psi5'"]),
        (("validation", "energy", "picoseconds"), 0.001, ["validation.energy.picoseconds: expected at least 20 steps"]),
        (("validation", "energy", "replicas"), 1, ["validation.energy.replicas", "at least 2", "found 1"]),
        (("validation", "robustness", "temperatures"), [], ["robustness.temperatures: expected at least one entry"]),
        (("validation", "heat"), {}, ["validation.heat: unknown key"]),
        (("active", "members"), 1, ["active.members: expected a whole number of at least 2", "found 1"]),
        (("active", "temperatures"), [], ["active.temperatures: expected at least one entry"]),
        (("md", "stride"), 25, ["md.stride", "spectrum.wavenumber_max = 4500"]),
        (("sampling", "n_validation"), 0, ["sampling.n_validation", "at least 1", "found 0"]),
        (("sampling", "temperatures"), 500, ["sampling.temperatures: expected a list", "found 500"]),
        (("sampling", "temperatures"), [], ["sampling.temperatures: expected at least one entry"]),
        (("sampling", "temperatures"), [300, -1], ["sampling.temperatures.1", "more than 0"]),
        (("reference", "functional"), "PBEE", ["reference.functional: found 'PBEE'", "did you mean PBE?"]),
        (("reference", "functional"), "wB97XD", ["reference.functional", "did you mean wB97X-D?"]),
        (("reference", "dispersion"), "d3", ["reference.dispersion", "expected one of none, d4"]),
        (("reference", "basis"), "def2-SPV", ["reference.basis", "def2-SPV", "def2-SVP"]),
        (("reference", "fit_basis"), "def2-SVP-JKFTI", ["reference.fit_basis", "def2-SVP-JKFTI", "nearest names"]),
        (("reference", "shards"), 1000, ["reference.shards: expected at most 210", "found 1000"]),
        (("reference", "max_failed_share"), 1.5, ["reference.max_failed_share", "less than 1", "1.5"]),
        (("density_model", "training", "n_train"), 151, ["n_train: expected at most sampling.n_train = 150"]),
        (("peers", "kernel"), [5, 151], ["peers.kernel: expected at most sampling.n_train = 150, found 151"]),
        (("peers", "kernel"), [2], ["peers.kernel.0: expected a whole number of at least 3, found 2"]),
        (("density_model", "target"), "detla", ["density_model.target", "did you mean delta?"]),
        (("density_model", "architecture", "body_order"), 5, ["body_order", "expected one of 2, 3, 4"]),
        (("spectrum", "window"), "han", ["spectrum.window", "did you mean hann?"]),
        (("spectrum", "resolution"), 1, ["spectrum.resolution", "md.production_ps = 2.5"]),
        (("spectrum", "wavenumber_max"), 50, ["spectrum.wavenumber_min", "100", "50"]),
        (("comparison", "wavenumber_max"), 50, ["comparison.wavenumber_min", "500", "50"]),
        (("systems", "water", "smiles"), "C(", ["systems.water: smiles: RDKit refuses 'C('"]),
        (("systems", "water", "smiles"), "[OH]", ["systems.water", "9 electrons", "multiplicity 1"]),
        (("systems", "water", "charge"), 1, ["systems.water", "charge: 1 does not match"]),
        (("systems", "water", "multiplicity"), 2, ["systems.water", "10 electrons", "multiplicity"]),
        (("systems", "water", "smiles"), "[AtH]", ["systems.water", "replaces the core of At", "all-electron"]),
        (("systems", "water", "xyz"), "a.xyz", ["systems.water: expected either smiles or xyz, found both"]),
        (("systems", "water"), {"experiment": {}}, ["systems.water: expected either smiles or xyz, found neither"]),
        (("systems", "water"), {"xyz": "absent.xyz"}, ["systems.water", "absent.xyz", "No such file"]),
        (("systems", "water"), {"xyz": "{files}/empty.xyz"}, ["systems.water", "empty.xyz", "is empty"]),
        (("systems", "water"), {"xyz": "{files}/half.xyz"}, ["half.xyz", "announces 3 atoms and has 2"]),
        (("systems", "water"), {"xyz": "{files}/radical.xyz"}, ["radical.xyz", "9 electrons"]),
        (("systems", "water", "experiment", "fundamentals"), "watr", ["fundamentals", "did you mean water?"]),
        (("systems", "water", "experiment", "fundamentals"), "no.csv", ["fundamentals", "no.csv", "cannot be read"]),
        (("systems", "water", "experiment", "jcamp"), "absent.jdx", ["experiment.jcamp", "absent.jdx"]),
        (("systems", "water", "experiment", "jcamp"), "{files}/text.jdx", ["experiment.jcamp", "text.jdx"]),
    ],
)
def test_a_mistake_is_one_line(path: tuple[str, ...], value: Any, said: list[str], files: Path) -> None:
    if isinstance(value, dict) and "xyz" in value:
        value = {"xyz": value["xyz"].format(files=files)}
    elif isinstance(value, str) and "{files}" in value:
        value = value.format(files=files)
    with pytest.raises(ConfigurationError) as caught:
        configuration(changed(*path, to=value))
    message = str(caught.value)
    assert "\n" not in message
    for words in said:
        assert words in message


def test_a_reference_by_another_program_than_the_labels_is_refused() -> None:
    asked = {"run": "a", "systems": {"water": {"smiles": "O"}}, "reference": {"program": "pyscf"}}
    with pytest.raises(ConfigurationError, match=r"validation\.reference: expected pyscf, the program of this run"):
        configuration(asked | {"validation": {"tests": ["structure"], "reference": "psi4"}})
    configuration(asked | {"validation": {"tests": ["structure"], "reference": "pyscf"}})


def test_what_the_response_cannot_be_learned_beside() -> None:
    asked = {"run": "a", "systems": {"water": {"smiles": "O"}}, "reference": {"response": True}}
    with pytest.raises(ConfigurationError, match=r"reference\.response: expected false beside ensemble, found true"):
        configuration(asked | {"ensemble": 2})
    with pytest.raises(ConfigurationError, match=r"reference\.response: expected false beside sweep, found true"):
        configuration(asked | {"sweep": {"md.temperature": [300]}})


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({"sweep": {"md.temperature": [300]}}, "active.rounds: expected 0 beside sweep, found 1"),
        ({"peers": {"mace": ["small"]}}, "active.rounds: expected 0 beside peers.mace, found 1"),
        (
            {"density_model": {"training": {"n_train": 5}}},
            "active.rounds: expected 0 beside density_model.training.n_train, found 1",
        ),
        (
            {"systems": {"chain": {"oligomer": "thiophene", "sizes": {"1": {"n_train": 4}}}}},
            "active.rounds: expected 0 beside systems.chain.sizes, found 1",
        ),
    ],
)
def test_what_active_learning_cannot_be_done_with(beside: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        configuration({"run": "a", "systems": {"water": {"smiles": "O"}}, "active": {"rounds": 1}} | beside)


def test_nothing_to_compare_with() -> None:
    config = changed("md", "potentials", to=[])
    config["systems"]["water"]["experiment"] = {"fundamentals": "none"}
    with pytest.raises(ConfigurationError, match=r"^systems\.water\.experiment: expected fundamentals or jcamp"):
        configuration(config)


def test_fundamentals_are_those_of_the_molecule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    water = tmp_path / "w.xyz"
    water.write_text("3\n\nO 0 0 0\nH 0 0 0.96\nH 0.93 0 -0.24\n")
    config = changed("systems", to={"a": {"smiles": "CC(C)=O"}, "b": {"xyz": str(water)}, "c": {"smiles": "CCCCO"}})
    config["systems"]["d"] = {"smiles": "CC(C)=O", "experiment": {"fundamentals": "none"}}
    tables = {name: system["experiment"] for name, system in configuration(config)["systems"].items()}
    assert tables == {"a": {"fundamentals": "Acetone"}, "b": {"fundamentals": "water"}, "c": {}, "d": {}}
    said = capsys.readouterr().err
    assert "systems.a: the published fundamentals of Acetone" in said and "systems.c: no table has" in said
    assert "systems.d" not in said


@pytest.mark.parametrize(("peer", "potentials"), [(True, ["gfn2-xtb"]), (False, [])])
def test_the_key_of_earlier_versions_is_read(
    peer: bool, potentials: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(CHECKED, raising=False)
    assert configuration(changed("md", "peer", to=peer))["md"]["potentials"] == potentials
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "md.peer" in line]
    assert f"read as potentials: [{', '.join(potentials)}]" in line


def test_a_potential_that_lacks_an_element_a_quantity_or_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for attribute, value, line in (
        ("elements", frozenset({1}), r"systems\.water with md\.potentials: gfn2-xtb: does not know O"),
        ("quantities", frozenset({"energy", "forces"}), r"md\.potentials: gfn2-xtb: gives no dipole"),
        ("needs", ("no_such_package", "pip install it"), "md.potentials: gfn2-xtb: the package no_such_package is not"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(Gfn2, attribute, value)
            with pytest.raises(ConfigurationError, match=line):
                configuration(changed("md", "replicas", to=7))


def test_tests_that_need_a_geometry_or_an_element(monkeypatch: pytest.MonkeyPatch) -> None:
    config = changed("validation", to={"tests": ["ladder", "robustness"], "reference": "mmff94"})
    monkeypatch.setattr("densnet.potentials.mmff94.Mmff94.elements", frozenset({1}))
    with pytest.raises(ConfigurationError, match=r"systems\.water with validation\.reference: mmff94: does not know O"):
        configuration(config)
    folder = ROOT / "data" / "ethanol"
    config = changed("systems", to={"given": {"labels": str(folder), "experiment": {"fundamentals": "none"}}})
    config["validation"] = {"tests": ["energy", "ladder"]}
    with pytest.raises(
        ConfigurationError, match=r"tests: expected ladder alone, found energy, for systems\.given has no"
    ):
        configuration(config)


def test_a_default_that_nobody_wrote_is_no_mistake() -> None:
    """Fewer frames than the default number of shards: there are as many shards as frames."""
    assert (
        configuration(changed("sampling", to={"n_train": 4, "n_validation": 2, "n_test": 2}))["sampling"]["n_train"]
        == 4
    )


def test_dispersion_without_parameters() -> None:
    config = changed("reference", "dispersion", to="d4")
    config["reference"]["functional"] = "MN15"
    with pytest.raises(ConfigurationError, match=r"^reference: dispersion: d4 has no parameters for .*MN15"):
        configuration(config)


def test_several_mistakes_are_a_line_each() -> None:
    config = changed("md", "replicas", to=0)
    config["md"]["temprature"] = 300
    del config["run"]
    with pytest.raises(ConfigurationError) as caught:
        configuration(config)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["md.replicas", "md.temprature", "run"]


def test_numbers_and_names_are_read_as_meant() -> None:
    config = yaml.safe_load("reference: {energy_convergence: 1e-9, functional: pbe0, dispersion: D4}") | GOOD
    reference = configuration(config)["reference"]
    assert reference["energy_convergence"] == 1e-9
    assert (reference["functional"], reference["dispersion"]) == ("PBE0", "d4")


def test_the_shipped_config_is_good() -> None:
    configuration(yaml.safe_load((ROOT / "config.yaml").read_text()))


def test_what_was_checked_is_not_checked_again(tmp_path: Path) -> None:
    (tmp_path / "water.xyz").write_text("3\n\nO 0 0 0\nH 0 0.76 0.59\nH 0 -0.76 0.59\n")
    config = changed("systems", "water", to={"xyz": str(tmp_path / "water.xyz")})
    configuration(config)
    (tmp_path / "water.xyz").unlink()
    configuration(config)
    config["md"] = {"replicas": 3}
    with pytest.raises(ConfigurationError, match="No such file"):
        configuration(config)


def test_options() -> None:
    settings = {"n_lines": 8, "peer": False, "correct_timestep": True, "temperatures": [300, 500.0], "name": "a b"}
    options = "--n-lines 8 --no-peer --correct-timestep --temperatures 300 --temperatures 500.0 --name 'a b'"
    assert as_options(settings | {"none": None}) == options


def test_a_verb_understands_a_list() -> None:
    from densnet.cli.main import app

    words = shlex.split(f"sample --smiles O --output x.nc {as_options({'temperatures': [300, 500.0]})}")
    _, bound, _ = app.parse_args(words, exit_on_error=False)
    assert bound.arguments["settings"].temperatures == (300.0, 500.0)


def test_method_version_of_a_module_without_one() -> None:
    from densnet.spectra import infrared

    assert method_version("densnet.spectra.infrared") == infrared.METHOD_VERSION
    with pytest.raises(ConfigurationError, match="METHOD_VERSION is not defined"):
        method_version("densnet.errors")
