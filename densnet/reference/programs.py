"""The programs that compute labels, Psi4 and PySCF: which of them it is, and its worker run on a job."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from densnet.basis.pyscf_functionals import libxc_name
from densnet.errors import DensnetError
from densnet.processes.program import Event, WorkerEndedError, events, started
from densnet.reference.level import AUTO, PSI4, PYSCF, LevelOfTheory, Program
from densnet.reference.psi4_program import VARIABLE as PSI4_VARIABLE
from densnet.reference.psi4_program import WORKER as PSI4_WORKER
from densnet.reference.psi4_program import find_psi4

VARIABLE = "DENSNET_PROGRAM"
"""Says what ``auto`` means; the workflow sets it, so that all jobs of a run take the same program."""
PYSCF_WORKER = Path(__file__).parent / "pyscf_worker"
SHARED = Path(__file__).parent / "worker_side"
PACKAGES = Path(__file__).parents[2]
"""Where ``import densnet`` finds this package."""
TITLES = {PSI4: "Psi4", PYSCF: "PySCF"}
SCRATCH = {PSI4: "PSI_SCRATCH", PYSCF: "PYSCF_TMPDIR"}
"""The variable that names each program's scratch disk."""
CHECKS = {PSI4: "does 'psi4 --test' pass?", PYSCF: "does 'python -c \"import pyscf\"' pass?"}


class WorkerCrashError(Exception):
    """The worker ended without a word (a signal, usually) while it computed ``item``."""

    def __init__(self, item: int | None, reason: str) -> None:
        super().__init__(reason)
        self.item = item
        self.reason = reason


@dataclass(frozen=True)
class Started:
    """How a worker is started: interpreter, folder of its program, what it needs on PYTHONPATH, its environment."""

    interpreter: Path
    worker: Path
    python_path: str
    environment: Mapping[str, str]


def settled(level: LevelOfTheory, environment: Mapping[str, str] = os.environ) -> LevelOfTheory:
    """Return the level with the program that computes it: Psi4 where it is found, otherwise PySCF, if left open.

    Raises:
        DensnetError: PySCF lacks the functional; DENSNET_PROGRAM names no program.
    """
    program = level.program
    if program == AUTO:
        named = environment.get(VARIABLE) or (PSI4 if psi4_is_there(environment) else PYSCF)
        if named not in TITLES:
            raise DensnetError(f"{VARIABLE}: expected {' or '.join(TITLES)}, found {named!r}; correct it or unset it")
        program = cast(Program, named)
    if program == PYSCF:
        libxc_name(level.functional)
    return replace(level, program=program)


def psi4_is_there(environment: Mapping[str, str]) -> bool:
    """Return whether Psi4 is named or on the PATH; what is named and cannot be started is for the job to refuse."""
    return bool(environment.get(PSI4_VARIABLE)) or shutil.which("psi4", path=environment.get("PATH")) is not None


def described(level: LevelOfTheory, environment: Mapping[str, str] = os.environ) -> str:
    """Return in one line which program computes a settled level."""
    if level.program == PSI4:
        where = environment.get(PSI4_VARIABLE) or shutil.which("psi4", path=environment.get("PATH")) or "not found here"
        return f"quantum chemistry by Psi4 ({where})"
    return f"quantum chemistry by PySCF {version('pyscf')}"


def scratch_folder(parts: Path, environment: Mapping[str, str], program: str = PSI4) -> Path:
    """Return the scratch folder of a job: local disk, and the same after a restart, so that a kill leaves no litter."""
    base = environment.get(SCRATCH[program]) or tempfile.gettempdir()
    digest = hashlib.sha256(str(parts.resolve()).encode()).hexdigest()[:16]
    return Path(base) / f"densnet-{program}-{os.getuid()}-{digest}"


def run_worker(
    job: Mapping[str, Any], parts: Path, on_event: Callable[[Event], None], environment: Mapping[str, str]
) -> None:
    """Run one job of the worker to its end; it dies with this process, whatever ends this process.

    Args:
        job: what the workers read, without ``parent`` and ``parts``; its level names the program.
        parts: folder for the results, one file each.
        on_event: called with each event of the worker.
        environment: of the worker, which computes on one thread.

    Raises:
        DensnetError: no such program, or the job cannot be done.
        WorkerCrashError: the worker died.
    """
    program = str(job["level"]["program"])
    scratch = scratch_folder(parts, environment, program)
    how = _how_to_start(program, {**environment, SCRATCH[program]: str(scratch)})
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise DensnetError(
            f"{scratch}: cannot be made ({error}); set {SCRATCH[program]} to a folder to write in"
        ) from error
    whole = {**job, "parts": str(parts.resolve())}
    item: int | None = None
    try:
        with started(
            how.interpreter, how.worker, whole, scratch, how.environment, python_path=how.python_path
        ) as process:
            for event in events(process, scratch):
                item = event["item"] if event["event"] == "start" else (None if event["event"] == "done" else item)
                on_event(event)
    except WorkerEndedError as error:
        raise WorkerCrashError(item, f"{TITLES[program]} crashed ({error})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _how_to_start(program: str, environment: Mapping[str, str]) -> Started:
    if program == PYSCF:
        path = os.pathsep.join((str(SHARED), str(PACKAGES)))
        return Started(Path(sys.executable), PYSCF_WORKER, path, environment)
    psi4 = find_psi4(environment)
    path = os.pathsep.join(filter(None, (str(SHARED), psi4.python_path)))
    return Started(psi4.interpreter, PSI4_WORKER, path, environment)
