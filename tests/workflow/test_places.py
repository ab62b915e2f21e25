"""The file of a configuration: each complaint names its line, and what YAML alone would let pass is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from configuration import CHECKED, ConfigurationError, configuration
from places import read
from reference_page import PAGE, page
from test_configuration_files import GOOD as ONE_LINE

GOOD = ONE_LINE.replace("md: {replicas: 2}\n", "md:\n  replicas: 2\n  stride: 2\n")


@pytest.fixture(autouse=True)
def nothing_checked_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CHECKED, "")
    monkeypatch.chdir(tmp_path)


def refusal(text: str, **given: object) -> str:
    """Return what is said of a file, with some keys of it set by the command line."""
    Path("c.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        configuration(yaml.safe_load(text) | given, "c.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("replicas: 2", "replicas: 0"), "c.yaml:7: md.replicas: expected a whole number of at least 1, found 0"),
        (("replicas: 2", "replica: 2"), "c.yaml:7: md.replica: unknown key; did you mean replicas?"),
        (("stride: 2", "stride: 25"), "c.yaml:8: md.stride: a dipole every"),
        (("smiles: O", "smiles: C("), "c.yaml:3: systems.water: smiles: RDKit refuses"),
        (("water:", "a b:"), "c.yaml:3: systems.a b: expected a name of at most 64 letters"),
        (("stride: 2", "temperature: .nan"), "c.yaml:8: md.temperature: expected a number of more than 0"),
        (
            ("stride: 2", "production_ps: .inf"),
            "c.yaml:8: md.production_ps: expected a number of more",
        ),
        (("stride: 2", "timestep_fs: 2.0"), "c.yaml:6: md.stride: a dipole every 4 fs"),
        (("run: try\n", ""), "c.yaml: run: missing; it has no default"),
        (("stride: 2", "stride: 2\nsweep: {md.stride: [0]}"), "c.yaml:9: sweep.md.stride: expected a whole number"),
    ],
)
def test_a_complaint_names_its_line(change: tuple[str, str], said: str) -> None:
    assert refusal(GOOD.replace(*change)).startswith(said)


def test_what_the_command_line_says_has_no_line() -> None:
    md = {"replicas": 0, "stride": 2}
    assert refusal(GOOD, md=md) == "md.replicas: expected a whole number of at least 1, found 0"
    assert refusal(GOOD, comparison={"n_lines": 0}).startswith("comparison.n_lines: expected")


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"^d\.yaml: cannot be read \(No such file"):
        read("d.yaml")


def test_the_page_of_all_keys_is_new() -> None:
    assert PAGE.read_text() == page(), "run 'python workflow/reference_page.py'"
