"""Find Psi4's interpreter.

Psi4 lives in an interpreter of its own (Debian's, or a conda environment's), so nothing here imports it; see
``densnet/reference/psi4_worker``.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from densnet.errors import DensnetError
from densnet.processes.program import without_our_packages

WORKER = Path(__file__).parent / "psi4_worker"
VARIABLE = "DENSNET_PSI4"
REMEDY = (
    "install it (Debian: apt-get install psi4 libopenblas0-serial; conda: conda env create -f envs/psi4.yaml) or set "
    f"{VARIABLE} to a psi4 command or to a Python that imports psi4; or take PySCF (program: pyscf)"
)


@dataclass(frozen=True)
class Psi4Program:
    """How to start Python with Psi4.

    Attributes:
        interpreter: the Python that Psi4 belongs to.
        python_path: what must be on PYTHONPATH for ``import psi4``, "" if nothing.
    """

    interpreter: Path
    python_path: str


def find_psi4(environment: Mapping[str, str]) -> Psi4Program:
    """Find Psi4: ``DENSNET_PSI4`` (a psi4 command or a Python that imports psi4), else ``psi4`` on the PATH.

    Raises:
        DensnetError: there is none.
    """
    named = environment.get(VARIABLE, "")
    command = shutil.which(named or "psi4", path=environment.get("PATH"))
    if command is None:
        problem = f"{VARIABLE}={named!r} is not an executable" if named else "no 'psi4' command on the PATH"
        raise DensnetError(f"psi4: {problem}; {REMEDY}")
    with open(command, "rb") as handle:
        first = handle.readline(512)
    if not first.startswith(b"#!"):
        return Psi4Program(Path(command), "")
    line = shlex.split(first[2:].decode(errors="replace"))
    interpreter = shutil.which(line[-1], path=environment.get("PATH")) if line else None
    beside = Path(command).resolve().parent / "python"
    if line and Path(line[0]).name == "env" and beside.exists():
        interpreter = str(beside)
    if interpreter is None:
        raise DensnetError(f"psi4: the interpreter {' '.join(line)!r} of {command} does not exist; {REMEDY}")
    asked = subprocess.run(
        [command, "--psiapi-path"], capture_output=True, text=True, env=without_our_packages(environment), check=False
    )
    paths = [text.split("=", 1)[1] for text in asked.stdout.splitlines() if text.startswith("export PYTHONPATH=")]
    return Psi4Program(Path(interpreter), paths[-1].replace(":$PYTHONPATH", "") if paths else "")
