"""Find Psi4's interpreter and run the worker under it.

Psi4 lives in an interpreter of its own (Debian's, or a conda environment's), so nothing here imports it; see
``densnet/reference/psi4_worker``.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from densnet.errors import DensnetError
from densnet.processes.program import Event, WorkerEndedError, events, started, without_our_packages

WORKER = Path(__file__).parent / "psi4_worker"
VARIABLE = "DENSNET_PSI4"
REMEDY = (
    "install it (Debian: apt-get install psi4 libopenblas0-serial; conda: conda env create -f envs/psi4.yaml) or set "
    f"{VARIABLE} to a psi4 command or to a Python that imports psi4"
)


class WorkerCrashError(Exception):
    """The worker ended without a word (a signal, usually) while it computed ``item``."""

    def __init__(self, item: int | None, reason: str) -> None:
        super().__init__(reason)
        self.item = item
        self.reason = reason


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


def scratch_folder(parts: Path, environment: Mapping[str, str]) -> Path:
    """Return the scratch folder of a job: local disk, and the same after a restart, so that a kill leaves no litter."""
    base = environment.get("PSI_SCRATCH") or tempfile.gettempdir()
    digest = hashlib.sha256(str(parts.resolve()).encode()).hexdigest()[:16]
    return Path(base) / f"densnet-psi4-{os.getuid()}-{digest}"


def run_worker(
    job: Mapping[str, Any], parts: Path, on_event: Callable[[Event], None], environment: Mapping[str, str]
) -> None:
    """Run one job of the worker to its end; it dies with this process, whatever ends this process.

    Args:
        job: what ``psi4_worker`` reads, without ``parent`` and ``parts``.
        parts: folder for the results, one file each.
        on_event: called with each event of the worker.
        environment: of the worker, which computes on one thread.

    Raises:
        DensnetError: no Psi4, or the job cannot be done.
        WorkerCrashError: the worker died.
    """
    program = find_psi4(environment)
    scratch = scratch_folder(parts, environment)
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise DensnetError(f"{scratch}: cannot be made ({error}); set PSI_SCRATCH to a folder to write in") from error
    whole = {**job, "parts": str(parts.resolve())}
    settled = {**environment, "PSI_SCRATCH": str(scratch)}
    item: int | None = None
    try:
        with started(program.interpreter, WORKER, whole, scratch, settled, python_path=program.python_path) as process:
            for event in events(process, scratch):
                item = event["item"] if event["event"] == "start" else (None if event["event"] == "done" else item)
                on_event(event)
    except WorkerEndedError as error:
        raise WorkerCrashError(item, f"Psi4 crashed ({error})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
