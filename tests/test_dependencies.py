"""What pyproject.toml declares is what is imported: nothing that only happens to be there, nothing for nothing."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
STARTED_BY_PATH = {"psi4_worker", "pyscf_worker", "mace_worker", "worker_side"}
"""Programs of workers, whose modules import each other by their bare names."""
SHARED = {"metatensor.torch": "metatensor-torch", "metatensor": "metatensor-core", "metatomic": "metatomic-torch"}
"""Modules that several distributions add to, and which of them is meant."""
THROUGH_OTHERS = {"netcdf4", "rich"}
"""Xarray writes with the one, Cyclopts draws with the other."""


def imported(folder: str) -> set[str]:
    """Distributions that the modules below a folder import."""
    paths = [path for path in (ROOT / folder).rglob("*") if not STARTED_BY_PATH & set(path.parts)]
    files = [path for path in paths if path.suffix == ".py"]
    # modules of the workflow import each other by their bare names
    modules = {path.stem for path in paths} if folder == "workflow" else set()
    names: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {named(alias.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(named(node.module))
    homes = packages_distributions()
    foreign = names - sys.stdlib_module_names - modules - {"densnet"}
    distributions = {SHARED.get(name, homes.get(name, [name])[0]) for name in foreign}
    return {name.lower().replace("_", "-") for name in distributions}


def named(module: str) -> str:
    """Return the part of a module's dotted name that tells its distribution."""
    return next((shared for shared in SHARED if f"{module}.".startswith(f"{shared}.")), module.split(".")[0])


def declared(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[<>=]", requirement)[0].lower() for requirement in requirements}


def test_the_package_imports_what_it_declares() -> None:
    extras = PROJECT["optional-dependencies"]
    optional = [requirement for name in extras.keys() - {"workflow", "test"} for requirement in extras[name]]
    assert imported("densnet") == declared([*PROJECT["dependencies"], *optional]) - THROUGH_OTHERS


def test_the_workflow_imports_what_it_declares() -> None:
    of_package, of_workflow = declared(PROJECT["dependencies"]), declared(PROJECT["optional-dependencies"]["workflow"])
    loaded_by_name = {"snakemake-executor-plugin-slurm"}
    assert imported("workflow") - of_package - {"snakemake-interface-common"} == of_workflow - loaded_by_name


def test_every_pin_has_hashes() -> None:
    entry = re.compile(r"^(\S+==\S+)(?: \\\n    --hash=sha256:[0-9a-f]{64})+$", re.MULTILINE)
    for lock in (ROOT / "envs").glob("*.lock"):
        pins = [line for line in lock.read_text().splitlines() if "==" in line and not line.startswith("#")]
        assert entry.findall(lock.with_suffix(".hashes").read_text()) == pins and len(pins) > 20
