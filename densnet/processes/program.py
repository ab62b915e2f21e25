"""A worker under the interpreter of another program, which no package of ours need share.

Jobs go out as a file, events come back as lines of JSON, results as files; ``worker_side/densnet_worker.py`` is what
the worker imports of this.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.processes.worker import THREAD_VARIABLES

WORKER_SIDE = Path(__file__).parent / "worker_side"
FOREIGN = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSAFEPATH"}
Event = dict[str, Any]


class WorkerEndedError(Exception):
    """The worker ended before its work was done; the message says how, with its last words."""


def without_our_packages(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what points Python at our packages."""
    return {name: value for name, value in environment.items() if name not in FOREIGN}


@contextmanager
def started(
    interpreter: Path,
    worker: Path,
    job: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str],
    *,
    threads: int = 1,
    python_path: str = "",
) -> Iterator[subprocess.Popen[str]]:
    """Start a worker on a job in a folder; it dies with this process, whatever ends this process.

    Args:
        interpreter: a Python.
        worker: the folder of its program.
        job: what it reads, without ``parent``; it lies in the folder as ``job.json``.
        folder: where it works and keeps ``worker.log``.
        environment: of the worker.
        threads: that its libraries may use.
        python_path: what its program needs on PYTHONPATH.
    """
    write_text(folder / "job.json", json.dumps({**job, "parent": os.getpid()}, indent=1))
    settled = {
        **without_our_packages(environment),
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(WORKER_SIDE), python_path))),
    }
    with (folder / "worker.log").open("w") as log:
        process = subprocess.Popen(
            [interpreter, worker, "job.json"],
            cwd=folder,
            env=settled,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def events(process: subprocess.Popen[str], folder: Path) -> Iterator[Event]:
    """Yield what the worker says, to its end.

    Raises:
        DensnetError: it refuses the job.
        WorkerEndedError: it did not end in order.
    """
    for line in process.stdout or ():
        event: Event = json.loads(line)
        if event["event"] == "error":
            raise DensnetError(event["message"])
        yield event
    status = process.wait()
    if status < 0:
        raise WorkerEndedError(f"signal {signal.Signals(-status).name}")
    if status:
        lines = (folder / "worker.log").read_text(errors="replace").strip().splitlines()
        raise WorkerEndedError(f"exit status {status}" + (f": {lines[-1][:200]}" if lines else ""))
