"""A project of one's own: what 'densnet init' writes starts, from a clone and from a wheel."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from configuration import CHECKED

from densnet.cli.init import NEEDED, init
from densnet.errors import DensnetError
from densnet.project import FILES, copy_project, project_files

ROOT = Path(__file__).parents[2]


def start(command: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, CHECKED: "", "PYTHONPATH": str(ROOT)}
    return subprocess.run([*shlex.split(command), *words], cwd=folder, capture_output=True, text=True, env=environment)


def test_what_it_prints_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my sulfur, (1)"
    init(folder, smiles="C/C=C\\S")
    said = capsys.readouterr().out.splitlines()
    assert shlex.split(said[1]) == ["cd", str(folder)]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config == {"run": "my-sulfur-1", "systems": {"C3H6S": {"smiles": "C/C=C\\S"}}}
    dry = start(said[3], folder, "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert re.search(r"^label_shard +16$", dry.stdout, re.MULTILINE)
    assert not (folder / "results").exists()


def test_the_demo_without_a_molecule(tmp_path: Path) -> None:
    init(tmp_path)
    assert (tmp_path / "config.yaml").read_bytes() == (ROOT / "config.yaml").read_bytes()
    assert not list(tmp_path.rglob("__pycache__"))


def test_nothing_is_overwritten_and_nothing_half_done(tmp_path: Path) -> None:
    with pytest.raises(DensnetError):
        init(tmp_path / "new", smiles="C1CC")
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").write_text("kept")
    for folder in (tmp_path, tmp_path / "mine"):
        with pytest.raises(DensnetError, match="expected a new or an empty folder, found files in it"):
            init(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("densnet.cli.init.find_spec", lambda package: None)
    init(tmp_path / "a")
    assert f"not installed ({', '.join(NEEDED)}): in the clone of densnet type pip install '.[workflow]'" in (
        capsys.readouterr().out
    )


def test_a_wheel_holds_the_project(tmp_path: Path) -> None:
    """Built as pip builds it, from a copy, for setuptools leaves files where it builds."""
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert all(requirement.startswith("setuptools") for requirement in requires)
    source = tmp_path / "source"
    copy_project(project_files(), source)
    for name in ("pyproject.toml", "setup.py", "README.md"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    (source / "densnet").mkdir()
    for name in ("__init__.py", "project.py"):
        (source / "densnet" / name).write_bytes((ROOT / "densnet" / name).read_bytes())
    build = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, tmp_path], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wheel = tmp_path / done.stdout.splitlines()[-1]
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    for name in FILES:
        there = list((ROOT / name).rglob("*.smk")) if (ROOT / name).is_dir() else [ROOT / name]
        assert {f"densnet/project/{path.relative_to(ROOT)}" for path in there} <= set(names)
