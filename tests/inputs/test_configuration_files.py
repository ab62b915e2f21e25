"""Configurations that users have: read as they are meant, or refused in one line with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from configuration import CHECKED, ConfigurationError, configuration
from input_case import READ, REFUSED, InputCase
from places import read
from snakemake.common.configfile import load_configfile

GOOD = """\
run: try
systems:
  water:
    smiles: O
    experiment: {fundamentals: water}
md: {replicas: 2}
"""


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


CASES = (
    InputCase("a number as 1e-3", READ, "", lambda: changed("2}", "2, temperature: 3e2}")),
    InputCase("a byte order mark", READ, "", lambda: "\ufeff" + GOOD),
    InputCase("names in quotes, `no` among them", READ, "", lambda: changed("water:\n", "'no':\n")),
    InputCase(
        "a system called no",
        REFUSED,
        ":3: systems: no is false in YAML 1.1 and something else in 1.2; write true or false",
        lambda: changed("water:\n", "no:\n"),
    ),
    InputCase("yes or on for true", REFUSED, ":6: md.replicas: on is true in YAML 1.1", lambda: changed("2}", "on}")),
    InputCase("a number as 010", REFUSED, ":6: md.replicas: 010 is 8 in YAML 1.1", lambda: changed("2}", "010}")),
    InputCase("a number as 1:30", REFUSED, ":6: md.replicas: 1:30 is 90 in YAML 1.1", lambda: changed("2}", "1:30}")),
    InputCase("a number as 1_000", REFUSED, ":6: md.replicas: 1_000 is 1000", lambda: changed("2}", "1_000}")),
    InputCase("a key twice", REFUSED, ":7: md: written twice, first in line 6", lambda: GOOD + "md: {seed: 2}\n"),
    InputCase("an unknown key", REFUSED, ":6: md.replica: unknown key; did you mean", lambda: changed("cas:", "ca:")),
    InputCase("`.nan`", REFUSED, ":6: md.replicas: expected a whole number", lambda: changed("2}", ".nan}")),
    InputCase(
        "`.inf`", REFUSED, ":6: md.production_ps: expected a number", lambda: changed("2}", "2, production_ps: .inf}")
    ),
    InputCase(
        "names that differ in case alone",
        REFUSED,
        ":6: systems.Water: expected names that differ in more than their case, found water too",
        lambda: changed("md:", "  Water: {smiles: O}\nmd:"),
    ),
    InputCase(
        "a name of 300 letters",
        REFUSED,
        ":1: run: expected at most 64 letters, digits, _ and -",
        lambda: changed("try", 300 * "a"),
    ),
    InputCase(
        "a file with braces in its name",
        REFUSED,
        ":4: systems.water.xyz: expected a path without braces, which are patterns to Snakemake, found 'a{b}.xyz'",
        lambda: changed("smiles: O", "xyz: a{b}.xyz"),
    ),
    InputCase("a line end in a name", REFUSED, ":1: run: expected at most 64", lambda: changed("try", '"try\\n"')),
    InputCase("a * without quotes", REFUSED, ":4: no YAML: ", lambda: changed("smiles: O", "smiles: *CC*")),
    InputCase("a second document", REFUSED, ":7: no YAML: ", lambda: GOOD + "---\nrun: b\n"),
    InputCase("a tab", REFUSED, ":7: no YAML: ", lambda: GOOD + "\tseed: 3\n"),
    InputCase("Latin-1", REFUSED, "is no UTF-8; save the file as UTF-8", lambda: (GOOD + "# \u00c5").encode("latin-1")),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_configuration_of_a_user(case: InputCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHECKED, "")
    monkeypatch.chdir(tmp_path)
    path, content = Path("my own.yaml"), case.make()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if case.outcome == READ:
        assert configuration(load_configfile(str(path)), str(path))["md"]["replicas"] == 2
        return
    with pytest.raises(ConfigurationError) as caught:
        read_as_launched(path)
    assert str(caught.value).startswith("my own.yaml:")
    assert case.words in str(caught.value) and "\n" not in str(caught.value)


def read_as_launched(path: Path) -> None:
    """Read and check a configuration as the launcher does."""
    read(str(path))
    configuration(load_configfile(str(path)), str(path))
