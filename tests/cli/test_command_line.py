"""The command line: every verb is listed with its line and ends its help with an example that it understands."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App, CycloptsError

from densnet.cli.main import app, what_is_wrong
from densnet.cli.verbs import FAMILIES, GROUPS, name_of, one_line

ROOT = Path(__file__).parents[2]
VERBS = {target: example for verbs in GROUPS.values() for target, example in verbs.items()}


def densnet(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "densnet.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verbs_of(parent: App, before: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], App]]:
    """Return every application with a function, and what is typed to reach it."""
    found = [(before, parent)] if parent.default_command else []
    for name in parent:
        if not name.startswith("-"):
            found += verbs_of(parent[name], (*before, name))
    return found


@pytest.mark.parametrize("target", [target for target, example in VERBS.items() if example not in FAMILIES])
def test_a_line_in_the_list_begins_the_docstring(target: str) -> None:
    module, function = target.split(":")
    documentation = getattr(importlib.import_module(f"densnet.cli.{module}"), function).__doc__
    line = one_line(target)
    assert documentation.partition("\n")[0].startswith(line.rstrip("."))
    assert 10 < len(line) < 110


def test_the_list_names_every_verb_below_its_group() -> None:
    listed = densnet("--help").stdout
    names = {name_of(example)[0] for example in VERBS.values()}
    for title in GROUPS:
        assert f"─ {title} ─" in listed
    assert names <= set(re.findall(r"^│ (\w+) {2,}\w", listed, flags=re.MULTILINE))
    folder = {path.stem.strip("_") for path in (ROOT / "densnet" / "cli").glob("*.py")} - {"init", "main", "verbs"}
    assert folder <= names


def test_every_help_ends_with_an_example_that_is_understood() -> None:
    for words, verb in verbs_of(app):
        assert verb.help_epilogue, words
        example = verb.help_epilogue.split("```")[1].replace("\\\n", " ")
        program, *rest = shlex.split(example)
        assert program == "densnet" and tuple(rest[: len(words)]) == words
        command, bound, _ = app.parse_args(rest, exit_on_error=False, print_error=False)
        assert command is verb.default_command
        assert bound.arguments


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["evaluate"], "evaluate: --labels is missing: Output of 'densnet fit'; see 'densnet evaluate --help'"),
        (
            ["md"],
            "md: --geometries is missing: Output of 'densnet sample'; its training frames are the starting points",
        ),
        (["train", "density"], "train density: --labels is missing: "),
        (
            ["md", "--geometries", "g.nc", "--output", "t.nc", "--replicas", "0"],
            "md: --replicas: expected a whole number of at least 1, found 0; see 'densnet md --help'",
        ),
        (["md", "--geometries"], "md: --geometries requires an argument; see 'densnet md --help'"),
        (["evaluate", "--labls", "l.nc"], "evaluate: --labels is missing; did you mean --labels instead of --labls?"),
        (
            ["export", "trajectory", "t.nc", "--output", "t.dcd", "--stride", "few"],
            'export trajectory: Invalid value for --stride: unable to convert "few" into int; see',
        ),
        (
            ["export", "trajectory", "t.nc", "--output", "t.dcd", "--strid", "2"],
            "export trajectory: Unknown option: --strid. Did you mean --stride?; see",
        ),
        (["smaple"], "'smaple' is no verb; did you mean 'sample'?"),
        (["peer", "gap"], "peer: 'gap' is no verb; expected one of mace, table"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], expected: str) -> None:
    with pytest.raises(CycloptsError) as raised:
        app(words, exit_on_error=False, print_error=False)
    line = what_is_wrong(raised.value)
    assert line.startswith(expected) and "\n" not in line


def test_a_command_line_that_is_wrong_ends_without_a_box() -> None:
    ended = densnet("export", "trajectory", "trajectory.nc")
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("densnet: error: export trajectory: --output is missing: The file")


def test_the_list_needs_no_torch() -> None:
    code = "import sys; from densnet.cli.main import app; app('--help', result_action='return_value')\n"
    code += "print(set(sys.modules) & {'torch', 'xarray', 'ase', 'MDAnalysis'})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "set()"


def test_the_shell_learns_verbs_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = densnet("--install-completion", "--shell", "bash")
    assert ended.returncode == 0, ended.stderr
    (script,) = tmp_path.glob(".local/**/densnet")
    for word in ("spectrum", "--geometries", "--temperature"):
        assert word in script.read_text("utf-8")
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
