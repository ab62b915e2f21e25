"""Run i-PI on the inputs of a replica, in a process of its own; stopped at any moment, it goes on from there."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
import time
from importlib.util import find_spec
from multiprocessing.process import BaseProcess
from pathlib import Path

from densnet.engines.ipi_input import PHASES, ending
from densnet.engines.ipi_trajectory import properties_of
from densnet.errors import DensnetError, Stopped
from densnet.io.parts import locked
from densnet.processes.group import end, signals_collected
from densnet.processes.worker import follow_parent

INSTALL = "run .venv/bin/pip install -c envs/requirements.lock '.[engines]'"
LOG = "ipi.log"
PROGRESS_SECONDS = 30.0
RESTART = "RESTART"
"""What i-PI writes when it is asked to stop, and at its end."""


def check_ipi() -> None:
    """See that i-PI is there.

    Raises:
        DensnetError: it is not installed.
    """
    if find_spec("ipi") is None:
        raise DensnetError(f"ipi: the package ipi is not installed; {INSTALL}")


def run_ipi(folder: Path) -> None:
    """Run both phases of a replica, those that are not done.

    Raises:
        DensnetError: i-PI is not installed, or fails.
    """
    check_ipi()
    for phase in PHASES:
        if (folder / ending(phase)).exists():
            continue
        began = time.monotonic()
        process = multiprocessing.get_context("spawn").Process(target=_run_phase, args=(folder, phase))
        _wait_for(process, folder, phase)
        _judge(process, folder, phase)
        print(f"ipi: {folder}: {phase} {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _wait_for(process: BaseProcess, folder: Path, phase: str) -> None:
    """Start i-PI's process and wait for its end; a scheduler's signal stops it after the current step.

    Raises:
        Stopped: a signal came.
    """
    with signals_collected() as came:
        process.start()
        try:
            shown = time.monotonic()
            while process.is_alive() and not came:
                process.join(1.0)
                if time.monotonic() - shown > PROGRESS_SECONDS:
                    shown = time.monotonic()
                    print(f"ipi: {folder}: {phase} {_progress(folder, phase)}", file=sys.stderr, flush=True)
        finally:
            end([process])
    if came:
        raise Stopped(came[0], f"i-PI's state is in {folder}")


def _progress(folder: Path, phase: str) -> str:
    """Say how far a phase is, by its input and what i-PI has written so far."""
    (steps,) = re.findall(r"<total_steps>(\d+)<", (folder / f"{phase}.xml").read_text("utf-8"))
    properties = folder / f"{phase}.properties"
    done = max(properties_of(properties), default=0) if properties.exists() else 0
    return f"step {done} of {steps}"


def _judge(process: BaseProcess, folder: Path, phase: str) -> None:
    """See that a phase has come to its end."""
    if process.exitcode == 0 and (folder / ending(phase)).exists():
        return
    lines = (folder / LOG).read_text(errors="replace").strip().splitlines() if (folder / LOG).exists() else []
    said = f": {lines[-1].strip()[:200]}" if lines else ""
    raise DensnetError(f"{folder}: i-PI ended before {phase} was done{said}; see {LOG} there, then run again")


def _run_phase(folder: Path, phase: str) -> None:
    """Be i-PI's process: what it says goes to a log, TERM and the parent's end stop it after the current step."""
    follow_parent(signal.SIGTERM)
    signal.signal(signal.SIGUSR1, lambda signum, frame: os.kill(os.getpid(), signal.SIGTERM))
    os.chdir(folder)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    from ipi.engine.simulation import Simulation
    from ipi.utils.softexit import softexit

    # of an earlier attempt, i-PI may still be ending
    lock = locked(Path("lock"))
    _end_last_lines(phase)
    with Path(_where_to_begin(phase)).open() as handle:
        simulation = Simulation.load_from_xml(handle)
    softexit.hard_exit = True
    simulation.run()
    if simulation.step + 1 >= simulation.tsteps and not softexit.triggered:
        simulation.chk.write(store=True)
        os.replace(RESTART, ending(phase))
        _forget(phase)
        lock.close()
        os._exit(0)
    softexit.trigger(status=simulation.exit_status, message=simulation.exit_message)


def _where_to_begin(phase: str) -> str:
    """Return the newest state of a phase, or its input if there is none that is whole."""
    states = [Path(name) for name in (RESTART, f"{phase}.checkpoint")]
    whole = [path for path in states if path.exists() and path.read_text().rstrip().endswith("</simulation>")]
    return str(max(whole, key=lambda path: path.stat().st_mtime)) if whole else f"{phase}.xml"


def _end_last_lines(phase: str) -> None:
    """End lines that were cut short, so that nothing is appended to them; i-PI writes what belonged there once more."""
    for path in Path().glob(f"{phase}.*"):
        if path.suffix not in (".xml", ".checkpoint") and not path.read_bytes().endswith(b"\n"):
            with path.open("a") as handle:
                handle.write("\n")


def _forget(phase: str) -> None:
    """Delete the states on the way to the end."""
    for path in (Path(RESTART), Path(f"{phase}.checkpoint"), Path("lock")):
        path.unlink(missing_ok=True)
