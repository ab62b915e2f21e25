"""Which program labels a run: said once, kept as long as the run lasts, and no reason to do again what is done."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from configuration import CHECKED, ConfigurationError, configuration
from programs import VARIABLE

from densnet.io.netcdf import variable, write_dataset

ROOT = Path(__file__).parents[2]
WATER: dict[str, Any] = {
    "run": "try",
    "systems": {"water": {"smiles": "O", "experiment": {"fundamentals": "water"}}},
}
Machine = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An empty folder on a machine with or without Psi4; a run begins each time it is called."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "psi4"

    def begin(*, psi4: bool) -> None:
        path.unlink(missing_ok=True)
        if psi4:
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        monkeypatch.setenv("PATH", str(path.parent))
        for name in (CHECKED, VARIABLE, "DENSNET_PSI4"):
            monkeypatch.setenv(name, "")

    return begin


def program(**reference: Any) -> str:
    return str(configuration(WATER | {"reference": reference})["reference"]["program"])


def write_atoms(**attributes: str) -> None:
    """Write what a run leaves."""
    import xarray as xr

    dataset = xr.Dataset({"energy": variable(("element",), [0.0], "eV", "energy")}, attrs=attributes)
    write_dataset(dataset, Path("results/try/water/atoms.nc"), stage="atoms", method_version=1, settings={})


def test_psi4_where_it_is_and_one_line_says_so(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    machine(psi4=True)
    assert program() == "psi4"
    assert f"densnet: quantum chemistry by Psi4 ({Path('bin/psi4').resolve()})\n" in capfd.readouterr().err
    machine(psi4=False)
    assert program() == "pyscf"
    assert "densnet: quantum chemistry by PySCF 2." in capfd.readouterr().err
    assert program(program="psi4") == "psi4"


def test_a_run_keeps_its_program(machine: Machine) -> None:
    """A file without a name is an earlier version's, thus Psi4's; one that another code made says nothing."""
    for attributes, of_run in (
        ({"psi4_version": "1.3.2"}, "psi4"),
        ({"program": "PySCF 2.14.0", "psi4_version": "not used: labels by PySCF 2.14.0"}, "pyscf"),
    ):
        write_atoms(**attributes)
        for there in (True, False):
            machine(psi4=there)
            assert program() == of_run
    write_atoms(psi4_version="not used: labels by ORCA 5")
    machine(psi4=True)
    assert program() == "psi4"


def test_processes_of_a_run_take_what_its_first_one_found(machine: Machine) -> None:
    machine(psi4=False)
    assert program() == "pyscf"
    Path("bin/psi4").write_text("#!/bin/sh\n")
    Path("bin/psi4").chmod(0o755)
    assert program() == "pyscf"


def test_what_pyscf_lacks_is_refused_before_the_first_job(machine: Machine) -> None:
    machine(psi4=False)
    with pytest.raises(ConfigurationError, match=r"reference: functional: PySCF lacks wB97X-D's dispersion"):
        program(functional="wB97X-D")
    assert program(functional="wB97X-D", program="psi4") == "psi4"


@pytest.mark.parametrize(
    ("wanted", "found", "options"),
    [("psi4", "pyscf", 0), ("pyscf", "psi4", 3), ("auto", "psi4", 0), ("auto", "pyscf", 3)],
)
def test_options_name_the_program_where_it_is_not_psi4(
    wanted: str, found: str, options: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another option every label of an earlier run would be made again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, found)
    config = WATER | {"reference": {"program": wanted, "shards": 2}, "md": {"potentials": []}}
    Path("config.yaml").write_text(yaml.safe_dump(config))
    words = ["--snakefile", ROOT / "workflow" / "Snakefile", "--cores", "1", "--dry-run", "--printshellcmds"]
    done = subprocess.run([sys.executable, "-m", "snakemake", *words], capture_output=True, text=True)
    commands = re.findall(r"densnet (?:label|atoms) .*", done.stdout)
    assert len(commands) == 3, done.stdout + done.stderr
    for option in (" --program", " --program pyscf "):
        assert [option in command for command in commands].count(True) == options
